package wallet

import (
	"context"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// ChargeState is where a charge stands at the service.
type ChargeState string

// The states of a charge; docs/states.md draws them.
const (
	ChargeAsked     ChargeState = "asked"     // shown to the holder, not agreed to yet: nothing was signed
	ChargeSent      ChargeState = "sent"      // agreed and held; the bank has the order, or will, or will bury it
	ChargePending   ChargeState = "pending"   // the bank waits for the depositor (M3, M4)
	ChargeDone      ChargeState = "done"      // booked at the bank, posted here
	ChargeRefused   ChargeState = "refused"   // the bank's signed refusal
	ChargeNever     ChargeState = "never"     // the bank's tombstone
	ChargeReversing ChargeState = "reversing" // the e-money is put aside, the reversal is on its way
	ChargeReversed  ChargeState = "reversed"  // the bank has given the debit back
)

// chargeNext is the whole life of a charge. What is not here cannot happen: PutCharge is checked against it.
var chargeNext = map[ChargeState][]ChargeState{
	ChargeAsked:     {ChargeSent, ChargeNever},
	ChargeSent:      {ChargePending, ChargeDone, ChargeRefused, ChargeNever},
	ChargePending:   {ChargePending, ChargeDone, ChargeRefused},
	ChargeDone:      {ChargeReversing},
	ChargeReversing: {ChargeReversed},
	ChargeRefused:   {},
	ChargeNever:     {},
	ChargeReversed:  {},
}

// ChargeStates lists every state with those that may follow it: for the drawing, the store and tests.
func ChargeStates() map[ChargeState][]ChargeState {
	out := make(map[ChargeState][]ChargeState, len(chargeNext))
	for s, next := range chargeNext {
		out[s] = slices.Clone(next)
	}
	return out
}

// May says whether a charge may go from s to next.
func (s ChargeState) May(next ChargeState) bool { return slices.Contains(chargeNext[s], next) }

// Open says that the bank's last word on the debit is still to come.
func (s ChargeState) Open() bool {
	return s == ChargeAsked || s == ChargeSent || s == ChargePending
}

// Charge is e-money that a holder asks for out of her bank account.
type Charge struct {
	Debit    id.Debit
	Subject  id.Subject
	Link     id.Link
	Issuer   id.Issuer
	BankName fault.Text
	Amount   money.Yen
	Account  ledger.AccountID // where it lands, as order and receipt name it
	State    ChargeState
	AgreedAt time.Time // when it was shown to the holder: part of what her device signs

	Order     string // the compact JWS; "" while asked
	OrderHash string // "" while asked

	Receipt  string // the bank's last receipt that was taken, compact
	Rule     string // of a refusal
	Reason   string // of a refusal, a word of the table in docs/protocol.md
	Until    time.Time
	BookedAt time.Time // by the bank's receipt
	EndedAt  time.Time // when we took it

	Asks    int       // resolutions asked so far
	NextAsk time.Time // when the sweeper asks what became of it
	Version int64
}

// Matures says that the charge lands on a maturing account (M10).
func (c Charge) Matures() bool { return c.Account != Available(c.Subject) }

// Challenge is what the holder's device signs (M9).
func (c Charge) Challenge() []byte {
	return wire.DebitChallenge(c.Issuer, c.Link, c.Debit, c.Amount, c.AgreedAt.UnixMicro())
}

// PutCharge writes a charge. IfVersion is the version stored now, 0 if there must be none; From the state it
// must be in. A charge that changed meanwhile is fault.Conflict.
type PutCharge struct {
	Charge    Charge
	From      ChargeState
	IfVersion int64
}

// to makes the row that moves a charge on, and panics where the table of states does not allow it.
func (c Charge) to(next ChargeState, change func(*Charge)) PutCharge {
	if !c.State.May(next) {
		panic("wallet: a charge cannot go from " + string(c.State) + " to " + string(next))
	}
	row := PutCharge{Charge: c, From: c.State, IfVersion: c.Version}
	row.Charge.State = next
	row.Charge.Version = c.Version + 1
	change(&row.Charge)
	return row
}

// AskAgain postpones the next resolution of an open charge, and counts as a change of it: what was read before
// is no longer what is stored.
type AskAgain struct {
	Debit id.Debit
	Asks  int
	At    time.Time
}

// ChargeStore keeps charges and reversals.
type ChargeStore interface {
	Charge(ctx context.Context, debit id.Debit) (Charge, error)
	// ChargesToAsk lists open charges whose NextAsk has come, the longest due first.
	ChargesToAsk(ctx context.Context, now time.Time, n int) ([]Charge, error)
	// OpenCharges lists charges without an end (asked ones apart), and those being reversed, oldest first.
	OpenCharges(ctx context.Context, n int) ([]Charge, error)
	// ChargedSince sums what went over a link, or may have gone, in charges shown after a moment.
	ChargedSince(ctx context.Context, link id.Link, since time.Time) (money.Yen, error)
	// AskedCharge is the holder's charge over a link that was shown and not agreed to, as long as the bank was
	// not asked about it: until then it may take another amount.
	AskedCharge(ctx context.Context, sub id.Subject, link id.Link) (Charge, error)

	// MaturingLinks lists the links whose maturing accounts hold money.
	MaturingLinks(ctx context.Context) ([]Link, error)

	Reversal(ctx context.Context, debit id.Debit) (Reversal, error)
	ReversalByID(ctx context.Context, reversal string) (Reversal, error)
}
