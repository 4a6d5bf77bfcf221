package wallet

import (
	"context"
	"sync"
	"time"

	"github.com/kozamori/kozamori/internal/id"
)

// watchers lets pages wait for the end of a charge instead of asking again and again.
type watchers struct {
	mu sync.Mutex
	on map[string][]chan struct{}
}

// watch returns a channel that is closed when something is told of the key, and what ends the watching.
func (w *watchers) watch(key string) (<-chan struct{}, func()) {
	ch := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.on == nil {
		w.on = map[string][]chan struct{}{}
	}
	w.on[key] = append(w.on[key], ch)
	return ch, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		rest := w.on[key][:0]
		for _, c := range w.on[key] {
			if c != ch {
				rest = append(rest, c)
			}
		}
		if w.on[key] = rest; len(rest) == 0 {
			delete(w.on, key)
		}
	}
}

// tell wakes all who watch the key.
func (w *watchers) tell(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ch := range w.on[key] {
		close(ch)
	}
	delete(w.on, key)
}

// wait returns when the key is told of, at the latest after d or when ctx ends.
func wait(ctx context.Context, told <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-told:
	case <-t.C:
	case <-ctx.Done():
	}
}

// AwaitCharge answers a holder's charge once the bank's last word on it is known, at the latest after d.
func (w *Wallet) AwaitCharge(ctx context.Context, sub id.Subject, debit id.Debit, d time.Duration) (Charge, error) {
	told, stop := w.ended.watch(string(debit))
	defer stop()
	c, err := w.OwnCharge(ctx, sub, debit)
	if err != nil || !c.State.Open() {
		return c, err
	}
	wait(ctx, told, d)
	return w.OwnCharge(ctx, sub, debit)
}
