package hub

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/id"
)

// What the hub keeps, and for how long. Ids never expire: a request's id stays with the digest of what came under
// it, so that it is never taken for a new one; so do links and debits, by which messages about them are routed for
// ever (a debit may be given back years later), and the numbers of events.
const (
	// KeepRequests is how long a request keeps its addresses and secrets. A service lets one die within the hour,
	// a redemption is repeated for minutes; a day is for a hub that was down.
	KeepRequests = 24 * time.Hour

	// KeepEvents is how long an event stays that its service has taken, by asking for those after it: a service
	// that was brought back from a backup asks for them again. One that nobody has taken stays.
	KeepEvents = 30 * 24 * time.Hour

	// KeepActs is how long an act of staff is evidence of who suspended or resumed whom: ten years, as books are
	// kept. One whose suspension still stands stays.
	KeepActs = 3653 * 24 * time.Hour

	// forgetSlice bounds what one transaction removes: nobody's message waits behind a large one.
	forgetSlice = 500
)

// Forget removes what has outlived its use, slice by slice, until nothing is left or ctx ends.
func (h *Hub) Forget(ctx context.Context) error {
	now := h.Now()
	for _, part := range []struct {
		keep   time.Duration
		forget func(ctx context.Context, before time.Time, n int) (int, error)
	}{{KeepRequests, h.Store.ForgetRequests}, {KeepEvents, h.Store.ForgetEvents}, {KeepActs, h.Store.ForgetActs}} {
		for ctx.Err() == nil {
			n, err := part.forget(ctx, now.Add(-part.keep), forgetSlice)
			if err != nil {
				return err
			}
			if n < forgetSlice {
				break
			}
		}
	}
	return nil
}

// taken writes down that a service has taken its events up to seq, once per number.
func (h *Hub) taken(ctx context.Context, s id.Service, seq int64) error {
	h.mu.Lock()
	known := h.read[s] >= seq
	h.mu.Unlock()
	if known {
		return nil
	}
	read, err := h.Store.MarkRead(ctx, s, seq)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.read[s] = max(h.read[s], read)
	return nil
}
