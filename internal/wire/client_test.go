package wire_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is a bank's server over a real socket, reached as 0149.bank.localhost: token, PAR and a few calls.
type peer struct {
	issuer    string
	clock     clock.Movable
	hub       wire.Key
	tokens    wiretest.Tokens
	replay    wiretest.Replay
	asked     atomic.Int32 // token requests
	transport *http.Transport
	pushed    atomic.Pointer[wire.PAR]
	handler   atomic.Pointer[http.HandlerFunc] // of /v1/answer
}

func newPeer(t *testing.T) *peer {
	p := &peer{hub: wire.GenerateKey(), transport: wire.LocalhostTransport()}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(func() { p.transport.CloseIdleConnections(); server.Close() })
	u := must(url.Parse(server.URL))
	p.issuer = "http://0149.bank.localhost:" + u.Port()

	clients := wire.Clients{Issuer: p.issuer, Keys: ringOf("hub", p.hub.Public()), Replay: &p.replay, Now: p.clock.Now}
	token := &wire.TokenServer{Clients: clients, URL: p.issuer + "/token", Store: &p.tokens,
		ScopeOf: func(string) string { return "participant" }, Grants: map[string]wire.GrantFunc{"authorization_code": p.redeem}}
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) { p.asked.Add(1); token.ServeHTTP(w, r) })
	mux.Handle("GET /.well-known/oauth-authorization-server", wire.ServeMetadata(wire.BankMetadata(p.issuer)))
	mux.Handle("GET /jwks", wire.ServeJWKS(func() wire.KeySet { return wire.NewKeySet(p.hub.Public()) }))
	mux.HandleFunc("/par", func(w http.ResponseWriter, r *http.Request) {
		par, err := clients.ReadPAR(w, r, p.issuer+"/par")
		if err != nil {
			wire.WriteOAuth(w, err)
			return
		}
		p.pushed.Store(&par)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"request_uri":%q,"expires_in":600}`, requestURI)
	})
	guard := wire.Guard{Base: p.issuer, Tokens: &p.tokens, Replay: &p.replay, Now: p.clock.Now}
	mux.Handle("/v1/echo", guard.Require(http.HandlerFunc(echo), "participant", "account_link"))
	mux.Handle("/v1/links-only", guard.Require(http.HandlerFunc(echo), "account_link"))
	mux.HandleFunc("/v1/answer", func(w http.ResponseWriter, r *http.Request) { (*p.handler.Load())(w, r) })
	return p
}

// answer sets what /v1/answer does.
func (p *peer) answer(h http.HandlerFunc) { p.handler.Store(&h) }

// redeem takes any code once pushed, with the pushed verifier and key.
func (p *peer) redeem(ctx context.Context, g wire.GrantRequest) (wire.Granted, error) {
	par := p.pushed.Load()
	if par == nil || g.Form.Get("code") != "the-code" || g.JKT != par.JKT || g.Form.Get("redirect_uri") != par.RedirectURI {
		return wire.Granted{}, wire.RefuseOAuth("invalid_grant", "the code does not stand", nil)
	}
	if err := wire.CheckPKCE(par.Challenge, g.Form.Get("code_verifier")); err != nil {
		return wire.Granted{}, err
	}
	t := wire.Token{Client: g.Client, Scope: "account_link", JKT: g.JKT, Link: linkID, Expires: p.clock.Now().Add(time.Hour)}
	return wire.Granted{Token: t, Details: par.Details}, p.tokens.SaveToken(ctx, g.TokenHash, t)
}

type echoed struct {
	Client, Scope, Link, Method, Body, Key string
}

func echo(w http.ResponseWriter, r *http.Request) {
	caller, _ := wire.CallerOf(r.Context())
	body := must(io.ReadAll(r.Body))
	_ = json.NewEncoder(w).Encode(echoed{caller.Client, caller.Scope, string(caller.Link), r.Method, string(body), r.Header.Get("Idempotency-Key")})
}

func (p *peer) client() *wire.Client {
	return wire.NewClient(wire.ClientConfig{ID: "hub", Key: p.hub, Proof: wire.GenerateKey(), Issuer: p.issuer,
		Transport: p.transport, Now: p.clock.Now, Timeout: 5 * time.Second})
}

func TestCallRoundTrip(t *testing.T) {
	p := newPeer(t)
	c := p.client()
	var got echoed
	in := map[string]string{"order": "a.b.c"}
	err := c.Do(t.Context(), wire.Call{Method: "POST", URL: p.issuer + "/v1/echo?x=1", In: in, Out: &got, Header: http.Header{"Idempotency-Key": {"deb_1"}}})
	want := echoed{"hub", "participant", "", "POST", `{"order":"a.b.c"}`, "deb_1"}
	if err != nil || got != want {
		t.Fatalf("%v %+v", err, got)
	}
	if err := c.Do(t.Context(), wire.Call{Method: "GET", URL: p.issuer + "/v1/echo"}); err != nil {
		t.Error(err)
	}
	if n := p.asked.Load(); n != 1 {
		t.Errorf("%d token requests for two calls", n)
	}
	p.clock.Forward(9*time.Minute + 31*time.Second) // within 30 s of the end
	if err := c.Do(t.Context(), wire.Call{Method: "GET", URL: p.issuer + "/v1/echo"}); err != nil || p.asked.Load() != 2 {
		t.Errorf("%v, %d token requests", err, p.asked.Load())
	}
	p.clock.Forward(7 * 24 * time.Hour)
	if err := c.Do(t.Context(), wire.Call{Method: "GET", URL: p.issuer + "/v1/echo"}); err != nil || p.asked.Load() != 3 {
		t.Errorf("a week later: %v, %d token requests", err, p.asked.Load())
	}
}

func TestCallRenewsOnce(t *testing.T) {
	p := newPeer(t)
	c := p.client()
	call := wire.Call{Method: "POST", URL: p.issuer + "/v1/echo", In: 1}
	if err := c.Do(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	p.tokens.RevokeAll()
	if err := c.Do(t.Context(), call); err != nil || p.asked.Load() != 2 {
		t.Fatalf("after a revocation: %v, %d token requests", err, p.asked.Load())
	}
	// A server that refuses every token is asked for a new one once, not for ever.
	calls := 0
	p.answer(func(w http.ResponseWriter, _ *http.Request) {
		calls++
		wire.WriteChallenge(w, &wire.OAuthError{Status: 401, Code: "invalid_token"})
	})
	err := c.Do(t.Context(), wire.Call{Method: "POST", URL: p.issuer + "/v1/answer"})
	wantErr(t, "refused twice", err, fault.Of(err) == fault.Unavailable && errors.Is(err, wire.ErrCredentials))
	if calls != 2 || p.asked.Load() != 3 {
		t.Errorf("%d calls, %d token requests", calls, p.asked.Load())
	}
	// A refused proof is no reason to renew: the call may have been doubled on its way, and done.
	p.answer(func(w http.ResponseWriter, _ *http.Request) {
		wire.WriteChallenge(w, &wire.OAuthError{Status: 401, Code: "invalid_dpop_proof"})
	})
	err = c.Do(t.Context(), wire.Call{Method: "POST", URL: p.issuer + "/v1/answer"})
	wantErr(t, "proof refused", err, fault.Of(err) == fault.Unavailable)
	if p.asked.Load() != 3 {
		t.Errorf("%d token requests", p.asked.Load())
	}
	err = c.Do(t.Context(), wire.Call{Method: "GET", URL: p.issuer + "/v1/links-only"})
	wantErr(t, "not for this scope", err, errors.Is(err, wire.ErrCredentials))
}

func TestManyCallsOneToken(t *testing.T) {
	p := newPeer(t)
	c := p.client()
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if err := c.Do(t.Context(), wire.Call{Method: "GET", URL: p.issuer + "/v1/echo"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := p.asked.Load(); n != 1 {
		t.Errorf("%d token requests", n)
	}
}

func TestAnswersBecomeFaults(t *testing.T) {
	p := newPeer(t)
	c := p.client()
	problem := func(status int, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	plain := func(status int, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); _, _ = io.WriteString(w, body) }
	}
	refusal := `{"kind":"refused","rule":"M1","title":"no","detail":"Over the limit.","detail_ja":"上限を超えます。","extra":{"a":1}}`
	for _, c1 := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request)
		kind   fault.Kind
		rule   string
		public string
	}{
		{"a rule", problem(422, refusal), fault.Refused, "M1", "Over the limit."},
		{"a conflict", problem(409, `{"kind":"conflict"}`), fault.Conflict, "", ""},
		{"not found", problem(404, `{"kind":"not_found"}`), fault.NotFound, "", ""},
		{"a route that is not there", plain(404, "404 page not found"), fault.Unavailable, "", ""},
		{"kind and status differ", problem(404, refusal), fault.Unavailable, "", ""},
		{"an unknown kind", problem(422, `{"kind":"sorry"}`), fault.Unavailable, "", ""},
		{"kind twice", problem(422, `{"kind":"refused","kind":"conflict"}`), fault.Unavailable, "", ""},
		{"busy", problem(429, `{"kind":"busy"}`), fault.Busy, "", ""},
		{"their bug", problem(500, `{"kind":"internal"}`), fault.Unavailable, "", ""},
		{"their store", problem(503, `{"kind":"unavailable"}`), fault.Unavailable, "", ""},
		{"a proxy's page", plain(502, "<html>"), fault.Unavailable, "", ""},
		{"not JSON", plain(200, "<html>"), fault.Unavailable, "", ""},
		{"a key twice", plain(200, `{"Body":"a","Body":"b"}`), fault.Unavailable, "", ""},
		{"endless", plain(200, "{}"+strings.Repeat(" ", 1<<20)), fault.Unavailable, "", ""},
		{"a book of words", problem(422, `{"kind":"refused","detail_ja":"`+strings.Repeat("あ", 400)+`"}`), fault.Refused, "", ""},
	} {
		p.answer(c1.answer)
		err := c.Do(t.Context(), wire.Call{Method: "POST", URL: p.issuer + "/v1/answer", Out: &echoed{}})
		wantErr(t, c1.name, err, fault.Of(err) == c1.kind && fault.RuleOf(err) == c1.rule)
		if e, ok := errors.AsType[*fault.Error](err); ok && (e.Public.EN != c1.public || (e.Public.JA == "") != (c1.public == "")) {
			t.Errorf("%s: %+v", c1.name, e.Public)
		}
	}
	p.answer(plain(200, `{"Body":"`+strings.Repeat("a", 2<<20)+`"}`))
	if err := c.Do(t.Context(), wire.Call{Method: "GET", URL: p.issuer + "/v1/answer", Out: &echoed{}, MaxBody: 4 << 20}); err != nil {
		t.Errorf("a long answer that was asked for: %v", err)
	}
}

// A redirect is an answer we do not understand: our token goes where we send it.
func TestNoRedirects(t *testing.T) {
	p := newPeer(t)
	followed := false
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	defer thief.Close()
	p.answer(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
	})
	err := p.client().Do(t.Context(), wire.Call{Method: "POST", URL: p.issuer + "/v1/answer"})
	wantErr(t, "redirect", err, fault.Of(err) == fault.Unavailable)
	if followed {
		t.Error("followed")
	}
}

func TestTimeAndLostAnswers(t *testing.T) {
	p := newPeer(t)
	release := make(chan struct{})
	p.answer(func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	c := p.client()
	start := time.Now()
	err := c.Do(t.Context(), wire.Call{Method: "GET", URL: p.issuer + "/v1/answer", Timeout: 50 * time.Millisecond})
	wantErr(t, "time", err, fault.Of(err) == fault.Unavailable && errors.Is(err, context.DeadlineExceeded))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = c.Do(ctx, wire.Call{Method: "GET", URL: p.issuer + "/v1/answer"})
	wantErr(t, "the caller went away", err, fault.Of(err) == fault.Unavailable)
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
	p.answer(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	err = c.Do(t.Context(), wire.Call{Method: "POST", URL: p.issuer + "/v1/answer", In: 1})
	wantErr(t, "cut", err, fault.Of(err) == fault.Unavailable)
	err = c.Do(t.Context(), wire.Call{Method: "POST", URL: "http://nobody.localhost:1/v1"})
	wantErr(t, "nobody there", err, fault.Of(err) == fault.Unavailable)
}

// doubling delivers every request twice, as a faulty network may; the second answer comes back.
type doubling struct{ next http.RoundTripper }

func (d doubling) RoundTrip(r *http.Request) (*http.Response, error) {
	first := r.Clone(r.Context())
	if r.GetBody != nil {
		first.Body = must(r.GetBody())
	}
	if resp, err := d.next.RoundTrip(first); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	return d.next.RoundTrip(r)
}

// A doubled request is done once, and its caller learns that she does not know.
func TestDoubledRequests(t *testing.T) {
	p := newPeer(t)
	done := atomic.Int32{}
	honest := p.client()
	if err := honest.Do(t.Context(), wire.Call{Method: "GET", URL: p.issuer + "/v1/echo"}); err != nil {
		t.Fatal(err)
	}
	guard := wire.Guard{Base: p.issuer, Tokens: &p.tokens, Replay: &p.replay, Now: p.clock.Now}
	counted := guard.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { done.Add(1) }), "participant")
	p.answer(counted.ServeHTTP)
	honest.Transport = doubling{p.transport}
	err := honest.Do(t.Context(), wire.Call{Method: "POST", URL: p.issuer + "/v1/answer", In: 1})
	wantErr(t, "doubled", err, fault.Of(err) == fault.Unavailable)
	if done.Load() != 1 {
		t.Errorf("done %d times", done.Load())
	}
	fresh := p.client()
	fresh.Transport = doubling{p.transport}
	err = fresh.Do(t.Context(), wire.Call{Method: "GET", URL: p.issuer + "/v1/echo"})
	wantErr(t, "a doubled token request", err, fault.Of(err) == fault.Unavailable)
}

func TestLinkFlow(t *testing.T) {
	p := newPeer(t)
	c := p.client()
	link := wire.GenerateKey()
	push := wire.Push{RedirectURI: walletOrigin + "/links/back", State: wire.NewSecret(), Verifier: wire.NewSecret(), Proof: link,
		Details: must(wire.Details(accountLink())), LinkRequest: "a.b.c", Identity: "a..b.c.d"}
	got, err := c.PushAuthorization(t.Context(), push)
	if err != nil {
		t.Fatal(err)
	}
	if u := must(url.Parse(got.AuthorizationURL)); u.Host != strings.TrimPrefix(p.issuer, "http://") || u.Path != "/authorize" {
		t.Error(got.AuthorizationURL)
	} else if client, uri, err := wire.ParseFrontChannel(u.RawQuery); err != nil || client != "hub" || uri != got.RequestURI {
		t.Errorf("%v %q %q", err, client, uri)
	}
	if got.ExpiresIn != 10*time.Minute || p.pushed.Load().Details != push.Details || p.pushed.Load().State != push.State {
		t.Errorf("%+v", got)
	}
	_, err = c.ExchangeCode(t.Context(), "another", push.Verifier, push.RedirectURI, link)
	wantErr(t, "another code", err, fault.Of(err) == fault.Gone)
	_, err = c.ExchangeCode(t.Context(), "the-code", wire.NewSecret(), push.RedirectURI, link)
	wantErr(t, "another verifier", err, fault.Of(err) == fault.Gone)
	_, err = c.ExchangeCode(t.Context(), "the-code", push.Verifier, push.RedirectURI, wire.GenerateKey())
	wantErr(t, "another key", err, fault.Of(err) == fault.Gone)
	grant, err := c.ExchangeCode(t.Context(), "the-code", push.Verifier, push.RedirectURI, link)
	if err != nil || grant.Details != push.Details {
		t.Fatalf("%v %q", err, grant.Details)
	}
	var out echoed
	if err := c.Do(t.Context(), wire.Call{Method: "POST", URL: p.issuer + "/v1/echo", In: 1, Out: &out, Link: &grant.LinkToken}); err != nil ||
		out.Link != linkID || out.Scope != "account_link" {
		t.Errorf("%v %+v", err, out)
	}
	stolen := wire.LinkToken{Token: grant.Token, Proof: wire.GenerateKey()}
	err = c.Do(t.Context(), wire.Call{Method: "POST", URL: p.issuer + "/v1/echo", In: 1, Link: &stolen})
	wantErr(t, "a link token with another key", err, errors.Is(err, wire.ErrCredentials))

	low := accountLink()
	low.Level = 1
	push.Details = string(must(json.Marshal([]wire.AccountLink{low})))
	_, err = c.PushAuthorization(t.Context(), push)
	wantErr(t, "level 1", err, fault.Of(err) == fault.Refused && fault.RuleOf(err) == "L4")
	push.Details = `[]`
	_, err = c.PushAuthorization(t.Context(), push)
	wantErr(t, "no details", err, fault.Of(err) == fault.Invalid)
}

func TestRefusal18_Discovery(t *testing.T) {
	good := wire.BankMetadata(bank)
	for name, bend := range map[string]func(m *wire.Metadata){
		"":                     func(*wire.Metadata) {},
		"another issuer":       func(m *wire.Metadata) { m.Issuer = "http://0152.bank.localhost:8152" },
		"a slash more":         func(m *wire.Metadata) { m.Issuer += "/" },
		"no issuer":            func(m *wire.Metadata) { m.Issuer = "" },
		"token elsewhere":      func(m *wire.Metadata) { m.TokenEndpoint = "http://evil.localhost:8149/token" },
		"PAR elsewhere":        func(m *wire.Metadata) { m.PAREndpoint = "http://evil.localhost:8149/par" },
		"authorize elsewhere":  func(m *wire.Metadata) { m.AuthorizationEndpoint = "http://evil.localhost:8149/authorize" },
		"authorize as a trick": func(m *wire.Metadata) { m.AuthorizationEndpoint = bank + "@evil.example/authorize" },
		"no token endpoint":    func(m *wire.Metadata) { m.TokenEndpoint = "" },
		"script":               func(m *wire.Metadata) { m.AuthorizationEndpoint = "javascript:alert(1)" },
	} {
		m := good
		bend(&m)
		_, err := wire.Discover(t.Context(), serving(must(json.Marshal(m))), bank)
		if name == "" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		wantErr(t, name, err, fault.Of(err) == fault.Unavailable)
	}
	_, err := wire.Discover(t.Context(), serving([]byte(`{"issuer":"x","issuer":"`+bank+`"}`)), bank)
	wantErr(t, "issuer twice", err, true)
	_, err = wire.Discover(t.Context(), serving(nil), "http://bank.example")
	wantErr(t, "plain http elsewhere", err, fault.Of(err) == fault.Invalid)
}

// serving answers every request with 200 and one body, if it asks where metadata lie.
type serving []byte

func (b serving) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if r.URL.Path != "/.well-known/oauth-authorization-server" {
		w.WriteHeader(http.StatusNotFound)
	}
	_, _ = w.Write(b)
	return w.Result(), nil
}

func TestMetadataAndKeys(t *testing.T) {
	p := newPeer(t)
	m, err := wire.Discover(t.Context(), p.transport, p.issuer)
	if err != nil {
		t.Fatal(err)
	}
	if !m.RequirePAR || !m.IssParameter || m.RequestURIParameterSupported || m.PAREndpoint != p.issuer+"/par" ||
		strings.Join(m.CodeChallengeMethods, "") != "S256" || strings.Join(m.AuthorizationDetailsTypes, "") != "account_link" ||
		strings.Join(m.DPoPAlgs, " ") != "ES256 PS256 EdDSA Ed25519" || strings.Join(m.TokenAuthMethods, "") != "private_key_jwt" {
		t.Errorf("%+v", m)
	}
	req := must(http.NewRequestWithContext(t.Context(), "GET", m.JWKSURI, nil))
	resp := must(p.transport.RoundTrip(req))
	defer func() { _ = resp.Body.Close() }()
	keys, err := wire.ParseKeySet(must(io.ReadAll(resp.Body)))
	if _, ok := keys.Find(p.hub.KID()); err != nil || !ok {
		t.Errorf("%v", err)
	}
}

// .localhost is this machine whatever a resolver says, and this transport reaches nothing else.
func TestLocalhostTransport(t *testing.T) {
	tr := wire.LocalhostTransport()
	for _, host := range []string{"example.com", "192.0.2.1", "localhost.example.com", "xlocalhost", "10.0.0.1"} {
		_, err := tr.DialContext(t.Context(), "tcp", host+":80")
		wantErr(t, host, err, strings.Contains(fmt.Sprint(err), "not on this machine"))
	}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	port := must(url.Parse(server.URL)).Port()
	for _, host := range []string{"0149.bank.localhost", "WALLET.localhost", "localhost", "127.0.0.1"} {
		conn, err := tr.DialContext(t.Context(), "tcp", host+":"+port)
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		_ = conn.Close()
	}
}

func TestTokenEndpointRefuses(t *testing.T) {
	hub, key := wire.GenerateKey(), wire.GenerateKey()
	for name, c := range map[string]struct {
		form url.Values
		code string
	}{
		"no grant":       {url.Values{}, "unsupported_grant_type"},
		"password":       {url.Values{"grant_type": {"password"}}, "unsupported_grant_type"},
		"refresh":        {url.Values{"grant_type": {"refresh_token"}}, "unsupported_grant_type"},
		"a larger scope": {url.Values{"grant_type": {"client_credentials"}, "scope": {"atm"}}, "invalid_scope"},
	} {
		w := newEndpoint(hub, "").token(hub, key, c.form)
		if w.Code != 400 || !strings.Contains(w.Body.String(), `"error":"`+c.code+`"`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	w := newEndpoint(hub, "").token(hub, key, url.Values{"grant_type": {"client_credentials"}, "scope": {"participant"}})
	if w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = newEndpoint(hub, "").token(wire.GenerateKey(), key, url.Values{"grant_type": {"client_credentials"}})
	if w.Code != 401 || !strings.Contains(w.Body.String(), `"error":"invalid_client"`) {
		t.Errorf("a stranger: %d %s", w.Code, w.Body)
	}
	for name, s := range map[string]*wire.TokenServer{
		"no scope": {ScopeOf: func(string) string { return "" }},
		"no rule":  {},
		"bound elsewhere": {Grants: map[string]wire.GrantFunc{"authorization_code": func(_ context.Context, g wire.GrantRequest) (wire.Granted, error) {
			return wire.Granted{Token: wire.Token{Client: g.Client, JKT: hub.Thumbprint(), Expires: at(time.Hour)}}, nil
		}}},
	} {
		e, grant, code := newEndpoint(hub, ""), "client_credentials", "unauthorized_client"
		if s.Grants != nil {
			grant, code = "authorization_code", "server_error"
		}
		s.Clients, s.URL, s.Store = clientsOf(t0, hub.Public()), bank+"/token", e.tokens
		e.mux = http.NewServeMux()
		e.mux.Handle("/token", s)
		if w := e.token(hub, key, url.Values{"grant_type": {grant}}); w.Code == 200 || !strings.Contains(w.Body.String(), code) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	var noted error
	s := &wire.TokenServer{Clients: clientsOf(t0), Refused: func(_ context.Context, err error) { noted = err }}
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest("GET", "/token", nil))
	if rec.Code != http.StatusMethodNotAllowed || noted == nil {
		t.Errorf("GET: %d %v", rec.Code, noted)
	}
}

// A token that is bound to nothing is not used.
func TestOnlyBoundTokens(t *testing.T) {
	for name, body := range map[string]string{
		"Bearer":    `{"access_token":"x","token_type":"Bearer","expires_in":600}`,
		"no type":   `{"access_token":"x","expires_in":600}`,
		"no token":  `{"token_type":"DPoP","expires_in":600}`,
		"no end":    `{"access_token":"x","token_type":"DPoP"}`,
		"two words": `{"access_token":"x y","token_type":"DPoP","expires_in":600}`,
	} {
		c := wire.NewClient(wire.ClientConfig{ID: "hub", Key: wire.GenerateKey(), Proof: wire.GenerateKey(), Issuer: bank,
			TokenURL: bank + "/token", Transport: fixed{200, "application/json", []byte(body)}})
		_, err := c.ExchangeCode(t.Context(), "c", "v", "r", wire.GenerateKey())
		wantErr(t, name, err, fault.Of(err) == fault.Unavailable)
	}
}
