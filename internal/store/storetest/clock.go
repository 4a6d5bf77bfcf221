package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// testClockJumpsBack is a machine whose clock is set back under load, by less than the windows of limits and by
// more, and then right again. While it is back nothing is loosened: what was used before counts although it is
// dated in the future, and what is used meanwhile is dated like it. Statements stay in the order of booking, balances follow each other, and what was answered
// keeps its first date.
func testClockJumpsBack(t *testing.T, open Open) {
	for _, jump := range []time.Duration{time.Microsecond, time.Hour, 25 * time.Hour, 40 * 24 * time.Hour} {
		for _, group := range []int{1, 100} {
			t.Run(fmt.Sprint(jump, " in commits of ", group), func(t *testing.T) { clockJump(t, open, jump, group) })
		}
	}
}

func clockJump(t *testing.T, open Open, jump time.Duration, group int) {
	b, l := start(t, open)
	mustDo(t, l, account("world", -money.Max, money.Max), account("a", 0, money.Max), move("fund", "world", "a", 10_000),
		ledger.SetLimit{Limit: ledger.Limit{ID: "day", Each: money.Max, Day: 1000, Month: money.Max}},
		ledger.SetLimit{Limit: ledger.Limit{ID: "month", Each: money.Max, Day: money.Max, Month: 2000}},
		ledger.SetGate{Gate: ledger.Gate{ID: "new", LimitedCap: 500, LimitedUntil: noon.Add(24 * time.Hour)}})
	out := func(id ledger.TransferID, amount money.Yen, limits ...ledger.LimitID) ledger.Move {
		return with(move(id, "a", "world", amount), func(m *ledger.Move) { m.Limits = limits })
	}
	through := func(id ledger.TransferID, amount money.Yen) ledger.Move {
		return with(move(id, "a", "world", amount), func(m *ledger.Move) { m.Gate = "new" })
	}
	limited := ledger.Result{Outcome: ledger.GateLimited, Left: 100, Until: noon.Add(24 * time.Hour)}
	back, held := -jump, ledger.Result{Outcome: ledger.Done, Open: true}
	steps := []step{
		{0, out("1", 600, "day"), done},
		{0, out("2", 1500, "month"), done},
		{0, through("3", 400), done},
		{time.Hour, ledger.Hold{Move: out("4", 50)}, held},
		{back, out("5", 401, "day"), overLimit("day", ledger.Day, 400)},
		{back, out("5", 400, "day"), done},
		{back, out("6", 1, "day"), overLimit("day", ledger.Day, 0)},
		{back, out("7", 501, "month"), overLimit("month", ledger.Month, 500)},
		{back, through("8", 101), limited},
		{back, through("8", 100), done},
		{back, out("1", 600, "day"), firstAt(repeated, 0)}, // the same answer, of the same date
		{back, ledger.Post{ID: "4"}, done},
		{back, ledger.Post{ID: "4"}, repeated},
		{2 * time.Hour, out("9", 1), done}, // the clock is right again
		{2 * time.Hour, out("5", 400, "day"), firstAt(repeated, back)},
		{24*time.Hour - 1, out("10", 1, "day"), overLimit("day", ledger.Day, 0)}, // what was booked meanwhile counts as long as what was booked before
		{24 * time.Hour, out("10", 1000, "day"), done},
	}
	scenario{steps: steps}.ask(t, l, group)

	booked := []struct {
		id    ledger.TransferID
		after time.Duration
	}{{"fund", 0}, {"1", 0}, {"2", 0}, {"3", 0}, {"5", back}, {"8", back}, {"4", back}, {"9", 2 * time.Hour}, {"10", 24 * time.Hour}}
	lines, err := b.History(t.Context(), "a", 0, 100)
	if err != nil || len(lines) != len(booked) {
		t.Fatalf("%d lines, %v, want %d", len(lines), err, len(booked))
	}
	for i, want := range booked {
		got := lines[len(lines)-1-i]
		if got.Transfer != want.id || !got.At.Equal(noon.Add(want.after)) {
			t.Errorf("line %d: %s at %v, want %s at %v", i, got.Transfer, got.At, want.id, noon.Add(want.after))
		}
	}
	var paged []ledger.Line
	for before := int64(0); len(paged) < len(lines); {
		page, err := b.History(t.Context(), "a", before, 3)
		if err != nil || len(page) == 0 {
			t.Fatal(page, err)
		}
		paged = append(paged, page...)
		before = page[len(page)-1].N
	}
	same(t, "page by page", paged, lines)
	checkSum(t, b, "a", "world")
	if _, err := b.Transfer(t.Context(), "6"); fault.Of(err) != fault.NotFound {
		t.Errorf("what was refused: %v", err)
	}
}
