package outboxsql_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/store/outboxsql"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var began = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// box is an outbox in a file, with a clock of the test.
type box struct {
	*outboxsql.Store
	t    testing.TB
	db   *sqldb.DB
	path string

	mu  sync.Mutex
	now time.Time
}

func newBox(t testing.TB, place string) *box {
	t.Helper()
	b := &box{t: t, path: place, now: began}
	sealer, err := outbox.NewSealer(bytes.Repeat([]byte{7}, outbox.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	if b.db, err = sqldb.Open(b.path, outboxsql.Migrations()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.db.Close() })
	b.Store = outboxsql.New(b.db, sealer)
	return b
}

func (b *box) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *box) forward(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *box) insert(messages ...outbox.Message) {
	b.t.Helper()
	err := b.db.Write(b.t.Context(), func(tx *sqldb.Tx) error { return b.Insert(b.t.Context(), tx, messages...) })
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) due(n int) (ids []string) {
	b.t.Helper()
	list, err := b.Due(b.t.Context(), b.clock(), n)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, m := range list {
		ids = append(ids, m.ID)
	}
	return ids
}

func (b *box) wantDue(n int, want ...string) {
	b.t.Helper()
	if got := b.due(n); !slices.Equal(got, want) {
		b.t.Errorf("due: %q, want %q", got, want)
	}
}

func (b *box) settle(done []string, again ...outbox.Retry) {
	b.t.Helper()
	if err := b.Settle(b.t.Context(), done, again); err != nil {
		b.t.Fatal(err)
	}
}

// run delivers until stop is called.
func (b *box) run(opts outbox.Options) (stop func()) { return b.runFrom(b, opts) }

func (b *box) runFrom(store outbox.Store, opts outbox.Options) (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	opts.Clock, opts.Poll = clock.Now(b.clock), time.Millisecond
	r := outbox.NewRunner(store, opts)
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx) })
	return func() { cancel(); wg.Wait() }
}

// empty waits until everything is delivered.
func (b *box) empty() {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		n, err := b.Waiting(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("%d messages are left", n)
		}
	}
}

func TestDue(t *testing.T) { pgtest.Both(t, testDue) }

func testDue(t *testing.T, place func() string) {
	b := newBox(t, place())
	b.insert(
		outbox.Message{ID: "a1", Kind: "k", Key: "a", Payload: []byte("first")},
		outbox.Message{ID: "a2", Kind: "k", Key: "a"},
		outbox.Message{ID: "free 1", Kind: "k"},
		outbox.Message{ID: "free 2", Kind: "k"},
		outbox.Message{ID: "b1", Kind: "k", Key: "b", Due: began.Add(time.Hour)},
		outbox.Message{ID: "b2", Kind: "k", Key: "b"},
	)
	b.wantDue(10, "a1", "free 1", "free 2")
	b.wantDue(2, "a1", "free 1")
	b.settle([]string{"free 1"}, outbox.Retry{ID: "a1", Due: began.Add(time.Minute), Attempts: 3})
	b.wantDue(10, "free 2") // a2 waits behind a1, b2 behind b1
	b.forward(time.Hour)
	b.wantDue(10, "free 2", "a1", "b1")
	list, err := b.Due(t.Context(), b.clock(), 10)
	want := outbox.Message{ID: "a1", Kind: "k", Key: "a", Payload: []byte("first"), Due: began.Add(time.Minute), Attempts: 3}
	if err != nil || len(list) != 3 || !cmp.Equal(list[1], want) {
		t.Errorf("%+v, %v", list, err)
	}
	b.settle([]string{"a1", "b1"})
	b.wantDue(10, "a2", "free 2", "b2")
	b.settle([]string{"a2", "b2", "free 2"})
	b.wantDue(10)
	b.settle(nil)
}

// A message is true only if its transaction commits, and its id is taken once.
func TestInsert(t *testing.T) { pgtest.Both(t, testInsert) }

func testInsert(t *testing.T, place func() string) {
	b := newBox(t, place())
	cause := errors.New("not true after all")
	err := b.db.Write(t.Context(), func(tx *sqldb.Tx) error {
		if err := b.Insert(t.Context(), tx, outbox.Message{ID: "lost", Kind: "k"}); err != nil {
			return err
		}
		return cause
	})
	if !errors.Is(err, cause) {
		t.Fatal(err)
	}
	b.wantDue(10)
	b.insert(outbox.Message{Kind: "k"}, outbox.Message{Kind: "k"})
	if ids := b.due(10); len(ids) != 2 || ids[0] == ids[1] || ids[0] == "" {
		t.Errorf("given ids: %q", ids)
	}
	twice := outbox.Message{ID: "twice", Kind: "k"}
	err = b.db.Write(t.Context(), func(tx *sqldb.Tx) error { return b.Insert(t.Context(), tx, twice, twice) })
	if !sqldb.IsDuplicate(err) {
		t.Errorf("the same id twice: %v", err)
	}
}

// No byte of a payload lies readable in the file, and rows cannot be swapped.
func TestSealed(t *testing.T) { pgtest.Both(t, testSealed) }

func testSealed(t *testing.T, place func() string) {
	b := newBox(t, place())
	b.insert(outbox.Message{ID: "1", Kind: "k", Payload: []byte("code 492817")}, outbox.Message{ID: "2", Kind: "k", Payload: []byte("other")})
	if all := pgtest.Contents(t, b.path); len(all) == 0 || bytes.Contains(all, []byte("492817")) {
		t.Errorf("the code lies in %d bytes", len(all))
	}
	err := b.db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE outbox_messages SET sealed = (SELECT sealed FROM outbox_messages WHERE id = '1') WHERE id = '2'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var told failures
	var sent []string
	stop := b.run(outbox.Options{
		Failed: told.add,
		Handlers: map[string]outbox.Handler{"k": func(_ context.Context, m outbox.Message) error {
			sent = append(sent, string(m.Payload))
			return nil
		}},
	})
	list := told.wait(t, 1)
	stop()
	if list[0] != "2 0: "+outbox.ErrSealed.Error() || !slices.Equal(sent, []string{"code 492817"}) {
		t.Errorf("a swapped row: %q, sent %q", list, sent)
	}
}

// Messages of one key arrive in order, whatever fails in between; those of others do not wait for them.
func TestRunnerOrder(t *testing.T) { pgtest.Both(t, testRunnerOrder) }

func testRunnerOrder(t *testing.T, place func() string) {
	b := newBox(t, place())
	var mu sync.Mutex
	arrived := map[string][]string{}
	tries, most, running := 0, 0, 0
	second := make(chan struct{}) // the first delivery ends only once another runs beside it
	want := map[string][]string{}
	var all []outbox.Message
	for i := range 60 {
		m := outbox.Message{ID: fmt.Sprintf("%02d", i), Kind: "k", Key: fmt.Sprint("key ", i%7)}
		want[m.Key] = append(want[m.Key], m.ID)
		all = append(all, m)
	}
	b.insert(all...)
	stop := b.run(outbox.Options{
		Parallel: 4,
		Backoff:  func(int) time.Duration { return 0 },
		Handlers: map[string]outbox.Handler{"k": func(_ context.Context, m outbox.Message) error {
			mu.Lock()
			running++
			most = max(most, running)
			tries++
			try := tries
			mu.Unlock()
			switch try {
			case 1:
				<-second
			case 2:
				close(second)
			}
			mu.Lock()
			defer mu.Unlock()
			running--
			if try%3 == 0 {
				return errors.New("the network lost it")
			}
			arrived[m.Key] = append(arrived[m.Key], m.ID)
			return nil
		}},
	})
	defer stop()
	b.empty()
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(want, arrived); diff != "" {
		t.Error(diff)
	}
	if most < 2 || most > 4 {
		t.Errorf("%d deliveries at once, want 2 to 4", most)
	}
}

// failures collects what a runner reports.
type failures struct {
	mu   sync.Mutex
	list []string
}

func (f *failures) add(m outbox.Message, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, fmt.Sprintf("%s %d: %v", m.ID, m.Attempts, err))
}

func (f *failures) wait(t *testing.T, n int) []string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		f.mu.Lock()
		list := slices.Clone(f.list)
		f.mu.Unlock()
		if len(list) >= n {
			return list
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d failures, want %d", len(list), n)
		}
	}
}

func TestRunnerFailures(t *testing.T) { pgtest.Both(t, testRunnerFailures) }

func testRunnerFailures(t *testing.T, place func() string) {
	b := newBox(t, place())
	var told failures
	later := began.Add(time.Hour)
	stop := b.run(outbox.Options{
		Failed:  told.add,
		Timeout: 20 * time.Millisecond,
		Handlers: map[string]outbox.Handler{
			"panics": func(context.Context, outbox.Message) error { panic("a bug") },
			"later": func(context.Context, outbox.Message) error {
				if b.clock().Before(later) {
					return fmt.Errorf("wrapped: %w", &outbox.Later{At: later})
				}
				return nil
			},
			"slow": func(ctx context.Context, _ outbox.Message) error { <-ctx.Done(); return ctx.Err() },
		},
	})
	defer stop()
	b.insert(outbox.Message{ID: "p", Kind: "panics"}, outbox.Message{ID: "l", Kind: "later"},
		outbox.Message{ID: "s", Kind: "slow"}, outbox.Message{ID: "n", Kind: "nobody's"})
	list := told.wait(t, 3)
	slices.Sort(list)
	want := []string{
		`n 0: outbox: no handler for "nobody's"`, `p 0: outbox: handler "panics" panicked: a bug`, `s 0: context deadline exceeded`,
	}
	if !slices.Equal(list, want) {
		t.Errorf("%q", list)
	}
	b.forward(10 * time.Minute) // over every backoff, yet before later
	told.wait(t, 6)
	list, err := b.left()
	if err != nil || !slices.Equal(list, []string{"l 0", "n 2", "p 2", "s 2"}) {
		t.Errorf("left with attempts: %q, %v", list, err)
	}
}

// left lists what is not delivered with its attempts, once two rounds of failures are written down.
func (b *box) left() (list []string, err error) {
	for range 2000 {
		due, err := b.Due(b.t.Context(), began.Add(24*time.Hour), 100)
		if err != nil {
			return nil, err
		}
		list = nil
		settled := true
		for _, m := range due {
			list = append(list, fmt.Sprint(m.ID, " ", m.Attempts))
			settled = settled && (m.Attempts == 2 || m.ID == "l" && !m.Due.IsZero())
		}
		slices.Sort(list)
		if settled {
			return list, nil
		}
		time.Sleep(time.Millisecond)
	}
	return list, nil
}

// What runs when the runner is stopped is waited for and written down; the rest is there for the next one.
func TestRunnerStop(t *testing.T) { pgtest.Both(t, testRunnerStop) }

func testRunnerStop(t *testing.T, place func() string) {
	b := newBox(t, place())
	inside := make(chan struct{})
	stop := b.run(outbox.Options{
		Parallel: 1,
		Handlers: map[string]outbox.Handler{"k": func(ctx context.Context, _ outbox.Message) error {
			close(inside)
			<-ctx.Done()
			return nil // it had been delivered nevertheless
		}},
	})
	b.insert(outbox.Message{ID: "1", Kind: "k"}, outbox.Message{ID: "2", Kind: "k"})
	<-inside
	stop()
	b.wantDue(10, "2")
}

// Wake is faster than any poll.
func TestRunnerWake(t *testing.T) { pgtest.Both(t, testRunnerWake) }

func testRunnerWake(t *testing.T, place func() string) {
	b := newBox(t, place())
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan string, 1)
	r := outbox.NewRunner(b, outbox.Options{
		Clock: b.clock, Poll: time.Hour,
		Handlers: map[string]outbox.Handler{"k": func(_ context.Context, m outbox.Message) error { got <- m.ID; return nil }},
	})
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx) })
	b.insert(outbox.Message{ID: "1", Kind: "k"})
	r.Wake()
	r.Wake() // never blocks
	select {
	case <-got:
	case <-time.After(10 * time.Second):
		t.Error("it sleeps on")
	}
	cancel()
	wg.Wait()
}

// troubled is an outbox whose file cannot be written, and then cannot be read, for a while.
type troubled struct {
	*box
	writes, reads atomic.Int64 // how many more of them fail
}

var errTrouble = errors.New("the disk is full")

func (s *troubled) Due(ctx context.Context, now time.Time, n int) ([]outbox.Message, error) {
	if s.reads.Add(-1) >= 0 {
		return nil, errTrouble
	}
	return s.box.Due(ctx, now, n)
}

func (s *troubled) Settle(ctx context.Context, done []string, again []outbox.Retry) error {
	if s.writes.Add(-1) >= 0 {
		return errTrouble
	}
	return s.box.Settle(ctx, done, again)
}

// A database out of order must not have a message delivered again and again.
func TestRunnerTrouble(t *testing.T) { pgtest.Both(t, testRunnerTrouble) }

func testRunnerTrouble(t *testing.T, place func() string) {
	b := &troubled{box: newBox(t, place())}
	b.reads.Store(3)
	b.writes.Store(5)
	var told failures
	var sent atomic.Int64
	b.insert(outbox.Message{ID: "1", Kind: "k", Key: "a"}, outbox.Message{ID: "2", Kind: "k", Key: "a"})
	stop := b.runFrom(b, outbox.Options{
		Failed:   told.add,
		Handlers: map[string]outbox.Handler{"k": func(context.Context, outbox.Message) error { sent.Add(1); return nil }},
	})
	b.empty()
	stop()
	if list := told.wait(t, 8); len(list) != 8 || list[7] != " 0: the disk is full" {
		t.Errorf("told: %q", list)
	}
	if sent.Load() != 2 {
		t.Errorf("%d deliveries of 2 messages", sent.Load())
	}
}
