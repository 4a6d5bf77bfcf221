package web

import (
	"container/list"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/observe"
)

// Limiter allows each key so many events; it remembers at most a fixed number of keys and forgets the ones
// unused for longest. It protects against floods; limits that protect money stand in the ledger.
type Limiter struct {
	every time.Duration
	burst int
	keys  int
	now   clock.Now

	mu   sync.Mutex
	byID map[string]*list.Element
	used *list.List // front: used last
}

type bucket struct {
	key   string
	limit *rate.Limiter
}

// NewLimiter allows burst events at once and then one per every, for each of at most keys keys.
func NewLimiter(every time.Duration, burst, keys int, now clock.Now) *Limiter {
	return &Limiter{every: every, burst: burst, keys: keys, now: now, byID: map[string]*list.Element{}, used: list.New()}
}

// Allow takes one event of a key, or says that there is none left.
func (l *Limiter) Allow(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byID[key]
	if !ok {
		if l.used.Len() >= l.keys {
			oldest := l.used.Back()
			delete(l.byID, oldest.Value.(*bucket).key)
			l.used.Remove(oldest)
		}
		e = l.used.PushFront(&bucket{key, rate.NewLimiter(rate.Every(l.every), l.burst)})
		l.byID[key] = e
	}
	l.used.MoveToFront(e)
	return e.Value.(*bucket).limit.AllowN(l.now(), 1)
}

// giveBack returns an event that Allow took; a bucket never holds more than its burst.
func (l *Limiter) giveBack(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.byID[key]; ok {
		e.Value.(*bucket).limit.AllowN(l.now(), -1)
	}
}

// Source is the network a request comes from, as a key for a Limiter: an IPv4 address, or the /64 of an
// IPv6 one. The last entry of X-Forwarded-For counts only where behindProxy says that a proxy wrote it.
func Source(r *http.Request, behindProxy bool) string {
	a, err := netip.ParseAddr(observe.ClientAddress(r, behindProxy))
	if err != nil {
		return "unknown"
	}
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.String()
	}
	return a.String()
}
