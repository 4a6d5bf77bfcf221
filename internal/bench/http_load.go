package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// loaded is what one stretch of load came to.
type loaded struct {
	latencies    []uint32 // of each request, in microseconds
	took         time.Duration
	unsent, busy int64
}

// load asks a server for transfers over all connections for one round.
func (r *httpRun) load(ctx context.Context, base string, rate float64) (loaded, error) {
	u, err := url.Parse(base)
	if err != nil {
		return loaded{}, err
	}
	conns := make([]*conn, r.Connections)
	for i := range conns {
		if conns[i], err = dial(ctx, u, r.Key); err != nil {
			return loaded{}, err
		}
		defer conns[i].Close()
	}
	start := time.Now()
	s := &schedule{start: start, end: start.Add(r.For / rounds), rate: rate}
	took := make([][]uint32, len(conns))
	ctx, fail := context.WithCancelCause(ctx) // one failure ends all
	defer fail(nil)
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() {
			var err error
			if took[i], err = r.ask(ctx, c, s); err != nil {
				fail(err)
			}
		})
	}
	wg.Wait()
	unsent := s.unsent.Load() + max(0, int64(rate*s.end.Sub(start).Seconds())-s.asked.Load()) // nobody took their turns
	return loaded{slices.Concat(took...), time.Since(start), unsent, s.busy.Load()}, context.Cause(ctx)
}

// ask keeps one connection busy until the end of a schedule.
func (r *httpRun) ask(ctx context.Context, c *conn, s *schedule) (took []uint32, err error) {
	rng := rand.New(rand.NewPCG(rand.Uint64(), 1))
	var body []byte
	for ctx.Err() == nil {
		body = r.transfers(body[:0], rng)
		due, ok := s.next()
		if !ok {
			break
		}
		answer, err := c.post(body)
		if errors.Is(err, errBusy) {
			s.busy.Add(1)
			time.Sleep(retryAfter)
			continue
		}
		if err != nil {
			return took, err
		}
		took = append(took, uint32(time.Since(due).Microseconds()))
		if n := bytes.Count(answer, []byte(`"outcome":"done"`)); n != r.PerRequest {
			return took, fmt.Errorf("bench: %d of %d done: %.300s", n, r.PerRequest, answer)
		}
	}
	return took, nil
}

// schedule says when requests leave.
type schedule struct {
	start, end time.Time
	rate       float64      // requests a second; 0: each connection as soon as it can
	asked      atomic.Int64 // turns taken
	unsent     atomic.Int64 // of them, those that came too late
	busy       atomic.Int64 // answers
}

// next waits until a request may leave, and says since when it was due. Where there are fewer connections than requests
// under way, one is late already when its turn comes, and that is part of its time. What has not left when the time is
// up does not leave any more.
func (s *schedule) next() (due time.Time, ok bool) {
	now := time.Now()
	if s.rate == 0 {
		return now, now.Before(s.end)
	}
	due = s.start.Add(time.Duration(float64(s.asked.Add(1)-1) / s.rate * float64(time.Second)))
	switch {
	case !due.Before(s.end):
		return due, false
	case now.After(s.end):
		s.unsent.Add(1)
		return due, false
	}
	time.Sleep(due.Sub(now))
	return due, true
}

// conn is one connection that is kept open. net/http's client costs more than the server that is to be measured, and
// both share the machine.
type conn struct {
	net.Conn
	r    *bufio.Reader
	head string // of every request, up to the length of its body
	out  []byte
	body []byte
}

// dial connects to a server on this machine whatever its name, or to another.
func dial(ctx context.Context, u *url.URL, key string) (*conn, error) {
	host, port := u.Hostname(), u.Port()
	if u.Scheme != "http" || port == "" {
		return nil, fmt.Errorf("bench: %s: want http://HOST:PORT", u)
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		host = "127.0.0.1"
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, r: bufio.NewReaderSize(c, 32<<10), head: "POST /channel/v1/transfers HTTP/1.1\r\nHost: " + u.Host +
		"\r\nAuthorization: Bearer " + key + "\r\nContent-Type: application/json\r\nContent-Length: "}, nil
}

// errBusy is the answer of a server that has too much to do, and wants to be asked again after retryAfter.
var errBusy = errors.New("bench: the server is busy")

const retryAfter = time.Second

// answerTimeout is how long an answer may take.
const answerTimeout = 30 * time.Second

// post sends a body and reads the answer, which stands until the next one.
func (c *conn) post(body []byte) ([]byte, error) {
	c.out = append(c.out[:0], c.head...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(append(c.out, "\r\n\r\n"...), body...)
	if err := c.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return nil, err
	}
	if _, err := c.Write(c.out); err != nil {
		return nil, err
	}
	status, err := c.line()
	if err != nil {
		return nil, err
	}
	ok := bytes.HasPrefix(status, []byte("HTTP/1.1 200 "))
	said := string(status[:min(len(status), 40)])
	length, chunked, err := c.headers()
	if err != nil {
		return nil, err
	}
	c.body = c.body[:0]
	if chunked {
		err = c.chunks()
	} else {
		err = c.read(length)
	}
	if err == nil && strings.HasPrefix(said, "HTTP/1.1 429 ") {
		return nil, errBusy
	}
	if err == nil && !ok {
		err = fmt.Errorf("bench: %s: %.300s", said, c.body)
	}
	return c.body, err
}

// headers reads up to the empty line.
func (c *conn) headers() (length int, chunked bool, err error) {
	for {
		line, err := c.line()
		if err != nil || len(line) == 0 {
			return length, chunked, err
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch string(name) {
		case "Content-Length":
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, false, err
			}
		case "Transfer-Encoding":
			chunked = true
		}
	}
}

// chunks reads a body whose server did not say how long it is (RFC 9112, 7.1).
func (c *conn) chunks() error {
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(string(line), 16, 32)
		if err != nil {
			return err
		}
		if err := c.read(int(n)); err != nil {
			return err
		}
		if _, err := c.line(); err != nil || n == 0 {
			return err
		}
	}
}

// read appends n bytes to the body.
func (c *conn) read(n int) error {
	at := len(c.body)
	c.body = slices.Grow(c.body, n)[:at+n]
	_, err := io.ReadFull(c.r, c.body[at:])
	return err
}

// line reads one line without its end.
func (c *conn) line() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	return bytes.TrimSuffix(line, []byte("\r\n")), err
}
