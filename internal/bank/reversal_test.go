package bank_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// reverse asks for the reversal of an order under a reversal's id.
func (w *teller) reverse(order string, o *wire.DebitOrder, rev string) (string, error) {
	w.t.Helper()
	return w.Reverse(w.t.Context(), w.signed(id.Service(o.Issuer), &wire.Reversal{
		Header: w.head(id.Service(o.Issuer)), Reversal: rev, Link: o.Link, Debit: o.Debit, OrderHash: wire.Hash(order), Amount: o.Amount,
	}))
}

func (w *teller) reversed(s id.Service, text string) *wire.ReversalReceipt {
	w.t.Helper()
	r, err := wire.Verify[wire.ReversalReceipt](text, w.own, wire.Expect{Issuer: moneyIssuer, Audience: string(s), Now: w.time, AnyAge: true})
	must(w.t, err)
	return r
}

func TestReversalIsWholeOnceAndPassesEveryGate(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, nil)
	order, o := w.order(l, 3_000, nil)
	_, err := w.Debit(t.Context(), l.ID, order)
	must(t, err)
	must(t, w.StopAll(t.Context(), acc.ID))
	text, err := w.reverse(order, o, "rev_1")
	must(t, err)
	if r := w.reversed(maru, text); r.Outcome != bank.Reversed || r.Amount != 3_000 || r.Suspense {
		t.Fatalf("receipt: %+v", r)
	}
	w.time = w.time.Add(time.Hour)
	if again, err := w.reverse(order, o, "rev_1"); err != nil || again != text {
		t.Errorf("a repeat: %v", err)
	}
	second, err := w.reverse(order, o, "rev_2")
	must(t, err)
	if r := w.reversed(maru, second); r.Outcome != bank.ReversalRefused {
		t.Errorf("a second reversal: %+v", r)
	}
	if again, err := w.reverse(order, o, "rev_2"); err != nil || again != second {
		t.Errorf("a repeated refusal: %v", err)
	}
	if got := w.balance(acc); got != 1_000_000 {
		t.Errorf("balance %v", got)
	}
	book, err := w.Passbook(t.Context(), acc.ID, 0, 1)
	must(t, err)
	if book[0].Narration != "ﾍﾝｷﾝ ﾏﾙﾍﾟｲ" || book[0].In != 3_000 {
		t.Errorf("passbook: %+v", book[0])
	}
	// The order itself still has its own receipt.
	if again, err := w.Debit(t.Context(), l.ID, order); err != nil || w.receipt(maru, again).Outcome != wire.Booked {
		t.Errorf("the order: %v", err)
	}
}

func TestReversalsAtOnce(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, nil)
	order, o := w.order(l, 3_000, nil)
	_, err := w.Debit(t.Context(), l.ID, order)
	must(t, err)
	var wg sync.WaitGroup
	texts := make([]string, 20)
	for i := range texts {
		wg.Go(func() {
			rev := "rev_" + string(rune('a'+i%4))
			var err error
			if texts[i], err = w.reverse(order, o, rev); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	done := map[string]bool{}
	for i, text := range texts {
		if text != texts[i%4] {
			t.Error("one reversal has two receipts")
		}
		if r := w.reversed(maru, text); r.Outcome == bank.Reversed {
			done[r.Reversal] = true
		}
	}
	if len(done) != 1 || w.balance(acc) != 1_000_000 {
		t.Errorf("%d reversals done, balance %v", len(done), w.balance(acc))
	}
}

func TestReversalOfWhatIsNotBooked(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, nil)
	order, o := w.order(l, 3_000, nil)
	text, err := w.reverse(order, o, "rev_1")
	must(t, err)
	if r := w.reversed(maru, text); r.Outcome != bank.ReversalRefused {
		t.Errorf("unseen: %+v", r)
	}
	_, err = w.Debit(t.Context(), l.ID, order)
	must(t, err)
	o.Amount = 2_000
	if _, err := w.reverse(order, o, "rev_2"); fault.Of(err) != fault.Conflict {
		t.Errorf("a part of it: %v", err)
	}
	if got := w.balance(acc); got != 997_000 {
		t.Errorf("balance %v", got)
	}
}

// cashFirst is a core at which somebody draws cash just before the account is paid out.
type cashFirst struct {
	bank.Core
	draw func()
}

func (c *cashFirst) meet(reqs ...ledger.Request) {
	for _, r := range reqs {
		if m, ok := r.Do.(ledger.Move); ok && m.Kind == bank.MoveClosing && c.draw != nil {
			draw := c.draw
			c.draw = nil
			draw()
		}
	}
}

func (c *cashFirst) Submit(ctx context.Context, r ledger.Request) (ledger.Result, error) {
	c.meet(r)
	return c.Core.Submit(ctx, r)
}

func (c *cashFirst) SubmitAll(ctx context.Context, rs []ledger.Request) ([]ledger.Result, error) {
	c.meet(rs...)
	return c.Core.SubmitAll(ctx, rs)
}

// Cash drawn while an account is being closed is paid out once, and nothing is locked in.
func TestCloseAccountWhileCashIsDrawn(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	w.Core = &cashFirst{Core: w.Core, draw: func() { must(t, w.Cash(t.Context(), acc.ID, -10_000, "atm_1")) }}
	must(t, w.CloseAccount(t.Context(), acc.ID))
	must(t, w.CloseAccount(t.Context(), acc.ID))
	if got := w.balance(acc); got != 0 {
		t.Errorf("%v are locked in a closed account", got)
	}
	if a, err := w.store.Account(t.Context(), acc.ID); err != nil || !a.Closed {
		t.Errorf("closed %t, %v", a.Closed, err)
	}
}

func TestReversalToAClosedAccountWaits(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, nil)
	order, o := w.order(l, 3_000, nil)
	_, err := w.Debit(t.Context(), l.ID, order)
	must(t, err)
	must(t, w.CloseAccount(t.Context(), acc.ID))
	if got := w.balance(acc); got != 0 {
		t.Fatalf("balance %v after closing", got)
	}
	late, _ := w.order(l, 1_000, nil)
	text, err := w.Debit(t.Context(), l.ID, late)
	must(t, err)
	if r := w.receipt(maru, text); r.Reason != "revoked" {
		t.Errorf("a debit of a closed account: %+v", r)
	}
	text, err = w.reverse(order, o, "rev_1")
	must(t, err)
	if r := w.reversed(maru, text); r.Outcome != bank.Reversed || !r.Suspense {
		t.Errorf("receipt: %+v", r)
	}
	waits, err := w.Books.Account(t.Context(), bank.Suspense(maru))
	must(t, err)
	if waits.Balance != 3_000 {
		t.Errorf("suspense holds %v", waits.Balance)
	}
}

func TestStatementsAreComparedLineByLine(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, nil)
	var lines []wire.StatementLine
	book := func(back bool) {
		order, o := w.order(l, 1_000, nil)
		text, err := w.Debit(t.Context(), l.ID, order)
		must(t, err)
		r := w.receipt(maru, text)
		lines = append(lines, wire.StatementLine{Kind: "debit", Debit: r.Debit, Link: r.Link, Amount: r.Amount, BookedUs: r.BookedUs, Receipt: wire.Hash(text)})
		if back {
			text, err := w.reverse(order, o, "rev_"+string(o.Debit))
			must(t, err)
			v := w.reversed(maru, text)
			lines = append(lines, wire.StatementLine{Kind: "reversal", Debit: v.Debit, Link: v.Link, Amount: v.Amount, BookedUs: v.BookedUs, Receipt: wire.Hash(text)})
		}
	}
	book(false)
	book(true)
	ask := func(day string, lines []wire.StatementLine, provisional bool) *wire.Statement {
		total := wire.StatementTotal{}.Add(lines)
		text, err := w.Statement(t.Context(), w.signed(maru, &wire.Statement{
			Header: w.head(maru), Day: day, Provisional: provisional, Lines: lines, Open: []id.Debit{}, Total: &total,
		}))
		must(t, err)
		ours, err := wire.Verify[wire.Statement](text, w.own, wire.Expect{Issuer: moneyIssuer, Audience: string(maru), Now: w.time})
		must(t, err)
		return ours
	}
	if ours := ask("2026-11-23", nil, true); len(ours.Lines) != 3 || !ours.Provisional {
		t.Fatalf("today so far: %+v", ours)
	}
	if open, err := w.store.Breaks(t.Context()); err != nil || len(open) != 0 {
		t.Fatalf("a day that is not over has breaks: %+v, %v", open, err)
	}
	w.time = w.time.Add(24 * time.Hour)
	if ours := ask("2026-11-23", lines, false); len(ours.Lines) != 3 || ours.Provisional {
		t.Fatalf("the day: %+v", ours)
	}
	if open, err := w.store.Breaks(t.Context()); err != nil || len(open) != 0 {
		t.Fatalf("equal books have breaks: %+v, %v", open, err)
	}
	wrong := append([]wire.StatementLine{}, lines[1:]...)
	wrong[0].Amount = 999
	wrong = append(wrong, wire.StatementLine{Kind: "debit", Debit: "deb_unheard_of", Link: l.ID, Amount: 5, BookedUs: lines[0].BookedUs, Receipt: lines[0].Receipt})
	ask("2026-11-23", wrong, false)
	open, err := w.store.Breaks(t.Context())
	must(t, err)
	what := map[bank.BreakWhat]int{}
	for _, b := range open {
		what[b.What]++
		if b.Owner == "" {
			t.Errorf("a break without an owner: %+v", b)
		}
	}
	if len(open) != 3 || what[bank.MissingHere] != 1 || what[bank.MissingThere] != 1 || what[bank.Differs] != 1 {
		t.Errorf("breaks: %+v", open)
	}
	ask("2026-11-23", lines, false)
	if open, err := w.store.Breaks(t.Context()); err != nil || len(open) != 0 {
		t.Errorf("breaks that a later comparison clears: %+v, %v", open, err)
	}
	if ours := ask("2026-11-22", nil, false); len(ours.Lines) != 0 {
		t.Errorf("the day before: %+v", ours)
	}
}
