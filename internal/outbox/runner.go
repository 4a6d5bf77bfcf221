package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
)

// Store is what the runner needs of a database.
type Store interface {
	// Due returns of each lane up to n messages that are due, the oldest first, and of each key only the first
	// unfinished one: what waits behind it is not due.
	Due(ctx context.Context, now time.Time, n int) ([]Message, error)

	// Settle removes delivered messages and puts failed ones back, in one commit.
	Settle(ctx context.Context, done []string, again []Retry) error
}

// Handler delivers a message; nil means that it need never be sent again, be it delivered or given up.
type Handler func(ctx context.Context, m Message) error

// Options tune a Runner; Clock and Handlers are required.
type Options struct {
	Clock    clock.Now
	Handlers map[string]Handler // by Message.Kind
	Parallel int                // deliveries at once in each lane; 0: 16
	Timeout  time.Duration      // of one delivery; 0: 30 s
	Poll     time.Duration      // how often to look without being woken; 0: 250 ms
	Backoff  func(attempts int) time.Duration
	Failed   func(m Message, err error) // told of each failure, for the log; m with no ID: the store's own
}

// Runner delivers the messages of one store. There must be only one per store. Each lane has places of its own: a
// destination that never answers fills those and no others, so that a silent bank keeps no mail from anybody.
type Runner struct {
	store Store
	opts  Options
	wake  chan struct{}
}

// NewRunner makes a Runner; Run does the work.
func NewRunner(store Store, opts Options) *Runner {
	if opts.Parallel == 0 {
		opts.Parallel = 16
	}
	if opts.Timeout == 0 {
		opts.Timeout = 30 * time.Second
	}
	if opts.Poll == 0 {
		opts.Poll = 250 * time.Millisecond
	}
	if opts.Backoff == nil {
		opts.Backoff = Backoff
	}
	if opts.Failed == nil {
		opts.Failed = func(Message, error) {}
	}
	return &Runner{store: store, opts: opts, wake: make(chan struct{}, 1)}
}

// Wake makes the runner look for due messages at once. It never blocks.
func (r *Runner) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run delivers messages until ctx ends; then it waits for the deliveries that run (their context has ended
// too), writes down what became of them, and returns.
func (r *Runner) Run(ctx context.Context) {
	s := &session{Runner: r, running: map[string]string{}, ends: make(chan delivered, r.opts.Parallel)}
	poll := time.NewTicker(r.opts.Poll)
	defer poll.Stop()
	for ctx.Err() == nil {
		s.start(ctx)
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-poll.C:
			s.settle() // if it failed before
		case d := <-s.ends:
			s.gather(d)
			s.settle()
		}
	}
	for len(s.running) > len(s.ended) {
		s.gather(<-s.ends)
	}
	s.settle()
}

// Once delivers what is due now, one message after the other, settles each before it goes on to the next, and says
// how many it tried. It is one turn of Run for who drives a role step by step, and must not run beside Run or itself.
// An error is the store's; what could not be delivered is none.
func (r *Runner) Once(ctx context.Context) (tried int, err error) {
	due, err := r.store.Due(ctx, r.opts.Clock(), r.opts.Parallel)
	if err != nil {
		return 0, err
	}
	for _, m := range due {
		d := delivered{m, r.deliver(ctx, m)}
		r.told(d)
		if err := r.settle(ctx, d); err != nil {
			return tried, err
		}
		tried++
	}
	return tried, nil
}

// session is what one Run knows. Only its own goroutine touches it.
type session struct {
	*Runner
	running map[string]string // messages that are being delivered, or have been and are not settled, with their lane
	ended   []delivered       // those of running that have been
	ends    chan delivered
}

// delivered is the end of one delivery.
type delivered struct {
	m   Message
	err error
}

// start begins as many deliveries as may run in each lane.
func (s *session) start(ctx context.Context) {
	taken := map[string]int{}
	for _, lane := range s.running {
		taken[lane]++
	}
	due, err := s.store.Due(ctx, s.opts.Clock(), s.opts.Parallel) // those that run are due as well
	if err != nil {
		if ctx.Err() == nil {
			s.opts.Failed(Message{}, err)
		}
		return
	}
	for _, m := range due {
		lane := m.Lane()
		if _, runs := s.running[m.ID]; runs || taken[lane] == s.opts.Parallel {
			continue
		}
		taken[lane]++
		s.running[m.ID] = lane
		go func() { s.ends <- delivered{m, s.deliver(ctx, m)} }()
	}
}

func (r *Runner) deliver(ctx context.Context, m Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("outbox: handler %q panicked: %v", m.Kind, p)
		}
	}()
	if m.Broken != nil {
		return m.Broken
	}
	h, ok := r.opts.Handlers[m.Kind]
	if !ok {
		return fmt.Errorf("outbox: no handler for %q", m.Kind)
	}
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	defer cancel()
	return h(ctx, m)
}

// gather takes what has ended, so that one commit settles it all.
func (s *session) gather(d delivered) {
	for {
		s.ended = append(s.ended, d)
		s.told(d)
		select {
		case d = <-s.ends:
		default:
			return
		}
	}
}

// told passes a failure on to the log.
func (r *Runner) told(d delivered) {
	if _, later := errors.AsType[*Later](d.err); d.err != nil && !later {
		r.opts.Failed(d.m, d.err)
	}
}

// settle writes down what became of deliveries, in one commit.
func (r *Runner) settle(ctx context.Context, ended ...delivered) error {
	var done []string
	var again []Retry
	now := r.opts.Clock()
	for _, d := range ended {
		if d.err == nil {
			done = append(done, d.m.ID)
		} else {
			again = append(again, after(d.m, d.err, now, r.opts.Backoff))
		}
	}
	return r.store.Settle(ctx, done, again)
}

// settle writes down what became of deliveries. As long as that fails they count as running: a database out
// of order must not have everybody told everything again and again.
func (s *session) settle() {
	if len(s.ended) == 0 {
		return
	}
	if err := s.Runner.settle(context.Background(), s.ended...); err != nil {
		s.opts.Failed(Message{}, err)
		return
	}
	for _, d := range s.ended {
		delete(s.running, d.m.ID)
	}
	s.ended = nil
}
