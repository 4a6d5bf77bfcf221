package ledgersql_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/storetest"
)

// TestCrashOnServer is TestCrash for books on PostgreSQL: the process is killed, the server lives.
func TestCrashOnServer(t *testing.T) {
	place := os.Getenv("STORETEST_KILL_PLACE") // the child's: it starts no server
	if place == "" {
		place = pgtest.URL(t)
	}
	storetest.KillNine(t, place, func(t testing.TB, place string) storetest.Books { return openAt(t, place) })
}

// serverLoad is a load of books on a server with which something happens meanwhile.
type serverLoad struct {
	b    *books
	stop context.CancelFunc
	done chan error

	mu      sync.Mutex
	printed bytes.Buffer
	lines   atomic.Int64
	heard   atomic.Int64
	strange atomic.Pointer[error] // what a caller heard that was not fault.Unavailable
}

func startServerLoad(t *testing.T, place string) *serverLoad {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &serverLoad{b: openAt(t, place), stop: stop, done: make(chan error, 1)}
	go func() {
		l.done <- storetest.OutageLoad(ctx, l.b, "load", l, func(err error) {
			l.heard.Add(1)
			if fault.Of(err) != fault.Unavailable {
				l.strange.Store(&err)
			}
		})
	}()
	return l
}

// Write takes the lines of the load.
func (l *serverLoad) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines.Add(int64(bytes.Count(p, []byte{'\n'})))
	return l.printed.Write(p)
}

// more waits until so many more transfers were acknowledged.
func (l *serverLoad) more(t *testing.T, n int64) {
	t.Helper()
	n += l.lines.Load()
	l.until(t, func() bool { return l.lines.Load() >= n })
}

// until waits for something of a load that goes on.
func (l *serverLoad) until(t *testing.T, enough func() bool) {
	t.Helper()
	for !enough() {
		select {
		case err := <-l.done:
			t.Fatalf("the load has ended: %v", err)
		default:
			pause()
		}
	}
}

// end stops the load and checks the books.
func (l *serverLoad) end(t *testing.T) {
	t.Helper()
	l.stop()
	if err := <-l.done; err != nil {
		t.Error(err)
	}
	if err := l.strange.Load(); err != nil {
		t.Errorf("a caller heard %v", *err)
	}
	if n := storetest.CrashCheck(t, l.b, strings.NewReader(l.printed.String())); int64(n) != l.lines.Load() {
		t.Errorf("%d of %d acknowledgements were looked for", n, l.lines.Load())
	}
}

// Acknowledged and then lost after a restart of the database: the server is killed, or stopped, under load, again and
// again. Callers hear that the books are unavailable, ask again with the same ids, and go on when the server is back
// without anybody's help.
func TestServerEndsUnderLoad(t *testing.T) {
	server := pgtest.Start(t)
	l := startServerLoad(t, server.URL("books"))
	for round := range max(2, few(10)) {
		l.more(t, 60)
		if round%2 == 0 {
			server.Kill(t)
		} else {
			server.Stop(t)
		}
		server.Restart(t)
	}
	l.more(t, 60)
	l.end(t)
}

// cutter stands between a process and its server and cuts connections exactly at COMMIT: before it reaches the server
// or after, with the answer lost, so that the outcome is unknown in both cases and different.
type cutter struct {
	server string // the server's socket
	rng    *rand.Rand
	mu     sync.Mutex
	on     atomic.Bool
	before atomic.Int64
	after  atomic.Int64
}

func (c *cutter) serve(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", c.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		go func() {
			_, _ = io.Copy(client, server)
			_ = client.Close()
		}()
		go c.forward(client, server)
	}
}

// forward hands on what the client says until chance cuts at a COMMIT.
func (c *cutter) forward(client, server net.Conn) {
	defer server.Close()
	defer client.Close()
	buf := make([]byte, 1<<16)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		cut, first := 0, false
		if c.on.Load() && bytes.Contains(bytes.ToLower(buf[:n]), []byte("commit\x00")) {
			c.mu.Lock()
			cut, first = c.rng.IntN(5), c.rng.IntN(2) == 0
			c.mu.Unlock()
		}
		if cut == 1 && first {
			c.before.Add(1)
			return
		}
		if cut == 1 {
			_ = client.Close() // nobody will hear the answer
			c.after.Add(1)
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
		if cut == 1 {
			_ = server.(*net.UnixConn).CloseWrite()
			_, _ = io.Copy(io.Discard, server) // until the server has done it, and sees that nobody is there
			return
		}
	}
}

// The connection is cut exactly at COMMIT, before and after the server has it: the ledger looks what became of the
// commit, and neither loses nor doubles anything.
func TestConnectionCutAtCommit(t *testing.T) {
	place, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	q := place.Query()
	c := &cutter{server: filepath.Join(q.Get("host"), ".s.PGSQL.5432"), rng: rand.New(rand.NewPCG(4, 4))}
	dir := t.TempDir()
	listener, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go c.serve(listener)
	q.Set("host", dir)
	place.RawQuery = q.Encode()
	l := startServerLoad(t, place.String())
	l.more(t, 30)
	c.on.Store(true)
	l.until(t, func() bool { return c.before.Load() >= 20 && c.after.Load() >= 20 })
	c.on.Store(false)
	l.more(t, 30)
	l.end(t)
}

// pause lets others run.
func pause() { time.Sleep(time.Millisecond) }
