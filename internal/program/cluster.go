package program

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// Several processes of a role may share its database. One of them, the holder of the lease, opens the role; the others
// stand by and pass requests on to it. The lease only says who should open: of two processes that both believe in theirs
// the last that opened writes, because to open the tables is to take them over (sqldb.DB.Lead).

// How long things take.
const (
	beatEvery = time.Second            // the holder says that it is there
	lookEvery = 200 * time.Millisecond // those who stand by look
	patience  = 5 * time.Second        // without a beat, by the clock of who looks, until another takes the lease
	answerIn  = 2 * time.Second        // the database, when asked about the lease
)

// errLost ends a process that was the holder of the lease and is no more: it stood still for too long. Started again
// it stands by.
var errLost = errors.New("another process of the cluster has taken over, because this one was not heard of")

// member is this process among those of its role: a Server that serves the role once it leads, and passes requests on
// until then.
type member struct {
	setup     Setup
	open      func(context.Context) (Server, error)
	log       *slog.Logger
	lease     *sqldb.Lease
	me        sqldb.Holder
	proofs    proofs
	transport *http.Transport
	standby   http.Handler
	ops       http.Handler // while it stands by

	leader  atomic.Pointer[leader]  // who is passed requests; nil for nobody
	serving atomic.Pointer[serving] // nil until this process leads
	beats   sync.WaitGroup
	silence context.CancelFunc // ends the beats
	lost    chan struct{}      // closed when the lease is another's
}

// serving is a role that was opened.
type serving struct {
	Server
	public, ops http.Handler
}

// join makes this process a member, which takes no part before Run.
func join(ctx context.Context, role Role, s Setup, open func(context.Context) (Server, error), log *slog.Logger) (*member, error) {
	m := &member{setup: s, open: open, log: log, silence: func() {},
		me: sqldb.Holder{ID: rand.Text(), Address: s.Cluster.Address}, lost: make(chan struct{})}
	var err error
	if m.proofs, err = newProofs(s); err != nil {
		return nil, err
	}
	if m.transport, err = newTransport(s); err != nil {
		return nil, err
	}
	metrics := observe.NewMetrics(role.Short)
	m.standby = observe.Wide(m.forwarder(m.transport), observe.Wiring{Role: role.Short, Log: log, Metrics: metrics})
	m.ops = m.opsOfStandby(metrics)
	m.lease, err = sqldb.OpenLease(ctx, s.Tables[0])
	return m, err
}

// Handler implements Server.
func (m *member) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s := m.serving.Load(); s != nil {
			s.public.ServeHTTP(w, r)
			return
		}
		m.standby.ServeHTTP(w, r)
	})
}

// Ops implements Server.
func (m *member) Ops() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s := m.serving.Load(); s != nil {
			s.ops.ServeHTTP(w, r)
			return
		}
		m.ops.ServeHTTP(w, r)
	})
}

// opsOfStandby is the operator's interface of a process that stands by: it is ready when it can pass requests on.
func (m *member) opsOfStandby(metrics *observe.Metrics) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", observe.Ops(metrics, nil))
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, stop := context.WithTimeout(r.Context(), answerIn)
		defer stop()
		status, said := http.StatusOK, "standby\n"
		if err := m.reach(ctx); err != nil {
			status, said = http.StatusServiceUnavailable, fmt.Sprintf("standby, not ready: %v\n", err)
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, said)
	})
	return mux
}

// Run stands by until the lease is this process's, then opens the role and does its background work, until ctx ends or
// the lease is lost.
func (m *member) Run(ctx context.Context) error {
	if !m.campaign(ctx) {
		// What was passed on and waits for something to happen (a long poll) must not use up the whole grace.
		time.AfterFunc(m.setup.Public.GraceTime()/2, func() { m.follow(sqldb.Holder{}) })
		return nil
	}
	// The beats outlive ctx: until Close this process answers the last requests.
	beating, silence := context.WithCancel(context.WithoutCancel(ctx))
	m.silence = silence
	m.beats.Go(func() { m.beat(beating) })
	opened, err := m.open(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	}
	m.serving.Store(&serving{Server: opened, public: m.received(opened.Handler()), ops: opened.Ops()})
	m.log.Info("leading: this process serves, the others pass requests on to " + m.me.Address)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return opened.Run(ctx) })
	g.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case <-m.lost:
			return errLost
		}
	})
	return g.Wait()
}

// campaign waits for the lease; false where ctx ended first.
func (m *member) campaign(ctx context.Context) bool {
	var w watch
	var told trouble
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		h, taken, err := m.look(ctx, &w)
		switch {
		case taken:
			m.follow(sqldb.Holder{})
			return true
		case err == nil:
			m.follow(h)
		}
		if ctx.Err() == nil {
			told.tell(m.log, err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// look reads the lease, and takes it where it is free or nothing was heard of its holder for too long.
func (m *member) look(ctx context.Context, w *watch) (h sqldb.Holder, taken bool, err error) {
	ctx, stop := context.WithTimeout(ctx, answerIn)
	defer stop()
	h, err = m.lease.Read(ctx)
	switch {
	case err != nil:
		*w = watch{} // the holder may have had the same trouble: it gets its time
	case h.ID == m.me.ID: // taken before, by a statement whose answer was lost
		taken = true
	case w.free(time.Now(), h):
		taken, err = m.lease.Take(ctx, h, m.me)
	}
	return h, taken, err
}

// watch is what a process that stands by has seen of the lease, by a clock that nobody sets.
type watch struct {
	last sqldb.Holder
	at   time.Time // when it was seen for the first time
}

// free says whether a lease may be taken.
func (w *watch) free(now time.Time, h sqldb.Holder) bool {
	if h != w.last || w.at.IsZero() {
		*w = watch{h, now}
	}
	return h.ID == "" || now.Sub(w.at) >= patience
}

// follow passes requests on to h from now on, and gives up those that were passed on to another.
func (m *member) follow(h sqldb.Holder) {
	was := m.leader.Load()
	if was != nil && was.ID == h.ID || was == nil && h.ID == "" {
		return
	}
	var next *leader
	if u, err := url.Parse(h.Address); err == nil && h.ID != "" {
		next = &leader{Holder: h, url: u}
		next.ctx, next.gone = context.WithCancel(context.Background())
		m.log.Info("standing by: requests are passed on to " + h.Address)
	}
	m.leader.Store(next)
	if was != nil {
		was.gone()
	}
}

// beat says that this process is there, until ctx ends or the lease is another's.
func (m *member) beat(ctx context.Context) {
	var told trouble
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		held, err := m.beatOnce(ctx)
		if err == nil && !held {
			close(m.lost)
			return
		}
		if ctx.Err() == nil {
			told.tell(m.log, err)
		}
	}
}

// trouble with the lease is told once, and that it is over.
type trouble bool

func (t *trouble) tell(log *slog.Logger, err error) {
	if was := bool(*t); was == (err != nil) {
		return
	}
	if *t = err != nil; err != nil {
		log.Warn("the lease is out of reach", "error", err.Error())
		return
	}
	log.Info("the lease is in reach again")
}

func (m *member) beatOnce(ctx context.Context) (held bool, err error) {
	ctx, stop := context.WithTimeout(ctx, answerIn)
	defer stop()
	return m.lease.Beat(ctx, m.me.ID)
}

// Close closes the role, and then frees the lease: another process takes over at once.
func (m *member) Close() error {
	var errs []error
	if s := m.serving.Load(); s != nil {
		errs = append(errs, s.Close())
	}
	m.silence()
	m.beats.Wait()
	ctx, stop := context.WithTimeout(context.Background(), answerIn)
	defer stop()
	errs = append(errs, m.lease.Free(ctx, m.me.ID), m.lease.Close())
	m.transport.CloseIdleConnections()
	return errors.Join(errs...)
}
