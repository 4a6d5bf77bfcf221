package wire_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func clientsOf(now time.Time, keys ...wire.PublicKey) wire.Clients {
	return wire.Clients{Issuer: bank, Keys: ringOf("hub", keys...), Replay: &wiretest.Replay{},
		Now: func() time.Time { return now }}
}

func assertionForm(text string) url.Values {
	return url.Values{"client_assertion_type": {assertionType}, "client_assertion": {text}}
}

func assertionClaims() map[string]any {
	return map[string]any{"iss": "hub", "sub": "hub", "aud": bank, "jti": wire.NewSecret(),
		"iat": t0.Unix(), "nbf": t0.Unix(), "exp": t0.Unix() + 60}
}

func oauthCode(err error) string {
	if e, ok := errors.AsType[*wire.OAuthError](err); ok {
		return e.Code
	}
	return ""
}

func wantOAuth(t *testing.T, name string, err error, code string) {
	t.Helper()
	wantErr(t, name, err, oauthCode(err) == code)
}

func TestAssertionTaken(t *testing.T) {
	private := newECDSA()
	key := must(wire.NewKey("k1", private))
	ours := must(wire.ClientAssertion(key, "hub", bank, t0))
	client, err := clientsOf(at(5*time.Second), key.Public()).Authenticate(t.Context(), assertionForm(ours))
	if err != nil || client != "hub" {
		t.Fatalf("%q %v", client, err)
	}
	for name, c := range map[string]struct{ header, claim map[string]any }{
		"without typ": {map[string]any{"alg": "ES256", "kid": "k1"}, assertionClaims()},
		"the newer typ": {map[string]any{"alg": "ES256", "kid": "k1", "typ": "client-authentication+jwt"},
			assertionClaims()},
		"claims of their own": {map[string]any{"alg": "ES256", "kid": "k1", "custom": 1}, with(assertionClaims(), "tenant", "x")},
		"without iat and nbf": {map[string]any{"alg": "ES256", "kid": "k1"}, with(with(assertionClaims(), "iat", nil), "nbf", nil)},
		"a date with a part":  {map[string]any{"alg": "ES256", "kid": "k1"}, with(assertionClaims(), "exp", float64(t0.Unix())+30.5)},
	} {
		if _, err := clientsOf(t0, key.Public()).Authenticate(t.Context(), assertionForm(forge(private, c.header, c.claim))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// with sets a claim, or removes it with nil.
func with(m map[string]any, key string, value any) map[string]any {
	if value == nil {
		delete(m, key)
	} else {
		m[key] = value
	}
	return m
}

func TestRefusal06_PKCE(t *testing.T) {
	verifier := wire.NewSecret()
	challenge := wire.PKCEChallenge(verifier)
	if err := wire.CheckPKCE(challenge, verifier); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ challenge, verifier string }{
		"wrong":        {challenge, wire.NewSecret()},
		"missing":      {challenge, ""},
		"both missing": {"", ""},
		"plain":        {verifier, verifier},
		"too short":    {wire.PKCEChallenge("short"), "short"},
		"too long":     {wire.PKCEChallenge(strings.Repeat("a", 129)), strings.Repeat("a", 129)},
		"odd alphabet": {wire.PKCEChallenge(strings.Repeat("+", 43)), strings.Repeat("+", 43)},
		"one more":     {challenge, verifier[:42] + "A-"},
	} {
		wantOAuth(t, name, wire.CheckPKCE(c.challenge, c.verifier), "invalid_grant")
	}
	// The vector of RFC 7636, appendix B.
	if got := wire.PKCEChallenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Error(got)
	}
	for name, bend := range map[string]func(url.Values){
		"no challenge":   func(v url.Values) { v.Del("code_challenge") },
		"no method":      func(v url.Values) { v.Del("code_challenge_method") }, // means plain
		"method plain":   func(v url.Values) { v.Set("code_challenge_method", "plain") },
		"odd challenge":  func(v url.Values) { v.Set("code_challenge", "short") },
		"empty verifier": func(v url.Values) { v.Set("code_challenge", "") },
	} {
		form := parForm()
		bend(form)
		_, err := wire.ParsePAR(form, "hub")
		wantOAuth(t, name, err, "invalid_request")
	}
}

func TestRefusal07_AssertionAudience(t *testing.T) {
	private := newECDSA()
	key := must(wire.NewKey("k1", private))
	for name, aud := range map[string]any{
		"PAR URL":         bank + "/par",
		"token URL":       bank + "/token",
		"array":           []string{bank},
		"array of two":    []string{bank, bank + "/token"},
		"slash more":      bank + "/",
		"another bank":    "http://0152.bank.localhost:8152",
		"other case":      strings.ToUpper(bank),
		"none":            nil,
		"empty":           "",
		"a host, no port": "http://0149.bank.localhost",
	} {
		text := forge(private, map[string]any{"alg": "ES256", "kid": "k1"}, with(assertionClaims(), "aud", aud))
		_, err := clientsOf(t0, key.Public()).Authenticate(t.Context(), assertionForm(text))
		wantOAuth(t, name, err, "invalid_client")
	}
}

func TestRefusal08_AssertionTimeAndUse(t *testing.T) {
	private := newECDSA()
	key := must(wire.NewKey("k1", private))
	header := map[string]any{"alg": "ES256", "kid": "k1"}
	ask := func(claim map[string]any) error {
		_, err := clientsOf(t0, key.Public()).Authenticate(t.Context(), assertionForm(forge(private, header, claim)))
		return err
	}
	for name, claim := range map[string]map[string]any{
		"iat 8 s ahead":  with(assertionClaims(), "iat", t0.Unix()+8),
		"nbf 8 s ahead":  with(assertionClaims(), "nbf", t0.Unix()+8),
		"nbf 10 s ahead": with(assertionClaims(), "nbf", t0.Unix()+10),
	} {
		if err := ask(claim); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, claim := range map[string]map[string]any{
		"iat 61 s ahead":   with(assertionClaims(), "iat", t0.Unix()+61),
		"nbf 61 s ahead":   with(assertionClaims(), "nbf", t0.Unix()+61),
		"nbf 11 s ahead":   with(assertionClaims(), "nbf", t0.Unix()+11),
		"expired":          with(assertionClaims(), "exp", t0.Unix()),
		"expired long ago": with(assertionClaims(), "exp", t0.Unix()-3600),
		"no exp":           with(assertionClaims(), "exp", nil),
		"exp as text":      with(assertionClaims(), "exp", "soon"),
		"lives an hour":    with(assertionClaims(), "exp", t0.Unix()+3600),
		"no sub":           with(assertionClaims(), "sub", nil),
		"no iss":           with(assertionClaims(), "iss", nil),
		"iss is not sub":   with(assertionClaims(), "iss", "maru"),
		"no jti":           with(assertionClaims(), "jti", nil),
		"endless jti":      with(assertionClaims(), "jti", strings.Repeat("a", 257)),
		"unknown client":   with(with(assertionClaims(), "sub", "batsu"), "iss", "batsu"),
	} {
		wantOAuth(t, name, ask(claim), "invalid_client")
	}
	c := clientsOf(t0, key.Public())
	once := assertionForm(must(wire.ClientAssertion(key, "hub", bank, t0)))
	if _, err := c.Authenticate(t.Context(), once); err != nil {
		t.Fatal(err)
	}
	_, err := c.Authenticate(t.Context(), once)
	wantOAuth(t, "used before", err, "invalid_client")
	again := assertionForm(forge(private, header, with(assertionClaims(), "jti", "same")))
	other := assertionForm(forge(private, header, with(assertionClaims(), "jti", "same")))
	if _, err := c.Authenticate(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	_, err = c.Authenticate(t.Context(), other)
	wantOAuth(t, "jti used before, signed anew", err, "invalid_client")
}

func TestRefusal09_AssertionKeyAndAlgorithm(t *testing.T) {
	private := newECDSA()
	key, rsaPublic := must(wire.NewKey("k1", private)), must(wire.NewKey("r1", rsaKey())).Public()
	spki := must(x509.MarshalPKIXPublicKey(&private.PublicKey))
	own := newECDSA()
	for name, c := range map[string]struct {
		key    any
		header map[string]any
	}{
		"none":                      {nil, map[string]any{"alg": "none", "kid": "k1"}},
		"RS256":                     {rsaKey(), map[string]any{"alg": "RS256", "kid": "r1"}},
		"HS256 with the public key": {spki, map[string]any{"alg": "HS256", "kid": "k1"}},
		"foreign kid":               {own, map[string]any{"alg": "ES256", "kid": "own"}},
		"no kid":                    {private, map[string]any{"alg": "ES256"}},
		"own key under our kid":     {own, map[string]any{"alg": "ES256", "kid": "k1"}},
		"jku":                       {own, map[string]any{"alg": "ES256", "kid": "k1", "jku": "https://evil.example/jwks"}},
		"jku beside the right key":  {private, map[string]any{"alg": "ES256", "kid": "k1", "jku": "https://evil.example/jwks"}},
		"x5u":                       {private, map[string]any{"alg": "ES256", "kid": "k1", "x5u": "https://evil.example/x5"}},
		"jwk":                       {own, map[string]any{"alg": "ES256", "kid": "k1", "jwk": publicMap(own.Public())}},
		"typ of a message":          {private, map[string]any{"alg": "ES256", "kid": "k1", "typ": order().Typ()}},
	} {
		_, err := clientsOf(t0, key.Public(), rsaPublic).Authenticate(t.Context(),
			assertionForm(forge(c.key, c.header, assertionClaims())))
		wantOAuth(t, name, err, "invalid_client")
	}
	good := must(wire.ClientAssertion(key, "hub", bank, t0))
	for name, form := range map[string]url.Values{
		"nothing":               {},
		"client_secret":         {"client_assertion_type": {assertionType}, "client_assertion": {good}, "client_secret": {"x"}},
		"another type":          {"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, "client_assertion": {good}},
		"for another client_id": {"client_assertion_type": {assertionType}, "client_assertion": {good}, "client_id": {"maru"}},
	} {
		_, err := clientsOf(t0, key.Public()).Authenticate(t.Context(), form)
		wantOAuth(t, name, err, "invalid_client")
	}
	broken := clientsOf(t0, key.Public())
	broken.Replay = brokenReplay{}
	_, err := broken.Authenticate(t.Context(), assertionForm(good))
	wantErr(t, "a store that fails", err, fault.Of(err) == fault.Unavailable)
}

// endpoint is a server at t0 with a token endpoint, whose code "good" is bound to one DPoP key, and one API call.
type endpoint struct {
	mux    *http.ServeMux
	tokens *wiretest.Tokens
	replay *wiretest.Replay
	guard  wire.Guard
}

func newEndpoint(hub wire.Key, jkt string) *endpoint {
	e := &endpoint{mux: http.NewServeMux(), tokens: &wiretest.Tokens{}, replay: &wiretest.Replay{}}
	now := func() time.Time { return t0 }
	e.mux.Handle("POST /token", &wire.TokenServer{
		Clients: wire.Clients{Issuer: bank, Keys: ringOf("hub", hub.Public()), Replay: e.replay, Now: now},
		URL:     bank + "/token", Store: e.tokens,
		ScopeOf: func(string) string { return "participant" },
		Grants: map[string]wire.GrantFunc{"authorization_code": func(ctx context.Context, g wire.GrantRequest) (wire.Granted, error) {
			if g.Form.Get("code") != "good" || g.JKT != jkt {
				return wire.Granted{}, wire.RefuseOAuth("invalid_grant", "the code does not stand", nil)
			}
			t := wire.Token{Client: g.Client, Scope: "account_link", JKT: g.JKT, Link: linkID, Expires: at(time.Hour)}
			return wire.Granted{Token: t, Details: `[{"type":"account_link"}]`}, e.tokens.SaveToken(ctx, g.TokenHash, t)
		}},
	})
	e.guard = wire.Guard{Base: bank, Tokens: e.tokens, Replay: e.replay, Now: now}
	e.mux.Handle("/v1/debits", e.guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := wire.CallerOf(r.Context())
		w.Header().Set("Link-Id", string(caller.Link))
	}), "account_link"))
	return e
}

func (e *endpoint) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	e.mux.ServeHTTP(w, r)
	return w
}

func (e *endpoint) token(hub, proofKey wire.Key, form url.Values) *httptest.ResponseRecorder {
	for k, v := range assertionForm(must(wire.ClientAssertion(hub, "hub", bank, t0))) {
		form[k] = v
	}
	r := httptest.NewRequest(http.MethodPost, bank+"/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("DPoP", must(wire.NewProof(proofKey, http.MethodPost, bank+"/token", "", t0)))
	return e.serve(r)
}

func TestRefusal11_KeyOtherThanPushed(t *testing.T) {
	hub, link, thief := wire.GenerateKey(), wire.GenerateKey(), wire.GenerateKey()
	e := newEndpoint(hub, link.Thumbprint())
	code := func() url.Values { return url.Values{"grant_type": {"authorization_code"}, "code": {"good"}} }
	if w := e.token(hub, thief, code()); w.Code != 400 || !strings.Contains(w.Body.String(), "invalid_grant") {
		t.Errorf("another key: %d %s", w.Code, w.Body)
	}
	w := e.token(hub, link, code())
	var got struct {
		AccessToken string          `json:"access_token"`
		TokenType   string          `json:"token_type"`
		ExpiresIn   int             `json:"expires_in"`
		Scope       string          `json:"scope"`
		Details     json.RawMessage `json:"authorization_details"`
	}
	if err := wire.DecodeStrict(w.Body.Bytes(), &got); err != nil || w.Code != 200 || got.TokenType != "DPoP" ||
		got.ExpiresIn != 3600 || got.Scope != "account_link" || len(got.Details) == 0 || len(got.AccessToken) != 43 {
		t.Errorf("the right key: %d %s %v", w.Code, w.Body, err)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Error("a token that may be cached")
	}
}

// apiCall is a debit with a token bound to key, ready to be bent.
func (e *endpoint) apiCall(t *testing.T, key wire.Key) (*http.Request, string) {
	t.Helper()
	text := wire.NewSecret()
	if err := e.tokens.SaveToken(t.Context(), wire.Hash(text), wire.Token{Client: "hub", Scope: "account_link",
		JKT: key.Thumbprint(), Link: linkID, Expires: at(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, bank+"/v1/debits", nil)
	r.Header.Set("Authorization", "DPoP "+text)
	r.Header.Set("DPoP", must(wire.NewProof(key, http.MethodPost, bank+"/v1/debits", text, t0)))
	return r, text
}

func (e *endpoint) wantChallenge(t *testing.T, name string, r *http.Request, code string) {
	t.Helper()
	w := e.serve(r)
	challenge := w.Header().Get("WWW-Authenticate")
	if w.Code != http.StatusUnauthorized || !strings.HasPrefix(challenge, "DPoP ") || !strings.Contains(challenge, `algs="ES256 PS256 EdDSA Ed25519"`) {
		t.Errorf("%s: %d %q", name, w.Code, challenge)
	}
	if code == "" && strings.Contains(challenge, "error=") || code != "" && !strings.Contains(challenge, `error="`+code+`"`) {
		t.Errorf("%s: %q", name, challenge)
	}
	if !strings.Contains(w.Body.String(), `"kind":"unauthorised"`) || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: %s", name, w.Body)
	}
}

func TestRefusal12_TokenWithoutItsProof(t *testing.T) {
	key, other := wire.GenerateKey(), wire.GenerateKey()
	e := newEndpoint(wire.GenerateKey(), "")
	r, _ := e.apiCall(t, key)
	if w := e.serve(r); w.Code != 200 || w.Header().Get("Link-Id") != linkID {
		t.Fatalf("an honest call: %d %s", w.Code, w.Body)
	}
	proof := func(k wire.Key, token string) string {
		return must(wire.NewProof(k, http.MethodPost, bank+"/v1/debits", token, t0))
	}
	for name, c := range map[string]struct {
		code string
		bend func(r *http.Request, token string)
	}{
		"no token":          {"", func(r *http.Request, _ string) { r.Header.Del("Authorization") }},
		"Bearer":            {"invalid_token", func(r *http.Request, tok string) { r.Header.Set("Authorization", "Bearer "+tok) }},
		"Bearer, no proof":  {"invalid_token", func(r *http.Request, tok string) { r.Header.Set("Authorization", "Bearer "+tok); r.Header.Del("DPoP") }},
		"two tokens":        {"invalid_token", func(r *http.Request, tok string) { r.Header.Add("Authorization", "DPoP "+tok) }},
		"unknown token":     {"invalid_token", func(r *http.Request, _ string) { r.Header.Set("Authorization", "DPoP "+wire.NewSecret()) }},
		"no proof":          {"invalid_dpop_proof", func(r *http.Request, _ string) { r.Header.Del("DPoP") }},
		"two proofs":        {"invalid_dpop_proof", func(r *http.Request, tok string) { r.Header.Add("DPoP", proof(key, tok)) }},
		"two in one header": {"invalid_dpop_proof", func(r *http.Request, tok string) { r.Header.Set("DPoP", proof(key, tok)+", "+proof(key, tok)) }},
		"another key":       {"invalid_dpop_proof", func(r *http.Request, tok string) { r.Header.Set("DPoP", proof(other, tok)) }},
		"no ath":            {"invalid_dpop_proof", func(r *http.Request, _ string) { r.Header.Set("DPoP", proof(key, "")) }},
		"another ath":       {"invalid_dpop_proof", func(r *http.Request, _ string) { r.Header.Set("DPoP", proof(key, "x")) }},
	} {
		r, text := e.apiCall(t, key)
		c.bend(r, text)
		e.wantChallenge(t, name, r, c.code)
	}
	// A token's end, and a token for something else.
	r, text := e.apiCall(t, key)
	_ = e.tokens.SaveToken(t.Context(), wire.Hash(text), wire.Token{Client: "hub", Scope: "account_link", JKT: key.Thumbprint(), Expires: t0})
	e.wantChallenge(t, "expired", r, "invalid_token")
	r, text = e.apiCall(t, key)
	_ = e.tokens.SaveToken(t.Context(), wire.Hash(text), wire.Token{Client: "hub", Scope: "participant", JKT: key.Thumbprint(), Expires: at(time.Hour)})
	if w := e.serve(r); w.Code != http.StatusForbidden || !strings.Contains(w.Header().Get("WWW-Authenticate"), "insufficient_scope") {
		t.Errorf("another scope: %d", w.Code)
	}
	// ath without a token: a proof made for an API call is none for the token endpoint.
	_, err := wire.VerifyProof(t.Context(), http.Header{"Dpop": {must(wire.NewProof(key, "POST", bank+"/token", "tok", t0))}},
		wire.ProofExpect{Method: "POST", URL: bank + "/token", Now: t0, Replay: &wiretest.Replay{}})
	wantOAuth(t, "ath at the token endpoint", err, "invalid_dpop_proof")
}

func proofClaims() map[string]any {
	return map[string]any{"jti": wire.NewSecret(), "htm": "POST", "htu": bank + "/token", "iat": t0.Unix()}
}

func TestRefusal13_ProofForSomethingElse(t *testing.T) {
	private := newECDSA()
	header := func() map[string]any {
		return map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": publicMap(private.Public())}
	}
	key := must(wire.NewKey("", private))
	check := func(text string) error {
		jkt, err := wire.VerifyProof(t.Context(), http.Header{"Dpop": {text}},
			wire.ProofExpect{Method: "POST", URL: bank + "/token", Now: t0, Replay: &wiretest.Replay{}})
		if err == nil && jkt != key.Thumbprint() {
			t.Errorf("thumbprint %q", jkt)
		}
		return err
	}
	for name, claim := range map[string]map[string]any{
		"exactly":             proofClaims(),
		"query ignored":       with(proofClaims(), "htu", bank+"/token?x=1"),
		"fragment ignored":    with(proofClaims(), "htu", bank+"/token#x"),
		"host in capitals":    with(proofClaims(), "htu", strings.Replace(bank, "bank", "BANK", 1)+"/token"),
		"8 s ahead":           with(proofClaims(), "iat", t0.Unix()+8),
		"60 s old":            with(proofClaims(), "iat", t0.Unix()-60),
		"claims of their own": with(proofClaims(), "nonce", "x"),
	} {
		if err := check(forge(private, header(), claim)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, claim := range map[string]map[string]any{
		"htm GET":         with(proofClaims(), "htm", "GET"),
		"htm post":        with(proofClaims(), "htm", "post"),
		"no htm":          with(proofClaims(), "htm", nil),
		"another path":    with(proofClaims(), "htu", bank+"/par"),
		"another bank":    with(proofClaims(), "htu", "http://0152.bank.localhost:8152/token"),
		"another port":    with(proofClaims(), "htu", "http://0149.bank.localhost/token"),
		"https":           with(proofClaims(), "htu", strings.Replace(bank, "http:", "https:", 1)+"/token"),
		"with a user":     with(proofClaims(), "htu", "http://x@0149.bank.localhost:8149/token"),
		"path in another": with(proofClaims(), "htu", bank+"/TOKEN"),
		"no htu":          with(proofClaims(), "htu", nil),
		"an hour ago":     with(proofClaims(), "iat", t0.Unix()-3600),
		"an hour ahead":   with(proofClaims(), "iat", t0.Unix()+3600),
		"61 s ago":        with(proofClaims(), "iat", t0.Unix()-61),
		"11 s ahead":      with(proofClaims(), "iat", t0.Unix()+11),
		"no iat":          with(proofClaims(), "iat", nil),
		"no jti":          with(proofClaims(), "jti", nil),
		"endless jti":     with(proofClaims(), "jti", strings.Repeat("a", 300)),
	} {
		wantOAuth(t, name, check(forge(private, header(), claim)), "invalid_dpop_proof")
	}
	own, spki := newECDSA(), must(x509.MarshalPKIXPublicKey(private.Public()))
	privateJWK := publicMap(private.Public())
	privateJWK["d"] = "AAAA"
	for name, c := range map[string]struct {
		key    any
		header map[string]any
	}{
		"typ JWT":             {private, with(header(), "typ", "JWT")},
		"no typ":              {private, with(header(), "typ", nil)},
		"private jwk":         {private, with(header(), "jwk", privateJWK)},
		"no jwk":              {private, with(header(), "jwk", nil)},
		"another's jwk":       {own, header()},
		"symmetric jwk":       {spki, with(with(header(), "alg", "HS256"), "jwk", map[string]any{"kty": "oct", "k": b64(spki)})},
		"HS256 over the jwk":  {spki, with(header(), "alg", "HS256")},
		"none":                {nil, with(header(), "alg", "none")},
		"RS256":               {rsaKey(), with(with(header(), "alg", "RS256"), "jwk", publicMap(rsaKey().Public()))},
		"jku":                 {private, with(header(), "jku", "https://evil.example/")},
		"crit":                {private, with(header(), "crit", []string{"jwk"})},
		"jwk with an x5u":     {private, with(header(), "jwk", with(publicMap(private.Public()), "x5u", "https://evil.example/"))},
		"alg of another kind": {private, with(header(), "alg", "EdDSA")},
	} {
		wantOAuth(t, name, check(forge(c.key, c.header, proofClaims())), "invalid_dpop_proof")
	}
}

// Behind whatever proxy, htu is compared with the configured address, not with what the request claims.
func TestRefusal13_ForwardedHost(t *testing.T) {
	key := wire.GenerateKey()
	e := newEndpoint(wire.GenerateKey(), "")
	evil := "https://evil.example"
	for name, bend := range map[string]func(r *http.Request){
		"Host":              func(r *http.Request) { r.Host = "evil.example" },
		"X-Forwarded-Host":  func(r *http.Request) { r.Header.Set("X-Forwarded-Host", "evil.example") },
		"X-Forwarded-Proto": func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") },
		"Forwarded":         func(r *http.Request) { r.Header.Set("Forwarded", "host=evil.example;proto=https") },
	} {
		r, text := e.apiCall(t, key)
		bend(r)
		if w := e.serve(r); w.Code != 200 { // ours is still ours
			t.Errorf("%s with an honest proof: %d", name, w.Code)
		}
		r, text = e.apiCall(t, key)
		bend(r)
		r.Header.Set("DPoP", must(wire.NewProof(key, http.MethodPost, evil+"/v1/debits", text, t0)))
		e.wantChallenge(t, name, r, "invalid_dpop_proof")
	}
}

func TestRefusal14_ProofReplayed(t *testing.T) {
	key := wire.GenerateKey()
	a := newEndpoint(wire.GenerateKey(), "")
	r, _ := a.apiCall(t, key)
	if w := a.serve(r); w.Code != 200 {
		t.Fatal(w.Code)
	}
	a.wantChallenge(t, "the same request again", r, "invalid_dpop_proof")

	// A second replica shares the store and nothing else.
	b := newEndpoint(wire.GenerateKey(), "")
	b.guard.Tokens, b.guard.Replay = a.tokens, a.replay
	b.mux = http.NewServeMux()
	b.mux.Handle("/v1/debits", b.guard.Require(http.NotFoundHandler(), "account_link"))
	b.wantChallenge(t, "at a second replica", r, "invalid_dpop_proof")

	// Whoever has another key cannot use up a jti of ours.
	r, text := a.apiCall(t, key)
	claim := with(with(proofClaims(), "htu", bank+"/v1/debits"), "ath", wire.Hash(text))
	thief := newECDSA()
	stolen := forge(thief, map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": publicMap(thief.Public())}, claim)
	evil, _ := a.apiCall(t, must(wire.NewKey("", thief)))
	evil.Header.Set("Authorization", "DPoP "+text)
	evil.Header.Set("DPoP", stolen)
	a.wantChallenge(t, "a thief's proof", evil, "invalid_dpop_proof")
	if w := a.serve(r); w.Code != 200 {
		t.Errorf("the owner after the thief: %d", w.Code)
	}
	shared := &wiretest.Replay{} // at the token endpoint any key may come
	for _, k := range []*ecdsa.PrivateKey{newECDSA(), newECDSA()} {
		claim := with(proofClaims(), "jti", "same")
		text := forge(k, map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": publicMap(k.Public())}, claim)
		want := wire.ProofExpect{Method: "POST", URL: bank + "/token", Now: t0, Replay: shared}
		if _, err := wire.VerifyProof(t.Context(), http.Header{"Dpop": {text}}, want); err != nil {
			t.Errorf("two keys, one jti: %v", err)
		}
	}
	_, err := wire.VerifyProof(t.Context(), http.Header{"Dpop": {must(wire.NewProof(key, "GET", bank+"/", "", t0))}},
		wire.ProofExpect{Method: "GET", URL: bank, Now: t0, Replay: brokenReplay{}})
	wantErr(t, "a store that fails", err, fault.Of(err) == fault.Unavailable)
}
