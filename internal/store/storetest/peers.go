package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// What went wrong in other ledgers, each under the name of its failure. Every test lets many ask at once.

func testPeers(t *testing.T, open Open) {
	t.Run("holds not counted, so overspent", func(t *testing.T) { testHoldsCount(t, open) })
	t.Run("destination not locked, so credits lost", func(t *testing.T) { testCreditsStay(t, open) })
	t.Run("refunded twice", func(t *testing.T) { testRefundedOnce(t, open) })
	t.Run("one hold posted twice", func(t *testing.T) { testPostedOnce(t, open) })
	t.Run("idempotency key with another body", func(t *testing.T) { testKeyWithAnotherBody(t, open) })
	t.Run("closed while money is on its way", func(t *testing.T) { testCloseRace(t, open) })
}

// atOnce submits n requests at once and counts the outcomes; a repeated result counts apart.
func atOnce(t *testing.T, l *ledger.Ledger, n int, request func(i int) ledger.Action) map[string]int {
	t.Helper()
	var mu sync.Mutex
	got := map[string]int{}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			r, err := l.Submit(t.Context(), ledger.Request{At: noon, Do: request(i)})
			name := r.Outcome.String()
			if r.Repeated {
				name = "repeated " + name
			}
			if err != nil {
				name = err.Error()
			}
			mu.Lock()
			got[name]++
			mu.Unlock()
		})
	}
	wg.Wait()
	return got
}

func testHoldsCount(t *testing.T, open Open) {
	b, l := start(t, open)
	mustDo(t, l, account("world", -money.Max, money.Max), account("purse", 0, money.Max), account("shop", 0, money.Max),
		move("fund", "world", "purse", 1000))
	got := atOnce(t, l, 60, func(i int) ledger.Action {
		m := move(ledger.TransferID(fmt.Sprint(i)), "purse", "shop", 100)
		if i%2 == 0 {
			return ledger.Hold{Move: m}
		}
		return m
	})
	same(t, "outcomes", got, map[string]int{"done": 10, "insufficient": 50})
	a, err := b.Account(t.Context(), "purse")
	if err != nil || a.Free() != 0 || a.Balance < 0 {
		t.Errorf("%+v, %v", a, err)
	}
	checkSum(t, b, "world", "purse", "shop")
}

func testCreditsStay(t *testing.T, open Open) {
	b, l := start(t, open)
	mustDo(t, l, account("world", -money.Max, money.Max), account("shop", 0, money.Max))
	const payers = 50
	for i := range payers {
		mustDo(t, l, account(payer(i), 0, 1000), move(ledger.TransferID(fmt.Sprint("fund ", i)), "world", payer(i), 1000))
	}
	got := atOnce(t, l, 10*payers, func(i int) ledger.Action {
		return move(ledger.TransferID(fmt.Sprint(i)), payer(i%payers), "shop", 7)
	})
	same(t, "outcomes", got, map[string]int{"done": 10 * payers})
	same(t, "the shop's balance", balance(t, b, "shop"), money.Yen(10*payers*7))
	lines, err := b.History(t.Context(), "shop", 0, 1000)
	if err != nil || len(lines) != 10*payers {
		t.Errorf("%d lines, %v", len(lines), err)
	}
	for i, line := range lines { // newest first, each with the balance after it
		same(t, "balance after a line", line.Balance, money.Yen((10*payers-i)*7))
	}
}

func payer(i int) ledger.AccountID { return ledger.AccountID(fmt.Sprint("payer ", i)) }

func testRefundedOnce(t *testing.T, open Open) {
	b, l := start(t, open)
	mustDo(t, l, account("world", -money.Max, money.Max), account("purse", 0, money.Max), account("shop", 0, money.Max),
		move("fund", "world", "purse", 1000), move("other", "purse", "shop", 500), move("paid", "purse", "shop", 300))
	got := atOnce(t, l, 40, func(i int) ledger.Action {
		return with(move(ledger.TransferID(fmt.Sprint("refund ", i)), "shop", "purse", 100), func(m *ledger.Move) { m.Refunds = "paid" })
	})
	same(t, "outcomes", got, map[string]int{"done": 3, "over_refund": 37})
	same(t, "the shop's balance", balance(t, b, "shop"), money.Yen(500))
	tr, err := b.Transfer(t.Context(), "paid")
	if err != nil || tr.Refunded != 300 {
		t.Errorf("%+v, %v", tr, err)
	}
}

func testPostedOnce(t *testing.T, open Open) {
	b, l := start(t, open)
	mustDo(t, l, account("world", -money.Max, money.Max), account("purse", 0, money.Max), account("shop", 0, money.Max),
		move("fund", "world", "purse", 1000), ledger.Hold{Move: move("h", "purse", "shop", 300)}, ledger.Hold{Move: move("p", "purse", "shop", 300)})
	got := atOnce(t, l, 20, func(int) ledger.Action { return ledger.Post{ID: "h"} })
	same(t, "outcomes", got, map[string]int{"done": 1, "repeated done": 19})
	same(t, "the shop's balance", balance(t, b, "shop"), money.Yen(300))
	got = atOnce(t, l, 20, func(i int) ledger.Action { return ledger.Post{ID: "p", Part: []money.Yen{money.Yen(100 + i%2)}} })
	same(t, "outcomes of two different parts", got, map[string]int{"done": 1, "repeated done": 9, "mismatch": 10})
	shop := balance(t, b, "shop")
	if shop != 400 && shop != 401 {
		t.Errorf("the shop has %d", shop)
	}
	a, err := b.Account(t.Context(), "purse")
	if err != nil || a.HeldOut != 0 || a.Balance != 1000-shop {
		t.Errorf("%+v, %v", a, err)
	}
}

func testKeyWithAnotherBody(t *testing.T, open Open) {
	b, l := start(t, open)
	mustDo(t, l, account("world", -money.Max, money.Max), account("a", 0, money.Max), account("b", 0, money.Max))
	got := atOnce(t, l, 40, func(i int) ledger.Action {
		to := ledger.AccountID("a")
		if i%2 == 1 {
			to = "b"
		}
		return move("key", "world", to, money.Yen(1+i%4))
	})
	same(t, "done", got["done"], 1)
	same(t, "repeats of the same body", got["repeated done"], 9)
	same(t, "other bodies", got["mismatch"], 30)
	if sum := balance(t, b, "a") + balance(t, b, "b"); sum < 1 || sum > 4 {
		t.Errorf("%d moved", sum)
	}
}

func testCloseRace(t *testing.T, open Open) {
	b, l := start(t, open)
	mustDo(t, l, account("world", -money.Max, money.Max), account("a", 0, money.Max))
	got := atOnce(t, l, 40, func(i int) ledger.Action {
		if i == 20 {
			return ledger.Close{Account: "a"}
		}
		return move(ledger.TransferID(fmt.Sprint(i)), "world", "a", 1)
	})
	a, err := b.Account(t.Context(), "a")
	if err != nil || a.Closed == (a.Balance > 0) {
		t.Errorf("%+v, %v: %v", a, err, got)
	}
	if a.Closed && got["closed"] != 39 || !a.Closed && got["not_empty"] != 1 {
		t.Errorf("%+v: %v", a, got)
	}
}

// testPastBalances books over three days, beyond a page of lines, with a clock that once jumps back, and asks for the
// balance between all commits.
func testPastBalances(t *testing.T, open Open) {
	b, l := start(t, open)
	mustDo(t, l, account("world", -money.Max, money.Max), account("a", 0, money.Max), account("idle", 0, money.Max))
	for i := range 100 {
		at := noon.Add(time.Duration(i+1) * time.Hour)
		if i == 50 {
			at = noon // the clock jumps back: the books count it to the hour they had reached
		}
		r, err := l.Submit(t.Context(), ledger.Request{At: at, Do: move(ledger.TransferID(fmt.Sprint(i)), "world", "a", 1)})
		if err != nil || !r.OK() {
			t.Fatal(r, err)
		}
	}
	for i := range 103 {
		want := money.Yen(i)
		switch {
		case i == 50, i == 51:
			want = 51 // the one of the jump came right after that of hour 50
		case i > 100:
			want = 100
		}
		got, err := b.BalanceAt(t.Context(), "a", noon.Add(time.Duration(i)*time.Hour+time.Minute))
		if err != nil || got != want {
			t.Errorf("after %d hours: %d, %v, want %d", i, got, err, want)
		}
	}
	if got, err := b.BalanceAt(t.Context(), "idle", noon.Add(1000*time.Hour)); err != nil || got != 0 {
		t.Errorf("without lines: %d, %v", got, err)
	}
	for _, n := range []int{1, 31, 32, 33, 64, 65, 200} { // pages of any size join without a gap
		var all []ledger.Line
		for before := int64(0); ; {
			page, err := b.History(t.Context(), "a", before, n)
			if err != nil {
				t.Fatal(err)
			}
			if all = append(all, page...); len(page) < n {
				break
			}
			before = page[len(page)-1].N
		}
		same(t, "lines", len(all), 100)
		for i, line := range all {
			same(t, "balance of a line", line.Balance, money.Yen(100-i))
		}
	}
}

// testOverdue says which holds are over, in their order, and that they cannot be posted but voided.
func testOverdue(t *testing.T, open Open) {
	b, l := start(t, open)
	mustDo(t, l, account("world", -money.Max, money.Max), account("a", 0, money.Max))
	until := func(id ledger.TransferID, after time.Duration) ledger.Hold {
		return ledger.Hold{Move: move(id, "world", "a", 10), Until: noon.Add(after)}
	}
	mustDo(t, l, until("late", 3*time.Hour), until("early", time.Hour), until("posted", time.Minute), until("voided", time.Minute),
		until("middle", 2*time.Hour), ledger.Hold{Move: move("charge", "world", "a", 10)}, ledger.Post{ID: "posted"}, ledger.Void{ID: "voided"})
	list := func(after time.Duration, n int) []ledger.TransferID {
		ids, err := b.Overdue(t.Context(), noon.Add(after), n)
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	same(t, "too early", list(59*time.Minute, 10), []ledger.TransferID{})
	same(t, "two hours later", list(2*time.Hour, 10), []ledger.TransferID{"early", "middle"})
	same(t, "one of them", list(2*time.Hour, 1), []ledger.TransferID{"early"})
	r, err := l.Submit(t.Context(), ledger.Request{At: noon.Add(time.Hour), Do: ledger.Post{ID: "early"}})
	if err != nil || r.Outcome != ledger.Expired {
		t.Errorf("posted too late: %+v, %v", r, err)
	}
	mustDo(t, l, ledger.Void{ID: "early"})
	same(t, "afterwards", list(1000*time.Hour, 10), []ledger.TransferID{"middle", "late"})
}
