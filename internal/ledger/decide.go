package ledger

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kozamori/kozamori/internal/money"
)

// Decide answers the requests one after the other, each upon what the ones before it changed. It leaves the
// state as it is and reads no clock: the same state and requests always give the same answers.
func Decide(state *State, reqs []Request) ([]Result, *Changes) {
	d := &decider{
		old: state,
		now: &State{
			Accounts: maps.Clone(state.Accounts), Transfers: maps.Clone(state.Transfers),
			Gates: maps.Clone(state.Gates), Limits: maps.Clone(state.Limits),
			LimitUses: cloneUses(state.LimitUses), GateUses: cloneUses(state.GateUses),
		},
		c: &Changes{},
	}
	results := make([]Result, len(reqs))
	for i, r := range reqs {
		results[i] = d.decide(moment(r.At), r.Do)
	}
	d.collect()
	return results, d.c
}

// decider is the state while a batch is decided, and what it changed so far.
type decider struct {
	old, now *State
	c        *Changes
}

func cloneUses[K comparable](uses map[K][]Use) map[K][]Use {
	c := maps.Clone(uses)
	for k, u := range c {
		c[k] = slices.Clip(u) // so that an append copies and never writes into the caller's array
	}
	return c
}

// moment is a time as the books keep it.
func moment(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

func (d *decider) decide(at time.Time, do Action) Result {
	if _, note := do.(Note); note {
		return Result{Outcome: Done, At: at}
	}
	if !inRange(at) {
		return Result{Outcome: Overflow, At: at}
	}
	switch do := do.(type) {
	case Open:
		return d.open(at, do.Account)
	case Bound:
		return d.bound(at, do)
	case Freeze:
		return d.freeze(at, do)
	case SetGate:
		return d.setGate(at, do)
	case SetLimit:
		return d.setLimit(at, do.Limit)
	case Tighten:
		return d.tighten(at, do.Limit)
	case Move:
		return d.transfer(at, do, false)
	case Hold:
		return d.transfer(at, do.Move, true)
	case Post:
		return d.end(at, do.ID, Posted)
	case Void:
		return d.end(at, do.ID, Voided)
	case Bury:
		return d.bury(at, do.ID)
	}
	panic(fmt.Sprintf("ledger: no such action: %T", do))
}

func (d *decider) open(at time.Time, a Account) Result {
	if !validID(a.ID) || !isText(a.Kind, MaxID) || !validBounds(a.Floor, a.Ceiling) || a.Floor > 0 || a.Ceiling < 0 {
		return Result{Outcome: Overflow, At: at, Account: a.ID}
	}
	if have, ok := d.now.Accounts[a.ID]; ok {
		if have.Kind == a.Kind && have.Floor == a.Floor && have.Ceiling == a.Ceiling {
			return Result{Outcome: Done, Repeated: true, At: at}
		}
		return Result{Outcome: Mismatch, At: at, Account: a.ID}
	}
	d.put(Account{
		ID: a.ID, Kind: a.Kind, Floor: a.Floor, Ceiling: a.Ceiling,
		FrozenIn: a.FrozenIn, FrozenOut: a.FrozenOut,
	})
	return Result{Outcome: Done, At: at}
}

func (d *decider) bound(at time.Time, b Bound) Result {
	if !validBounds(b.Floor, b.Ceiling) {
		return Result{Outcome: Overflow, At: at, Account: b.Account}
	}
	a, ok := d.now.Accounts[b.Account]
	if !ok {
		return Result{Outcome: Unknown, At: at, Account: b.Account, Reason: "account"}
	}
	if a.Floor != b.Floor || a.Ceiling != b.Ceiling {
		a.Floor, a.Ceiling = b.Floor, b.Ceiling
		d.put(a)
	}
	return Result{Outcome: Done, At: at}
}

func (d *decider) freeze(at time.Time, f Freeze) Result {
	a, ok := d.now.Accounts[f.Account]
	if !ok {
		return Result{Outcome: Unknown, At: at, Account: f.Account, Reason: "account"}
	}
	if a.FrozenIn != f.In || a.FrozenOut != f.Out {
		a.FrozenIn, a.FrozenOut = f.In, f.Out
		d.put(a)
	}
	return Result{Outcome: Done, At: at}
}

// put stores an account's next version.
func (d *decider) put(a Account) {
	if a.HeldIn < 0 || a.HeldOut < 0 {
		panic(fmt.Sprintf("ledger: %s holds less than nothing", a.ID))
	}
	a.Version++
	d.now.Accounts[a.ID] = a
}

// collect lists what is new against the old state, and stops the program if the books do not balance.
func (d *decider) collect() {
	d.c.Accounts = changed(d.old.Accounts, d.now.Accounts, func(a Account) int64 { return a.Version })
	d.c.Gates = changed(d.old.Gates, d.now.Gates, func(g Gate) int64 { return g.Version })
	d.c.Limits = changed(d.old.Limits, d.now.Limits, func(l Limit) int64 { return l.Version })
	var moved, held money.Yen
	for _, c := range d.c.Accounts {
		was := d.old.Accounts[c.Now.ID]
		moved += c.Now.Balance - was.Balance
		held += c.Now.HeldIn - was.HeldIn - (c.Now.HeldOut - was.HeldOut)
	}
	if moved != 0 || held != 0 {
		panic(fmt.Sprintf("ledger: a batch changes the sum of all balances by %d, of holds by %d", moved, held))
	}
}

// changed lists the values whose version is new, in the order of their ids.
func changed[K cmp.Ordered, V any](old, now map[K]V, version func(V) int64) []Changed[V] {
	var list []Changed[V]
	for _, id := range slices.Sorted(maps.Keys(now)) {
		was := int64(0)
		if v, ok := old[id]; ok {
			was = version(v)
		}
		if version(now[id]) != was {
			list = append(list, Changed[V]{Now: now[id], Was: was})
		}
	}
	return list
}

// validID says whether something can be an identifier: not empty, not too long, text.
func validID[T ~string](id T) bool { return id != "" && isText(id, MaxID) }

// isText says whether every database keeps s as it is: UTF-8 without NUL.
func isText[T ~string](s T, limit int) bool {
	return len(s) <= limit && utf8.ValidString(string(s)) && strings.IndexByte(string(s), 0) < 0
}

func validBounds(floor, ceiling money.Yen) bool {
	return floor >= -money.Max && ceiling <= money.Max && floor <= ceiling
}

// inRange bounds times to what every database and the int64 of microseconds can keep.
func inRange(t time.Time) bool { return t.Year() >= 1970 && t.Year() <= 9999 && t.UnixMicro() > 0 }
