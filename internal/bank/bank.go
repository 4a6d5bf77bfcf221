// Package bank is one bank: deposit accounts, and the links that payment services ask for. A link is made
// only by somebody who proved possession, knowledge and consent to the bank itself, no debit passes without
// a link's open gate, and to a stranger every refusal looks the same.
package bank

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// The identifiers that stay inside the bank.
type (
	AccountID string // a deposit account, permanent through mergers: "acc_…"
	ProofID   string // a place where possession can be proved: "prf_…"
)

// Profile is the bank as services and people know it.
type Profile struct {
	Code     id.Bank    // "0149"
	Issuer   id.Issuer  // "https://0149.bank.example.jp": host of its pages, RP id of its passkeys
	Name     fault.Text // "静岡銀行", "The Shizuoka Bank"
	RPID     string     // the issuer's host
	HelpLine string     // a telephone number people find in their passbook
}

// Service is a payment service in the bank's own register: what is shown of it and what it may ask.
// Nothing of it is ever taken from a request.
type Service struct {
	ID           id.Service
	Name         fault.Text  // shown on consent pages and in codes
	Narration    string      // half-width, as the passbook prints it: "ﾏﾙﾍﾟｲ"
	RedirectURIs []string    // pages of the service, exact
	RPID, Origin string      // where the device keys of its holders live
	Keys         wire.KeySet // pinned
	Stopped      bool        // takes no new links from it
}

// Store is all that a bank keeps beside the ledger's own tables, in the same file as they.
type Store interface {
	// Commit writes rows in one transaction: all or none. A row whose condition (IfVersion, a unique key)
	// does not hold is fault.Conflict. The same row types may stand in a ledger.Request's Then.
	Commit(ctx context.Context, rows ...ledger.Write) error
	// Forget deletes, of each sort of row that has a life (KeepProofs and the like), at most so many that have
	// outlived it, and says how many it deleted in all.
	Forget(ctx context.Context, now time.Time, most int) (deleted int, err error)
	LinkStore
	MoneyStore
}

// Keys are the bank's private keys.
type Keys struct {
	Sign      wire.Key       // every message of the bank; older public keys stay in its jwks
	Seal      []wire.SealKey // open identities and browser values; the newest first
	Pseudonym []byte         // 32 bytes: makes a deposit account's name for one service; never rotated
	Code      []byte         // 32 bytes: keyed hash of one-time codes and references
}

// Sealer encrypts rows under a key outside the database; label binds a row to its place.
type Sealer interface {
	Seal(plain []byte, label string) ([]byte, error)
	Open(sealed []byte, label string) ([]byte, error)
}

// Deps are what a bank is made of. All but Channels are needed.
type Deps struct {
	Profile  Profile
	Policy   Policy
	Services map[id.Service]Service
	Channels []ChannelSystem // the bank's own; none is a bank without them
	Keys     Keys
	Store    Store
	Core     Core
	Books    ledger.Reader
	PIN      PINVerifier
	Sealer   Sealer
	Now      clock.Now
	Rand     io.Reader // crypto/rand.Reader, or a seeded source in a simulation
	Log      *slog.Logger
}

// Bank is one bank. Its methods may be called at the same time from many goroutines.
type Bank struct {
	Deps
	wake chan struct{} // something was put into the outbox
}

// New puts a bank together; a policy under a compiled floor is refused.
func New(d Deps) (*Bank, error) {
	if err := d.Policy.Check(); err != nil {
		return nil, err
	}
	if len(d.Keys.Pseudonym) < 32 || len(d.Keys.Code) < 32 || d.Keys.Sign.Zero() || len(d.Keys.Seal) == 0 {
		return nil, fault.New(fault.Internal, "bank.New", errors.New("a key is missing"))
	}
	return &Bank{Deps: d, wake: make(chan struct{}, 1)}, nil
}

// Wake tells the outbox that something is due; it never blocks.
func (b *Bank) Wake() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Woken is what the outbox runner listens to.
func (b *Bank) Woken() <-chan struct{} { return b.wake }

// Service finds a service in the register; fault.NotFound where it is not in it.
func (b *Bank) Service(s id.Service) (Service, error) {
	svc, ok := b.Services[s]
	if !ok {
		return Service{}, &fault.Error{Kind: fault.NotFound, Op: "bank.Service", Err: errors.New("not in the register")}
	}
	return svc, nil
}

// Pseudonym is the deposit account as one service may see it: the same for ever, and of no use to match
// what two services know.
func (b *Bank) Pseudonym(a AccountID, s id.Service) id.Pseudonym {
	sum := b.mac(b.Keys.Pseudonym, "pseudonym", string(a), string(s))
	return id.Pseudonym("psn_" + base32lower.EncodeToString(sum[:16]))
}

var base32lower = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// mac is HMAC-SHA256 over a purpose and parts, each with its length before it.
func (b *Bank) mac(key []byte, purpose string, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range append([]string{purpose}, parts...) {
		n := len(p)
		_, _ = h.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		_, _ = io.WriteString(h, p)
	}
	return h.Sum(nil)
}

// newID makes an identifier from the bank's randomness.
func (b *Bank) newID(prefix string) string { return id.New(b.Rand, prefix) }

// header begins a message of the bank.
func (b *Bank) header(to id.Service, at time.Time) wire.Header {
	return wire.Header{Issuer: string(b.Profile.Issuer), Audience: string(to), IssuedAt: at.Unix()}
}

// Why a gate is shut: the words of the table in docs/protocol.md.
const (
	ShutWaiting   = "waiting"   // consented, no receipt of a notice yet (L8)
	ShutSuspended = "suspended" // until matched again
	ShutRevoked   = "revoked"
	ShutExpired   = "expired"
	ShutStopped   = "stopped" // by the depositor (D2): an account's gate
)
