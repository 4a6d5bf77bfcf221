package audit

// Look is one look, without the second that tells a difference from a message on its way.
var Look = look
