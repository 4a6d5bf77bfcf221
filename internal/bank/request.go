package bank

import (
	"context"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wire"
)

// RequestState is how far a link request has come.
type RequestState string

// The states of a link request at the bank. Each is reached from the one before, in one browser; from any
// but the last two it can die.
const (
	RequestPushed     RequestState = "pushed"     // by PAR; no browser yet
	RequestOpened     RequestState = "opened"     // bound to one browser
	RequestEntered    RequestState = "entered"    // an account was entered; whether it matched, nobody sees
	RequestProved     RequestState = "proved"     // possession
	RequestIdentified RequestState = "identified" // possession and PIN
	RequestConsented  RequestState = "consented"  // a code is on its way
	RequestRedeemed   RequestState = "redeemed"   // the code was exchanged
	RequestWaiting    RequestState = "waiting"    // the service answered; a notice's receipt is missing (L8)
	RequestDone       RequestState = "done"       // activated
	RequestDead       RequestState = "dead"
)

// requestMoves is all that may happen to a request.
var requestMoves = map[RequestState][]RequestState{
	"":                {RequestPushed},
	RequestPushed:     {RequestOpened, RequestDead},
	RequestOpened:     {RequestEntered, RequestDead},
	RequestEntered:    {RequestProved, RequestDead},
	RequestProved:     {RequestIdentified, RequestDead},
	RequestIdentified: {RequestConsented, RequestDead},
	RequestConsented:  {RequestRedeemed, RequestDead},
	RequestRedeemed:   {RequestWaiting, RequestDone, RequestDead},
	RequestWaiting:    {RequestDone, RequestDead},
}

// Request is a service's request for a link, from PAR to activation.
type Request struct {
	ID      id.Request
	Service id.Service
	Subject id.Subject
	State   RequestState
	Ended   string // dead: why; for staff and the decision log, never for the page

	Client      string // who pushed it: the hub
	RedirectURI string
	OAuthState  string // given back to the service unchanged
	Challenge   string // PKCE S256
	JKT         string // thumbprint of the DPoP key the tokens will be bound to
	Details     string // the authorization_details text as pushed
	RequestHash string // of the service's signed LinkRequest
	Browser     string // hash of rs (L12)
	Sealed      string // the identity, still encrypted; emptied when it was opened, or the request died (L6)

	URIHash  string // of the request_uri
	URIUntil time.Time

	Reference string    // what a person reads out: "K7F3-9QXM"
	Session   string    // hash of the browser's cookie at the bank
	Account   AccountID // after a silent full match; "" is no match, and looks the same
	Holder    string    // in whose name, as the service proved it; for codes, the ATM and consent
	Proof     ProofID
	Proved    ProofKind // "" before
	PINTries  int

	CodeHash string  // of the authorization code
	Link     id.Link // made or proved again by this request

	PushedAt, OpenedAt, ConsentedAt, RedeemedAt, AnsweredAt, EndedAt time.Time

	Version int64
}

// PutRequest writes a request's row; IfVersion is the version stored now, 0 for a new request.
type PutRequest struct {
	Request   Request
	IfVersion int64
}

// PutProof writes a proof's row; IfVersion is the version stored now, 0 for a new one.
type PutProof struct {
	Proof     Proof
	IfVersion int64
}

// Token is an access token as stored: by hash, looked up at every call.
type Token struct {
	Hash    string // base64url SHA-256
	Client  string
	Scope   string // "account_link", "participant", "atm"
	JKT     string
	Link    id.Link    // account_link only
	Request id.Request // account_link only: by which it was issued
	Until   time.Time
	Revoked time.Time // zero while good
}

// PutToken stores a token.
type PutToken struct{ Token Token }

// RevokeTokens makes every token of a link useless, but those issued by the request Keep.
type RevokeTokens struct {
	Link id.Link
	Keep id.Request
	At   time.Time
}

// LinkStore is what the linking half of a bank keeps, split by concern. What is not there is fault.NotFound.
type LinkStore interface {
	RequestStore
	LinkRows
	ProofStore
	EvidenceStore
}

// RequestStore keeps link requests and tokens.
type RequestStore interface {
	// Request reads one by its id.
	Request(ctx context.Context, r id.Request) (Request, error)
	// RequestByURI reads one by the hash of its request_uri.
	RequestByURI(ctx context.Context, hash string) (Request, error)
	// RequestByCode reads one by the hash of its authorization code, used or not.
	RequestByCode(ctx context.Context, hash string) (Request, error)
	// RequestsToEnd lists requests that have run out of time (SessionLife, RedeemLife, ReceiptLife), for the sweeper.
	RequestsToEnd(ctx context.Context, now time.Time, n int) ([]Request, error)
	// RequestsReceived lists requests that wait, not yet too long, for a receipt that counts (Received) and is
	// there, for the sweeper.
	RequestsReceived(ctx context.Context, now time.Time, n int) ([]Request, error)
}

// LinkRows keeps links.
type LinkRows interface {
	// Link reads one.
	Link(ctx context.Context, l id.Link) (Link, error)
	// LinksOf lists all links of an account there ever were, newest first.
	LinksOf(ctx context.Context, acc AccountID) ([]Link, error)
	// Occupant reads the link that takes an account's place for a service (L7); fault.NotFound where free.
	Occupant(ctx context.Context, acc AccountID, s id.Service) (Link, error)
	// LinksPast lists live and suspended links whose last day is over, for the sweeper.
	LinksPast(ctx context.Context, now time.Time, n int) ([]Link, error)
	// ReceiptsOf lists the receipts of the notices of a request (L8).
	ReceiptsOf(ctx context.Context, r id.Request) ([]Receipt, error)
}

// ReceiptATM is the channel of a depositor's own word at an ATM.
const ReceiptATM Channel = "atm"

// Receipt is proof that a notice of a request reached the depositor (L8).
type Receipt struct {
	Request id.Request
	Channel Channel // SMS, Email, ReceiptATM
	Ref     string  // the notice; "" at an ATM
	At      time.Time
}

// PutReceipt stores a receipt; the same again is nothing.
type PutReceipt struct{ Receipt Receipt }

// Passkey is a WebAuthn credential of the bank's own host, registered at the portal.
type Passkey struct {
	ID         string // base64url credential id
	Account    AccountID
	Credential []byte // the record, JSON
	AddedAt    time.Time
	RemovedAt  time.Time
}

// PutPasskey writes a passkey: a new one, a new counter, a removal.
type PutPasskey struct{ Passkey Passkey }

// CodeSent counts a one-time code that really left for an account (L15). Where CodesPerDay of the budget left
// in the 24 hours before At, the commit is a fault.Conflict of the rule L15: codes asked for at once are no more.
type CodeSent struct {
	Account AccountID
	Proof   ProofID
	Budget  CodeBudget
	At      time.Time
}

// BudgetTold says that the depositor is told in this commit that a budget is used up: once in 24 hours, again
// is a fault.Conflict of the rule L15.
type BudgetTold CodeSent

// ATMSession is a card in a machine, its PIN verified.
type ATMSession struct {
	Hash    string // of the session's secret
	Account AccountID
	Client  string
	Until   time.Time
}

// PutATMSession stores a session at an ATM.
type PutATMSession struct{ Session ATMSession }

// ProofStore keeps proofs of possession.
type ProofStore interface {
	// ProofByID reads one.
	ProofByID(ctx context.Context, p ProofID) (Proof, error)
	// ProofByReference reads the unproved proof of an account that has a reference and began after a moment.
	ProofByReference(ctx context.Context, acc AccountID, reference string, after time.Time) (Proof, error)
	// CodesSince counts the codes of a budget that left for an account after a moment.
	CodesSince(ctx context.Context, acc AccountID, budget CodeBudget, after time.Time) (int, error)
	// PasskeysOf lists an account's passkeys, removed ones too.
	PasskeysOf(ctx context.Context, acc AccountID) ([]Passkey, error)
	// ATMSessionByHash reads a session.
	ATMSessionByHash(ctx context.Context, hash string) (ATMSession, error)
}

// Evidence is one thing that happened to a request or link, before it is chained (L11).
type Evidence struct {
	Kind    string // "pushed", "possession", "consent", "activated", "suspended", …
	Request id.Request
	Link    id.Link
	Account AccountID
	At      time.Time
	Facts   any // what was proved, per field; no secrets
}

// PutEvidence appends to the chain; the store numbers it, and has it signed over the link before.
type PutEvidence struct{ Evidence Evidence }

// EvidenceRow is a link of the chain: JWS is the bank's signature over the evidence, its number and the hash
// of the row before it.
type EvidenceRow struct {
	Seq  int64
	JWS  string
	Hash string // base64url SHA-256 of JWS
}

// PutDecision appends to the sealed decision log: what really happened behind one answer (L3).
type PutDecision struct {
	At        time.Time
	Reference string
	Sealed    []byte
}

// EvidenceStore keeps evidence and decisions.
type EvidenceStore interface {
	// EvidenceChain reads n rows after a number, to verify the chain.
	EvidenceChain(ctx context.Context, after int64, n int) ([]EvidenceRow, error)
	// Decisions reads what was logged under a reference number.
	Decisions(ctx context.Context, reference string) ([]PutDecision, error)
}

// CanBecome says whether a request may go from one state to another.
func (s RequestState) CanBecome(to RequestState) bool { return slices.Contains(requestMoves[s], to) }

// Asked gives the authorization_details, which were checked when they were pushed.
func (r Request) Asked() wire.AccountLink {
	d, err := wire.ParseDetails(r.Details)
	if err != nil {
		panic("bank: stored details do not parse: " + err.Error())
	}
	return d
}

// until is when an unfinished request dies of itself (L12, L8).
func (r Request) until() time.Time {
	switch r.State {
	case RequestConsented, RequestRedeemed:
		return r.ConsentedAt.Add(RedeemLife)
	case RequestWaiting:
		return r.AnsweredAt.Add(ReceiptLife)
	default:
		return r.PushedAt.Add(SessionLife)
	}
}
