package wallet_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

const lnk1, lnk2 = id.Link("lnk_00000000000000000000000001"), id.Link("lnk_00000000000000000000000002")

// answer makes the hub redeem with a report of a link in a state.
func (p *people) answer(issuer id.Issuer, a wallet.Ask, link id.Link, state wire.LinkState, change func(*wire.LinkReport)) {
	p.hub.onRedeem = func(r id.Request, red wallet.Redemption) (string, error) {
		act, err := wire.Verify[wire.Activation](red.Activation, p.hub.service,
			wire.Expect{Issuer: "maru", Audience: string(a.Issuer), Now: p.Now()})
		if err != nil || act.Request != r {
			p.Errorf("activation: %+v, %v", act, err)
		}
		return p.banks[issuer].report(p.T, a, link, state, change), nil
	}
}

// linked brings a holder to a link at a bank.
func (p *people) linked(h wallet.Holder, issuer id.Issuer, link id.Link) (*browser, wallet.Link) {
	p.Helper()
	b := newBrowser(h.Subject)
	a := p.ask(b, h, issuer)
	p.answer(issuer, a, link, wire.LinkCooling, nil)
	if _, err := p.Returned(p.Context(), b.back(a.State, "code", string(issuer))); err != nil {
		p.Fatal(err)
	}
	if _, err := p.deliver(); err != nil {
		p.Fatal(err)
	}
	l, err := p.Store.Link(p.Context(), link)
	return b, must(p.T, l, err)
}

func TestLinkFromAskToActive(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	b := newBrowser(h.Subject)
	a := p.ask(b, h, bankA)

	push := p.hub.pushed[0]
	req, err := wire.Verify[wire.LinkRequest](push.LinkRequest, p.hub.service, wire.Expect{Issuer: "maru", Audience: string(bankA), Now: p.Now()})
	if err != nil || req.Request != a.Request || req.RedirectURI != push.RedirectURI || req.DetailsHash != wire.Hash(push.Details) || req.Browser != wire.Hash(a.RS) {
		t.Errorf("link request %+v, %v", req, err)
	}
	who, err := wire.OpenIdentity([]wire.SealKey{p.banks[bankA].seal}, push.Identity, p.hub.service,
		wire.Expect{Issuer: "maru", Audience: string(bankA), Now: p.Now()})
	if err != nil || who.NameKana != "サトウ ハナコ" || who.BirthDate != "1985-04-01" || who.Phone != h.Phone || who.DetailsHash != req.DetailsHash {
		t.Errorf("identity %+v, %v", who, err)
	}
	if name, value := a.Cookie(); value == req.Browser || value == a.RS || len(name) < 12 {
		t.Error("the cookie is what the hub and the bank know, or rs itself")
	}

	p.answer(bankA, a, lnk1, wire.LinkCooling, nil)
	if _, err := p.Returned(t.Context(), b.back(a.State, "code", string(bankA))); err != nil {
		t.Fatal(err)
	}
	if _, err := p.deliver(); err != nil {
		t.Fatal(err)
	}
	a, err = p.Store.Ask(t.Context(), a.Request)
	if err != nil || a.Stage != wallet.AskLinked || a.Link != lnk1 || a.RS != "" {
		t.Errorf("ask %+v, %v", a, err)
	}
	l, err := p.Store.Link(t.Context(), lnk1)
	must(t, l, err)
	start := p.Now()
	for after, want := range map[time.Duration]wire.LinkState{
		0: wire.LinkCooling, 12*time.Hour - time.Minute: wire.LinkCooling, 12*time.Hour + time.Minute: wire.LinkLimited,
		36*time.Hour - time.Minute: wire.LinkLimited, 36*time.Hour + time.Minute: wire.LinkActive, 6 * 366 * 24 * time.Hour: wire.LinkExpired,
	} {
		if got := l.StateAt(start.Add(after)); got != want {
			t.Errorf("after %v: %s, want %s", after, got, want)
		}
		if got := l.Chargeable(start.Add(after)); got != (want == wire.LinkLimited || want == wire.LinkActive) {
			t.Errorf("after %v chargeable: %v", after, got)
		}
	}
}

func TestLimitedUntilProof(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	b := newBrowser(h.Subject)
	a := p.ask(b, h, bankA)
	p.answer(bankA, a, lnk1, wire.LinkCooling, func(r *wire.LinkReport) { r.LimitedUntilUs = -1 })
	if _, err := p.Returned(t.Context(), b.back(a.State, "code", string(bankA))); err != nil {
		t.Fatal(err)
	}
	if _, err := p.deliver(); err != nil {
		t.Fatal(err)
	}
	l, err := p.Store.Link(t.Context(), lnk1)
	must(t, l, err)
	later := p.Now().Add(1000 * time.Hour)
	if l.StateAt(later) != wire.LinkLimited {
		t.Errorf("without a strong proof the link became %s", l.StateAt(later))
	}
	if _, known := l.Matures(later); known {
		t.Error("money matures without a strong proof")
	}
}

func TestMayAsk(t *testing.T) {
	p := newPeople(t)
	fresh, _ := p.signUp("fresh@example.jp", "+819044445555", false)
	if _, err := p.RequestLink(t.Context(), fresh, bankA); fault.RuleOf(err) != "L4" {
		t.Errorf("level 0: %v", err)
	}
	h := p.hanako()
	for _, state := range []wallet.BankState{wallet.BankNoNewLinks, wallet.BankStopped} {
		p.hub.states[bankA] = state
		if _, err := p.RequestLink(t.Context(), h, bankA); fault.RuleOf(err) != "R10" {
			t.Errorf("bank %s: %v", state, err)
		}
	}
	delete(p.hub.states, bankA)
	if _, err := p.RequestLink(t.Context(), h, "https://9999.bank.example.jp"); fault.Of(err) != fault.NotFound {
		t.Errorf("a bank of nobody's: %v", err)
	}
	p.linked(h, bankA, lnk1)
	if _, err := p.RequestLink(t.Context(), h, bankA); fault.RuleOf(err) != "L7" {
		t.Errorf("a second link at the bank: %v", err)
	}
	if _, err := p.RequestLink(t.Context(), h, bankB); err != nil {
		t.Errorf("a link at another bank: %v", err)
	}
	if n := len(p.hub.pushed); n != 2 {
		t.Errorf("%d requests went to the hub", n)
	}
}

func TestRefusal18_IssuerWrongAtTheWallet(t *testing.T) {
	for _, iss := range []string{"", string(bankB), string(bankA) + "/", "https://evil.example.jp"} {
		p := newPeople(t)
		h := p.hanako()
		b := newBrowser(h.Subject)
		a := p.ask(b, h, bankA)
		_, err := p.Returned(t.Context(), b.back(a.State, "code", iss))
		p.refusedAndAborted(a, err, "cancelled")
	}
}

// refusedAndAborted says that nothing was redeemed and that the bank heard of the end.
func (p *people) refusedAndAborted(a wallet.Ask, err error, reason string) {
	p.Helper()
	if fault.RuleOf(err) != "L12" {
		p.Errorf("not refused under L12: %v", err)
	}
	if _, err := p.deliver(); err != nil {
		p.Error(err)
	}
	now, err := p.Store.Ask(p.Context(), a.Request)
	if err != nil || now.Stage != wallet.AskDead || p.hub.redeems != 0 {
		p.Errorf("ask is %s (%v), %d redemptions", now.Stage, err, p.hub.redeems)
	}
	if len(p.hub.aborts) != 1 || p.hub.aborts[0].Request != a.Request || p.hub.aborts[0].Reason != reason {
		p.Errorf("aborts %+v, want one of %s for %q", p.hub.aborts, a.Request, reason)
	}
}

func TestRefusal19_StateMissingForeignReused(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	b := newBrowser(h.Subject)
	a := p.ask(b, h, bankA)
	for _, state := range []string{"", "st_00000000000000000000000000", a.State + "x"} {
		if _, err := p.Returned(t.Context(), b.back(state, "code", string(bankA))); fault.RuleOf(err) != "L12" {
			t.Errorf("state %q: %v", state, err)
		}
	}
	if now, err := p.Store.Ask(t.Context(), a.Request); err != nil || now.Stage != wallet.AskPushed {
		t.Fatalf("a state of nobody's changed the request: %s, %v", now.Stage, err)
	}
	p.answer(bankA, a, lnk1, wire.LinkCooling, nil)
	if _, err := p.Returned(t.Context(), b.back(a.State, "code", string(bankA))); err != nil {
		t.Fatal(err)
	}
	for range 2 { // before and after the redemption
		if _, err := p.Returned(t.Context(), b.back(a.State, "other", string(bankA))); fault.Of(err) != fault.Gone {
			t.Errorf("a state used twice: %v", err)
		}
		if _, err := p.deliver(); err != nil {
			t.Error(err)
		}
	}
	if p.hub.redeems != 1 || len(p.hub.aborts) != 0 {
		t.Errorf("%d redemptions, %d aborts", p.hub.redeems, len(p.hub.aborts))
	}
}

func TestRefusal19_CallbackWithoutCookieOrSession(t *testing.T) {
	cases := map[string]func(*browser, wallet.Ask){
		"no cookie":       func(b *browser, _ wallet.Ask) { clear(b.cookies) },
		"the bank's hash": func(b *browser, a wallet.Ask) { n, _ := a.Cookie(); b.cookies[n] = wire.Hash(a.RS) },
		"nobody":          func(b *browser, _ wallet.Ask) { b.subject = "" },
		"another person":  func(b *browser, _ wallet.Ask) { b.subject = "sub_00000000000000000000000000" },
		"another session": func(b *browser, _ wallet.Ask) { clear(b.asked) },
		"another browser": func(b *browser, _ wallet.Ask) { *b = *newBrowser("") },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			p := newPeople(t)
			h := p.hanako()
			b := newBrowser(h.Subject)
			a := p.ask(b, h, bankA)
			spoil(b, a)
			_, err := p.Returned(t.Context(), b.back(a.State, "code", string(bankA)))
			p.refusedAndAborted(a, err, "other_browser")
		})
	}
}

func TestRefusal19_OneReturnOfFiftyAtOnce(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	b := newBrowser(h.Subject)
	a := p.ask(b, h, bankA)
	p.answer(bankA, a, lnk1, wire.LinkCooling, nil)
	var done sync.WaitGroup
	went := make(chan bool, 50)
	for range cap(went) {
		done.Go(func() {
			_, err := p.Returned(t.Context(), b.back(a.State, "code", string(bankA)))
			if err != nil && fault.Of(err) != fault.Gone {
				t.Error(err)
			}
			went <- err == nil
		})
	}
	done.Wait()
	close(went)
	n := 0
	for ok := range went {
		if ok {
			n++
		}
	}
	if _, err := p.deliver(); err != nil || n != 1 || p.hub.redeems != 1 || len(p.hub.aborts) != 0 {
		t.Errorf("%d went on, %d redemptions, %d aborts, %v", n, p.hub.redeems, len(p.hub.aborts), err)
	}
}

// What was decided before a crash is said after it: the redemption, the abort, the change.
func TestOutboxSurvivesARestart(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	b := newBrowser(h.Subject)
	a := p.ask(b, h, bankA)
	p.restart()
	p.answer(bankA, a, lnk1, wire.LinkCooling, nil)
	if _, err := p.Returned(t.Context(), b.back(a.State, "code", string(bankA))); err != nil {
		t.Fatal(err)
	}
	p.restart()
	if _, err := p.deliver(); err != nil {
		t.Fatal(err)
	}
	if err := p.EndLink(t.Context(), h.Subject, lnk1); err != nil {
		t.Fatal(err)
	}
	p.restart()
	p.bankHears(bankA, wire.LinkRevoked)
	if _, err := p.deliver(); err != nil {
		t.Fatal(err)
	}
	if l, err := p.Store.Link(t.Context(), lnk1); err != nil || !l.Over(p.Now()) || len(l.Changes) != 0 {
		t.Errorf("%+v, %v", l, err)
	}
	second := p.ask(b, h, bankB)
	clear(b.cookies)
	if _, err := p.Returned(t.Context(), b.back(second.State, "code", string(bankB))); fault.RuleOf(err) != "L12" {
		t.Fatal(err)
	}
	p.restart()
	if _, err := p.deliver(); err != nil || len(p.hub.aborts) != 1 {
		t.Errorf("%d aborts, %v", len(p.hub.aborts), err)
	}
}

// Two banks at once in one browser: neither's answer passes for the other's.
func TestRefusal20_MixUpOfTwoBanks(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	b := newBrowser(h.Subject)
	a1, a2 := p.ask(b, h, bankA), p.ask(b, h, bankB)
	if _, err := p.Returned(t.Context(), b.back(a1.State, "code of B", string(bankB))); fault.RuleOf(err) != "L12" {
		t.Errorf("bank B answered with the state of A: %v", err)
	}
	p.answer(bankB, a2, lnk2, wire.LinkCooling, nil)
	if _, err := p.Returned(t.Context(), b.back(a2.State, "code", string(bankB))); err != nil {
		t.Errorf("the other request died with it: %v", err)
	}
	if _, err := p.deliver(); err != nil {
		t.Error(err)
	}
	if _, err := p.Store.Link(t.Context(), lnk2); err != nil {
		t.Error(err)
	}
}

func TestRefusal20_ReportOfAnotherBank(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	b := newBrowser(h.Subject)
	a := p.ask(b, h, bankA)
	p.answer(bankB, a, lnk1, wire.LinkCooling, nil) // bank B's keys, for a request at A
	if _, err := p.Returned(t.Context(), b.back(a.State, "code", string(bankA))); err != nil {
		t.Fatal(err)
	}
	if _, err := p.deliver(); fault.Of(err) != fault.Invalid {
		t.Errorf("bank B's report was taken for A's: %v", err)
	}
	if now, _ := p.Store.Ask(t.Context(), a.Request); now.Stage != wallet.AskReturned {
		t.Errorf("it ended the request: %s", now.Stage)
	}
	p.answer(bankA, a, lnk1, wire.LinkCooling, nil) // the true bank, asked again
	p.clock.Forward(2 * time.Second)
	if _, err := p.deliver(); err != nil {
		t.Error(err)
	}
	// Bank B cannot speak of A's link by an event either, nor of its own as if it were another's.
	l, err := p.Store.Link(t.Context(), lnk1)
	must(t, l, err)
	a.Request = l.Request
	p.hub.events = []wallet.HubEvent{
		{Seq: 1, Report: p.banks[bankB].report(t, a, lnk1, wire.LinkRevoked, func(r *wire.LinkReport) { r.Seq = 99 })},
		{Seq: 2, Report: p.banks[bankA].report(t, a, lnk1, wire.LinkActive, func(r *wire.LinkReport) { r.Seq, r.Subject = 99, "sub_00000000000000000000000000" })},
		{Seq: 3, Report: p.banks[bankA].report(t, a, lnk1, wire.LinkActive, func(r *wire.LinkReport) { r.Seq, r.Audience = 99, "sora" })},
		{Seq: 4, Report: "not.a.jws"},
	}
	if err := p.FetchEvents(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if now, _ := p.Store.Link(t.Context(), lnk1); now.Seq != l.Seq || now.Reported != wire.LinkCooling {
		t.Errorf("the link became %s", now.Reported)
	}
	if seen, _ := p.Store.EventsSeen(t.Context()); seen != 4 {
		t.Errorf("events seen: %d", seen)
	}
}

func TestReportsBySeq(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	_, l := p.linked(h, bankA, lnk1)
	a, err := p.Store.Ask(t.Context(), l.Request)
	must(t, a, err)
	newer := p.banks[bankA].report(t, a, lnk1, wire.LinkSuspended, func(r *wire.LinkReport) { r.Seq, r.Reason = 8, "stopped_by_depositor" })
	older := p.banks[bankA].report(t, a, lnk1, wire.LinkActive, func(r *wire.LinkReport) { r.Seq = 7 })
	for _, rep := range []string{newer, older, newer} {
		if _, err := p.TakeReport(t.Context(), bankA, rep); err != nil {
			t.Fatal(err)
		}
	}
	l, err = p.Store.Link(t.Context(), lnk1)
	if err != nil || l.Reported != wire.LinkSuspended || l.Seq != 8 || l.Reason != "stopped_by_depositor" || l.Chargeable(p.Now()) {
		t.Errorf("link %+v, %v", l, err)
	}
	if _, err := p.RequestLink(t.Context(), h, bankA); err != nil {
		t.Errorf("a suspended link cannot be proved again: %v", err)
	}
}

// out is a store whose requests for links cannot be read just now.
type out struct{ wallet.Store }

func (out) Ask(context.Context, id.Request) (wallet.Ask, error) {
	return wallet.Ask{}, fault.New(fault.Unavailable, "test", nil)
}

// A report that comes while the database is out of order is asked for again: it may be the depositor's stop.
func TestReportsWaitForTheStore(t *testing.T) {
	p := newPeople(t)
	_, l := p.linked(p.hanako(), bankA, lnk1)
	a, err := p.Store.Ask(t.Context(), l.Request)
	must(t, a, err)
	p.hub.events = []wallet.HubEvent{{Seq: 1, Report: p.banks[bankA].report(t, a, lnk1, wire.LinkSuspended, func(r *wire.LinkReport) { r.Seq = 99 })}}
	well := p.Store
	p.Wallet.Store = out{well}
	if err := p.FetchEvents(t.Context(), 0); fault.Of(err) != fault.Unavailable {
		t.Errorf("got %v", err)
	}
	p.Wallet.Store = well
	if seen, _ := well.EventsSeen(t.Context()); seen != 0 {
		t.Fatalf("the report was passed over: seen %d", seen)
	}
	if err := p.FetchEvents(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if now, _ := well.Link(t.Context(), lnk1); now.Reported != wire.LinkSuspended {
		t.Errorf("the link is %s", now.Reported)
	}
}

func TestReportWithoutActivationIsRefused(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	a := p.ask(newBrowser(h.Subject), h, bankA)
	if _, err := p.TakeReport(t.Context(), bankA, p.banks[bankA].report(t, a, lnk1, wire.LinkActive, nil)); fault.Of(err) != fault.Invalid {
		t.Errorf("a link nobody activated: %v", err)
	}
}

// The answer to a redemption may be lost any number of times; what was sent stays the same, byte for byte.
func TestRedemptionUntilAnswered(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	b := newBrowser(h.Subject)
	a := p.ask(b, h, bankA)
	var sent []wallet.Redemption
	p.answer(bankA, a, lnk1, wire.LinkWaiting, func(r *wire.LinkReport) { r.ReceiptUntilUs = clock.Micros(p.Now().Add(24 * time.Hour)) })
	answer := p.hub.onRedeem
	p.hub.onRedeem = func(r id.Request, red wallet.Redemption) (string, error) {
		if sent = append(sent, red); len(sent) < 4 {
			return "", fault.New(fault.Unavailable, "test", errors.New("lost"))
		}
		return answer(r, red)
	}
	if _, err := p.Returned(t.Context(), b.back(a.State, "code", string(bankA))); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		_, _ = p.deliver()
		p.clock.Forward(time.Minute) // long after the code's own minute: the hub goes on where it was
	}
	if len(sent) != 4 || slices.ContainsFunc(sent, func(r wallet.Redemption) bool { return r != sent[0] }) {
		t.Errorf("sent %d times, not always the same", len(sent))
	}
	l, err := p.Store.Link(t.Context(), lnk1)
	if err != nil || l.StateAt(p.Now()) != wire.LinkWaiting || l.StateAt(p.Now().Add(25*time.Hour)) != wire.LinkDead {
		t.Errorf("link %+v, %v", l, err)
	}
}

func TestRedemptionThatComesToNothing(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	t.Run("the service was down for a minute", func(t *testing.T) {
		b := newBrowser(h.Subject)
		a := p.ask(b, h, bankA)
		if _, err := p.Returned(t.Context(), b.back(a.State, "code", string(bankA))); err != nil {
			t.Fatal(err)
		}
		p.clock.Forward(wallet.RedeemWithin + time.Second)
		if _, err := p.deliver(); err != nil {
			t.Fatal(err)
		}
		now, _ := p.Store.Ask(t.Context(), a.Request)
		if now.Stage != wallet.AskDead || now.Reason != "timeout" || p.hub.redeems != 0 || len(p.hub.aborts) != 1 {
			t.Errorf("%s %s, %d redeems, %d aborts", now.Stage, now.Reason, p.hub.redeems, len(p.hub.aborts))
		}
	})
	t.Run("the bank refuses the code", func(t *testing.T) {
		b := newBrowser(h.Subject)
		a := p.ask(b, h, bankA)
		p.hub.onRedeem = func(id.Request, wallet.Redemption) (string, error) {
			return "", fault.New(fault.Gone, "test", errors.New("code expired"))
		}
		if _, err := p.Returned(t.Context(), b.back(a.State, "code", string(bankA))); err != nil {
			t.Fatal(err)
		}
		if _, err := p.deliver(); err != nil {
			t.Fatal(err)
		}
		now, _ := p.Store.Ask(t.Context(), a.Request)
		if now.Stage != wallet.AskDead || len(p.hub.aborts) != 2 {
			t.Errorf("%s, %d aborts", now.Stage, len(p.hub.aborts))
		}
	})
	t.Run("the abort came too late", func(t *testing.T) { // the bank had made the link: the bank's word counts
		b := newBrowser(h.Subject)
		a := p.ask(b, h, bankA)
		p.hub.onAbort = func(id.Request) (string, error) {
			return p.banks[bankA].report(t, a, lnk2, wire.LinkCooling, nil), nil
		}
		if _, err := p.Returned(t.Context(), b.back(a.State, "code", string(bankA))); err != nil {
			t.Fatal(err)
		}
		if _, err := p.deliver(); err != nil {
			t.Fatal(err)
		}
		now, _ := p.Store.Ask(t.Context(), a.Request)
		if l, err := p.Store.Link(t.Context(), lnk2); now.Stage != wallet.AskLinked || err != nil || l.Reported != wire.LinkCooling {
			t.Errorf("%s, %+v, %v", now.Stage, l, err)
		}
	})
}

func TestReturnTooLate(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	b := newBrowser(h.Subject)
	a := p.ask(b, h, bankA)
	if a.StageAt(p.Now()) != wallet.AskPushed || a.StageAt(p.Now().Add(wallet.AskLife)) != wallet.AskDead {
		t.Error("a request does not die of age")
	}
	p.clock.Forward(wallet.AskLife)
	_, err := p.Returned(t.Context(), b.back(a.State, "code", string(bankA)))
	p.refusedAndAborted(a, err, "timeout")
}

func TestNotConsented(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	b := newBrowser(h.Subject)
	a := p.ask(b, h, bankA)
	back := b.back(a.State, "", string(bankA))
	back.Error = "access_denied"
	if _, err := p.Returned(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	if _, err := p.deliver(); err != nil {
		t.Fatal(err)
	}
	now, _ := p.Store.Ask(t.Context(), a.Request)
	if now.Stage != wallet.AskDead || now.Reason != "not_consented" || len(p.hub.aborts) != 1 {
		t.Errorf("%s %s, %d aborts", now.Stage, now.Reason, len(p.hub.aborts))
	}
}

func TestNewRequestReplacesTheOpenOne(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	b := newBrowser(h.Subject)
	first := p.ask(b, h, bankA)
	second := p.ask(b, h, bankA)
	if _, err := p.Returned(t.Context(), b.back(first.State, "code", string(bankA))); fault.Of(err) != fault.Gone {
		t.Errorf("the first still runs: %v", err)
	}
	p.answer(bankA, second, lnk1, wire.LinkCooling, nil)
	if _, err := p.Returned(t.Context(), b.back(second.State, "code", string(bankA))); err != nil {
		t.Error(err)
	}
}

func TestUnreachableHubLeavesNothingOpen(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	p.hub.pushErr = fault.New(fault.Unavailable, "test", errors.New("no route"))
	if _, err := p.RequestLink(t.Context(), h, bankA); fault.Of(err) != fault.Unavailable {
		t.Fatal(err)
	}
	if open, err := p.Store.AsksOf(t.Context(), h.Subject); err != nil || len(open) != 0 {
		t.Errorf("open: %v, %v", open, err)
	}
}

// A dishonest hub cannot lead people to a page that looks like their bank's.
func TestBrowserGoesToTheBankAlone(t *testing.T) {
	for _, url := range []string{"https://evil.example/authorize", string(bankA) + ".evil.example/authorize", string(bankB) + "/authorize"} {
		p := newPeople(t)
		h := p.hanako()
		p.hub.sendTo = url
		if a, err := p.RequestLink(t.Context(), h, bankA); fault.Of(err) != fault.Unavailable {
			t.Errorf("the browser would go to %s: %v", a.URL, err)
		}
	}
}

// The drawing of a request's life in docs/states.md is the table that the code obeys.
func TestDrawnStagesOfARequest(t *testing.T) {
	text, err := os.ReadFile("../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## A request for a link at the service\n")
	if !found {
		t.Fatal("docs/states.md has no section of a request")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	drawn := map[wallet.AskStage][]wallet.AskStage{}
	for _, arrow := range regexp.MustCompile(`(?m)^\s+(\w+) --> (\w+)$`).FindAllStringSubmatch(section, -1) {
		from := wallet.AskStage(arrow[1])
		drawn[from] = append(drawn[from], wallet.AskStage(arrow[2]))
	}
	for from, next := range wallet.AskStages() {
		if slices.Sort(next); !slices.Equal(next, slices.Sorted(slices.Values(drawn[from]))) {
			t.Errorf("from %s the code allows %v, the drawing shows %v", from, next, drawn[from])
		}
		delete(drawn, from)
		if !strings.Contains(section, "`"+string(from)+"`") {
			t.Errorf("the table does not explain %s", from)
		}
	}
	if len(drawn) != 0 {
		t.Errorf("drawn but not in the code: %v", drawn)
	}
}
