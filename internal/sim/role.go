package sim

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/hub"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/server"
	"github.com/kozamori/kozamori/internal/server/bankd"
	"github.com/kozamori/kozamori/internal/server/hubd"
	"github.com/kozamori/kozamori/internal/server/walletd"
	"github.com/kozamori/kozamori/internal/wallet"
)

// role is one company's program: a file that stays, and a process that comes and goes.
type role struct {
	name    string // "maru", "hub", "0149"
	host    string // as the others call it
	service *service
	bank    *bankOf
	up      *process // nil while it is down
	dirty   bool     // something was committed since the last look at its books
	sending bool     // its outbox is being delivered: a program has one runner
}

// process is a role from one start to its end. What it still does after its end reaches nobody: its commits are
// rolled back, its calls are refused, its clock stands still.
type process struct {
	n       int
	role    *role
	ended   atomic.Bool
	doomed  bool // it ends at the next moment at which anybody could tell
	ctx     context.Context
	cancel  context.CancelFunc
	handler http.Handler

	wallet *wallet.Wallet
	bank   *bank.Bank
	hub    *hub.Hub

	deliver func(ctx context.Context) (int, error)
	forget  func(ctx context.Context) error
	close   func() error
}

func newRoles() []*role {
	hosted := func(address string) string {
		u, err := url.Parse(address)
		if err != nil {
			panic("sim: an address of ours does not parse: " + err.Error())
		}
		return u.Host
	}
	roles := []*role{{name: hubName, host: hosted(hubURL)}}
	for i := range services {
		roles = append(roles, &role{name: string(services[i].id), host: hosted(services[i].origin), service: &services[i]})
	}
	for i := range banks {
		roles = append(roles, &role{name: string(banks[i].code), host: hosted(string(banks[i].issuer())), bank: &banks[i]})
	}
	return roles
}

// newProcess makes the shell of a process: its files are reached by a way of its own, so that a commit tells whose it is.
func (w *World) newProcess(r *role) (*process, string, error) {
	w.processes++
	p := &process{n: w.processes, role: r}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	way := w.l.path("process", fmt.Sprint(p.n))
	return p, way, os.Symlink(w.l.path("data"), way)
}

// env is the world as a process sees it.
func (w *World) env(p *process) server.Env {
	frozen := w.now
	return server.Env{
		Now: func() time.Time {
			if p.ended.Load() {
				return frozen
			}
			return w.tick()
		},
		Rand: rands{p, w}, Transport: line{w, p}, Log: w.o.Log,
	}
}

// openProcess opens the files of a role as a start of its program does.
func (w *World) openProcess(ctx context.Context, p *process, data string) error {
	env := w.env(p)
	switch r := p.role; {
	case r.service != nil:
		s, err := walletd.Open(ctx, w.l.wallet(*r.service, data), env)
		if err != nil {
			return err
		}
		p.handler, p.wallet, p.deliver, p.close = s.Handler(), s.Rules(), s.Deliver, s.Close
		p.wallet.Money.AskAtOnce = 1 // one after the other, so that a seed is a story
		p.forget = p.wallet.Forget
		return p.wallet.OpenShops(ctx)
	case r.bank != nil:
		s, err := bankd.Open(ctx, w.l.bank(*r.bank, data), bankd.Env{Env: env, Wait: func(context.Context, time.Duration) {}})
		if err != nil {
			return err
		}
		rules, err := s.Rules(r.bank.code)
		if err != nil {
			return err
		}
		p.handler, p.bank, p.close = s.Handler(), rules, s.Close
		p.deliver = func(ctx context.Context) (int, error) { return s.Deliver(ctx, r.bank.code) }
		p.forget = rules.Forget
		return nil
	default:
		s, err := hubd.Open(ctx, w.l.hub(data), env)
		if err != nil {
			return err
		}
		p.handler, p.hub, p.close, p.forget = s.Handler(), s.Rules(), s.Close, s.Forget
		p.deliver = func(context.Context) (int, error) { return 0, nil } // it has no outbox
		return nil
	}
}

// migrate makes the files of every role.
func (l layout) migrate(ctx context.Context) error {
	data := l.path("data")
	for _, dir := range append([]string{hubName, "bank"}, string(services[0].id), string(services[1].id)) {
		if err := os.MkdirAll(l.path("data", dir), 0o700); err != nil {
			return err
		}
	}
	if err := hubd.Migrate(ctx, l.hub(data)); err != nil {
		return err
	}
	for _, s := range services {
		if err := walletd.Migrate(ctx, l.wallet(s, data)); err != nil {
			return err
		}
	}
	for _, b := range banks {
		if err := bankd.Migrate(ctx, l.bank(b, data)); err != nil {
			return err
		}
	}
	return nil
}

// issuerOf is the role of the bank that signs by this name.
func (w *World) issuerOf(i id.Issuer) *role {
	for _, r := range w.roles {
		if r.bank != nil && r.bank.issuer() == i {
			return r
		}
	}
	panic("sim: no bank " + string(i))
}
