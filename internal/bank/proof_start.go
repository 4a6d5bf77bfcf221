package bank

import (
	"context"
	"crypto/subtle"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// errNotProved is what every wrong, late, exhausted or impossible proof answers.
var errNotProved = &fault.Error{Kind: fault.Refused, Op: "bank.Proof", Rule: "L1", Public: fault.Text{
	JA: "確認できませんでした。もう一度お試しください。",
	EN: "We could not confirm this. Please try again.",
}}

// NotProved says whether an error means no more than that a proof was not right.
func NotProved(err error) bool { return err == error(errNotProved) }

// StartProof opens a place where possession of an account can be proved, in the browser whose cookie is
// cookie, and which has a KnownMark or not. acc may be "": nothing a stranger sees tells. For links, requests
// start their proof themselves.
func (b *Bank) StartProof(ctx context.Context, purpose Purpose, acc AccountID, cookie, mark string) (Proof, error) {
	p := Proof{Purpose: purpose, Account: acc, Browser: wire.Hash(cookie), Known: b.knows(acc, mark)}
	row := b.newProof(&p)
	return p, b.Store.Commit(ctx, row)
}

func (b *Bank) newProof(p *Proof) ledger.Write {
	p.ID, p.CreatedAt, p.Version = ProofID(b.newID("prf")), b.Now(), 1
	if p.Reference == "" {
		p.Reference = b.newReference()
	}
	return PutProof{Proof: *p}
}

// ProofFor reads a proof of this browser that is still young enough; any other is gone.
func (b *Bank) ProofFor(ctx context.Context, proof ProofID, cookie string) (Proof, error) {
	p, err := b.Store.ProofByID(ctx, proof)
	if fault.Of(err) == fault.NotFound && err != nil {
		return Proof{}, errNoSession("bank.ProofFor", "no such proof")
	}
	if err != nil {
		return Proof{}, err
	}
	if subtle.ConstantTimeCompare([]byte(p.Browser), []byte(wire.Hash(cookie))) != 1 {
		return Proof{}, errNoSession("bank.ProofFor", "another browser's")
	}
	if !b.Now().Before(p.CreatedAt.Add(SessionLife)) {
		return Proof{}, errNoSession("bank.ProofFor", "expired")
	}
	if !p.SpentAt.IsZero() {
		return Proof{}, errNoSession("bank.ProofFor", "spent")
	}
	return p, nil
}

// PossessionOf gives what was proved in this browser, at most SessionLife ago, for this purpose.
func (b *Bank) PossessionOf(ctx context.Context, proof ProofID, cookie string, purpose Purpose) (Possession, error) {
	p, err := b.ProofFor(ctx, proof, cookie)
	if err != nil {
		return Possession{}, err
	}
	if p.Kind == "" || p.Account == "" || p.Purpose != purpose {
		return Possession{}, errNotProved
	}
	return p.possession(), nil
}

// spending is the row that uses a proof up, for the commit of what it opens: it opens that once. Where it did
// already it is as if it were over.
func (b *Bank) spending(ctx context.Context, proof ProofID) (ledger.Write, error) {
	p, err := b.Store.ProofByID(ctx, proof)
	if err != nil {
		return nil, err
	}
	if !p.SpentAt.IsZero() {
		return nil, errNoSession("bank.spending", "spent")
	}
	return b.spent(p), nil
}

func (b *Bank) spent(p Proof) ledger.Write {
	version := p.Version
	p.SpentAt, p.Version = b.Now(), version+1
	return PutProof{Proof: p, IfVersion: version}
}

// proved ends a proof well.
func (b *Bank) proved(ctx context.Context, p Proof, kind ProofKind, more ...ledger.Write) (Possession, error) {
	now := b.Now()
	version := p.Version
	p.Kind, p.ProvedAt, p.CodeHash, p.Challenge, p.Version = kind, now, nil, nil, version+1
	rows := append([]ledger.Write{PutProof{Proof: p, IfVersion: version}, PutEvidence{Evidence{
		Kind: "possession", Request: p.Request, Account: p.Account, At: now,
		Facts: map[string]string{"proof": string(kind), "purpose": string(p.Purpose), "reference": p.Reference},
	}}}, more...)
	if err := b.Store.Commit(ctx, rows...); err != nil {
		if fault.Of(err) == fault.Conflict { // somebody else was quicker with the same proof
			return Possession{}, errNotProved
		}
		return Possession{}, err
	}
	return p.possession(), nil
}

// fresh says whether nothing that proves possession changed lately (L14): links and their confirmation need
// that, a portal session does not.
func (b *Bank) fresh(ctx context.Context, p Proof, now time.Time) (bool, error) {
	if p.Purpose != ForLink && p.Purpose != ForConfirm {
		return true, nil
	}
	changed, err := b.lastChange(ctx, p.Account)
	return err == nil && !changed.Add(b.Policy.ContactAge).After(now), err
}

// lastChange is when a contact, the PIN or a passkey of an account last changed.
func (b *Bank) lastChange(ctx context.Context, acc AccountID) (time.Time, error) {
	contacts, err := b.Store.Contacts(ctx, acc)
	if err != nil {
		return time.Time{}, err
	}
	keys, err := b.Store.PasskeysOf(ctx, acc)
	if err != nil {
		return time.Time{}, err
	}
	last := LastContactChange(contacts)
	for _, k := range keys {
		for _, t := range []time.Time{k.AddedAt, k.RemovedAt} {
			if t.After(last) {
				last = t
			}
		}
	}
	pin, err := b.Store.PINOf(ctx, acc)
	if err != nil && fault.Of(err) != fault.NotFound {
		return time.Time{}, err
	}
	if err == nil && pin.ChangedAt.After(last) {
		last = pin.ChangedAt
	}
	return last, nil
}
