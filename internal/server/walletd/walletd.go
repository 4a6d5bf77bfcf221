// Package walletd serves a payment service: its pages for holders and staff, its interface for shops, and the
// background work that brings every charge and every request for a link to an end.
package walletd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/notify"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/server"
	"github.com/kozamori/kozamori/internal/store/sessionsql"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	walletstore "github.com/kozamori/kozamori/internal/store/wallet"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/web"
)

// Env is the world of the server beside its configuration.
type Env = server.Env

// Server is one wallet, running.
type Server struct {
	cfg      Config
	env      Env
	wallet   *wallet.Wallet
	store    *walletstore.Store
	ledger   *ledger.Ledger
	web      *sqldb.DB
	sessions *scs.SessionManager // of holders
	staffers *scs.SessionManager // of staff
	metrics  *observe.Metrics
	failed   *prometheus.CounterVec
	audit    *observe.Audit
	site     *web.Site
	mailer   notify.Mailer
	sms      notify.SMS
	banks    bankList
	limits   limiters
	members  *web.Staff // their passwords
	handler  http.Handler
}

// limiters hold back floods; the limits that protect people stand in the rules.
type limiters struct{ opens, starts, recoveries, codes, keys, till *web.Limiter }

// newLimiters makes them. In dev everybody comes from one address, so that a source may be many people.
func newLimiters(dev bool) limiters {
	people := 1
	if dev {
		people = 50
	}
	each := func(every time.Duration, burst int) *web.Limiter {
		return web.NewLimiter(every/time.Duration(people), burst*people, 10_000, clock.System)
	}
	return limiters{
		opens: each(time.Second, 60), starts: each(30*time.Second, 10), recoveries: each(10*time.Minute, 5), codes: each(5*time.Second, 20), keys: each(2*time.Second, 20),
		till: web.NewLimiter(20*time.Second, 5, 10_000, clock.System),
	}
}

// places are where the wallet's tables are, and those of its sessions.
func places(cfg Config) (money, sessions string) {
	return sqldb.Places(cmp.Or(cfg.Data.Store.Reveal(), cfg.Data.Dir), "money.db", "wallet")
}

// Places lists where tables are.
func Places(cfg Config) []string {
	money, sessions := places(cfg)
	return []string{money, sessions}
}

// Migrate brings the databases up to date.
func Migrate(ctx context.Context, cfg Config) error {
	money, sessions := places(cfg)
	sealer, err := loadSealer(cfg)
	if err != nil {
		return err
	}
	st, err := walletstore.Open(money, sealer)
	if err != nil {
		return err
	}
	_, err = st.Migrate(ctx)
	if err = errors.Join(err, st.Close()); err != nil {
		return err
	}
	db, err := sqldb.Open(sessions, sessionsql.Source)
	if err != nil {
		return err
	}
	return db.Close()
}

// Open opens databases and keys. Databases that lack a migration are an error: `migrate` comes first.
func Open(ctx context.Context, cfg Config, env Env) (s *Server, err error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	s = &Server{cfg: cfg, env: env.Filled(cfg.Dev), metrics: observe.NewMetrics("wallet")}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
			s = nil
		}
	}()
	if err := s.openTables(ctx); err != nil {
		return s, err
	}
	store := sessionsql.New(s.web)
	s.sessions = web.NewSessions(store, "wallet", time.Hour, 12*time.Hour)
	s.staffers = web.NewSessions(store, "wallet-staff", 15*time.Minute, 8*time.Hour)
	s.limits = newLimiters(cfg.Dev)
	if s.members, err = web.NewStaff(cfg.members(), clock.System); err != nil {
		return s, err
	}
	s.failed = s.metrics.Counter("outbox_failures_total", "deliveries that failed and are tried again", "kind")
	if s.env.Audit != nil {
		s.audit = observe.NewAudit(s.env.Audit, "wallet", s.env.Now)
	}
	if err := s.connect(); err != nil {
		return s, err
	}
	return s, s.routes()
}

// openTables opens both sets of tables and takes them over; what they lack is for `migrate`.
func (s *Server) openTables(ctx context.Context) error {
	money, sessions := places(s.cfg)
	sealer, err := loadSealer(s.cfg)
	if err != nil {
		return err
	}
	if s.store, err = walletstore.Open(money, sealer); err != nil {
		return err
	}
	if s.web, err = sqldb.OpenAsIs(sessions, sessionsql.Source); err != nil {
		return err
	}
	if err := server.TakeOver(ctx, sqldb.Name(money), s.store); err != nil {
		return err
	}
	return server.TakeOver(ctx, sqldb.Name(sessions), s.web)
}

// Handler is the public interface: pages and the shops' API.
func (s *Server) Handler() http.Handler { return s.handler }

// Ops is the operator's own interface.
func (s *Server) Ops() http.Handler { return observe.Ops(s.metrics, s.store.Ready) }

// Rules is the wallet itself, for who drives it without its pages.
func (s *Server) Rules() *wallet.Wallet { return s.wallet }

// Deliver sends what the outbox holds and is due, one message after the other: a turn of what Run does.
func (s *Server) Deliver(ctx context.Context) (tried int, err error) { return s.runner().Once(ctx) }

func (s *Server) runner() *outbox.Runner {
	return outbox.NewRunner(s.store.Outbox(), outbox.Options{Clock: s.env.Now, Handlers: s.handlers(), Failed: s.deliveryFailed})
}

// Run delivers the outbox, listens to the hub's events and brings charges to their ends, until ctx ends
// or another process takes the tables over.
func (s *Server) Run(ctx context.Context) error {
	runner := s.runner()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { runner.Run(ctx); return nil })
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-s.wallet.Woken():
				runner.Wake()
			}
		}
	})
	g.Go(func() error { s.followHub(ctx); return nil })
	g.Go(func() error { s.forget(ctx); return nil })
	g.Go(func() error { return s.moneyWork(ctx) })
	g.Go(func() error { return s.store.Lost(ctx) })
	g.Go(func() error { return s.web.Lost(ctx) })
	return g.Wait()
}

func (s *Server) handlers() map[string]outbox.Handler {
	all := map[string]outbox.Handler{
		wallet.KindRedeem: s.wallet.DeliverRedeem,
		wallet.KindAbort:  s.wallet.DeliverAbort,
		wallet.KindChange: s.wallet.DeliverChange,
		wallet.KindMail:   s.deliverMail,
		wallet.KindSMS:    s.deliverSMS,
	}
	for kind, h := range s.moneyHandlers() {
		all[kind] = h
	}
	return all
}

func (s *Server) deliveryFailed(m outbox.Message, err error) {
	s.failed.WithLabelValues(m.Kind).Inc()
	s.env.Log.Warn("outbox", "kind", m.Kind, "id", m.ID, "attempts", m.Attempts, "error", err.Error())
}

// eventWait is how long the hub may keep the question open; errorWait the pause after a failure.
const (
	eventWait = 25 * time.Second
	errorWait = 2 * time.Second
)

// followHub takes what banks report on their own account: stops, expiries, confirmations.
func (s *Server) followHub(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.wallet.FetchEvents(ctx, eventWait)
		if err == nil || ctx.Err() != nil {
			continue
		}
		s.env.Log.Warn("events of the hub", "error", err.Error())
		select {
		case <-ctx.Done():
		case <-time.After(errorWait):
		}
	}
}

// forget removes sessions that have ended; the wallet forgets what is its own.
func (s *Server) forget(ctx context.Context) {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			err := sessionsql.New(s.web).Forget(ctx)
			if err != nil {
				s.env.Log.Warn("forgetting what has expired", "error", err.Error())
			}
		}
	}
}

// Close lets the ledger finish and closes the databases.
func (s *Server) Close() error {
	var errs []error
	if s.ledger != nil {
		s.ledger.Close()
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.web != nil {
		errs = append(errs, s.web.Close())
	}
	return errors.Join(errs...)
}
