package web

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2/memstore"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/observe"
)

// app is a small role: a page with a form, a refusal, an API, a session.
func app(t *testing.T, log *strings.Builder) (http.Handler, *Site) {
	t.Helper()
	s := sampleSite(t, sampleTemplate)
	sessions := NewSessions(memstore.New(), "wallet", time.Hour, 12*time.Hour)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /form", func(w http.ResponseWriter, r *http.Request) { s.Render(w, r, samplePageValue()) })
	mux.HandleFunc("POST /form", s.Handle(func(w http.ResponseWriter, r *http.Request) error {
		if r.FormValue("amount") == "300001" {
			return fault.Refuse("M1", "wallet.Charge", fault.Text{JA: "30日の上限を超えます。", EN: "Over the limit of 30 days."})
		}
		_, err := io.WriteString(w, "done")
		return err
	}))
	mux.HandleFunc("GET /consent", s.Handle(func(w http.ResponseWriter, r *http.Request) error {
		if err := AllowFormAction(w, "https://wallet.example"); err != nil {
			return err
		}
		s.Render(w, r, samplePageValue())
		return nil
	}))
	mux.HandleFunc("GET /signin", func(w http.ResponseWriter, r *http.Request) {
		sessions.Put(r.Context(), "who", "sub_1")
		observe.Party(r.Context(), "sub_1")
	})
	mux.HandleFunc("GET /who", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, sessions.GetString(r.Context(), "who"))
	})
	mux.HandleFunc("POST /v1/debits", HandleAPI(func(http.ResponseWriter, *http.Request) error {
		return fault.Refuse("M1", "bank.Debit", fault.Text{JA: "上限です。", EN: "The limit."})
	}))
	mux.HandleFunc("GET /boom", func(http.ResponseWriter, *http.Request) { panic("the impossible") })
	return observe.Wide(s.Wrap(mux, sessions), observe.Wiring{Role: "wallet", Log: observe.NewLogger(log, "wallet", slog.LevelInfo), OnError: s.Error}), s
}

func ask(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func post(path, form string, cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest("POST", "https://wallet.example"+path, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

// An answer to a program is nothing that a browser could show, frame, keep or hand to another site.
func TestHeadersOfAnAPI(t *testing.T) {
	h, _ := app(t, &strings.Builder{})
	resp := ask(h, httptest.NewRequest("GET", "/v1/nothing", nil))
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "X-Content-Type-Options": "nosniff",
		"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store", "Content-Type": "application/problem+json",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestHeadersOfAPage(t *testing.T) {
	h, _ := app(t, &strings.Builder{})
	resp := ask(h, httptest.NewRequest("GET", "/form", nil))
	csp := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "form-action 'self';", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("no %q in %q", want, csp)
		}
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") {
		t.Errorf("too wide: %q", csp)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store", "Strict-Transport-Security": "",
		"Content-Type": "text/html; charset=utf-8", "Content-Language": "ja",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if p := resp.Header.Get("Permissions-Policy"); !strings.Contains(p, "publickey-credentials-get=(self)") {
		t.Errorf("Permissions-Policy: %q", p)
	}
	if p := resp.Header.Get("Permissions-Policy"); !strings.Contains(p, "camera=()") {
		t.Errorf("Permissions-Policy: %q", p)
	}
	w := httptest.NewRecorder()
	if AllowCamera(w); !strings.Contains(w.Header().Get("Permissions-Policy"), "camera=(self)") || !strings.Contains(w.Header().Get("Permissions-Policy"), "publickey-credentials-get=(self)") {
		t.Errorf("till: %v", w.Header())
	}
	resp = ask(h, httptest.NewRequest("GET", "/consent", nil))
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https://wallet.example;") {
		t.Errorf("consent: %q", csp)
	}
	s := sampleSite(t, sampleTemplate)
	s.o.HTTPS = true
	if resp := ask(s.Wrap(http.NewServeMux(), nil), httptest.NewRequest("GET", "/", nil)); resp.Header.Get("Strict-Transport-Security") == "" {
		t.Error("https without HSTS")
	}
}

func TestOnlyOriginsMayBeAllowed(t *testing.T) {
	for _, o := range []string{"", "wallet.example", "https://wallet.example/", "https://a.example; script-src *", "https://a.example b", "javascript:alert(1)", "https://*.example", "https://u@a.example", "ftp://a.example"} {
		w := httptest.NewRecorder()
		if err := AllowFormAction(w, o); err == nil {
			t.Errorf("%q was allowed: %s", o, w.Header().Get("Content-Security-Policy"))
		}
	}
}

// What another site makes a browser post is refused, however old the browser; what our page posts goes through.
func TestForgedPosts(t *testing.T) {
	h, _ := app(t, &strings.Builder{})
	page := ask(h, httptest.NewRequest("GET", "https://wallet.example/form", nil))
	i := slices.IndexFunc(page.Cookies(), func(c *http.Cookie) bool { return c.Name == formCookie })
	if i < 0 {
		t.Fatal("a page sets no form cookie")
	}
	cookie := page.Cookies()[i]
	if !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || len(cookie.Value) < 20 {
		t.Errorf("cookie %v", cookie)
	}
	for name, c := range map[string]struct {
		request *http.Request
		headers map[string]string
		want    int
	}{
		"our page":                       {post("/form", "", cookie), map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		"our page, old browser":          {post("/form", "", cookie), map[string]string{"Origin": "https://wallet.example"}, 200},
		"our page, very old browser":     {post("/form", "", cookie), nil, 200},
		"another site":                   {post("/form", "", cookie), map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"a sibling site":                 {post("/form", "", cookie), map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		"another site, old browser":      {post("/form", "", cookie), map[string]string{"Origin": "https://evil.example"}, 403},
		"a sandboxed frame":              {post("/form", "", cookie), map[string]string{"Origin": "null"}, 403},
		"another site, very old browser": {post("/form", ""), nil, 403}, // a Strict cookie does not come along
	} {
		for k, v := range c.headers {
			c.request.Header.Set(k, v)
		}
		if resp := ask(h, c.request); resp.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", name, resp.StatusCode, c.want)
		}
	}
}

// A path that begins like the API's and leads back to a page does not get around the cookie.
func TestNoWayAroundThroughTheAPI(t *testing.T) {
	h, _ := app(t, &strings.Builder{})
	for _, path := range []string{"/v1/../form", "/v1/%2e%2e/form", "/v1/..%2fform", "//v1/../form", "/v1/./../form"} {
		r := post(path, "")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		if resp := ask(h, r); resp.StatusCode == 200 {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body(t, resp))
		}
	}
}

func TestProgramsNeedNoCookie(t *testing.T) {
	h, _ := app(t, &strings.Builder{})
	resp := ask(h, httptest.NewRequest("POST", "https://wallet.example/v1/debits", strings.NewReader("{}")))
	var p ProblemBody
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 422 || resp.Header.Get("Content-Type") != "application/problem+json" || len(resp.Cookies()) != 0 {
		t.Errorf("%d %v %v", resp.StatusCode, resp.Header, resp.Cookies())
	}
	if p.Rule != "M1" || p.Kind != "refused" || p.Detail != "The limit." || p.DetailJA != "上限です。" || p.Status != 422 || p.Type != "about:blank" || len(p.Request) != 13 {
		t.Errorf("%+v", p)
	}
}

func TestErrorPages(t *testing.T) {
	var log strings.Builder
	h, s := app(t, &log)
	cookie := &http.Cookie{Name: formCookie, Value: "x"}
	refused := post("/form", "amount=300001", cookie)
	refused.Header.Set("Accept-Language", "en")
	method := httptest.NewRequest("DELETE", "/who", nil)
	method.AddCookie(cookie)
	for name, c := range map[string]struct {
		request *http.Request
		status  int
		want    string
	}{
		"refused":   {refused, 422, "Over the limit of 30 days."},
		"no page":   {httptest.NewRequest("GET", "/nowhere", nil), 404, "ページが見つかりません"},
		"no method": {method, 405, "この操作はできません"},
		"panic":     {httptest.NewRequest("GET", "/boom", nil), 500, "お金は動いていません"},
	} {
		resp := ask(h, c.request)
		text := body(t, resp)
		if resp.StatusCode != c.status || !strings.Contains(text, c.want) || !strings.Contains(text, "まるペイ") && !strings.Contains(text, "Maru Pay") {
			t.Errorf("%s: %d %s", name, resp.StatusCode, text)
		}
		if name == "refused" && !strings.Contains(text, "<dd>M1</dd>") {
			t.Errorf("the rule is not named: %s", text)
		}
		if strings.Contains(text, "impossible") || strings.Contains(text, "wallet.Charge") {
			t.Errorf("%s: a stranger reads the inside: %s", name, text)
		}
	}
	if resp := ask(h, method); resp.Header.Get("Allow") == "" {
		t.Error("405 without Allow")
	}
	resp := ask(h, httptest.NewRequest("GET", "/v1/nothing", nil))
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != 404 || ct != "application/problem+json" {
		t.Errorf("API 404: %d %s", resp.StatusCode, ct)
	}
	w := httptest.NewRecorder()
	s.Error(w, httptest.NewRequest("GET", "/", nil), errors.New("disk on fire at /dev/sda"))
	if strings.Contains(w.Body.String(), "sda") || w.Code != 500 {
		t.Errorf("a plain error: %d %s", w.Code, w.Body)
	}
}

// The reference number on the error page is that of the log line.
func TestReferenceNumber(t *testing.T) {
	var log strings.Builder
	h, _ := app(t, &log)
	text := body(t, ask(h, post("/form", "amount=300001", &http.Cookie{Name: formCookie, Value: "x"})))
	var line struct {
		Req, Kind, Rule, Route string
		Status                 int
	}
	if err := json.Unmarshal([]byte(log.String()), &line); err != nil {
		t.Fatal(err)
	}
	if len(line.Req) != 13 || !strings.Contains(text, line.Req) || line.Kind != "refused" || line.Rule != "M1" || line.Status != 422 || line.Route != "POST /form" {
		t.Fatalf("%+v\n%s", line, text)
	}
}

// No query string, cookie, body, path or header value reaches the log.
func TestLogKeepsNoInput(t *testing.T) {
	var log strings.Builder
	h, _ := app(t, &log)
	r := post("/form?code=c0de-in-query", "amount=5&pin=p1n-in-body", &http.Cookie{Name: formCookie, Value: "cookie-value"})
	r.Header.Set("Authorization", "DPoP t0ken-in-header")
	r.Header.Set("User-Agent", "agent-value")
	ask(h, r)
	ask(h, httptest.NewRequest("GET", "/secret-in-path?x=c0de-in-query", nil))
	if strings.Count(log.String(), "\n") != 2 {
		t.Fatalf("not one line a request: %s", log.String())
	}
	for _, secret := range []string{"c0de-in-query", "p1n-in-body", "cookie-value", "t0ken-in-header", "agent-value", "secret-in-path"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q: %s", secret, log.String())
		}
	}
}

func TestLanguage(t *testing.T) {
	h, _ := app(t, &strings.Builder{})
	for accept, want := range map[string]string{"": "ja", "ja,en;q=0.5": "ja", "en-US,en;q=0.9": "en", "fr;q=1, de": "en", "zh-TW,ja;q=0.8": "ja", ";;;": "ja"} {
		r := httptest.NewRequest("GET", "/form", nil)
		r.Header.Set("Accept-Language", accept)
		if got := Lang(r); got != want {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
	}
	resp := ask(h, httptest.NewRequest("GET", "//evil.example/form?lang=en&x=1", nil))
	if resp.StatusCode == 303 && strings.HasPrefix(resp.Header.Get("Location"), "//") {
		t.Errorf("leads away: %s", resp.Header.Get("Location"))
	}
	resp = ask(h, httptest.NewRequest("GET", "/form?lang=en&x=1", nil))
	if resp.StatusCode != 303 || resp.Header.Get("Location") != "/form?x=1" || len(resp.Cookies()) != 1 || resp.Cookies()[0].Value != "en" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	r := httptest.NewRequest("GET", "/form?x=1", nil)
	r.AddCookie(resp.Cookies()[0])
	text := body(t, ask(h, r))
	if !strings.Contains(text, `<html lang="en"`) || !strings.Contains(text, `href="/form?lang=ja&amp;x=1"`) {
		t.Fatal(text)
	}
	if resp := ask(h, httptest.NewRequest("GET", "/form?lang=xx", nil)); resp.StatusCode != 200 {
		t.Errorf("an unknown language: %d", resp.StatusCode)
	}
}

func TestStaticFiles(t *testing.T) {
	h, s := app(t, &strings.Builder{})
	address, err := s.assets.url("site.css")
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", address, nil)
	r.Header.Set("Accept-Encoding", "gzip")
	resp := ask(h, r)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Encoding") != "gzip" || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") || resp.Header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	if plain := ask(h, httptest.NewRequest("GET", address, nil)); !strings.Contains(body(t, plain), ":focus-visible") {
		t.Error("the plain file is not the style sheet")
	}
	for _, bad := range []string{"/static/site.css", "/static/000000000000/site.css", strings.Replace(address, "site.css", "../site.go", 1), strings.Replace(address, "site.css", "none.css", 1)} {
		if resp := ask(h, httptest.NewRequest("GET", bad, nil)); resp.StatusCode != 404 {
			t.Errorf("%s: %d", bad, resp.StatusCode)
		}
	}
}

// The store holds the hash of a token: what stands in a copy of the database opens nothing.
func TestSessionTokensAreHashed(t *testing.T) {
	store := memstore.New()
	m := NewSessions(store, "bank", time.Hour, 2*time.Hour)
	h := m.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/in" {
			m.Put(r.Context(), "who", "hana")
			return
		}
		_, _ = io.WriteString(w, m.GetString(r.Context(), "who"))
	}))
	c := ask(h, httptest.NewRequest("GET", "/in", nil)).Cookies()[0]
	if c.Name != "__Host-bank" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 0 || !c.Expires.IsZero() {
		t.Errorf("cookie %+v", c)
	}
	all, err := store.All()
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	for stored := range all {
		if stored == c.Value {
			t.Error("the store holds the token itself")
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: c.Name, Value: stored})
		if got := body(t, ask(h, r)); got != "" {
			t.Errorf("the stored hash opened a session of %q", got)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(c)
	if got := body(t, ask(h, r)); got != "hana" {
		t.Errorf("the cookie opens %q", got)
	}
}

func TestLimiter(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	l := NewLimiter(time.Second, 3, 2, func() time.Time { return now })
	allowed := func(key string, n int) (ok int) {
		for range n {
			if l.Allow(key) {
				ok++
			}
		}
		return ok
	}
	if got := allowed("a", 10); got != 3 {
		t.Errorf("%d at once, want 3", got)
	}
	if got := allowed("b", 10); got != 3 {
		t.Errorf("another key: %d, want 3", got)
	}
	now = now.Add(time.Minute)
	if got := allowed("a", 10); got != 3 {
		t.Errorf("after a minute: %d, want the burst of 3", got)
	}
	for i := range 1000 {
		l.Allow(string(rune('A' + i)))
	}
	if l.used.Len() != 2 || len(l.byID) != 2 {
		t.Errorf("remembers %d keys, want 2", l.used.Len())
	}
}

func TestSource(t *testing.T) {
	for _, c := range []struct {
		remote, forwarded string
		proxy             bool
		want              string
	}{
		{"192.0.2.7:1234", "", false, "192.0.2.7"},
		{"192.0.2.7:1234", "10.0.0.1", false, "192.0.2.7"},
		{"127.0.0.1:1234", "10.9.9.9, 192.0.2.8", true, "192.0.2.8"},
		{"127.0.0.1:1234", "nonsense", true, "unknown"},
		{"[2001:db8:1:2:3:4:5:6]:99", "", false, "2001:db8:1:2::/64"},
		{"[::ffff:192.0.2.7]:99", "", false, "192.0.2.7"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}, URL: &url.URL{}}
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := Source(r, c.proxy); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
