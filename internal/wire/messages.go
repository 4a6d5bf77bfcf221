// Package wire is what crosses between companies: signed messages, and the OAuth that carries them.
// What a message says is believed only because of its own signature, never because of who handed it over.
package wire

import (
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
)

// Every message below is the payload of a compact JWS (RFC 7515) with the header parameters alg, kid and
// typ, where typ is the message's Typ: a message can never be taken for another kind. Times named …_us are
// microseconds since 1970 UTC; iat and exp are seconds (RFC 7519, section 2).

// Header is what all messages begin with.
type Header struct {
	Issuer   string `json:"iss"` // a service's id, or a bank's issuer URL
	Audience string `json:"aud"` // exactly one
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp,omitempty"` // where a message must be fresh when first seen
}

// Head gives access to the header whatever the message.
func (h *Header) Head() *Header { return h }

// Message is a payload with its header and its JWS type.
type Message interface {
	Head() *Header
	Typ() string
}

// AccountLink is the one authorization_details object of a link request (RFC 9396, type account_link).
type AccountLink struct {
	Type       string     `json:"type"` // "account_link"
	Service    id.Service `json:"service"`
	Subject    id.Subject `json:"subject"`
	Level      int        `json:"level"` // identity level at the service: 2 or more
	Limits     Limits     `json:"limits"`
	ValidUntil string     `json:"valid_until"` // Japanese date, last day
	Device     Device     `json:"device"`
}

// Limits are what a link may move, in yen.
type Limits struct {
	PerDebit  money.Yen `json:"per_debit"`
	Per24h    money.Yen `json:"per_24_hours"`
	Per30Days money.Yen `json:"per_30_days"`
}

// Device is the holder's device key (L9, M9): a passkey of the service's host, and beside one that may be
// synced a key that cannot leave its browser.
type Device struct {
	CredentialID string `json:"credential_id"` // base64url
	PublicKey    string `json:"public_key"`    // base64url, COSE_Key as registered (RFC 9052)
	RPID         string `json:"rp_id"`
	Origin       string `json:"origin"`
	Synced       bool   `json:"synced"`                // the passkey's backup-eligible flag
	BrowserKey   string `json:"browser_key,omitempty"` // base64url SPKI, P-256; required where Synced
}

// DeviceProof shows that the holder agreed to one debit: the challenge of the assertion, and the text the
// browser key signs, is DebitChallenge.
type DeviceProof struct {
	CredentialID      string `json:"credential_id"`
	AuthenticatorData string `json:"authenticator_data"`          // base64url
	ClientDataJSON    string `json:"client_data_json"`            // base64url
	Signature         string `json:"signature"`                   // base64url
	BrowserSignature  string `json:"browser_signature,omitempty"` // base64url, r||s (RFC 7518, 3.4)
}

// LinkRequest is the service's signature under a request for a link (step 2 of a link). It binds the
// authorization details, the page the browser must return to, and the browser itself (L12).
type LinkRequest struct {
	Header
	Request     id.Request `json:"request"`
	DetailsHash string     `json:"details_hash"` // base64url SHA-256 of the authorization_details text
	Browser     string     `json:"browser_hash"` // base64url SHA-256 of rs, the fresh value only that browser's session knows
	RedirectURI string     `json:"redirect_uri"`
}

// Identity is the person as the service proved her (L6): a JWS inside a JWE that only the bank can open.
type Identity struct {
	Header
	Request     id.Request `json:"request"`
	Subject     id.Subject `json:"subject"`
	DetailsHash string     `json:"details_hash"`
	Level       int        `json:"level"`
	NameKana    string     `json:"name_kana"`  // full-width katakana, one space between family and given name
	BirthDate   string     `json:"birth_date"` // "1985-04-01"
	Phone       string     `json:"phone"`      // E.164
}

// Activation hands the bank rs, which only the service and the browser that asked can know, once the same
// browser has come back (step 7).
type Activation struct {
	Header
	Request id.Request `json:"request"`
	Browser string     `json:"browser"` // JWE to the bank of rs
}

// Abort lets a request die (L12).
type Abort struct {
	Header
	Request id.Request `json:"request"`
	Reason  string     `json:"reason"` // "other_browser", "timeout", "cancelled"
}

// LinkState is a link's state as the bank reports it. Waiting: authenticated, no delivery receipt yet (L8).
type LinkState string

// The states a report names; docs/states.md draws them.
const (
	LinkWaiting   LinkState = "waiting"
	LinkCooling   LinkState = "cooling"
	LinkLimited   LinkState = "limited"
	LinkActive    LinkState = "active"
	LinkSuspended LinkState = "suspended"
	LinkRevoked   LinkState = "revoked"
	LinkExpired   LinkState = "expired"
	LinkDead      LinkState = "dead" // the request came to nothing; there is no link
)

// LinkReport is what the bank says of a link to one service; a higher Seq supersedes.
type LinkReport struct {
	Header
	Request        id.Request   `json:"request"`
	Link           id.Link      `json:"link,omitempty"`   // absent where dead
	Change         string       `json:"change,omitempty"` // the LinkChange it answers; absent where it answers none
	Seq            int64        `json:"seq"`
	Subject        id.Subject   `json:"subject"`
	Pseudonym      id.Pseudonym `json:"pseudonym,omitempty"`
	State          LinkState    `json:"state"`
	Reason         string       `json:"reason,omitempty"` // "stopped_by_depositor", "device_changed", …
	Limits         Limits       `json:"limits"`
	ReceiptUntilUs int64        `json:"receipt_until_us,omitempty"` // waiting: dies then without a receipt
	CoolingUntilUs int64        `json:"cooling_until_us,omitempty"`
	LimitedUntilUs int64        `json:"limited_until_us,omitempty"` // -1: until a strong proof (L13)
	ValidUntilUs   int64        `json:"valid_until_us,omitempty"`
}

// LinkChange tells the bank what changed at the service for a link's holder (L9).
type LinkChange struct {
	Header
	Change string  `json:"change"` // its id: "chg_…"
	Link   id.Link `json:"link"`
	Kind   string  `json:"kind"` // "device", "phone", "email", "recovery", "identity", "ended"
}

// DebitOrder is the service's signature under one debit, with the holder's (M9).
type DebitOrder struct {
	Header
	Link          id.Link     `json:"link"`
	Debit         id.Debit    `json:"debit"`
	Amount        money.Yen   `json:"amount"`
	Subject       id.Subject  `json:"subject"`
	WalletAccount string      `json:"wallet_account"` // where it lands, as the receipt must name it
	AgreedUs      int64       `json:"agreed_us"`      // when the holder was shown it; in the challenge
	Device        DeviceProof `json:"device"`
}

// Outcome is what became of a debit at the bank.
type Outcome string

// The outcomes of a debit. Booked, refused and never are final.
const (
	Booked  Outcome = "booked"
	Refused Outcome = "refused"
	Never   Outcome = "never"   // a tombstone: unseen when asked for, refused for ever
	Pending Outcome = "pending" // waits for the depositor (M3, M4); ask again
)

// DebitReceipt is the bank's word on a debit; nothing else ends a charge.
type DebitReceipt struct {
	Header
	Link          id.Link   `json:"link"`
	Debit         id.Debit  `json:"debit"`
	OrderHash     string    `json:"order_hash"` // base64url SHA-256 of the order's compact JWS
	Amount        money.Yen `json:"amount"`
	WalletAccount string    `json:"wallet_account"`
	Outcome       Outcome   `json:"outcome"`
	BookedUs      int64     `json:"booked_us"` // when it was decided
	Rule          string    `json:"rule,omitempty"`
	Reason        string    `json:"reason,omitempty"`   // refused: a word of the table in docs/protocol.md
	UntilUs       int64     `json:"until_us,omitempty"` // pending, and refusals that time will lift
}

// Resolve asks what became of a debit: cancel if unseen (M12).
type Resolve struct {
	Header
	Link          id.Link   `json:"link"`
	Debit         id.Debit  `json:"debit"`
	OrderHash     string    `json:"order_hash"`
	Amount        money.Yen `json:"amount"`
	WalletAccount string    `json:"wallet_account"`
}

// Reversal gives a booked debit back, whole.
type Reversal struct {
	Header
	Reversal  string    `json:"reversal"` // its id: "rev_…"
	Link      id.Link   `json:"link"`
	Debit     id.Debit  `json:"debit"`
	OrderHash string    `json:"order_hash"`
	Amount    money.Yen `json:"amount"`
}

// ReversalReceipt is the bank's word on a reversal.
type ReversalReceipt struct {
	Header
	Reversal string    `json:"reversal"`
	Link     id.Link   `json:"link"`
	Debit    id.Debit  `json:"debit"`
	Amount   money.Yen `json:"amount"`
	Outcome  string    `json:"outcome"` // "reversed", or "refused" where no such debit is booked
	BookedUs int64     `json:"booked_us"`
	Suspense bool      `json:"suspense,omitempty"` // the account is closed: it lies on a suspense account
}

// Statement is a page of what one side has of a Japanese day, by the bank's booked time: all lines of the debits
// behind After, up to and with Upto.
type Statement struct {
	Header
	Day         string          `json:"day"`             // "2026-11-23"
	Provisional bool            `json:"provisional"`     // the day is not over
	After       id.Debit        `json:"after,omitempty"` // absent: from the start of the day
	Upto        id.Debit        `json:"upto,omitempty"`  // absent: to its end
	Lines       []StatementLine `json:"lines"`           // ordered by Debit, then Kind
	Open        []id.Debit      `json:"open"`            // charges without an end (of the service only)
	Total       *StatementTotal `json:"total,omitempty"` // of the whole day, on its last page

	// Settlement is the compact JWS of the day's Settlement, on the last page of the bank's, once the day is
	// agreed on; always the same bytes.
	Settlement string `json:"settlement,omitempty"`
}

// StatementTotal is what the lines of a day come to.
type StatementTotal struct {
	Lines     int       `json:"lines"`
	Debits    money.Yen `json:"debits"`
	Reversals money.Yen `json:"reversals"`
}

// Settlement is the bank's word that both sides agree on a day and that it has booked its net as paid out (M8).
type Settlement struct {
	Header
	Day   string         `json:"day"`
	Total StatementTotal `json:"total"` // of both sides; the service owes the bank where reversals are more than debits
}

// StatementLine is one booked debit or reversal.
type StatementLine struct {
	Kind     string    `json:"kind"` // "debit", "reversal"
	Debit    id.Debit  `json:"debit"`
	Link     id.Link   `json:"link"`
	Amount   money.Yen `json:"amount"`
	BookedUs int64     `json:"booked_us"`
	Receipt  string    `json:"receipt_hash"` // base64url SHA-256 of the receipt's compact JWS
}

// Typ names the JWS type of each message.
func (*LinkRequest) Typ() string     { return "kozamori-link-request+jwt" }
func (*Identity) Typ() string        { return "kozamori-identity+jwt" }
func (*Activation) Typ() string      { return "kozamori-activation+jwt" }
func (*Abort) Typ() string           { return "kozamori-abort+jwt" }
func (*LinkReport) Typ() string      { return "kozamori-link-report+jwt" }
func (*LinkChange) Typ() string      { return "kozamori-link-change+jwt" }
func (*DebitOrder) Typ() string      { return "kozamori-debit-order+jwt" }
func (*DebitReceipt) Typ() string    { return "kozamori-debit-receipt+jwt" }
func (*Resolve) Typ() string         { return "kozamori-resolve+jwt" }
func (*Reversal) Typ() string        { return "kozamori-reversal+jwt" }
func (*ReversalReceipt) Typ() string { return "kozamori-reversal-receipt+jwt" }
func (*Statement) Typ() string       { return "kozamori-statement+jwt" }
func (*Settlement) Typ() string      { return "kozamori-settlement+jwt" }
