package breaktest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/dev"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/journey"
)

const (
	maru id.Service = "maru"
	sora id.Service = "sora"

	shizuoka id.Bank = "0149"
	suruga   id.Bank = "0150"

	// untilActive is from the making of a link until all its limits hold (L9): 12 h, 24 h, and a little.
	untilActive = 37 * time.Hour
)

// stage is a world that runs: the roles in this process, each calling the others through a line that a test
// can spoil.
type stage struct {
	*journey.Stage
	dir   string
	info  dev.Info
	clock *clock.Movable
	line  *line
	stop  func() error
}

// open runs dev on a directory until the test, or all tests, end.
func open(dir string, base int, withoutRoles bool) (*stage, error) {
	return openOn("", dir, base, withoutRoles)
}

// openOn is open with the roles' tables in a database, unless its URL is "".
func openOn(postgres, dir string, base int, withoutRoles bool) (*stage, error) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &stage{dir: dir, clock: &clock.Movable{}, line: newLine()}
	ready, ended := make(chan dev.Info, 1), make(chan error, 1)
	o := dev.Options{Dir: dir, PortBase: base, Postgres: postgres, Clock: s.clock, WithoutRoles: withoutRoles, Started: time.Now(),
		Ready: func(i dev.Info) { ready <- i }, Line: func(role string) http.RoundTripper { return s.line.of(role) }}
	go func() { ended <- dev.Run(ctx, o) }()
	s.stop = sync.OnceValue(func() error {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	})
	select {
	case s.info = <-ready:
	case err := <-ended:
		cancel()
		return nil, fmt.Errorf("dev did not start: %w", err)
	}
	var err error
	s.Stage, err = journey.OpenStage(ctx, s.info.URL)
	return s, err
}

// nextPort is where freePorts looks next, so that tests beside each other do not find the same.
var nextPort = struct {
	sync.Mutex
	base int
}{base: 20_000 + os.Getpid()%500*20}

// freePorts finds seven free ports in a row.
func freePorts(t testing.TB) int {
	t.Helper()
	const ports = 7
	nextPort.Lock()
	defer nextPort.Unlock()
	for base := nextPort.base; base < 60_000; base += ports {
		if portsAreFree(base, ports) {
			nextPort.base = base + ports
			return base
		}
	}
	t.Fatal("no seven free ports in a row")
	return 0
}

func portsAreFree(base, n int) bool {
	for p := base; p < base+n; p++ {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
		if err != nil {
			return false
		}
		if ln.Close() != nil {
			return false
		}
	}
	return true
}

// stages are what tests share that spoil one call or two: each has its stage for itself while it runs. They mostly
// wait, so a few run beside each other.
var stages = func() chan *shared {
	pool := make(chan *shared, 3)
	for range cap(pool) {
		pool <- &shared{}
	}
	return pool
}()

// shared is a stage that is opened at its first use and closed when all tests are over.
type shared struct {
	*stage
	dir string
	err error
}

func (s *shared) open(t *testing.T) {
	if s.stage != nil || s.err != nil {
		return
	}
	if s.dir, s.err = os.MkdirTemp("", "kozamori-break"); s.err == nil {
		s.stage, s.err = open(filepath.Join(s.dir, "dev"), freePorts(t), false)
	}
}

func (s *shared) close() error {
	var err error
	if s.stage != nil {
		err = s.stop()
	}
	if s.dir != "" {
		err = errors.Join(err, os.RemoveAll(s.dir))
	}
	return err
}

// onStage is a stage with a line that is whole again, for this test alone until it ends.
func onStage(t *testing.T) *stage {
	t.Helper()
	t.Parallel()
	s := <-stages
	t.Cleanup(func() {
		if s.stage != nil {
			s.line.mend()
		}
		stages <- s
	})
	s.open(t)
	must(t, s.err)
	return s.stage
}

// ownStage is a stage for a long test that runs beside others.
func ownStage(t *testing.T) *stage {
	t.Helper()
	t.Parallel()
	s, err := open(filepath.Join(t.TempDir(), "dev"), freePorts(t), false)
	must(t, err)
	t.Cleanup(func() { s.line.mend(); must(t, s.stop()) })
	return s
}

func TestMain(m *testing.M) {
	if member := os.Getenv(memberEnv); member != "" {
		if err := runMember(member); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil { // they wait more than they work
		panic(err)
	}
	code := m.Run()
	for range cap(stages) {
		if err := (<-stages).close(); err != nil {
			fmt.Fprintln(os.Stderr, "a shared stage:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// must stops the test at an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// holder is a new person with a link to まるペイ that still cools off.
func (s *stage) holder(t *testing.T, bank id.Bank) *journey.Actor {
	t.Helper()
	a := s.member(t, bank)
	must(t, a.Link(t.Context(), maru))
	return a
}

// member is a new person who has joined まるペイ and has no link yet.
func (s *stage) member(t *testing.T, bank id.Bank) *journey.Actor {
	t.Helper()
	a, err := s.Cast(t.Context(), bank)
	must(t, err)
	must(t, a.Join(t.Context(), maru))
	return a
}

// active is a new person whose link has no cap left.
func (s *stage) active(t *testing.T, bank id.Bank) *journey.Actor {
	t.Helper()
	a := s.holder(t, bank)
	s.clock.Forward(untilActive)
	return a
}

// actives are several new people whose links have no cap left.
func (s *stage) actives(t *testing.T, bank id.Bank, n int) []*journey.Actor {
	t.Helper()
	var out []*journey.Actor
	for range n {
		out = append(out, s.holder(t, bank))
	}
	s.clock.Forward(untilActive)
	return out
}

// eventually waits until something holds. step, where it is set, is done between looks: it moves the clock, so that
// who waits for a later hour need not wait for it here.
func eventually(t testing.TB, within time.Duration, what string, step func(), holds func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, within)
		}
		if step != nil {
			step()
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// minutely moves the clock on now and then, slowly enough for a call to come to its end within the minute that its
// proof holds.
func (s *stage) minutely() func() {
	var last time.Time
	return func() {
		if time.Since(last) > 3*time.Second {
			last = time.Now()
			s.clock.Forward(70 * time.Second)
		}
	}
}

// settle waits until every charge and reversal of a service has its end.
func (s *stage) settle(t testing.TB, service id.Service) {
	t.Helper()
	eventually(t, 2*time.Minute, "an end for every charge", s.minutely(),
		func() bool { return len(walletBooks(t, s.dir, service).open()) == 0 })
}
