package breaktest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/journey"
	"github.com/kozamori/kozamori/internal/money"
)

// program is a role as its company runs it: a process of its own.
type program struct {
	name    string // of the role's configuration
	binary  string
	address string
	config  string
	log     string
	environ []string // beside the test's own
	kills   int

	mu   sync.Mutex
	cmd  *exec.Cmd
	gone chan struct{} // closed when the process has ended
}

// build compiles the three programs.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "./cmd/kozamori-hub", "./cmd/kozamori-wallet", "./cmd/kozamori-bank")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// programs are the roles of a directory that dev laid out.
func programs(t *testing.T, bin, dir string, base int) []*program {
	t.Helper()
	var out []*program
	for i, p := range []struct{ name, binary string }{{"hub", "hub"}, {"maru", "wallet"}, {"sora", "wallet"}, {"bank", "bank"}} {
		out = append(out, &program{name: p.name, binary: filepath.Join(bin, "kozamori-"+p.binary), address: fmt.Sprintf("127.0.0.1:%d", base+1+i),
			config: filepath.Join(dir, "config", p.name+".toml"), log: filepath.Join(dir, "log", p.name+"-program.jsonl")})
	}
	return out
}

// migrate brings the role's databases up to date, as an operator does before a start.
func (p *program) migrate(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.binary, "migrate", "--config", p.config)
	cmd.Env = append(os.Environ(), p.environ...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s migrate: %v\n%s", p.name, err, out)
	}
}

// start runs the program and waits until it listens.
func (p *program) start() error {
	log, err := os.OpenFile(p.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.Command(p.binary, "serve", "--config", p.config)
	cmd.Env = append(os.Environ(), p.environ...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = log, &said
	if err := cmd.Start(); err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed: what it says at the end is no news
		_ = log.Close()
		close(gone)
	}()
	p.mu.Lock()
	p.cmd, p.gone = cmd, gone
	p.mu.Unlock()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", p.address); err == nil {
			return conn.Close()
		}
		select {
		case <-gone:
			return fmt.Errorf("%s ended at once: %s", p.name, said.String())
		default:
		}
	}
	return fmt.Errorf("%s does not listen", p.name)
}

// kill ends the process as a power cut does: it learns nothing of it.
func (p *program) kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.gone
	return nil
}

// killer kills one role after another in the middle of its work, and starts it again, until told to stop and
// each has been killed at least twice.
func killer(ctx context.Context, roles []*program, least int, stop *atomic.Bool, seed uint64) error {
	dice := rand.New(rand.NewPCG(seed, seed))
	for round := 0; !stop.Load() || round < least; round++ {
		for _, p := range roles {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Duration(50+dice.IntN(400)) * time.Millisecond):
			}
			if err := p.kill(); err != nil {
				return err
			}
			p.kills++
			time.Sleep(time.Duration(dice.IntN(150)) * time.Millisecond)
			if err := p.start(); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestKillNineOfEachRole: in the middle of a hundred charges each role is killed again and again. After they are
// up for good every charge ends, booked at the bank exactly once if and only if it is done at the service.
func TestKillNineOfEachRole(t *testing.T) {
	t.Parallel()
	charges, rounds := 100, 3
	if testing.Short() {
		charges, rounds = 20, 1
	}
	const holders = 4
	bin, dir, base := build(t), filepath.Join(t.TempDir(), "dev"), freePorts(t)
	s, err := open(dir, base, false)
	must(t, err)
	newcomer := s.member(t, shizuoka)
	people := s.actives(t, shizuoka, holders)
	ahead := s.clock.Forward(0)
	must(t, s.stop())
	must(t, os.WriteFile(filepath.Join(dir, "clock"), fmt.Appendf(nil, "%d\n", int64(ahead/time.Second)), 0o600)) // as dev writes it

	s, err = open(dir, base, true)
	must(t, err)
	t.Cleanup(func() { must(t, s.stop()) })
	roles := programs(t, bin, dir, base)
	for _, p := range roles {
		p.migrate(t)
		must(t, p.start())
		t.Cleanup(func() { must(t, p.kill()) })
	}
	mortal := []*program{roles[0], roles[1], roles[3]} // そらウォレット takes no part

	var stop atomic.Bool
	var all, killing sync.WaitGroup
	killing.Go(func() {
		if err := killer(t.Context(), mortal, rounds, &stop, 9); err != nil {
			t.Error(err)
		}
	})
	tried := make([]int, holders)
	for i, a := range people {
		all.Go(func() { tried[i] = spendThrough(t, dir, a, charges/holders) })
	}
	all.Go(func() {
		for range 3 { // pages fail; what came of it is looked at when all is quiet
			if _, err := newcomer.Ask(t.Context(), maru); err != nil {
				t.Log("the newcomer was interrupted:", err)
				time.Sleep(time.Second)
			}
		}
	})
	all.Wait()
	stop.Store(true)
	killing.Wait()

	eventually(t, 3*time.Minute, "an end for every charge", s.hourly(t), func() bool { return len(walletBooks(t, dir, maru).open()) == 0 })
	s.oneLink(t, newcomer)
	done := sameAtBothSides(t, dir, maru, shizuoka)
	if total := sum(tried); total < charges || done < total/4 {
		t.Errorf("only %d of %d charges were signed and %d are done", total, charges, done)
	}
	for _, p := range mortal {
		if p.kills < rounds {
			t.Errorf("%s was killed %d times", p.name, p.kills)
		}
	}
	s.audited(t)
	t.Logf("%d charges signed, %d done; kills: hub %d, wallet %d, bank %d", sum(tried), done, roles[0].kills, roles[1].kills, roles[3].kills)
}

// oneLink sees that an interrupted person has her link or can make it now, and only one.
func (s *stage) oneLink(t *testing.T, a *journey.Actor) {
	t.Helper()
	for try := 0; !s.hasLink(t, a); try++ {
		if try == 3 {
			t.Errorf("the newcomer gets no link; at the bank: %q", s.linksOf(t, a))
			return
		}
		must(t, s.Forward(t.Context(), 1)) // what was interrupted is over by then (L12)
		time.Sleep(3 * time.Second)
		if _, err := a.Ask(t.Context(), maru); err != nil {
			t.Log("the newcomer tries again:", err)
		}
		time.Sleep(time.Second)
	}
	if n := number(t, database(t, s.dir, "bank", string(shizuoka), "money.db"), `SELECT count(*) FROM link l JOIN account a ON a.id = l.account
		WHERE a.number = ? AND l.state IN ('authenticated', 'live', 'suspended')`, a.Number()); n != 1 {
		t.Errorf("the newcomer has %d links at the bank", n)
	}
}

// hourly moves the clock of all programs an hour now and then: whoever asks again after a while need not wait.
func (s *stage) hourly(t *testing.T) func() {
	var last time.Time
	return func() {
		if time.Since(last) > 3*time.Second {
			last = time.Now()
			must(t, s.Forward(t.Context(), 1))
		}
	}
}

// spendThrough signs n charges, trying again where a page does not come. A charge whose page was lost after the
// signature counts as signed: what became of it the books will tell.
func spendThrough(t *testing.T, dir string, a *journey.Actor, n int) (signed int) {
	for i := 0; signed < n && t.Context().Err() == nil; i++ {
		if i > 40*n {
			t.Errorf("after %d tries only %d of %d charges are signed", i, signed, n)
			return signed
		}
		slip, err := a.Show(t.Context(), maru, money.Yen(100+i))
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if err := a.Sign(t.Context(), slip); err == nil || walletBooks(t, dir, maru).entries[slip.Debit].state != "asked" {
			signed++
		}
	}
	return signed
}
