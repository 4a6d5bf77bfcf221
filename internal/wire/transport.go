package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// NewTransport is the HTTP transport of calls between roles: no proxy, bounded waits, connections kept.
func NewTransport() *http.Transport {
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 3 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       60 * time.Second,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: 40 * time.Second,
		DisableCompression:    true,
	}
}

// LocalhostTransport is NewTransport that reaches every name below .localhost at 127.0.0.1 (Go's resolver does
// not know them), and nothing that is not on this machine.
func LocalhostTransport() *http.Transport {
	t := NewTransport()
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		if !local(strings.TrimSuffix(host, ".")) {
			return nil, fmt.Errorf("wire: %s is not on this machine", host)
		}
		if host != "::1" {
			host = "127.0.0.1"
		}
		return dial(ctx, network, net.JoinHostPort(host, port))
	}
	return t
}

// answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// exchange sends one request and reads the whole answer, up to limit bytes and within the time. It never follows
// a redirect: the far end does not choose where our tokens go.
func exchange(transport http.RoundTripper, req *http.Request, limit int64, within time.Duration) (answer, error) {
	ctx, cancel := context.WithTimeout(req.Context(), within)
	defer cancel()
	resp, err := transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return answer{}, err
	}
	if int64(len(body)) > limit {
		return answer{}, errors.New("the answer is too long")
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: body}, nil
}
