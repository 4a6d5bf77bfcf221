package wallet_test

import (
	"slices"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

func (w *world) breaks(closed bool) []wallet.Break {
	w.t.Helper()
	b, err := w.store.Breaks(w.t.Context(), closed, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func TestStatementsOfADayAgree(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	c := w.charge(p, 5_000)
	w.charge(p, 2_000)
	rev, err := w.ReverseCharge(t.Context(), c.Debit, "staff", "why")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.DeliverReversal(t.Context(), rev.ID); err != nil {
		t.Fatal(err)
	}
	day := clock.Day(w.clock.Now())
	if found, err := w.ExchangeStatement(t.Context(), bankA, day); err != nil || len(found) != 0 {
		t.Fatalf("%+v, %v", found, err)
	}
	pair, err := w.store.StatementPage(t.Context(), bankA, day, 0)
	if err != nil || !pair.Provisional {
		t.Fatalf("%+v, %v", pair, err)
	}
	keys := w.banks.keys()
	theirs, err := wire.Verify[wire.Statement](pair.Theirs, keys[string(bankA)], wire.Expect{Issuer: string(bankA), Audience: string(service), Now: w.clock.Now()})
	if err != nil || len(theirs.Lines) != 3 {
		t.Errorf("%+v, %v", theirs, err)
	}
	w.clock.forward(24 * time.Hour)
	if err := w.SweepStatements(t.Context()); err != nil {
		t.Fatal(err)
	}
	if pair, err = w.store.StatementPage(t.Context(), bankA, day, 0); err != nil || pair.Provisional {
		t.Errorf("the day is over: %+v, %v", pair, err)
	}
	if b := w.breaks(false); len(b) != 0 {
		t.Errorf("%+v", b)
	}
}

// A day with a charge that has no end yet waits for it, but not for ever.
func TestStatementWaitsForOpenCharges(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	w.charge(p, 5_000)
	day := clock.Day(w.clock.Now())
	w.banks.change(bankA, func(b *scriptedBank) { b.pending = true })
	c := w.mustAgree(p, 1_000)
	if err := w.DeliverDebit(t.Context(), c.Debit); err != nil {
		t.Fatal(err)
	}
	exchanged := func() bool {
		t.Helper()
		if err := w.SweepStatements(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := w.store.StatementPage(t.Context(), bankA, day, 0)
		return err == nil
	}
	w.clock.now = time.Date(2026, 11, 24, 0, 20, 0, 0, clock.Tokyo).UTC()
	if exchanged() {
		t.Error("a day with an open charge was exchanged")
	}
	w.clock.forward(24 * time.Hour)
	if !exchanged() {
		t.Error("the day waits for ever")
	}
}

// A charge that straddles midnight counts on the day of the bank's receipt, in Japan.
func TestStatementDayIsTheBanks(t *testing.T) {
	w := newWorld(t)
	w.clock.now = time.Date(2026, 11, 23, 23, 59, 50, 0, clock.Tokyo).UTC()
	p := w.person(bankA, 50_000)
	c := w.mustAgree(p, 5_000)
	w.clock.forward(20 * time.Second)
	if err := w.DeliverDebit(t.Context(), c.Debit); err != nil {
		t.Fatal(err)
	}
	for day, want := range map[string]int{"2026-11-23": 0, "2026-11-24": 1} {
		from, _ := time.ParseInLocation(time.DateOnly, day, clock.Tokyo)
		lines, err := w.store.StatementLines(t.Context(), bankA, from, from.AddDate(0, 0, 1), "", 10)
		if err != nil || len(lines) != want {
			t.Errorf("%s: %+v, %v", day, lines, err)
		}
	}
}

func TestDifferenceIsABreakWithAnOwner(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	c := w.charge(p, 5_000)
	gone := w.charge(p, 2_000)
	day := clock.Day(w.clock.Now())
	w.banks.change(bankA, func(b *scriptedBank) {
		b.lines = slices.DeleteFunc(b.lines, func(l wire.StatementLine) bool { return l.Debit == gone.Debit })
		b.lines[0].Amount = 4_999
		b.lines = append(b.lines, wire.StatementLine{Kind: "debit", Debit: id.Debit(id.Random("deb")), Link: p.link.ID, Amount: 7, BookedUs: w.clock.Now().UnixMicro(), Receipt: wire.Hash("x")})
	})
	if found, err := w.ExchangeStatement(t.Context(), bankA, day); err != nil || len(found) != 3 {
		t.Fatalf("%+v, %v", found, err)
	}
	if len(w.breaks(false)) != 0 {
		t.Error("a day that is not over opened breaks")
	}
	w.clock.forward(24 * time.Hour)
	for range 2 { // the same difference twice is one break
		if _, err := w.ExchangeStatement(t.Context(), bankA, day); err != nil {
			t.Fatal(err)
		}
	}
	open := w.breaks(false)
	if len(open) != 3 {
		t.Fatalf("%+v", open)
	}
	for _, b := range open {
		if b.Owner != "books" || b.Evidence == "" || b.Day != day {
			t.Errorf("%+v", b)
		}
	}
	w.balance(wallet.Available(p.sub), 7_000) // nothing was booked away
	first := open[slices.IndexFunc(open, func(b wallet.Break) bool { return b.Debit == c.Debit })]
	if first.Kind != wallet.BreakDiffers {
		t.Errorf("%+v", first)
	}
	if err := w.OwnBreak(t.Context(), first.ID, "sato"); err != nil {
		t.Fatal(err)
	}
	if err := w.CloseBreak(t.Context(), first.ID, "sato", ""); fault.Of(err) != fault.Invalid {
		t.Errorf("closed without a reason: %v", err)
	}
	if err := w.CloseBreak(t.Context(), first.ID, "sato", "the bank has mended its books"); err != nil {
		t.Fatal(err)
	}
	if b := w.breaks(true); len(b) != 1 || b[0].Owner != "sato" || b[0].ClosedBy != "sato" {
		t.Errorf("%+v", b)
	}
	if _, err := w.ExchangeStatement(t.Context(), bankA, day); err != nil { // it has not
		t.Fatal(err)
	}
	if b := w.breaks(false); len(b) != 3 {
		t.Errorf("a difference that is still there stays closed: %+v", b)
	}
}

func TestForeignStatementIsRefused(t *testing.T) {
	w := newWorld(t)
	day := clock.Day(w.clock.Now())
	for name, text := range map[string]func() string{
		"another day": func() string {
			return w.banks.banks[bankA].sign(&wire.Statement{Day: "2026-11-01", Lines: []wire.StatementLine{}, Total: &wire.StatementTotal{}}, w.banks)
		},
		"another bank": func() string {
			return w.banks.banks[bankB].sign(&wire.Statement{Day: day, Provisional: true, Lines: []wire.StatementLine{}, Total: &wire.StatementTotal{}}, w.banks)
		},
		"not a message": func() string { return "statement" },
		"another page": func() string {
			return w.banks.banks[bankA].sign(&wire.Statement{Day: day, Provisional: true, After: "deb_1", Lines: []wire.StatementLine{}, Total: &wire.StatementTotal{}}, w.banks)
		},
		"no total": func() string {
			return w.banks.banks[bankA].sign(&wire.Statement{Day: day, Provisional: true, Lines: []wire.StatementLine{}}, w.banks)
		},
	} {
		w.banks.script = func(string, id.Debit) do { return do{instead: func(string) string { return text() }} }
		if _, err := w.ExchangeStatement(t.Context(), bankA, day); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.ExchangeStatement(t.Context(), bankA, "yesterday"); fault.Of(err) != fault.Invalid {
		t.Errorf("no day: %v", err)
	}
}

func TestHistoryPages(t *testing.T) {
	w := newWorld(t)
	p, other := w.person(bankA, 50_000), w.person(bankA, 50_000)
	w.charge(other, 1_000)
	w.charge(p, 5_000)
	for i := range 5 {
		w.clock.forward(time.Second)
		w.pay(p, "bakery key", string(rune('a'+i)), 100)
	}
	w.clock.forward(time.Second)
	if _, err := w.AskCharge(t.Context(), p.sub, p.link.ID, 1); err != nil { // never agreed to: not shown
		t.Fatal(err)
	}
	var seen []wallet.Entry
	var at wallet.Cursor
	for {
		page, next, err := w.HistoryOf(t.Context(), p.sub, at, 2)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, page...)
		if next == (wallet.Cursor{}) {
			break
		}
		if at, err = wallet.ParseCursor(next.String()); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 6 || seen[5].Kind != wallet.EntryCharge || seen[5].Bank.EN != "Shizuoka Bank" || seen[0].Shop != "shop_bakery" {
		t.Errorf("%+v", seen)
	}
	if !slices.IsSortedFunc(seen, func(a, b wallet.Entry) int { return b.At.Compare(a.At) }) {
		t.Error("not newest first")
	}
}
