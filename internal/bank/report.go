package bank

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/wire"
)

// linkNow is a link with its two gates: what decides, and what a page shows.
type linkNow struct {
	Link    Link
	Gate    ledger.Gate
	Account ledger.Gate
}

// at is the link's state at a moment.
func (n linkNow) at(now time.Time) (wire.LinkState, time.Time) {
	return StateAt(n.Link, n.Gate, n.Account, now)
}

// now reads a link's gates.
func (b *Bank) now(ctx context.Context, l Link) (linkNow, error) {
	g, err := b.Books.Gate(ctx, LinkGate(l.ID))
	if err != nil {
		return linkNow{}, err
	}
	acc, err := b.Books.Gate(ctx, AccountGate(l.Account))
	return linkNow{l, g, acc}, err
}

// LinkView is a link as its depositor sees it: what it is now, and until when.
type LinkView struct {
	Link
	State wire.LinkState
	Until time.Time // zero: nothing ends it by the clock
}

// Over says that nothing can come of the link any more.
func (v LinkView) Over() bool {
	return v.State == wire.LinkRevoked || v.State == wire.LinkExpired || v.State == wire.LinkDead
}

// Undoable says whether the depositor's own stop can be undone for this link by itself.
func (v LinkView) Undoable() bool { return v.Link.State == LinkSuspended && v.Reason == ByDepositor }

// Confirmable says from when on a strong proof lifts the link's cap (L13); zero: it needs none.
func (v LinkView) Confirmable() time.Time {
	if v.Link.State != LinkLive || v.Confirmed {
		return time.Time{}
	}
	return v.ActivatedAt.Add(ConfirmAfter)
}

// Links lists all links of an account there ever were, of all services (D1); newest first.
func (b *Bank) Links(ctx context.Context, acc AccountID) ([]LinkView, error) {
	links, err := b.Store.LinksOf(ctx, acc)
	if err != nil {
		return nil, err
	}
	at := b.Now()
	views := make([]LinkView, 0, len(links))
	for _, l := range links {
		n, err := b.now(ctx, l)
		if err != nil {
			return nil, err
		}
		state, until := n.at(at)
		views = append(views, LinkView{l, state, until})
	}
	return views, nil
}

// Stopped says whether a depositor has stopped everything (D2).
func (b *Bank) Stopped(ctx context.Context, acc AccountID) (bool, error) {
	g, err := b.Books.Gate(ctx, AccountGate(acc))
	return g.Shut != "", err
}

// Report signs what the bank says of a link to its service now.
func (b *Bank) Report(ctx context.Context, l Link) (string, error) {
	n, err := b.now(ctx, l)
	if err != nil {
		return "", err
	}
	return b.report(n, b.Now()), nil
}

// report is what the bank says of a link to its service: signed, numbered by the row's Seq.
func (b *Bank) report(n linkNow, at time.Time) string { return b.sign(b.reportOf(n, at)) }

// reportOf is a report before its signature.
func (b *Bank) reportOf(n linkNow, at time.Time) *wire.LinkReport {
	l := n.Link
	state, until := n.at(at)
	r := &wire.LinkReport{
		Header: b.header(l.Service, at), Request: l.Request, Link: l.ID, Seq: l.Seq, Subject: l.Subject,
		Pseudonym: l.Pseudonym, State: state, Reason: l.Reason, Limits: l.Limits,
	}
	if !l.Valid.IsZero() {
		r.ValidUntilUs = clock.Micros(l.Valid)
	}
	if n.Account.Shut != "" && state == wire.LinkSuspended && r.Reason == "" {
		r.Reason = AllByDepositor
	}
	switch state {
	case wire.LinkWaiting:
		r.ReceiptUntilUs = clock.Micros(until)
	case wire.LinkDead:
		r.Link, r.Pseudonym, r.ValidUntilUs = "", "", 0
	case wire.LinkCooling, wire.LinkLimited, wire.LinkActive:
		r.CoolingUntilUs = clock.Micros(n.Gate.NotBefore)
		r.LimitedUntilUs = clock.Micros(n.Gate.LimitedUntil)
		if !l.Confirmed {
			r.LimitedUntilUs = -1
		}
	}
	return r
}

// reportBody is the outbox payload of a report, and the body of the hub's POST /v1/reports.
type reportBody struct {
	Service id.Service `json:"service"`
	Link    id.Link    `json:"link"`
	Report  string     `json:"report"`
}

// reportRow puts a signed report into the outbox; those of one link stay in order.
func (b *Bank) reportRow(l Link, report string, at time.Time) ledger.Write {
	return b.message(MessageReport, "report/"+string(l.ID), reportBody{l.Service, l.ID, report}, at)
}

// Reporter carries reports to services: the hub's client. An error is tried again.
type Reporter interface {
	Report(ctx context.Context, service id.Service, link id.Link, report string) error
}

// SendReport is the outbox's handler of MessageReport.
func (b *Bank) SendReport(ctx context.Context, hub Reporter, m outbox.Message) error {
	var body reportBody
	if err := b.open(m, &body); err != nil {
		return err
	}
	return hub.Report(ctx, body.Service, body.Link, body.Report)
}
