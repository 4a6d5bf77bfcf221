package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
)

const (
	defaultTimeout = 10 * time.Second
	defaultBody    = 1 << 20
	renewBefore    = 30 * time.Second // of a token's end
)

// ErrCredentials says that the other side does not take our token or our client key, whatever we do.
var ErrCredentials = errors.New("the other side does not take our credentials")

// ClientConfig says who calls whom.
type ClientConfig struct {
	ID     string // client_id
	Key    Key    // private_key_jwt
	Proof  Key    // DPoP key of the client's own tokens
	Issuer string // the server: aud of assertions, and where its metadata is found

	TokenURL  string            // "": as the metadata say
	Transport http.RoundTripper // nil: NewTransport
	Now       clock.Now         // nil: clock.System
	Timeout   time.Duration     // of one call where it sets none; 0: 10 s
}

// Client calls another role's API with DPoP-bound tokens. Safe for concurrent use.
type Client struct {
	ClientConfig

	lock     sync.Mutex
	token    string
	expires  time.Time
	metadata *Metadata
	fetching chan struct{} // capacity 1: one token request at a time
}

// NewClient makes a client; it calls nobody yet.
func NewClient(c ClientConfig) *Client {
	if c.Transport == nil {
		c.Transport = NewTransport()
	}
	if c.Now == nil {
		c.Now = clock.System
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	return &Client{ClientConfig: c, fetching: make(chan struct{}, 1)}
}

// Format prints who the client is and none of its secrets, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "[client %s]", c.ID) }

// LinkToken is an access token of one link with the DPoP key it is bound to. It cannot print itself.
type LinkToken struct {
	Token string
	Proof Key
}

// Format prints nothing of the token, whatever the verb.
func (t LinkToken) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[link token]")) }

// Call is one call of an API.
type Call struct {
	Method, URL string
	In          any           // the JSON body; nil for none
	Out         any           // filled from a 2xx answer; nil to ignore it
	Link        *LinkToken    // nil: the client's own token
	Header      http.Header   // more headers: "Idempotency-Key", "ATM-Session"
	Timeout     time.Duration // 0: the client's
	MaxBody     int64         // of the answer, bytes; 0: 1 MiB
}

// Do makes a call. Errors are *fault.Error: the other side's problem+json with its kind, rule and words;
// fault.Unavailable for whatever leaves the outcome unknown (transport, time, 5xx, an answer that cannot be
// read), and around ErrCredentials where our own token is refused twice.
func (c *Client) Do(ctx context.Context, call Call) error {
	var body []byte
	if call.In != nil {
		var err error
		if body, err = json.Marshal(call.In); err != nil {
			return fault.New(fault.Internal, "wire.Client", err)
		}
	}
	for renewed := false; ; renewed = true {
		bound, err := c.tokenFor(ctx, call)
		if err != nil {
			return err
		}
		got, err := c.send(ctx, call, bound, body)
		if err != nil {
			return fault.New(fault.Unavailable, "wire.Client "+call.Method, err)
		}
		if got.status == http.StatusUnauthorized && call.Link == nil && !renewed && invalidToken(got.header) {
			c.forget(bound.Token)
			continue
		}
		return readAnswer(got, call)
	}
}

func invalidToken(h http.Header) bool {
	return strings.Contains(h.Get("WWW-Authenticate"), `error="invalid_token"`)
}

func (c *Client) send(ctx context.Context, call Call, bound LinkToken, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, call.Method, call.URL, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	proof, err := NewProof(bound.Proof, call.Method, call.URL, bound.Token, c.Now())
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "DPoP "+bound.Token)
	req.Header.Set("DPoP", proof)
	req.Header.Set("Accept", "application/json, application/problem+json")
	if call.In != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, values := range call.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	within, limit := call.Timeout, call.MaxBody
	if within == 0 {
		within = c.Timeout
	}
	if limit == 0 {
		limit = defaultBody
	}
	return exchange(c.Transport, req, limit, within)
}

// readAnswer turns an answer into the call's Out or an error.
func readAnswer(got answer, call Call) error {
	op := "wire.Client " + call.Method
	if got.status/100 == 2 {
		if call.Out == nil {
			return nil
		}
		if err := decode(got.body, call.Out, false); err != nil {
			return fault.New(fault.Unavailable, op, err)
		}
		return nil
	}
	var p struct {
		Kind     string `json:"kind"`
		Rule     string `json:"rule"`
		Detail   string `json:"detail"`
		DetailJA string `json:"detail_ja"`
	}
	problem := strings.HasPrefix(got.header.Get("Content-Type"), "application/problem+json") && decode(got.body, &p, false) == nil
	cause := fmt.Errorf("status %d %.40q", got.status, p.Kind)
	switch {
	case got.status == http.StatusUnauthorized, got.status == http.StatusForbidden && got.header.Get("WWW-Authenticate") != "":
		return fault.New(fault.Unavailable, op, fmt.Errorf("%w: %w", ErrCredentials, cause))
	case got.status == http.StatusTooManyRequests:
		return fault.New(fault.Busy, op, cause)
	case got.status/100 != 4 || !problem:
		return fault.New(fault.Unavailable, op, cause)
	}
	kind := fault.KindNamed(p.Kind)
	if kind.Status() != got.status {
		return fault.New(fault.Unavailable, op, cause)
	}
	return &fault.Error{Kind: kind, Op: op, Rule: p.Rule, Public: publicText(p.DetailJA, p.Detail), Err: cause}
}

func publicText(ja, en string) fault.Text {
	const longest = 500 // bytes of another party's words on our pages
	if len(ja) > longest || len(en) > longest || ja == "" {
		return fault.Text{}
	}
	return fault.Text{JA: ja, EN: en}
}

// tokenFor is the link's token, or the client's own, fetched when there is none or its end is near.
func (c *Client) tokenFor(ctx context.Context, call Call) (LinkToken, error) {
	if call.Link != nil {
		return *call.Link, nil
	}
	if text := c.cached(); text != "" {
		return LinkToken{Token: text, Proof: c.Proof}, nil
	}
	select {
	case c.fetching <- struct{}{}:
		defer func() { <-c.fetching }()
	case <-ctx.Done():
		return LinkToken{}, fault.New(fault.Unavailable, "wire.Client", ctx.Err())
	}
	if text := c.cached(); text != "" { // somebody fetched it while we waited
		return LinkToken{Token: text, Proof: c.Proof}, nil
	}
	asked := c.Now()
	got, err := c.requestToken(ctx, url.Values{"grant_type": {"client_credentials"}}, c.Proof)
	if err != nil {
		return LinkToken{}, err
	}
	life := time.Duration(got.ExpiresIn) * time.Second
	c.lock.Lock()
	c.token, c.expires = got.AccessToken, asked.Add(life-min(renewBefore, life/2))
	c.lock.Unlock()
	return LinkToken{Token: got.AccessToken, Proof: c.Proof}, nil
}

// cached is the token while it can be used, or "".
func (c *Client) cached() string {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.Now().Before(c.expires) {
		return c.token
	}
	return ""
}

// forget drops the token if it is still the one that was refused.
func (c *Client) forget(refused string) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.token == refused {
		c.token = ""
	}
}
