package walletd

import (
	"context"
	"sync"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wallet"
)

const (
	bankListLife  = 20 * time.Second // how long a list is as good as new
	bankListPause = 2 * time.Second  // after a failure the hub is not asked again for so long
	bankListWait  = time.Second      // how long a page waits for a new list where it has an old one
	bankListCall  = 10 * time.Second // how long the hub may take
)

// bankList remembers the hub's list for a moment: people search it letter by letter. One question at a time is
// open to the hub, whoever asks; while it hangs or fails, pages show the last list there was. Whether a bank takes
// links is asked anew when it matters.
type bankList struct {
	mu     sync.Mutex
	at     time.Time // of banks; zero: there is no list yet
	banks  []wallet.HubBank
	failed time.Time // the last failure, with err
	err    error
	flight chan struct{} // closed when the open question is answered; nil for none
}

// get is the list; load asks for a new one. Without any list a failure to load is the error. The list is shared:
// nobody changes it.
func (l *bankList) get(ctx context.Context, load func(context.Context) ([]wallet.HubBank, error)) ([]wallet.HubBank, error) {
	l.mu.Lock()
	now, had := clock.System(), !l.at.IsZero()
	if (had && now.Sub(l.at) <= bankListLife) || (l.flight == nil && now.Sub(l.failed) <= bankListPause) {
		defer l.mu.Unlock()
		return l.known()
	}
	if l.flight == nil {
		l.flight = make(chan struct{})
		go l.renew(context.WithoutCancel(ctx), load)
	}
	flight := l.flight
	l.mu.Unlock()

	patience := bankListCall
	if had {
		patience = bankListWait
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	select {
	case <-flight:
	case <-ctx.Done():
		if !had {
			return nil, fault.New(fault.Unavailable, "walletd.bankList", ctx.Err())
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known()
}

// known is the last list, or why there is none.
func (l *bankList) known() ([]wallet.HubBank, error) {
	if l.at.IsZero() {
		return nil, l.err
	}
	return l.banks, nil
}

// renew asks once, for all who wait.
func (l *bankList) renew(ctx context.Context, load func(context.Context) ([]wallet.HubBank, error)) {
	ctx, stop := context.WithTimeout(ctx, bankListCall)
	defer stop()
	banks, err := load(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := clock.System(); err != nil {
		l.failed, l.err = now, err
	} else {
		l.at, l.banks, l.err = now, banks, nil
	}
	close(l.flight)
	l.flight = nil
}
