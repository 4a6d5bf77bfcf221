// Package sim tells stories of wallets, hub and banks that come out the same for the same seed. The roles are the real
// ones (servers, rules, databases, signed messages); clock, dice, network, crashes and people are the story's. A network
// that loses, doubles, delays and reorders, processes that die around any commit and any call: whatever happens, the
// books must sum to zero, nothing that anybody was told may be lost, nothing be done twice, no limit be exceeded,
// nothing pass a stop, and both sides' books agree in the end.
//
// One thing happens at a time, and each may have others happen in its midst: while a call is on its way, and before a
// bank's ledger decides. So everything that could happen at the same moment happens in some order, which the seed
// chooses.
package sim
