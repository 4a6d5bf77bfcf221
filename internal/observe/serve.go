package observe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
)

// ServerConfig says where a role listens.
type ServerConfig struct {
	Listen      string        `toml:"listen"`       // "127.0.0.1:8443"
	TLSCert     string        `toml:"tls_cert"`     // PEM file; read again when it changes
	TLSKey      string        `toml:"tls_key"`      // PEM file
	BehindProxy bool          `toml:"behind_proxy"` // a proxy in front speaks TLS and sets X-Forwarded-For
	Grace       time.Duration `toml:"grace"`        // how long running requests may take at a stop; 0 is 20 s
}

// HTTPS says whether browsers reach the role by https.
func (c ServerConfig) HTTPS() bool { return c.BehindProxy || c.TLSCert != "" }

// Local says whether the listener can be reached from this machine only.
func (c ServerConfig) Local() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	return err == nil && isLoopback(host)
}

// GraceTime is how long running requests may take at a stop.
func (c ServerConfig) GraceTime() time.Duration {
	if c.Grace <= 0 {
		return defaultGrace
	}
	return c.Grace
}

// Check refuses a listener that would speak plain HTTP to anything but this machine.
func (c ServerConfig) Check() error {
	var errs []error
	if (c.TLSCert == "") != (c.TLSKey == "") {
		errs = append(errs, errors.New("tls_cert and tls_key belong together"))
	}
	_, port, err := net.SplitHostPort(c.Listen)
	_, portErr := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || portErr != nil:
		errs = append(errs, fmt.Errorf("listen = %q: want HOST:PORT such as 127.0.0.1:8443", c.Listen))
	case c.TLSCert == "" && c.TLSKey == "" && !c.BehindProxy && !c.Local():
		errs = append(errs, fmt.Errorf("listen = %q is reachable from outside without TLS: set tls_cert and tls_key, or behind_proxy = true", c.Listen))
	}
	return errors.Join(errs...)
}

// ClientAddress is where a request comes from, as it was told and without a port: who called or, where behindProxy says
// that a proxy wrote it, the last entry of X-Forwarded-For.
func ClientAddress(r *http.Request, behindProxy bool) string {
	if all := r.Header.Values("X-Forwarded-For"); behindProxy && len(all) > 0 {
		last := all[len(all)-1]
		return strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// The timeouts of a server. Writing may take longer than the longest poll of the protocol (25 s).
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 15 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 2 * time.Minute
	defaultGrace  = 20 * time.Second
	maxHeader     = 64 << 10
)

// Listen opens the listener alone, so that a busy port (the error names it) shows before anything starts.
func Listen(cfg ServerConfig) (net.Listener, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if cfg.TLSCert != "" {
		if _, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey); err != nil {
			return nil, fmt.Errorf("tls_cert: %w", err)
		}
	}
	ln, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", cfg.Listen, err)
	}
	return ln, nil
}

// Serve answers on ln until ctx ends; then it stops taking requests, lets the running ones finish, and returns nil.
// It closes ln.
func Serve(ctx context.Context, ln net.Listener, cfg ServerConfig, h http.Handler, log *slog.Logger) error {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(cfg.TLSCert == "")
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		Protocols:         &protocols,
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.WithoutCancel(ctx), stoppingKey{}, ctx.Done())
		},
	}
	failed := make(chan error, 1)
	go func() {
		if cfg.TLSCert == "" {
			failed <- srv.Serve(ln)
			return
		}
		files := &certificate{cert: cfg.TLSCert, key: cfg.TLSKey, now: clock.System}
		srv.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: files.get}
		failed <- srv.ServeTLS(ln, "", "")
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serving on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	grace := cfg.GraceTime()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		_ = srv.Close()
		return fmt.Errorf("stopping %s: requests still ran after %s: %w", ln.Addr(), grace, err)
	}
	return nil
}

type stoppingKey struct{}

// Stopping is closed when the server of a request begins to stop: a handler that waits for something to
// happen (a long poll) answers then with what it has. Outside of a server it is nil and never closes.
func Stopping(ctx context.Context) <-chan struct{} {
	done, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return done
}

// certificate reads its files again at most every ten seconds; a broken new file leaves the old one in use.
type certificate struct {
	cert, key string
	now       clock.Now

	mu      sync.Mutex
	current *tls.Certificate
	checked time.Time
}

const recheck = 10 * time.Second

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.current != nil && now.Sub(c.checked) < recheck {
		return c.current, nil
	}
	c.checked = now
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil && c.current == nil {
		return nil, err
	}
	if err == nil {
		c.current = &pair
	}
	return c.current, nil
}
