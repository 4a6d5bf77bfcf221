package sim

import (
	"context"
	"slices"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/hub"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wallet"
)

// Between what a role has read and the commit that rests on it there is a moment in which other things may happen: what
// was read is the past by then. It is opened where the role holds no lock, so that nothing waits for itself.

// hesitate lets something else happen first, and says whether the process has ended of it.
func (w *World) hesitate(p *process) (ended bool) {
	if p.ended.Load() {
		return true
	}
	if p.role.up == p { // not while it starts
		w.meanwhile(w.weather.between / 2)
	}
	if p.ended.Load() {
		w.top().die()
	}
	return p.ended.Load()
}

// openMoments puts a moment before the commits of a process.
func (w *World) openMoments(p *process) {
	switch {
	case p.wallet != nil:
		p.wallet.Ledger = purseBooks{p.wallet.Ledger, w, p}
	case p.bank != nil:
		p.bank.Core, p.bank.Store = core{p.bank.Core, w, p}, bankRows{p.bank.Store, w, p}
	case p.hub != nil:
		p.hub.Store = hubRows{p.hub.Store, w, p}
	}
}

// core is a bank's ledger. A change of a gate has no such moment: it bears the time at which it was asked for, and a debit
// that is decided in between, rightly, bears a later one, which the audit takes for a debit after the stop.
type core struct {
	bank.Core
	w *World
	p *process
}

// Submit implements bank.Core.
func (c core) Submit(ctx context.Context, r ledger.Request) (ledger.Result, error) {
	if !setsGate(r) && c.w.hesitate(c.p) {
		return ledger.Result{}, errEnded
	}
	return c.Core.Submit(ctx, r)
}

// SubmitAll implements bank.Core.
func (c core) SubmitAll(ctx context.Context, rs []ledger.Request) ([]ledger.Result, error) {
	if !slices.ContainsFunc(rs, setsGate) && c.w.hesitate(c.p) {
		return nil, errEnded
	}
	return c.Core.SubmitAll(ctx, rs)
}

func setsGate(r ledger.Request) bool {
	_, ok := r.Do.(ledger.SetGate)
	return ok
}

// bankRows is a bank's rows.
type bankRows struct {
	bank.Store
	w *World
	p *process
}

// Commit implements bank.Store.
func (s bankRows) Commit(ctx context.Context, rows ...ledger.Write) error {
	if s.w.hesitate(s.p) {
		return errEnded
	}
	return s.Store.Commit(ctx, rows...)
}

// hubRows is the hub's rows.
type hubRows struct {
	hub.Store
	w *World
	p *process
}

// Change implements hub.Store.
func (s hubRows) Change(ctx context.Context, f func(hub.Tx) error) error {
	if s.w.hesitate(s.p) {
		return errEnded
	}
	return s.Store.Change(ctx, f)
}

// purseBooks is a service's ledger. What a service does under the lock of a holder has no such moment.
type purseBooks struct {
	wallet.Ledger
	w *World
	p *process
}

// Submit implements wallet.Ledger.
func (b purseBooks) Submit(ctx context.Context, r ledger.Request) (ledger.Result, error) {
	switch r.Do.(type) {
	case ledger.Post, ledger.Void, ledger.Note, ledger.Bury: // the ends of charges
		if b.w.hesitate(b.p) {
			return ledger.Result{}, errEnded
		}
	}
	return b.Ledger.Submit(ctx, r)
}
