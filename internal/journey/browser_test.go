package journey

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// pages serves one page under every name of this machine.
func pages(t *testing.T, h http.HandlerFunc) (port string) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return ":" + u.Port()
}

func mustOpen(t *testing.T, b *browser, address string) *page {
	t.Helper()
	p, err := b.open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("error %v, want one that says %q", err, w)
		}
	}
}

func TestCookiesAreKeptAsABrowserKeepsThem(t *testing.T) {
	now := time.Now()
	for name, is := range map[string]struct {
		from   string
		cookie string
		kept   bool
	}{
		"secure on this machine":   {"http://wallet.localhost:8402", "__Host-a=1; Path=/; Secure", true},
		"secure over plain http":   {"http://wallet.example", "a=1; Path=/; Secure", false},
		"secure over https":        {"https://wallet.example", "a=1; Path=/; Secure", true},
		"host prefix not secure":   {"http://wallet.localhost", "__Host-a=1; Path=/", false},
		"for a whole domain":       {"http://wallet.localhost", "a=1; Path=/; Domain=localhost", false},
		"for one folder":           {"http://wallet.localhost", "a=1; Path=/staff", false},
		"over before it came":      {"http://wallet.localhost", "a=1; Path=/; Max-Age=0", false},
		"expires in the past":      {"http://wallet.localhost", "a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT", false},
		"expires in a minute":      {"http://wallet.localhost", "a=1; Path=/; Max-Age=60", true},
		"plain cookie on any host": {"http://wallet.example", "a=1; Path=/", true},
	} {
		t.Run(name, func(t *testing.T) {
			at, err := url.Parse(is.from)
			if err != nil {
				t.Fatal(err)
			}
			var j jar
			j.take(at, (&http.Response{Header: http.Header{"Set-Cookie": {is.cookie}}}).Cookies(), now)
			if got := len(j.hosts[at.Hostname()]) == 1; got != is.kept {
				t.Errorf("kept: %v", got)
			}
		})
	}
}

func TestCookiesOfAnotherSiteStayAtHome(t *testing.T) {
	var j jar
	at := &url.URL{Scheme: "http", Host: "wallet.localhost:1"}
	now := time.Now()
	for _, c := range []string{"strict=1; Path=/; SameSite=Strict", "lax=1; Path=/; SameSite=Lax", "plain=1; Path=/", "none=1; Path=/; SameSite=None", "short=1; Path=/; Max-Age=60"} {
		j.take(at, (&http.Response{Header: http.Header{"Set-Cookie": {c}}}).Cookies(), now)
	}
	for name, is := range map[string]struct {
		method  string
		crossed bool
		host    string
		after   time.Duration
		want    int
	}{
		"own site":          {http.MethodGet, false, "wallet.localhost:1", 0, 5},
		"own post":          {http.MethodPost, false, "wallet.localhost:1", 0, 5},
		"link from afar":    {http.MethodGet, true, "wallet.localhost:1", 0, 4},
		"post from afar":    {http.MethodPost, true, "wallet.localhost:1", 0, 1},
		"ports are ignored": {http.MethodGet, false, "wallet.localhost:2", 0, 5},
		"another host":      {http.MethodGet, false, "sora.localhost:1", 0, 0},
		"a minute later":    {http.MethodGet, false, "wallet.localhost:1", time.Minute, 4},
	} {
		r := httptest.NewRequest(is.method, "http://"+is.host+"/", nil)
		j.put(r, is.crossed, now.Add(is.after))
		if got := len(r.Cookies()); got != is.want {
			t.Errorf("%s: %d cookies, want %d", name, got, is.want)
		}
	}
}

func TestRelationOfPages(t *testing.T) {
	u := func(s string) *url.URL { v, _ := url.Parse(s); return v }
	from := &page{url: u("http://wallet.localhost:8402/a")}
	for want, way := range map[string][]*url.URL{
		"same-origin": {u("http://wallet.localhost:8402/b")},
		"same-site":   {u("http://wallet.localhost:8402/b"), u("http://wallet.localhost:9/c")},
		"cross-site":  {u("http://0149.bank.localhost:8404/"), u("http://wallet.localhost:8402/back")},
	} {
		if got := relation(from, way); got != want {
			t.Errorf("relation is %s, want %s", got, want)
		}
	}
	if got := relation(nil, []*url.URL{from.url}); got != "none" {
		t.Errorf("typed addresses come from %s", got)
	}
	if a, b := site(u("http://0149.bank.localhost")), site(u("http://0150.bank.localhost")); a != b || a == site(u("http://wallet.localhost")) {
		t.Errorf("sites of banks: %s, %s", a, b)
	}
}

const aForm = `<h1>A form</h1><form method="post" action="/send"><input type="hidden" name="h" value="1">
<input name="branch" required maxlength="3"><input type="checkbox" name="agree" value="yes" required>
<input type="radio" name="kind" value="ordinary" checked><input type="radio" name="kind" value="current">
<select name="day"><option value="">-</option><option value="mon">Monday</option></select><input name="off" disabled value="x">
<button type="button">no</button><button name="go" value="on">go</button></form>`

func TestFormsAreSentAsABrowserSendsThem(t *testing.T) {
	var got url.Values
	var head http.Header
	port := pages(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_ = r.ParseForm()
			got, head = r.PostForm, r.Header
		}
		_, _ = io.WriteString(w, aForm)
	})
	b := newBrowser(false)
	at := mustOpen(t, b, "http://wallet.localhost"+port+"/")
	fill := func() *form { return at.form("/send").fill("branch", "101").fill("agree", "yes") }
	if _, err := b.press(t.Context(), fill().fill("kind", "current").fill("day", "mon")); err != nil {
		t.Fatal(err)
	}
	if want := "agree=yes&branch=101&day=mon&go=on&h=1&kind=current"; got.Encode() != want {
		t.Errorf("sent %s, want %s", got.Encode(), want)
	}
	if head.Get("Sec-Fetch-Site") != "same-origin" || head.Get("Origin") != "http://wallet.localhost"+port {
		t.Errorf("came from %q, %q", head.Get("Sec-Fetch-Site"), head.Get("Origin"))
	}
	for why, f := range map[string]*form{
		"required branch":      at.form("/send").fill("agree", "yes"),
		"required agree":       at.form("/send").fill("branch", "101"),
		"at most 3 characters": fill().fill("branch", "1010"),
		"among the choices":    fill().fill("kind", "golden"),
		"a form with colour":   fill().fill("colour", "red"),
		"one form":             at.form("/other"),
	} {
		_, err := b.press(t.Context(), f)
		wantError(t, err, why, "A form")
	}
}

func TestFormsGoOnlyWhereThePageAllows(t *testing.T) {
	var port string
	port = pages(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			http.Redirect(w, r, "http://0149.bank.localhost"+port+"/link", http.StatusSeeOther)
		case r.URL.Path == "/open":
			w.Header().Set("Content-Security-Policy", "default-src 'none'; form-action 'self' http://0149.bank.localhost"+port)
			_, _ = io.WriteString(w, `<form method="post" action="/send"><button>go</button></form>`)
		default:
			w.Header().Set("Content-Security-Policy", "form-action 'self'")
			_, _ = io.WriteString(w, `<form method="post" action="/send"><button>go</button></form>`)
		}
	})
	b := newBrowser(false)
	_, err := b.press(t.Context(), mustOpen(t, b, "http://wallet.localhost"+port+"/shut").form("/send"))
	wantError(t, err, "form-action", "0149.bank.localhost")
	at, err := b.press(t.Context(), mustOpen(t, b, "http://wallet.localhost"+port+"/open").form("/send"))
	if err != nil || at.url.Host != "0149.bank.localhost"+port {
		t.Errorf("the form led to %v, %v", at, err)
	}
}

func TestPasskeysServeOneHost(t *testing.T) {
	const create = `{"rp":{"id":"%s","name":"x"},"user":{"id":"aGFuYQ","name":"x","displayName":"x"},"challenge":"AAAA","pubKeyCredParams":[{"type":"public-key","alg":-7}]}`
	port := pages(t, func(w http.ResponseWriter, r *http.Request) {
		box := func(do, options, key string) string {
			return fmt.Sprintf(`<form method="post" action="/%s"><div data-ceremony="%s" data-options='%s' data-browser-key="%s" data-challenge="AAAA">
<input type="hidden" name="credential"><input type="hidden" name="browser_key"><input type="hidden" name="browser_signature"></div><button>go</button></form>`, do, do, options, key)
		}
		_ = r.ParseForm()
		_, _ = fmt.Fprintf(w, "<code>%s</code><code>%s</code><code>%s</code>%s%s", r.PostForm.Get("credential"), r.PostForm.Get("browser_key"), r.PostForm.Get("browser_signature"),
			box("create", fmt.Sprintf(create, r.URL.Query().Get("rp")), "make"), box("get", `{"challenge":"AAAA"}`, "sign"))
	})
	b := newBrowser(true)
	at := mustOpen(t, b, "http://wallet.localhost"+port+"/?rp=bank.localhost")
	_, err := b.press(t.Context(), at.form("/create"))
	wantError(t, err, "asked for passkeys of")
	at = mustOpen(t, b, "http://wallet.localhost"+port+"/?rp=wallet.localhost")
	_, err = b.press(t.Context(), at.form("/get"))
	wantError(t, err, "no passkey for wallet.localhost")
	made, err := b.press(t.Context(), at.form("/create"))
	if err != nil || made.code(`{"type":"public-key"`) == "" {
		t.Fatalf("no credential was sent: %v", err)
	}
	if made, err = b.press(t.Context(), at.form("/get")); err != nil || made.code(`{"type":"public-key"`) == "" {
		t.Fatalf("nothing was signed: %v", err)
	}
	if signature := made.root.all(func(n node) bool { return n.Data == "code" })[2].words(); len(signature) != 86 { // 64 bytes
		t.Errorf("the browser's own key signed %q", signature)
	}
	other := mustOpen(t, b, "http://0149.bank.localhost"+port+"/?rp=0149.bank.localhost")
	_, err = b.press(t.Context(), other.form("/get"))
	wantError(t, err, "no passkey for 0149.bank.localhost")
}

func TestPagesThatKeepThemselvesFresh(t *testing.T) {
	asked := 0
	port := pages(t, func(w http.ResponseWriter, r *http.Request) {
		switch asked++; {
		case r.URL.Path == "/end":
			_, _ = io.WriteString(w, `<h1>The end</h1>`)
		case asked < 4:
			_, _ = io.WriteString(w, `<div id="state" data-poll="/news" data-every="0.01">soon</div>`)
		default:
			_, _ = io.WriteString(w, `<div id="state" data-go="/end">done</div>`)
		}
	})
	b := newBrowser(false)
	at, err := b.settled(t.Context(), mustOpen(t, b, "http://wallet.localhost"+port+"/"))
	if err != nil || at.heading() != "The end" || asked != 5 {
		t.Errorf("settled at %v after %d requests: %v", at, asked, err)
	}
}

func TestComplaintsNameRuleAndReference(t *testing.T) {
	port := pages(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusGone)
		_, _ = io.WriteString(w, `<title>x</title><section class="card error-page"><h1>Too late</h1><p>Begin again.</p>
<dl><dt>Rule</dt><dd>L12</dd><dt>Reference number</dt><dd><code>ABC123</code></dd></dl></section><p class="notice bad" hidden>unseen</p>`)
	})
	at := mustOpen(t, newBrowser(false), "http://wallet.localhost"+port+"/link/return")
	err := at.at("/links", "a link")
	wantError(t, err, "expected a link", "wallet.localhost"+port+"/link/return answered 410", "Too late", "Rule L12", "ABC123")
	if strings.Contains(err.Error(), "unseen") {
		t.Errorf("%v tells what nobody sees", err)
	}
	if names(at, "L12") != nil || names(at, "M10") == nil {
		t.Error("a refusal names the rule that stands on the page, and no other")
	}
}

func TestAmountsOnPages(t *testing.T) {
	for text, want := range map[string]int64{"¥3,000": 3000, "3,000円": 3000, "": 0, "¥2,400 from 25 November": 2400, "none": 0} {
		if got := yen(text); int64(got) != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
	at := &page{url: &url.URL{}}
	for narration, good := range map[string]bool{"ﾏﾙﾍﾟｲ": true, "ﾃﾞｲ-ﾊﾞﾗｲ": true, "マルペイ": false, "": false, "まるペイ": false} {
		root, err := newPage(&url.URL{}, &http.Response{}, []byte("<p></p>"))
		if err != nil {
			t.Fatal(err)
		}
		at.root = root.root
		if err := printed([]line{{narration, 500, 0}}, 500, at); (err == nil) != good {
			t.Errorf("%q: %v", narration, err)
		}
	}
}
