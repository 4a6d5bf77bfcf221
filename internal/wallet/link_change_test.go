package wallet_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
)

// bankHears makes the bank answer changes with a report in a state.
func (p *people) bankHears(issuer id.Issuer, state wire.LinkState) {
	p.hub.onChange = func(link id.Link, c wire.LinkChange) (string, error) {
		l, err := p.Store.Link(p.Context(), link)
		if err != nil {
			p.Fatal(err)
		}
		a, err := p.Store.Ask(p.Context(), l.Request)
		if err != nil {
			p.Fatal(err)
		}
		return p.banks[issuer].report(p.T, a, link, state, func(r *wire.LinkReport) { r.Change = c.Change }), nil
	}
}

func (p *people) kinds() (out []string) {
	for _, c := range p.hub.changes {
		out = append(out, c.Kind)
	}
	return out
}

func TestContactChangeCoolsLinks(t *testing.T) {
	for _, c := range []struct {
		kind  wallet.ContactKind
		value string
		want  string
	}{{wallet.Email, "new@example.jp", "email"}, {wallet.Phone, "+819099998888", "phone"}} {
		t.Run(c.want, func(t *testing.T) {
			p := newPeople(t)
			h := p.hanako()
			p.linked(h, bankA, lnk1)
			p.clock.Forward(40 * time.Hour)
			e, err := p.StartChange(t.Context(), h, c.kind, c.value)
			must(t, e, err)
			letters, _ := p.deliver()
			if _, err := p.TypeCode(t.Context(), e.ID, codeIn(letters, c.value)); err != nil {
				t.Fatal(err)
			}
			l, _ := p.Store.Link(t.Context(), lnk1)
			if l.Chargeable(p.Now()) || len(l.Changes) != 1 {
				t.Error("the link carries charges before the bank has heard of the change")
			}
			p.bankHears(bankA, wire.LinkCooling)
			letters, failed := p.deliver()
			if failed != nil {
				t.Fatal(failed)
			}
			told := map[string]bool{}
			for _, x := range letters {
				told[x.To] = true
			}
			if !told[h.Email] || !told[h.Phone] {
				t.Errorf("told %v, not the contacts from before", told)
			}
			l, _ = p.Store.Link(t.Context(), lnk1)
			if !slices.Equal(p.kinds(), []string{c.want}) || len(l.Changes) != 0 || l.StateAt(p.Now()) != wire.LinkCooling {
				t.Errorf("bank heard %v; link %s with %d open", p.kinds(), l.StateAt(p.Now()), len(l.Changes))
			}
			now, err := p.Store.Holder(t.Context(), h.Subject)
			if err != nil || (now.Email != c.value && now.Phone != c.value) {
				t.Errorf("holder %+v, %v", now, err)
			}
		})
	}
}

// Only a report that the bank signed after the change answers it: the hub cannot put an old one in its place.
func TestOldReportIsNoAnswerToAChange(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	_, l := p.linked(h, bankA, lnk1)
	old := l.Report
	p.clock.Forward(time.Hour)
	p.hub.onChange = func(id.Link, wire.LinkChange) (string, error) { return old, nil }
	if err := p.EndLink(t.Context(), h.Subject, lnk1); err != nil {
		t.Fatal(err)
	}
	if _, err := p.deliver(); fault.Of(err) != fault.Invalid {
		t.Errorf("an old report passed for the answer: %v", err)
	}
	if l, _ = p.Store.Link(t.Context(), lnk1); len(l.Changes) != 1 || !l.EndRequested {
		t.Errorf("%+v", l)
	}
	p.hub.onChange = func(id.Link, wire.LinkChange) (string, error) {
		return "", fault.New(fault.Unavailable, "test", errors.New("lost"))
	}
	for range 3 {
		p.clock.Forward(time.Minute)
		_, _ = p.deliver()
	}
	p.bankHears(bankA, wire.LinkRevoked)
	p.clock.Forward(time.Minute)
	if _, err := p.deliver(); err != nil {
		t.Fatal(err)
	}
	l, _ = p.Store.Link(t.Context(), lnk1)
	if len(l.Changes) != 0 || l.EndRequested || !l.Over(p.Now()) {
		t.Errorf("%+v", l)
	}
	first := p.hub.changes[0]
	if slices.ContainsFunc(p.hub.changes, func(c wire.LinkChange) bool { return c != first }) {
		t.Error("the change was signed anew for a repeat")
	}
	if _, err := p.RequestLink(t.Context(), h, bankA); err != nil {
		t.Errorf("after a link ended: %v", err)
	}
}

func TestEndLinkIsTheHoldersOwn(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	p.linked(h, bankA, lnk1)
	if err := p.EndLink(t.Context(), "sub_00000000000000000000000000", lnk1); fault.Of(err) != fault.NotFound {
		t.Errorf("a stranger ended it: %v", err)
	}
	for range 2 {
		if err := p.EndLink(t.Context(), h.Subject, lnk1); err != nil {
			t.Fatal(err)
		}
	}
	if l, _ := p.Store.Link(t.Context(), lnk1); len(l.Changes) != 1 || l.Chargeable(p.Now().Add(40*time.Hour)) {
		t.Errorf("%+v", l)
	}
}

func TestRecovery(t *testing.T) {
	p := newPeople(t)
	h, lost := p.signUp("hanako@example.jp", "+819011112222", false)
	h, err := p.Prove(t.Context(), h.Subject, evidence(p.Now(), "サトウ ハナコ", "1985-04-01", "309012345620"))
	must(t, h, err)
	b, _ := p.linked(h, bankA, lnk1)
	open := p.ask(b, h, bankB)
	p.clock.Forward(40 * time.Hour)

	e, err := p.StartRecovery(t.Context(), "Hanako@example.jp", "ja", "")
	must(t, e, err)
	e = p.typeCode(e, h.Email)
	if e.Step != wallet.PhoneCode {
		t.Fatalf("after the e-mail: %s", e.Step)
	}
	e = p.typeCode(e, h.Phone)
	found := wiretest.NewPasskey(rpID, origin, false)
	if _, err := p.register(found, e); err != nil {
		t.Fatal(err)
	}
	if l, _ := p.Store.Link(t.Context(), lnk1); len(l.Changes) != 2 || l.Chargeable(p.Now()) {
		t.Errorf("link %+v", l)
	}
	p.bankHears(bankA, wire.LinkSuspended)
	if _, err := p.deliver(); err != nil {
		t.Fatal(err)
	}
	if got := p.kinds(); !slices.Equal(got, []string{"recovery", "device"}) {
		t.Errorf("the bank heard %v", got)
	}
	if l, _ := p.Store.Link(t.Context(), lnk1); l.StateAt(p.Now()) != wire.LinkSuspended || len(l.Changes) != 0 {
		t.Errorf("link %+v", l)
	}
	if now, _ := p.Store.Ask(t.Context(), open.Request); now.Stage != wallet.AskDead {
		t.Errorf("a request with the lost device lives on: %s", now.Stage)
	}
	c, err := p.BeginSignIn()
	must(t, c, err)
	if _, _, err := p.FinishSignIn(t.Context(), c.State, assert(t, lost, c.Options)); fault.Of(err) != fault.Unauthorised {
		t.Errorf("the lost passkey signs in: %v", err)
	}
	if in, _, err := p.FinishSignIn(t.Context(), c.State, assert(t, found, c.Options)); err != nil || in.Subject != h.Subject {
		t.Errorf("the new one does not: %v", err)
	}

	// The suspended link is proved again with the new device.
	again := newBrowser(h.Subject)
	a := p.ask(again, h, bankA)
	p.answer(bankA, a, lnk1, wire.LinkCooling, nil)
	if _, err := p.Returned(t.Context(), again.back(a.State, "code", string(bankA))); err != nil {
		t.Fatal(err)
	}
	if _, err := p.deliver(); err != nil {
		t.Fatal(err)
	}
	l, _ := p.Store.Link(t.Context(), lnk1)
	if l.Device != found.Device().Thumbprint() || l.Request != a.Request || l.StateAt(p.Now()) != wire.LinkCooling {
		t.Errorf("link %+v", l)
	}
}

// A device changed while the bank made the link with the old one: the bank hears of it with the link itself.
func TestLinkMadeWithAnOldDevice(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	b := newBrowser(h.Subject)
	a := p.ask(b, h, bankA)
	if _, err := p.Returned(t.Context(), b.back(a.State, "code", string(bankA))); err != nil {
		t.Fatal(err)
	}
	c, err := p.BeginReplace(h)
	must(t, c, err)
	key := wiretest.NewPasskey(rpID, origin, false)
	if err := p.FinishReplace(t.Context(), h, c.State, attest(t, key, c.Options), ""); err != nil {
		t.Fatal(err)
	}
	p.hub.onAbort = func(id.Request) (string, error) { return p.banks[bankA].report(t, a, lnk1, wire.LinkCooling, nil), nil }
	p.bankHears(bankA, wire.LinkSuspended)
	if _, err := p.deliver(); err != nil {
		t.Fatal(err)
	}
	l, err := p.Store.Link(t.Context(), lnk1)
	if err != nil || l.StateAt(p.Now()) != wire.LinkSuspended || !slices.Equal(p.kinds(), []string{"device"}) {
		t.Errorf("%s, the bank heard %v, %v", l.StateAt(p.Now()), p.kinds(), err)
	}
}

func TestChangedIdentitySuspends(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	p.linked(h, bankA, lnk1)
	p.bankHears(bankA, wire.LinkSuspended)
	if _, err := p.Prove(t.Context(), h.Subject, evidence(p.Now(), "サトウ ハナコ", "1985-04-01", "309012345621")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.deliver(); err != nil || len(p.hub.changes) != 0 {
		t.Errorf("the same person proved again was told to the bank: %v, %v", p.kinds(), err)
	}
	if _, err := p.Prove(t.Context(), h.Subject, evidence(p.Now(), "スズキ ハナコ", "1985-04-01", "309012345621")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.deliver(); err != nil {
		t.Fatal(err)
	}
	if l, _ := p.Store.Link(t.Context(), lnk1); !slices.Equal(p.kinds(), []string{"identity"}) || l.StateAt(p.Now()) != wire.LinkSuspended {
		t.Errorf("the bank heard %v; link %s", p.kinds(), l.StateAt(p.Now()))
	}
}

// The bank's word that a link began is late, so that by the service's clock no receipt came and the link is over (L8).
// Its holder ends it, and is told that it is done: the bank must hear of it.
func TestEndLinkThatOnlySeemsOver(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	_, l := p.linked(h, bankA, lnk1)
	waiting := l
	waiting.Reported, waiting.ReceiptUntil, waiting.Version = wire.LinkWaiting, p.Now().Add(24*time.Hour), l.Version+1
	if err := p.Store.Commit(t.Context(), wallet.PutLink{Link: waiting, IfVersion: l.Version}); err != nil {
		t.Fatal(err)
	}
	p.clock.Forward(25 * time.Hour)
	if l, _ = p.Store.Link(t.Context(), lnk1); !l.Over(p.Now()) {
		t.Fatal("it should seem over")
	}
	if err := p.EndLink(t.Context(), h.Subject, lnk1); err != nil {
		t.Fatal(err)
	}
	if l, _ = p.Store.Link(t.Context(), lnk1); !l.EndRequested || len(l.Changes) != 1 {
		t.Errorf("the bank will hear nothing of it: %+v", l)
	}
}
