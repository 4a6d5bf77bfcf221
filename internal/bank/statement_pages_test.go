package bank_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

const busyDay = "2026-11-23"

// busy writes n debits that were booked now, as rows, and lists them as a statement does.
func (w *teller) busy(n int) (lines []wire.StatementLine) {
	w.t.Helper()
	var rows []ledger.Write
	for i := range n {
		d := bank.Debit{
			Service: maru, ID: id.Debit(fmt.Sprintf("deb_%026d", i)), Link: "lnk_busy", Account: "acc_busy", OrderHash: wire.Hash("order"), Amount: money.Yen(i + 1),
			WalletAccount: "available/sub", Outcome: wire.Booked, DecidedAt: w.time, Receipt: fmt.Sprint("receipt ", i),
		}
		rows = append(rows, bank.AddDebit{Debit: d})
		lines = append(lines, wire.StatementLine{Kind: "debit", Debit: d.ID, Link: d.Link, Amount: d.Amount, BookedUs: clock.Micros(d.DecidedAt), Receipt: wire.Hash(d.Receipt)})
	}
	must(w.t, w.store.Commit(w.t.Context(), rows...))
	return lines
}

// page sends a page of まるペイ: its lines behind one and up to another, as many as a page holds.
func (w *teller) page(lines []wire.StatementLine, after, upto id.Debit) (*wire.Statement, error) {
	w.t.Helper()
	m := &wire.Statement{Header: w.head(maru), Day: busyDay, After: after, Upto: upto, Open: []id.Debit{}}
	for _, l := range lines {
		if m.Covers(l.Debit) {
			m.Lines = append(m.Lines, l)
		}
	}
	if m.CutPage(); m.Last() {
		total := wire.StatementTotal{}.Add(lines)
		m.Total = &total
	}
	text, err := w.Statement(w.t.Context(), w.signed(maru, m))
	if err != nil {
		return nil, err
	}
	return wire.Verify[wire.Statement](text, w.own, wire.Expect{Issuer: moneyIssuer, Audience: string(maru), Now: w.time})
}

// whole exchanges a day to its end and says where its pages ended.
func (w *teller) whole(lines []wire.StatementLine) (ends []id.Debit) {
	w.t.Helper()
	for after := id.Debit(""); ; {
		got, err := w.page(lines, after, "")
		must(w.t, err)
		if got.After != after || len(got.Lines) > wire.MaxStatementLines {
			w.t.Fatalf("after %q: %q to %q, %d lines", after, got.After, got.Upto, len(got.Lines))
		}
		if ends = append(ends, got.Upto); got.Last() {
			return ends
		}
		after = got.Upto
	}
}

func (w *teller) openBreaks() []bank.Break {
	w.t.Helper()
	open, err := w.store.Breaks(w.t.Context())
	must(w.t, err)
	return open
}

func TestDayOfManyPagesAtTheBank(t *testing.T) {
	w := newTeller(t)
	lines := w.busy(3_100)
	w.time = w.time.Add(24 * time.Hour)
	if ends := w.whole(lines); len(ends) != 7 || len(w.openBreaks()) != 0 {
		t.Errorf("%q, %d breaks", ends, len(w.openBreaks()))
	}
	// A service that has next to nothing is answered page by page all the same.
	if ends := w.whole(lines[:1]); len(ends) != 7 || len(w.openBreaks()) != 3_099 {
		t.Errorf("%q, %d breaks", ends, len(w.openBreaks()))
	}
	if w.whole(lines); len(w.openBreaks()) != 0 {
		t.Errorf("%d breaks that the next comparison does not clear", len(w.openBreaks()))
	}
}

func TestLinesMissingAtTheBorderOfTheBanksPage(t *testing.T) {
	for _, at := range []int{0, 498, 499, 500, 999, 1_199} {
		w := newTeller(t)
		lines := w.busy(1_200)
		w.time = w.time.Add(24 * time.Hour)
		theirs := append([]wire.StatementLine{}, lines...)
		theirs[at].Debit += "x" // they have another in its place, right behind
		w.whole(theirs)
		open := w.openBreaks()
		if len(open) != 2 || open[0].What != bank.MissingThere || open[0].Debit != lines[at].Debit || open[1].What != bank.MissingHere || open[1].Debit != theirs[at].Debit {
			t.Errorf("at %d: %+v", at, open)
		}
	}
}

// A page that comes twice, or again after its answer was lost, is one page; one that follows no page is none.
func TestPagesFollowEachOther(t *testing.T) {
	w := newTeller(t)
	lines := w.busy(1_200)
	w.time = w.time.Add(24 * time.Hour)
	if _, err := w.page(lines, lines[499].Debit, ""); fault.Of(err) != fault.Conflict {
		t.Errorf("a second page without a first: %v", err)
	}
	first, err := w.page(lines, "", "")
	must(t, err)
	for range 3 {
		second, err := w.page(lines, first.Upto, "")
		must(t, err)
		if second.Upto != lines[999].Debit {
			t.Errorf("the second page ends with %s", second.Upto)
		}
	}
	if _, err := w.page(lines, lines[600].Debit, ""); fault.Of(err) != fault.Conflict {
		t.Errorf("a page from the middle of another: %v", err)
	}
	// What followed a page that is exchanged anew is gone.
	short, err := w.page(lines, "", lines[99].Debit)
	must(t, err)
	if short.Upto != lines[99].Debit || len(short.Lines) != 100 {
		t.Errorf("asked for less: up to %q, %d lines", short.Upto, len(short.Lines))
	}
	if _, err := w.page(lines, lines[999].Debit, ""); fault.Of(err) != fault.Conflict {
		t.Errorf("a third page without a second: %v", err)
	}
	_, err = w.page(lines, lines[99].Debit, lines[499].Debit)
	must(t, err)
	_, err = w.page(lines, lines[499].Debit, "")
	must(t, err)
	third, err := w.page(lines, lines[999].Debit, "")
	must(t, err)
	if !third.Last() || third.Total == nil || *third.Total != (wire.StatementTotal{}).Add(lines) {
		t.Errorf("%+v", third)
	}
}

// Midnight is not the end: a debit that was decided a moment before may still be on its way into the books.
func TestDayRestsBeforeItIsOver(t *testing.T) {
	w := newTeller(t)
	lines := w.busy(3)
	midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, clock.Tokyo)
	for after, want := range map[time.Duration]bool{-time.Second: true, 9 * time.Minute: true, 10 * time.Minute: false} {
		w.time = midnight.Add(after)
		got, err := w.page(lines[1:], "", "")
		must(t, err)
		if got.Provisional != want {
			t.Errorf("%s after midnight: provisional %t", after, got.Provisional)
		}
		if open := w.openBreaks(); want && len(open) != 0 {
			t.Errorf("%s after midnight: %+v", after, open)
		}
		must(t, w.store.Commit(t.Context(), bank.PutPage{Page: bank.StatementPage{Service: maru, Day: busyDay, N: 1, At: w.time}}))
	}
}

func TestPageMustBeAPage(t *testing.T) {
	w := newTeller(t)
	lines := w.busy(600)
	w.time = w.time.Add(24 * time.Hour)
	for name, m := range map[string]*wire.Statement{
		"longer than a page": {Lines: lines, Total: &wire.StatementTotal{}},
		"without its total":  {Lines: lines[:10]},
	} {
		m.Header = w.head(maru)
		if m.Day == "" {
			m.Day = busyDay
		}
		text, err := wire.Sign(w.keys[maru], m)
		must(t, err)
		if _, err := w.Statement(t.Context(), text); fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a service can have us keep of one of its days has bounds: pages, and breaks.
func TestDayIsBoundedAtTheBank(t *testing.T) {
	w := newTeller(t)
	w.time = w.time.Add(24 * time.Hour)
	var rows []ledger.Write
	after := id.Debit("")
	for n := range wire.MaxStatementPages {
		upto := id.Debit(fmt.Sprintf("deb_%026d", n))
		rows = append(rows, bank.PutPage{Page: bank.StatementPage{Service: maru, Day: busyDay, N: n + 1, After: after, Upto: upto, At: w.time}})
		after = upto
	}
	must(t, w.store.Commit(t.Context(), rows...))
	if _, err := w.page(nil, after, ""); fault.Of(err) != fault.Invalid {
		t.Errorf("a day without end: %v", err)
	}
	found := make([]bank.Break, bank.MaxBreaks+1)
	for i := range found {
		found[i] = bank.Break{Service: maru, Day: busyDay, Debit: id.Debit(fmt.Sprintf("deb_%026d", i)), Kind: "debit", What: bank.MissingHere, Owner: "o", FoundAt: w.time}
	}
	if err := w.store.Commit(t.Context(), bank.PutPage{Page: bank.StatementPage{Service: maru, Day: busyDay, N: 1, At: w.time}, Found: found}); fault.Of(err) != fault.Refused {
		t.Errorf("breaks without end: %v", err)
	}
	if n := len(w.openBreaks()); n != 0 {
		t.Errorf("%d of them are kept", n)
	}
}
