package breaktest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/wire"
)

// errLost is what the caller sees of a call that the line lost, or whose answer it lost.
var errLost = errors.New("the line was cut")

// line is the network between the roles. Whole, it carries everything; a test can plan for one call, or let it
// be bad by chance.
type line struct {
	way http.RoundTripper

	mu     sync.Mutex
	plans  []*plan
	chance func(c *call) fate // nil: nothing happens by chance
	ears   []func(c *call, answer []byte)
	late   sync.WaitGroup // calls that go on after their caller was told that they are lost
	whole  chan struct{}  // closed when the line is mended: what a failed test holds up goes on
}

// call is one request on the line.
type call struct {
	from   string // role
	method string
	url    *url.URL
	header http.Header
	body   []byte
}

// plan is what shall happen to calls that fit, as often as times says.
type plan struct {
	fits  func(c *call) bool
	do    func(l *line, r *http.Request, c *call) (*http.Response, error)
	times atomic.Int64
	seen  chan struct{} // closed at the first
	once  sync.Once
}

// fate is what chance does to a call.
type fate struct {
	loseRequest, loseAnswer, twice, late bool
	after                                time.Duration
}

func newLine() *line { return &line{way: wire.LocalhostTransport(), whole: make(chan struct{})} }

// wait stays until a channel is closed, or the line mended.
func (l *line) wait(free <-chan struct{}) {
	l.mu.Lock()
	whole := l.whole
	l.mu.Unlock()
	select {
	case <-free:
	case <-whole:
	}
}

// of is the line as one role holds it.
func (l *line) of(role string) http.RoundTripper { return end{l, role} }

type end struct {
	l    *line
	role string
}

// RoundTrip carries a call, or does to it what was planned.
func (e end) RoundTrip(r *http.Request) (*http.Response, error) {
	c := &call{from: e.role, method: r.Method, url: r.URL, header: r.Header}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err = errors.Join(err, r.Body.Close()); err != nil {
			return nil, err
		}
		c.body = body
	}
	if p := e.l.planFor(c); p != nil {
		p.once.Do(func() { close(p.seen) })
		return p.do(e.l, r, c)
	}
	return e.l.byChance(r, c)
}

func (l *line) planFor(c *call) *plan {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.plans {
		if p.fits(c) && p.times.Add(-1) >= 0 {
			return p
		}
	}
	return nil
}

// send carries a call as it is, once more if need be. It does not end with its caller: what is on the line arrives.
func (l *line) send(r *http.Request, c *call) (*http.Response, error) {
	again := r.Clone(r.Context())
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(c.body)), int64(len(c.body))
	resp, err := l.way.RoundTrip(again)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	l.mu.Lock()
	ears := l.ears
	l.mu.Unlock()
	for _, hear := range ears {
		hear(c, body)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// byChance lets happen what chance has for a call between roles; carriers and post offices are spared.
func (l *line) byChance(r *http.Request, c *call) (*http.Response, error) {
	l.mu.Lock()
	chance := l.chance
	l.mu.Unlock()
	if chance == nil || c.url.Hostname() == "127.0.0.1" {
		return l.send(r, c)
	}
	f := chance(c)
	time.Sleep(f.after)
	switch {
	case f.loseRequest:
		return nil, errLost
	case f.late:
		return l.deliverLate(r, c, 20*f.after+50*time.Millisecond)
	}
	resp, err := l.send(r, c)
	if f.twice {
		resp, err = l.send(r, c)
	}
	if f.loseAnswer {
		return nil, errLost
	}
	return resp, err
}

// deliverLate tells the caller that the call is lost, and delivers it all the same a while later.
func (l *line) deliverLate(r *http.Request, c *call, later time.Duration) (*http.Response, error) {
	r = r.Clone(context.WithoutCancel(r.Context()))
	l.late.Go(func() {
		time.Sleep(later)
		_, _ = l.send(r, c) // nobody waits for the answer
	})
	return nil, errLost
}

// plan arranges what shall happen to the next calls that fit.
func (l *line) plan(times int, fits func(c *call) bool, do func(l *line, r *http.Request, c *call) (*http.Response, error)) *plan {
	p := &plan{fits: fits, do: do, seen: make(chan struct{})}
	p.times.Store(int64(times))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.plans = append(l.plans, p)
	return p
}

// happened waits until a planned thing has begun to happen.
func (p *plan) happened(t testing.TB, what string) {
	t.Helper()
	select {
	case <-p.seen:
	case <-time.After(time.Minute):
		t.Fatalf("%s did not happen", what)
	}
}

// hear tells of every call that was answered.
func (l *line) hear(f func(c *call, answer []byte)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ears = append(l.ears[:len(l.ears):len(l.ears)], f)
}

// spoil lets the line be bad by chance, the same for the same seed and order of calls.
func (l *line) spoil(seed uint64) {
	dice := rand.New(rand.NewPCG(seed, seed))
	var mu sync.Mutex
	l.mu.Lock()
	defer l.mu.Unlock()
	l.chance = func(c *call) fate {
		mu.Lock()
		defer mu.Unlock()
		n, after := dice.IntN(100), time.Duration(dice.IntN(40))*time.Millisecond
		if c.url.Path == "/v1/events" {
			after = 0
		}
		return fate{loseRequest: n < 12, loseAnswer: n >= 12 && n < 24, twice: n >= 18 && n < 34, late: n >= 34 && n < 40, after: after}
	}
}

// mend makes the line whole again, and waits for what is still on it.
func (l *line) mend() {
	l.mu.Lock()
	l.plans, l.chance, l.ears = nil, nil, nil
	close(l.whole)
	l.whole = make(chan struct{})
	l.mu.Unlock()
	l.late.Wait()
}

// between fits calls of a role to a path of another.
func between(from, method, path string) func(*call) bool {
	return func(c *call) bool { return c.from == from && c.method == method && strings.HasSuffix(c.url.Path, path) }
}

// What a plan may do.

func loseRequest(*line, *http.Request, *call) (*http.Response, error) { return nil, errLost }

func loseAnswer(l *line, r *http.Request, c *call) (*http.Response, error) {
	if _, err := l.send(r, c); err != nil {
		return nil, err
	}
	return nil, errLost
}

// twiceFirst delivers a call twice; the caller has the first answer.
func twiceFirst(l *line, r *http.Request, c *call) (*http.Response, error) {
	first, err := l.send(r, c)
	if err != nil {
		return nil, err
	}
	if _, err := l.send(r, c); err != nil {
		return nil, err
	}
	return first, nil
}

// heldUntil tells the caller that the call is lost, and delivers it when the channel is closed; arrived is closed after.
func heldUntil(free <-chan struct{}, arrived chan<- struct{}) func(*line, *http.Request, *call) (*http.Response, error) {
	return func(l *line, r *http.Request, c *call) (*http.Response, error) {
		r = r.Clone(context.WithoutCancel(r.Context()))
		l.late.Go(func() {
			l.wait(free)
			_, _ = l.send(r, c) // nobody waits for the answer
			close(arrived)
		})
		return nil, errLost
	}
}

// answering gives the caller another answer than the one that came.
func answering(change func(answer []byte) []byte) func(*line, *http.Request, *call) (*http.Response, error) {
	return func(l *line, r *http.Request, c *call) (*http.Response, error) {
		resp, err := l.send(r, c)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		body = change(body)
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		resp.Header.Del("Content-Length")
		return resp, nil
	}
}
