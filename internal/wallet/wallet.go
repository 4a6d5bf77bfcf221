// Package wallet is a payment service: people with e-money accounts, their links to bank accounts, and the
// money that moves over them. No e-money appears without a bank's signed receipt, and nothing is asked of a
// bank that the holder's own device did not agree to.
package wallet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

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
	LivesStore
}

// Profile is the service as banks and people know it.
type Profile struct {
	Service id.Service  // "maru"
	Name    fault.Text  // "まるペイ", "MaruPay"
	Origin  string      // "https://wallet.example.jp": pages, passkeys, and where a bank sends the browser back
	RPID    string      // the origin's host: WebAuthn relying party id
	Limits  wire.Limits // what a new link asks for
	Valid   int         // years a new link is asked for
	Phones  []string    // how the phone numbers begin that codes are sent to: "+81"
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

// Secrets makes keyed fingerprints: of codes, contacts and documents, which are too few to hash bare.
type Secrets interface {
	// MAC is 32 bytes of HMAC-SHA256 of the parts under a key for this purpose, kept outside the database.
	MAC(purpose string, parts ...string) []byte
}

// Wallet is one service. Its methods may be called at the same time from many goroutines.
type Wallet struct {
	Deps
	rp       *webauthn.WebAuthn
	wake     chan struct{}     // something was put into the outbox
	subjects turns[id.Subject] // one decision about a holder's money at a time
	shopKeys turns[IdemKey]    // one request under a shop's idempotency key at a time
	ended    watchers          // who waits for the end of a charge
}

// New puts a wallet together; a policy outside the compiled bounds is refused.
func New(d Deps) (*Wallet, error) {
	rp, err := relyingParty(d.Profile)
	if err != nil {
		return nil, err
	}
	if err := d.Profile.check(); err != nil {
		return nil, err
	}
	if err := d.Money.Policy.Check(); err != nil {
		return nil, err
	}
	return &Wallet{Deps: d, rp: rp, wake: make(chan struct{}, 1)}, nil
}

// check refuses limits of new links that no bank would take, or that pass the compiled bound, and phone prefixes that
// are none.
func (p Profile) check() error {
	l := p.Limits
	if l.PerDebit < 1 || l.Per24h < l.PerDebit || l.Per30Days < l.Per24h || l.Per30Days > MaxCharge {
		return fmt.Errorf("wallet: the limits of a link must rise from 1 to %d yen", MaxCharge)
	}
	if p.Valid < 1 || p.Valid > 10 {
		return errors.New("wallet: a link is asked for 1 to 10 years")
	}
	if err := CheckPhonePrefixes(p.Phones); err != nil {
		return fmt.Errorf("wallet: phone prefixes: %w", err)
	}
	return nil
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
