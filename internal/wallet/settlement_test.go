package wallet_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

// honest settles what a day comes to.
func honest(s wire.Settlement) *wire.Settlement { return &s }

// settlingWorld is a world whose bank settles as it should, or as change says.
func settlingWorld(t *testing.T, cap money.Yen, change func(wire.Settlement) *wire.Settlement) *world {
	t.Helper()
	w := newWorld(t)
	if cap > 0 {
		w.policy.BankCap = cap
		w.crash()
	}
	w.banks.change(bankA, func(b *scriptedBank) { b.settles = change })
	return w
}

// dayEnds lets the day end and be exchanged.
func (w *world) dayEnds() (day string) {
	w.t.Helper()
	day = clock.Day(w.clock.Now())
	w.clock.forward(25 * time.Hour)
	if _, err := w.ExchangeStatement(w.t.Context(), bankA, day); err != nil {
		w.t.Fatal(err)
	}
	return day
}

func (w *world) settlementIs(day string, want wallet.SettlementState) wallet.Settlement {
	w.t.Helper()
	s, err := w.store.Settlement(w.t.Context(), bankA, day)
	if err != nil && fault.Of(err) != fault.NotFound || s.State() != want {
		w.t.Fatalf("the settlement of %s is %s, want %s, %v", day, s.State(), want, err)
	}
	return s
}

func (w *world) giveBack(debit id.Debit) {
	w.t.Helper()
	rev, err := w.ReverseCharge(w.t.Context(), debit, "staff", "why")
	if err == nil {
		err = w.DeliverReversal(w.t.Context(), rev.ID)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// The cap of M8: what a bank owes stops new charges until its money has arrived, and its promise is not enough.
func TestCapIsFreeAgainWhenTheMoneyHasArrived(t *testing.T) {
	w := settlingWorld(t, 8_000, honest)
	p := w.person(bankA, 50_000)
	w.charge(p, 5_000)
	w.charge(p, 3_000)
	if _, err := w.agree(p, 1); fault.RuleOf(err) != "M8" {
		t.Errorf("beyond the cap: %v", err)
	}
	day := w.dayEnds()
	w.settlementIs(day, wallet.SettlementAnnounced)
	w.balance(wallet.Receivable(bankA), -8_000)
	if _, err := w.agree(p, 1); fault.RuleOf(err) != "M8" {
		t.Errorf("a promise is no money: %v", err)
	}
	o, err := w.OwingOf(t.Context(), bankA, 10)
	if err != nil || o.Owed != 8_000 || o.Cap != 8_000 || o.Room() != 0 || len(o.Settlements) != 1 || len(o.NotAgreed) != 0 {
		t.Errorf("%+v, %v", o, err)
	}
	w.crash()
	s, err := w.RecordArrival(t.Context(), bankA, day, 8_000, "suzuki")
	if err != nil || s.State() != wallet.SettlementArrived || s.RecordedBy != "suzuki" {
		t.Fatalf("%+v, %v", s, err)
	}
	w.balance(wallet.Receivable(bankA), 0)
	w.balance(wallet.Settled(bankA), -8_000)
	w.charge(p, 8_000)
	if o, err = w.OwingOf(t.Context(), bankA, 10); err != nil || o.Owed != 8_000 || o.Settlements[0].RecordedBy != "suzuki" {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestArrivalMustBeWhatWasAnnounced(t *testing.T) {
	w := settlingWorld(t, 0, honest)
	p := w.person(bankA, 50_000)
	w.charge(p, 5_000)
	day := w.dayEnds()
	for name, c := range map[string]struct {
		issuer id.Issuer
		day    string
		amount money.Yen
		by     string
		want   fault.Kind
	}{
		"less":          {bankA, day, 4_999, "suzuki", fault.Refused},
		"more":          {bankA, day, 5_001, "suzuki", fault.Refused},
		"nothing":       {bankA, day, 0, "suzuki", fault.Refused},
		"another day":   {bankA, "2026-11-22", 5_000, "suzuki", fault.NotFound},
		"another bank":  {bankB, day, 5_000, "suzuki", fault.NotFound},
		"by nobody":     {bankA, day, 5_000, "", fault.Forbidden},
		"no day at all": {bankA, "", 5_000, "suzuki", fault.NotFound},
	} {
		_, err := w.RecordArrival(t.Context(), c.issuer, c.day, c.amount, c.by)
		if fault.Of(err) != c.want || c.by != "" && (fault.RuleOf(err) != "M8" || fault.PublicOf(err).JA == "") {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.settlementIs(day, wallet.SettlementAnnounced)
	w.balance(wallet.Receivable(bankA), -5_000)
	// Two at the same moment are one arrival.
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = w.RecordArrival(t.Context(), bankA, day, 5_000, "suzuki") })
	}
	wg.Wait()
	if n := len(slices.DeleteFunc(errs, func(err error) bool {
		return fault.Of(err) == fault.Conflict && strings.Contains(fault.PublicOf(err).EN, "suzuki")
	})); n != 1 {
		t.Errorf("%d arrivals: %v", n, errs)
	}
	w.balance(wallet.Receivable(bankA), 0)
}

// What is given back after its day was settled is owed to the bank: its own day is negative and goes the other way.
func TestServicePaysTheBankBack(t *testing.T) {
	w := settlingWorld(t, 10_000, honest)
	p := w.person(bankA, 50_000)
	c := w.charge(p, 5_000)
	first := w.dayEnds()
	if _, err := w.RecordArrival(t.Context(), bankA, first, 5_000, "suzuki"); err != nil {
		t.Fatal(err)
	}
	w.giveBack(c.Debit) // nothing is owed by the bank now: the books must take it all the same
	w.balance(wallet.Receivable(bankA), 5_000)
	second := w.dayEnds()
	if s := w.settlementIs(second, wallet.SettlementAnnounced); !s.ToBank() || s.Amount() != 5_000 {
		t.Errorf("%+v", s)
	}
	w.charge(p, 8_000)
	w.charge(p, 7_000) // up to the cap
	if _, err := w.RecordArrival(t.Context(), bankA, second, 5_000, "suzuki"); fault.Of(err) != fault.Refused || fault.RuleOf(err) != "M8" {
		t.Errorf("past the cap: %v", err)
	}
	third := w.dayEnds()
	if _, err := w.RecordArrival(t.Context(), bankA, third, 15_000, "suzuki"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.RecordArrival(t.Context(), bankA, second, 5_000, "suzuki"); err != nil {
		t.Fatal(err)
	}
	w.balance(wallet.Receivable(bankA), 0)
	w.balance(wallet.Settled(bankA), -15_000)
}

// A day that comes to nothing has nothing to arrive.
func TestDayOfNothingIsSettledAtOnce(t *testing.T) {
	w := settlingWorld(t, 0, honest)
	p := w.person(bankA, 50_000)
	w.giveBack(w.charge(p, 5_000).Debit)
	day := w.dayEnds()
	w.settlementIs(day, wallet.SettlementArrived)
	if _, err := w.RecordArrival(t.Context(), bankA, day, 0, "suzuki"); fault.Of(err) != fault.Conflict {
		t.Errorf("%v", err)
	}
	if o, err := w.OwingOf(t.Context(), bankA, 10); err != nil || len(o.Settlements)+len(o.NotAgreed) != 0 {
		t.Errorf("%+v, %v", o, err)
	}
}

// A settlement counts as exactly our own net of that day, signed by that bank, and the first one for ever.
func TestSettlementMustBeOurOwnNet(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world) func(wire.Settlement) *wire.Settlement
		broken bool // a break is opened; else the page is refused
	}{
		"less": {func(*world) func(wire.Settlement) *wire.Settlement {
			return func(s wire.Settlement) *wire.Settlement { s.Total.Debits--; return &s }
		}, true},
		"the same net of other sums": {func(*world) func(wire.Settlement) *wire.Settlement {
			return func(s wire.Settlement) *wire.Settlement { s.Total.Debits++; s.Total.Reversals++; return &s }
		}, true},
		"another day": {func(*world) func(wire.Settlement) *wire.Settlement {
			return func(s wire.Settlement) *wire.Settlement { s.Day = "2026-11-22"; return &s }
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.banks.change(bankA, func(b *scriptedBank) { b.settles = c.change(w) })
			w.charge(w.person(bankA, 50_000), 5_000)
			day := clock.Day(w.clock.Now())
			w.clock.forward(25 * time.Hour)
			found, err := w.ExchangeStatement(t.Context(), bankA, day)
			if c.broken && (err != nil || len(found) != 1 || found[0].Line != "settlement" || len(w.breaks(false)) != 1) || !c.broken && fault.Of(err) != fault.Invalid {
				t.Errorf("%+v, %v", found, err)
			}
			w.settlementIs(day, wallet.SettlementOpen)
			if _, err := w.RecordArrival(t.Context(), bankA, day, 5_000, "suzuki"); fault.Of(err) != fault.NotFound {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("another bank's", func(t *testing.T) {
		w := settlingWorld(t, 0, honest)
		w.charge(w.person(bankA, 50_000), 5_000)
		day := clock.Day(w.clock.Now())
		w.clock.forward(25 * time.Hour)
		w.banks.change(bankA, func(b *scriptedBank) {
			b.settled[day] = w.banks.banks[bankB].sign(&wire.Settlement{Day: day, Total: wire.StatementTotal{Lines: 1, Debits: 5_000}}, w.banks)
		})
		if _, err := w.ExchangeStatement(t.Context(), bankA, day); fault.Of(err) != fault.Invalid {
			t.Errorf("%v", err)
		}
		w.settlementIs(day, wallet.SettlementOpen)
	})
	t.Run("another one later", func(t *testing.T) {
		w := settlingWorld(t, 0, honest)
		w.charge(w.person(bankA, 50_000), 5_000)
		day := w.dayEnds()
		first := w.settlementIs(day, wallet.SettlementAnnounced)
		w.clock.forward(time.Hour)
		w.banks.change(bankA, func(b *scriptedBank) { delete(b.settled, day) })
		found, err := w.ExchangeStatement(t.Context(), bankA, day)
		if err != nil || len(found) != 1 || found[0].Kind != wallet.BreakContradiction {
			t.Errorf("%+v, %v", found, err)
		}
		if s := w.settlementIs(day, wallet.SettlementAnnounced); s != first {
			t.Errorf("%+v", s)
		}
	})
}

// The answer that announces a settlement is lost: the next sweep hears it, once.
func TestSettlementIsLostAndRepeated(t *testing.T) {
	w := settlingWorld(t, 0, honest)
	w.many(w.person(bankA, 50_000), 600)
	day := clock.Day(w.clock.Now())
	w.clock.forward(25 * time.Hour)
	calls := w.onStatement(2, do{loseAnswer: true})
	if _, err := w.ExchangeStatement(t.Context(), bankA, day); fault.Of(err) != fault.Unavailable {
		t.Fatal(err)
	}
	w.settlementIs(day, wallet.SettlementOpen)
	w.crash()
	for range 3 {
		if err := w.SweepStatements(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s := w.settlementIs(day, wallet.SettlementAnnounced)
	if s.Total.Lines != 600 || *calls != 3 {
		t.Errorf("%+v after %d calls", s, *calls)
	}
	if b := w.breaks(false); len(b) != 0 {
		t.Errorf("%+v", b)
	}
}
