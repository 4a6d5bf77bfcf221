package wallet

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/wire"
)

const (
	sweepBatch   = 200
	sweepAtOnce  = 16
	askFirst     = 2 * time.Second
	askAtLongest = 10 * time.Minute
)

// askAfter is the pause before the n-th next resolution: doubling, so that a bank that is down is not beaten.
func askAfter(n int) time.Duration {
	if n > 16 {
		return askAtLongest
	}
	return min(askFirst<<n, askAtLongest)
}

// SweepCharges asks the banks what became of charges whose end is overdue, until each has one (M12). It
// returns how many were asked; an error is that of the store, a bank's silence is none.
func (w *Wallet) SweepCharges(ctx context.Context) (int, error) {
	due, err := w.Store.ChargesToAsk(ctx, w.Now(), sweepBatch)
	if err != nil {
		return 0, err
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, cmp.Or(w.Money.AskAtOnce, sweepAtOnce))
	errs := make([]error, len(due))
	for i, c := range due {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = w.askOne(ctx, c)
		})
	}
	wg.Wait()
	return len(due), errors.Join(errs...)
}

// askOne postpones the next question first: a crash in between asks again later, never at once for ever.
func (w *Wallet) askOne(ctx context.Context, c Charge) error {
	again := AskAgain{Debit: c.Debit, Asks: c.Asks + 1, At: w.Now().Add(askAfter(c.Asks))}
	if err := w.Store.Commit(ctx, again); err != nil {
		return err
	}
	if err := w.ResolveCharge(ctx, c.Debit); err != nil {
		w.Log.Warn("a charge stays open", "debit", string(c.Debit), "state", string(c.State), "asks", again.Asks, "err", err)
	}
	return nil
}

// Mature makes maturing money available where its link has become active by the clock (M10).
func (w *Wallet) Mature(ctx context.Context) error {
	links, err := w.Store.MaturingLinks(ctx)
	if err != nil {
		return err
	}
	return w.mature(ctx, links)
}

// mature is Mature for some links. The transfer's id holds the version of the account it empties, so that two
// at the same time move it once.
func (w *Wallet) mature(ctx context.Context, links []Link) error {
	now := w.Now()
	for _, l := range links {
		if l.StateAt(now) != wire.LinkActive {
			continue
		}
		acc, err := w.account(ctx, Maturing(l.Subject, l.ID))
		if err != nil {
			return err
		}
		if acc.Free() <= 0 {
			continue
		}
		if err := w.matureOne(ctx, l, acc, now); err != nil {
			return err
		}
	}
	return nil
}

// matureOne moves the free part of a maturing account. Where something else moved first, or the holder's cap
// leaves no room, the money stays where it is and the next round looks again.
func (w *Wallet) matureOne(ctx context.Context, l Link, acc ledger.Account, now time.Time) error {
	unlock := w.subjects.lock(l.Subject)
	defer unlock()
	last, err := w.Money.Books.History(ctx, acc.ID, 0, 1)
	if err != nil || len(last) == 0 {
		return err
	}
	_, err = w.Ledger.Submit(ctx, ledger.Request{At: now, Do: ledger.Move{
		ID: matureID(l.ID, last[0].N), Kind: "matured",
		Legs: []ledger.Leg{{Debit: acc.ID, Credit: Available(l.Subject), Amount: acc.Free()}},
	}})
	return err
}

// SweepStatements exchanges the statements of days that are over with every bank that booked something, the
// oldest first, and again those of which we have learned more since. What fails is tried again next time, and keeps
// no other day and bank from its turn.
func (w *Wallet) SweepStatements(ctx context.Context) error {
	banks, err := w.Store.BanksCharged(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, issuer := range slices.Sorted(maps.Keys(banks)) {
		errs = append(errs, w.sweepBank(ctx, issuer, banks[issuer]))
	}
	return errors.Join(errs...)
}

// sweepBank exchanges what is due with one bank. One that cannot be reached is left until next time; a day that
// fails for another reason keeps no later one waiting.
func (w *Wallet) sweepBank(ctx context.Context, issuer id.Issuer, first string) error {
	days, err := w.Store.FinalDays(ctx, issuer)
	if err != nil {
		return err
	}
	final := make(map[string]FinalDay, len(days))
	for _, d := range days {
		final[d.Day] = d
	}
	for _, day := range daysTo(first, clock.Day(w.Now().Add(-dayWindow-statementRest))) {
		if due, err := w.statementDue(ctx, issuer, day, final); err != nil {
			return err
		} else if !due {
			continue
		}
		if _, err := w.ExchangeStatement(ctx, issuer, day); err != nil {
			w.Log.Warn("a statement was not exchanged", "issuer", string(issuer), "day", day, "err", err)
			if k := fault.Of(err); k == fault.Unavailable || k == fault.Busy || ctx.Err() != nil {
				break
			}
		}
	}
	return nil
}

// statementDue says whether a day that is over wants an exchange: it had none, or it is not settled and our books of
// it have changed.
func (w *Wallet) statementDue(ctx context.Context, issuer id.Issuer, day string, final map[string]FinalDay) (bool, error) {
	d, err := w.statementDay(issuer, day)
	if err != nil {
		return false, err
	}
	then, done := final[day]
	if !done {
		wait, err := w.stillMoving(ctx, d)
		return !wait, err
	}
	if then.Announced {
		return false, nil
	}
	now, err := w.Store.StatementTotal(ctx, issuer, d.from, d.to)
	return now != then.Ours, err
}

// stillMoving says whether a day should wait for charges of it that have no end yet: a day at the longest.
func (w *Wallet) stillMoving(ctx context.Context, d statementDay) (bool, error) {
	if w.Now().After(d.to.Add(dayWindow)) {
		return false, nil
	}
	return w.Store.OpenBefore(ctx, d.issuer, d.to)
}

// daysTo lists the days from first to last.
func daysTo(first, last string) []string {
	var days []string
	d, err := time.Parse(time.DateOnly, first)
	for ; err == nil && d.Format(time.DateOnly) <= last; d = d.AddDate(0, 0, 1) {
		days = append(days, d.Format(time.DateOnly))
	}
	return days
}

const (
	matureEvery     = 30 * time.Second // a holder's own page and her payments look at once
	statementsEvery = time.Minute      // how often it is looked whether a day is over
)

// RunMoney does the background work until ctx ends: open charges and matured money every so often, the statements
// of days that are over, and what may be forgotten. A failing part is logged and does not keep the others from theirs.
func (w *Wallet) RunMoney(ctx context.Context, every time.Duration) error {
	if err := w.OpenShops(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // stopped before it began
		}
		return err
	}
	var wg sync.WaitGroup
	for _, part := range []struct {
		name  string
		every time.Duration
		do    func(context.Context) error
	}{
		{"charges", every, func(ctx context.Context) error { _, err := w.SweepCharges(ctx); return err }},
		{"maturing", max(every, matureEvery), w.Mature},
		{"statements", max(every, statementsEvery), w.SweepStatements},
		{"lives", max(every, forgetEvery), w.Forget},
	} {
		wg.Go(func() {
			tick := time.NewTicker(part.every)
			defer tick.Stop()
			for {
				if err := part.do(ctx); err != nil && ctx.Err() == nil {
					w.Log.Error("background work", "part", part.name, "err", err)
				}
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// MoneyHandlers deliver what the money half puts into the outbox.
func (w *Wallet) MoneyHandlers() map[string]outbox.Handler {
	return map[string]outbox.Handler{
		KindDebit:    func(ctx context.Context, m outbox.Message) error { return w.DeliverDebit(ctx, id.Debit(m.Payload)) },
		KindReversal: func(ctx context.Context, m outbox.Message) error { return w.DeliverReversal(ctx, string(m.Payload)) },
	}
}
