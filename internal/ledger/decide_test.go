package ledger

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kozamori/kozamori/internal/money"
)

func drawMove(t *rapid.T, label string) Move {
	word := rapid.StringOfN(rapid.SampledFrom([]rune("ab")), 0, 3, -1)
	m := Move{Kind: word.Draw(t, label), Gate: GateID(word.Draw(t, label)), Memo: word.Draw(t, label)}
	for range rapid.IntRange(0, 2).Draw(t, label) {
		m.Legs = append(m.Legs, Leg{AccountID(word.Draw(t, label)), AccountID(word.Draw(t, label)), money.Yen(rapid.IntRange(1, 2).Draw(t, label))})
	}
	for range rapid.IntRange(0, 2).Draw(t, label) {
		m.Limits = append(m.Limits, LimitID(word.Draw(t, label)))
	}
	return m
}

// Two requests have one digest only if they are the same request: words cannot run into one another.
func TestDigest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawMove(t, "a"), drawMove(t, "b")
		if rapid.Bool().Draw(t, "same") {
			b = a
			b.Limits = slices.Clone(a.Limits)
			slices.Reverse(b.Limits)
			b.Device, b.Final = "other", !a.Final
		}
		equal := a.Kind == b.Kind && a.Gate == b.Gate && a.Memo == b.Memo && slices.Equal(a.Legs, b.Legs) &&
			slices.Equal(distinct(a.Limits), distinct(b.Limits))
		if (digestOf(a, false) == digestOf(b, false)) != equal {
			t.Errorf("%+v and %+v", a, b)
		}
		if digestOf(a, false) == digestOf(a, true) {
			t.Error("a Move is not a Hold")
		}
	})
}

// Decide is pure: it leaves the state as it was and answers the same again.
func TestDecideLeavesTheState(t *testing.T) {
	at := time.Unix(1_000_000_000, 0).UTC()
	fresh := func() *State {
		s := NewState()
		s.Accounts["a"] = Account{ID: "a", Balance: 100, Floor: 0, Ceiling: 1000, Version: 1}
		s.Accounts["b"] = Account{ID: "b", Balance: -100, Floor: -1000, HeldIn: 5, Version: 1}
		s.Accounts["c"] = Account{ID: "c", HeldOut: 5, Ceiling: 10, Version: 1}
		s.Gates["g"] = Gate{ID: "g", Version: 1}
		s.Limits["l"] = Limit{ID: "l", Each: 100, Day: 100, Month: 100, Version: 1}
		s.LimitUses["l"] = append(make([]Use, 0, 8), Use{at, 1}) // room to write into
		s.GateUses["g"] = append(make([]Use, 0, 8), Use{at, 1})
		s.Transfers["h"] = Transfer{Move: Move{ID: "h", Legs: []Leg{{"c", "b", 5}}, Limits: []LimitID{"l"}}, Hold: true, Result: Result{Outcome: Done, At: at}}
		return s
	}
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
	if diff := cmp.Diff(fresh(), s); diff != "" {
		t.Errorf("the state is changed:\n%s", diff)
	}
	if uses := s.LimitUses["l"][:2]; uses[1] != (Use{}) {
		t.Errorf("a use was written behind the state's back: %+v", uses)
	}
	again, changesAgain := Decide(s, reqs)
	if diff := cmp.Diff(results, again) + cmp.Diff(changes, changesAgain); diff != "" {
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
	s.Accounts["a"] = Account{ID: "a", Version: 1}
	d := &decider{old: s, now: NewState(), c: &Changes{}}
	d.now.Accounts["a"] = Account{ID: "a", Balance: 1, Version: 2}
	d.collect()
}

func TestNoteNeedsNoTime(t *testing.T) {
	results, changes := Decide(NewState(), []Request{{Do: Note{}}, {Do: Bury{ID: "x"}}})
	if results[0].Outcome != Done || results[1].Outcome != Overflow || !changes.Empty() {
		t.Errorf("%+v, %+v", results, changes)
	}
}
