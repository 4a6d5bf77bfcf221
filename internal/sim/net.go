package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/wire"
)

// weather is how likely the line does something to one call, and a process dies at one commit.
type weather struct {
	name                          string
	lost, deaf, twice, late, down float64 // request lost, answer lost, delivered twice, delivered later, process dies around a call
	crash                         float64 // around a commit
	between                       float64 // that something else happens while the call is on its way
}

// The weathers of a story.
var (
	calm     = weather{name: "calm"}
	fair     = weather{name: "fair", between: 0.15, crash: 0.002}
	lossy    = weather{name: "lossy", lost: 0.06, deaf: 0.06, twice: 0.05, late: 0.05, down: 0.01, crash: 0.01, between: 0.2}
	storm    = weather{name: "storm", lost: 0.15, deaf: 0.15, twice: 0.12, late: 0.12, down: 0.02, crash: 0.03, between: 0.3}
	weathers = []weather{calm, fair, fair, lossy, lossy, lossy, storm, storm}
)

// What a caller sees of the line.
var (
	errLost   = errors.New("sim: the line was cut")
	errDown   = errors.New("sim: nobody listens there")
	errIsOver = errors.New("sim: the story is over")
)

// call is a request on the line.
type call struct {
	from   string
	to     *role
	method string
	url    string
	header http.Header
	body   []byte
	what   string // for the story: "maru→hub POST /v1/debits"
}

// line is the network as one process holds it.
type line struct {
	w *World
	p *process
}

// RoundTrip implements http.RoundTripper: it carries a call, or does to it what the weather wants.
func (l line) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.p.ended.Load() {
		return nil, errEnded
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	if strings.HasPrefix(r.URL.String(), carrier) {
		return answer(http.StatusOK, `{"id":"taken"}`), nil
	}
	to := l.w.hosted(r.URL.Host)
	if to == nil {
		return nil, errDown
	}
	path := l.w.named(r.URL.Path)
	c := &call{from: l.p.role.name, to: to, method: r.Method, url: r.URL.String(), header: r.Header.Clone(), body: body,
		what: fmt.Sprintf("%s→%s %s %s", l.p.role.name, to.name, r.Method, path)}
	resp, err := l.w.carry(l.p, c, strings.HasPrefix(path, "/v1/"))
	if l.p.ended.Load() { // while it waited
		l.w.top().die()
		return nil, errEnded
	}
	return resp, err
}

// carry brings a call to where it goes. Nothing else happens during calls for tokens: a client makes one at a time.
func (w *World) carry(p *process, c *call, others bool) (*http.Response, error) {
	now := w.weather
	switch {
	case w.failure != "":
		return nil, errIsOver
	case p.doomed:
		w.end(p, "after its commit, before "+c.what)
		return nil, errEnded
	case w.chance(now.down):
		w.end(p, "before "+c.what)
		return nil, errEnded
	}
	if !others {
		w.depth += deepest
		defer func() { w.depth -= deepest }()
	}
	w.meanwhile(now.between)
	resp, err := w.travel(now, c)
	w.meanwhile(now.between)
	if p.ended.Load() {
		return nil, errEnded
	}
	if err == nil && w.chance(now.deaf) {
		w.note("  %s: %d, the answer is lost", c.what, resp.StatusCode)
		w.count("answers_lost", 1)
		w.pass(w.impatience())
		return nil, errLost
	}
	if err == nil && w.chance(now.down) {
		w.end(p, "after "+c.what)
		return nil, errEnded
	}
	return resp, err
}

// travel is the way of the request.
func (w *World) travel(now weather, c *call) (*http.Response, error) {
	switch {
	case c.to == w.parted || w.parted != nil && c.from == w.parted.name:
		w.note("  %s: cut off", c.what)
		w.pass(w.impatience())
		return nil, errLost
	case w.chance(now.lost):
		w.note("  %s: lost", c.what)
		w.count("requests_lost", 1)
		w.pass(w.impatience())
		return nil, errLost
	case w.chance(now.late):
		w.note("  %s: held up", c.what)
		w.late = append(w.late, c)
		w.pass(w.impatience())
		return nil, errLost
	case w.chance(now.twice):
		w.note("  %s: twice", c.what)
		w.count("doubled", 1)
		first, err := w.deliver(c)
		w.meanwhile(now.between)
		second, again := w.deliver(c)
		if w.dice.IntN(2) == 0 {
			return second, again
		}
		return first, err
	}
	return w.deliver(c)
}

// deliver hands a call to the role that listens.
func (w *World) deliver(c *call) (*http.Response, error) {
	p := c.to.up
	if p == nil || w.failure != "" {
		w.note("  %s: nobody listens", c.what)
		return nil, errDown
	}
	got := &written{header: http.Header{}}
	err := w.in(p, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, c.method, c.url, bytes.NewReader(c.body))
		if err != nil {
			return err
		}
		req.Header, req.RemoteAddr, req.RequestURI = c.header.Clone(), "127.0.0.1:40000", req.URL.RequestURI()
		p.handler.ServeHTTP(got, req)
		return nil
	})
	if err != nil {
		w.note("  %s: the connection broke", c.what)
		return nil, errLost
	}
	w.note("  %s: %d", c.what, got.status())
	w.hear(c, got)
	return got.response(), nil
}

// deliverLate brings one of the calls that were held up to its end. Nobody waits for its answer.
func (w *World) deliverLate() {
	i := w.dice.IntN(len(w.late))
	c := w.late[i]
	w.late = slices.Delete(w.late, i, i+1)
	w.count("late", 1)
	w.note("a call comes late")
	_, _ = w.deliver(c)
}

// hear notes what banks sign on the line: one debit has one receipt, the same bytes for ever.
func (w *World) hear(c *call, got *written) {
	if c.to.bank == nil || got.status() != http.StatusOK {
		return
	}
	var said struct{ Receipt string }
	if json.Unmarshal(got.body.Bytes(), &said) != nil || said.Receipt == "" {
		return
	}
	var r wire.DebitReceipt
	if readPayload(said.Receipt, &r) != nil || r.Debit == "" || r.OrderHash == "" {
		return
	}
	if before, ok := w.model.receipts[r.Debit]; ok && before != said.Receipt {
		w.fail("%s signed two receipts for %s", c.to.name, w.named(string(r.Debit)))
	}
	w.model.receipts[r.Debit] = said.Receipt
}

func (w *World) chance(p float64) bool { return p > 0 && w.dice.Float64() < p }

// impatience is how long a caller waits for an answer that does not come.
func (w *World) impatience() time.Duration { return time.Duration(1+w.dice.IntN(10)) * time.Second }

// hosted is the role that has a host.
func (w *World) hosted(host string) *role {
	for _, r := range w.roles {
		if r.host == host {
			return r
		}
	}
	return nil
}

// written is an answer as a handler writes it.
type written struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (a *written) Header() http.Header { return a.header }

func (a *written) WriteHeader(code int) {
	if a.code == 0 {
		a.code = code
	}
}

func (a *written) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

func (a *written) status() int {
	if a.code == 0 {
		return http.StatusOK
	}
	return a.code
}

func (a *written) response() *http.Response {
	return &http.Response{StatusCode: a.status(), Header: a.header.Clone(), Body: io.NopCloser(bytes.NewReader(a.body.Bytes())), ContentLength: int64(a.body.Len())}
}

func answer(code int, body string) *http.Response {
	return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}
