// Package hub routes link requests and debits between services and banks and refuses what is suspended.
// It moves no money and makes no link: what it carries is signed by others, and it opens none of it.
package hub

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
)

// Service is a payment service as registered.
type Service struct {
	ID             id.Service
	NameJA, NameEN string
}

// Bank is a bank as registered: its code today, and the issuer that stays through mergers.
type Bank struct {
	Code                 id.Bank
	Issuer               id.Issuer
	NameJA, NameEN, Kana string
}

// Bridge is the hub's way to a bank. An error of kind Unavailable means that the outcome is not known;
// any other error is the bank's answer.
type Bridge interface {
	// Push sends a link request (RFC 9126) and returns where the browser goes and for how long that holds.
	Push(ctx context.Context, issuer id.Issuer, in Pushed) (authorizationURL string, expiresIn time.Duration, err error)
	// Exchange redeems a code (RFC 6749, 4.1.3) for the link's token.
	Exchange(ctx context.Context, issuer id.Issuer, in Exchanged) (LinkToken, error)
	// Activate hands the service's activation to the bank with the link's token and returns the bank's report.
	Activate(ctx context.Context, issuer id.Issuer, token LinkToken, activation string) (Report, error)
	// Debit hands an order to the bank with the link's token.
	Debit(ctx context.Context, issuer id.Issuer, token LinkToken, order string) (Receipt, error)
	// Forward posts one signed message to a path of the bank with the hub's participant token and returns the signed
	// answer: field names of docs/protocol.md.
	Forward(ctx context.Context, issuer id.Issuer, path, field, message, answer string) (string, error)
	// ReadReport and ReadReceipt read what a bank's message says, to route it; they verify nothing.
	ReadReport(report string) (Report, error)
	ReadReceipt(receipt string) (Receipt, error)
	// NewKey makes the DPoP key of one link.
	NewKey() (private []byte, err error)
	// NewVerifier makes a PKCE verifier (RFC 7636, 4.1).
	NewVerifier() string
}

// Pushed is what a link request carries to the bank; the signed parts pass unchanged.
type Pushed struct {
	RedirectURI, State, Details, LinkRequest, Identity string
	Verifier                                           string // PKCE; only its S256 challenge is sent
	Key                                                []byte // the DPoP key of the link; only its thumbprint is sent
}

// Exchanged is what redeems a code.
type Exchanged struct {
	Code, RedirectURI, Verifier string
	Key                         []byte
}

// LinkToken is a link's access token with the DPoP key it is bound to.
type LinkToken struct {
	Token string
	Key   []byte
}

// Report is a bank's report on a link with what the hub must read of it to route it.
type Report struct {
	Raw       string
	Issuer    id.Issuer
	Service   id.Service
	Request   id.Request
	Link      id.Link
	Pseudonym id.Pseudonym
	State     string
	Seq       int64
}

// Receipt is a bank's answer to an order or a resolution.
type Receipt struct {
	Raw     string
	Debit   id.Debit
	Outcome string
}

// Sealer encrypts what must not be read from the database; bind ties a value to its row.
type Sealer interface {
	Seal(plain []byte, bind string) ([]byte, error)
	Open(sealed []byte, bind string) ([]byte, error)
}

// Deps are what a hub is made of.
type Deps struct {
	Services []Service
	Banks    []Bank
	Store    Store
	Bridge   Bridge
	Sealer   Sealer
	Now      clock.Now
	Rand     io.Reader
}

// Hub is the network's rules over its store and its bridge to the banks.
type Hub struct {
	Deps
	services map[id.Service]Service
	banks    map[id.Issuer]Bank

	mu        sync.Mutex
	waiting   map[id.Service]chan struct{} // closed when a service has a new event
	redeeming map[id.Request]bool          // redemptions under way
	slots     map[id.Issuer]chan struct{}  // bounds the calls under way at one bank
	read      map[id.Service]int64         // events that are marked as taken already
}

// perBank bounds the calls under way at one bank; what comes beyond is told to try again.
const perBank = 64

// New makes a hub.
func New(d Deps) *Hub {
	h := &Hub{Deps: d, services: map[id.Service]Service{}, banks: map[id.Issuer]Bank{},
		waiting: map[id.Service]chan struct{}{}, redeeming: map[id.Request]bool{}, slots: map[id.Issuer]chan struct{}{}, read: map[id.Service]int64{}}
	for _, s := range d.Services {
		h.services[s.ID] = s
	}
	for _, b := range d.Banks {
		h.banks[b.Issuer] = b
		h.slots[b.Issuer] = make(chan struct{}, perBank)
	}
	return h
}

// Service returns a registered service.
func (h *Hub) Service(s id.Service) (Service, bool) { v, ok := h.services[s]; return v, ok }

// Bank returns a registered bank.
func (h *Hub) Bank(i id.Issuer) (Bank, bool) { v, ok := h.banks[i]; return v, ok }

// BankState is a bank as one service may use it now.
type BankState struct {
	Bank
	State State
	Why   string
}

// BanksFor lists all banks with what the service may do at each.
func (h *Hub) BanksFor(ctx context.Context, s id.Service) ([]BankState, error) {
	entries, err := h.Store.Suspensions(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]BankState, 0, len(h.Banks))
	for _, b := range h.Banks {
		e := Effective(entries, s, b.Issuer)
		out = append(out, BankState{Bank: b, State: e.State, Why: e.Why})
	}
	return out, nil
}

// at takes a place among the calls under way at a bank and returns how to give it back.
func (h *Hub) at(issuer id.Issuer, op string) (func(), error) {
	slot, ok := h.slots[issuer]
	if !ok {
		return nil, fault.New(fault.NotFound, op, nil)
	}
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	default:
		return nil, &fault.Error{Kind: fault.Busy, Op: op, Public: fault.Text{
			JA: "この銀行への依頼が混み合っています。少し待ってからやり直してください。",
			EN: "There are many requests to this bank. Please try again shortly."}}
	}
}

// refuseNewLinks is the refusal of a link request or activation by the matrix.
func refuseNewLinks(op string) error {
	return fault.Refuse("R10", op, fault.Text{
		JA: "この銀行への新しい口座連携は現在停止しています。",
		EN: "New links to this bank are suspended at present."})
}
