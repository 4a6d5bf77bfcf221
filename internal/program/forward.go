package program

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wire"
)

// A process that does not lead passes whole requests on to the one that does, which answers them as if they had come to
// it. Whoever holds back floods must still see where each came from, and nobody outside may say so himself: that stands
// in a header, under a key that the processes of a role share and nobody else has.

// forwarded is the header of a request that is passed on: the address it came from, and the proof. It is passed on once.
const forwarded = "Kozamori-Forwarded"

// reachPath is asked by a process that wants to know whether it can pass requests on. The role never sees it.
const reachPath = "/.kozamori-cluster"

// proofs make and check the proofs of forwarded requests.
type proofs struct{ keys [][]byte } // the newest first

// newProofs derives the keys from a secret that every process of the role has: that of its sealed rows, of the first of
// several banks.
func newProofs(s Setup) (proofs, error) {
	var p proofs
	dirs := slices.Sorted(maps.Keys(s.KeyDirs))
	if len(dirs) == 0 {
		return p, errors.New("[cluster] needs the role's keys")
	}
	secrets, err := keyfile.Open(dirs[0]).Secrets("rows")
	for _, secret := range secrets {
		key, failed := hkdf.Key(sha256.New, secret, nil, "kozamori forwarded request", sha256.Size)
		p.keys, err = append(p.keys, key), errors.Join(err, failed)
	}
	return p, err
}

// proof is for one request, from an address, to one holder of the lease.
func proof(key []byte, r *http.Request, from, holder string) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%q", []string{holder, from, r.Method, r.Host, r.URL.RequestURI()})
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// sign marks a request to a holder as one that came from an address.
func (p proofs) sign(r *http.Request, from, holder string) {
	r.Header.Set(forwarded, from+" "+proof(p.keys[0], r, from, holder))
}

// from is where a marked request came from; ok is false where no process of this role marked it for this holder.
func (p proofs) from(r *http.Request, holder string) (address string, ok bool) {
	mark := r.Header.Get(forwarded)
	at := strings.LastIndexByte(mark, ' ')
	if at < 0 {
		return "", false
	}
	for _, key := range p.keys {
		ok = ok || hmac.Equal([]byte(mark[at+1:]), []byte(proof(key, r, mark[:at], holder)))
	}
	return mark[:at], ok
}

// received serves what other processes pass on as if it had come here, and everything else as it is.
func (m *member) received(role http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header.Values(forwarded)) == 0 {
			role.ServeHTTP(w, r)
			return
		}
		from, ok := m.proofs.from(r, m.me.ID)
		switch {
		case !ok: // of a process that has not yet heard who leads, or has another key; or of a stranger
			later(w)
			return
		case r.URL.Path == reachPath:
			w.WriteHeader(http.StatusNoContent)
			return
		}
		r = r.Clone(r.Context())
		r.Header.Del(forwarded)
		r.Header.Set("X-Forwarded-For", from)
		r.RemoteAddr = net.JoinHostPort(from, "0")
		role.ServeHTTP(w, r)
	})
}

// leader is a process that requests are passed on to.
type leader struct {
	sqldb.Holder
	url  *url.URL
	ctx  context.Context // ends when another leads: whoever still waits for an answer of this one gets none
	gone context.CancelFunc
}

type leaderKey struct{}

// forwarder passes requests on to the leader; without one it asks to come again.
func (m *member) forwarder(transport http.RoundTripper) http.Handler {
	proxy := &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1, // events are passed on as they come
		ErrorLog:      slog.NewLogLogger(m.log.Handler(), slog.LevelWarn),
		Rewrite: func(p *httputil.ProxyRequest) {
			l := p.In.Context().Value(leaderKey{}).(*leader)
			p.Out.URL.Scheme, p.Out.URL.Host, p.Out.URL.RawQuery = l.url.Scheme, l.url.Host, p.In.URL.RawQuery
			p.Out.Host = p.In.Host
			m.proofs.sign(p.Out, observe.ClientAddress(p.In, m.setup.Public.BehindProxy), l.ID)
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			observe.Failed(r.Context(), fault.New(fault.Unavailable, "program.forward", err))
			later(w)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = "(forwarded)" // for the log line: the route is in that of the leader
		l := m.leader.Load()
		if l == nil || len(r.Header.Values(forwarded)) > 0 { // who passed it on will soon hear who leads
			observe.Failed(r.Context(), fault.New(fault.Unavailable, "program.forward", errors.New("nobody leads")))
			later(w)
			return
		}
		ctx, stop := context.WithCancel(context.WithValue(r.Context(), leaderKey{}, l))
		defer stop()
		defer context.AfterFunc(l.ctx, stop)()
		proxy.ServeHTTP(w, r.WithContext(ctx))
	})
}

// later asks to come again in a moment. Whether anything was done is not known, as after any call without an answer.
func later(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Retry-After", "1")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, "ただいま処理を引き継いでいます。少し待ってからやり直してください。\nAnother machine is taking over. Please try again in a moment.\n")
}

// reach asks the leader whether it takes what this process passes on.
func (m *member) reach(ctx context.Context) error {
	l := m.leader.Load()
	if l == nil {
		return errors.New("nobody leads")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url.JoinPath(reachPath).String(), nil)
	if err != nil {
		return err
	}
	m.proofs.sign(req, "-", l.ID)
	resp, err := m.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the leader answers %d", resp.StatusCode)
	}
	return nil
}

// newTransport reaches the other processes. Whatever address they have, their certificate must be good for the role's
// own host, as browsers want it.
func newTransport(s Setup) (*http.Transport, error) {
	site, err := url.Parse(s.Sites[0])
	if err != nil {
		return nil, err
	}
	t := wire.NewTransport()
	t.ForceAttemptHTTP2 = false
	t.MaxIdleConnsPerHost = t.MaxIdleConns
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: site.Hostname()}
	if s.Cluster.CA != "" {
		t.TLSClientConfig.RootCAs, err = certificates(s.Cluster.CA)
	}
	return t, err
}

// certificates reads a PEM file.
func certificates(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return pool, nil
}
