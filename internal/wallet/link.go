package wallet

import (
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wire"
)

// Link is a holder's link to a bank account as the bank last reported it. The bank is the registry of record:
// the service shows a link, and asks less than it allows, but never decides about it.
type Link struct {
	ID         id.Link
	Request    id.Request // the link request it came from, or was last proved by
	Subject    id.Subject
	Issuer     id.Issuer
	Bank       id.Bank
	BankName   string // as the hub listed it at the request, in Japanese
	BankNameEN string
	Pseudonym  id.Pseudonym
	Device     string // thumbprint of the device key the bank has in the link's evidence

	Seq          int64 // of the report below; a lower one changes nothing
	Reported     wire.LinkState
	Reason       string
	Limits       wire.Limits
	ReceiptUntil time.Time // waiting: dies then without a receipt (L8)
	CoolingUntil time.Time
	LimitedUntil time.Time // zero with UntilProof: only a strong proof ends it (L13)
	UntilProof   bool
	ValidUntil   time.Time
	Changes      []string // ids of the changes the bank has not answered: no charge until there is none
	Report       string   // the bank's compact JWS
	CreatedAt    time.Time
	UpdatedAt    time.Time
	EndRequested bool // the holder ended it here; the bank has not confirmed yet
	Version      int64
}

// PutLink writes a link; IfVersion is the version stored now, 0 if there must be none.
type PutLink struct {
	Link      Link
	IfVersion int64
}

// LastDay is a moment of the last day on which the link is valid, as a page shows it; ValidUntil is the first moment after.
func (l Link) LastDay() time.Time { return l.ValidUntil.Add(-time.Second) }

// StateAt is the link's state at a moment: what the bank reported, moved on by the clock as the bank's own
// gate moves it (cooling → limited → active, waiting → dead, anything → expired).
func (l Link) StateAt(now time.Time) wire.LinkState {
	switch l.Reported {
	case wire.LinkWaiting:
		if !l.ReceiptUntil.IsZero() && !now.Before(l.ReceiptUntil) {
			return wire.LinkDead
		}
		return wire.LinkWaiting
	case wire.LinkCooling, wire.LinkLimited, wire.LinkActive:
	default:
		return l.Reported
	}
	switch {
	case !l.ValidUntil.IsZero() && !now.Before(l.ValidUntil):
		return wire.LinkExpired
	case now.Before(l.CoolingUntil):
		return wire.LinkCooling
	case l.UntilProof || now.Before(l.LimitedUntil):
		return wire.LinkLimited
	default:
		return wire.LinkActive
	}
}

// Matures says when money charged at now becomes available (M10): the zero time at once; known is false
// where only a strong proof at the bank will tell.
func (l Link) Matures(now time.Time) (at time.Time, known bool) {
	switch l.StateAt(now) {
	case wire.LinkActive:
		return time.Time{}, true
	default:
		return l.LimitedUntil, !l.UntilProof
	}
}

// Chargeable says whether the service lets the holder ask for a debit over the link at all. A cooling link is
// refused by the bank as well; saying it here saves the person the way.
func (l Link) Chargeable(now time.Time) bool {
	s := l.StateAt(now)
	return (s == wire.LinkLimited || s == wire.LinkActive) && len(l.Changes) == 0 && !l.EndRequested
}

// Over says that a link is no more: a new request at the same bank makes a new one or revives this.
func (l Link) Over(now time.Time) bool { return over(l.StateAt(now)) }

func over(s wire.LinkState) bool {
	return s == wire.LinkRevoked || s == wire.LinkExpired || s == wire.LinkDead
}
