package storetest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

func testModel(t *testing.T, open Open) {
	b, l := start(t, open)
	rapid.Check(t, Property(b, l))
}

// Property lets chance ask the ledger and the model the same things, in groups of chance, and compares every
// answer and every balance.
func Property(b Books, l *ledger.Ledger) func(*rapid.T) {
	var serial atomic.Int64
	return func(rt *rapid.T) {
		g := &game{rt: rt, b: b, l: l, m: newModel(), prefix: fmt.Sprint(serial.Add(1), "/")}
		g.begin()
		for range rapid.IntRange(1, 8).Draw(rt, "commits") {
			g.commit(rapid.IntRange(1, 12).Draw(rt, "requests"))
		}
		g.compare()
	}
}

// game is one run of the property. All runs share the books; prefix keeps their names apart.
type game struct {
	rt      *rapid.T
	b       Books
	l       *ledger.Ledger
	m       *model
	prefix  string
	pending []ledger.Request
	want    []ledger.Result
}

func (g *game) account(n string) ledger.AccountID { return ledger.AccountID(g.prefix + n) }

func (g *game) ask(at time.Time, do ledger.Action) {
	g.pending = append(g.pending, ledger.Request{At: at, Do: do})
	g.want = append(g.want, g.m.decide(at, do))
}

func (g *game) flush() {
	got, err := g.l.SubmitAll(g.rt.Context(), g.pending)
	if err != nil {
		g.rt.Fatal(err)
	}
	for i, r := range got {
		if r != g.want[i] {
			g.rt.Fatalf("%T %+v at %v:\n got %+v\nwant %+v", g.pending[i].Do, g.pending[i].Do, g.pending[i].At, r, g.want[i])
		}
	}
	g.pending, g.want = nil, nil
}

func (g *game) begin() {
	g.ask(noon, account(g.account("world"), -money.Max, money.Max))
	g.ask(noon, account(g.account("a"), 0, 500))
	g.ask(noon, account(g.account("b"), 0, 500))
	g.ask(noon, account(g.account("due"), -300, 0))
	g.ask(noon, move(ledger.TransferID(g.prefix+"fund"), g.account("world"), g.account("a"), 400))
	g.flush()
}

func (g *game) commit(n int) {
	for range n {
		// Six-hour steps, so that the ends of windows and gates are met exactly; back as well as forward.
		at := noon.Add(time.Duration(rapid.IntRange(-20, 160).Draw(g.rt, "at")) * 6 * time.Hour)
		g.ask(at, g.action())
	}
	g.flush()
}

func (g *game) action() ledger.Action {
	rt := g.rt
	id := ledger.TransferID(g.prefix + fmt.Sprint(rapid.IntRange(0, 9).Draw(rt, "id")))
	switch rapid.IntRange(0, 15).Draw(rt, "action") {
	case 0:
		a := g.account(rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "freeze"))
		return ledger.Freeze{Account: a, In: rapid.IntRange(0, 4).Draw(rt, "in") == 0, Out: rapid.IntRange(0, 4).Draw(rt, "out") == 0}
	case 1:
		return ledger.Bound{
			Account: g.account(rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "bound")),
			Floor:   money.Yen(rapid.IntRange(-50, 50).Draw(rt, "floor")), Ceiling: money.Yen(rapid.IntRange(100, 600).Draw(rt, "ceiling")),
		}
	case 2:
		return g.limit()
	case 3, 4:
		return g.gate()
	case 5:
		if rapid.IntRange(0, 3).Draw(rt, "close") == 0 {
			return ledger.Close{Account: g.account(rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "closed"))}
		}
		return ledger.Bury{ID: id}
	case 6, 7:
		return ledger.Post{ID: id, Part: g.part(id)}
	case 8:
		return ledger.Void{ID: id}
	case 9, 10, 11:
		h := ledger.Hold{Move: g.move(id)}
		if rapid.IntRange(0, 3).Draw(rt, "timed hold") == 0 {
			h.Until = noon.Add(time.Duration(rapid.IntRange(0, 160).Draw(rt, "hold until")) * 6 * time.Hour)
		}
		return h
	default:
		return g.move(id)
	}
}

// part is how much of each leg a post asks for: mostly all, or some of what a hold of that id has.
func (g *game) part(id ledger.TransferID) []money.Yen {
	e := g.m.find(id)
	if e == nil || rapid.Bool().Draw(g.rt, "whole") {
		return nil
	}
	part := []money.Yen{}
	for range e.move.Legs {
		part = append(part, money.Yen(rapid.SampledFrom([]int{0, 1, 49, 50, 100, 200, 300}).Draw(g.rt, "part")))
	}
	return part
}

func (g *game) limit() ledger.Action {
	yen := func(what string) money.Yen { return money.Yen(rapid.IntRange(0, 600).Draw(g.rt, what)) }
	l := ledger.Limit{
		ID:   ledger.LimitID(g.prefix + rapid.SampledFrom([]string{"l", "m"}).Draw(g.rt, "limit")),
		Each: yen("each"), Day: yen("day"), Month: yen("month"),
	}
	if rapid.Bool().Draw(g.rt, "tighten") {
		return ledger.Tighten{Limit: l}
	}
	return ledger.SetLimit{Limit: l}
}

func (g *game) gate() ledger.Action {
	rt := g.rt
	id := func(n string) ledger.GateID { return ledger.GateID(g.prefix + n) }
	moment := func(what string) time.Time {
		n := rapid.IntRange(-5, 40).Draw(rt, what)
		if n < 0 {
			return time.Time{}
		}
		return noon.Add(time.Duration(n) * 6 * time.Hour)
	}
	gate := ledger.Gate{
		ID:   id(rapid.SampledFrom([]string{"g", "p"}).Draw(rt, "gate")),
		Shut: rapid.SampledFrom([]string{"", "", "", "", "stopped"}).Draw(rt, "shut"),
	}
	if rapid.Bool().Draw(rt, "timed") {
		gate.NotBefore, gate.LimitedUntil = moment("not before"), moment("limited until")
		gate.LimitedCap = money.Yen(rapid.IntRange(0, 300).Draw(rt, "cap"))
	}
	if rapid.IntRange(0, 4).Draw(rt, "expires") == 0 {
		gate.Until = moment("until")
	}
	if gate.ID == id("g") {
		gate.Device = rapid.SampledFrom([]string{"", "key"}).Draw(rt, "device")
		if _, there := g.m.gates[id("p")]; there && rapid.Bool().Draw(rt, "parent") {
			gate.Parent = id("p")
		}
	}
	return ledger.SetGate{Gate: gate, IfVersion: g.m.gates[gate.ID].Version}
}

func (g *game) move(id ledger.TransferID) ledger.Move {
	rt := g.rt
	names := []string{"world", "a", "b", "due", "a", "b", "nobody"}
	m := ledger.Move{ID: id, Kind: "k", Final: rapid.Bool().Draw(rt, "final"), Device: rapid.SampledFrom([]string{"", "key"}).Draw(rt, "proof")}
	for range rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(rt, "legs") {
		from := rapid.SampledFrom(names[:6]).Draw(rt, "from")
		to := rapid.SampledFrom(names).Draw(rt, "to")
		if from == to {
			to = "world"
		}
		if from == to {
			to = "a"
		}
		amount := money.Yen(rapid.SampledFrom([]int{1, 50, 100, 200, 300}).Draw(rt, "amount"))
		m.Legs = append(m.Legs, ledger.Leg{Debit: g.account(from), Credit: g.account(to), Amount: amount})
	}
	if rapid.IntRange(0, 3).Draw(rt, "refund") == 0 {
		m.Refunds = ledger.TransferID(g.prefix + fmt.Sprint(rapid.IntRange(0, 9).Draw(rt, "refunded")))
	}
	if rapid.IntRange(0, 2).Draw(rt, "gated") == 0 {
		m.Gate = ledger.GateID(g.prefix + "g")
	}
	for _, l := range rapid.SliceOfN(rapid.SampledFrom([]string{"l", "m"}), 0, 2).Draw(rt, "limits") {
		m.Limits = append(m.Limits, ledger.LimitID(g.prefix+l))
	}
	return m
}

// compare checks the books themselves: balances, holds, floors, and that everything sums to zero.
func (g *game) compare() {
	var sum money.Yen
	for _, n := range []string{"world", "a", "b", "due"} {
		want, _ := g.m.book(g.account(n))
		got, err := g.b.Account(g.rt.Context(), g.account(n))
		if err != nil {
			g.rt.Fatal(err)
		}
		if got != want { // an account's answer is a plain value
			g.rt.Fatalf("%s: got %+v, want %+v", n, got, want)
		}
		lines, err := g.b.History(g.rt.Context(), g.account(n), 0, 1)
		if err != nil {
			g.rt.Fatal(err)
		}
		if len(lines) == 1 && lines[0].Balance != got.Balance {
			g.rt.Fatalf("%s: the last line says %d, the account %d", n, lines[0].Balance, got.Balance)
		}
		sum += got.Balance
	}
	if sum != 0 {
		g.rt.Fatalf("balances sum to %d", sum)
	}
}
