package bank

import (
	"context"
	"crypto/subtle"
	"net/url"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// OpenRequest binds a request to the browser that opens its request_uri first (step 5). cookie is the
// browser's secret at the bank, at least 256 random bits. The same browser may open it again until it
// consents; another one, another client, and anything late, get the one answer of errNoSession.
func (b *Bank) OpenRequest(ctx context.Context, client, uri, cookie string) (Request, error) {
	const op = "bank.OpenRequest"
	r, err := b.Store.RequestByURI(ctx, wire.Hash(uri))
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			err = errNoSession(op, "unknown request_uri")
		}
		return Request{}, err
	}
	now := b.Now()
	switch {
	case r.Client != client:
		return Request{}, errNoSession(op, "another client's request_uri")
	case r.State != RequestPushed:
		return b.SessionRequest(ctx, r.ID, cookie)
	case !now.Before(r.URIUntil):
		return Request{}, errNoSession(op, "request_uri expired")
	}
	version := r.Version
	r.State, r.Session, r.OpenedAt, r.Version = RequestOpened, wire.Hash(cookie), now, version+1
	err = b.Store.Commit(ctx, PutRequest{Request: r, IfVersion: version})
	if err != nil && fault.Of(err) == fault.Conflict { // another browser was quicker
		return b.SessionRequest(ctx, r.ID, cookie)
	}
	return r, err
}

// SessionRequest reads a request that this browser carries and that is not over yet.
func (b *Bank) SessionRequest(ctx context.Context, id id.Request, cookie string) (Request, error) {
	const op = "bank.SessionRequest"
	r, err := b.Store.Request(ctx, id)
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			err = errNoSession(op, "unknown request")
		}
		return Request{}, err
	}
	if r.Session == "" || cookie == "" || subtle.ConstantTimeCompare([]byte(r.Session), []byte(wire.Hash(cookie))) != 1 {
		return Request{}, errNoSession(op, "another browser's")
	}
	switch r.State {
	case RequestOpened, RequestEntered, RequestProved, RequestIdentified:
	default:
		return Request{}, errNoSession(op, "it is "+string(r.State))
	}
	if !b.Now().Before(r.until()) {
		return Request{}, errNoSession(op, "expired")
	}
	return r, nil
}

// step moves a request on; a page sent twice, or two at once, go only one step.
func (b *Bank) step(ctx context.Context, r *Request, to RequestState, rows ...ledger.Write) error {
	if r.State != to && !r.State.CanBecome(to) {
		return errNoSession("bank.step", string(r.State)+" cannot become "+string(to))
	}
	version := r.Version
	r.State, r.Version = to, version+1
	err := b.Store.Commit(ctx, append([]ledger.Write{PutRequest{Request: *r, IfVersion: version}}, rows...)...)
	if err != nil && fault.Of(err) == fault.Conflict && fault.RuleOf(err) == "" {
		return errNoSession("bank.step", "somebody else took this step")
	}
	return err
}

// dead marks a request as over; what it still held of the person is dropped (L6).
func (b *Bank) dead(r Request, why string) Request {
	r.State, r.Ended, r.EndedAt, r.Sealed = RequestDead, why, b.Now(), ""
	r.Version++
	return r
}

// End lets an unconsented request die: the person cancelled, the tries are used up, time is over. The
// service learns it by the browser or by its own clock.
func (b *Bank) End(ctx context.Context, r Request, why string) error {
	version := r.Version
	d := b.dead(r, why)
	return b.Store.Commit(ctx, PutRequest{Request: d, IfVersion: version},
		PutEvidence{Evidence{Kind: "dead", Request: r.ID, Account: r.Account, At: d.EndedAt, Facts: map[string]string{"reason": why}}},
		b.decision(r.Reference, d.EndedAt, map[string]string{"step": "end", "result": why}))
}

// Over is a request of this browser that is over or consented to, and the service's page to go back to. It is
// for saying so in words; nothing can be done with it.
func (b *Bank) Over(ctx context.Context, id id.Request, cookie string) (r Request, back string, err error) {
	r, err = b.Store.Request(ctx, id)
	if fault.Of(err) == fault.NotFound && err != nil {
		return Request{}, "", errNoSession("bank.Over", "unknown request")
	}
	if err != nil {
		return Request{}, "", err
	}
	if r.Session == "" || subtle.ConstantTimeCompare([]byte(r.Session), []byte(wire.Hash(cookie))) != 1 {
		return Request{}, "", errNoSession("bank.Over", "another browser's")
	}
	if r.State == RequestDead {
		back = b.back(r, url.Values{"error": {"access_denied"}})
	}
	return r, back, nil
}
