// Package storetest is the one suite that every engine passes: what the ledger promises is tested against
// real databases, never against a stand-in.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// Books is an engine under test. Its Apply writes each Row, in their order, where Rows finds it, and refuses
// BadRow and a Row that exists.
type Books interface {
	ledger.Store
	ledger.Reader

	// Rows lists the rows that were written, oldest first.
	Rows(ctx context.Context) ([]string, error)
}

// Row is a row of a role, as the suite has it.
type Row string

// BadRow is a row that no engine stores.
const BadRow Row = "bad"

// Open opens fresh, empty books and closes them when the test ends.
type Open func(testing.TB) Books

// RunLedger runs the whole suite.
func RunLedger(t *testing.T, open Open) {
	t.Run("scenarios", func(t *testing.T) { testScenarios(t, open) })
	t.Run("month end", func(t *testing.T) { testMonthEnd(t, open) })
	t.Run("clock jumps back", func(t *testing.T) { testClockJumpsBack(t, open) })
	t.Run("reader", func(t *testing.T) { testReader(t, open) })
	t.Run("text", func(t *testing.T) { testText(t, open) })
	t.Run("model", func(t *testing.T) { testModel(t, open) })
	t.Run("windows", func(t *testing.T) { testWindows(t, open) })
	t.Run("rows", func(t *testing.T) { testRows(t, open) })
	t.Run("limit under concurrency", func(t *testing.T) { testLimitConcurrently(t, open) })
	t.Run("same id concurrently", func(t *testing.T) { testSameID(t, open) })
	t.Run("two ledgers", func(t *testing.T) { testTwoLedgers(t, open) })
	t.Run("peers", func(t *testing.T) { testPeers(t, open) })
	t.Run("past balances", func(t *testing.T) { testPastBalances(t, open) })
	t.Run("overdue", func(t *testing.T) { testOverdue(t, open) })
	t.Run("linearizable", func(t *testing.T) { testLinearizable(t, open) })
}

// Noon is when the suite's days begin.
var noon = time.Date(2020, 8, 20, 3, 0, 0, 0, time.UTC)

// start opens books with a ledger.
func start(t testing.TB, open Open) (Books, *ledger.Ledger) {
	t.Helper()
	b := open(t)
	l := ledger.New(b, ledger.Options{})
	t.Cleanup(l.Close)
	return b, l
}

// do asks one thing at noon and fails the test on an error.
func do(t testing.TB, l *ledger.Ledger, a ledger.Action) ledger.Result {
	t.Helper()
	r, err := l.Submit(t.Context(), ledger.Request{At: noon, Do: a})
	if err != nil {
		t.Fatalf("%T: %v", a, err)
	}
	return r
}

// mustDo is do for what must be done.
func mustDo(t testing.TB, l *ledger.Ledger, actions ...ledger.Action) {
	t.Helper()
	for _, a := range actions {
		if r := do(t, l, a); !r.OK() {
			t.Fatalf("%+v: %+v", a, r)
		}
	}
}

// account makes the Open of a plain account.
func account(id ledger.AccountID, floor, ceiling money.Yen) ledger.Open {
	return ledger.Open{Account: ledger.Account{ID: id, Kind: "test", Floor: floor, Ceiling: ceiling}}
}

// move makes a Move with one leg.
func move(id ledger.TransferID, from, to ledger.AccountID, amount money.Yen) ledger.Move {
	return ledger.Move{ID: id, Kind: "test", Legs: []ledger.Leg{{Debit: from, Credit: to, Amount: amount}}}
}

// with changes a move.
func with(m ledger.Move, change func(*ledger.Move)) ledger.Move {
	change(&m)
	return m
}

// balance reads an account's balance.
func balance(t testing.TB, b Books, id ledger.AccountID) money.Yen {
	t.Helper()
	a, err := b.Account(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return a.Balance
}

// same fails the test where two values differ.
func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
