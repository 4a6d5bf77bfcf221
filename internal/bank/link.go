package bank

import (
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// RowState is what a link's row stores. Waiting, cooling, limited and active are not stored: StateAt reads
// them off the gate by the clock.
type RowState string

// The stored states of a link. Authenticated, live and suspended links occupy the account for their
// service (L7); revoked and expired are ends.
const (
	LinkAuthenticated RowState = "authenticated" // consented, not yet activated
	LinkLive          RowState = "live"          // activated: the gate decides
	LinkSuspended     RowState = "suspended"     // until proved again
	LinkRevoked       RowState = "revoked"
	LinkExpired       RowState = "expired" // or never activated
)

// linkMoves is all that may happen to a link's row; docs/states.md draws it.
var linkMoves = map[RowState][]RowState{
	"":                {LinkAuthenticated},
	LinkAuthenticated: {LinkLive, LinkSuspended, LinkRevoked, LinkExpired},
	LinkLive:          {LinkLive, LinkSuspended, LinkRevoked, LinkExpired},
	LinkSuspended:     {LinkLive, LinkSuspended, LinkRevoked, LinkExpired},
}

// CanBecome says whether a link's row may go from one state to another. Live → live is a new cooling-off.
func CanBecome(from, to RowState) bool {
	for _, s := range linkMoves[from] {
		if s == to {
			return true
		}
	}
	return false
}

// Link is a link's row: a permission for one wallet of one service at one deposit account.
type Link struct {
	ID        id.Link
	Request   id.Request // by which it was last activated, or is to be for the first time
	Pending   id.Request // consented to and not yet activated: the first, or a new proof of a suspended link
	Since     int64      // the row's version when Pending was noted: any change since then voids it
	Account   AccountID
	Service   id.Service
	Subject   id.Subject
	Pseudonym id.Pseudonym
	State     RowState
	Reason    string // why it is suspended, revoked or expired: "stopped_by_depositor", "device_changed", …
	Device    wire.Device
	Limits    wire.Limits
	Proof     ProofKind // of possession, when it was last proved
	Confirmed bool      // proved or confirmed by a strong proof (L13)
	Valid     time.Time // the first moment it is no longer valid

	ConsentedAt time.Time
	WaitsUntil  time.Time // when an authenticated link dies of itself (L12, L8)
	ActivatedAt time.Time // last time it went into cooling; zero before the first
	EndedAt     time.Time

	Seq     int64 // of the last report to the service
	Version int64 // counts changes of the row
}

// Occupies says whether the link takes its account's one place for the service (L7).
func (l Link) Occupies() bool {
	return l.State == LinkAuthenticated || l.State == LinkLive || l.State == LinkSuspended
}

// PutLink writes a link's row; IfVersion is the version stored now, 0 for a new link. A second link that
// would occupy the same account for the same service is refused with fault.Conflict and rule L7.
type PutLink struct {
	Link      Link
	IfVersion int64
}

// StateAt is what a link is at a moment, by its row and its two gates, and until when: the one place where
// cooling, limited and active are told apart. until is zero where nothing ends by the clock, and for a
// limited link that waits for a strong proof (L13).
func StateAt(l Link, gate, account ledger.Gate, now time.Time) (state wire.LinkState, until time.Time) {
	switch {
	case l.State == LinkRevoked && l.ActivatedAt.IsZero(), l.State == LinkExpired && l.ActivatedAt.IsZero():
		return wire.LinkDead, time.Time{}
	case l.State == LinkRevoked:
		return wire.LinkRevoked, time.Time{}
	case l.State == LinkExpired, l.State == LinkLive && !now.Before(l.Valid):
		return wire.LinkExpired, time.Time{}
	case l.State == LinkSuspended, account.Shut != "":
		return wire.LinkSuspended, time.Time{}
	case l.State == LinkAuthenticated:
		return wire.LinkWaiting, l.WaitsUntil
	case now.Before(gate.NotBefore):
		return wire.LinkCooling, gate.NotBefore
	case now.Before(gate.LimitedUntil):
		if !l.Confirmed {
			return wire.LinkLimited, time.Time{}
		}
		return wire.LinkLimited, gate.LimitedUntil
	default:
		return wire.LinkActive, l.Valid
	}
}

// awaits says whether the link is still what somebody consented to with a request: nothing has changed it
// since.
func (l Link) awaits(r id.Request) bool {
	return l.Pending == r && l.Version == l.Since && l.State != LinkLive && l.Occupies()
}
