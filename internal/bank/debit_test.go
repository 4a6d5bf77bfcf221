package bank_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
	"github.com/kozamori/kozamori/internal/zengin"
)

func TestDebitIsBookedPrintedToldAndRepeated(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, nil)
	order, o := w.order(l, 3_000, nil)
	text, err := w.Debit(t.Context(), l.ID, order)
	must(t, err)
	r := w.receipt(maru, text)
	if r.Outcome != wire.Booked || r.Amount != 3_000 || r.Link != l.ID || r.Debit != o.Debit || r.OrderHash != wire.Hash(order) ||
		r.WalletAccount != o.WalletAccount || r.BookedUs != clock.Micros(w.time) || r.Reason != "" {
		t.Fatalf("receipt: %+v", r)
	}
	if got := w.balance(acc); got != 997_000 {
		t.Errorf("balance %v", got)
	}
	book, err := w.Passbook(t.Context(), acc.ID, 0, 10)
	must(t, err)
	if len(book) != 2 || book[0].Narration != "ﾏﾙﾍﾟｲ" || book[0].Out != 3_000 || book[0].Balance != 997_000 || book[1].Narration != "ｼﾝｷ" || book[1].In != 1_000_000 {
		t.Errorf("passbook: %+v", book)
	}
	told := w.deliver().said
	if len(told) != 2 || told[0].channel == told[1].channel {
		t.Fatalf("told: %+v", told)
	}
	for _, m := range told {
		if !strings.Contains(m.text, "3,000") || !strings.Contains(m.text, moneyIssuer+"/stop/ntc_") || strings.Contains(m.text, "1234567") {
			t.Errorf("%s says %q", m.channel, m.text)
		}
	}
	// Whatever becomes of the link, the same order has the same answer, byte for byte.
	must(t, w.StopAll(t.Context(), acc.ID))
	w.time = w.time.Add(48 * time.Hour)
	again, err := w.Debit(t.Context(), l.ID, order)
	must(t, err)
	resolved, err := w.resolve(order, o)
	must(t, err)
	if again != text || resolved != text {
		t.Error("a repeat has other bytes")
	}
	if got := w.balance(acc); got != 997_000 {
		t.Errorf("balance %v after repeats", got)
	}
}

func TestSameIDWithOtherContentEndsNothing(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, nil)
	order, o := w.order(l, 3_000, nil)
	first, err := w.Debit(t.Context(), l.ID, order)
	must(t, err)
	other, _ := w.order(l, 4_000, func(n *wire.DebitOrder) {
		n.Debit = o.Debit
		n.Device = w.phone.Sign(wire.DebitChallenge(moneyIssuer, l.ID, o.Debit, 4_000, n.AgreedUs))
	})
	if _, err := w.Debit(t.Context(), l.ID, other); fault.Of(err) != fault.Conflict {
		t.Fatalf("other content: %v", err)
	}
	if again, err := w.Debit(t.Context(), l.ID, order); err != nil || again != first {
		t.Errorf("afterwards: %v", err)
	}
	if got := w.balance(acc); got != 997_000 {
		t.Errorf("balance %v", got)
	}
}

func TestRefusalsOfDebits(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	stranger := wiretest.NewPasskey("wallet.localhost", "http://wallet.localhost:8402", false)
	for _, c := range []struct {
		name         string
		link         func(*bank.Link, *ledger.Gate)
		order        func(*wire.DebitOrder)
		amount       money.Yen
		reason, rule string
		until        time.Time
	}{
		{name: "cooling", link: func(_ *bank.Link, g *ledger.Gate) { g.NotBefore = now.Add(time.Hour) }, reason: "cooling", rule: "L9", until: now.Add(time.Hour)},
		{name: "limited", link: func(_ *bank.Link, g *ledger.Gate) { g.LimitedUntil = now.Add(time.Hour) }, amount: 5_001, reason: "limited", rule: "L9", until: now.Add(time.Hour)},
		{name: "limited until a strong proof", link: func(l *bank.Link, g *ledger.Gate) {
			l.Confirmed, g.LimitedUntil = false, now.AddDate(100, 0, 0)
		}, amount: 5_001, reason: "limited", rule: "L13"},
		{name: "waiting", link: func(l *bank.Link, g *ledger.Gate) { l.State, g.Shut = bank.LinkAuthenticated, bank.ShutWaiting }, reason: "waiting", rule: "L8"},
		{name: "suspended", link: func(l *bank.Link, g *ledger.Gate) { l.State, g.Shut = bank.LinkSuspended, bank.ShutSuspended }, reason: "suspended", rule: "L9"},
		{name: "revoked", link: func(l *bank.Link, g *ledger.Gate) { l.State, g.Shut = bank.LinkRevoked, bank.ShutRevoked }, reason: "revoked", rule: "M13"},
		{name: "expired", link: func(_ *bank.Link, g *ledger.Gate) { g.Until = now }, reason: "expired", rule: "M13"},
		{name: "each", amount: 300_001, link: func(l *bank.Link, _ *ledger.Gate) { l.Limits.PerDebit, l.Limits.Per24h = 400_000, 400_000 }, reason: "limit_each", rule: "M1"},
		{name: "link each", amount: 2_001, link: func(l *bank.Link, _ *ledger.Gate) { l.Limits.PerDebit = 2_000 }, reason: "link_limit_each", rule: "M1"},
		{name: "link day", amount: 2_001, link: func(l *bank.Link, _ *ledger.Gate) { l.Limits.Per24h = 2_000 }, reason: "link_limit_day", rule: "M1"},
		{name: "link month", amount: 2_001, link: func(l *bank.Link, _ *ledger.Gate) { l.Limits.Per30Days = 2_000 }, reason: "link_limit_month", rule: "M1"},
		{name: "old agreement", order: func(o *wire.DebitOrder) { o.AgreedUs -= 60_000_001 }, reason: "stale", rule: "M9"},
		{name: "agreement ahead", order: func(o *wire.DebitOrder) { o.AgreedUs += 10_000_001 }, reason: "stale", rule: "M9"},
		{name: "old order", order: func(o *wire.DebitOrder) { o.IssuedAt -= 61 }, reason: "stale", rule: "M9"},
		{name: "another amount than signed", order: func(o *wire.DebitOrder) { o.Amount = 2_999 }, reason: "device", rule: "M9"},
		{name: "no device signature", order: func(o *wire.DebitOrder) { o.Device = wire.DeviceProof{} }, reason: "device", rule: "M9"},
		{name: "another device", order: func(o *wire.DebitOrder) {
			o.Device = stranger.Sign(wire.DebitChallenge(moneyIssuer, o.Link, o.Debit, o.Amount, o.AgreedUs))
		}, reason: "device", rule: "M9"},
		{name: "gate of another device", link: func(_ *bank.Link, g *ledger.Gate) { g.Device = "another" }, reason: "device", rule: "M9"},
		{name: "another wallet", order: func(o *wire.DebitOrder) { o.Subject = "sub_another" }, reason: "order", rule: "M9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newTeller(t)
			acc := w.hanako()
			l := w.link(acc, maru, c.link)
			amount := c.amount
			if amount == 0 {
				amount = 3_000
			}
			order, o := w.order(l, amount, c.order)
			text, err := w.Debit(t.Context(), l.ID, order)
			must(t, err)
			r := w.receipt(maru, text)
			until := int64(0)
			if !c.until.IsZero() {
				until = clock.Micros(c.until)
			}
			if r.Outcome != wire.Refused || r.Reason != c.reason || r.Rule != c.rule || r.UntilUs != until {
				t.Fatalf("receipt: %+v", r)
			}
			// A refusal is final: a day later, and when asked, it is the same.
			w.time = w.time.Add(24 * time.Hour)
			again, err := w.Debit(t.Context(), l.ID, order)
			must(t, err)
			resolved, err := w.resolve(order, o)
			must(t, err)
			if again != text || resolved != text {
				t.Error("the refusal is not repeated byte for byte")
			}
			if got := w.balance(acc); got != 1_000_000 {
				t.Errorf("balance %v", got)
			}
		})
	}
}

func TestFundsAreTheLastThingRefused(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, nil)
	must(t, w.Cash(t.Context(), acc.ID, -999_000, "1"))
	if r := w.debit(l, 1_001); r.Reason != "funds" {
		t.Fatalf("receipt: %+v", r)
	}
	if r := w.debit(l, 1_000); r.Outcome != wire.Booked {
		t.Fatalf("receipt: %+v", r)
	}
}

func TestOrdersThatEndNothing(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, nil)
	other := w.link(acc, sora, nil)
	order, o := w.order(l, 3_000, nil)
	foreign := w.signed(sora, &wire.DebitOrder{
		Header: w.head(sora), Link: l.ID, Debit: o.Debit, Amount: o.Amount, Subject: o.Subject, WalletAccount: o.WalletAccount, AgreedUs: o.AgreedUs, Device: o.Device,
	})
	forged := strings.Replace(order, ".", ".e30", 1)
	elsewhere, _ := w.order(l, 3_000, func(o *wire.DebitOrder) { o.Audience = "http://0150.bank.localhost:8404" })
	for name, c := range map[string]struct {
		link  id.Link
		order string
		want  fault.Kind
	}{
		"over the token of another link":   {other.ID, order, fault.NotFound},
		"of another service for this link": {l.ID, foreign, fault.NotFound},
		"forged":                           {l.ID, forged, fault.Invalid},
		"for another bank":                 {l.ID, elsewhere, fault.Invalid},
		"nonsense":                         {l.ID, "nonsense", fault.Invalid},
	} {
		if _, err := w.Debit(t.Context(), c.link, c.order); err == nil || fault.Of(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text, err := w.Debit(t.Context(), l.ID, order); err != nil || w.receipt(maru, text).Outcome != wire.Booked {
		t.Errorf("the order itself: %v", err)
	}
}

func TestFiftyAtOnceAreOneDebit(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, nil)
	order, _ := w.order(l, 3_000, nil)
	var wg sync.WaitGroup
	answers := make([]string, 50)
	for i := range answers {
		wg.Go(func() {
			text, err := w.Debit(t.Context(), l.ID, order)
			if err != nil {
				t.Error(err)
			}
			answers[i] = text
		})
	}
	wg.Wait()
	for _, a := range answers {
		if a != answers[0] {
			t.Fatal("two answers differ")
		}
	}
	if got := w.balance(acc); got != 997_000 {
		t.Errorf("balance %v", got)
	}
	if told := w.deliver().said; len(told) != 2 {
		t.Errorf("%d notices", len(told))
	}
}

// Whoever comes first, both sides hear one outcome, and the money agrees with it.
func TestOrderRacesItsResolution(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, func(l *bank.Link, _ *ledger.Gate) {
		l.Limits = wire.Limits{PerDebit: 1_000, Per24h: 100_000, Per30Days: 100_000}
	})
	outcomes := map[wire.Outcome]int{}
	for range 60 {
		order, o := w.order(l, 1_000, nil)
		var wg sync.WaitGroup
		var debit, resolved string
		wg.Go(func() {
			var err error
			if debit, err = w.Debit(t.Context(), l.ID, order); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			var err error
			if resolved, err = w.resolve(order, o); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if debit != resolved {
			t.Fatalf("two words on one debit: %+v and %+v", w.receipt(maru, debit), w.receipt(maru, resolved))
		}
		outcomes[w.receipt(maru, debit).Outcome]++
	}
	if got, want := w.balance(acc), 1_000_000-money.Yen(outcomes[wire.Booked])*1_000; got != want || outcomes[wire.Booked]+outcomes[wire.Never] != 60 {
		t.Errorf("balance %v, want %v; outcomes %v", got, want, outcomes)
	}
}

func TestUnseenIsBuriedAndStaysSo(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, nil)
	order, o := w.order(l, 3_000, nil)
	never, err := w.resolve(order, o)
	must(t, err)
	if r := w.receipt(maru, never); r.Outcome != wire.Never || r.OrderHash != wire.Hash(order) || r.Amount != 3_000 || r.WalletAccount != o.WalletAccount {
		t.Fatalf("receipt: %+v", r)
	}
	late, err := w.Debit(t.Context(), l.ID, order)
	must(t, err)
	again, err := w.resolve(order, o)
	must(t, err)
	if late != never || again != never || w.balance(acc) != 1_000_000 {
		t.Error("a late order is not answered with the same never")
	}
	other, _ := w.order(l, 4_000, func(n *wire.DebitOrder) { n.Debit = o.Debit })
	if _, err := w.Debit(t.Context(), l.ID, other); fault.Of(err) != fault.Conflict {
		t.Errorf("other content over a tombstone: %v", err)
	}
}

// An order that was agreed, sent and queued before the stop is decided after it.
func TestQueuedBeforeStopAllAndRunAfter(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, nil)
	order, o := w.order(l, 3_000, nil)
	w.time = w.time.Add(5 * time.Second)
	must(t, w.StopAll(t.Context(), acc.ID))
	text, err := w.Debit(t.Context(), l.ID, order)
	must(t, err)
	if r := w.receipt(maru, text); r.Outcome != wire.Refused || r.Reason != "stopped" || r.Rule != "D2" {
		t.Fatalf("receipt: %+v", r)
	}
	if resolved, err := w.resolve(order, o); err != nil || resolved != text {
		t.Errorf("resolution: %v", err)
	}
}

// Debits race the stop: what is booked was decided before it, and nothing after.
func TestDebitsRaceStopAll(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, nil)
	orders := make([]string, 80)
	for i := range orders {
		orders[i], _ = w.order(l, 100, nil)
	}
	var wg sync.WaitGroup
	receipts := make([]string, len(orders))
	for i, order := range orders {
		wg.Go(func() {
			var err error
			if receipts[i], err = w.Debit(t.Context(), l.ID, order); err != nil {
				t.Error(err)
			}
		})
	}
	must(t, w.StopAll(t.Context(), acc.ID))
	after := w.debit(l, 100)
	wg.Wait()
	booked := money.Yen(0)
	for _, text := range receipts {
		switch r := w.receipt(maru, text); {
		case r.Outcome == wire.Booked:
			booked++
		case r.Reason != "stopped":
			t.Errorf("receipt: %+v", r)
		}
	}
	if after.Reason != "stopped" {
		t.Errorf("after the stop: %+v", after)
	}
	if got := w.balance(acc); got != 1_000_000-100*booked {
		t.Errorf("balance %v with %d booked", got, booked)
	}
}

// The rule that 2020's monthly limits lacked: 300,000 on 31 August and 300,000 on 1 September.
func TestTheMonthRolls(t *testing.T) {
	w := newTeller(t)
	w.time = time.Date(2026, 8, 31, 23, 59, 0, 0, clock.Tokyo)
	acc := w.hanako()
	l := w.link(acc, maru, func(l *bank.Link, _ *ledger.Gate) { l.Limits.Per30Days = 900_000 })
	if r := w.debit(l, 300_000); r.Outcome != wire.Booked {
		t.Fatalf("31 August: %+v", r)
	}
	w.time = time.Date(2026, 9, 1, 0, 1, 0, 0, clock.Tokyo)
	if r := w.debit(l, 300_000); r.Outcome != wire.Refused || r.Reason != "limit_month" || r.Rule != "M1" {
		t.Fatalf("1 September: %+v", r)
	}
	w.time = time.Date(2026, 9, 1, 23, 58, 0, 0, clock.Tokyo)
	if r := w.debit(l, 200_001); r.Reason != "limit_month" {
		t.Errorf("within 24 hours, over the month: %+v", r)
	}
	if r := w.debit(l, 1); r.Reason != "limit_day" {
		t.Errorf("within 24 hours: %+v", r)
	}
	w.time = time.Date(2026, 9, 30, 23, 59, 0, 0, clock.Tokyo)
	if r := w.debit(l, 300_000); r.Outcome != wire.Booked {
		t.Errorf("30 days later: %+v", r)
	}
}

func TestLimitOverTwoServices(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	a, b := w.link(acc, maru, nil), w.link(acc, sora, nil)
	if r := w.debit(a, 200_000); r.Outcome != wire.Booked {
		t.Fatalf("first: %+v", r)
	}
	if r := w.debit(b, 100_001); r.Reason != "limit_day" {
		t.Fatalf("another service, over the account's day: %+v", r)
	}
	if r := w.debit(b, 100_000); r.Outcome != wire.Booked {
		t.Fatalf("the rest: %+v", r)
	}
}

// Cooling, limited and active are told apart by the clock alone, when a debit is decided.
func TestPhasesOfAFreshLink(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	begin := w.time
	l := w.link(acc, maru, func(_ *bank.Link, g *ledger.Gate) {
		g.NotBefore = begin.Add(bank.MinCooling)
		g.LimitedUntil = g.NotBefore.Add(bank.MinLimited)
	})
	for _, step := range []struct {
		at     time.Duration
		amount money.Yen
		want   string
	}{
		{12*time.Hour - time.Microsecond, 1_000, "cooling"},
		{12 * time.Hour, 5_001, "limited"},
		{12 * time.Hour, 4_000, ""},
		{35 * time.Hour, 1_001, "limited"},
		{35 * time.Hour, 1_000, ""},
		{36 * time.Hour, 100_000, ""},
	} {
		w.time = begin.Add(step.at)
		if r := w.debit(l, step.amount); r.Reason != step.want {
			t.Errorf("%v yen after %v: %q, want %q", step.amount, step.at, r.Reason, step.want)
		}
	}
}

// Daisan Bank became San ju San Bank in May 2021: bank, branch and number moved, the link did not.
func TestChargeOverALinkWhoseBankMerged(t *testing.T) {
	w := newTeller(t)
	before, ok := zengin.In2020().Branch("0546", "101")
	if !ok {
		branches := zengin.In2020().Branches("0546")
		before = branches[0]
	}
	acc, err := w.OpenAccount(t.Context(), bank.NewAccount{
		Place:      bank.Place{Bank: "0546", Branch: before.Code, Kind: bank.Ordinary, Number: "7654321"},
		HolderKana: "タナカ マコト", HolderName: "田中 誠", BirthDate: "1990-02-28", Phone: "+819033334444", Opening: 500_000,
	})
	must(t, err)
	l := w.link(acc, maru, nil)
	if r := w.debit(l, 200_000); r.Outcome != wire.Booked {
		t.Fatalf("before: %+v", r)
	}
	name := w.Pseudonym(acc.ID, maru)
	moved, err := w.Merge(t.Context(), "0546", func(p bank.Place) (bank.Place, error) {
		to, err := zengin.Resolve(p.Bank, p.Branch, "2026-11-23")
		p.Bank, p.Branch = to.Bank, to.Code
		return p, err
	})
	if err != nil || moved != 1 {
		t.Fatalf("merger of %d accounts: %v", moved, err)
	}
	now, err := w.store.Account(t.Context(), acc.ID)
	must(t, err)
	if now.Bank != "0154" || now.ID != acc.ID || w.Pseudonym(now.ID, maru) != name {
		t.Errorf("after the merger: %+v", now)
	}
	if found, err := w.store.AccountAt(t.Context(), now.Place); err != nil || found.ID != acc.ID {
		t.Errorf("by its new place: %v", err)
	}
	if _, err := w.store.AccountAt(t.Context(), acc.Place); fault.Of(err) != fault.NotFound {
		t.Errorf("by its old place: %v", err)
	}
	if r := w.debit(l, 100_001); r.Reason != "limit_day" {
		t.Errorf("limits did not survive: %+v", r)
	}
	if r := w.debit(l, 100_000); r.Outcome != wire.Booked {
		t.Errorf("after: %+v", r)
	}
}

// A stricter limit reaches accounts that were opened long before, with the very next debit; a wider one does not (M1).
func TestAStricterLimitReachesEveryAccount(t *testing.T) {
	path := pgtest.Place(t)
	first := newTellerAt(t, path, nil)
	acc := first.hanako()
	l := first.link(acc, maru, nil)
	if r := first.debit(l, 60_000); r.Outcome != wire.Booked {
		t.Fatalf("before: %+v", r)
	}
	first.close()
	w := newTellerAt(t, path, first)
	w.Policy.AccountEach, w.Policy.AccountDay = 50_000, 100_000
	if limit, used, err := w.LimitLeft(t.Context(), acc.ID); err != nil || limit.Each != 50_000 || used.Day != 60_000 {
		t.Errorf("the page says %+v, used %+v: %v", limit, used, err)
	}
	if r := w.debit(l, 50_001); r.Rule != "M1" || r.Reason != "limit_each" {
		t.Errorf("over the new limit of each: %+v", r)
	}
	if r := w.debit(l, 40_001); r.Rule != "M1" || r.Reason != "limit_day" { // what was used before counts
		t.Errorf("over the new limit of a day: %+v", r)
	}
	if r := w.debit(l, 40_000); r.Outcome != wire.Booked {
		t.Errorf("within it: %+v", r)
	}
	w.Policy.AccountEach, w.Policy.AccountDay = bank.MaxAccountEach, bank.MaxAccountDay
	w.time = w.time.Add(24 * time.Hour)
	if r := w.debit(l, 50_001); r.Reason != "limit_each" {
		t.Errorf("a wider file loosened an account: %+v", r)
	}
}

// Of debits at the same moment the first is judged under the stricter limit already (M1, M2).
func TestAStricterLimitHoldsForDebitsAtOnce(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, nil)
	w.Policy.AccountDay = 100_000
	var sum atomic.Int64
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			if r := w.debit(l, 20_000); r.Outcome == wire.Booked {
				sum.Add(20_000)
			}
		})
	}
	all.Wait()
	if sum.Load() != 100_000 {
		t.Errorf("%d passed", sum.Load())
	}
}
