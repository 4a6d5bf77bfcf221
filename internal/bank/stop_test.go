package bank_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// reports reads the reports that left the bank, by service.
func (w *teller) reports(s *spoken) map[string]*wire.LinkReport {
	w.t.Helper()
	out := map[string]*wire.LinkReport{}
	for _, text := range s.reports {
		for svc := range w.keys {
			r, err := wire.Verify[wire.LinkReport](text, w.own, wire.Expect{Issuer: moneyIssuer, Audience: string(svc), Now: w.time, AnyAge: true})
			if err == nil {
				out[string(svc)] = r
			}
		}
	}
	return out
}

func TestStopAllAndUndo(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	a, b := w.link(acc, maru, nil), w.link(acc, sora, nil)
	must(t, w.StopAll(t.Context(), acc.ID))
	must(t, w.StopAll(t.Context(), acc.ID)) // again is nothing
	out := w.deliver()
	got := w.reports(out)
	for _, s := range []string{"maru", "sora"} {
		if r := got[s]; r == nil || r.State != wire.LinkSuspended || r.Reason != bank.AllByDepositor || r.Seq != 2 {
			t.Errorf("report to %s: %+v", s, r)
		}
	}
	if len(out.said) != 2 { // one phone, one address
		t.Errorf("told: %+v", out.said)
	}
	if r := w.debit(a, 1_000); r.Reason != "stopped" {
		t.Errorf("debit: %+v", r)
	}
	held := w.possession(acc, bank.ForUndo)
	if ok, err := w.UndoStop(t.Context(), held, "0000", ""); ok || err != nil {
		t.Fatalf("with a wrong PIN: %v %v", ok, err)
	}
	if _, err := w.UndoStop(t.Context(), w.possession(acc, bank.ForPortal), hanakoPIN, ""); fault.Of(err) != fault.Forbidden {
		t.Fatalf("with another purpose's possession: %v", err)
	}
	if ok, err := w.UndoStop(t.Context(), held, hanakoPIN, ""); !ok || err != nil {
		t.Fatalf("with full proof: %v %v", ok, err)
	}
	if r := w.reports(w.deliver())["sora"]; r == nil || r.State != wire.LinkCooling || r.Reason != "" {
		t.Errorf("report after undoing: %+v", r)
	}
	if r := w.debit(b, 1_000); r.Reason != "cooling" {
		t.Errorf("debit after undoing: %+v", r)
	}
	w.time = w.time.Add(bank.MinCooling)
	if r := w.debit(b, 1_000); r.Outcome != wire.Booked {
		t.Errorf("debit after cooling: %+v", r)
	}
}

func TestStopOneAndUndo(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	a, b := w.link(acc, maru, nil), w.link(acc, sora, nil)
	if err := w.StopLink(t.Context(), "acc_of_somebody_else", a.ID); fault.Of(err) != fault.NotFound {
		t.Errorf("somebody else's: %v", err)
	}
	must(t, w.StopLink(t.Context(), acc.ID, a.ID))
	must(t, w.StopLink(t.Context(), acc.ID, a.ID))
	if r := w.debit(a, 1_000); r.Reason != "stopped" || r.Rule != "D2" {
		t.Errorf("stopped: %+v", r)
	}
	if r := w.debit(b, 1_000); r.Outcome != wire.Booked {
		t.Errorf("the other: %+v", r)
	}
	if r := w.reports(w.deliver())["maru"]; r.State != wire.LinkSuspended || r.Reason != bank.ByDepositor {
		t.Errorf("report: %+v", r)
	}
	if ok, err := w.UndoStop(t.Context(), w.possession(acc, bank.ForUndo), hanakoPIN, a.ID); !ok || err != nil {
		t.Fatalf("undo: %v %v", ok, err)
	}
	if r := w.debit(a, 1_000); r.Reason != "cooling" {
		t.Errorf("after undoing: %+v", r)
	}
	// What stop-all and undo do leaves a link alone that was stopped by itself.
	must(t, w.StopLink(t.Context(), acc.ID, a.ID))
	must(t, w.StopAll(t.Context(), acc.ID))
	if ok, err := w.UndoStop(t.Context(), w.possession(acc, bank.ForUndo), hanakoPIN, ""); !ok || err != nil {
		t.Fatalf("undo all: %v %v", ok, err)
	}
	if r := w.debit(a, 1_000); r.Reason != "stopped" {
		t.Errorf("stopped by itself: %+v", r)
	}
}

// A link that still waits dies of a stop: nothing that was under way comes back.
func TestStopKillsWhatWaits(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, func(l *bank.Link, g *ledger.Gate) {
		l.State, l.ActivatedAt, g.Shut = bank.LinkAuthenticated, time.Time{}, bank.ShutWaiting
	})
	must(t, w.StopAll(t.Context(), acc.ID))
	got, err := w.store.Link(t.Context(), l.ID)
	must(t, err)
	if got.State != bank.LinkRevoked {
		t.Errorf("state %s", got.State)
	}
	if r := w.reports(w.deliver())["maru"]; r.State != wire.LinkDead {
		t.Errorf("report: %+v", r)
	}
}

func (w *teller) change(l bank.Link, kind, chg string) (*wire.LinkReport, string) {
	w.t.Helper()
	text, err := w.LinkChange(w.t.Context(), w.signed(l.Service, &wire.LinkChange{Header: w.head(l.Service), Change: chg, Link: l.ID, Kind: kind}))
	must(w.t, err)
	r, err := wire.Verify[wire.LinkReport](text, w.own, wire.Expect{Issuer: moneyIssuer, Audience: string(l.Service), Now: w.time, AnyAge: true})
	must(w.t, err)
	return r, text
}

// M8: the same change with other content is a conflict for ever, and not "try again".
func TestAChangeWithOtherContentIsAConflict(t *testing.T) {
	w := newTeller(t)
	l := w.link(w.hanako(), maru, nil)
	w.change(l, bank.ChangePhone, "chg_1")
	_, err := w.LinkChange(t.Context(), w.signed(maru, &wire.LinkChange{Header: w.head(maru), Change: "chg_1", Link: l.ID, Kind: bank.ChangeDevice}))
	if fault.Of(err) != fault.Conflict || fault.RuleOf(err) != "M8" {
		t.Errorf("got %v", err)
	}
}

func TestChangesAtTheService(t *testing.T) {
	for _, c := range []struct {
		kind  string
		state wire.LinkState
		debit string
	}{
		{bank.ChangePhone, wire.LinkCooling, "cooling"},
		{bank.ChangeEmail, wire.LinkCooling, "cooling"},
		{bank.ChangeRecovery, wire.LinkCooling, "cooling"},
		{bank.ChangeDevice, wire.LinkSuspended, "suspended"},
		{bank.ChangeIdentity, wire.LinkSuspended, "suspended"},
		{bank.ChangeEnded, wire.LinkRevoked, "revoked"},
	} {
		t.Run(c.kind, func(t *testing.T) {
			w := newTeller(t)
			acc := w.hanako()
			l := w.link(acc, maru, nil)
			r, text := w.change(l, c.kind, "chg_1")
			if r.State != c.state || r.Change != "chg_1" {
				t.Errorf("report: %+v", r)
			}
			if d := w.debit(l, 1_000); d.Reason != c.debit {
				t.Errorf("debit: %+v", d)
			}
			w.time = w.time.Add(time.Minute)
			if _, again := w.change(l, c.kind, "chg_1"); again != text {
				t.Error("a repeat has other bytes")
			}
			if told := w.deliver().said; len(told) != 2 {
				t.Errorf("told %d times", len(told))
			}
		})
	}
}

func TestNoticesGoToOldContactsForThirtyDays(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	contacts, err := w.store.Contacts(t.Context(), acc.ID)
	must(t, err)
	must(t, w.RemoveContact(t.Context(), acc.ID, contacts[0].ID))
	_, err = w.AddContact(t.Context(), acc.ID, bank.SMS, "+819099998888")
	must(t, err)
	w.deliver()
	l := w.link(acc, maru, nil)
	to := func() string {
		w.debit(l, 1_000)
		var all []string
		for _, m := range w.deliver().said {
			all = append(all, m.to)
		}
		return strings.Join(all, " ")
	}
	if got := to(); strings.Count(got, " ") != 2 || !strings.Contains(got, "+819011112222") {
		t.Errorf("at once: %s", got)
	}
	w.time = w.time.Add(bank.KeepTelling)
	if got := to(); strings.Count(got, " ") != 1 || strings.Contains(got, "+819011112222") {
		t.Errorf("30 days later: %s", got)
	}
}

func TestRequestNoticesBecomeADigest(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	ask := func() {
		must(t, w.TellNow(t.Context(), bank.Event{Kind: bank.EventRequest, Account: acc.ID, Request: id.Request(id.Random("req")), Service: maru, At: w.time}))
	}
	count := func() (requests int, digest string) {
		for _, m := range w.deliver().said {
			if strings.Contains(m.text, "ほかに") {
				digest = m.text
			} else {
				requests++
			}
		}
		return requests, digest
	}
	for range 7 {
		ask()
		w.time = w.time.Add(time.Minute)
	}
	if n, digest := count(); n != 2*bank.DigestAfter || digest != "" {
		t.Fatalf("%d one by one, digest %q", n, digest)
	}
	w.time = w.time.Add(6 * time.Hour)
	if n, digest := count(); n != 0 || !strings.Contains(digest, "ほかに4件") {
		t.Errorf("later: %d one by one, digest %q", n, digest)
	}
	ask()
	w.time = w.time.Add(6 * time.Hour)
	if _, digest := count(); !strings.Contains(digest, "ほかに1件") {
		t.Errorf("a second digest: %q", digest)
	}
	w.time = w.time.Add(24 * time.Hour)
	ask()
	if n, _ := count(); n != 2 {
		t.Errorf("a day later: %d", n)
	}
}

func TestTypedReferenceHasFiveTries(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	ask := func() (id.Request, string) {
		r := id.Request(id.Random("req"))
		must(t, w.Store.Commit(t.Context(), bank.PutRequest{Request: bank.Request{
			ID: r, Service: maru, State: bank.RequestIdentified, URIHash: id.Random("x"), Reference: id.Random("x"), Version: 1,
		}}))
		must(t, w.TellNow(t.Context(), bank.Event{Kind: bank.EventRequest, Account: acc.ID, Request: r, Service: maru, At: w.time}))
		for _, m := range w.deliver().said {
			if _, after, ok := strings.Cut(m.text, "bank's page: "); ok {
				return r, after[:9]
			}
		}
		t.Fatal("no mail with a number")
		return "", ""
	}
	r, number := ask()
	if ok, err := w.Typed(t.Context(), r, strings.ReplaceAll(number, "-", " ")); !ok || err != nil {
		t.Errorf("the right one: %v %v", ok, err)
	}
	if receipts, err := w.store.ReceiptsOf(t.Context(), r); err != nil || len(receipts) != 1 || receipts[0].Channel != bank.Email {
		t.Errorf("receipts: %+v %v", receipts, err)
	}
	other, number := ask()
	for range 5 {
		if ok, err := w.Typed(t.Context(), other, "0000-0000"); ok || err != nil {
			t.Errorf("a wrong one: %v %v", ok, err)
		}
	}
	if ok, err := w.Typed(t.Context(), other, number); ok || err != nil {
		t.Errorf("the right one after five: %v %v", ok, err)
	}
}

func TestStopLinkOfANotice(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, nil)
	w.debit(l, 1_000)
	text := w.deliver().said[0].text
	_, rest, _ := strings.Cut(text, moneyIssuer+"/stop/")
	ntc, token, _ := strings.Cut(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]), "/")
	n, err := w.StopNotice(t.Context(), ntc, token)
	must(t, err)
	if n.Account != acc.ID || n.Link != l.ID {
		t.Errorf("notice: %+v", n)
	}
	for name, c := range map[string][2]string{
		"a wrong token":   {ntc, strings.Repeat("0", len(token))},
		"no token":        {ntc, ""},
		"another notice":  {id.Random("ntc"), token},
		"an empty notice": {"", token},
	} {
		if _, err := w.StopNotice(t.Context(), c[0], c[1]); fault.Of(err) != fault.Gone {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.time = w.time.Add(bank.StopLife)
	if _, err := w.StopNotice(t.Context(), ntc, token); fault.Of(err) != fault.Gone {
		t.Errorf("an old one: %v", err)
	}
}

func TestWeakPINs(t *testing.T) {
	acc := bank.Account{Place: bank.Place{Number: "8340275"}, BirthDate: "1985-04-01"}
	contacts := []bank.Contact{{Channel: bank.SMS, Address: "+819011372294"}}
	for _, pin := range []bank.PIN{"1234", "0000", "9876", "8901", "1985", "0401", "0104", "8504", "8501", "8340", "0275", "1372", "2294", "1004"} {
		if err := bank.WeakPIN(pin, acc, contacts); fault.RuleOf(err) != "D8" {
			t.Errorf("%s: %v", string(pin), err)
		}
	}
	for _, pin := range []bank.PIN{"", "123", "12345", "12a4", "１２３４"} {
		if err := bank.WeakPIN(pin, acc, contacts); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v", string(pin), err)
		}
	}
	for _, pin := range []bank.PIN{"5963", "7391", "4649"} {
		if err := bank.WeakPIN(pin, acc, contacts); err != nil {
			t.Errorf("%s: %v", string(pin), err)
		}
	}
}

func TestThreeWrongPINsLockLinkingForADay(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	held := w.possession(acc, bank.ForPortal)
	// A hundred at once: three at most are evaluated.
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			if ok, err := w.VerifyPIN(t.Context(), held, bank.PIN(fmt.Sprintf("%04d", i))); ok || err != nil {
				t.Error(ok, err)
			}
		})
	}
	wg.Wait()
	row, err := w.store.PINOf(t.Context(), acc.ID)
	must(t, err)
	if row.Pages.Tries != bank.PINTries || row.Card.Tries != 0 {
		t.Errorf("%d tries counted, %d of the card", row.Pages.Tries, row.Card.Tries)
	}
	if ok, err := w.VerifyPIN(t.Context(), held, hanakoPIN); ok || err != nil {
		t.Errorf("locked, the right PIN: %v %v", ok, err)
	}
	// The card is not: its owner proves possession at an ATM. That is no way around the lock of the pages.
	if ok, err := w.VerifyPIN(t.Context(), w.possession(acc, bank.ForPortal), hanakoPIN); ok || err != nil {
		t.Errorf("locked, after the right PIN at an ATM: %v %v", ok, err)
	}
	w.time = w.time.Add(bank.PINLock)
	if ok, err := w.VerifyPIN(t.Context(), w.possession(acc, bank.ForPortal), hanakoPIN); !ok || err != nil {
		t.Errorf("a day later: %v %v", ok, err)
	}
}

func TestASecretPINCannotPrint(t *testing.T) {
	pin := bank.PIN("5963")
	for _, text := range []string{fmt.Sprint(pin), fmt.Sprintf("%s %q %v %+v %#v %x %d", pin, pin, pin, pin, pin, pin, pin), fmt.Sprintf("%v", struct{ P bank.PIN }{pin})} {
		if strings.Contains(text, "5963") || strings.Contains(text, "35393633") {
			t.Errorf("printed: %s", text)
		}
	}
}

// A link that was activated at the very moment of a stop-all cools off from the undo like all others.
func TestUndoCoolsWhatTheStopDidNotSee(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	must(t, w.StopAll(t.Context(), acc.ID))
	late := w.link(acc, maru, nil) // live, its own gate open
	if r := w.debit(late, 1_000); r.Reason != "stopped" {
		t.Fatalf("while everything is stopped: %+v", r)
	}
	if ok, err := w.UndoStop(t.Context(), w.possession(acc, bank.ForUndo), hanakoPIN, ""); !ok || err != nil {
		t.Fatalf("undo: %v %v", ok, err)
	}
	if r := w.debit(late, 1_000); r.Reason != "cooling" {
		t.Errorf("after undoing: %+v", r)
	}
	w.time = w.time.Add(bank.MinCooling)
	if r := w.debit(late, 1_000); r.Outcome != wire.Booked {
		t.Errorf("after cooling off: %+v", r)
	}
}
