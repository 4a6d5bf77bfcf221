package storetest

import (
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// step is one request of a scenario and what must be answered; After is added to noon. Want's At is only
// compared where it is set.
type step struct {
	After time.Duration
	Do    ledger.Action
	Want  ledger.Result
}

// scenario begins with the accounts world (unbounded), a and b (0 to 1,000 yen, a with 500) and due (a
// receivable: -300 to 0).
type scenario struct {
	name  string
	steps []step
}

// Shorthand for answers.
var (
	done     = ledger.Result{Outcome: ledger.Done}
	repeated = ledger.Result{Outcome: ledger.Done, Repeated: true}
	open     = ledger.Result{Outcome: ledger.Done, Open: true}
	voided   = ledger.Result{Outcome: ledger.Done, Voided: true}
	mismatch = ledger.Result{Outcome: ledger.Mismatch}
	overflow = ledger.Result{Outcome: ledger.Overflow}
	buried   = ledger.Result{Outcome: ledger.Buried}
)

func again(r ledger.Result) ledger.Result {
	r.Repeated = true
	return r
}

func firstAt(r ledger.Result, after time.Duration) ledger.Result {
	r.At = noon.Add(after)
	return r
}

func unknown(what string) ledger.Result {
	return ledger.Result{Outcome: ledger.Unknown, Reason: what}
}

func insufficient(a ledger.AccountID, left money.Yen) ledger.Result {
	return ledger.Result{Outcome: ledger.Insufficient, Account: a, Left: left}
}

func full(a ledger.AccountID, left money.Yen) ledger.Result {
	return ledger.Result{Outcome: ledger.Full, Account: a, Left: left}
}

func overLimit(l ledger.LimitID, w ledger.Window, left money.Yen) ledger.Result {
	return ledger.Result{Outcome: ledger.OverLimit, Limit: l, Window: w, Left: left}
}

// testScenarios plays every scenario twice: a commit per request, and all requests in one commit. What is
// answered must not depend on how requests happen to be grouped.
func testScenarios(t *testing.T, open Open) {
	var all []scenario
	all = append(all, transferScenarios()...)
	all = append(all, holdScenarios()...)
	all = append(all, limitScenarios()...)
	all = append(all, gateScenarios()...)
	all = append(all, malformedScenarios()...)
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			t.Run("one by one", func(t *testing.T) { s.play(t, open, 1) })
			t.Run("in one commit", func(t *testing.T) { s.play(t, open, len(s.steps)) })
		})
	}
}

func (s scenario) play(t *testing.T, open Open, group int) {
	b, l := start(t, open)
	mustDo(t, l, account("world", -money.Max, money.Max), account("a", 0, 1000), account("b", 0, 1000), account("due", -300, 0),
		move("fund a", "world", "a", 500))
	s.ask(t, l, group)
	checkSum(t, b, "world", "a", "b", "due")
}

// ask makes the requests of a scenario, so many in a commit, and compares the answers.
func (s scenario) ask(t *testing.T, l *ledger.Ledger, group int) {
	t.Helper()
	for first := 0; first < len(s.steps); first += group {
		steps := s.steps[first:min(len(s.steps), first+group)]
		reqs := make([]ledger.Request, len(steps))
		for i, st := range steps {
			reqs[i] = ledger.Request{At: noon.Add(st.After), Do: st.Do}
		}
		results, err := l.SubmitAll(t.Context(), reqs)
		if err != nil {
			t.Fatal(err)
		}
		for i, st := range steps {
			got := results[i]
			if st.Want.At.IsZero() {
				got.At = time.Time{}
			}
			if got != st.Want {
				t.Errorf("step %d, %+v:\n got %+v\nwant %+v", first+i+1, st.Do, got, st.Want)
			}
		}
	}
}

// checkSum says that balances sum to zero and each is what its history says.
func checkSum(t testing.TB, b Books, ids ...ledger.AccountID) {
	t.Helper()
	var sum money.Yen
	for _, id := range ids {
		a, err := b.Account(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		sum += a.Balance
		lines, err := b.History(t.Context(), id, 0, 1_000_000)
		if err != nil {
			t.Fatal(err)
		}
		var lineSum money.Yen
		for i := len(lines) - 1; i >= 0; i-- {
			if lineSum += lines[i].Amount; lineSum != lines[i].Balance {
				t.Errorf("%s line %d: balance %d, want %d", id, lines[i].N, lines[i].Balance, lineSum)
			}
		}
		if lineSum != a.Balance {
			t.Errorf("%s: lines sum to %d, balance %d", id, lineSum, a.Balance)
		}
	}
	if sum != 0 {
		t.Errorf("balances sum to %d", sum)
	}
}

func final(m ledger.Move) ledger.Move { return with(m, func(m *ledger.Move) { m.Final = true }) }

func transferScenarios() []scenario {
	two := ledger.Move{ID: "two", Legs: []ledger.Leg{{Debit: "a", Credit: "b", Amount: 300}, {Debit: "b", Credit: "world", Amount: 300}}}
	return []scenario{
		{"accounts", []step{
			{0, account("a", 0, 1000), repeated},
			{0, account("a", 0, 2000), ledger.Result{Outcome: ledger.Mismatch, Account: "a"}},
			{0, account("c", 1, 1000), ledger.Result{Outcome: ledger.Overflow, Account: "c"}},
			{0, account("c", -money.Max-1, 0), ledger.Result{Outcome: ledger.Overflow, Account: "c"}},
			{0, ledger.Note{}, done},
		}},
		{"bounds", []step{
			{0, ledger.Bound{Account: "a", Floor: 0, Ceiling: 400}, done},
			{0, move("in", "world", "a", 1), full("a", 0)},
			{0, move("out", "a", "world", 1), done}, // brings it nearer, though it is still over
			{0, ledger.Bound{Account: "a", Floor: 499, Ceiling: 1000}, done},
			{0, move("out2", "a", "world", 1), insufficient("a", 0)},
			{0, ledger.Bound{Account: "nobody"}, ledger.Result{Outcome: ledger.Unknown, Account: "nobody", Reason: "account"}},
			{0, ledger.Bound{Account: "a", Floor: 2, Ceiling: 1}, ledger.Result{Outcome: ledger.Overflow, Account: "a"}},
		}},
		{"once for ever", []step{
			{0, move("m", "a", "b", 100), firstAt(done, 0)},
			{time.Hour, move("m", "a", "b", 100), firstAt(repeated, 0)},
			{0, move("m", "a", "b", 101), mismatch},
			{0, move("m", "b", "a", 100), mismatch},
			{0, with(move("m", "a", "b", 100), func(m *ledger.Move) { m.Memo = "other" }), mismatch},
			{0, with(move("m", "a", "b", 100), func(m *ledger.Move) { m.Device = "another proof" }), repeated},
			{0, ledger.Hold{Move: move("m", "a", "b", 100)}, mismatch},
			{0, move("n", "a", "world", 400), done},
			{0, move("m", "a", "b", 100), repeated}, // though the money is gone
		}},
		{"funds and room", []step{
			{0, move("m", "a", "b", 501), insufficient("a", 500)},
			{0, move("m", "a", "b", 500), done}, // a refused id may be tried again, with other content too
			{0, move("n", "a", "b", 1), insufficient("a", 0)},
			{0, move("o", "world", "b", 501), full("b", 500)},
			{0, move("p", "due", "b", 300), done},
			{0, move("q", "due", "b", 1), insufficient("due", 0)},
			{0, move("r", "world", "due", 301), full("due", 300)},
			{0, move("s", "world", "due", 300), done},
		}},
		{"final refusals", []step{
			{0, final(move("m", "a", "b", 501)), firstAt(insufficient("a", 500), 0)},
			{0, move("fund", "world", "a", 100), done},
			{time.Hour, final(move("m", "a", "b", 501)), firstAt(again(insufficient("a", 500)), 0)},
			{0, move("m", "a", "b", 501), again(insufficient("a", 500))}, // kept is kept
			{0, final(move("m", "a", "b", 50)), mismatch},
			{0, ledger.Bury{ID: "m"}, again(insufficient("a", 500))},
			{0, ledger.Post{ID: "m"}, unknown("hold")},
			{0, final(move("n", "a", "later", 1)), ledger.Result{Outcome: ledger.Unknown, Account: "later", Reason: "account"}},
			{0, account("later", 0, 1000), done},
			{0, final(move("n", "a", "later", 1)), done}, // what could not be judged was not kept
			{0, move("back", "later", "a", 1), done},
		}},
		{"all legs or none", []step{
			{0, ledger.Move{ID: "x", Legs: []ledger.Leg{{Debit: "a", Credit: "b", Amount: 300}, {Debit: "a", Credit: "world", Amount: 201}}}, insufficient("a", 500)},
			{0, two, done}, // b pays out what it gets
			{0, ledger.Hold{Move: with(two, func(m *ledger.Move) { m.ID = "hold" })}, insufficient("a", 200)},
			{0, ledger.Hold{Move: ledger.Move{ID: "h2", Legs: []ledger.Leg{{Debit: "world", Credit: "b", Amount: 100}, {Debit: "b", Credit: "a", Amount: 100}}}}, insufficient("b", 0)},
		}},
		{"freezes", []step{
			{0, ledger.Freeze{Account: "a", Out: true}, done},
			{0, move("m", "a", "b", 1), ledger.Result{Outcome: ledger.Frozen, Account: "a"}},
			{0, move("n", "world", "a", 1), done},
			{0, ledger.Freeze{Account: "a", In: true}, done},
			{0, move("o", "world", "a", 1), ledger.Result{Outcome: ledger.Frozen, Account: "a"}},
			{0, move("m", "a", "b", 1), done},
			{0, ledger.Freeze{Account: "a"}, done},
			{0, move("o", "world", "a", 1), done},
			{0, ledger.Freeze{Account: "nobody"}, ledger.Result{Outcome: ledger.Unknown, Account: "nobody", Reason: "account"}},
		}},
		{"unknown account", []step{
			{0, move("m", "a", "nobody", 1), ledger.Result{Outcome: ledger.Unknown, Account: "nobody", Reason: "account"}},
		}},
		{"tombstones", []step{
			{0, ledger.Bury{ID: "m"}, firstAt(buried, 0)},
			{time.Hour, ledger.Bury{ID: "m"}, firstAt(again(buried), 0)},
			{time.Hour, move("m", "a", "b", 1), firstAt(again(buried), 0)},
			{0, ledger.Hold{Move: move("m", "a", "b", 1)}, again(buried)},
			{0, ledger.Post{ID: "m"}, again(buried)},
			{0, ledger.Void{ID: "m"}, again(buried)},
			{0, move("n", "a", "b", 1), done},
			{0, ledger.Bury{ID: "n"}, repeated},
		}},
	}
}

func holdScenarios() []scenario {
	hold := func(id ledger.TransferID, from, to ledger.AccountID, amount money.Yen) ledger.Hold {
		return ledger.Hold{Move: move(id, from, to, amount)}
	}
	return []scenario{
		{"post", []step{
			{0, hold("h", "a", "b", 300), firstAt(open, 0)},
			{time.Minute, hold("h", "a", "b", 300), firstAt(again(open), 0)},
			{0, hold("h", "a", "b", 301), mismatch},
			{0, move("h", "a", "b", 300), mismatch},
			{0, move("m", "a", "world", 201), insufficient("a", 200)},
			{0, move("n", "world", "b", 701), full("b", 700)},
			{0, move("n", "world", "b", 700), done},
			{0, move("o", "a", "world", 200), done},
			{time.Hour, ledger.Post{ID: "h"}, firstAt(done, time.Hour)},
			{2 * time.Hour, ledger.Post{ID: "h"}, firstAt(repeated, time.Hour)},
			{0, ledger.Void{ID: "h"}, firstAt(ledger.Result{Outcome: ledger.Ended}, time.Hour)},
			{0, hold("h", "a", "b", 300), firstAt(repeated, 0)},
			{0, ledger.Bury{ID: "h"}, repeated},
			{0, move("p", "b", "a", 1000), done},
		}},
		{"void", []step{
			{0, hold("h", "a", "b", 500), open},
			{time.Hour, ledger.Void{ID: "h"}, firstAt(voided, time.Hour)},
			{2 * time.Hour, ledger.Void{ID: "h"}, firstAt(again(voided), time.Hour)},
			{0, ledger.Post{ID: "h"}, firstAt(ledger.Result{Outcome: ledger.Ended, Voided: true}, time.Hour)},
			{0, hold("h", "a", "b", 500), again(voided)},
			{0, ledger.Bury{ID: "h"}, again(voided)},
			{0, move("m", "a", "b", 500), done},
		}},
		{"a post cannot fail", []step{
			{0, hold("h", "a", "b", 500), open},
			{0, ledger.Freeze{Account: "a", In: true, Out: true}, done},
			{0, ledger.Freeze{Account: "b", In: true, Out: true}, done},
			{0, ledger.Bound{Account: "a", Floor: 400, Ceiling: 1000}, done},
			{0, ledger.Bound{Account: "b", Floor: 0, Ceiling: 100}, done},
			{0, ledger.Post{ID: "h"}, done},
			{0, ledger.Freeze{Account: "b"}, done},
			{0, move("m", "world", "b", 1), full("b", 0)},
		}},
		{"holds fill a receivable", []step{
			{0, hold("h", "due", "b", 200), open},
			{0, hold("i", "due", "b", 101), insufficient("due", 100)},
			{0, hold("i", "due", "b", 100), open},
			{0, ledger.Void{ID: "h"}, voided},
			{0, hold("j", "due", "b", 200), open},
		}},
		{"no such hold", []step{
			{0, ledger.Post{ID: "h"}, unknown("hold")},
			{0, ledger.Void{ID: "h"}, unknown("hold")},
			{0, move("m", "a", "b", 1), done},
			{0, ledger.Post{ID: "m"}, unknown("hold")},
			{0, ledger.Bury{ID: "b"}, buried},
			{0, hold("f", "a", "b", 1), open},
			{0, ledger.Bury{ID: "f"}, again(open)},
		}},
	}
}

func limitScenarios() []scenario {
	const day = 24 * time.Hour
	limited := func(id ledger.TransferID, amount money.Yen, limits ...ledger.LimitID) ledger.Move {
		return with(move(id, "world", "a", amount), func(m *ledger.Move) { m.Limits = limits })
	}
	set := func(id ledger.LimitID, each, day, month money.Yen) ledger.SetLimit {
		return ledger.SetLimit{Limit: ledger.Limit{ID: id, Each: each, Day: day, Month: month}}
	}
	return []scenario{
		{"windows roll", []step{
			{0, set("l", 100, 150, 200), done},
			{0, limited("1", 101, "l"), overLimit("l", ledger.Each, 100)},
			{0, limited("1", 100, "l"), done},
			{time.Hour, limited("2", 51, "l"), overLimit("l", ledger.Day, 50)},
			{time.Hour, limited("2", 50, "l"), done},
			{day - time.Microsecond, limited("3", 1, "l"), overLimit("l", ledger.Day, 0)},
			{day, limited("3", 51, "l"), overLimit("l", ledger.Month, 50)}, // the first has left the day
			{day, limited("3", 50, "l"), done},
			{30*day - time.Microsecond, limited("4", 1, "l"), overLimit("l", ledger.Month, 0)},
			{30 * day, limited("4", 100, "l"), done},
			{30 * day, limited("4", 100, "l"), repeated},
			{30 * day, limited("5", 1, "l"), overLimit("l", ledger.Month, 0)},
		}},
		{"tightened, never loosened", []step{
			{0, set("l", 100, 150, 200), done},
			{0, limited("1", 90, "l"), done},
			{0, ledger.Tighten{Limit: ledger.Limit{ID: "l", Each: 300, Day: 100, Month: 300}}, done},
			{0, limited("2", 11, "l"), overLimit("l", ledger.Day, 10)}, // what was used stays used
			{0, ledger.Tighten{Limit: ledger.Limit{ID: "l", Each: 300, Day: 300, Month: 300}}, done},
			{0, limited("2", 11, "l"), overLimit("l", ledger.Day, 10)},
			{0, limited("2", 10, "l"), done},
			{0, ledger.Tighten{Limit: ledger.Limit{ID: "none"}}, ledger.Result{Outcome: ledger.Unknown, Limit: "none", Reason: "limit"}},
		}},
		{"the longest wait is named", []step{
			{0, set("l", 100, 100, 100), done},
			{0, limited("1", 100, "l"), done},
			{0, limited("2", 1, "l"), overLimit("l", ledger.Month, 0)},
			{0, limited("3", 101, "l"), overLimit("l", ledger.Each, 0)},
		}},
		{"a clock that jumps back loosens nothing", []step{
			{0, set("l", 100, 100, 150), done},
			{10 * day, limited("1", 100, "l"), done},
			{0, limited("2", 1, "l"), overLimit("l", ledger.Day, 0)},
			{-29 * day, limited("3", 60, "l"), overLimit("l", ledger.Month, 0)}, // the amount is over both
		}},
		{"holds count, voids give back", []step{
			{0, set("l", 100, 100, 100), done},
			{0, ledger.Hold{Move: limited("1", 80, "l")}, open},
			{0, limited("2", 21, "l"), overLimit("l", ledger.Month, 20)},
			{time.Hour, ledger.Void{ID: "1"}, voided},
			{0, limited("2", 21, "l"), done},
			{0, ledger.Hold{Move: limited("3", 79, "l")}, open},
			{time.Hour, ledger.Post{ID: "3"}, done},
			{0, limited("4", 1, "l"), overLimit("l", ledger.Month, 0)},
		}},
		{"every limit, once each", []step{
			{0, set("l", 100, 100, 100), done},
			{0, set("m", money.Max, money.Max, money.Max), done},
			{0, limited("1", 100, "m", "l", "m"), done},
			{0, limited("1", 100, "l", "m"), repeated},
			{0, limited("2", 1, "m", "l"), overLimit("l", ledger.Month, 0)},
			{0, limited("3", 300, "m"), done},
			{0, limited("4", 1, "m", "none"), ledger.Result{Outcome: ledger.Unknown, Limit: "none", Reason: "limit"}},
			{0, set("m", 0, 0, 0), done},
			{0, limited("5", 1, "m"), overLimit("m", ledger.Each, 0)},
		}},
		{"usage survives a new limit, refunds count nothing back", []step{
			{0, set("l", 100, 100, 100), done},
			{0, limited("1", 90, "l"), done},
			{0, set("l", 200, 200, 200), done},
			{0, limited("2", 111, "l"), overLimit("l", ledger.Month, 110)},
			{0, move("refund", "a", "world", 90), done},
			{0, limited("2", 111, "l"), overLimit("l", ledger.Month, 110)},
		}},
	}
}

func gateScenarios() []scenario {
	through := func(id ledger.TransferID, amount money.Yen, device string) ledger.Move {
		return with(move(id, "a", "b", amount), func(m *ledger.Move) { m.Gate, m.Device = "g", device })
	}
	set := func(version int64, g ledger.Gate) ledger.SetGate { return ledger.SetGate{Gate: g, IfVersion: version} }
	shut := func(reason string, until time.Duration) ledger.Result {
		r := ledger.Result{Outcome: ledger.GateShut, Reason: reason}
		if until != 0 {
			r.Until = noon.Add(until)
		}
		return r
	}
	cooling := ledger.Gate{
		ID: "g", NotBefore: noon.Add(12 * time.Hour), Until: noon.Add(100 * time.Hour), LimitedUntil: noon.Add(36 * time.Hour), LimitedCap: 100,
		Device: "key",
	}
	limitedUntil := func(left money.Yen) ledger.Result {
		return ledger.Result{Outcome: ledger.GateLimited, Left: left, Until: noon.Add(36 * time.Hour)}
	}
	return []scenario{
		{"a link cools, is limited, is active, expires", []step{
			{0, through("0", 1, "key"), unknown("gate")},
			{0, set(0, cooling), done},
			{12*time.Hour - 1000, through("1", 1, "key"), shut("cooling", 12*time.Hour)},
			{12 * time.Hour, through("1", 1, "other"), ledger.Result{Outcome: ledger.WrongDevice}},
			{12 * time.Hour, through("1", 1, ""), ledger.Result{Outcome: ledger.WrongDevice}},
			{12 * time.Hour, through("1", 101, "key"), limitedUntil(100)},
			{12 * time.Hour, through("1", 100, "key"), done},
			{20 * time.Hour, through("2", 1, "key"), limitedUntil(0)},
			{36 * time.Hour, through("2", 200, "key"), done},
			{99 * time.Hour, through("3", 1, "key"), done},
			{100 * time.Hour, through("4", 1, "key"), shut("expired", 0)},
			{100 * time.Hour, through("3", 1, "key"), repeated},
		}},
		{"limited again counts what passed before", []step{
			{0, set(0, ledger.Gate{ID: "g"}), done},
			{0, through("1", 80, ""), done},
			{0, set(1, ledger.Gate{ID: "g", LimitedUntil: noon.Add(36 * time.Hour), LimitedCap: 100}), done},
			{time.Hour, through("2", 21, ""), limitedUntil(20)},
			{24*time.Hour - 1000, through("2", 21, ""), limitedUntil(20)},
			{24 * time.Hour, through("2", 100, ""), done},
			{0, through("3", 1, ""), limitedUntil(0)}, // the clock has jumped back
		}},
		{"a hold through a gate", []step{
			{0, set(0, ledger.Gate{ID: "g", LimitedUntil: noon.Add(36 * time.Hour), LimitedCap: 100}), done},
			{0, ledger.Hold{Move: through("h", 100, "")}, open},
			{0, through("1", 1, ""), limitedUntil(0)},
			{0, ledger.Void{ID: "h"}, voided},
			{0, through("1", 100, ""), done},
		}},
		{"stop all", []step{
			{0, set(0, ledger.Gate{ID: "p"}), done},
			{0, set(0, ledger.Gate{ID: "g", Parent: "p"}), done},
			{0, through("1", 1, ""), done},
			{0, set(1, ledger.Gate{ID: "p", Shut: "stopped"}), done},
			{0, through("2", 1, ""), shut("stopped", 0)},
			{0, through("1", 1, ""), repeated},
			{0, set(1, ledger.Gate{ID: "g", Parent: "p", Shut: "revoked"}), done},
			{0, through("2", 1, ""), shut("revoked", 0)},
			{0, set(2, ledger.Gate{ID: "p", NotBefore: noon.Add(time.Hour)}), done},
			{0, set(2, ledger.Gate{ID: "g", Parent: "p"}), done},
			{0, through("2", 1, ""), shut("cooling", time.Hour)},
			{time.Hour, through("2", 1, ""), done},
			{0, move("free", "b", "a", 1), done}, // what asks no gate passes
		}},
		{"versions of a gate", []step{
			{0, set(1, ledger.Gate{ID: "g"}), ledger.Result{Outcome: ledger.Stale}},
			{0, set(0, ledger.Gate{ID: "g"}), done},
			{0, set(0, ledger.Gate{ID: "g"}), repeated},
			{0, set(0, ledger.Gate{ID: "g", Shut: "other"}), ledger.Result{Outcome: ledger.Stale}},
			{0, set(1, ledger.Gate{ID: "g", Shut: "suspended"}), done},
			{0, set(1, ledger.Gate{ID: "g"}), ledger.Result{Outcome: ledger.Stale}},
			{0, set(2, ledger.Gate{ID: "g", Parent: "nobody"}), unknown("gate")},
			{0, set(2, ledger.Gate{ID: "g"}), done},
		}},
		{"a parent has no parent", []step{
			{0, set(0, ledger.Gate{ID: "p"}), done},
			{0, set(0, ledger.Gate{ID: "g", Parent: "p"}), done},
			{0, set(0, ledger.Gate{ID: "h", Parent: "g"}), unknown("gate")},
			{0, set(0, ledger.Gate{ID: "top"}), done},
			{0, set(1, ledger.Gate{ID: "p", Parent: "top"}), done},
			{0, through("1", 1, ""), unknown("gate")}, // what cannot be judged stays shut
		}},
	}
}

func malformedScenarios() []scenario {
	legs := func(legs ...ledger.Leg) ledger.Move { return ledger.Move{ID: "m", Legs: legs, Final: true} }
	return []scenario{{"malformed", []step{
		{0, legs(), overflow},
		{0, legs(ledger.Leg{Debit: "a", Credit: "b"}), overflow},
		{0, legs(ledger.Leg{Debit: "a", Credit: "b", Amount: -1}), overflow},
		{0, legs(ledger.Leg{Debit: "a", Credit: "a", Amount: 1}), overflow},
		{0, legs(ledger.Leg{Debit: "a", Amount: 1}), overflow},
		{0, legs(make([]ledger.Leg, ledger.MaxLegs+1)...), overflow},
		{0, legs(ledger.Leg{Debit: "a", Credit: "b", Amount: ledger.MaxAmount + 1}), overflow},
		{0, legs(ledger.Leg{Debit: "a", Credit: "b", Amount: ledger.MaxAmount}, ledger.Leg{Debit: "a", Credit: "b", Amount: 1}), overflow},
		{0, legs(ledger.Leg{Debit: "world", Credit: "b", Amount: 1 << 62}, ledger.Leg{Debit: "a", Credit: "b", Amount: 1 << 62}), overflow},
		{0, with(move("m", "a", "b", 1), func(m *ledger.Move) { m.Memo = strings.Repeat("x", ledger.MaxMemo+1) }), overflow},
		{0, with(move("m", "a", "b", 1), func(m *ledger.Move) { m.Memo = "a\x00b" }), overflow},
		{0, with(move("m", "a", "b", 1), func(m *ledger.Move) { m.Kind = "\xff" }), overflow},
		{0, with(move("m", "a", "b", 1), func(m *ledger.Move) { m.Limits = []ledger.LimitID{""} }), overflow},
		{0, move("", "a", "b", 1), overflow},
		{0, move(ledger.TransferID(strings.Repeat("x", ledger.MaxID+1)), "a", "b", 1), overflow},
		{0, ledger.Bury{}, overflow},
		{0, ledger.SetGate{Gate: ledger.Gate{ID: "g", Parent: "g"}}, overflow},
		{0, ledger.SetGate{Gate: ledger.Gate{ID: "g", LimitedCap: -1}}, overflow},
		{0, ledger.SetGate{Gate: ledger.Gate{ID: "g", Until: time.Unix(-1, 0)}}, overflow},
		{0, ledger.SetLimit{Limit: ledger.Limit{ID: "l", Day: -1}}, ledger.Result{Outcome: ledger.Overflow, Limit: "l"}},
		{-100 * 365 * 24 * time.Hour, move("m", "a", "b", 1), overflow}, // 1920
		{0, move("m", "a", "b", 1), done},                               // none of them took the id
	}}}
}
