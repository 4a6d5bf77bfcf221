package hub

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/id"
)

// Stage is how far a link request has come at the hub.
type Stage string

// The stages of a link request. From redeeming on a row may hold a token, which a repeated redemption needs, and
// the hash of the code; never a code.
const (
	Asked     Stage = "asked"     // recorded; the bank has not answered
	PushedTo  Stage = "pushed"    // the bank gave a request_uri
	Redeeming Stage = "redeeming" // a code was handed in; the token is being fetched or the activation asked for
	Linked    Stage = "linked"    // the bank has answered the activation
	Ended     Stage = "ended"     // aborted, refused or lost
)

// Request is a link request as the hub keeps it. Sealed holds the verifier, the DPoP key and the token.
type Request struct {
	ID               id.Request
	Service          id.Service
	Issuer           id.Issuer
	Stage            Stage
	Digest           string // of everything the service sent: the same id with other content is an error
	RedirectURI      string
	AuthorizationURL string
	Expires          time.Time
	CodeHash         string // of the code first handed in
	Sealed           []byte
	Created          time.Time
}

// Link is a link as the hub knows it, from the bank's reports.
type Link struct {
	ID        id.Link
	Service   id.Service
	Issuer    id.Issuer
	Request   id.Request
	Pseudonym id.Pseudonym
	State     string
	Seq       int64
	Sealed    []byte // the link token and its DPoP key; empty until redeemed
	Updated   time.Time
}

// Debit is a routed debit: where it went, never whether it may.
type Debit struct {
	Service   id.Service
	ID        id.Debit
	Issuer    id.Issuer
	Link      id.Link
	OrderHash string
	Outcome   string // as the last answer says; "sent" before any
	Sent      time.Time
	Answered  time.Time
}

// Event is a bank's report on its way to a service.
type Event struct {
	Service id.Service
	Seq     int64  // counts per service from 1
	Key     string // link or request, and the report's own seq: kept once
	Report  string // the compact JWS, unchanged
	At      time.Time
}

// Act is a staff member's act.
type Act struct {
	At   time.Time
	By   string
	What string
	Why  string
}

// Tx is a transaction of the hub's store. What Suspensions returns inside it cannot change before it commits.
type Tx interface {
	Suspensions(ctx context.Context) ([]Suspension, error)
	PutSuspension(ctx context.Context, s Suspension) error // Open removes the entry
	PutAct(ctx context.Context, a Act) error
	Request(ctx context.Context, r id.Request) (Request, bool, error)
	PutRequest(ctx context.Context, r Request) error
	Link(ctx context.Context, l id.Link) (Link, bool, error)
	PutLink(ctx context.Context, l Link) error
	Debit(ctx context.Context, s id.Service, c id.Debit) (Debit, bool, error)
	PutDebit(ctx context.Context, d Debit) error
	// AddEvent appends an event unless its service has one of the same key, and says whether it did.
	AddEvent(ctx context.Context, e Event) (added bool, err error)
}

// Store keeps what the hub knows.
type Store interface {
	// Change runs f in one transaction; writers wait for one another.
	Change(ctx context.Context, f func(Tx) error) error
	Suspensions(ctx context.Context) ([]Suspension, error)
	Acts(ctx context.Context, n int) ([]Act, error) // newest first
	Events(ctx context.Context, s id.Service, after int64, n int) ([]Event, error)
	LinkByID(ctx context.Context, l id.Link) (Link, bool, error)
	LinksOf(ctx context.Context, issuer id.Issuer, p id.Pseudonym) ([]Link, error)
	Links(ctx context.Context, n int) ([]Link, error)   // newest first
	Debits(ctx context.Context, n int) ([]Debit, error) // newest first

	// MarkRead writes down that a service has taken its events up to seq, or up to the last there is, and says which.
	MarkRead(ctx context.Context, s id.Service, seq int64) (int64, error)
	// The Forget functions remove at most n of what is from before a moment and say how many: of a request its
	// addresses and secrets, and what was not linked is ended; events that are read; acts whose suspension is over.
	ForgetRequests(ctx context.Context, before time.Time, n int) (int, error)
	ForgetEvents(ctx context.Context, before time.Time, n int) (int, error)
	ForgetActs(ctx context.Context, before time.Time, n int) (int, error)
}
