package bank

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// ConsentText is the version of the consent page's words; it stands in the evidence (L11).
const ConsentText = "2026-11-28"

// Consent makes the link: authenticated, its gate shut until the service has shown that the browser that
// asked is the one that consented (L12) and a notice has arrived (L8). It returns where the browser goes
// next. That another wallet of the service is linked already is said plainly: the person has proved
// everything (L7).
func (b *Bank) Consent(ctx context.Context, r *Request, cookie string) (redirect string, err error) {
	if r.State != RequestIdentified {
		return "", errNoSession("bank.Consent", "it is "+string(r.State))
	}
	held, err := b.PossessionOf(ctx, r.Proof, cookie, ForLink)
	if err != nil {
		return "", err
	}
	code := b.secret()
	for range attempts { // somebody may stop the account, or undo that, at this moment
		if redirect, err = b.tryConsent(ctx, r, held, code); !errors.Is(err, errMoved) {
			return redirect, err
		}
	}
	return "", fault.New(fault.Busy, "bank.Consent", err)
}

func (b *Bank) tryConsent(ctx context.Context, r *Request, held Possession, code string) (redirect string, err error) {
	account, err := b.mayLink(ctx, *r)
	if err != nil {
		return "", err
	}
	before, err := b.occupant(ctx, *r)
	if err != nil {
		return "", err
	}
	now, version := b.Now(), r.Version
	next := *r
	next.State, next.ConsentedAt, next.CodeHash, next.Version = RequestConsented, now, wire.Hash(code), version+1
	var reqs []ledger.Request
	if before.ID != "" {
		reqs = b.consentAgain(&next, version, before, now)
	} else if reqs, err = b.consentFirst(&next, version, held, now); err != nil {
		return "", err
	}
	// A stop that is committed first refuses the consent, one that comes later finds its link (D2).
	open := ledger.Request{At: now, Do: same(account)}
	if err := b.submit(ctx, "bank.Consent", append([]ledger.Request{open}, reqs...)...); err != nil {
		return "", consentFailed(err)
	}
	*r = next
	return b.back(*r, url.Values{"code": {code}}), nil
}

// back is the service's page with an authorization response (RFC 9207: iss).
func (b *Bank) back(r Request, q url.Values) string {
	q.Set("iss", string(b.Profile.Issuer))
	if r.OAuthState != "" {
		q.Set("state", r.OAuthState)
	}
	u, err := url.Parse(r.RedirectURI)
	if err != nil {
		panic("bank: a registered redirect_uri does not parse: " + err.Error())
	}
	for k, v := range u.Query() {
		q[k] = v
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// Cancel lets a request die because the person said so, and returns where the browser goes.
func (b *Bank) Cancel(ctx context.Context, r Request) (redirect string, err error) {
	if err := b.End(ctx, r, "cancelled"); err != nil {
		return "", err
	}
	return b.back(r, url.Values{"error": {"access_denied"}}), nil
}

// mayLink asks again what may have changed while the person was at the pages, and gives the account's gate as
// it was found open.
func (b *Bank) mayLink(ctx context.Context, r Request) (ledger.Gate, error) {
	const op = "bank.Consent"
	acc, err := b.Store.Account(ctx, r.Account)
	if err != nil {
		return ledger.Gate{}, err
	}
	gate, err := b.Books.Gate(ctx, AccountGate(r.Account))
	if err != nil {
		return gate, err
	}
	if acc.Closed || gate.Shut != "" {
		return gate, fault.Refuse("D2", op, fault.Text{
			JA: "この口座では、新しい口座連携が停止されています。", EN: "New links are stopped for this account.",
		})
	}
	if b.Services[r.Service].Stopped {
		return gate, fault.Refuse("R10", op, fault.Text{
			JA: "当行は現在、このサービスからの新しい口座連携を受け付けていません。",
			EN: "The bank takes no new links from this service at present.",
		})
	}
	return gate, nil
}

// occupant finds the link that already takes the account's place for the service (L7): none, a suspended one
// of the same wallet that is now proved again, or another wallet's, which refuses. One that was consented to
// and never came to life gives way.
func (b *Bank) occupant(ctx context.Context, r Request) (Link, error) {
	l, err := b.Store.Occupant(ctx, r.Account, r.Service)
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			return Link{}, nil
		}
		return Link{}, err
	}
	if l.State == LinkAuthenticated {
		old, err := b.Store.Request(ctx, l.Pending)
		if err != nil {
			return Link{}, err
		}
		if over := !b.Now().Before(old.until()); over || l.Subject == r.Subject {
			return Link{}, b.Die(ctx, old, "superseded")
		}
	}
	if l.Subject != r.Subject || l.State != LinkSuspended {
		return Link{}, errTaken()
	}
	return l, nil
}

func errTaken() error {
	return fault.Refuse("L7", "bank.Consent", fault.Text{
		JA: "この口座は、このサービスの別のアカウントとすでに連携しています。先にそちらを終了してください。",
		EN: "This account is linked to another wallet of this service already. Please end that link first.",
	})
}

// consentFirst makes a new link with its limit and its shut gate.
func (b *Bank) consentFirst(r *Request, version int64, held Possession, now time.Time) ([]ledger.Request, error) {
	d := r.Asked()
	valid, err := validUntil(d.ValidUntil)
	if err != nil {
		return nil, fault.New(fault.Internal, "bank.Consent", err)
	}
	l := Link{
		ID: id.Link(b.newID("lnk")), Request: r.ID, Pending: r.ID, Account: r.Account, Service: r.Service, Subject: r.Subject,
		Pseudonym: b.Pseudonym(r.Account, r.Service), State: LinkAuthenticated, Device: d.Device, Limits: d.Limits,
		Proof: held.kind, Confirmed: held.kind.Strong(), Valid: valid, ConsentedAt: now, WaitsUntil: now.Add(RedeemLife), Seq: 1, Version: 1, Since: 1,
	}
	r.Link = l.ID
	limit := ledger.Limit{ID: LinkLimit(l.ID), Each: d.Limits.PerDebit, Day: d.Limits.Per24h, Month: d.Limits.Per30Days}
	gate := ledger.Gate{
		ID: LinkGate(l.ID), Parent: AccountGate(l.Account), Shut: ShutWaiting, Until: valid,
		LimitedCap: b.Policy.LimitedCap, LimitedUntil: farAway, Device: d.Device.Thumbprint(),
	}
	rows := []ledger.Write{PutLink{Link: l}, PutRequest{Request: *r, IfVersion: version}, b.consented(*r, l, now)}
	return []ledger.Request{
		{At: now, Do: ledger.SetLimit{Limit: limit}},
		{At: now, Do: ledger.SetGate{Gate: gate}, Then: func(ledger.Result) []ledger.Write { return rows }},
	}, nil
}

// consentFailed reads why the commit of a consent did not stand.
func consentFailed(err error) error {
	switch {
	case errors.Is(err, errMoved):
		return err
	case fault.RuleOf(err) == "L7":
		return errTaken()
	case fault.Of(err) == fault.Conflict:
		return errNoSession("bank.Consent", "consented twice")
	}
	return err
}

// consentAgain notes a new proof of a suspended link; nothing of the link itself changes before the service
// has answered.
func (b *Bank) consentAgain(r *Request, version int64, l Link, now time.Time) []ledger.Request {
	r.Link = l.ID
	linkVersion := l.Version
	l.Pending, l.Version, l.Since, l.WaitsUntil = r.ID, linkVersion+1, linkVersion+1, now.Add(RedeemLife)
	rows := []ledger.Write{PutLink{Link: l, IfVersion: linkVersion}, PutRequest{Request: *r, IfVersion: version}, b.consented(*r, l, now)}
	return []ledger.Request{{At: now, Do: ledger.Note{}, Then: func(ledger.Result) []ledger.Write { return rows }}}
}

// consented is the evidence of a consent: what the person was shown and agreed to.
func (b *Bank) consented(r Request, l Link, now time.Time) ledger.Write {
	d := r.Asked()
	return PutEvidence{Evidence{Kind: "consent", Request: r.ID, Link: l.ID, Account: r.Account, At: now, Facts: map[string]any{
		"text": ConsentText, "service": r.Service, "holder": r.Holder, "proof": r.Proved, "limits": d.Limits,
		"valid_until": d.ValidUntil, "device": d.Device.Thumbprint(), "request_hash": r.RequestHash, "opened_us": r.OpenedAt.UnixMicro(),
	}}}
}
