// Package hubd serves the hub: the interface for services and banks, and the staff's pages, on which
// everybody's new links can be stopped at once.
package hubd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"golang.org/x/sync/errgroup"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/hub"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/server"
	hubstore "github.com/kozamori/kozamori/internal/store/hub"
	"github.com/kozamori/kozamori/internal/store/sessionsql"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
)

// Env is the world of the server beside its configuration.
type Env = server.Env

// Server is one hub, running.
type Server struct {
	cfg      Config
	env      Env
	hub      *hub.Hub
	store    *hubstore.Store
	money    *sqldb.DB
	web      *sqldb.DB
	sessions *scs.SessionManager
	metrics  *observe.Metrics
	audit    *observe.Audit
	site     *web.Site
	guard    wire.Guard
	tokens   *wire.TokenServer
	members  *web.Staff
	handler  http.Handler
}

// places are where the hub's tables are, and those of its sessions.
func places(cfg Config) (main, sessions string) {
	return sqldb.Places(cmp.Or(cfg.Data.Store.Reveal(), cfg.Data.Dir), "hub.db", "hub")
}

// Places lists where tables are.
func Places(cfg Config) []string {
	main, sessions := places(cfg)
	return []string{main, sessions}
}

// Migrate brings the databases up to date.
func Migrate(_ context.Context, cfg Config) error {
	main, sessions := places(cfg)
	a, err := sqldb.Open(main, hubstore.Source)
	if err != nil {
		return err
	}
	b, err := sqldb.Open(sessions, sessionsql.Source)
	if err != nil {
		return errors.Join(err, a.Close())
	}
	return errors.Join(a.Close(), b.Close())
}

// Open opens databases and keys. Databases that lack a migration are an error: `migrate` comes first.
func Open(ctx context.Context, cfg Config, env Env) (s *Server, err error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	s = &Server{cfg: cfg, env: env.Filled(cfg.Dev), metrics: observe.NewMetrics("hub")}
	opened := s // a failing return clears s
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.Close())
		}
	}()
	main, sessions := places(cfg)
	if s.money, err = openReady(ctx, main, hubstore.Source); err != nil {
		return nil, err
	}
	if s.web, err = openReady(ctx, sessions, sessionsql.Source); err != nil {
		return nil, err
	}
	s.store = hubstore.New(s.money)
	s.sessions = web.NewSessions(sessionsql.New(s.web), "hub-staff", 15*time.Minute, 8*time.Hour)
	if s.env.Audit != nil {
		s.audit = observe.NewAudit(s.env.Audit, "hub", s.env.Now)
	}
	if s.members, err = web.NewStaff(cfg.members(), clock.System); err != nil {
		return nil, err
	}
	if err := s.wire(); err != nil {
		return nil, err
	}
	return s, s.routes()
}

// openReady opens tables whose migrations are all applied, and takes them over.
func openReady(ctx context.Context, place string, source sqldb.Source) (*sqldb.DB, error) {
	db, err := sqldb.OpenAsIs(place, source)
	if err != nil {
		return nil, err
	}
	if err := server.TakeOver(ctx, sqldb.Name(place), db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// wire loads keys and registers and makes the hub.
func (s *Server) wire() error {
	keys := keyfile.Open(s.cfg.Data.Keys)
	if err := keys.Check(s.cfg.Dev); err != nil {
		return err
	}
	client, err := keys.Signing("client")
	if err != nil {
		return err
	}
	proof, err := keys.Signing("dpop")
	if err != nil {
		return err
	}
	rows, err := keys.Secrets("rows")
	if err != nil {
		return err
	}
	sealer, err := outbox.NewSealer(rows...)
	if err != nil {
		return err
	}
	services, banks, ring, err := s.registers()
	if err != nil {
		return err
	}
	s.hub = hub.New(hub.Deps{Services: services, Banks: banks, Store: s.store, Sealer: sealer, Now: s.env.Now, Rand: s.env.Rand,
		Bridge: newBridge(s.cfg.Issuer, banks, client[0], proof[0], s.env.Transport, s.env.Now)})
	s.tokens = &wire.TokenServer{URL: s.cfg.Issuer + "/token", Store: s.store, ScopeOf: s.scopeOf,
		Clients: wire.Clients{Issuer: s.cfg.Issuer, Keys: ring, Replay: s.store, Now: s.env.Now}}
	s.guard = wire.Guard{Base: s.cfg.Issuer, Tokens: s.store, Replay: s.store, Now: s.env.Now}
	return nil
}

// registers reads who takes part, with the pinned client keys.
func (s *Server) registers() ([]hub.Service, []hub.Bank, wire.Keyring, error) {
	ring := wire.Keyring{}
	var services []hub.Service
	for _, c := range s.cfg.Services {
		set, err := keyfile.ReadSet(c.Keys)
		if err != nil {
			return nil, nil, nil, err
		}
		ring[c.ID] = set
		services = append(services, hub.Service{ID: id.Service(c.ID), NameJA: c.NameJA, NameEN: c.NameEN})
	}
	var banks []hub.Bank
	for _, c := range s.cfg.Banks {
		set, err := keyfile.ReadSet(c.Keys)
		if err != nil {
			return nil, nil, nil, err
		}
		ring[c.Issuer] = set
		banks = append(banks, hub.Bank{Code: id.Bank(c.Code), Issuer: id.Issuer(c.Issuer), NameJA: c.NameJA, NameEN: c.NameEN, Kana: c.Kana})
	}
	return services, banks, ring, nil
}

// The scopes of the hub's tokens.
const (
	scopeService = "service"
	scopeBank    = "bank"
)

func (s *Server) scopeOf(client string) string {
	if _, ok := s.hub.Service(id.Service(client)); ok {
		return scopeService
	}
	if _, ok := s.hub.Bank(id.Issuer(client)); ok {
		return scopeBank
	}
	return ""
}

// Handler is the public interface.
func (s *Server) Handler() http.Handler { return s.handler }

// Ops is the operator's own interface.
func (s *Server) Ops() http.Handler { return observe.Ops(s.metrics, s.money.Ready) }

// Rules is the hub itself, for who drives it without its pages.
func (s *Server) Rules() *hub.Hub { return s.hub }

// Forget removes what has expired: a turn of what Run does.
func (s *Server) Forget(ctx context.Context) error {
	return errors.Join(s.store.Forget(ctx, s.env.Now()), s.hub.Forget(ctx), sessionsql.New(s.web).Forget(ctx))
}

// Run forgets what has expired until ctx ends or another process takes the tables over.
func (s *Server) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.money.Lost(ctx) })
	g.Go(func() error { return s.web.Lost(ctx) })
	g.Go(func() error { s.forget(ctx); return nil })
	return g.Wait()
}

func (s *Server) forget(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.Forget(ctx); err != nil {
				s.env.Log.Warn("forgetting what has expired", "error", err.Error())
			}
		}
	}
}

// Close closes the databases.
func (s *Server) Close() error {
	var errs []error
	for _, db := range []*sqldb.DB{s.money, s.web} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}
