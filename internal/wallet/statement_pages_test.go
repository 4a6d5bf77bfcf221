package wallet_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

// manyDebit is the i-th of many debits, in order.
func manyDebit(i int) id.Debit { return id.Debit(fmt.Sprintf("deb_%026d", i)) }

// many writes n charges that the bank has booked now, as rows on both sides: what a busy day leaves.
func (w *world) many(p person, n int) {
	w.t.Helper()
	var rows []ledger.Write
	var lines []wire.StatementLine
	for i := range n {
		c := wallet.Charge{
			Debit: manyDebit(i), Subject: p.sub, Link: p.link.ID, Issuer: p.link.Issuer, Amount: money.Yen(i + 1), Account: wallet.Available(p.sub),
			State: wallet.ChargeDone, AgreedAt: w.clock.Now(), Order: "order", OrderHash: wire.Hash("order"), Receipt: fmt.Sprint("receipt ", i),
			BookedAt: w.clock.Now(), EndedAt: w.clock.Now(), Version: 1,
		}
		rows = append(rows, wallet.PutCharge{Charge: c})
		lines = append(lines, wire.StatementLine{Kind: "debit", Debit: c.Debit, Link: c.Link, Amount: c.Amount, BookedUs: clock.Micros(c.BookedAt), Receipt: wire.Hash(c.Receipt)})
	}
	w.commit(rows...)
	w.banks.change(p.link.Issuer, func(b *scriptedBank) { b.lines = append(b.lines, lines...) })
}

// pages reads what is kept of a day, and that its pages follow each other.
func (w *world) pages(at id.Issuer, day string) (pages []wallet.StatementPage) {
	w.t.Helper()
	last, err := w.store.StatementPage(w.t.Context(), at, day, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	for n := 1; n <= last.N; n++ {
		p, err := w.store.StatementPage(w.t.Context(), at, day, n)
		if err != nil || n > 1 && p.After != pages[n-2].Upto || n == 1 && p.After != "" {
			w.t.Fatalf("page %d: %q to %q, %v", n, p.After, p.Upto, err)
		}
		pages = append(pages, p)
	}
	return pages
}

// calls counts the calls for statements and does to the n-th what is asked.
func (w *world) onStatement(n int, what do) (calls *int) {
	calls = new(int)
	w.banks.script = func(call string, _ id.Debit) do {
		if call != "statement" {
			return do{}
		}
		if *calls++; *calls == n {
			return what
		}
		return do{}
	}
	return calls
}

func TestDayOfManyPages(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	w.many(p, 3_100)
	day := clock.Day(w.clock.Now())
	w.clock.forward(48 * time.Hour)
	if err := w.SweepStatements(t.Context()); err != nil {
		t.Fatal(err)
	}
	pages := w.pages(bankA, day)
	want := wire.StatementTotal{Lines: 3_100, Debits: 3_100 * 3_101 / 2}
	if last := pages[len(pages)-1]; len(pages) != 7 || !last.Last() || last.OurTotal != want || last.TheirTotal != want {
		t.Errorf("%d pages, the last %+v", len(pages), last)
	}
	if b := w.breaks(false); len(b) != 0 {
		t.Errorf("%d breaks, the first %+v", len(b), b[0])
	}
	calls := w.onStatement(0, do{})
	if err := w.SweepStatements(t.Context()); err != nil || *calls != 0 { // nothing is due
		t.Errorf("%d more calls, %v", *calls, err)
	}
}

// A line that one side lacks at the border of a page moves that side's border; each line is compared once all the same.
func TestLinesMissingAtAPagesBorder(t *testing.T) {
	const border = wire.MaxStatementLines - 1 // the last line of the first page
	for _, missing := range []int{0, border - 1, border, border + 1, 2*border + 1, 1_299} {
		t.Run(fmt.Sprint(missing), func(t *testing.T) {
			w := newWorld(t)
			p := w.person(bankA, 50_000)
			w.many(p, 1_300)
			day := clock.Day(w.clock.Now())
			extra := id.Debit(string(manyDebit(missing)) + "x") // which we lack, right behind
			w.banks.change(bankA, func(b *scriptedBank) {
				at := slices.IndexFunc(b.lines, func(l wire.StatementLine) bool { return l.Debit == manyDebit(missing) })
				for i := range 3 { // more of them than fit on the bank's page
					more := b.lines[at]
					more.Debit = extra + id.Debit(fmt.Sprint(i))
					b.lines = append(b.lines, more)
				}
				b.lines = slices.Delete(b.lines, at, at+1)
			})
			w.clock.forward(25 * time.Hour)
			found, err := w.ExchangeStatement(t.Context(), bankA, day)
			if err != nil || len(found) != 4 {
				t.Fatalf("%d breaks: %+v, %v", len(found), found, err)
			}
			for _, b := range found {
				if ours := b.Debit == manyDebit(missing) && b.Kind == wallet.BreakOnlyOurs; !ours && (b.Kind != wallet.BreakOnlyTheirs || b.Debit[:len(extra)] != extra) {
					t.Errorf("%+v", b)
				}
			}
			if open := w.breaks(false); len(open) != 4 {
				t.Errorf("%+v", open)
			}
			if pages := w.pages(bankA, day); len(pages) < 3 || !pages[len(pages)-1].Last() {
				t.Errorf("%d pages", len(pages))
			}
		})
	}
}

// An answer that is lost in the middle of a day costs that page: the next sweep goes on from there.
func TestPageIsLostAndRepeated(t *testing.T) {
	for _, lost := range []do{{loseRequest: true}, {loseAnswer: true}} {
		w := newWorld(t)
		p := w.person(bankA, 50_000)
		w.many(p, 1_300)
		day := clock.Day(w.clock.Now())
		w.clock.forward(25 * time.Hour)
		calls := w.onStatement(2, lost)
		if _, err := w.ExchangeStatement(t.Context(), bankA, day); fault.Of(err) != fault.Unavailable || *calls != 2 {
			t.Fatalf("%d calls, %v", *calls, err)
		}
		if days, err := w.store.FinalDays(t.Context(), bankA); err != nil || len(days) != 0 {
			t.Errorf("a day of which a part is kept is over: %v, %v", days, err)
		}
		w.crash()
		if err := w.SweepStatements(t.Context()); err != nil || *calls != 4 {
			t.Errorf("%d calls, %v", *calls, err)
		}
		if pages := w.pages(bankA, day); len(pages) != 3 || !pages[2].Last() {
			t.Errorf("%d pages", len(pages))
		}
		if b := w.breaks(false); len(b) != 0 {
			t.Errorf("%+v", b)
		}
	}
}

func TestDoubledPageIsOne(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	w.many(p, 1_300)
	day := clock.Day(w.clock.Now())
	w.clock.forward(25 * time.Hour)
	w.onStatement(2, do{twice: true})
	if found, err := w.ExchangeStatement(t.Context(), bankA, day); err != nil || len(found) != 0 || len(w.pages(bankA, day)) != 3 {
		t.Errorf("%+v, %v", found, err)
	}
}

// What ends late changes a day that was exchanged: it is exchanged again, by itself.
func TestDayThatChangesIsExchangedAgain(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	w.many(p, 600)
	day := clock.Day(w.clock.Now())
	w.banks.change(bankA, func(b *scriptedBank) { b.pending = true })
	c := w.mustAgree(w.person(bankA, 50_000), 1_000)
	if err := w.DeliverDebit(t.Context(), c.Debit); err != nil {
		t.Fatal(err)
	}
	c = w.stateIs(c.Debit, wallet.ChargePending)
	w.banks.mu.Lock()
	w.banks.banks[bankA].confirm(w.banks, c, wire.Booked) // on the day, but we hear of it two days later
	w.banks.mu.Unlock()
	w.clock.forward(48 * time.Hour)
	if err := w.SweepStatements(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b := w.breaks(false); len(b) != 0 {
		t.Errorf("an open charge is a break: %+v", b)
	}
	if _, err := w.SweepCharges(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.stateIs(c.Debit, wallet.ChargeDone)
	if err := w.SweepStatements(t.Context()); err != nil {
		t.Fatal(err)
	}
	pages := w.pages(bankA, day)
	if last := pages[len(pages)-1]; last.OurTotal.Lines != 601 || last.OurTotal != last.TheirTotal {
		t.Errorf("%+v", last)
	}
}

// A bank whose total is not that of its own lines contradicts itself.
func TestTotalThatContradictsItsLines(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	w.many(p, 3)
	day := clock.Day(w.clock.Now())
	w.clock.forward(25 * time.Hour)
	w.banks.script = func(string, id.Debit) do {
		return do{instead: func(text string) string {
			var s wire.Statement
			if err := w.Messages.Open(t.Context(), text, bankA, &s); err != nil {
				t.Error(err)
			}
			s.Total.Debits++
			return w.banks.banks[bankA].sign(&s, w.banks)
		}}
	}
	found, err := w.ExchangeStatement(t.Context(), bankA, day)
	if err != nil || len(found) != 1 || found[0].Kind != wallet.BreakContradiction || found[0].Line != "total" || len(w.breaks(false)) != 1 {
		t.Errorf("%+v, %v", found, err)
	}
}

// One bank that is down and one odd day keep nothing else from its turn.
func TestSweepGoesOnWithOtherDaysAndBanks(t *testing.T) {
	w := newWorld(t)
	a, b := w.person(bankA, 50_000), w.person(bankB, 50_000)
	first := clock.Day(w.clock.Now())
	w.charge(a, 1_000)
	w.charge(b, 1_000)
	w.clock.forward(24 * time.Hour)
	second := clock.Day(w.clock.Now())
	w.charge(a, 1_000)
	w.charge(b, 1_000)
	w.clock.forward(24 * time.Hour)
	down := map[id.Issuer]bool{bankB: true}
	w.banks.odd = func(at id.Issuer, day string) error {
		switch {
		case down[at]:
			return errLost
		case day == first:
			return fault.New(fault.Invalid, "test", nil)
		}
		return nil
	}
	if err := w.SweepStatements(t.Context()); err != nil {
		t.Fatal(err)
	}
	if days, err := w.store.FinalDays(t.Context(), bankA); err != nil || len(days) != 1 || days[0].Day != second || days[0].Ours.Lines != 1 {
		t.Errorf("the odd day keeps the next one waiting: %v, %v", days, err)
	}
	w.banks.odd = nil
	if err := w.SweepStatements(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, bank := range []id.Issuer{bankA, bankB} {
		if days, err := w.store.FinalDays(t.Context(), bank); err != nil || len(days) != 2 {
			t.Errorf("%s: %v, %v", bank, days, err)
		}
	}
}
