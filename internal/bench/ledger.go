// Package bench measures, and says how far from the ceiling of the disk and the engine a measurement is. It asserts
// nothing: timings differ from machine to machine, so that it prints ratios and percentiles.
package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/store/ledgersql"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// Ledger is a measurement of the ledger in process, closed loop: each client asks for its next transfer when the last
// one is durable.
type Ledger struct {
	Store    string        // "sqlite", or the URL of a PostgreSQL database, where a schema of its own is made and dropped
	Dir      string        // where the file of "sqlite" goes
	Clients  int           // who ask at once
	Accounts int           // among which transfers go
	Hot      bool          // every transfer goes to one merchant
	Limits   bool          // every transfer counts against a limit
	Gates    bool          // every transfer passes a gate
	NoLog    bool          // without the Merkle log, to know what that costs
	Mix      []string      // of Kinds, each as often as it stands there
	For      time.Duration // of measuring
	Upto     int64         // transfers after which it ends, however long it takes; 0 for no number
}

// Kinds of transfers.
var Kinds = []string{"charge", "pay", "send", "hold"}

// Report is what was measured, with the ceiling of the same engine on the same disk in the same run: the same number
// of transfers a commit, rows of the same bytes, nothing loaded, decided or checked.
type Report struct {
	Store              string  `json:"store"`
	Clients            int     `json:"clients"`
	Accounts           int     `json:"accounts"`
	Hot                bool    `json:"hot"`
	Limits             bool    `json:"limits"`
	Gates              bool    `json:"gates"`
	Log                bool    `json:"log"`
	Mix                string  `json:"mix"`
	Seconds            float64 `json:"seconds"`
	Transfers          int64   `json:"transfers"`
	TransfersPerSecond float64 `json:"transfers_per_second"`
	CeilingPerSecond   float64 `json:"ceiling_per_second"`
	Ratio              float64 `json:"ratio"`
	P50                int64   `json:"p50_us"`
	P99                int64   `json:"p99_us"`
	P999               int64   `json:"p999_us"`
	PerCommit          float64 `json:"transfers_per_commit"`
	BytesPerTransfer   float64 `json:"bytes_per_transfer"`
	CPUPerTransfer     float64 `json:"cpu_us_per_transfer"`
	MaxRSS             int64   `json:"max_rss_bytes"`
	FsyncP50           int64   `json:"fsync_p50_us,omitempty"` // of the disk alone: 4 KiB overwritten and synced (SQLite only)
	Startup            int64   `json:"startup_us"`             // from opening the tables, as they are in the end, to the first transfer
}

// run is a measurement under way.
type run struct {
	Ledger
	db      *sqldb.DB
	books   *ledgersql.Store
	commits *counted
	ledger  *ledger.Ledger
	now     time.Time
	serial  atomic.Int64
}

// counted counts the commits of a store.
type counted struct {
	ledger.Store
	commits atomic.Int64
}

// Commit implements ledger.Store.
func (c *counted) Commit(ctx context.Context, commit ledger.Commit) error {
	c.commits.Add(1)
	return c.Store.Commit(ctx, commit)
}

// OwnSchema is the URL of a database with the name of a schema that no other run has, whatever schema the URL names.
func OwnSchema(where string) (string, error) {
	u, err := url.Parse(where)
	if err != nil {
		return "", errors.New("want sqlite, or postgres://user@host/database") // and not the URL: it may hold a password
	}
	q := u.Query()
	q.Set("search_path", fmt.Sprintf("kozamori_bench_%d", clock.Micros(clock.System())))
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// Run measures.
func (l Ledger) Run(ctx context.Context) (rep Report, err error) {
	place := filepath.Join(l.Dir, "bench.db")
	if sqldb.IsPostgres(l.Store) {
		if place, err = OwnSchema(l.Store); err != nil {
			return rep, err
		}
		defer func() { err = errors.Join(err, sqldb.Drop(context.WithoutCancel(ctx), place)) }()
	}
	db, err := sqldb.Open(place, ledgersql.Migrations())
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	r := &run{Ledger: l, db: db, books: ledgersql.New(db, nil), now: clock.System()}
	if l.NoLog {
		r.books.WithoutLog()
	}
	r.commits = &counted{Store: r.books}
	r.ledger = ledger.New(r.commits, ledger.Options{})
	defer r.ledger.Close()
	if err := r.open(ctx); err != nil {
		return rep, err
	}
	if rep, err = r.measure(ctx); err != nil {
		return rep, err
	}
	if rep.Startup, err = r.startup(ctx, place); err != nil || sqldb.IsPostgres(place) {
		return rep, err
	}
	rep.FsyncP50, err = fsync(l.Dir)
	return rep, err
}

// startup opens the tables again, beside those that are open, as a process that starts, and moves a yen.
func (r *run) startup(ctx context.Context, place string) (us int64, err error) {
	start := time.Now()
	db, err := sqldb.OpenAsIs(place, ledgersql.Migrations())
	if err != nil {
		return 0, err
	}
	l := ledger.New(ledgersql.New(db, nil), ledger.Options{})
	defer func() {
		l.Close()
		err = errors.Join(err, db.Close())
	}()
	m := ledger.Move{ID: "startup", Kind: "send", Legs: []ledger.Leg{{Debit: person(0), Credit: person(1), Amount: 1}}}
	res, err := l.Submit(ctx, ledger.Request{At: r.now, Do: m})
	if err == nil && !res.OK() {
		err = fmt.Errorf("bench: the first transfer: %+v", res)
	}
	return time.Since(start).Microseconds(), err
}

// The accounts of a run: people, shops (one, where it is hot), the bank's side that funds everybody.
func person(i int) ledger.AccountID { return ledger.AccountID(fmt.Sprintf("available/sub_%012d", i)) }

const (
	world    = ledger.AccountID("receivable/0149")
	merchant = ledger.AccountID("shop/shp_000000000001")
	shops    = 100
)

func shop(i int) ledger.AccountID { return ledger.AccountID(fmt.Sprintf("shop/shp_%012d", 2+i)) }
func gate(i int) ledger.GateID    { return ledger.GateID(fmt.Sprintf("link/lnk_%012d", i)) }
func limit(i int) ledger.LimitID  { return ledger.LimitID(fmt.Sprintf("charge/sub_%012d", i)) }

// open makes and funds the accounts.
func (r *run) open(ctx context.Context) error {
	var reqs []ledger.Request
	ask := func(do ledger.Action) { reqs = append(reqs, ledger.Request{At: r.now, Do: do}) }
	flush := func(least int) error {
		if len(reqs) < least {
			return nil
		}
		results, err := r.ledger.SubmitAll(ctx, reqs)
		for i, res := range results {
			if !res.OK() {
				return fmt.Errorf("bench: %+v: %+v", reqs[i].Do, res)
			}
		}
		reqs = reqs[:0]
		return err
	}
	for _, id := range []ledger.AccountID{world, merchant} {
		ask(ledger.Open{Account: ledger.Account{ID: id, Kind: "house", Floor: -money.Max, Ceiling: money.Max}})
	}
	for i := range shops {
		ask(ledger.Open{Account: ledger.Account{ID: shop(i), Kind: "shop", Ceiling: money.Max}})
	}
	for i := range r.Accounts {
		ask(ledger.Open{Account: ledger.Account{ID: person(i), Kind: "available", Ceiling: money.Max}})
		ask(ledger.Move{
			ID: ledger.TransferID(fmt.Sprint("fund/", i)), Kind: "fund",
			Legs: []ledger.Leg{{Debit: world, Credit: person(i), Amount: 1_000_000_000}},
		})
		if r.Gates {
			ask(ledger.SetGate{Gate: ledger.Gate{ID: gate(i)}})
		}
		if r.Limits {
			ask(ledger.SetLimit{Limit: ledger.Limit{ID: limit(i), Each: 1 << 40, Day: 1 << 40, Month: 1 << 40}})
		}
		if err := flush(1000); err != nil {
			return err
		}
	}
	return flush(1)
}

// measure runs the clients, then the ceiling, and puts both together.
func (r *run) measure(ctx context.Context) (Report, error) {
	before, err := size(ctx, r.db)
	if err != nil {
		return Report{}, err
	}
	runtime.GC()
	r.commits.commits.Store(0)
	cpu, start := cpuTime(), time.Now()
	latencies, err := r.clients(ctx, start.Add(r.For))
	if err != nil {
		return Report{}, err
	}
	took, used := time.Since(start), cpuTime()-cpu
	after, err := size(ctx, r.db)
	if err != nil {
		return Report{}, err
	}
	n := float64(len(latencies))
	rep := Report{
		Store: "sqlite", Clients: r.Clients, Accounts: r.Accounts, Hot: r.Hot, Limits: r.Limits, Gates: r.Gates, Log: !r.NoLog, Mix: strings.Join(r.Mix, ","),
		Seconds: took.Seconds(), Transfers: int64(len(latencies)), TransfersPerSecond: n / took.Seconds(),
		PerCommit: n / float64(max(1, r.commits.commits.Load())), BytesPerTransfer: float64(after-before) / n,
		CPUPerTransfer: float64(used.Microseconds()) / n, MaxRSS: maxRSS(),
	}
	if r.db.Engine() == sqldb.PostgreSQL {
		rep.Store = "postgres"
	}
	slices.Sort(latencies)
	rep.P50, rep.P99, rep.P999 = at(latencies, 0.5), at(latencies, 0.99), at(latencies, 0.999)
	rep.CeilingPerSecond, err = r.ceiling(ctx, int(rep.PerCommit+0.5), int(rep.BytesPerTransfer))
	rep.Ratio = rep.TransfersPerSecond / rep.CeilingPerSecond
	return rep, err
}

// at is a percentile of sorted microseconds.
func at(sorted []uint32, part float64) int64 {
	if len(sorted) == 0 {
		return 0
	}
	return int64(sorted[min(len(sorted)-1, int(part*float64(len(sorted))))])
}

// clients lets everybody ask until the end, and returns how long each transfer took, in microseconds.
func (r *run) clients(ctx context.Context, end time.Time) ([]uint32, error) {
	took := make([][]uint32, r.Clients)
	failed := make([]error, r.Clients)
	var wg sync.WaitGroup
	for c := range r.Clients {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(c)))
			for {
				start := time.Now()
				if r.over(start, end) || ctx.Err() != nil {
					return
				}
				if err := r.one(ctx, rng); err != nil {
					failed[c] = err
					return
				}
				took[c] = append(took[c], uint32(time.Since(start).Microseconds()))
			}
		})
	}
	wg.Wait()
	return slices.Concat(took...), errors.Join(append(failed, ctx.Err())...)
}

// over says whether no more transfers are asked for.
func (r *run) over(now, end time.Time) bool {
	if r.Upto > 0 {
		return r.serial.Load() >= r.Upto
	}
	return now.After(end)
}

// one asks for one transfer of the mix. A hold is posted at once, and both together are one transfer.
func (r *run) one(ctx context.Context, rng *rand.Rand) error {
	n := r.serial.Add(1)
	who := rng.IntN(r.Accounts)
	kind := r.Mix[rng.IntN(len(r.Mix))]
	m := ledger.Move{ID: ledger.TransferID(fmt.Sprintf("maru/%s_%012x%08x", kind, n, rng.Uint32())), Kind: kind}
	leg := ledger.Leg{Debit: person(who), Credit: merchant, Amount: money.Yen(1 + rng.IntN(100))}
	switch {
	case kind == "charge":
		leg.Debit, leg.Credit = world, person(who)
	case r.Hot:
	case kind == "pay":
		leg.Credit = shop(rng.IntN(shops))
	default:
		leg.Credit = person((who + 1 + rng.IntN(r.Accounts-1)) % r.Accounts)
	}
	m.Legs = []ledger.Leg{leg}
	if r.Gates {
		m.Gate = gate(who)
	}
	if r.Limits {
		m.Limits = []ledger.LimitID{limit(who)}
	}
	var do ledger.Action = m
	if kind == "hold" {
		if err := r.ask(ctx, ledger.Hold{Move: m}); err != nil {
			return err
		}
		do = ledger.Post{ID: m.ID}
	}
	return r.ask(ctx, do)
}

func (r *run) ask(ctx context.Context, do ledger.Action) error {
	res, err := r.ledger.Submit(ctx, ledger.Request{At: r.now, Do: do})
	if err == nil && !res.OK() {
		err = fmt.Errorf("bench: %+v: %+v", do, res)
	}
	return err
}
