package bank

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// Activate takes the service's word that the browser that asked came back (L12), over the token of the link.
// The answer is the bank's signed report: cooling, waiting for a notice's receipt (L8), or dead. The same
// activation again is answered with what has become of it.
func (b *Bank) Activate(ctx context.Context, link id.Link, activation string) (report string, err error) {
	const op = "bank.Activate"
	svc, err := b.signer(activation)
	if err != nil {
		return "", err
	}
	a, err := wire.Verify[wire.Activation](activation, svc.Keys, b.expect(svc.ID, b.Now()))
	if err != nil {
		return "", err
	}
	r, err := b.Store.Request(ctx, a.Request)
	if err != nil {
		return "", err
	}
	if r.Service != svc.ID || r.Link != link || r.RedeemedAt.IsZero() {
		return "", notYours(op, "the request is not of the token's link")
	}
	if r.State == RequestRedeemed {
		if err := b.answer(ctx, &r, a.Browser); err != nil {
			return "", err
		}
	}
	return b.reportOn(ctx, r.ID)
}

// answer judges an activation the first time it comes.
func (b *Bank) answer(ctx context.Context, r *Request, sealed string) error {
	now := b.Now()
	if !now.Before(r.until()) {
		return b.Die(ctx, *r, "timeout")
	}
	rs, err := wire.Open(b.Keys.Seal, sealed, wire.CtyBrowser)
	if err != nil || subtle.ConstantTimeCompare([]byte(wire.Hash(string(rs))), []byte(r.Browser)) != 1 {
		return b.Die(ctx, *r, "other_browser")
	}
	receipts, err := b.Store.ReceiptsOf(ctx, r.ID)
	if err != nil {
		return err
	}
	r.AnsweredAt = now
	if Received(r.Proved, receipts) {
		return b.activate(ctx, *r, true)
	}
	told, err := b.Tell(ctx, Event{Kind: EventActivated, Account: r.Account, Link: r.Link, Request: r.ID, Service: r.Service, At: now})
	if err != nil {
		return err
	}
	l, err := b.Store.Link(ctx, r.Link)
	if err != nil {
		return err
	}
	if !l.awaits(r.ID) {
		return b.overtaken(ctx, r.ID)
	}
	version, before := r.Version, l.Version
	r.State, r.Version = RequestWaiting, version+1
	l.WaitsUntil, l.Version, l.Since = r.until(), before+1, before+1
	defer b.Wake()
	return b.Store.Commit(ctx, append([]ledger.Write{PutRequest{Request: *r, IfVersion: version}, PutLink{Link: l, IfVersion: before}, PutEvidence{Evidence{
		Kind: "answered", Request: r.ID, Link: r.Link, Account: r.Account, At: now, Facts: map[string]string{"browser_hash": r.Browser},
	}}}, told...)...)
}

// Received says whether a notice is known to have arrived on another channel than the one that carried the
// proof (L8). The depositor's own word at an ATM counts in any case.
func Received(proof ProofKind, receipts []Receipt) bool {
	for _, rc := range receipts {
		if rc.Channel == ReceiptATM || proof != ProofCode || rc.Channel != SMS {
			return true
		}
	}
	return false
}

// activate opens the link's gate into cooling-off, unless its account is stopped: limit, gate and rows are one
// commit, which comes before a stop or is refused by it (D2). answered says that the service gets the report as the
// answer to its call; otherwise it goes through the outbox.
func (b *Bank) activate(ctx context.Context, r Request, answered bool) error {
	d := r.Asked()
	valid, err := validUntil(d.ValidUntil)
	if err != nil {
		return fault.New(fault.Internal, "bank.activate", err)
	}
	limit := ledger.Limit{ID: LinkLimit(r.Link), Each: d.Limits.PerDebit, Day: d.Limits.Per24h, Month: d.Limits.Per30Days}
	now, strong := b.Now(), r.Proved.Strong()
	done := r
	done.State, done.EndedAt = RequestDone, now
	_, err = b.MoveLink(ctx, r.Link, Move{
		To: LinkLive, Kind: "activated", Event: EventActivated, Silent: answered, Open: true,
		With:  []ledger.Request{{At: now, Do: ledger.SetLimit{Limit: limit}}},
		Facts: map[string]any{"proof": r.Proved, "cooling_until_us": clock.Micros(now.Add(b.Policy.Cooling)), "device": d.Device.Thumbprint()},
		Next: func(n linkNow) linkNow {
			l := &n.Link
			l.Request, l.Pending = r.ID, ""
			l.Device, l.Limits, l.Proof, l.Confirmed = d.Device, d.Limits, r.Proved, strong
			l.Valid, l.ConsentedAt, l.ActivatedAt = valid, r.ConsentedAt, now
			n.Gate.Until, n.Gate.Device = valid, d.Device.Thumbprint()
			return b.cooled(n, now)
		},
		More: []ledger.Write{PutRequest{Request: done, IfVersion: r.Version}, RevokeTokens{Link: r.Link, Keep: r.ID, At: now}},
	}, func(l Link) error {
		if !l.awaits(r.ID) {
			return errNothingToDo
		}
		return nil
	})
	switch {
	case errors.Is(err, errShut):
		return b.Die(ctx, r, AllByDepositor)
	case errors.Is(err, errNothingToDo): // stopped, changed or ended meanwhile
		return b.overtaken(ctx, r.ID)
	}
	return err
}

// overtaken lets a request die whose link was changed by somebody else since it was consented to.
func (b *Bank) overtaken(ctx context.Context, id id.Request) error {
	r, err := b.Store.Request(ctx, id)
	if err != nil || r.State == RequestDone || r.State == RequestDead {
		return err
	}
	return b.Die(ctx, r, "overtaken")
}

// ReceiptArrived notes that a notice of a request reached the depositor, with further rows about it, and lets
// a link that waited for it begin (L8). What a crash leaves between the two, or a service that answered at the
// same moment, Sweep brings together.
func (b *Bank) ReceiptArrived(ctx context.Context, rc Receipt, rows ...ledger.Write) error {
	r, err := b.Store.Request(ctx, rc.Request)
	if err != nil {
		return err
	}
	err = b.Store.Commit(ctx, append(rows, PutReceipt{rc}, PutEvidence{Evidence{
		Kind: "receipt", Request: r.ID, Link: r.Link, Account: r.Account, At: rc.At,
		Facts: map[string]string{"channel": string(rc.Channel), "notice": rc.Ref},
	}})...)
	if err != nil || r.State != RequestWaiting {
		return err
	}
	if !b.Now().Before(r.until()) {
		return b.Die(ctx, r, "no_receipt")
	}
	receipts, err := b.Store.ReceiptsOf(ctx, r.ID)
	if err != nil || !Received(r.Proved, receipts) {
		return err
	}
	return b.activate(ctx, r, false)
}

// Abort is the service's word that a request must die: its browser never came back, or another one did
// (L12). What is live already is told as it stands.
func (b *Bank) Abort(ctx context.Context, abort string) (report string, err error) {
	svc, err := b.signer(abort)
	if err != nil {
		return "", err
	}
	a, err := wire.Verify[wire.Abort](abort, svc.Keys, b.expect(svc.ID, b.Now()))
	if err != nil {
		return "", err
	}
	r, err := b.Store.Request(ctx, a.Request)
	if err != nil {
		return "", err
	}
	if r.Service != svc.ID {
		return "", notYours("bank.Abort", "another service's request")
	}
	if r.State != RequestDead && r.State != RequestDone {
		if err := b.Die(ctx, r, a.Reason); err != nil {
			return "", err
		}
	}
	return b.reportOn(ctx, r.ID)
}

// Die lets an unfinished request die, with the link it was to make; a suspended link that it was to prove
// again stays suspended. The depositor is told if somebody had consented.
func (b *Bank) Die(ctx context.Context, r Request, why string) error {
	if r.Link == "" {
		return b.End(ctx, r, why)
	}
	l, err := b.Store.Link(ctx, r.Link)
	if err != nil {
		return err
	}
	if l.Pending != r.ID || l.State != LinkAuthenticated {
		return b.dieAlone(ctx, r, l, why)
	}
	_, err = b.MoveLink(ctx, l.ID, Move{
		To: LinkExpired, Reason: why, Kind: "dead", Facts: map[string]string{"reason": why}, Event: EventDead,
		More: append(kills(l.ID, "", why, b.Now()), PutRequest{Request: b.dead(r, why), IfVersion: r.Version}),
	}, func(l Link) error {
		if l.Pending != r.ID || l.State != LinkAuthenticated {
			return errNothingToDo
		}
		return nil
	})
	if errors.Is(err, errNothingToDo) {
		return nil
	}
	return err
}

// kills is what becomes of the tokens when a request dies. Only where its code was used twice do they die with
// it; otherwise they go on to open the answer that it is dead, which may have been lost the first time.
func kills(l id.Link, keep id.Request, why string, at time.Time) []ledger.Write {
	if why != codeReused {
		return nil
	}
	return []ledger.Write{RevokeTokens{Link: l, Keep: keep, At: at}}
}

// dieAlone ends a request that leaves its link as it is.
func (b *Bank) dieAlone(ctx context.Context, r Request, l Link, why string) error {
	now := b.Now()
	told, err := b.Tell(ctx, Event{Kind: EventDead, Account: r.Account, Request: r.ID, Service: r.Service, At: now})
	if err != nil {
		return err
	}
	dead := b.dead(r, why)
	rows := append([]ledger.Write{PutRequest{Request: dead, IfVersion: r.Version}, PutEvidence{Evidence{
		Kind: "dead", Request: r.ID, Link: l.ID, Account: r.Account, At: now, Facts: map[string]string{"reason": why},
	}}, b.reportRow(l, b.sign(b.deadReport(dead, now)), now)}, told...)
	rows = append(rows, kills(l.ID, l.Request, why, now)...)
	if l.Pending == r.ID {
		version := l.Version
		l.Pending, l.Version = "", version+1
		rows = append(rows, PutLink{Link: l, IfVersion: version})
	}
	defer b.Wake()
	return b.Store.Commit(ctx, rows...)
}

func (b *Bank) deadReport(r Request, now time.Time) *wire.LinkReport {
	return &wire.LinkReport{
		Header: b.header(r.Service, now), Request: r.ID, Subject: r.Subject, State: wire.LinkDead, Reason: r.Ended, Limits: r.Asked().Limits,
	}
}

// reportOn signs what has become of a request: its link's state, waiting until when, or dead.
func (b *Bank) reportOn(ctx context.Context, id id.Request) (string, error) {
	r, err := b.Store.Request(ctx, id)
	if err != nil {
		return "", err
	}
	now := b.Now()
	if r.State == RequestDead || r.Link == "" {
		return wire.Sign(b.Keys.Sign, b.deadReport(r, now))
	}
	l, err := b.Store.Link(ctx, r.Link)
	if err != nil {
		return "", err
	}
	if l.Request = r.ID; l.awaits(r.ID) { // a suspended link that is proved again waits like a new one
		l.State = LinkAuthenticated
	}
	return b.Report(ctx, l)
}
