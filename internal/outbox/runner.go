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
	// Due returns up to n messages that are due, the oldest first, and of each key only the first unfinished
	// one: what waits behind it is not due.
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
	Parallel int                // deliveries at once; 0: 16
	Timeout  time.Duration      // of one delivery; 0: 30 s
	Poll     time.Duration      // how often to look without being woken; 0: 250 ms
	Backoff  func(attempts int) time.Duration
	Failed   func(m Message, err error) // told of each failure, for the log; m with no ID: the store's own
}

// Runner delivers the messages of one store. There must be only one per store.
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

// delivered is the end of one delivery.
type delivered struct {
	m   Message
	err error
}

// Run delivers messages until ctx ends; then it waits for the deliveries that run (their context has ended
// too), writes down what became of them, and returns.
func (r *Runner) Run(ctx context.Context) {
	running := map[string]bool{}                  // by message: its key's next one is not due before it is settled
	ends := make(chan delivered, r.opts.Parallel) // never blocks: at most Parallel run
	poll := time.NewTicker(r.opts.Poll)
	defer poll.Stop()
	for ctx.Err() == nil {
		r.start(ctx, running, ends)
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-poll.C:
		case d := <-ends:
			r.settle(running, gather(d, ends))
		}
	}
	for len(running) > 0 {
		r.settle(running, gather(<-ends, ends))
	}
}

// start begins as many deliveries as may run.
func (r *Runner) start(ctx context.Context, running map[string]bool, ends chan<- delivered) {
	free := r.opts.Parallel - len(running)
	if free == 0 {
		return
	}
	due, err := r.store.Due(ctx, r.opts.Clock(), free+len(running)) // those that run are due as well
	if err != nil {
		if ctx.Err() == nil {
			r.opts.Failed(Message{}, err)
		}
		return
	}
	for _, m := range due {
		if running[m.ID] || free == 0 {
			continue
		}
		free--
		running[m.ID] = true
		go func() { ends <- delivered{m, r.deliver(ctx, m)} }()
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

// gather takes what else has ended, so that one commit settles it all.
func gather(first delivered, ends <-chan delivered) []delivered {
	list := []delivered{first}
	for {
		select {
		case d := <-ends:
			list = append(list, d)
		default:
			return list
		}
	}
}

// settle writes down what became of deliveries. If that fails they will be delivered again.
func (r *Runner) settle(running map[string]bool, ends []delivered) {
	var done []string
	var again []Retry
	now := r.opts.Clock()
	for _, d := range ends {
		delete(running, d.m.ID)
		if d.err == nil {
			done = append(done, d.m.ID)
			continue
		}
		again = append(again, after(d.m, d.err, now, r.opts.Backoff))
		if _, later := errors.AsType[*Later](d.err); !later {
			r.opts.Failed(d.m, d.err)
		}
	}
	if err := r.store.Settle(context.Background(), done, again); err != nil {
		r.opts.Failed(Message{}, err)
	}
}
