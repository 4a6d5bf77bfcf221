package breaktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/store/ledgersql"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// payers ask for payments until they are told to stop, each one again under the same id, now of this process and now of
// the other, until it is acknowledged.
type payers struct {
	all  sync.WaitGroup
	stop context.CancelFunc

	mu    sync.Mutex
	acked int
	last  time.Time     // of the last acknowledgement
	gap   time.Duration // the longest time without one
}

func pay(t *testing.T, at ...*process) *payers {
	ctx, stop := context.WithCancel(t.Context())
	p := &payers{stop: stop, last: time.Now()}
	client := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	for n := range 8 {
		p.all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprint(n, "/", i)
				for try := i; ; try++ {
					to := at[try%len(at)].config.Listen
					code, err := ask(t.Context(), client, "http://"+to+"/pay/"+id)
					if err == nil && code == http.StatusOK {
						p.done()
						break
					}
					if err == nil && code != http.StatusServiceUnavailable || t.Context().Err() != nil {
						t.Errorf("payment %s: %d, %v", id, code, err)
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	t.Cleanup(func() { p.end(); client.CloseIdleConnections() })
	return p
}

// ask sends one request, which is never sent twice by itself.
func ask(ctx context.Context, client *http.Client, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("x"))
	if err != nil {
		return 0, err
	}
	req.GetBody = nil
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, errors.Join(err, resp.Body.Close())
}

func (p *payers) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.acked++
	p.gap, p.last = max(p.gap, now.Sub(p.last)), now
}

// more waits for so many further acknowledgements, and says how long it was at most that there was none.
func (p *payers) more(t *testing.T, n int) time.Duration {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	enough := p.acked + n
	p.gap = 0
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if p.acked >= enough {
			return p.gap
		}
		p.mu.Unlock()
		time.Sleep(5 * time.Millisecond)
		p.mu.Lock()
	}
	t.Fatalf("no %d payments within a minute", n)
	return 0
}

// end lets every payment that was begun be acknowledged, and counts them.
func (p *payers) end() int {
	p.stop()
	p.all.Wait()
	return p.acked
}

// whole sees that the books hold so many payments, each once, and that the journal has no gap and adds up: every entry
// follows from the one before.
func whole(t *testing.T, place string, payments int) {
	t.Helper()
	db, err := sqldb.OpenToRead(place)
	must(t, err)
	defer db.Close()
	type entry struct {
		seq, act, debit, credit, debitAfter, creditAfter int64
		id                                               string
	}
	rows, err := db.Read().Query(`SELECT seq, act, id, debit, credit, debit_after, credit_after FROM ledger_entries ORDER BY seq`)
	entries, err := sqldb.List("entries", rows, err, func(r sqldb.Row) (e entry, err error) {
		return e, r.Scan(&e.seq, &e.act, &e.id, &e.debit, &e.credit, &e.debitAfter, &e.creditAfter)
	})
	must(t, err)
	ids, balance := map[string]bool{}, map[int64]int64{}
	for i, e := range entries {
		if e.seq != int64(i+1) {
			t.Fatalf("entry %d has the number %d", i+1, e.seq)
		}
		if e.debit == 0 {
			continue // an account is opened
		}
		balance[e.debit]--
		balance[e.credit]++
		if ids[e.id] || balance[e.debit] != e.debitAfter || balance[e.credit] != e.creditAfter {
			t.Fatalf("%+v does not follow: %v", e, balance)
		}
		ids[e.id] = true
	}
	books := ledgersql.New(db, nil)
	shop, err := books.Account(t.Context(), "shop")
	must(t, err)
	payer, err := books.Account(t.Context(), "payer")
	must(t, err)
	if int(shop.Balance) != payments || payer.Balance != -shop.Balance || len(ids) != payments {
		t.Errorf("%d acknowledged, %d in the journal, balances %d and %d", payments, len(ids), shop.Balance, payer.Balance)
	}
	var gaps, last int64
	must(t, db.Read().QueryRow(`SELECT COUNT(*) - MAX(n) - 1, MAX(last) FROM ledger_commits`).Scan(&gaps, &last))
	if gaps != 0 || last != int64(len(entries)) {
		t.Errorf("the log lacks %d commits, and ends at entry %d of %d", -gaps, last, len(entries))
	}
	_, err = books.Transfer(t.Context(), ledger.TransferID("0/0"))
	must(t, err)
}

// What comes to the process that stands by is done by the one that leads, once.
func TestStandbyPassesOn(t *testing.T) {
	t.Parallel()
	place := pgtest.URL(t)
	_, standby := processes(t, place)
	load := pay(t, standby)
	load.more(t, 300)
	whole(t, place, load.end())
}

// takenOver bounds how long it may take until payments go on; how long it took is printed.
const takenOver = 40 * time.Second

// The process that leads is killed under load, and the one that took over after it: each time payments go on within
// seconds, nothing acknowledged is lost and nothing is there twice.
func TestLeaderIsKilled(t *testing.T) {
	t.Parallel()
	place := pgtest.URL(t)
	leader, standby := processes(t, place)
	load := pay(t, leader, standby)
	for range 2 {
		load.more(t, 300)
		leader.signal(syscall.SIGKILL)
		_ = leader.end() // "signal: killed"
		took := load.more(t, 300)
		t.Logf("payments go on %s after kill -9", took.Round(time.Millisecond))
		if took > takenOver {
			t.Error("too late")
		}
		standby.await("ready")
		leader.start()
		leader.await("standby")
		leader, standby = standby, leader
	}
	whole(t, place, load.end())
}

// The process that leads stands still under load until another has taken over, and wakes up: it commits nothing any
// more, ends in words that say why, and can be started again.
func TestLeaderStandsStill(t *testing.T) {
	t.Parallel()
	place := pgtest.URL(t)
	leader, standby := processes(t, place)
	load := pay(t, leader, standby)
	for range 2 {
		load.more(t, 300)
		leader.signal(syscall.SIGSTOP)
		took := load.more(t, 50) // every second one is asked of the one that stands still, in vain
		t.Logf("payments go on %s after the leader stood still", took.Round(time.Millisecond))
		if took > takenOver {
			t.Error("too late")
		}
		leader.signal(syscall.SIGCONT)
		if err := leader.end(); err == nil || !strings.Contains(leader.said.String(), "another process") || !strings.Contains(leader.said.String(), "taken over") {
			t.Errorf("the process that woke up ended with %v: %s", err, &leader.said)
		}
		load.more(t, 100)
		leader.start()
		leader.await("standby")
		leader, standby = standby, leader
	}
	whole(t, place, load.end())
}

// A process that is stopped in good order finishes what it was asked and hands over at once: nobody waits until it is
// not heard of any more.
func TestCleanStopHandsOver(t *testing.T) {
	t.Parallel()
	place := pgtest.URL(t)
	leader, standby := processes(t, place)
	load := pay(t, leader, standby)
	load.more(t, 300)
	leader.signal(syscall.SIGTERM)
	took := load.more(t, 300)
	if err := leader.end(); err != nil {
		t.Errorf("%v: %s", err, &leader.said)
	}
	t.Logf("payments stand still for %s at a stop in good order", took.Round(time.Millisecond))
	standby.await("ready")
	h := holder(t, place)
	if h.Address != "http://"+standby.config.Listen {
		t.Errorf("the lease is with %s", h.Address)
	}
	standby.signal(syscall.SIGTERM)
	load.stop()
	if err := standby.end(); err != nil {
		t.Errorf("%v: %s", err, &standby.said)
	}
	if h := holder(t, place); h.ID != "" || h.Address != "" {
		t.Errorf("the last one left %+v", h)
	}
	standby.start() // what it was asked and has not said is asked again
	whole(t, place, load.end())
}

// holder is who has the lease.
func holder(t *testing.T, place string) sqldb.Holder {
	t.Helper()
	l, err := sqldb.OpenLease(t.Context(), place)
	must(t, err)
	defer l.Close()
	h, err := l.Read(t.Context())
	must(t, err)
	return h
}
