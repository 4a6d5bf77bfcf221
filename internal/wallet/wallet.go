// Package wallet is a payment service: people with e-money accounts, their links to bank accounts, and the
// money that moves over them. No e-money appears without a bank's signed receipt, and nothing is asked of a
// bank that the holder's own device did not agree to.
package wallet

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// Ledger is the engine the wallet moves money with: *ledger.Ledger.
type Ledger interface {
	Submit(ctx context.Context, r ledger.Request) (ledger.Result, error)
	SubmitAll(ctx context.Context, rs []ledger.Request) ([]ledger.Result, error)
}

// Store is all that the wallet keeps beside the ledger's own tables, in the same file as they.
type Store interface {
	// Commit writes rows in one transaction: all or none. A row whose condition no longer holds is
	// fault.Conflict. The same row types may stand in a ledger.Request's Then.
	Commit(ctx context.Context, rows ...ledger.Write) error
	PeopleStore
	MoneyStore
}

// Profile is the service as banks and people know it.
type Profile struct {
	Service id.Service  // "maru"
	Name    fault.Text  // "まるペイ", "MaruPay"
	Origin  string      // "https://wallet.example.jp": pages, passkeys, and where a bank sends the browser back
	RPID    string      // the origin's host: WebAuthn relying party id
	Limits  wire.Limits // what a new link asks for
	Valid   int         // years a new link is asked for
}

// Deps are what a wallet is made of. All are needed.
type Deps struct {
	Profile  Profile
	Store    Store
	Ledger   Ledger
	Hub      HubClient
	Messages Messages
	Secrets  Secrets
	Now      clock.Now
	Rand     io.Reader // crypto/rand.Reader, or a seeded source in a simulation
	Log      *slog.Logger
	Money    MoneyDeps
}

// Messages signs for the service and verifies what banks signed, against the keys the service pinned.
type Messages interface {
	// Sign makes the compact JWS of a message.
	Sign(m wire.Message) (string, error)
	// SealIdentity signs an identity and encrypts it to the bank (L6).
	SealIdentity(ctx context.Context, to id.Issuer, m *wire.Identity) (string, error)
	// Seal encrypts a few bytes to the bank.
	Seal(ctx context.Context, to id.Issuer, plain []byte) (string, error)
	// Open verifies that compact is of into's type, signed by issuer, addressed to this service, and
	// decodes it. Anything else is fault.Invalid. Age is the caller's business: answers may come late.
	Open(ctx context.Context, compact string, issuer id.Issuer, into wire.Message) error
	// Knows says whether the service has pinned keys of this issuer.
	Knows(issuer id.Issuer) bool
}

// Secrets makes keyed fingerprints: of codes, contacts and documents, which are too few to hash bare.
type Secrets interface {
	// MAC is 32 bytes of HMAC-SHA256 of the parts under a key for this purpose, kept outside the database.
	MAC(purpose string, parts ...string) []byte
}

// Wallet is one service. Its methods may be called at the same time from many goroutines.
type Wallet struct {
	Deps
	wake     chan struct{} // something was put into the outbox
	subjects subjects      // one decision about a holder's money at a time
}

// New puts a wallet together.
func New(d Deps) *Wallet {
	return &Wallet{Deps: d, wake: make(chan struct{}, 1)}
}

// Wake tells the outbox that something is due; it never blocks.
func (w *Wallet) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Woken is what the outbox runner listens to.
func (w *Wallet) Woken() <-chan struct{} { return w.wake }

// newID makes an identifier from the wallet's randomness.
func (w *Wallet) newID(prefix string) string { return id.New(w.Rand, prefix) }

// header begins a message of the service; life is 0 where the message never grows stale.
func (w *Wallet) header(audience id.Issuer, life time.Duration) wire.Header {
	now := w.Now()
	h := wire.Header{Issuer: string(w.Profile.Service), Audience: string(audience), IssuedAt: now.Unix()}
	if life > 0 {
		h.Expires = now.Add(life).Unix()
	}
	return h
}
