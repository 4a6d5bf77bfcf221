package audit_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/audit"
	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/store/ledgersql"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// player asks a ledger for whatever comes to its mind, in a small world: so that limits, floors, times and refunds are
// met to the yen and to the microsecond.
type player struct {
	rng   *rand.Rand
	at    time.Time
	ids   int
	holds []ledger.TransferID
}

func (p *player) pick(of ...string) string { return of[p.rng.IntN(len(of))] }
func (p *player) chance(one int) bool      { return p.rng.IntN(one) == 0 }

func (p *player) account() ledger.AccountID {
	return ledger.AccountID(p.pick("world", "world", "world", "a", "b", "c", "due", "due"))
}

// known is an id that was used lately, or soon is.
func (p *player) known() ledger.TransferID {
	return ledger.TransferID(fmt.Sprint("t", max(0, p.ids-p.rng.IntN(12))))
}

// held is the id of a hold that was asked for lately.
func (p *player) held() ledger.TransferID {
	if len(p.holds) == 0 {
		return p.known()
	}
	return p.holds[max(0, len(p.holds)-1-p.rng.IntN(10))]
}

// soon is a moment near now, often exactly one that will be met.
func (p *player) soon() time.Time {
	return p.at.Add(time.Duration(p.rng.IntN(8)) * 15 * time.Minute)
}

func (p *player) action() ledger.Action {
	switch p.rng.IntN(24) {
	case 0:
		return ledger.Freeze{Account: p.account(), In: p.chance(30), Out: p.chance(30)}
	case 1:
		return ledger.Bound{Account: ledger.AccountID(p.pick("a", "b", "c")), Floor: money.Yen(-p.rng.IntN(30)), Ceiling: money.Yen(20 + p.rng.IntN(60))}
	case 2:
		l := ledger.Limit{ID: ledger.LimitID(p.pick("l", "m")), Each: money.Yen(5 + p.rng.IntN(12)), Day: money.Yen(100 + p.rng.IntN(2000)), Month: money.Yen(1000 + p.rng.IntN(20_000))}
		if p.chance(2) {
			l.Day, l.Month = money.Max, money.Max
		}
		return ledger.SetLimit{Limit: l}
	case 3:
		return p.gate()
	case 4:
		return ledger.Bury{ID: ledger.TransferID(fmt.Sprint("buried", p.rng.IntN(1000)))}
	case 5, 6, 7:
		return ledger.Post{ID: p.held(), Part: [][]money.Yen{nil, nil, {1}, {2}, {1, 2}, {0, 1}}[p.rng.IntN(6)]}
	case 8, 9:
		return ledger.Void{ID: p.held()}
	case 10, 11, 12, 13:
		h := ledger.Hold{Move: p.move()}
		p.holds = append(p.holds, h.ID)
		if p.chance(3) {
			h.Until = p.soon()
		}
		return h
	}
	return p.move()
}

func (p *player) gate() ledger.Action {
	g := ledger.Gate{ID: ledger.GateID(p.pick("g", "h", "top")), Shut: p.pick("", "", "", "", "", "", "", "stopped"), Device: p.pick("", "", "key")}
	if g.ID != "top" && p.chance(2) {
		g.Parent = "top"
	}
	if p.chance(4) {
		g.NotBefore = p.soon()
	}
	if p.chance(6) {
		g.Until = p.soon()
	}
	if p.chance(2) {
		g.LimitedUntil, g.LimitedCap = p.soon(), money.Yen(p.rng.IntN(60))
	}
	return ledger.SetGate{Gate: g, IfVersion: -1} // the version is filled in by who knows it
}

func (p *player) move() ledger.Move {
	p.ids++
	m := ledger.Move{ID: ledger.TransferID(fmt.Sprint("t", p.ids)), Kind: p.pick("pay", "send"), Final: p.chance(4), Device: p.pick("", "key"), Memo: p.pick("", "昼食")}
	for range 1 + p.rng.IntN(3)*p.rng.IntN(2) {
		l := ledger.Leg{Debit: p.account(), Credit: p.account(), Amount: money.Yen(1 + p.rng.IntN(4))}
		if l.Debit != l.Credit {
			m.Legs = append(m.Legs, l)
		}
	}
	if p.chance(5) {
		m.Refunds = p.known()
		if p.chance(2) {
			m.Refunds = p.held()
		}
	}
	if p.chance(3) {
		m.Gate = ledger.GateID(p.pick("g", "h"))
	}
	for _, l := range []ledger.LimitID{"l", "m"} {
		if p.chance(2) {
			m.Limits = append(m.Limits, l)
		}
	}
	return m
}

// play asks for so many things.
func (p *player) play(t *testing.T, s *ledgersql.Store, asked int) {
	l := ledger.New(s, ledger.Options{})
	defer l.Close()
	var reqs []ledger.Request
	for _, a := range []ledger.Account{{ID: "world", Floor: -money.Max, Ceiling: money.Max}, {ID: "a", Ceiling: 30}, {ID: "b", Ceiling: 40}, {ID: "c", Floor: -5, Ceiling: 40}, {ID: "due", Floor: -money.Max}} {
		a.Kind = "k"
		reqs = append(reqs, ledger.Request{At: p.at, Do: ledger.Open{Account: a}})
	}
	versions := map[ledger.GateID]int64{}
	for range asked {
		switch {
		case p.chance(900):
			p.at = p.at.Add(-time.Duration(p.rng.IntN(3)) * 13 * time.Hour)
		case p.chance(60):
			p.at = p.at.Add([]time.Duration{time.Microsecond, time.Minute, 6 * time.Hour}[p.rng.IntN(3)])
		case p.chance(6): // to the next full quarter, so that ends are met exactly
			p.at = p.at.Truncate(15 * time.Minute).Add(15 * time.Minute)
		}
		reqs = append(reqs, ledger.Request{At: p.at, Do: p.action()})
		if len(reqs) < 1+p.rng.IntN(60) {
			continue
		}
		p.submit(t, l, reqs, versions)
		reqs = nil
	}
	p.submit(t, l, reqs, versions)
	for _, id := range []ledger.AccountID{"a", "b", "c"} { // whatever it takes to close one
		at := ledger.Request{At: p.at, Do: ledger.Close{Account: id}}
		_, err := l.Submit(t.Context(), at)
		must(t, err)
	}
}

func (p *player) submit(t *testing.T, l *ledger.Ledger, reqs []ledger.Request, versions map[ledger.GateID]int64) {
	t.Helper()
	for i, r := range reqs {
		if g, ok := r.Do.(ledger.SetGate); ok {
			g.IfVersion = versions[g.Gate.ID]
			reqs[i].Do = g
			versions[g.Gate.ID]++
		}
	}
	results, err := l.SubmitAll(t.Context(), reqs)
	must(t, err)
	for i, r := range results {
		if g, ok := reqs[i].Do.(ledger.SetGate); ok && !r.OK() {
			for j := i + 1; j < len(reqs); j++ {
				if later, ok := reqs[j].Do.(ledger.SetGate); ok && later.Gate.ID == g.Gate.ID && results[j].OK() {
					t.Fatal("a gate was changed on a version that it had not")
				}
			}
			versions[g.Gate.ID] = g.IfVersion
		}
	}
}

// Whatever a ledger was asked, the audit comes to the same books with its own rules, and finds that what was decided was
// right: refusals too.
func TestAuditAgreesWithTheLedger(t *testing.T) {
	seeds := uint64(6)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			place := filepath.Join(t.TempDir(), "books.db")
			db, err := sqldb.Open(place, ledgersql.Migrations())
			must(t, err)
			p := player{rng: rand.New(rand.NewPCG(seed, 17)), at: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
			p.play(t, ledgersql.New(db, nil), 8_000)
			acts := map[int64]int{}
			rows, err := db.Read().QueryContext(t.Context(), `SELECT act, count(*) FROM ledger_entries GROUP BY act`)
			must(t, err)
			for rows.Next() {
				var act int64
				var n int
				must(t, rows.Scan(&act, &n))
				acts[act] = n
			}
			must(t, rows.Err())
			must(t, rows.Close())
			for _, act := range []int64{0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 20, 30} {
				if acts[act] < 3 {
					t.Errorf("hardly anything of act %d was done: %v", act, acts)
				}
			}
			t.Log(acts)
			must(t, db.Close())
			r, err := audit.RunBooks(t.Context(), place, clock.System)
			must(t, err)
			for _, d := range r.Differences[:min(10, len(r.Differences))] {
				t.Errorf("%+v", d)
			}
		})
	}
}

// Of books that are wrong everywhere a thousand things are named, and how many there are besides.
func TestNotEverythingIsNamed(t *testing.T) {
	place := filepath.Join(t.TempDir(), "books.db")
	db, err := sqldb.Open(place, ledgersql.Migrations())
	must(t, err)
	p := player{rng: rand.New(rand.NewPCG(1, 1)), at: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	p.play(t, ledgersql.New(db, nil), 4_000)
	must(t, db.Close())
	alter(t, place, `DELETE FROM ledger_names WHERE num > 5`)
	r, err := audit.RunBooks(t.Context(), place, clock.System)
	must(t, err)
	n := r.Books[0].Transfers
	more := r.Differences[0] // "all" sorts before the tables
	if len(r.Differences) != 1001 || more.ID != "more" || n < 1000 || r.Books[0].First == nil || r.Books[0].First.Table != "ledger_names" {
		t.Errorf("%d differences of %d names, the first %+v, besides %+v", len(r.Differences), n, r.Books[0].First, more)
	}
}

// The audit counts as the ledger does: the same bytes after every use, and the same sums at every moment around.
func TestMetersAreTheSame(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 18))
		at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		st := ledger.NewState()
		for i, id := range []ledger.AccountID{"from", "to"} {
			st.Accounts[id] = &ledger.AccountRow{Num: int64(i + 1), Account: ledger.Account{ID: id, Floor: -money.Max, Ceiling: money.Max}}
		}
		st.Limits["l"] = &ledger.LimitRow{Num: 3, Limit: ledger.Limit{ID: "l", Each: money.Max, Day: money.Max, Month: money.Max, Version: 1}}
		var m audit.Meter
		grain := []time.Duration{time.Microsecond, 15 * time.Minute, 6 * time.Hour, 24 * time.Hour}[seed%4]
		for n := range 600 {
			switch rng.IntN(40) {
			case 0:
				at = at.Add(-time.Duration(rng.IntN(40)) * 6 * time.Hour)
			case 1:
				at = at.Add(time.Duration(rng.IntN(8)) * 24 * time.Hour)
			default:
				at = at.Add(time.Duration(rng.IntN(3)) * grain)
			}
			id, amount := ledger.TransferID(fmt.Sprint(n)), money.Yen(1+rng.IntN(5))
			hold := ledger.Hold{Move: ledger.Move{ID: id, Legs: []ledger.Leg{{Debit: "from", Credit: "to", Amount: amount}}, Limits: []ledger.LimitID{"l"}}}
			reqs := []ledger.Request{{At: at, Do: hold}}
			m.Count(at.UnixMicro(), amount)
			if rng.IntN(3) == 0 {
				reqs = append(reqs, ledger.Request{At: at, Do: ledger.Void{ID: id}})
				m.GiveBack(at.UnixMicro(), amount)
			}
			results, changes := ledger.Decide(st, reqs)
			if !results[0].OK() {
				t.Fatalf("%+v", results[0])
			}
			st.Limits["l"] = changes.Used[0]
			if got, want := m.Stored(), changes.Used[0].Bytes(); string(got) != string(want) {
				t.Fatalf("seed %d, use %d at %v: % x, want % x", seed, n, at, got, want)
			}
			for _, around := range []time.Duration{0, -30 * time.Hour, -24 * time.Hour, -time.Microsecond, time.Microsecond, 24 * time.Hour, 30 * 24 * time.Hour} {
				then := at.Add(around)
				day, month := m.In(then.UnixMicro())
				if u := changes.Used[0].Usage(then); u.Day != day || u.Month != month {
					t.Fatalf("seed %d, use %d, at %v: %d, %d, want %+v", seed, n, then, day, month, u)
				}
			}
		}
	}
}
