package bank

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wire"
)

// StartATM opens a session for a card in a machine of an authenticated ATM operator. The card is possession,
// so that the PIN may be looked at (L1). Wrong PINs here count for this card in machines only, and those of the
// bank's pages do not count here (R5).
func (b *Bank) StartATM(ctx context.Context, client, card string, pin PIN) (secret string, until time.Time, err error) {
	acc, err := b.Store.AccountByCard(ctx, card)
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			err = errNotProved
		}
		return "", time.Time{}, err
	}
	now := b.Now()
	held := Possession{account: acc.ID, kind: ProofATM, at: now}
	ok, err := b.verifyPIN(ctx, held, AtMachine, pin)
	if err != nil || !ok || acc.Closed {
		return "", time.Time{}, either(err, errNotProved)
	}
	secret = b.secret()
	s := ATMSession{Hash: wire.Hash(secret), Account: acc.ID, Client: client, Until: now.Add(ATMSessionLife)}
	return secret, s.Until, b.Store.Commit(ctx, PutATMSession{s})
}

// ATM reads the session of a card in a machine; another operator's, an old or unknown one is gone.
func (b *Bank) ATM(ctx context.Context, client, secret string) (ATMSession, error) {
	s, err := b.Store.ATMSessionByHash(ctx, wire.Hash(secret))
	if err != nil && fault.Of(err) != fault.NotFound {
		return s, err
	}
	if err != nil || s.Client != client || !b.Now().Before(s.Until) {
		return s, errNoSession("bank.ATM", "no such ATM session")
	}
	return s, nil
}

// Pending is what an ATM shows of one open proof: who asks, in whose name (L18).
type Pending struct {
	Proof     ProofID
	Reference string
	Purpose   Purpose
	Asks      fault.Text // the service, or the bank itself
	Holder    string
	Near      bool // the name is close, not the same: the depositor must look twice
	Until     time.Time
	Open      bool // its window is open already
}

// PendingAt is the one proof of the card's account that has the reference her own page shows, and she types at
// the machine. There is no list: others may have begun any number of proofs for her account, and none of them is
// offered to her, nor pushes hers aside (L18).
func (b *Bank) PendingAt(ctx context.Context, s ATMSession, reference string) (Pending, error) {
	now := b.Now()
	p, err := b.Store.ProofByReference(ctx, s.Account, readReference(reference), now.Add(-SessionLife))
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			err = &fault.Error{Kind: fault.NotFound, Op: "bank.PendingAt", Err: err, Public: fault.Text{
				JA: "この受付番号の手続きは、この口座にはありません。番号をお確かめください。",
				EN: "Nothing with this reference waits for this account. Please check the reference."}}
		}
		return Pending{}, err
	}
	asks := b.Profile.Name
	if p.Purpose == ForLink {
		asks = b.Services[p.Service].Name
	}
	return Pending{
		Proof: p.ID, Reference: p.Reference, Purpose: p.Purpose, Asks: asks, Holder: p.Holder, Near: p.Near,
		Until: p.CreatedAt.Add(SessionLife), Open: now.Before(p.Until),
	}, nil
}

// OpenWindow opens the link window for one pending proof, for ten minutes (L18).
func (b *Bank) OpenWindow(ctx context.Context, s ATMSession, proof ProofID) (until time.Time, err error) {
	now := b.Now()
	p, err := b.Store.ProofByID(ctx, proof)
	if err != nil {
		return time.Time{}, err
	}
	if p.Account != s.Account || p.Kind != "" || !now.Before(p.CreatedAt.Add(SessionLife)) || !b.Policy.ATM {
		return time.Time{}, &fault.Error{Kind: fault.NotFound, Op: "bank.OpenWindow", Err: text("not a pending proof of this card")}
	}
	version := p.Version
	p.WindowAt, p.Until, p.Version = now, now.Add(WindowLife), version+1
	return p.Until, b.Store.Commit(ctx, PutProof{Proof: p, IfVersion: version}, PutEvidence{Evidence{
		Kind: "atm_window", Request: p.Request, Account: p.Account, At: now,
		Facts: map[string]string{"reference": p.Reference, "operator": s.Client, "purpose": string(p.Purpose)},
	}})
}

// TakeWindow uses up an open window. Without one it is the error that NotProved knows.
func (b *Bank) TakeWindow(ctx context.Context, p Proof) (Possession, error) {
	if p.Kind != "" || p.Account == "" || !b.Now().Before(p.Until) || !b.Policy.ATM {
		return Possession{}, errNotProved
	}
	return b.proved(ctx, p, ProofATM)
}

// Acknowledgement is a link whose depositor still has to say that she knows of it (L8).
type Acknowledgement struct {
	Request id.Request
	Link    id.Link
	Asks    fault.Text
	Holder  string
	Until   time.Time
}

// ToAcknowledge lists the account's links that wait for a notice's receipt.
func (b *Bank) ToAcknowledge(ctx context.Context, s ATMSession) ([]Acknowledgement, error) {
	links, err := b.Store.LinksOf(ctx, s.Account)
	if err != nil {
		return nil, err
	}
	var out []Acknowledgement
	for _, l := range links {
		r, waits, err := b.waitsForReceipt(ctx, l)
		if err != nil {
			return nil, err
		}
		if waits {
			out = append(out, Acknowledgement{Request: r.ID, Link: l.ID, Asks: b.Services[l.Service].Name, Holder: r.Holder, Until: r.until()})
		}
	}
	return out, nil
}

// Acknowledge is the depositor's own word at an ATM that she knows of a link: a receipt that counts
// whatever carried the proof (L8).
func (b *Bank) Acknowledge(ctx context.Context, s ATMSession, link id.Link) error {
	l, err := b.Store.Link(ctx, link)
	if err != nil {
		return err
	}
	if l.Account != s.Account {
		return &fault.Error{Kind: fault.NotFound, Op: "bank.Acknowledge", Err: text("another account's link")}
	}
	r, waits, err := b.waitsForReceipt(ctx, l)
	if err != nil || !waits {
		return either(err, &fault.Error{Kind: fault.Conflict, Op: "bank.Acknowledge", Err: text("the link does not wait")})
	}
	return b.ReceiptArrived(ctx, Receipt{Request: r.ID, Channel: ReceiptATM, At: b.Now()})
}

// waitsForReceipt says whether a link, or the new proof of a suspended one, may still get its receipt.
func (b *Bank) waitsForReceipt(ctx context.Context, l Link) (Request, bool, error) {
	if l.Pending == "" {
		return Request{}, false, nil
	}
	r, err := b.Store.Request(ctx, l.Pending)
	if err != nil {
		return Request{}, false, err
	}
	open := r.State == RequestConsented || r.State == RequestRedeemed || r.State == RequestWaiting
	return r, open && b.Now().Before(r.until()), nil
}
