package walletd

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kozamori/kozamori/internal/wallet"
)

func TestBankListWhileTheHubHangsOrFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		list := []wallet.HubBank{{Bank: "0149"}}
		down := errors.New("the hub is down")
		good := func(context.Context) ([]wallet.HubBank, error) { asked.Add(1); return list, nil }
		bad := func(context.Context) ([]wallet.HubBank, error) { asked.Add(1); return nil, down }
		hang := func(ctx context.Context) ([]wallet.HubBank, error) { asked.Add(1); <-ctx.Done(); return nil, ctx.Err() }

		// crowd asks at the same time; it answers how long the slowest waited.
		crowd := func(l *bankList, load func(context.Context) ([]wallet.HubBank, error), want error) time.Duration {
			t.Helper()
			asked.Store(0)
			begun := time.Now()
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() {
					banks, err := l.get(t.Context(), load)
					if !errors.Is(err, want) || (want == nil && len(banks) != 1) {
						t.Errorf("%v, %v; want %v", banks, err, want)
					}
				})
			}
			all.Wait()
			return time.Since(begun)
		}
		expect := func(what string, waited, most time.Duration, questions int64) {
			t.Helper()
			if waited > most || asked.Load() != questions {
				t.Errorf("%s: waited %v, %d questions", what, waited, asked.Load())
			}
		}

		empty := &bankList{}
		expect("no list, the hub fails", crowd(empty, bad, down), 0, 1)
		expect("asked again at once", crowd(empty, bad, down), 0, 0)
		time.Sleep(bankListPause + time.Millisecond)
		expect("no list, the hub hangs", crowd(empty, hang, context.DeadlineExceeded), bankListCall, 1)
		time.Sleep(bankListPause + time.Millisecond)

		l := empty
		expect("the hub is well", crowd(l, good, nil), 0, 1)
		expect("a new list", crowd(l, good, nil), 0, 0)
		time.Sleep(bankListLife + time.Millisecond)
		expect("an old list, the hub hangs", crowd(l, hang, nil), bankListWait, 1)
		time.Sleep(bankListCall)
		expect("just after that", crowd(l, hang, nil), bankListWait, 0)
		time.Sleep(bankListPause)
		expect("well again", crowd(l, good, nil), 0, 1)
	})
}
