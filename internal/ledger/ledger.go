package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
)

// What a Store answers from Commit besides success.
var (
	ErrMoved   = errors.New("ledger: the books have moved on")
	ErrUnknown = errors.New("ledger: the outcome of the commit is not known")
	ErrFenced  = errors.New("ledger: another process has taken over these books") // nothing was done, and never will be here
)

// ErrClosed is the cause of a request's failure after Close.
var ErrClosed = errors.New("ledger: closed")

// Options tune a Ledger; the zero value is right.
type Options struct {
	Queue    int // requests that may wait before Submit answers fault.Busy; 0: 10,000
	MaxBatch int // requests in a commit; 0: 1,000

	// AfterCommit, if set, is called after every commit that carried rows of the role, before their callers
	// are answered: to wake who delivers an outbox. It must not block.
	AfterCommit func()
}

// Ledger decides requests and commits them in the order in which they arrive. What arrives while a commit
// runs is the next commit: nobody waits for a timer, and under load one fsync carries many requests.
type Ledger struct {
	store Store
	opts  Options

	mu      sync.Mutex
	queue   []*call
	waiting int // requests in queue
	closed  bool

	wake chan struct{} // holds one token where queue may have work, or closed is set
	done chan struct{} // closed when the committer has ended
}

// call is what one Submit or SubmitAll asks: it is committed whole or fails whole.
type call struct {
	reqs    []Request
	results []Result
	err     error
	answer  chan struct{} // closed once results or err stand
}

// New starts the committer of a store. There should be one Ledger per set of books; a second one in another
// process is safe and slow.
func New(store Store, opts Options) *Ledger {
	if opts.Queue == 0 {
		opts.Queue = 10_000
	}
	if opts.MaxBatch == 0 {
		opts.MaxBatch = 1_000
	}
	l := &Ledger{store: store, opts: opts, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go l.work()
	return l
}

// Submit asks one thing and waits until its answer is durable. A refusal is a Result, not an error. The
// errors are fault.Busy (too much waits; nothing was done), fault.Unavailable (closed, the store is out of
// order, or ctx ended first: the outcome is not known, ask again with the same id), and fault.Internal where
// Then panicked or its rows cannot be stored: nothing was done. Unavailable by ErrFenced and not by ErrUnknown says
// that nothing was done, and that it has to be asked elsewhere. A *fault.Error of who stores the rows keeps its
// kind, so that a role can refuse there (fault.Conflict: the row has changed meanwhile).
func (l *Ledger) Submit(ctx context.Context, r Request) (Result, error) {
	results, err := l.SubmitAll(ctx, []Request{r})
	if err != nil {
		return Result{}, err
	}
	return results[0], nil
}

// SubmitAll asks several things that are decided one after the other in one commit. Each has its own
// outcome: one may be refused while the others are done. An error is that of all.
func (l *Ledger) SubmitAll(ctx context.Context, rs []Request) ([]Result, error) {
	if len(rs) == 0 {
		return nil, nil
	}
	c := &call{reqs: rs, answer: make(chan struct{})}
	if err := l.enqueue(ctx, c); err != nil {
		return nil, err
	}
	select {
	case <-c.answer:
		return c.results, c.err
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "ledger.Submit", ctx.Err())
	}
}

func (l *Ledger) enqueue(ctx context.Context, c *call) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return fault.New(fault.Unavailable, "ledger.Submit", ctx.Err())
	case l.closed:
		return fault.New(fault.Unavailable, "ledger.Submit", ErrClosed)
	case l.waiting > 0 && l.waiting+len(c.reqs) > l.opts.Queue:
		return fault.New(fault.Busy, "ledger.Submit", fmt.Errorf("%d requests wait", l.waiting))
	}
	l.queue = append(l.queue, c)
	l.waiting += len(c.reqs)
	l.signal()
	return nil
}

func (l *Ledger) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Close refuses new requests, finishes those that wait, and returns when the last is answered.
func (l *Ledger) Close() {
	l.mu.Lock()
	l.closed = true
	l.signal()
	l.mu.Unlock()
	<-l.done
}

// Waiting is how many requests wait for a commit: for metrics.
func (l *Ledger) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}

// work is the committer. While one commit is being stored, what arrives meanwhile is decided upon it, to be stored
// next: deciding and storing go beside each other. Nobody is answered before his own commit is durable.
//
//	a call:  waits ──extend──▶ decided (next) ──depart──▶ stored (flying) ──land──▶ answered
//	              ◀── where what it was decided upon came to nothing ──┘
func (l *Ledger) work() {
	defer close(l.done)
	landed := make(chan error, 1)
	var flying, next *attempt
	for {
		if flying == nil {
			batch, closed := l.take(l.opts.MaxBatch, true)
			switch {
			case len(batch) > 0:
				flying = l.depart(l.extend(nil, nil, batch), landed)
			case closed:
				return
			default:
				<-l.wake
			}
			continue
		}
		select {
		case err := <-landed:
			flying, next = l.land(flying, next, err, landed), nil
		case <-l.wake:
			if l.Waiting() >= flying.requests/chunks { // not one by one: each look at the store has its price
				next = l.more(next, flying)
			}
		}
	}
}

// chunks is in how many parts, about, the next commit is decided while one is stored.
const chunks = 4

// take takes the oldest calls off the queue, as many as fit, and where first is set at least one.
func (l *Ledger) take(room int, first bool) (batch []*call, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, size := 0, 0
	for n < len(l.queue) && (first && n == 0 || size+len(l.queue[n].reqs) <= room) {
		size += len(l.queue[n].reqs)
		n++
	}
	batch = l.queue[:n:n]
	l.queue = l.queue[n:]
	l.waiting -= size
	return batch, l.closed
}

// more decides what waits, as far as it fits, to be stored after the attempt that is being stored.
func (l *Ledger) more(next, flying *attempt) *attempt {
	room := l.opts.MaxBatch
	if next != nil {
		room -= next.requests
	}
	batch, _ := l.take(room, next == nil)
	if len(batch) == 0 {
		return next
	}
	return l.extend(next, flying, batch)
}

// land ends an attempt that has been stored, or not, and starts what was decided upon it. What was decided upon
// something that did not come to be is decided anew.
func (l *Ledger) land(flying, next *attempt, err error, landed chan<- error) *attempt {
	if err != nil {
		l.retry(flying, err)
		if next != nil {
			l.run(next.batch)
		}
		return nil
	}
	flying.deliver(l)
	if next = l.more(next, flying); next == nil {
		return nil
	}
	if next.err != nil {
		l.run(next.batch)
		return nil
	}
	next.base = nil
	return l.depart(next, landed)
}

// depart begins to store an attempt; where that is not needed or not possible it ends it, and gives nil.
func (l *Ledger) depart(a *attempt, landed chan<- error) *attempt {
	switch {
	case a.err != nil:
		l.retry(a, a.err)
		return nil
	case !a.seal():
		a.deliver(l)
		return nil
	}
	go func() { landed <- l.store.Commit(context.Background(), a.commit) }()
	return a
}

// attempts bounds how often a batch is tried while the store cannot say what became of it, or while another process
// keeps writing first. Together the pauses are about a second.
const attempts = 8

// run answers every call of a batch while nothing is being stored.
func (l *Ledger) run(batch []*call) { l.try(batch, nil, 0, nil) }

// retry goes on after a first attempt has failed.
func (l *Ledger) retry(a *attempt, err error) {
	if tried, again := l.failed(a, nil, err); again {
		l.try(a.batch, tried, 1, err)
	}
}

// try answers every call of a batch, of which so many attempts have been made; tried is the last of which it is not
// known whether it took effect, nil for none, and err why the last one failed.
func (l *Ledger) try(batch []*call, tried *attempt, made int, err error) {
	for again := true; made < attempts; made++ {
		if made > 1 {
			time.Sleep(2 * time.Millisecond << made) // only after two failures in a row
		}
		a := l.extend(nil, nil, batch)
		switch {
		case a.err != nil:
			err = a.err
		case tried != nil && a.commit.On.Token == tried.commit.Token:
			tried.deliver(l) // it had been committed after all
			return
		case a.seal() || tried != nil: // nothing, too, is stored where an earlier attempt might still come: then it cannot
			err = l.store.Commit(context.Background(), a.commit)
		default:
			err = nil
		}
		if err == nil {
			a.deliver(l)
			return
		}
		if tried, again = l.failed(a, tried, err); !again {
			return
		}
	}
	unavailable(batch, err)
}

// failed says whether to try again after an attempt has failed, and which it is then whose outcome is not known. Else it
// answers every call: what cannot be stored is looked for by halves and refused alone.
func (l *Ledger) failed(a, tried *attempt, err error) (unknown *attempt, again bool) {
	switch {
	case errors.Is(err, ErrUnknown):
		return a, true
	case errors.Is(err, ErrFenced), tried != nil && a.err != nil && !passing(err):
		unavailable(a.batch, unresolved(err, tried))
	case passing(err):
		return tried, true
	default: // a commit that fails because of what is in it found its head: nothing that was tried before can have come
		l.halve(a.batch, err)
	}
	return nil, false
}

// passing says whether a failure may be over soon, and is not that of what is asked.
func passing(err error) bool { return errors.Is(err, ErrMoved) || fault.Of(err) == fault.Unavailable }

// unavailable fails every call of a batch.
func unavailable(batch []*call, err error) {
	for _, c := range batch {
		c.fail(fault.New(fault.Unavailable, "ledger.Submit", err))
	}
}

// unresolved is the error of what cannot be gone on with. What was tried before may have been done before.
func unresolved(err error, tried *attempt) error {
	if tried != nil {
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return err
}

// halve runs the halves of a batch that cannot be stored because of something in it; a call alone is it.
func (l *Ledger) halve(batch []*call, err error) {
	if len(batch) == 1 {
		batch[0].fail(refused(err))
		return
	}
	l.run(batch[:len(batch)/2])
	l.run(batch[len(batch)/2:])
}

// refused keeps the kind that the role gave the error of its rows.
func refused(err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	return fault.New(fault.Internal, "ledger.Submit", err)
}

// attempt is calls decided upon one state of the books, to be stored in one commit.
type attempt struct {
	batch    []*call
	requests int
	answers  []answer // per call
	base     *attempt // what was being stored when this was decided; nil for nothing
	d        *decider
	commit   Commit
	err      error // of loading what the calls name: they are undecided
}

// answer is what a call hears once the attempt is stored.
type answer struct {
	results []Result
	err     error // it gave itself up, or its code failed: nothing of it is in the commit
}

// extend adds calls to an attempt, or begins one, upon what is being stored: it loads what they name and decides them.
func (l *Ledger) extend(a, flying *attempt, batch []*call) *attempt {
	if a == nil {
		a = &attempt{base: flying}
	}
	var reqs []Request
	for _, c := range batch {
		reqs = append(reqs, c.reqs...)
	}
	a.batch = append(slices.Clip(a.batch), batch...)
	a.requests += len(reqs)
	if a.err != nil {
		return a
	}
	state, err := l.store.Load(context.Background(), NamesOf(reqs))
	if err == nil {
		err = a.learn(state, len(reqs))
	}
	if a.err = err; err != nil {
		return a
	}
	for _, c := range batch {
		a.answers = append(a.answers, a.decide(c.reqs))
	}
	return a
}

// decide decides a call and asks each Then for its rows. A call with any is decided apart first, so that it leaves
// nothing behind where it gives itself up.
func (a *attempt) decide(reqs []Request) answer {
	d := a.d
	if slices.ContainsFunc(reqs, func(r Request) bool { return r.Then != nil }) {
		d = a.d.apart()
	}
	results := make([]Result, len(reqs))
	for i, r := range reqs {
		results[i] = d.decide(moment(r.At), r.Do)
	}
	writes, err := thens(reqs, results)
	if err != nil {
		return answer{err: refused(err)}
	}
	if d != a.d {
		a.d.join(d)
	}
	a.commit.Writes = append(a.commit.Writes, writes...)
	return answer{results: results}
}

// learn takes up what was loaded. It may be as of the commit before the one that is being stored, or after: what that
// one changes is put over it, whole rows, so that both are the same.
func (a *attempt) learn(state *State, requests int) error {
	if a.d != nil {
		if !state.Head.is(a.commit.On) && (a.base == nil || !state.Head.is(a.base.commit.On)) {
			return ErrMoved
		}
		a.d.learn(state)
		return nil
	}
	if a.base != nil {
		next := a.base.commit.Next()
		if !state.Head.is(a.base.commit.On) && !state.Head.is(next) {
			return ErrMoved
		}
		state.Head = next
		a.base.d.putOver(state)
	}
	a.d = newDecider(state, requests)
	a.commit = Commit{On: state.Head, Token: rand.Text(), Changes: a.d.c}
	return nil
}

// seal ends the deciding and says whether there is something to store.
func (a *attempt) seal() bool {
	a.d.collect()
	return !a.commit.Changes.Empty() || len(a.commit.Writes) > 0
}

// thens asks the requests of one call for the rows that go with their results.
func thens(reqs []Request, results []Result) (writes []Write, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("ledger: Then panicked: %v", p)
		}
	}()
	for i, r := range reqs {
		if r.Then != nil && !results[i].Repeated {
			writes = append(writes, r.Then(results[i])...)
		}
	}
	for _, w := range writes {
		if a, ok := w.(Abandon); ok {
			return nil, a.Why
		}
	}
	return writes, nil
}

// deliver answers every call of a committed attempt.
func (a *attempt) deliver(l *Ledger) {
	if len(a.commit.Writes) > 0 && l.opts.AfterCommit != nil {
		l.opts.AfterCommit()
	}
	for i, c := range a.batch {
		c.results, c.err = a.answers[i].results, a.answers[i].err
		close(c.answer)
	}
}

func (c *call) fail(err error) {
	c.err = err
	close(c.answer)
}
