package wire_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
)

// What strangers can send goes through these parsers. None may panic, and none may take what it did not make:
// a signature is never taken from a key that did not sign, and what was taken is written back as it was read.

func FuzzDecodeStrict(f *testing.F) {
	for _, m := range everyMessage() {
		f.Add(must(json.Marshal(m)))
	}
	f.Add([]byte(`{"amount":5,"amount":7}`))
	f.Add([]byte(`{"iss":"\ud800","device":{"signature":null}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range emptyMessages() {
			if wire.DecodeStrict(b, m) != nil {
				continue
			}
			again := must(json.Marshal(m))
			back := emptyLike(m)
			if err := wire.DecodeStrict(again, back); err != nil || !cmp.Equal(m, back) {
				t.Fatalf("%s is not itself when written back: %v", b, err)
			}
		}
	})
}

func emptyLike(m wire.Message) wire.Message {
	for _, n := range emptyMessages() {
		if n.Typ() == m.Typ() {
			return n
		}
	}
	panic("a message is missing in emptyMessages")
}

func FuzzVerify(f *testing.F) {
	private := newECDSA()
	keys := wire.NewKeySet(must(wire.NewKey("k1", private)).Public())
	signed := forge(private, map[string]any{"alg": "ES256", "kid": "k1", "typ": order().Typ()}, order())
	f.Add(signed)
	f.Add(forge(nil, map[string]any{"alg": "none", "kid": "k1", "typ": order().Typ()}, order()))
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = wire.Peek(text)
		m, err := wire.Verify[wire.DebitOrder](text, keys, wantOrder(t0))
		if err == nil && !cmp.Equal(m, order()) {
			t.Fatalf("taken, and signed by nobody: %s", text)
		}
	})
}

func FuzzOpen(f *testing.F) {
	key := wire.GenerateSealKey()
	f.Add(must(wire.Seal(key.Public(), []byte("rs"), wire.CtyBrowser)))
	f.Add("a..b.c.d")
	f.Fuzz(func(t *testing.T, text string) {
		for _, cty := range []string{wire.CtyBrowser, "JWT"} {
			// Anybody may seal to the bank; the fuzzer cannot find a tag by chance.
			if plain, err := wire.Open([]wire.SealKey{key}, text, cty); err == nil && string(plain) != "rs" {
				t.Fatalf("opened: %q", plain)
			}
		}
	})
}

func FuzzAssertion(f *testing.F) {
	private := newECDSA()
	public := must(wire.NewKey("k1", private)).Public()
	good := forge(private, map[string]any{"alg": "ES256", "kid": "k1"}, assertionClaims())
	f.Add(good)
	f.Add(forgeRaw(private, []byte(`{"alg":"ES256","kid":"k1"}`), []byte(`{"iss":"hub","sub":"hub","aud":"`+bank+`","exp":1e400}`)))
	f.Fuzz(func(t *testing.T, text string) {
		client, err := clientsOf(t0, public).Authenticate(t.Context(), assertionForm(text))
		if err == nil && (client != "hub" || signedPart(text) != signedPart(good)) {
			t.Fatalf("taken, and signed by nobody: %s", text)
		}
	})
}

func signedPart(compact string) string { return compact[:max(0, strings.LastIndex(compact, "."))] }

func FuzzProof(f *testing.F) {
	key := wire.GenerateKey()
	f.Add(must(wire.NewProof(key, "POST", bank+"/token", "", t0)), bank+"/token")
	f.Add("a.b.c", "HTTP://0149.BANK.localhost:8149/token?x#y")
	f.Fuzz(func(t *testing.T, text, target string) {
		want := wire.ProofExpect{Method: "POST", URL: bank + "/token", JKT: key.Thumbprint(), Now: t0, Replay: &wiretest.Replay{}}
		if jkt, err := wire.VerifyProof(t.Context(), http.Header{"Dpop": {text}}, want); err == nil && jkt != key.Thumbprint() {
			t.Fatalf("taken: %s", text)
		}
		// A proof made for one address is taken there and nowhere else.
		proof, err := wire.NewProof(key, "POST", target, "", t0)
		if err != nil {
			return
		}
		if _, err := wire.VerifyProof(t.Context(), http.Header{"Dpop": {proof}}, want); err == nil {
			u := must(url.Parse(target))
			if !strings.EqualFold(u.Host, "0149.bank.localhost:8149") || u.EscapedPath() != "/token" || !strings.EqualFold(u.Scheme, "http") {
				t.Fatalf("a proof for %q was taken", target)
			}
		}
	})
}

func FuzzDeviceProof(f *testing.F) {
	p := wiretest.NewPasskey(walletHost, walletOrigin, true)
	device, good := p.Device(), p.Sign(challenge())
	f.Add(good.AuthenticatorData, good.ClientDataJSON, good.Signature, good.BrowserSignature, device.PublicKey)
	f.Fuzz(func(t *testing.T, auth, client, signature, browser, key string) {
		proof := wire.DeviceProof{CredentialID: good.CredentialID, AuthenticatorData: auth, ClientDataJSON: client,
			Signature: signature, BrowserSignature: browser}
		if wire.VerifyDevice(device, proof, challenge()) == nil &&
			(proof.AuthenticatorData != good.AuthenticatorData || proof.ClientDataJSON != good.ClientDataJSON) {
			t.Fatalf("taken, and signed by nobody: %+v", proof)
		}
		other := device
		other.PublicKey, other.BrowserKey = key, browser
		if other.Check() == nil {
			_ = wire.VerifyDevice(other, proof, challenge())
		}
	})
}

func FuzzParsePAR(f *testing.F) {
	f.Add(parForm().Encode())
	f.Add("response_type=code&client_id=hub&client_id=maru")
	f.Fuzz(func(t *testing.T, body string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		p, err := wire.ParsePAR(form, "hub")
		if err != nil {
			if oauthCode(err) == "" {
				t.Fatalf("no OAuth error: %v", err)
			}
			return
		}
		if form.Has("request_uri") || form.Get("response_type") != "code" || form.Get("code_challenge_method") != "S256" ||
			p.Client != "hub" || p.Link.Level < wire.MinLevel || p.Details != form.Get("authorization_details") {
			t.Fatalf("taken: %s", body)
		}
	})
}

func FuzzParseFrontChannel(f *testing.F) {
	f.Add("client_id=hub&request_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3Ax")
	f.Add("client_id=hub&request_uri=x&state=y")
	f.Fuzz(func(t *testing.T, query string) {
		client, uri, err := wire.ParseFrontChannel(query)
		if err != nil {
			return
		}
		want := url.Values{"client_id": {client}, "request_uri": {uri}}
		if got, err := url.ParseQuery(query); err != nil || client == "" || uri == "" || !cmp.Equal(got, want) {
			t.Fatalf("%q gave %q %q", query, client, uri)
		}
	})
}

func FuzzParseDetails(f *testing.F) {
	f.Add(must(wire.Details(accountLink())))
	f.Add(`[{"type":"account_link","level":2.0}]`)
	f.Fuzz(func(t *testing.T, text string) {
		link, err := wire.ParseDetails(text)
		if err != nil {
			return
		}
		if link.Level < wire.MinLevel || link.Limits.PerDebit <= 0 || link.Limits.Per30Days < link.Limits.Per24h || link.Type != wire.TypeAccountLink {
			t.Fatalf("taken: %s", text)
		}
		if back, err := wire.ParseDetails(must(wire.Details(link))); err != nil || !cmp.Equal(link, back) {
			t.Fatalf("%s is not itself when written back: %v", text, err)
		}
	})
}

func FuzzParseKeySet(f *testing.F) {
	f.Add(must(json.Marshal(wire.NewKeySet(wire.GenerateKey().Public()).WithSeal(wire.GenerateSealKey().Public()))))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		set, err := wire.ParseKeySet(b)
		if err != nil {
			return
		}
		text := must(json.Marshal(set))
		if bytes.Contains(text, []byte(`"d":`)) || bytes.Contains(text, []byte(`"k":`)) {
			t.Fatalf("a private key was taken: %s", b)
		}
		if _, err := wire.ParseKeySet(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add(wire.GenerateKey().PrivateJWK())
	f.Add(wire.GenerateSealKey().PrivateJWK())
	f.Fuzz(func(t *testing.T, b []byte) {
		if key, err := wire.ParseKey(b); err == nil {
			if _, err := wire.Sign(key, order()); err != nil {
				t.Fatalf("a key that cannot sign: %v", err)
			}
		}
		if key, err := wire.ParseSealKey(b); err == nil {
			if _, err := wire.Seal(key.Public(), nil, wire.CtyBrowser); err != nil {
				t.Fatalf("a key that cannot seal: %v", err)
			}
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add(must(json.Marshal(wire.BankMetadata(bank))))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := wire.Discover(t.Context(), serving(b), bank)
		if err != nil {
			return
		}
		for _, endpoint := range []string{m.TokenEndpoint, m.PAREndpoint, m.AuthorizationEndpoint} {
			if endpoint != "" && !strings.HasPrefix(strings.ToLower(endpoint), bank) {
				t.Fatalf("an endpoint elsewhere: %q", endpoint)
			}
		}
	})
}

// FuzzAnswer feeds a client whatever another role might answer: every error has a kind, and none says that
// something was done.
func FuzzAnswer(f *testing.F) {
	f.Add(422, "application/problem+json", []byte(`{"kind":"refused","rule":"M1"}`))
	f.Add(200, "application/json", []byte(`{"access_token":"x","token_type":"DPoP","expires_in":600}`))
	f.Add(400, "application/json", []byte(`{"error":"invalid_grant","rule":"L4"}`))
	key := wire.GenerateKey()
	f.Fuzz(func(t *testing.T, status int, kind string, body []byte) {
		if status < 100 || status > 599 {
			return
		}
		c := wire.NewClient(wire.ClientConfig{ID: "hub", Key: key, Proof: key, Issuer: bank, TokenURL: bank + "/token",
			Now: func() time.Time { return t0 }, Transport: fixed{status, kind, body}})
		var out echoed
		err := c.Do(t.Context(), wire.Call{Method: "POST", URL: bank + "/v1/debits", In: 1, Out: &out,
			Link: &wire.LinkToken{Token: "t", Proof: key}})
		if err == nil && status/100 != 2 {
			t.Fatalf("status %d is no error", status)
		}
		_, _ = c.ExchangeCode(t.Context(), "c", "v", "r", key)
	})
}

type fixed struct {
	status int
	kind   string
	body   []byte
}

func (a fixed) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{"Content-Type": {a.kind}}, Body: readCloser{bytes.NewReader(a.body)}}, nil
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }
