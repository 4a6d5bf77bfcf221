package program

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/config"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/server"
)

// check looks at every file that serving needs, so that one start names all that is missing.
func (s Setup) check() error {
	p := &config.Problems{}
	for section, c := range map[string]observe.ServerConfig{"[server]": s.Public, "[ops]": s.Ops} {
		if c.TLSCert != "" {
			_, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
			p.Join(section+" tls_cert, tls_key:", err)
		}
	}
	if info, err := os.Stat(s.DataDir); err != nil || !info.IsDir() {
		p.Add("[data] dir", "there is no directory %s (`migrate` makes it)", s.DataDir)
	}
	if s.Cluster.CA != "" {
		_, err := certificates(s.Cluster.CA)
		p.Join("[cluster] ca:", err)
	}
	for _, dir := range slices.Sorted(maps.Keys(s.KeyDirs)) {
		p.Join("[data] keys:", keyfile.Open(dir).CheckAll(s.KeyDirs[dir], s.Dev))
	}
	for _, pin := range s.Pinned {
		set, err := keyfile.ReadSet(pin.Path)
		p.Join(pin.Setting+":", err)
		if err != nil {
			continue
		}
		if _, seals := set.Seal(); set.Empty() || pin.Seal && !seals {
			p.Add(pin.Setting, "%s wants keys for signatures%s", pin.Path, map[bool]string{true: " and one for encryption"}[pin.Seal])
		}
	}
	if err := p.Err(); err != nil {
		return fmt.Errorf("cannot serve: %w", err)
	}
	return nil
}

// serve runs the role, its public and its operator's listener until a signal.
func serve(ctx context.Context, role Role, s Setup, stdout io.Writer) (err error) {
	log := observe.NewLogger(stdout, role.Short, slog.LevelInfo)
	if err := s.check(); err != nil {
		return err
	}
	now := clock.Now(clock.System)
	if s.ClockFile != "" {
		now = FileClock(s.ClockFile)
	}
	audit, err := os.OpenFile(filepath.Join(s.DataDir, "audit.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("[data] dir: %w", err)
	}
	defer func() { err = errors.Join(err, audit.Close()) }()
	open := func(ctx context.Context) (Server, error) {
		return s.Open(ctx, server.Env{Now: now, Log: log, Audit: audit})
	}
	if s.Cluster.Address != "" {
		alone := open
		open = func(ctx context.Context) (Server, error) { return join(ctx, role, s, alone, log) }
	}
	server, err := open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	return s.listen(ctx, server, log)
}

// listen opens both listeners, says in one line where and what is served, and answers until ctx ends.
func (s Setup) listen(ctx context.Context, server Server, log *slog.Logger) error {
	ln, err := observe.Listen(s.Public)
	if err != nil {
		return fmt.Errorf("[server] %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	ready := "ready: " + strings.Join(s.Sites, ", ") + " at " + told(ln, s.Public)
	if s.Ops.Listen != "" {
		ops, err := observe.Listen(s.Ops)
		if err != nil {
			return errors.Join(fmt.Errorf("[ops] %w", err), ln.Close())
		}
		ready += "; /healthz, /readyz, /metrics at " + told(ops, s.Ops)
		g.Go(func() error { return observe.Serve(ctx, ops, s.Ops, server.Ops(), log) })
	}
	g.Go(func() error { return observe.Serve(ctx, ln, s.Public, server.Handler(), log) })
	g.Go(func() error { return server.Run(ctx) })
	log.Info(ready)
	return g.Wait()
}

// told is a listener in words.
func told(ln net.Listener, c observe.ServerConfig) string {
	switch {
	case c.TLSCert != "":
		return ln.Addr().String() + " (TLS)"
	case c.BehindProxy:
		return ln.Addr().String() + " (behind a proxy)"
	}
	return ln.Addr().String() + " (plain HTTP)"
}

// FileClock is the machine's clock plus the seconds that a file says, looked at again at most every 50 ms.
// A file that is missing or unreadable leaves the clock where it was.
func FileClock(path string) clock.Now {
	var m clock.Movable
	looks := make(chan time.Time, 1)
	looks <- time.Time{}
	return func() time.Time {
		select {
		case last := <-looks:
			if at := time.Now(); at.Sub(last) > 50*time.Millisecond {
				last = at
				if text, err := os.ReadFile(path); err == nil {
					if seconds, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && seconds >= 0 {
						m.Set(time.Duration(seconds) * time.Second)
					}
				}
			}
			looks <- last
		default: // another caller is looking
		}
		return m.Now()
	}
}
