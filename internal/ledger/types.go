// Package ledger moves money between accounts. Every transfer sums to zero, is done once for ever
// under its id, and is decided in the same commit as the limits and gates that allow it.
package ledger

import (
	"time"

	"github.com/kozamori/kozamori/internal/money"
)

// What one request may hold.
const (
	MaxID     = 120               // bytes of an identifier
	MaxMemo   = 1000              // bytes of a memo
	MaxLegs   = 100               // legs of a transfer
	MaxLimits = 10                // limits of a transfer
	MaxAmount = 1_000_000_000_000 // yen that one transfer moves in all: sums over millions of them stay in range
)

// The identifiers of the ledger. They are chosen by the caller, permanent, 1 to MaxID bytes.
type (
	AccountID  string // "available/sub_…", "deposit/dep_…"
	TransferID string // the idempotency key of a transfer or hold: "maru/deb_…"
	GateID     string // "link/lnk_…"
	LimitID    string // "deposit/dep_…"
)

// Account is a line of the books. Its balance is credits minus debits, so money that the company
// owes (deposits, e-money) is positive and money owed to it (receivables) negative.
type Account struct {
	ID   AccountID
	Kind string // class in the chart of accounts: "deposit", "available", "receivable"

	// Floor bounds Balance-HeldOut from below, Ceiling bounds Balance+HeldIn from above. They are the
	// account's allowed sign (Floor 0: credit only; Ceiling 0: debit only) and its caps in one.
	Floor, Ceiling money.Yen

	Balance         money.Yen // posted credits minus posted debits
	HeldOut, HeldIn money.Yen // open holds: still to be debited, still to be credited
	FrozenIn        bool      // no new transfer or hold may credit it; open holds still post
	FrozenOut       bool      // no new transfer or hold may debit it; open holds still post
	Closed          bool      // for ever: nothing may touch it any more
}

// Free is what may still be debited: Balance - HeldOut - Floor.
func (a Account) Free() money.Yen { return a.Balance - a.HeldOut - a.Floor }

// Room is what may still be credited: Ceiling - Balance - HeldIn.
func (a Account) Room() money.Yen { return a.Ceiling - a.Balance - a.HeldIn }

// Leg is one posting: the amount leaves Debit and arrives at Credit. Amount is positive.
type Leg struct {
	Debit, Credit AccountID
	Amount        money.Yen
}

// Limit is a rolling limit (M1): at most Each per transfer, Day in any 24 hours, Month in any 30 days.
// Zero means nothing is allowed; money.Max means no limit. Usage counts transfers and holds before any
// refund; a void gives its amount back.
type Limit struct {
	ID               LimitID
	Each, Day, Month money.Yen
	Version          int64
}

// Gate is a standing permission that is decided in the batch that debits (M13): a bank link, or the
// master switch of a deposit account as the Parent of its links.
type Gate struct {
	ID     GateID
	Parent GateID // "" for none; a parent's Shut, NotBefore and Until hold for its children

	Shut      string    // why it is shut ("stopped", "suspended", "revoked", "unconfirmed"); "" is open
	NotBefore time.Time // before this it is shut: cooling-off (L9)
	Until     time.Time // from this on it is shut: expiry; zero is never

	// Until LimitedUntil at most LimitedCap passes in any 24 hours (L9, L13); zero time: not limited.
	LimitedUntil time.Time
	LimitedCap   money.Yen

	Device string // thumbprint of the device key whose proof a transfer must carry; "" asks for none

	Version int64
}

// Request is one thing asked of the ledger. At is the business time the decision is made for: it comes
// from the caller's clock. Then, if set, is called once with the decision, in the batch and before its
// commit, and returns rows of the role that must be written in the same commit; it must not block, and
// is called again if the batch is decided again. It is not called for a repeated request.
type Request struct {
	At   time.Time
	Do   Action
	Then func(Result) []Write
}

// Write is a row of the role (a passbook line, a signed receipt, an outbox message) that the commit of
// the request carries; the role's store knows its types.
type Write any

// Abandon is a Write that no store writes: where a Then returns one, nothing of the call it stands in is done, and
// the call fails with Why. It is how several requests stand or fall together; nobody else of the batch notices.
type Abandon struct{ Why error }

// Action is one of Open, Bound, Freeze, Close, Move, Hold, Post, Void, Bury, SetGate, SetLimit, Tighten and Note.
type Action interface{ action() }

// Open creates an account with balance 0; Floor must not be above 0 nor Ceiling below it. The same kind,
// floor and ceiling again is a repeat, others are a Mismatch.
type Open struct{ Account Account }

// Bound changes the floor and ceiling of an account. A balance beyond them stays: then only what brings
// it nearer is allowed, and open holds still post.
type Bound struct {
	Account        AccountID
	Floor, Ceiling money.Yen
}

// Move transfers all its legs or none, and is judged on what all legs together do to each account. A
// Final refusal is kept under the id and answered for ever; otherwise a refused id may be tried again.
// One that is malformed (Overflow) or names what does not exist (Unknown) was not judged and is never kept. A
// repeat is the same in everything but Device and Final: a proof may be made anew.
type Move struct {
	ID      TransferID
	Kind    string     // "charge", "payment", "reversal"
	Legs    []Leg      // at most MaxLegs, together at most MaxAmount
	Refunds TransferID // the transfer it gives back; all refunds of one together are at most what that moved. "" for none
	Gate    GateID     // "" for none
	Device  string     // thumbprint of the device whose proof the caller verified
	Limits  []LimitID  // at most MaxLimits; each is charged with the sum of the legs
	Memo    string     // kept with the transfer, part of what makes a repeat the same
	Final   bool
}

// Hold reserves all legs of a Move on both sides; Post or Void ends it. From Until on, if it is set, it cannot
// be posted any more; it reserves until it is voided (Reader.Overdue lists those). The hold of a charge has no
// time-out (M12).
type Hold struct {
	Move
	Until time.Time
}

// Post turns an open hold into a transfer. It cannot fail for funds, caps or freezes: they were reserved. Part,
// if set, says how much of each leg is posted, in their order, not more than was held and not nothing in all;
// the rest is given back, limits and refunds included.
type Post struct {
	ID   TransferID
	Part []money.Yen
}

// Void ends an open hold and gives back what it reserved, limits included.
type Void struct{ ID TransferID }

// Bury writes a tombstone: an id never seen is refused for ever (M12, cancel if unseen).
// The outcome is what became of the id: Buried, now or before, or the repeated result of its Move or Hold.
type Bury struct{ ID TransferID }

// SetGate writes a gate. IfVersion is the version it must have now, 0 if it must not exist. The same gate
// with the same IfVersion again is a repeat.
type SetGate struct {
	Gate      Gate
	IfVersion int64
}

// SetLimit writes a limit; its usage stays.
type SetLimit struct{ Limit Limit }

// Tighten lowers a limit to at most what Limit allows; it raises nothing, and its usage stays.
type Tighten struct{ Limit Limit }

// Freeze sets both freezes of an account.
type Freeze struct {
	Account AccountID
	In, Out bool
}

// Close ends an account that has no balance and no open hold. Again is a repeat.
type Close struct{ Account AccountID }

// Note changes nothing in the ledger: its Then writes rows in order with everything else.
type Note struct{}

func (Open) action()     {}
func (Bound) action()    {}
func (Move) action()     {}
func (Hold) action()     {}
func (Post) action()     {}
func (Void) action()     {}
func (Bury) action()     {}
func (SetGate) action()  {}
func (SetLimit) action() {}
func (Tighten) action()  {}
func (Freeze) action()   {}
func (Close) action()    {}
func (Note) action()     {}

// Outcome is what the ledger decided.
type Outcome uint8

// The outcomes. Everything but Done refuses, and changes nothing but a Final refusal's own row.
const (
	Done         Outcome = iota + 1
	Mismatch             // the id is known with other content; nothing ended
	Insufficient         // Result.Account has too little
	Full                 // Result.Account would pass its ceiling
	OverLimit            // Result.Limit, in Result.Window
	Frozen               // Result.Account
	GateShut             // Result.Reason, and Result.Until where it is a matter of time
	GateLimited          // over the gate's LimitedCap; Result.Until
	WrongDevice          // the proof is of another device than the gate's
	Unknown              // an account, hold, gate or limit that does not exist: Result.Reason
	Buried               // a tombstone stands at the id; Repeated says whether it stood there before
	Ended                // the hold was ended the other way
	Stale                // the gate is not at IfVersion
	NotEmpty             // Result.Account has a balance (Left) or an open hold
	Closed               // Result.Account
	OverRefund           // more than Left of the transfer that is refunded
	Expired              // the hold's Until has passed
	Overflow             // malformed: ids, amounts or times out of range, no legs or too many, a leg that is not positive or within one account
)

// Window is the part of a limit that was passed.
type Window string

// The windows of a limit.
const (
	Each  Window = "each"
	Day   Window = "day"
	Month Window = "month"
)

// Result is the ledger's answer to one request.
type Result struct {
	Outcome  Outcome
	Repeated bool      // the id was decided before; Outcome and At are those of the first time
	At       time.Time // when the transfer was first decided (booked at, for a Move)
	Open     bool      // for a hold that is neither posted nor voided
	Voided   bool      // for a hold that was voided; Outcome is still that of the Hold

	Account AccountID // Insufficient, Full, Frozen, Closed, NotEmpty
	Limit   LimitID   // OverLimit
	Window  Window    // OverLimit
	Left    money.Yen // what would still have passed there: Insufficient, Full, OverLimit, GateLimited, OverRefund
	Reason  string    // GateShut: its Shut, "cooling" or "expired"; Unknown: "account", "hold", "gate", "limit", "refunded"
	Until   time.Time // GateShut, GateLimited
}

// OK says that the request is done, now or before.
func (r Result) OK() bool { return r.Outcome == Done }
