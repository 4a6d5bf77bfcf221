// Package bankd serves banks: the authorization server for links with its pages, the portal where depositors
// see and stop everything, and the interface for hub, ATM operators and carriers. One process may serve many
// banks; each has its own host name, keys, file and books, and shares nothing with the others but the process.
package bankd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/server"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// Env is what a program hands to the server beside its configuration. Zero fields get their defaults.
type Env struct {
	server.Env

	// Wait waits for the moment at which an answer before full proof leaves (L3); nil waits by the machine's
	// clock. Tests need not wait.
	Wait func(ctx context.Context, left time.Duration)
	// Ticks is the time since any fixed moment, by a clock that never goes back: it measures how long an answer
	// takes. Nil is the machine's.
	Ticks func() time.Duration
}

// Server is some banks, running.
type Server struct {
	cfg     Config
	env     Env
	metrics *observe.Metrics
	audit   *observe.Audit
	tenants map[string]*tenant // by host, as browsers name it
	order   []*tenant
	handler http.Handler
}

// tenantsAtOnce is how many banks are opened or migrated at the same time: most of it is waiting for the disk.
const tenantsAtOnce = 16

// Migrate brings the databases of all banks up to date.
func Migrate(ctx context.Context, cfg Config) error {
	if err := cfg.Check(); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	var g errgroup.Group
	g.SetLimit(tenantsAtOnce)
	for _, b := range cfg.Banks {
		g.Go(func() error { return migrateTenant(ctx, cfg, b) })
	}
	return g.Wait()
}

// Open opens databases and keys. Databases that lack a migration are an error: `migrate` comes first.
func Open(ctx context.Context, cfg Config, env Env) (s *Server, err error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	s = &Server{cfg: cfg, env: withDefaults(cfg, env), metrics: observe.NewMetrics("bank"), tenants: map[string]*tenant{}}
	opened := s // a failing return clears s
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.Close())
		}
	}()
	if s.env.Audit != nil {
		s.audit = observe.NewAudit(s.env.Audit, "bank", s.env.Now)
	}
	shared, err := s.registers()
	if err != nil {
		return nil, err
	}
	site, err := newSite(cfg.Server.HTTPS())
	if err != nil {
		return nil, err
	}
	s.order = make([]*tenant, len(cfg.Banks))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(tenantsAtOnce)
	for i, b := range cfg.Banks {
		g.Go(func() (err error) {
			s.order[i], err = s.openTenant(gctx, b, shared, site.Named(b.name(), i%8))
			if err != nil {
				err = fmt.Errorf("bank %s: %w", b.Code, err)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, t := range s.order {
		s.tenants[t.host] = t
	}
	s.handler = observe.Wide(http.HandlerFunc(s.serve), observe.Wiring{Role: "bank", Log: s.env.Log, Metrics: s.metrics,
		OnError: s.order[0].site.Error})
	return s, nil
}

func withDefaults(cfg Config, env Env) Env {
	env.Env = env.Filled(cfg.Dev)
	if env.Ticks == nil {
		opened := time.Now()
		env.Ticks = func() time.Duration { return time.Since(opened) }
	}
	if env.Wait == nil {
		env.Wait = wait
	}
	return env
}

// wait sleeps, or less if the browser has gone.
func wait(ctx context.Context, left time.Duration) {
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// serve finds the bank by its exact host name. Another name is nobody's.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	t, ok := s.tenants[strings.ToLower(r.Host)]
	if !ok {
		http.Error(w, "404 no such bank", http.StatusNotFound)
		return
	}
	observe.Party(r.Context(), string(t.bank.Profile.Code))
	t.handler.ServeHTTP(w, r)
}

// Handler is the public interface of all banks.
func (s *Server) Handler() http.Handler { return s.handler }

// Ops is the operator's own interface.
func (s *Server) Ops() http.Handler {
	return observe.Ops(s.metrics, func(ctx context.Context) error {
		for _, t := range s.order {
			if err := t.store.Ready(ctx); err != nil {
				return fmt.Errorf("bank %s: %w", t.bank.Profile.Code, err)
			}
		}
		return nil
	})
}

// Run does the background work of all banks until ctx ends: what is in the outboxes is sent, what has run out
// of time is ended.
func (s *Server) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, t := range s.order {
		g.Go(func() error { return t.run(ctx) })
	}
	return g.Wait()
}

// Close closes all books and files.
func (s *Server) Close() error {
	var errs []error
	for _, t := range s.order {
		if t != nil {
			errs = append(errs, t.close())
		}
	}
	return errors.Join(errs...)
}

// places are where a bank's tables are, and those of its sessions.
func (c Config) places(code string) (money, sessions string) {
	where := c.Data.Store.Reveal()
	if where == "" {
		where = filepath.Join(c.Data.Dir, code)
	}
	return sqldb.Places(where, "money.db", "bank", code)
}

// Places lists where tables are.
func Places(c Config) []string {
	var all []string
	for _, b := range c.Banks {
		money, sessions := c.places(b.Code)
		all = append(all, money, sessions)
	}
	return all
}
