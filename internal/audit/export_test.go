package audit

// Look is one look, without the second that tells a difference from a message on its way.
var Look = look

// Unreadable is what is said of a path that could not be read: to root, who runs some tests, nothing is forbidden.
var Unreadable = unreadable
