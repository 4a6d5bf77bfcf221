package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Decide is pure: it leaves the state as it was and answers the same again.
func TestDecideLeavesTheState(t *testing.T) {
	at := time.Unix(1_000_000_000, 0).UTC()
	fresh := func() *State {
		s := NewState()
		s.Head = Head{Last: 6}
		s.Accounts["a"] = &AccountRow{Account: Account{ID: "a", Balance: 100, Floor: 0, Ceiling: 1000}, Num: 1}
		s.Accounts["b"] = &AccountRow{
			Account: Account{ID: "b", Balance: -100, Floor: -1000, HeldIn: 5}, Num: 2, Tail: append(make([]int64, 0, 8), 1), // room to write into
		}
		s.Accounts["c"] = &AccountRow{Account: Account{ID: "c", HeldOut: 5, Ceiling: 10}, Num: 3}
		s.Gates["g"] = &GateRow{Gate: Gate{ID: "g", Version: 1}, Num: 4, Meter: Meter{uses: append(make([]use, 0, 8), use{at.UnixMicro(), 1})}}
		s.Limits["l"] = &LimitRow{
			Limit: Limit{ID: "l", Each: 100, Day: 100, Month: 100, Version: 1}, Num: 5,
			Meter: Meter{uses: append(make([]use, 0, 8), use{at.UnixMicro(), 5})},
		}
		s.Transfers["h"] = &TransferRow{Num: 6, Transfer: Transfer{
			Move: Move{ID: "h", Legs: []Leg{{"c", "b", 5}}, Limits: []LimitID{"l"}}, Hold: true, Result: Result{Outcome: Done, At: at},
		}}
		return s
	}
	unexported := cmp.AllowUnexported(Meter{}, use{})
	reqs := []Request{
		{At: at, Do: Move{ID: "m", Legs: []Leg{{"a", "b", 10}}, Gate: "g", Limits: []LimitID{"l"}}},
		{At: at, Do: Void{ID: "h"}},
		{At: at, Do: Freeze{Account: "a", In: true}},
		{At: at, Do: SetGate{Gate: Gate{ID: "g", Shut: "stopped"}, IfVersion: 1}},
		{At: at, Do: SetLimit{Limit{ID: "l"}}},
		{At: at, Do: Tighten{Limit{ID: "l"}}},
		{At: at, Do: Open{Account{ID: "new"}}},
		{At: at, Do: Bury{ID: "x"}},
	}
	s := fresh()
	results, changes := Decide(s, reqs)
	for i, r := range results {
		if !r.OK() && r.Outcome != Buried {
			t.Errorf("%T: %+v", reqs[i].Do, r)
		}
	}
	if diff := cmp.Diff(fresh(), s, unexported); diff != "" {
		t.Errorf("the state is changed:\n%s", diff)
	}
	uses, tail := s.Limits["l"].uses[:2], s.Accounts["b"].Tail[:2]
	if uses[1] != (use{}) || tail[1] != 0 {
		t.Errorf("written behind the state's back: %+v, %v", uses, tail)
	}
	again, changesAgain := Decide(s, reqs)
	if diff := cmp.Diff(results, again) + cmp.Diff(changes, changesAgain, unexported); diff != "" {
		t.Errorf("another answer:\n%s", diff)
	}
}

// Books that do not balance are our bug: the program must stop before they are committed.
func TestUnbalancedBooksStop(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it went on")
		}
	}()
	s := NewState()
	s.Accounts["a"] = &AccountRow{Account: Account{ID: "a"}, Num: 1}
	d := newDecider(s, 1)
	d.line("a", 1, 2)
	d.collect()
}

func TestNoteNeedsNoTime(t *testing.T) {
	results, changes := Decide(NewState(), []Request{{Do: Note{}}, {Do: Bury{ID: "x"}}})
	if results[0].Outcome != Done || results[1].Outcome != Overflow || !changes.Empty() {
		t.Errorf("%+v, %+v", results, changes)
	}
}
