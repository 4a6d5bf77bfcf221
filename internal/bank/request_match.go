package bank

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// Enter takes the account a person typed and compares silently (L3, L6). Only now the identity is opened;
// it is dropped in the same commit. Whatever it finds, what follows looks the same: a proof is started, for
// the account or for nobody. at is well-formed: only that is ever complained about.
func (b *Bank) Enter(ctx context.Context, r *Request, at Place) error {
	if err := at.Check(); err != nil {
		return err
	}
	if r.State != RequestOpened {
		return errNoSession("bank.Enter", "an account was entered before")
	}
	now := b.Now()
	who, whyNot := b.identity(*r)
	file, found, err := b.look(ctx, at)
	if err != nil {
		return err
	}
	m := compare(who, file)
	full, near := m.Full()
	reason := file.barred(now)
	switch {
	case whyNot != "":
		reason = whyNot
	case !found:
		reason = "no such account"
	case !full:
		reason = "no match"
	}
	d := r.Asked()
	p := Proof{Purpose: ForLink, Browser: r.Session, Reference: r.Reference, Request: r.ID, Service: r.Service, Cap: capText(d.Limits)}
	rows := []ledger.Write{b.decision(r.Reference, now, map[string]any{"step": "match", "match": m, "result": reason, "place": at})}
	if reason == "" {
		p.Account, p.Near, p.CardOnly, p.Holder = file.Account.ID, near, m.Phone == noPhone, who.NameKana
		r.Account, r.Holder = file.Account.ID, who.NameKana
		told, err := b.Tell(ctx, Event{Kind: EventRequest, Account: r.Account, Request: r.ID, Service: r.Service, At: now})
		if err != nil {
			return err
		}
		rows = append(rows, told...)
		rows = append(rows, PutEvidence{Evidence{Kind: "matched", Request: r.ID, Account: r.Account, At: now, Facts: m}})
	}
	rows = append(rows, b.newProof(&p))
	r.Proof, r.Sealed = p.ID, ""
	err = b.step(ctx, r, RequestEntered, rows...)
	b.Wake()
	return err
}

// identity opens what the service said of the person. Its age is judged by when the request was opened: from
// then on the browser's session carries it (L18). A wrong one matches nobody, silently.
func (b *Bank) identity(r Request) (who wire.Identity, whyNot string) {
	svc := b.Services[r.Service]
	m, err := wire.OpenIdentity(b.Keys.Seal, r.Sealed, svc.Keys, wire.Expect{
		Issuer: string(svc.ID), Audience: string(b.Profile.Issuer), Now: r.OpenedAt, MaxAge: IdentityLife,
	})
	switch {
	case err != nil:
		return who, "identity: " + err.Error()
	case m.Request != r.ID, m.Subject != r.Subject, m.DetailsHash != wire.Hash(r.Details):
		return who, "identity: of another request"
	case m.Level < wire.MinLevel:
		return who, "identity: level"
	}
	return *m, ""
}

// look reads all that a comparison needs. For an account that does not exist it does the same reads.
func (b *Bank) look(ctx context.Context, at Place) (f onFile, found bool, err error) {
	f.Account, err = b.Store.AccountAt(ctx, at)
	switch {
	case err == nil:
		found = true
	case fault.Of(err) != fault.NotFound:
		return f, false, err
	}
	if f.Contacts, err = b.Store.Contacts(ctx, f.Account.ID); err != nil {
		return f, false, err
	}
	if f.PIN, err = b.Store.PINOf(ctx, f.Account.ID); err != nil && fault.Of(err) != fault.NotFound {
		return f, false, err
	}
	if f.Gate, err = b.Books.Gate(ctx, AccountGate(f.Account.ID)); err != nil && fault.Of(err) != fault.NotFound {
		return f, false, err
	}
	return f, found, nil
}

// capText is the limits in a few words, for a text message.
func capText(l wire.Limits) string {
	return "1回" + l.PerDebit.String() + "・24時間" + l.Per24h.String() + "まで"
}

// TakePossession carries a proved proof over to its request. Without one it is the error that NotProved
// knows.
func (b *Bank) TakePossession(ctx context.Context, r *Request, held Possession) error {
	if held.account == "" || held.account != r.Account || held.proof != r.Proof || held.purpose != ForLink {
		return errNotProved
	}
	r.Proved = held.kind
	return b.step(ctx, r, RequestProved)
}

// EnterPIN evaluates the PIN of a request whose browser proved possession (L1). After PINTries wrong ones the
// request dies. It says whether the PIN was right.
func (b *Bank) EnterPIN(ctx context.Context, r *Request, cookie string, pin PIN) (bool, error) {
	if r.State != RequestProved {
		return false, errNoSession("bank.EnterPIN", "it is "+string(r.State))
	}
	held, err := b.PossessionOf(ctx, r.Proof, cookie, ForLink)
	if err != nil {
		return false, err
	}
	r.PINTries++
	if err := b.step(ctx, r, RequestProved); err != nil {
		return false, err
	}
	right, err := b.VerifyPIN(ctx, held, pin)
	if err != nil {
		return false, err
	}
	now := b.Now()
	if right {
		return true, b.step(ctx, r, RequestIdentified, PutEvidence{Evidence{
			Kind: "knowledge", Request: r.ID, Account: r.Account, At: now, Facts: map[string]string{"proof": "pin"},
		}})
	}
	if r.PINTries >= PINTries {
		return false, b.End(ctx, *r, "PIN tries")
	}
	return false, b.Store.Commit(ctx, b.decision(r.Reference, now, map[string]string{"step": "pin", "result": "wrong or locked"}))
}

// TriesLeft is how many codes and PINs the session may still type.
func TriesLeft(p Proof, r Request) (codes, pins int) {
	return max(0, CodeTries-p.Tries), max(0, PINTries-r.PINTries)
}

// SessionEnds is when the browser's session at the bank is over.
func (r Request) SessionEnds() time.Time { return r.PushedAt.Add(SessionLife) }
