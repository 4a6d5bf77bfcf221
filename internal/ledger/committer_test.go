package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var at = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func pay(id string, amount money.Yen) ledger.Request {
	return ledger.Request{
		At: at, Do: ledger.Move{ID: ledger.TransferID(id), Legs: []ledger.Leg{{Debit: "from", Credit: "to", Amount: amount}}},
		Then: func(ledger.Result) []ledger.Write { return []ledger.Write{storetest.Row("row of " + id)} },
	}
}

// books opens a ledger with the accounts from and to.
func books(t *testing.T, opts ledger.Options) (*storetest.Memory, *ledger.Ledger) {
	t.Helper()
	m := storetest.NewMemory()
	l := ledger.New(m, opts)
	t.Cleanup(l.Close)
	for _, id := range []ledger.AccountID{"from", "to"} {
		a := ledger.Account{ID: id, Floor: -1000, Ceiling: 1000}
		if r, err := l.Submit(t.Context(), ledger.Request{At: at, Do: ledger.Open{Account: a}}); err != nil || !r.OK() {
			t.Fatal(r, err)
		}
	}
	return m, l
}

func check(t *testing.T, m *storetest.Memory, balance money.Yen, rows ...string) {
	t.Helper()
	a, err := m.Account(t.Context(), "to")
	if err != nil || a.Balance != balance {
		t.Errorf("balance %d, %v, want %d", a.Balance, err, balance)
	}
	got, _ := m.Rows(t.Context())
	if fmt.Sprint(got) != fmt.Sprint(rows) {
		t.Errorf("rows %q, want %q", got, rows)
	}
}

// failing makes the first n commits fail.
func failing(n int, committed bool, err error) func(ledger.Commit) (bool, error) {
	return func(ledger.Commit) (bool, error) {
		if n--; n < 0 {
			return true, nil
		}
		return committed, err
	}
}

func TestUnknownOutcome(t *testing.T) {
	for _, committed := range []bool{false, true} {
		t.Run(fmt.Sprint("committed ", committed), func(t *testing.T) {
			m, l := books(t, ledger.Options{})
			m.Fail = failing(1, committed, fmt.Errorf("the line went dead: %w", ledger.ErrUnknown))
			r, err := l.Submit(t.Context(), pay("p", 10))
			if want := (ledger.Result{Outcome: ledger.Done, At: at}); err != nil || r != want {
				t.Errorf("%+v, %v", r, err)
			}
			check(t, m, 10, "row of p")
			if r, err = l.Submit(t.Context(), pay("p", 10)); err != nil || !r.Repeated || !r.OK() {
				t.Errorf("again: %+v, %v", r, err)
			}
			check(t, m, 10, "row of p")
		})
	}
}

// The store does not come back while anybody waits: the caller hears that the outcome is not known, and
// the same id later tells it.
func TestStoreOutOfOrder(t *testing.T) {
	for _, cause := range []error{fault.New(fault.Unavailable, "test", nil), ledger.ErrUnknown, ledger.ErrMoved} {
		m, l := books(t, ledger.Options{})
		m.Fail = failing(8, false, cause)
		if _, err := l.Submit(t.Context(), pay("p", 10)); fault.Of(err) != fault.Unavailable || !errors.Is(err, cause) {
			t.Errorf("%v: %v", cause, err)
		}
		check(t, m, 0)
		m.Fail = nil
		if r, err := l.Submit(t.Context(), pay("p", 10)); err != nil || !r.OK() {
			t.Errorf("%v: later: %+v, %v", cause, r, err)
		}
		check(t, m, 10, "row of p")
	}
}

// Books that another process has taken over fail at once and for all of a batch, which is neither tried again nor in
// halves. Only where a commit before had no outcome is there none.
func TestFencedBooks(t *testing.T) {
	for _, before := range []error{nil, ledger.ErrUnknown} {
		m, l := books(t, ledger.Options{})
		commits := 0
		m.Fail = func(ledger.Commit) (bool, error) {
			if commits++; commits == 1 && before != nil {
				return false, before
			}
			return false, ledger.ErrFenced
		}
		_, err := l.SubmitAll(t.Context(), []ledger.Request{pay("p", 10), pay("q", 10)})
		if fault.Of(err) != fault.Unavailable || !errors.Is(err, ledger.ErrFenced) || errors.Is(err, ledger.ErrUnknown) != (before != nil) {
			t.Errorf("after %v: %v", before, err)
		}
		if want := map[bool]int{true: 1, false: 2}[before == nil]; commits != want {
			t.Errorf("after %v: %d commits, want %d", before, commits, want)
		}
		check(t, m, 0)
	}
}

// blocked keeps the committer busy until release is called.
func blocked(t *testing.T, l *ledger.Ledger) (release func()) {
	t.Helper()
	gate, inside := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		then := func(ledger.Result) []ledger.Write { close(inside); <-gate; return nil }
		if _, err := l.Submit(t.Context(), ledger.Request{At: at, Do: ledger.Note{}, Then: then}); err != nil {
			t.Error(err)
		}
	})
	<-inside
	return func() { close(gate); wg.Wait() }
}

func TestBackPressure(t *testing.T) {
	m, l := books(t, ledger.Options{Queue: 3})
	release := blocked(t, l)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	submit := func(want fault.Kind, reqs ...ledger.Request) {
		wg.Go(func() {
			if _, err := l.SubmitAll(ctx, reqs); fault.Of(err) != want {
				t.Errorf("%d requests: %v, want %v", len(reqs), err, want)
			}
		})
	}
	submit(fault.Unavailable, pay("1", 1), pay("2", 1)) // waits, until ctx ends
	for l.Waiting() < 2 {
		time.Sleep(time.Millisecond)
	}
	if _, err := l.SubmitAll(t.Context(), []ledger.Request{pay("3", 1), pay("4", 1)}); fault.Of(err) != fault.Busy {
		t.Errorf("a full queue: %v", err)
	}
	stop()
	wg.Wait()
	if _, err := l.Submit(ctx, pay("5", 1)); fault.Of(err) != fault.Unavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
	release()
	if r, err := l.Submit(t.Context(), pay("1", 1)); err != nil || !r.Repeated {
		t.Errorf("who stopped waiting has an outcome nevertheless: %+v, %v", r, err)
	}
	check(t, m, 2, "row of 1", "row of 2")
}

func TestClose(t *testing.T) {
	m, l := books(t, ledger.Options{MaxBatch: 1})
	release := blocked(t, l)
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			if r, err := l.Submit(t.Context(), pay(fmt.Sprint(i), 1)); err != nil || !r.OK() {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	for l.Waiting() < 5 {
		time.Sleep(time.Millisecond)
	}
	wg.Go(l.Close)
	release()
	wg.Wait()
	if _, err := l.Submit(t.Context(), pay("late", 1)); fault.Of(err) != fault.Unavailable || !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	a, err := m.Account(t.Context(), "to")
	if err != nil || a.Balance != 5 {
		t.Errorf("%+v, %v", a, err)
	}
}

// What waits while a commit runs is one commit afterwards, whatever its size, and AfterCommit is told of
// those with rows.
func TestGroupCommit(t *testing.T) {
	var told, commits atomic.Int64
	m, l := books(t, ledger.Options{AfterCommit: func() { told.Add(1) }, MaxBatch: 60})
	m.Fail = func(ledger.Commit) (bool, error) { commits.Add(1); return true, nil }
	release := blocked(t, l)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			if _, err := l.Submit(t.Context(), pay(fmt.Sprint(i), 1)); err != nil {
				t.Error(err)
			}
		})
	}
	for l.Waiting() < 100 {
		time.Sleep(time.Millisecond)
	}
	release()
	wg.Wait()
	if commits.Load() != 2 || told.Load() != 2 {
		t.Errorf("%d commits, AfterCommit called %d times, want 2 and 2", commits.Load(), told.Load())
	}
}

// A repeat and a refusal without rows need no commit at all.
func TestNothingToCommit(t *testing.T) {
	m, l := books(t, ledger.Options{})
	if _, err := l.Submit(t.Context(), pay("p", 1)); err != nil {
		t.Fatal(err)
	}
	m.Fail = func(ledger.Commit) (bool, error) { return false, errors.New("there was nothing to commit") }
	for _, r := range []ledger.Request{pay("p", 1), {At: at, Do: ledger.Post{ID: "none"}}, {At: at, Do: ledger.Note{}}} {
		if _, err := l.Submit(t.Context(), r); err != nil {
			t.Errorf("%T: %v", r.Do, err)
		}
	}
	if got, err := l.SubmitAll(t.Context(), nil); got != nil || err != nil {
		t.Errorf("nothing: %v, %v", got, err)
	}
}

// A role that refuses its own rows keeps the kind of its error.
func TestRoleRefusesRows(t *testing.T) {
	m, l := books(t, ledger.Options{})
	conflict := &fault.Error{Kind: fault.Conflict, Op: "test", Err: errors.New("the row has changed")}
	m.Fail = func(ledger.Commit) (bool, error) { return false, fmt.Errorf("apply: %w", conflict) }
	if _, err := l.Submit(t.Context(), pay("p", 1)); !errors.Is(err, conflict) || fault.Of(err) != fault.Conflict {
		t.Error(err)
	}
	check(t, m, 0)
}

// A call that gives itself up is not done at all, and takes nobody of its batch along: the batch is not tried in halves.
func TestAbandon(t *testing.T) {
	m, l := books(t, ledger.Options{})
	commits := 0
	release := blocked(t, l)
	m.Fail = func(ledger.Commit) (bool, error) { commits++; return true, nil }
	why := fault.New(fault.Conflict, "test", errors.New("given up"))
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			first, second := pay(fmt.Sprint(i), 1), pay(fmt.Sprint(i, "b"), 1)
			if i == 5 {
				second.Then = func(ledger.Result) []ledger.Write {
					return []ledger.Write{storetest.Row("lost"), ledger.Abandon{Why: why}}
				}
			}
			_, err := l.SubmitAll(t.Context(), []ledger.Request{first, second})
			if i == 5 && !errors.Is(err, why) || i != 5 && err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	for l.Waiting() < 20 {
		time.Sleep(time.Millisecond)
	}
	release()
	wg.Wait()
	a, err := m.Account(t.Context(), "to")
	rows, _ := m.Rows(t.Context())
	if err != nil || a.Balance != 18 || len(rows) != 18 || commits != 1 {
		t.Errorf("%+v, %v, %d rows, %d commits", a, err, len(rows), commits)
	}
}

// While a commit is stored, what comes is decided upon it, and answered only once it is stored itself. Where the first
// comes to nothing, the second is decided anew upon what there is.
func TestDecidedWhileAnotherIsStored(t *testing.T) {
	broken := errors.New("these rows cannot be stored")
	for _, tt := range []struct {
		name   string
		fail   error // of the first commit
		done   bool  // it takes effect nevertheless
		second ledger.Outcome
	}{
		{"stored", nil, true, ledger.Done},
		{"refused", broken, false, ledger.Insufficient},
		{"unknown, and stored", ledger.ErrUnknown, true, ledger.Done},
		{"unknown, and tried again", ledger.ErrUnknown, false, ledger.Done},
		{"moved, and tried again", ledger.ErrMoved, false, ledger.Done},
		{"fenced", ledger.ErrFenced, false, ledger.Insufficient},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, l := books(t, ledger.Options{})
			inside, release := make(chan struct{}), make(chan struct{})
			var commits atomic.Int64
			m.Fail = func(ledger.Commit) (bool, error) {
				if commits.Add(1) == 1 {
					close(inside)
					<-release
					return tt.done, tt.fail
				}
				return true, nil
			}
			fund := ledger.Request{At: at, Do: ledger.Move{ID: "fund", Legs: []ledger.Leg{{Debit: "from", Credit: "to", Amount: 500}}}}
			spend := ledger.Request{At: at, Do: ledger.Move{ID: "spend", Legs: []ledger.Leg{{Debit: "to", Credit: "from", Amount: 1200}}}} // to may owe 1,000
			first, second := make(chan error, 1), make(chan ledger.Result, 1)
			go func() {
				_, err := l.Submit(t.Context(), fund)
				first <- err
			}()
			<-inside
			decided := make(chan ledger.Result, 8)
			spend.Then = func(r ledger.Result) []ledger.Write {
				decided <- r
				return nil
			}
			go func() {
				r, err := l.Submit(t.Context(), spend)
				if err != nil {
					t.Error(err)
				}
				second <- r
			}()
			if r := <-decided; r.Outcome != ledger.Done {
				t.Errorf("decided upon the commit that is stored: %+v", r)
			}
			select {
			case r := <-second:
				t.Errorf("answered before it was stored: %+v", r)
			case <-time.After(20 * time.Millisecond): // nothing comes, however long one waits
			}
			close(release)
			err := <-first
			if known := errors.Is(tt.fail, broken) || errors.Is(tt.fail, ledger.ErrFenced); known != (err != nil) {
				t.Errorf("the first: %v", err)
			}
			if r := <-second; r.Outcome != tt.second {
				t.Errorf("the second: %+v, want %v", r, tt.second)
			}
			want := money.Yen(-700)
			if tt.second != ledger.Done {
				want = 0
			}
			if a, err := m.Account(t.Context(), "to"); err != nil || a.Balance != want {
				t.Errorf("%+v, %v, want %d", a, err, want)
			}
		})
	}
}

// A gate is given a parent, and somebody passes it while that is being stored: the parent is found.
func TestParentOfAGateThatIsBeingStored(t *testing.T) {
	m, l := books(t, ledger.Options{})
	set := func(g ledger.Gate, version int64) ledger.Request {
		return ledger.Request{At: at, Do: ledger.SetGate{Gate: g, IfVersion: version}}
	}
	if _, err := l.SubmitAll(t.Context(), []ledger.Request{set(ledger.Gate{ID: "p"}, 0), set(ledger.Gate{ID: "g"}, 0)}); err != nil {
		t.Fatal(err)
	}
	inside, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	m.Fail = func(ledger.Commit) (bool, error) {
		once.Do(func() { close(inside); <-release })
		return true, nil
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if r, err := l.Submit(t.Context(), set(ledger.Gate{ID: "g", Parent: "p"}, 1)); err != nil || !r.OK() {
			t.Errorf("%+v, %v", r, err)
		}
	})
	<-inside
	decided := make(chan ledger.Result, 1)
	wg.Go(func() {
		through := pay("m", 1)
		mv := through.Do.(ledger.Move)
		mv.Gate = "g"
		through.Do, through.Then = mv, func(r ledger.Result) []ledger.Write { decided <- r; return nil }
		if r, err := l.Submit(t.Context(), through); err != nil || !r.OK() {
			t.Errorf("%+v, %v", r, err)
		}
	})
	if r := <-decided; !r.OK() {
		t.Errorf("%+v", r)
	}
	close(release)
	wg.Wait()
}

// watched counts the loads of a store, and may make one fail.
type watched struct {
	*storetest.Memory
	loads atomic.Int64
	fail  func(load int64) error
}

func (w *watched) Load(ctx context.Context, n ledger.Names) (*ledger.State, error) {
	load := w.loads.Add(1)
	if w.fail != nil {
		if err := w.fail(load); err != nil {
			return nil, err
		}
	}
	return w.Memory.Load(ctx, n)
}

// However many of a batch give themselves up, it is decided once.
func TestManyGiveThemselvesUp(t *testing.T) {
	m, funding := books(t, ledger.Options{})
	funding.Close()
	w := &watched{Memory: m}
	l := ledger.New(w, ledger.Options{})
	t.Cleanup(l.Close)
	release := blocked(t, l)
	before := w.loads.Load()
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() {
			r := pay(fmt.Sprint(i), 1)
			if i%2 == 0 {
				r.Then = func(ledger.Result) []ledger.Write {
					return []ledger.Write{ledger.Abandon{Why: fault.New(fault.Conflict, "test", nil)}}
				}
			}
			if _, err := l.Submit(t.Context(), r); (i%2 == 0) != (fault.Of(err) == fault.Conflict && err != nil) {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	for l.Waiting() < 400 {
		time.Sleep(time.Millisecond)
	}
	release()
	wg.Wait()
	if n := w.loads.Load() - before; n > 3 {
		t.Errorf("%d loads", n)
	}
	if a, err := m.Account(t.Context(), "to"); err != nil || a.Balance != 200 {
		t.Errorf("%+v, %v", a, err)
	}
}

// It is not known whether a commit took effect, and then the books cannot be read: whoever asked hears that it is not
// known, and is not done a second time.
func TestUnknownAndThenUnreadable(t *testing.T) {
	m, funding := books(t, ledger.Options{})
	funding.Close()
	w := &watched{Memory: m, fail: func(load int64) error {
		if load == 2 {
			return errors.New("a row that cannot be read")
		}
		return nil
	}}
	l := ledger.New(w, ledger.Options{})
	t.Cleanup(l.Close)
	m.Fail = failing(1, true, ledger.ErrUnknown)
	note := ledger.Request{At: at, Do: ledger.Note{}, Then: func(ledger.Result) []ledger.Write { return []ledger.Write{storetest.Row("noted")} }}
	if _, err := l.Submit(t.Context(), note); fault.Of(err) != fault.Unavailable || !errors.Is(err, ledger.ErrUnknown) {
		t.Errorf("%v", err)
	}
	check(t, m, 0, "noted")
}

// It is not known whether a commit took effect, and the second time there is nothing to store: that it was not done is
// said only once it cannot come any more.
func TestUnknownAndThenGivenUp(t *testing.T) {
	m, l := books(t, ledger.Options{})
	var stored atomic.Int64
	m.Fail = func(ledger.Commit) (bool, error) {
		if stored.Add(1) == 1 {
			return false, ledger.ErrUnknown
		}
		return true, nil
	}
	asked := 0
	r := pay("p", 10)
	r.Then = func(ledger.Result) []ledger.Write {
		if asked++; asked > 1 {
			return []ledger.Write{ledger.Abandon{Why: fault.New(fault.Conflict, "test", nil)}}
		}
		return nil
	}
	if _, err := l.Submit(t.Context(), r); fault.Of(err) != fault.Conflict || err == nil {
		t.Errorf("%v", err)
	}
	if stored.Load() != 2 { // the second has nothing in it and moves the head, so that the first fails if it still comes
		t.Errorf("%d commits", stored.Load())
	}
	check(t, m, 0)
}
