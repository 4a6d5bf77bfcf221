package bankd

import (
	crand "crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/server"
	"github.com/kozamori/kozamori/internal/wire"
)

// The refusals of an authorization server that the requirements number. Each test shows first, or by its
// neighbour in link_test.go, that the same thing done rightly passes.

// raw sends a form as a program would.
func (w *world) raw(method, target string, form url.Values, header http.Header) (int, map[string]any) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, target, strings.NewReader(form.Encode()))
	must(w.t, err)
	for k, v := range header {
		req.Header[k] = v
	}
	if req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := client.Do(req)
	must(w.t, err)
	defer resp.Body.Close()
	out := map[string]any{}
	text, err := io.ReadAll(resp.Body)
	must(w.t, err)
	_ = json.Unmarshal(text, &out)
	out["www"] = resp.Header.Get("WWW-Authenticate")
	return resp.StatusCode, out
}

// assertion is the hub's good client assertion for a bank.
func (w *world) assertion(code string) string {
	w.t.Helper()
	text, err := wire.ClientAssertion(w.hubKey, testHub, w.issuer(code), w.clock())
	must(w.t, err)
	return text
}

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// form is a whole PAR request.
func (a *ask) form() url.Values {
	return url.Values{
		"client_id": {testHub}, "client_assertion_type": {assertionType}, "client_assertion": {a.w.assertion(string(a.bank.bank.Profile.Code))},
		"response_type": {"code"}, "redirect_uri": {testCallback}, "state": {a.state},
		"code_challenge": {wire.PKCEChallenge(a.verifier)}, "code_challenge_method": {"S256"}, "dpop_jkt": {a.dpop.Thumbprint()},
		"authorization_details": {a.details}, "link_request": {a.signed}, "identity": {a.sealed},
	}
}

// par sends it, changed.
func (a *ask) par(change func(url.Values)) (int, map[string]any) {
	a.w.t.Helper()
	f := a.form()
	if change != nil {
		change(f)
	}
	return a.w.raw(http.MethodPost, string(a.bank.bank.Profile.Issuer)+"/par", f, nil)
}

// refusedPAR expects a PAR to be refused with one of the codes.
func (a *ask) refusedPAR(name string, change func(url.Values), codes ...string) {
	a.w.t.Helper()
	status, body := a.par(change)
	if status < 400 || status >= 500 {
		a.w.t.Errorf("%s: status %d %v", name, status, body)
	}
	for _, c := range codes {
		if body["error"] == c {
			return
		}
	}
	if len(codes) > 0 {
		a.w.t.Errorf("%s: %v, want %v", name, body, codes)
	}
}

// token asks for a token with a code; change may spoil the form and the proof.
func (a *ask) token(code string, change func(url.Values, http.Header)) (int, map[string]any) {
	a.w.t.Helper()
	target := string(a.bank.bank.Profile.Issuer) + "/token"
	proof, err := wire.NewProof(a.dpop, http.MethodPost, target, "", a.w.clock())
	must(a.w.t, err)
	f := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {testCallback}, "code_verifier": {a.verifier},
		"client_assertion_type": {assertionType}, "client_assertion": {a.w.assertion(string(a.bank.bank.Profile.Code))}}
	h := http.Header{"Dpop": {proof}}
	if change != nil {
		change(f, h)
	}
	return a.w.raw(http.MethodPost, target, f, h)
}

// api calls a JSON operation with a token; change may spoil the headers.
func (a *ask) api(g wire.LinkGrant, path string, body any, change func(http.Header)) (int, map[string]any) {
	a.w.t.Helper()
	target := string(a.bank.bank.Profile.Issuer) + path
	proof, err := wire.NewProof(g.Proof, http.MethodPost, target, g.Token, a.w.clock())
	must(a.w.t, err)
	h := http.Header{"Dpop": {proof}, "Authorization": {"DPoP " + g.Token}, "Content-Type": {"application/json"}}
	if change != nil {
		change(h)
	}
	text, err := json.Marshal(body)
	must(a.w.t, err)
	req, err := http.NewRequestWithContext(a.w.t.Context(), http.MethodPost, target, strings.NewReader(string(text)))
	must(a.w.t, err)
	req.Header = h
	resp, err := client.Do(req)
	must(a.w.t, err)
	defer resp.Body.Close()
	out := map[string]any{}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		a.w.t.Fatal(err)
	}
	out["www"] = resp.Header.Get("WWW-Authenticate")
	return resp.StatusCode, out
}

func TestRefusal01_FrontChannelCarriesNothingElse(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a := w.ask("0149", nil)
	f := a.form()
	for _, k := range []string{"client_assertion", "client_assertion_type"} {
		f.Del(k)
	}
	if p := w.browser().get(w.issuer("0149") + "/authorize?" + f.Encode()); p.status != http.StatusBadRequest {
		t.Errorf("without PAR: %d", p.status)
	}
	good := a.push().AuthorizationURL
	for _, extra := range []string{"&redirect_uri=https%3A%2F%2Fevil.example", "&state=x", "&scope=openid", "&response_type=code", "&client_id=other",
		"&request_uri=urn%3Ax", "&request=eyJ", "&unknown=1"} {
		p := w.browser().send(http.MethodGet, good+extra, nil)
		if p.status != http.StatusBadRequest || p.location != "" {
			t.Errorf("%s: %d to %s", extra, p.status, p.location)
		}
	}
	if p := w.browser().get(good); p.status != http.StatusOK {
		t.Errorf("the plain one: %d", p.status)
	}
}

func TestRefusal02_RequestURIAfterConsentExpiredOtherClient(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a, b := w.ask("0149", nil), w.browser()
	uri := a.push().AuthorizationURL
	if p := w.browser().get(strings.Replace(uri, url.QueryEscape(testHub), "atm-net", 1)); p.status != http.StatusGone {
		t.Errorf("other client: %d", p.status)
	}
	a.enter(b, uri)
	a.proveByCode(b)
	b.post(a.base(), "/pin", url.Values{"pin": {hanakoPIN}})
	a.consent(b, true)
	if p := b.get(uri); p.status != http.StatusGone {
		t.Errorf("after consent: %d", p.status)
	}
	if p := b.post(a.base(), "/consent", url.Values{"agree": {"yes"}}); p.status != http.StatusGone || p.location != "" {
		t.Errorf("consent again: %d %s", p.status, p.location)
	}

	late := w.ask("0149", nil)
	lateURI := late.push().AuthorizationURL
	w.forward(5*time.Minute + time.Second)
	if p := w.browser().get(lateURI); p.status != http.StatusGone {
		t.Errorf("expired: %d", p.status)
	}
}

func TestRefusal03_TwoBrowsersOnlyOneCompletes(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a := w.ask("0149", nil)
	uri := a.push().AuthorizationURL
	const n = 20
	browsers, opened := make([]*browser, n), make([]bool, n)
	var wg sync.WaitGroup
	for i := range n {
		browsers[i] = w.browser()
		wg.Go(func() { opened[i] = browsers[i].get(uri).status == http.StatusOK })
	}
	wg.Wait()
	var first, second *browser
	count := 0
	for i := range n {
		if opened[i] {
			count++
			first = browsers[i]
		} else {
			second = browsers[i]
		}
	}
	if count != 1 {
		t.Fatalf("%d browsers hold the request", count)
	}
	second.get(w.issuer("0149") + "/link/" + string(a.request))
	if p := second.post(a.base(), "/account", url.Values{"branch": {"101"}, "kind": {"ordinary"}, "number": {"1234567"}}); p.status != http.StatusGone {
		t.Errorf("the second browser goes on: %d", p.status)
	}
	first.post(a.base(), "/account", url.Values{"branch": {"101"}, "kind": {"ordinary"}, "number": {"1234567"}})
	a.proveByCode(first)
	first.post(a.base(), "/pin", url.Values{"pin": {hanakoPIN}})
	a.consent(first, true)
}

func TestRefusal04_PARWithRequestURIOrByGET(t *testing.T) {
	w := newWorld(t)
	a := w.ask("0149", nil)
	a.refusedPAR("request_uri", func(f url.Values) { f.Set("request_uri", "urn:ietf:params:oauth:request_uri:x") }, "invalid_request")
	a.refusedPAR("request", func(f url.Values) { f.Set("request", "eyJ") }, "invalid_request")
	a.refusedPAR("twice", func(f url.Values) { f.Add("state", "x") }, "invalid_request")
	if status, _ := w.raw(http.MethodGet, w.issuer("0149")+"/par?"+a.form().Encode(), nil, nil); status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", status)
	}
	if status, body := a.par(nil); status != http.StatusCreated {
		t.Errorf("the plain one: %d %v", status, body)
	}
}

func TestRefusal05_RedirectURIAndResponseType(t *testing.T) {
	w := newWorld(t)
	a := w.ask("0149", nil)
	a.refusedPAR("missing", func(f url.Values) { f.Del("redirect_uri") }, "invalid_request")
	a.refusedPAR("unregistered", func(f url.Values) { f.Set("redirect_uri", "https://evil.example/cb") }, "invalid_request")
	a.refusedPAR("registered, longer", func(f url.Values) { f.Set("redirect_uri", testCallback+"/x") }, "invalid_request")
	for _, typ := range []string{"token", "code id_token", "", "code token"} {
		a.refusedPAR("response_type "+typ, func(f url.Values) { f.Set("response_type", typ) }, "unsupported_response_type", "invalid_request")
	}
	signed := w.ask("0149", nil)
	signed.signed = w.sign(&wire.LinkRequest{Header: signed.header(), Request: signed.request, DetailsHash: wire.Hash(signed.details),
		Browser: wire.Hash(signed.rs), RedirectURI: testWallet + "/elsewhere"})
	signed.refusedPAR("signed but unregistered", func(f url.Values) { f.Set("redirect_uri", testWallet+"/elsewhere") }, "invalid_request")
}

func TestRefusal06_PKCE(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a := w.ask("0149", nil)
	a.refusedPAR("missing", func(f url.Values) { f.Del("code_challenge") }, "invalid_request")
	a.refusedPAR("no method", func(f url.Values) { f.Del("code_challenge_method") }, "invalid_request")
	a.refusedPAR("plain", func(f url.Values) { f.Set("code_challenge_method", "plain"); f.Set("code_challenge", a.verifier) }, "invalid_request")
	code := a.through(w.browser())
	for _, verifier := range []string{wire.NewSecret(), "", wire.PKCEChallenge(a.verifier)} {
		status, body := a.token(code, func(f url.Values, _ http.Header) { f.Set("code_verifier", verifier) })
		if status != http.StatusBadRequest {
			t.Errorf("verifier %q: %d %v", verifier, status, body)
		}
	}
	if status, body := a.token(code, nil); status != http.StatusOK {
		t.Errorf("the right one: %d %v", status, body)
	}
	// One that RFC 7636, section 4.1, does not allow buys nothing, though its hash is the one that was pushed.
	for name, verifier := range map[string]string{"short": wire.NewSecret()[:42], "long": strings.Repeat("a", 129), "letters": wire.NewSecret() + "é"} {
		w.forward(25 * time.Hour) // what was consented to before is over
		a := w.ask("0149", nil)
		a.verifier = verifier
		if _, body := a.token(a.through(w.browser()), nil); body["error"] != "invalid_grant" {
			t.Errorf("%s: %v", name, body)
		}
	}
}

// forged signs claims as the hub would, with headers of our choice.
func (w *world) forged(claims map[string]any, alg jose.SignatureAlgorithm, key any, header map[jose.HeaderKey]any) string {
	w.t.Helper()
	opts := (&jose.SignerOptions{}).WithType("JWT")
	for k, v := range header {
		opts.WithHeader(k, v)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	must(w.t, err)
	text, err := json.Marshal(claims)
	must(w.t, err)
	jws, err := s.Sign(text)
	must(w.t, err)
	out, err := jws.CompactSerialize()
	must(w.t, err)
	return out
}

// private is the hub's key with its kid.
func (w *world) private() jose.JSONWebKey {
	w.t.Helper()
	var k jose.JSONWebKey
	must(w.t, k.UnmarshalJSON(w.hubKey.PrivateJWK()))
	return k
}

// claims are those of a good assertion, changed.
func (w *world) claims(change func(map[string]any)) map[string]any {
	now := w.clock().Unix()
	c := map[string]any{"iss": testHub, "sub": testHub, "aud": w.issuer("0149"), "jti": wire.NewSecret(), "iat": now, "nbf": now, "exp": now + 60}
	if change != nil {
		change(c)
	}
	return c
}

func TestRefusal07_AssertionAudience(t *testing.T) {
	w := newWorld(t)
	a := w.ask("0149", nil)
	iss := w.issuer("0149")
	for name, aud := range map[string]any{"PAR URL": iss + "/par", "token URL": iss + "/token", "array": []string{iss}, "other bank": w.issuer("0150"), "slash": iss + "/", "none": nil} {
		text := w.forged(w.claims(func(c map[string]any) { c["aud"] = aud }), jose.ES256, w.private(), nil)
		a.refusedPAR(name, func(f url.Values) { f.Set("client_assertion", text) }, "invalid_client")
	}
	text := w.forged(w.claims(nil), jose.ES256, w.private(), nil)
	if status, body := a.par(func(f url.Values) { f.Set("client_assertion", text) }); status != http.StatusCreated {
		t.Errorf("the plain one: %d %v", status, body)
	}
}

func TestRefusal08_AssertionTimesAndUse(t *testing.T) {
	w := newWorld(t)
	now := w.clock().Unix()
	a := w.ask("0149", nil)
	bad := map[string]func(map[string]any){
		"expired":  func(c map[string]any) { c["exp"] = now - 1 },
		"iat +61":  func(c map[string]any) { c["iat"] = now + 61; c["exp"] = now + 120 },
		"nbf +61":  func(c map[string]any) { c["nbf"] = now + 61; c["exp"] = now + 120 },
		"no exp":   func(c map[string]any) { delete(c, "exp") },
		"no sub":   func(c map[string]any) { delete(c, "sub") },
		"no jti":   func(c map[string]any) { delete(c, "jti") },
		"long":     func(c map[string]any) { c["exp"] = now + 3600 },
		"sub else": func(c map[string]any) { c["sub"] = "atm-net" },
	}
	for name, change := range bad {
		text := w.forged(w.claims(change), jose.ES256, w.private(), nil)
		a.refusedPAR(name, func(f url.Values) { f.Set("client_assertion", text) }, "invalid_client")
	}
	text := w.forged(w.claims(func(c map[string]any) { c["iat"] = now + 8; c["nbf"] = now + 8; c["exp"] = now + 68 }), jose.ES256, w.private(), nil)
	if status, body := a.par(func(f url.Values) { f.Set("client_assertion", text) }); status != http.StatusCreated {
		t.Errorf("+8 s: %d %v", status, body)
	}
	w.ask("0149", nil).refusedPAR("jti again", func(f url.Values) { f.Set("client_assertion", text) }, "invalid_client")
}

func TestRefusal09_AssertionAlgorithmsAndKeys(t *testing.T) {
	w := newWorld(t)
	a := w.ask("0149", nil)
	good := w.private()
	foreign := good
	foreign.KeyID = "somebody-else"
	var other jose.JSONWebKey
	must(t, other.UnmarshalJSON(wire.GenerateKey().PrivateJWK()))
	other.KeyID = good.KeyID
	public, err := json.Marshal(good.Public())
	must(t, err)
	rsaKey, err := rsa.GenerateKey(crand.Reader, 2048)
	must(t, err)
	for name, text := range map[string]string{
		"RS256":       w.forged(w.claims(nil), jose.RS256, jose.JSONWebKey{Key: rsaKey, KeyID: good.KeyID}, nil),
		"foreign kid": w.forged(w.claims(nil), jose.ES256, foreign, nil),
		"other key":   w.forged(w.claims(nil), jose.ES256, other, nil),
		"HS256":       w.forged(w.claims(nil), jose.HS256, jose.JSONWebKey{Key: public, KeyID: good.KeyID}, nil),
		"jku":         w.forged(w.claims(nil), jose.ES256, good, map[jose.HeaderKey]any{"jku": "https://evil.example/jwks"}),
		"x5u":         w.forged(w.claims(nil), jose.ES256, good, map[jose.HeaderKey]any{"x5u": "https://evil.example/c"}),
		"none":        none(t, w.claims(nil)),
	} {
		a.refusedPAR(name, func(f url.Values) { f.Set("client_assertion", text) }, "invalid_client")
	}
}

func TestRefusal10_CodeOnceWithinAMinuteForItsClient(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	t.Run("twice", func(t *testing.T) {
		a := w.ask("0149", nil)
		code := a.through(w.browser())
		g, err := a.exchange(code)
		must(t, err)
		if _, body := a.token(code, nil); body["error"] != "invalid_grant" {
			t.Fatalf("second use: %v", body)
		}
		if status, body := a.api(g, "/v1/activations", map[string]string{"activation": a.activation(a.rs)}, nil); status != http.StatusUnauthorized {
			t.Fatalf("the token lives on: %d %v", status, body)
		}
		r, err := w.banks["0149"].store.Request(t.Context(), a.request)
		must(t, err)
		l, err := w.banks["0149"].store.Link(t.Context(), r.Link)
		must(t, err)
		if r.State != bank.RequestDead || l.State != bank.LinkExpired || l.Reason != "code_reused" {
			t.Fatalf("request %s, link %s %s", r.State, l.State, l.Reason)
		}
	})
	t.Run("twice, the link ended since", func(t *testing.T) {
		a := w.ask("0149", nil)
		code := a.through(w.browser())
		g, err := a.exchange(code)
		must(t, err)
		link, err := a.activate(g, a.rs)
		must(t, err)
		_, err = w.call("0149", "/v1/link-changes", nil, "change",
			w.sign(&wire.LinkChange{Header: w.head("0149"), Change: id.Random("chg"), Link: link.Link, Kind: bank.ChangeEnded}))
		must(t, err)
		order, _ := w.order("0149", link, 1_000)
		if status, body := a.api(g, "/v1/debits", map[string]string{"order": order}, nil); status != http.StatusOK {
			t.Fatalf("an ended link's token still asks: %d %v", status, body)
		}
		if _, body := a.token(code, nil); body["error"] != "invalid_grant" {
			t.Fatalf("second use: %v", body)
		}
		if status, body := a.api(g, "/v1/debits", map[string]string{"order": order}, nil); status != http.StatusUnauthorized {
			t.Fatalf("the token lives on: %d %v", status, body)
		}
		w.forward(25 * time.Hour)
	})
	t.Run("late", func(t *testing.T) {
		a := w.ask("0149", nil)
		code := a.through(w.browser())
		w.forward(61 * time.Second)
		if _, body := a.token(code, nil); body["error"] != "invalid_grant" {
			t.Fatalf("after 61 s: %v", body)
		}
		w.forward(25 * time.Hour) // request notices become a digest after three a day
	})
	t.Run("other client", func(t *testing.T) {
		a := w.ask("0149", nil)
		code := a.through(w.browser())
		text, err := wire.ClientAssertion(w.atmKey, "atm-net", w.issuer("0149"), w.clock())
		must(t, err)
		if _, body := a.token(code, func(f url.Values, _ http.Header) { f.Set("client_assertion", text) }); body["error"] != "invalid_grant" {
			t.Fatalf("other client: %v", body)
		}
		if _, err := a.exchange(code); err != nil {
			t.Fatalf("the right client afterwards: %v", err)
		}
		w.forward(25 * time.Hour)
	})
	t.Run("50 in parallel", func(t *testing.T) {
		a := w.ask("0149", nil)
		code := a.through(w.browser())
		var wg sync.WaitGroup
		var mu sync.Mutex
		var grants []wire.LinkGrant
		for range 50 {
			wg.Go(func() {
				if g, err := a.exchange(code); err == nil {
					mu.Lock()
					defer mu.Unlock()
					grants = append(grants, g)
				}
			})
		}
		wg.Wait()
		if len(grants) != 1 {
			t.Fatalf("%d tokens for one code", len(grants))
		}
		if status, _ := a.api(grants[0], "/v1/activations", map[string]string{"activation": a.activation(a.rs)}, nil); status != http.StatusUnauthorized {
			t.Fatalf("the one token lives on: %d", status)
		}
	})
}

func none(t testing.TB, claims map[string]any) string {
	t.Helper()
	text, err := json.Marshal(claims)
	must(t, err)
	return b64(`{"alg":"none","typ":"JWT"}`) + "." + b64(string(text)) + "."
}

func TestRefusal11_DPoPKeyIsThePushedOne(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a := w.ask("0149", nil)
	code := a.through(w.browser())
	proof, err := wire.NewProof(wire.GenerateKey(), http.MethodPost, w.issuer("0149")+"/token", "", w.clock())
	must(t, err)
	if _, body := a.token(code, func(_ url.Values, h http.Header) { h.Set("DPoP", proof) }); body["error"] != "invalid_grant" {
		t.Fatalf("another key: %v", body)
	}
	if status, body := a.token(code, nil); status != http.StatusOK {
		t.Fatalf("the pushed key: %d %v", status, body)
	}
}

func TestRefusal12_ResourceCallsNeedTokenAndProof(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a := w.ask("0149", nil)
	g, err := a.exchange(a.through(w.browser()))
	must(t, err)
	target := w.issuer("0149") + "/v1/activations"
	proof := func(key wire.Key, token string) string {
		text, err := wire.NewProof(key, http.MethodPost, target, token, w.clock())
		must(t, err)
		return text
	}
	body := map[string]string{"activation": a.activation(a.rs)}
	for name, change := range map[string]func(http.Header){
		"Bearer":     func(h http.Header) { h.Set("Authorization", "Bearer "+g.Token) },
		"no proof":   func(h http.Header) { h.Del("DPoP") },
		"two proofs": func(h http.Header) { h.Add("DPoP", proof(g.Proof, g.Token)) },
		"wrong key":  func(h http.Header) { h.Set("DPoP", proof(wire.GenerateKey(), g.Token)) },
		"wrong ath":  func(h http.Header) { h.Set("DPoP", proof(g.Proof, "another token")) },
		"no ath":     func(h http.Header) { h.Set("DPoP", proof(g.Proof, "")) },
		"no token":   func(h http.Header) { h.Del("Authorization") },
	} {
		status, out := a.api(g, "/v1/activations", body, change)
		if status != http.StatusUnauthorized || !strings.HasPrefix(out["www"].(string), "DPoP ") {
			t.Errorf("%s: %d %v", name, status, out)
		}
	}
	if status, out := a.api(g, "/v1/activations", body, nil); status != http.StatusOK {
		t.Errorf("the plain one: %d %v", status, out)
	}
	if status, _ := a.api(g, "/v1/aborts", map[string]string{"abort": "x"}, nil); status != http.StatusForbidden {
		t.Errorf("a link's token at a participant's operation: %d", status)
	}
}

func TestRefusal13_ProofsFitTheCall(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a := w.ask("0149", nil)
	g, err := a.exchange(a.through(w.browser()))
	must(t, err)
	target := w.issuer("0149") + "/v1/activations"
	body := map[string]string{"activation": a.activation(a.rs)}
	proof := func(method, url string, at time.Time) string {
		text, err := wire.NewProof(g.Proof, method, url, g.Token, at)
		must(t, err)
		return text
	}
	now := w.clock()
	for name, change := range map[string]func(http.Header){
		"htm":    func(h http.Header) { h.Set("DPoP", proof(http.MethodGet, target, now)) },
		"htu":    func(h http.Header) { h.Set("DPoP", proof(http.MethodPost, w.issuer("0149")+"/v1/debits", now)) },
		"iat -1": func(h http.Header) { h.Set("DPoP", proof(http.MethodPost, target, now.Add(-time.Hour))) },
		"iat +1": func(h http.Header) { h.Set("DPoP", proof(http.MethodPost, target, now.Add(time.Hour))) },
		"forwarded": func(h http.Header) {
			h.Set("X-Forwarded-Host", "evil.example")
			h.Set("X-Forwarded-Proto", "https")
			h.Set("DPoP", proof(http.MethodPost, "https://evil.example/v1/activations", now))
		},
		"typ":         func(h http.Header) { h.Set("DPoP", w.proofJWS(g, target, "JWT", false)) },
		"private jwk": func(h http.Header) { h.Set("DPoP", w.proofJWS(g, target, "dpop+jwt", true)) },
	} {
		if status, out := a.api(g, "/v1/activations", body, change); status != http.StatusUnauthorized {
			t.Errorf("%s: %d %v", name, status, out)
		}
	}
}

// proofJWS makes a proof by hand, to spoil what wire.NewProof would never write.
func (w *world) proofJWS(g wire.LinkGrant, target, typ string, private bool) string {
	w.t.Helper()
	var key jose.JSONWebKey
	must(w.t, key.UnmarshalJSON(g.Proof.PrivateJWK()))
	key.KeyID, key.Use, key.Algorithm = "", "", ""
	shown := key.Public()
	if private {
		shown = key
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key.Key},
		(&jose.SignerOptions{}).WithType(jose.ContentType(typ)).WithHeader("jwk", shown))
	must(w.t, err)
	text, err := json.Marshal(map[string]any{"htm": "POST", "htu": target, "iat": w.clock().Unix(), "jti": wire.NewSecret(), "ath": wire.Hash(g.Token)})
	must(w.t, err)
	jws, err := s.Sign(text)
	must(w.t, err)
	out, err := jws.CompactSerialize()
	must(w.t, err)
	return out
}

func TestRefusal14_ProofsAreUsedOnceAlsoAtAReplica(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a := w.ask("0149", nil)
	g, err := a.exchange(a.through(w.browser()))
	must(t, err)
	var used string
	body := map[string]string{"activation": a.activation(a.rs)}
	if status, out := a.api(g, "/v1/activations", body, func(h http.Header) { used = h.Get("DPoP") }); status != http.StatusOK {
		t.Fatalf("first: %d %v", status, out)
	}
	if status, _ := a.api(g, "/v1/activations", body, func(h http.Header) { h.Set("DPoP", used) }); status != http.StatusUnauthorized {
		t.Errorf("again: %d", status)
	}
	replica, err := Open(t.Context(), w.server.cfg, Env{Env: server.Env{Now: w.clock, Transport: w}})
	must(t, err)
	defer func() { must(t, replica.Close()) }()
	text, err := json.Marshal(body)
	must(t, err)
	req := httptest.NewRequest(http.MethodPost, w.issuer("0149")+"/v1/activations", strings.NewReader(string(text)))
	req.Header = http.Header{"Dpop": {used}, "Authorization": {"DPoP " + g.Token}, "Content-Type": {"application/json"}}
	rec := httptest.NewRecorder()
	replica.Handler().ServeHTTP(rec, req)
	if rec.Code != http.StatusUnauthorized {
		t.Errorf("at a replica: %d %s", rec.Code, rec.Body)
	}
}

func TestRefusal15_DetailsMalformedOrOther(t *testing.T) {
	w := newWorld(t)
	a := w.ask("0149", nil)
	swap := func(from, to string) func(url.Values) {
		return func(f url.Values) {
			d := strings.Replace(a.details, from, to, 1)
			if d == a.details {
				t.Fatalf("%s is not in %s", from, d)
			}
			f.Set("authorization_details", d)
		}
	}
	for name, change := range map[string]func(url.Values){
		"unknown field": swap(`"level":2`, `"level":2,"more":1`),
		"negative":      swap(`50000`, `-50000`),
		"float":         swap(`50000`, `50000.0`),
		"duplicate":     swap(`"level":2`, `"level":2,"level":2`),
		"two objects": func(f url.Values) {
			f.Set("authorization_details", "["+strings.Trim(a.details, "[]")+","+strings.Trim(a.details, "[]")+"]")
		},
		"other type": swap(`account_link`, `payment_initiation`),
		"level 0":    swap(`"level":2`, `"level":0`),
		"missing":    func(f url.Values) { f.Del("authorization_details") },
	} {
		a.refusedPAR(name, change, "invalid_authorization_details", "invalid_request")
	}
	a.refusedPAR("more than the service signed", swap(`50000`, `99999`), "invalid_request")
	rich := w.ask("0149", func(_ *wire.Identity, l *wire.AccountLink) {
		l.Limits = wire.Limits{PerDebit: 300_001, Per24h: 300_001, Per30Days: 500_000}
	})
	rich.refusedPAR("more than the bank allows", nil, "invalid_request")
}

func TestRefusal16_NothingOfBankAAtBankB(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	w.hanako("0150", nil)
	a, b := w.ask("0149", nil), w.browser()
	uri := a.push().AuthorizationURL
	at := func(s string) string { return strings.ReplaceAll(s, "0149.bank", "0150.bank") }
	if p := w.browser().get(at(uri)); p.status != http.StatusGone {
		t.Errorf("request_uri: %d", p.status)
	}
	a.enter(b, uri)
	host := func(code string) string { return strings.TrimPrefix(w.issuer(code), "http://") }
	b.cookies[host("0150")] = b.cookies[host("0149")]
	if p := b.get(at(a.base())); p.status != http.StatusGone {
		t.Errorf("cookie and address: %d", p.status)
	}
	other := w.ask("0150", nil)
	for name, change := range map[string]func(url.Values){
		"assertion":    func(f url.Values) { f.Set("client_assertion", w.assertion("0149")) },
		"link_request": func(f url.Values) { f.Set("link_request", a.signed) },
	} {
		other.refusedPAR(name, change)
	}
	a.proveByCode(b)
	b.post(a.base(), "/pin", url.Values{"pin": {hanakoPIN}})
	code := a.consent(b, true)
	moved := *a
	moved.bank = w.banks["0150"]
	if _, body := moved.token(code, nil); body["error"] != "invalid_grant" {
		t.Errorf("code: %v", body)
	}
	g, err := a.exchange(code)
	must(t, err)
	if status, body := moved.api(g, "/v1/activations", map[string]string{"activation": a.activation(a.rs)}, nil); status != http.StatusUnauthorized {
		t.Errorf("token: %d %v", status, body)
	}
	if r, err := a.activate(g, a.rs); err != nil || r.State != wire.LinkCooling {
		t.Errorf("at its own bank: %+v %v", r, err)
	}
}

func TestRefusal17_AnotherClientsLink(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	g, _ := w.ask("0149", nil).linked()
	other := w.ask("0149", nil)
	if _, err := other.activate(g, other.rs); fault.Of(err) != fault.NotFound {
		t.Errorf("a request that was never consented to: %v", err)
	}
	w.hanako("0149", func(n *bank.NewAccount) {
		n.Number, n.HolderKana, n.CardID, n.Phone, n.Email = "7654321", "スズキ イチロウ", "card-ichiro", "+819033334444", "ichiro@example.jp"
	})
	third := w.ask("0149", func(who *wire.Identity, _ *wire.AccountLink) {
		who.NameKana, who.Phone = "スズキ イチロウ", "+819033334444"
	})
	b := w.browser()
	b.get(third.push().AuthorizationURL)
	b.post(third.base(), "/account", url.Values{"branch": {"101"}, "kind": {"ordinary"}, "number": {"7654321"}})
	w.locked(func() { w.sms, w.mails = nil, nil })
	b.post(third.base(), "/code", nil)
	b.post(third.base(), "/code/check", url.Values{"code": {w.code("+819033334444")}})
	b.post(third.base(), "/pin", url.Values{"pin": {hanakoPIN}})
	code := third.consent(b, false)
	if _, err := third.exchange(code); err != nil {
		t.Fatal(err)
	}
	// The token of 花子's link with an activation of 一郎's request.
	if _, err := third.activate(g, third.rs); fault.Of(err) != fault.NotFound {
		t.Errorf("another link's token: %v", err)
	}
}
