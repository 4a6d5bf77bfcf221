package bank_test

import (
	"context"
	"fmt"
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
)

// bookDay books amounts over a link, gives back those that are negative, and lists the day as a service has it.
func (w *teller) bookDay(l bank.Link, amounts ...money.Yen) (lines []wire.StatementLine) {
	w.t.Helper()
	for _, y := range amounts {
		order, o := w.order(l, max(y, -y), nil)
		text, err := w.Debit(w.t.Context(), l.ID, order)
		must(w.t, err)
		r := w.receipt(maru, text)
		if r.Outcome != wire.Booked {
			w.t.Fatalf("%+v", r)
		}
		lines = append(lines, wire.StatementLine{Kind: "debit", Debit: r.Debit, Link: r.Link, Amount: r.Amount, BookedUs: r.BookedUs, Receipt: wire.Hash(text)})
		if y > 0 {
			continue
		}
		text, err = w.reverse(order, o, "rev_"+string(o.Debit))
		must(w.t, err)
		v := w.reversed(maru, text)
		lines = append(lines, wire.StatementLine{Kind: "reversal", Debit: v.Debit, Link: v.Link, Amount: v.Amount, BookedUs: v.BookedUs, Receipt: wire.Hash(text)})
	}
	return lines
}

// settled exchanges the day and reads the settlement on its last page; nil for none.
func (w *teller) settled(lines []wire.StatementLine) (*wire.Settlement, string) {
	w.t.Helper()
	page, err := w.page(lines, "", "")
	must(w.t, err)
	for !page.Last() {
		page, err = w.page(lines, page.Upto, "")
		must(w.t, err)
	}
	if page.Settlement == "" {
		return nil, ""
	}
	m, err := wire.Verify[wire.Settlement](page.Settlement, w.own, wire.Expect{Issuer: moneyIssuer, Audience: string(maru), Now: w.time})
	must(w.t, err)
	return m, page.Settlement
}

func (w *teller) holds(acc ledger.AccountID, want money.Yen) {
	w.t.Helper()
	a, err := w.Books.Account(w.t.Context(), acc)
	must(w.t, err)
	if a.Balance != want {
		w.t.Errorf("%s holds %v, want %v", acc, a.Balance, want)
	}
}

func TestAgreedDayIsPaidOutOnce(t *testing.T) {
	w := newTeller(t)
	l := w.link(w.hanako(), maru, nil)
	lines := w.bookDay(l, 3_000, 2_000, -1_000)
	w.holds(bank.Settlement(maru), 5_000)
	w.time = w.time.Add(24 * time.Hour)
	m, text := w.settled(lines)
	if m == nil || m.Day != busyDay || m.Total != (wire.StatementTotal{Lines: 4, Debits: 6_000, Reversals: 1_000}) {
		t.Fatalf("%+v", m)
	}
	for range 3 { // later, and by many at once: the same bytes, no other yen
		w.time = w.time.Add(24 * time.Hour)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, again := w.settled(lines); again != text {
					t.Errorf("another settlement: %s", again)
				}
			})
		}
		wg.Wait()
	}
	w.holds(bank.Settlement(maru), 0)
	w.holds(bank.Nostro, 5_000)
}

func TestDayIsPaidOutByManyAtOnce(t *testing.T) {
	w := newTeller(t)
	lines := w.bookDay(w.link(w.hanako(), maru, nil), 3_000)
	w.time = w.time.Add(24 * time.Hour)
	texts := make([]string, 16)
	var wg sync.WaitGroup
	for i := range texts {
		wg.Go(func() { _, texts[i] = w.settled(lines) })
	}
	wg.Wait()
	for _, text := range texts {
		if text != texts[0] || text == "" {
			t.Errorf("two settlements of one day")
		}
	}
	w.holds(bank.Settlement(maru), 0)
	w.holds(bank.Nostro, 3_000)
}

// A day on which more was given back than debited goes the other way, one that comes to nothing moves nothing; both
// are settled.
func TestNegativeAndEmptyDays(t *testing.T) {
	w := newTeller(t)
	l := w.link(w.hanako(), maru, nil)
	first, o := w.order(l, 3_000, nil)
	_, err := w.Debit(t.Context(), l.ID, first)
	must(t, err)
	w.time = w.time.Add(24 * time.Hour)
	text, err := w.reverse(first, o, "rev_late")
	must(t, err)
	v := w.reversed(maru, text)
	w.time = w.time.Add(24 * time.Hour)
	ask := func(day string, lines ...wire.StatementLine) *wire.Statement {
		total := wire.StatementTotal{}.Add(lines)
		text, err := w.Statement(t.Context(), w.signed(maru, &wire.Statement{Header: w.head(maru), Day: day, Lines: lines, Total: &total}))
		must(t, err)
		m, err := wire.Verify[wire.Statement](text, w.own, wire.Expect{Issuer: moneyIssuer, Audience: string(maru), Now: w.time})
		must(t, err)
		return m
	}
	back := wire.StatementLine{Kind: "reversal", Debit: v.Debit, Link: v.Link, Amount: v.Amount, BookedUs: v.BookedUs, Receipt: wire.Hash(text)}
	if ask("2026-11-24", back).Settlement == "" {
		t.Error("a negative day is not settled")
	}
	w.holds(bank.Settlement(maru), 3_000)
	w.holds(bank.Nostro, -3_000)
	if ask("2026-11-22").Settlement == "" {
		t.Error("an empty day is not settled")
	}
	w.holds(bank.Nostro, -3_000)
	if ask("2026-11-25").Settlement != "" {
		t.Error("today is settled")
	}
}

// Nothing is paid out for a day with a break; once a later comparison clears it, it is.
func TestDayWithABreakIsNotPaidOut(t *testing.T) {
	for name, wrong := range map[string]func([]wire.StatementLine) []wire.StatementLine{
		"one less":       func(l []wire.StatementLine) []wire.StatementLine { return l[1:] },
		"another amount": func(l []wire.StatementLine) []wire.StatementLine { l[0].Amount++; return l },
		"one more": func(l []wire.StatementLine) []wire.StatementLine {
			more := l[0]
			more.Debit = "deb_zzz"
			return append(l, more)
		},
		"one twice": func(l []wire.StatementLine) []wire.StatementLine { return append(l, l[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newTeller(t)
			lines := w.bookDay(w.link(w.hanako(), maru, nil), 3_000, 2_000)
			w.time = w.time.Add(24 * time.Hour)
			if m, _ := w.settled(wrong(append([]wire.StatementLine{}, lines...))); m != nil {
				t.Errorf("paid out: %+v", m)
			}
			w.holds(bank.Nostro, 0)
			if len(w.openBreaks()) == 0 {
				t.Error("no break")
			}
			if m, _ := w.settled(lines); m == nil {
				t.Error("cleared and not paid out")
			}
			w.holds(bank.Nostro, 5_000)
		})
	}
}

// A break on an earlier page is one of the day: the last page alone pays nothing out.
func TestBreakOnAnEarlierPage(t *testing.T) {
	w := newTeller(t)
	lines := w.busy(1_200)
	w.time = w.time.Add(24 * time.Hour)
	wrong := append([]wire.StatementLine{}, lines...)
	wrong[3].Amount++
	if m, _ := w.settled(wrong); m != nil {
		t.Errorf("%+v", m)
	}
	// The last page with the right total, while the first page still has its break.
	if page, err := w.page(lines, lines[999].Debit, ""); err != nil || page.Settlement != "" {
		t.Errorf("%q, %v", page.Settlement, err)
	}
	w.holds(bank.Nostro, 0)
	if m, _ := w.settled(lines); m == nil || m.Total.Lines != 1_200 {
		t.Errorf("%+v", m)
	}
}

// A total that is not the bank's pays nothing out, though all lines of the page are equal.
func TestTotalMustBeTheBanks(t *testing.T) {
	w := newTeller(t)
	lines := w.bookDay(w.link(w.hanako(), maru, nil), 3_000)
	w.time = w.time.Add(24 * time.Hour)
	text, err := w.Statement(t.Context(), w.signed(maru, &wire.Statement{
		Header: w.head(maru), Day: busyDay, Lines: lines, Total: &wire.StatementTotal{Lines: 1, Debits: 3_001}}))
	must(t, err)
	m, err := wire.Verify[wire.Statement](text, w.own, wire.Expect{Issuer: moneyIssuer, Audience: string(maru), Now: w.time})
	must(t, err)
	if m.Settlement != "" {
		t.Error("paid out")
	}
	w.holds(bank.Nostro, 0)
}

// Midnight alone ends no day: what was decided before it may still be on its way into the books.
func TestDayIsPaidOutOnlyOnceItHasRested(t *testing.T) {
	w := newTeller(t)
	lines := w.bookDay(w.link(w.hanako(), maru, nil), 3_000)
	midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, clock.Tokyo)
	for _, after := range []time.Duration{-time.Minute, 0, 9 * time.Minute} {
		w.time = midnight.Add(after)
		if m, _ := w.settled(lines); m != nil {
			t.Errorf("%s after midnight: %+v", after, m)
		}
	}
	w.time = midnight.Add(10 * time.Minute)
	if m, _ := w.settled(lines); m == nil {
		t.Error("not paid out")
	}
}

// The commit itself refuses a settlement whose day has an open break or is not whole, whatever was read before.
func TestCommitOfASettlementIsConditional(t *testing.T) {
	w := newTeller(t)
	page := bank.PutPage{Page: bank.StatementPage{Service: maru, Day: busyDay, N: 1, Upto: "deb_5", At: w.time}}
	day := bank.AddPaidDay{Day: bank.PaidDay{Service: maru, Day: busyDay, At: w.time, Text: "x"}}
	if err := w.store.Commit(t.Context(), page, day); fault.Of(err) != fault.Conflict {
		t.Errorf("half a day: %v", err)
	}
	page.Page.Upto, page.Found = "", []bank.Break{{Service: maru, Day: busyDay, Debit: "deb_1", Kind: "debit", What: bank.MissingHere, Owner: "o", FoundAt: w.time}}
	if err := w.store.Commit(t.Context(), page, day); fault.Of(err) != fault.Conflict {
		t.Errorf("a day with a break: %v", err)
	}
	page.Found = nil
	must(t, w.store.Commit(t.Context(), page, day))
	if err := w.store.Commit(t.Context(), day); fault.Of(err) != fault.Conflict {
		t.Errorf("twice: %v", err)
	}
	page.Page.At = w.time.Add(time.Hour)
	page.Found = []bank.Break{{Service: maru, Day: busyDay, Debit: "deb_1", Kind: "debit", What: bank.MissingHere, Owner: "o", FoundAt: w.time}}
	if err := w.store.Commit(t.Context(), page); fault.Of(err) != fault.Conflict {
		t.Errorf("another page of a settled day: %v", err)
	}
	if kept, err := w.store.PageUpto(t.Context(), maru, busyDay, ""); err != nil || !kept.At.Equal(w.time) || len(w.openBreaks()) != 0 {
		t.Errorf("%+v, %d breaks, %v", kept, len(w.openBreaks()), err)
	}
	page.Page.N = 0
	must(t, w.store.Commit(t.Context(), page))
	if len(w.openBreaks()) != 1 {
		t.Errorf("%d breaks of a later comparison", len(w.openBreaks()))
	}
}

// afterLook is a store at which something else happens right after a bank has looked whether a day is settled.
type afterLook struct {
	bank.Store
	done atomic.Bool
	do   func()
}

func (s *afterLook) PaidDay(ctx context.Context, svc id.Service, day string) (bank.PaidDay, error) {
	d, err := s.Store.PaidDay(ctx, svc, day)
	if s.done.CompareAndSwap(false, true) {
		s.do()
	}
	return d, err
}

// Somebody exchanges the whole day between another one's look at it and his commit: he is answered as of a settled
// day, and the pages that both sides signed for it stay.
func TestPagesOfADaySettledMeanwhileStay(t *testing.T) {
	for name, c := range map[string]struct {
		day   func(*teller) []wire.StatementLine
		after int // the page that comes late follows so many pages
	}{
		"first of three":       {func(w *teller) []wire.StatementLine { return w.busy(1_200) }, 0},
		"second of three":      {func(w *teller) []wire.StatementLine { return w.busy(1_200) }, 1},
		"last of three":        {func(w *teller) []wire.StatementLine { return w.busy(1_200) }, 2},
		"only one":             {func(w *teller) []wire.StatementLine { return w.bookDay(w.link(w.hanako(), maru, nil), 3_000) }, 0},
		"only one, net of 0":   {func(w *teller) []wire.StatementLine { return w.bookDay(w.link(w.hanako(), maru, nil), -3_000) }, 0},
		"only one, with break": {func(w *teller) []wire.StatementLine { return w.bookDay(w.link(w.hanako(), maru, nil), 3_000, 1_000) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTeller(t)
			lines := c.day(w)
			w.time = w.time.Add(24 * time.Hour)
			var after id.Debit
			for range c.after {
				page, err := w.page(lines, after, "")
				must(t, err)
				after = page.Upto
			}
			late := lines
			if name == "only one, with break" {
				late = lines[:1]
			}
			real, text := w.Store, ""
			w.Store = &afterLook{Store: real, do: func() { _, text = w.settled(lines) }}
			page, err := w.page(late, after, "")
			w.Store = real
			if err != nil || text == "" || page.Last() != (page.Settlement == text) {
				t.Fatalf("settled %q, answered %+v, %v", text, page, err)
			}
			w.settledPages(len(lines), text)
			if n := len(w.openBreaks()); n != len(lines)-len(late) {
				t.Errorf("%d breaks", n)
			}
		})
	}
}

// settledPages checks that the pages kept of the busy day are all its lines, the last with its settlement.
func (w *teller) settledPages(lines int, text string) {
	w.t.Helper()
	var after, upto id.Debit
	seen := 0
	for n := 1; ; n++ {
		if upto = ""; lines-seen > wire.MaxStatementLines {
			upto = id.Debit(fmt.Sprintf("deb_%026d", seen+wire.MaxStatementLines-1))
		}
		kept, err := w.store.PageUpto(w.t.Context(), maru, busyDay, upto)
		must(w.t, err)
		page, err := wire.Verify[wire.Statement](kept.Ours, w.own, wire.Expect{Issuer: moneyIssuer, Audience: string(maru), Now: w.time})
		must(w.t, err)
		if seen += len(page.Lines); kept.N != n || kept.After != after {
			w.t.Errorf("page %d: %d after %q", n, kept.N, kept.After)
		}
		if after = upto; upto != "" {
			continue
		}
		if seen != lines || page.Settlement != text {
			w.t.Errorf("%d of %d lines, settlement %q", seen, lines, page.Settlement)
		}
		return
	}
}

// Many exchange a day of several pages at once, and one of a net of nothing: all get the one settlement, or are told
// to begin anew and then get it, and the pages stay whole.
func TestDaysAreSettledByManyAtOnce(t *testing.T) {
	for name, day := range map[string]func(*teller) []wire.StatementLine{
		"pages":    func(w *teller) []wire.StatementLine { return w.busy(1_200) },
		"net of 0": func(w *teller) []wire.StatementLine { return w.bookDay(w.link(w.hanako(), maru, nil), -3_000, -1_000) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newTeller(t)
			lines := day(w)
			w.time = w.time.Add(24 * time.Hour)
			texts := make([]string, 8)
			var wg sync.WaitGroup
			for i := range texts {
				wg.Go(func() {
					var after id.Debit
					for texts[i] == "" {
						switch page, err := w.page(lines, after, ""); {
						case err != nil && fault.Of(err) == fault.Conflict && len(lines) > wire.MaxStatementLines:
							after = "" // the page before was exchanged anew
						case err != nil:
							t.Error(err)
							return
						default:
							after, texts[i] = page.Upto, page.Settlement
						}
					}
				})
			}
			wg.Wait()
			for _, text := range texts {
				if text != texts[0] || text == "" {
					t.Error("two settlements of one day")
				}
			}
			w.settledPages(len(lines), texts[0])
		})
	}
}

// A day that is settled stays so; what a later page says otherwise is a break, and costs nobody a yen.
func TestSettledDayStays(t *testing.T) {
	w := newTeller(t)
	lines := w.busy(1_200)
	w.time = w.time.Add(24 * time.Hour)
	_, text := w.settled(lines)
	if _, again := w.settled(lines[:700]); again != text { // pages that end elsewhere
		t.Errorf("another settlement: %q", again)
	}
	if n := len(w.openBreaks()); n != 500 {
		t.Errorf("%d breaks", n)
	}
	first, err := w.store.PageUpto(t.Context(), maru, busyDay, lines[499].Debit)
	must(t, err)
	if first.N != 1 || !first.At.Equal(w.time) {
		t.Errorf("%+v", first)
	}
	w.holds(bank.Nostro, 1_200*1_201/2)
}

// Between the commit and the answer the bank dies: after its restart it answers what it had signed.
func TestSettlementOutlivesTheProcess(t *testing.T) {
	path := pgtest.Place(t)
	w := newTellerAt(t, path, nil)
	lines := w.bookDay(w.link(w.hanako(), maru, nil), 3_000)
	w.time = w.time.Add(24 * time.Hour)
	_, text := w.settled(lines)
	w.close()
	again := newTellerAt(t, path, w)
	if _, now := again.settled(lines); now != text {
		t.Errorf("another settlement: %q", now)
	}
	again.holds(bank.Nostro, 3_000)
}
