package wire_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
	"pgregory.net/rapid"
)

const walletHost = "wallet.localhost"

func accountLink() wire.AccountLink {
	return wire.AccountLink{Type: wire.TypeAccountLink, Service: maru, Subject: "sub_1", Level: 2,
		Limits:     wire.Limits{PerDebit: 30_000, Per24h: 100_000, Per30Days: 300_000},
		ValidUntil: "2025-08-31",
		Device:     wiretest.NewPasskey(walletHost, "http://wallet.localhost:8080", true).Device()}
}

func parForm() url.Values {
	return url.Values{
		"response_type": {"code"}, "client_id": {"hub"}, "redirect_uri": {"http://wallet.localhost:8080/links/back"},
		"state": {wire.NewSecret()}, "code_challenge": {wire.PKCEChallenge(wire.NewSecret())},
		"code_challenge_method": {"S256"}, "dpop_jkt": {wire.GenerateKey().Thumbprint()},
		"authorization_details": {must(wire.Details(accountLink()))},
		"link_request":          {"a.b.c"}, "identity": {"a..b.c.d"},
	}
}

func TestParsePAR(t *testing.T) {
	form := parForm()
	form.Set("unknown", "RFC 6749 section 3.1 ignores it")
	p, err := wire.ParsePAR(form, "hub")
	if err != nil {
		t.Fatal(err)
	}
	if p.Client != "hub" || p.RedirectURI != form.Get("redirect_uri") || p.State != form.Get("state") ||
		p.Challenge != form.Get("code_challenge") || p.JKT != form.Get("dpop_jkt") ||
		p.Details != form.Get("authorization_details") || p.LinkRequest != "a.b.c" || p.Identity != "a..b.c.d" ||
		p.Link.Limits.Per24h != 100_000 {
		t.Errorf("%+v", p)
	}
}

func TestRefusal04And05_PushedRequest(t *testing.T) {
	for name, c := range map[string]struct {
		code string
		bend func(url.Values)
	}{
		"request_uri":               {"invalid_request", func(v url.Values) { v.Set("request_uri", requestURI) }},
		"request":                   {"invalid_request", func(v url.Values) { v.Set("request", "a.b.c") }},
		"empty request_uri":         {"invalid_request", func(v url.Values) { v.Set("request_uri", "") }},
		"state twice":               {"invalid_request", func(v url.Values) { v.Add("state", "x") }},
		"client_id twice":           {"invalid_request", func(v url.Values) { v.Add("client_id", "hub") }},
		"another client":            {"invalid_request", func(v url.Values) { v.Set("client_id", "maru") }},
		"no client":                 {"invalid_request", func(v url.Values) { v.Del("client_id") }},
		"response_type token":       {"unsupported_response_type", func(v url.Values) { v.Set("response_type", "token") }},
		"code id_token":             {"unsupported_response_type", func(v url.Values) { v.Set("response_type", "code id_token") }},
		"no response_type":          {"unsupported_response_type", func(v url.Values) { v.Del("response_type") }},
		"fragment":                  {"invalid_request", func(v url.Values) { v.Set("response_mode", "fragment") }},
		"form_post":                 {"invalid_request", func(v url.Values) { v.Set("response_mode", "form_post") }},
		"scope openid":              {"invalid_scope", func(v url.Values) { v.Set("scope", "openid") }},
		"no redirect_uri":           {"invalid_request", func(v url.Values) { v.Del("redirect_uri") }},
		"http redirect":             {"invalid_request", func(v url.Values) { v.Set("redirect_uri", "http://wallet.example/") }},
		"javascript":                {"invalid_request", func(v url.Values) { v.Set("redirect_uri", "javascript:alert(1)") }},
		"redirect with fragment":    {"invalid_request", func(v url.Values) { v.Set("redirect_uri", "https://wallet.example/#") }},
		"redirect with user":        {"invalid_request", func(v url.Values) { v.Set("redirect_uri", "https://bank@wallet.example/") }},
		"localhost look-alike":      {"invalid_request", func(v url.Values) { v.Set("redirect_uri", "http://localhost.evil.example/") }},
		"no state":                  {"invalid_request", func(v url.Values) { v.Del("state") }},
		"endless state":             {"invalid_request", func(v url.Values) { v.Set("state", strings.Repeat("x", 513)) }},
		"no dpop_jkt":               {"invalid_request", func(v url.Values) { v.Del("dpop_jkt") }},
		"odd dpop_jkt":              {"invalid_request", func(v url.Values) { v.Set("dpop_jkt", "x") }},
		"no authorization_details":  {"invalid_request", func(v url.Values) { v.Del("authorization_details") }},
		"no link_request":           {"invalid_request", func(v url.Values) { v.Del("link_request") }},
		"link_request of two parts": {"invalid_request", func(v url.Values) { v.Set("link_request", "a.b") }},
		"no identity":               {"invalid_request", func(v url.Values) { v.Del("identity") }},
		"identity in the clear":     {"invalid_request", func(v url.Values) { v.Set("identity", "a.b.c") }},
	} {
		form := parForm()
		c.bend(form)
		_, err := wire.ParsePAR(form, "hub")
		wantOAuth(t, name, err, c.code)
	}
}

func TestRefusal15_AuthorizationDetails(t *testing.T) {
	good := must(wire.Details(accountLink()))
	object := good[1 : len(good)-1]
	sub := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in %s", old, good)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, text := range map[string]string{
		"nothing":           ``,
		"not JSON":          `account_link`,
		"an object":         object,
		"no object":         `[]`,
		"two objects":       `[` + object + `,` + object + `]`,
		"null":              `null`,
		"a list of null":    `[null]`,
		"another type":      sub(`"account_link"`, `"payment_initiation"`),
		"no type":           sub(`"type":"account_link",`, ``),
		"unknown field":     sub(`"level":2`, `"level":2,"actions":["debit"]`),
		"unknown limit":     sub(`"per_debit":30000`, `"per_debit":30000,"per_year":1`),
		"negative":          sub(`"per_debit":30000`, `"per_debit":-30000`),
		"fraction":          sub(`"per_debit":30000`, `"per_debit":30000.5`),
		"float":             sub(`"per_debit":30000`, `"per_debit":30000.0`),
		"exponent":          sub(`"per_debit":30000`, `"per_debit":3e4`),
		"text":              sub(`"per_debit":30000`, `"per_debit":"30000"`),
		"duplicate key":     sub(`"per_debit":30000`, `"per_debit":1,"per_debit":30000`),
		"duplicate in case": sub(`"per_debit":30000`, `"per_debit":1,"Per_Debit":30000`),
		"limit 0":           sub(`"per_debit":30000`, `"per_debit":0`),
		"no limit":          sub(`"per_debit":30000,`, ``),
		"day under debit":   sub(`"per_24_hours":100000`, `"per_24_hours":1`),
		"month under day":   sub(`"per_30_days":300000`, `"per_30_days":99999`),
		"level as float":    sub(`"level":2`, `"level":2.0`),
		"level -1":          sub(`"level":2`, `"level":-1`),
		"no subject":        sub(`"subject":"sub_1"`, `"subject":""`),
		"no such date":      sub(`2025-08-31`, `2025-09-31`),
		"no passkey":        sub(`"public_key":"`, `"public_key":"AA`),
		"trailing":          good + `x`,
		"too long":          good + strings.Repeat(" ", 8<<10),
	} {
		_, err := wire.ParseDetails(text)
		wantErr(t, name, err, fault.Of(err) == fault.Invalid)
		form := parForm()
		form.Set("authorization_details", text)
		_, err = wire.ParsePAR(form, "hub")
		wantOAuth(t, name+", pushed", err, "invalid_authorization_details")
	}
	low := sub(`"level":2`, `"level":1`)
	_, err := wire.ParseDetails(low)
	wantErr(t, "level 1", err, fault.Of(err) == fault.Refused && fault.RuleOf(err) == "L4")
	form := parForm()
	form.Set("authorization_details", low)
	_, err = wire.ParsePAR(form, "hub")
	w := httptest.NewRecorder()
	wire.WriteOAuth(w, err)
	if w.Code != 400 || !strings.Contains(w.Body.String(), `"rule":"L4"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestDetailsProperties(t *testing.T) {
	device := accountLink().Device
	rapid.Check(t, func(t *rapid.T) {
		each := rapid.Int64Range(1, 1e15).Draw(t, "each")
		day := rapid.Int64Range(each, 1e16).Draw(t, "day")
		month := rapid.Int64Range(day, 1e16).Draw(t, "month")
		want := accountLink()
		want.Device = device
		want.Limits = wire.Limits{PerDebit: money.Yen(each), Per24h: money.Yen(day), Per30Days: money.Yen(month)}
		want.Level = rapid.IntRange(wire.MinLevel, 9).Draw(t, "level")
		text, err := wire.Details(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.ParseDetails(text)
		if err != nil || !cmp.Equal(want, got) {
			t.Fatalf("%v %s", err, cmp.Diff(want, got))
		}
	})
}

// requestURI is one as a bank makes them (RFC 9126, section 2.2).
const requestURI = "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c"

func TestRefusal01_FrontChannel(t *testing.T) {
	uri := requestURI
	q := url.Values{"client_id": {"hub"}, "request_uri": {uri}}.Encode()
	client, got, err := wire.ParseFrontChannel(q)
	if err != nil || client != "hub" || got != uri {
		t.Fatalf("%q %q %v", client, got, err)
	}
	for name, query := range map[string]string{
		"nothing":               "",
		"no PAR":                "client_id=hub&response_type=code&redirect_uri=https%3A%2F%2Fevil.example",
		"only the client":       "client_id=hub",
		"only the request_uri":  "request_uri=" + url.QueryEscape(uri),
		"extra state":           q + "&state=x",
		"extra redirect_uri":    q + "&redirect_uri=https%3A%2F%2Fevil.example",
		"extra lang":            q + "&lang=en",
		"client_id twice":       q + "&client_id=maru",
		"request_uri twice":     q + "&request_uri=x",
		"empty":                 "client_id=&request_uri=",
		"not a query":           q + "&%zz",
		"semicolon":             "client_id=hub;request_uri=x",
		"a space in the client": "client_id=h+b&request_uri=" + url.QueryEscape(uri),
		"endless":               q + strings.Repeat("x", 2048),
	} {
		_, _, err := wire.ParseFrontChannel(query)
		wantOAuth(t, name, err, "invalid_request")
	}
}

func pushRequest(hub wire.Key, form url.Values) *http.Request {
	for k, v := range assertionForm(must(wire.ClientAssertion(hub, "hub", bank, t0))) {
		form[k] = v
	}
	r := httptest.NewRequest(http.MethodPost, bank+"/par", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// A DPoP header at PAR is the same as dpop_jkt, and may not contradict it (RFC 9449, section 10.1).
func TestReadPAR(t *testing.T) {
	hub, link := wire.GenerateKey(), wire.GenerateKey()
	read := func(r *http.Request) (wire.PAR, error) {
		return clientsOf(t0, hub.Public()).ReadPAR(httptest.NewRecorder(), r, bank+"/par")
	}
	proof := must(wire.NewProof(link, http.MethodPost, bank+"/par", "", t0))
	form := parForm()
	form.Del("dpop_jkt")
	r := pushRequest(hub, form)
	r.Header.Set("DPoP", proof)
	if p, err := read(r); err != nil || p.JKT != link.Thumbprint() {
		t.Errorf("by header: %v %+v", err, p)
	}
	if p, err := read(pushRequest(hub, parForm())); err != nil || p.JKT == "" {
		t.Errorf("by parameter: %v", err)
	}
	r = pushRequest(hub, parForm())
	r.Header.Set("DPoP", proof)
	_, err := read(r)
	wantOAuth(t, "both, of two keys", err, "invalid_dpop_proof")

	for name, bend := range map[string]func(r *http.Request){
		"GET":              func(r *http.Request) { r.Method = http.MethodGet },
		"PUT":              func(r *http.Request) { r.Method = http.MethodPut },
		"JSON":             func(r *http.Request) { r.Header.Set("Content-Type", "application/json") },
		"no type":          func(r *http.Request) { r.Header.Del("Content-Type") },
		"query beside":     func(r *http.Request) { r.URL.RawQuery = "request_uri=x" },
		"a broken escape":  func(r *http.Request) { r.Body = http.NoBody; r.URL.RawQuery = "%zz" },
		"parameters twice": func(r *http.Request) { *r = *withBody(r, "state=a&state=b") },
		"endless":          func(r *http.Request) { *r = *withBody(r, "state="+strings.Repeat("a", 300<<10)) },
	} {
		r := pushRequest(hub, parForm())
		bend(r)
		_, err := read(r)
		wantOAuth(t, name, err, "invalid_request")
	}
	_, err = read(pushRequest(wire.GenerateKey(), parForm()))
	wantOAuth(t, "a stranger", err, "invalid_client")
}

func withBody(r *http.Request, body string) *http.Request {
	out := httptest.NewRequest(r.Method, r.URL.String(), strings.NewReader(body))
	out.Header = r.Header
	return out
}
