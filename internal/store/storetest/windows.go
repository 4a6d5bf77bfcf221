package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// testWindows stores uses over 40 days and then asks, in one commit, for too much at moments before, among
// and after them. What is left says to the yen what the ledger believes was used: a store that merges uses
// must not merge those that two moments of the batch tell apart.
func testWindows(t *testing.T, open Open) {
	_, l := start(t, open)
	const most = 1_000_000
	mustDo(t, l, account("world", -money.Max, money.Max), account("a", -money.Max, money.Max),
		ledger.SetLimit{Limit: ledger.Limit{ID: "day", Each: money.Max, Day: most, Month: money.Max}},
		ledger.SetLimit{Limit: ledger.Limit{ID: "month", Each: money.Max, Day: money.Max, Month: most}},
		ledger.SetGate{Gate: ledger.Gate{ID: "g", LimitedCap: most, LimitedUntil: noon.Add(1000 * time.Hour * 24)}})
	through := func(id string, amount money.Yen, limit ledger.LimitID) ledger.Move {
		return with(move(ledger.TransferID(id), "world", "a", amount), func(m *ledger.Move) {
			if limit == "" {
				m.Gate = "g"
			} else {
				m.Limits = []ledger.LimitID{limit}
			}
		})
	}
	type use struct {
		At     time.Time
		Amount money.Yen
	}
	var used []use
	for i := range 80 {
		u := use{At: noon.Add(time.Duration(i) * 12 * time.Hour), Amount: money.Yen(100 + i*i%37)}
		used = append(used, u)
		for j, limit := range []ledger.LimitID{"day", "month", ""} {
			r, err := l.Submit(t.Context(), ledger.Request{At: u.At, Do: through(fmt.Sprint(i, "/", j), u.Amount, limit)})
			if err != nil || !r.OK() {
				t.Fatal(r, err)
			}
		}
	}
	left := func(at time.Time, window, kept time.Duration) money.Yen {
		rest := money.Yen(most)
		forgotten := used[len(used)-1].At.Add(-kept - ledger.Slack) // a use that old is gone: if it counted again, nothing would be left
		for _, u := range used {
			if u.At.After(at.Add(-window)) {
				rest -= u.Amount
				if !u.At.After(forgotten) {
					return 0
				}
			}
		}
		return rest
	}
	for _, span := range []time.Duration{0, time.Microsecond, 12 * time.Hour, 36 * time.Hour, 35 * 24 * time.Hour} {
		for first := -2; first < 150; first += 7 {
			from := noon.Add(time.Duration(first) * 12 * time.Hour)
			var reqs []ledger.Request
			for _, at := range []time.Time{from, from.Add(span / 2), from.Add(span)} {
				for _, limit := range []ledger.LimitID{"day", "month", ""} {
					reqs = append(reqs, ledger.Request{At: at, Do: through("more", most+1, limit)})
				}
			}
			results, err := l.SubmitAll(t.Context(), reqs)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range results {
				window := []time.Duration{24 * time.Hour, 30 * 24 * time.Hour, 24 * time.Hour}[i%3]
				kept := []time.Duration{30 * 24 * time.Hour, 30 * 24 * time.Hour, 24 * time.Hour}[i%3]
				if at := reqs[i].At.Truncate(time.Microsecond); r.Left != left(at, window, kept) {
					t.Fatalf("span %v, request %d at %v: %+v, want %d left", span, i, at, r, left(at, window, kept))
				}
			}
		}
	}
}
