package bankd

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/notify"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/server"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
)

const (
	testHub   = "http://hub.localhost:8401"
	hanakoPIN = "5963"
)

// testWallet is the service's site, where browsers come back to: one page that says so.
var (
	testWallet   = "http://wallet.localhost:" + siteOf("<h1 id=back>back</h1>")
	testCallback = testWallet + "/link/callback"
)

// siteOf serves one page for as long as the tests run, and returns its port.
func siteOf(html string) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, html)
	}))
	return srv.URL[strings.LastIndex(srv.URL, ":")+1:]
}

// world is two banks over HTTP, a service and a hub whose keys the test holds, and everybody's inbox.
type world struct {
	t      testing.TB
	server *Server
	addr   string
	banks  map[string]*tenant // by code
	hubKey wire.Key
	atmKey wire.Key
	maru   wire.Key
	device *wiretest.Passkey

	mu      sync.Mutex
	now     time.Time
	sms     []notify.ShortMessage
	refs    map[string]bool // of all short messages ever
	mails   []notify.Mail
	reports []string
	waited  []time.Duration
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newWorld opens the banks 0149 and 0150 at noon of 2026-11-23 in Tokyo.
func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldWith(t, observe.Discard())
}

// newWorldWith is newWorld with a log.
func newWorldWith(t testing.TB, log *slog.Logger) *world {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	_, port, err := net.SplitHostPort(ln.Addr().String())
	must(t, err)
	w := &world{
		t: t, addr: ln.Addr().String(), now: time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC), banks: map[string]*tenant{}, refs: map[string]bool{},
		hubKey: wire.GenerateKey(), atmKey: wire.GenerateKey(), maru: wire.GenerateKey(),
		device: wiretest.NewPasskey("wallet.localhost", testWallet, false),
	}
	cfg := w.config(t.TempDir(), port)
	must(t, os.MkdirAll(cfg.Data.Dir, 0o700))
	must(t, Migrate(t.Context(), cfg))
	w.server, err = Open(t.Context(), cfg, Env{
		Env:  server.Env{Now: w.clock, Rand: rand.Reader, Log: log, Transport: w},
		Wait: func(_ context.Context, left time.Duration) { w.locked(func() { w.waited = append(w.waited, left) }) },
	})
	must(t, err)
	for _, b := range w.server.order {
		w.banks[string(b.bank.Profile.Code)] = b
		b.carrier = carrier{mail: w, sms: w}
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = w.server.Run(ctx) }()
	srv := &httptest.Server{Listener: ln, Config: &http.Server{Handler: w.server.Handler()}}
	srv.Start()
	t.Cleanup(func() {
		srv.Close()
		stop()
		<-ended
		must(t, w.server.Close())
	})
	return w
}

func (w *world) config(dir, port string) Config {
	pin := func(name string, key wire.Key) string {
		path := filepath.Join(dir, name+".json")
		b, err := json.Marshal(wire.NewKeySet(key.Public()))
		must(w.t, err)
		must(w.t, os.WriteFile(path, b, 0o600))
		return path
	}
	cfg := Config{
		Dev: true, Server: observe.ServerConfig{Listen: "127.0.0.1:" + port},
		Data: DataConfig{Dir: filepath.Join(dir, "data"), Store: observe.Secret(pgtest.Store(w.t)), Keys: filepath.Join(dir, "keys")},
		Hub:  HubConfig{Issuer: testHub, Keys: pin("hub", w.hubKey)},
		Mail: notify.MailConfig{Address: "127.0.0.1:2525", TLS: "none", From: "notice@bank.localhost"},
		SMS:  notify.GatewayConfig{URL: "http://127.0.0.1:2526/", Secret: "s", ReportSecret: "r"},
		Services: []ServiceConfig{{ID: "maru", NameJA: "まるペイ", NameEN: "MaruPay", Narration: "ﾏﾙﾍﾟｲ", Origin: testWallet,
			RedirectURIs: []string{testCallback}, Keys: pin("maru", w.maru)}},
		ATMs: []ATMConfig{{ID: "atm-net", Keys: pin("atm", w.atmKey)}},
	}
	for _, code := range []string{"0149", "0150"} {
		cfg.Banks = append(cfg.Banks, BankConfig{Code: code, NameJA: map[string]string{"0149": "静岡銀行", "0150": "スルガ銀行"}[code],
			NameEN: "Bank " + code, Issuer: "http://" + code + ".bank.localhost:" + port, HelpLine: "0120-000-" + code, Channels: testChannels})
		for name, use := range KeyNames() {
			must(w.t, keyfile.Open(cfg.keys(code)).Create(name, use, true, clock.System()))
		}
	}
	return cfg
}

func (w *world) locked(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) clock() (now time.Time) {
	w.locked(func() { now = w.now })
	return now
}

func (w *world) forward(d time.Duration) { w.locked(func() { w.now = w.now.Add(d) }) }

// SendSMS and SendMail are the inbox of everybody. Like a carrier, SendSMS drops a repeated Ref.
func (w *world) SendSMS(_ context.Context, m notify.ShortMessage) (string, error) {
	w.locked(func() {
		if !w.refs[m.Ref] {
			w.sms = append(w.sms, m)
		}
		w.refs[m.Ref] = true
	})
	return m.Ref, nil
}

func (w *world) SendMail(_ context.Context, m notify.Mail) error {
	w.locked(func() { w.mails = append(w.mails, m) })
	return nil
}

// RoundTrip is the banks' way out: to a hub that takes reports.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	switch r.URL.Path {
	case "/.well-known/oauth-authorization-server":
		wire.ServeMetadata(wire.HubMetadata(testHub)).ServeHTTP(rec, r)
	case "/token":
		rec.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(rec, `{"access_token":"t","token_type":"DPoP","expires_in":600,"scope":"bank"}`)
	default:
		var body struct{ Report string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			return nil, err
		}
		w.locked(func() { w.reports = append(w.reports, body.Report) })
		rec.WriteHeader(http.StatusNoContent)
	}
	return rec.Result(), nil
}

// hanako opens 佐藤花子's account; change may alter it.
func (w *world) hanako(code string, change func(*bank.NewAccount)) bank.Account {
	w.t.Helper()
	n := bank.NewAccount{
		Place:      bank.Place{Branch: "101", Kind: bank.Ordinary, Number: "1234567"},
		HolderKana: "サトウ ハナコ", HolderName: "佐藤 花子", BirthDate: "1985-04-01", CardID: "card-hanako", PIN: hanakoPIN,
		Phone: "+819011112222", Email: "hanako@example.jp", Opening: 1_000_000, Since: w.clock().AddDate(-3, 0, 0),
	}
	if change != nil {
		change(&n)
	}
	acc, err := w.banks[code].bank.OpenAccount(w.t.Context(), n)
	must(w.t, err)
	return acc
}

// ask is what a service asks of a bank, with the hub's and the browser's secrets.
type ask struct {
	w        *world
	bank     *tenant
	subject  id.Subject
	request  id.Request
	rs       string
	state    string
	verifier string
	dpop     wire.Key
	details  string
	signed   string
	sealed   string
	device   *wiretest.Passkey
	who      wire.Identity
}

// ask makes a request of まるペイ for 佐藤花子 at a bank; change may alter what is known of her.
func (w *world) ask(code string, change func(*wire.Identity, *wire.AccountLink)) *ask {
	w.t.Helper()
	a := &ask{
		w: w, bank: w.banks[code], subject: id.Subject(id.Random("sub")), request: id.Request(id.Random("req")),
		rs: wire.NewSecret(), state: wire.NewSecret(), verifier: wire.NewSecret(), dpop: wire.GenerateKey(), device: w.device,
	}
	link := wire.AccountLink{
		Type: wire.TypeAccountLink, Service: "maru", Subject: a.subject, Level: 2,
		Limits: wire.Limits{PerDebit: 50_000, Per24h: 100_000, Per30Days: 300_000}, ValidUntil: clock.Day(w.clock().AddDate(1, 0, -1)), Device: a.device.Device(),
	}
	a.who = wire.Identity{Header: a.header(), Request: a.request, Subject: a.subject, Level: 2,
		NameKana: "サトウ ハナコ", BirthDate: "1985-04-01", Phone: "+819011112222"}
	if change != nil {
		change(&a.who, &link)
	}
	a.subject = link.Subject
	var err error
	a.details, err = wire.Details(link)
	must(w.t, err)
	a.sign()
	return a
}

// sign makes the service's two messages anew.
func (a *ask) sign() {
	a.w.t.Helper()
	var err error
	a.who.Header, a.who.Subject, a.who.DetailsHash = a.header(), a.subject, wire.Hash(a.details)
	a.signed = a.w.sign(&wire.LinkRequest{Header: a.header(), Request: a.request, DetailsHash: wire.Hash(a.details),
		Browser: wire.Hash(a.rs), RedirectURI: testCallback})
	seal, _ := a.bank.public.Seal()
	a.sealed, err = wire.SealIdentity(a.w.maru, seal, &a.who)
	must(a.w.t, err)
}

func (a *ask) header() wire.Header {
	now := a.w.clock()
	return wire.Header{Issuer: "maru", Audience: string(a.bank.bank.Profile.Issuer), IssuedAt: now.Unix(), Expires: now.Add(10 * time.Minute).Unix()}
}

// sign signs as まるペイ.
func (w *world) sign(m wire.Message) string {
	w.t.Helper()
	text, err := wire.Sign(w.maru, m)
	must(w.t, err)
	return text
}

// hub is the hub's client at a bank.
func (w *world) hub(code string) *wire.Client {
	return wire.NewClient(wire.ClientConfig{ID: testHub, Key: w.hubKey, Proof: wire.GenerateKey(), Issuer: w.issuer(code),
		Transport: wire.LocalhostTransport(), Now: w.clock})
}

func (w *world) issuer(code string) string { return string(w.banks[code].bank.Profile.Issuer) }

// push sends the request by PAR.
func (a *ask) push() wire.Pushed {
	a.w.t.Helper()
	p, err := a.w.hub(string(a.bank.bank.Profile.Code)).PushAuthorization(a.w.t.Context(), wire.Push{RedirectURI: testCallback, State: a.state,
		Verifier: a.verifier, Proof: a.dpop, Details: a.details, LinkRequest: a.signed, Identity: a.sealed})
	must(a.w.t, err)
	return p
}

// exchange redeems a code as the hub.
func (a *ask) exchange(code string) (wire.LinkGrant, error) {
	return a.w.hub(string(a.bank.bank.Profile.Code)).ExchangeCode(a.w.t.Context(), code, a.verifier, testCallback, a.dpop)
}

// activation is the service's word that the browser with this rs came back.
func (a *ask) activation(rs string) string {
	a.w.t.Helper()
	seal, _ := a.bank.public.Seal()
	sealed, err := wire.Seal(seal, []byte(rs), wire.CtyBrowser)
	must(a.w.t, err)
	return a.w.sign(&wire.Activation{Header: a.header(), Request: a.request, Browser: sealed})
}

// activate hands it over with the link's token.
func (a *ask) activate(g wire.LinkGrant, rs string) (*wire.LinkReport, error) {
	var out struct {
		Report string `json:"report"`
	}
	code := string(a.bank.bank.Profile.Code)
	err := a.w.hub(code).Do(a.w.t.Context(), wire.Call{Method: http.MethodPost, URL: a.w.issuer(code) + "/v1/activations", Link: &g.LinkToken,
		In: map[string]string{"activation": a.activation(rs)}, Out: &out})
	if err != nil {
		return nil, err
	}
	return a.w.report(a.bank, out.Report), nil
}

func (w *world) report(b *tenant, text string) *wire.LinkReport {
	w.t.Helper()
	r, err := wire.Verify[wire.LinkReport](text, b.public, wire.Expect{Issuer: string(b.bank.Profile.Issuer), Audience: "maru", Now: w.clock(), AnyAge: true})
	must(w.t, err)
	return r
}

// browser is a person's browser: it keeps cookies for each host and follows no redirect by itself.
type browser struct {
	w       *world
	cookies map[string]map[string]string
	header  http.Header
}

func (w *world) browser() *browser {
	return &browser{w: w, cookies: map[string]map[string]string{}, header: http.Header{"Accept-Language": {"ja"}}}
}

// page is an answer as a browser has it.
type page struct {
	status   int
	url      string
	location string
	body     string
	header   http.Header
}

var client = &http.Client{Transport: wire.LocalhostTransport(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (b *browser) send(method, target string, form url.Values) page {
	b.w.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(b.w.t.Context(), method, target, body)
	must(b.w.t, err)
	for k, v := range b.header {
		req.Header[k] = v
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for name, value := range b.cookies[req.URL.Host] {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := client.Do(req)
	must(b.w.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(b.w.t, err)
	for _, c := range resp.Cookies() {
		if b.cookies[req.URL.Host] == nil {
			b.cookies[req.URL.Host] = map[string]string{}
		}
		b.cookies[req.URL.Host][c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(b.cookies[req.URL.Host], c.Name)
		}
	}
	p := page{status: resp.StatusCode, url: target, body: string(text), header: resp.Header}
	if loc := resp.Header.Get("Location"); loc != "" {
		u, err := req.URL.Parse(loc)
		must(b.w.t, err)
		p.location = u.String()
	}
	return p
}

// get follows redirects on the bank's own host.
func (b *browser) get(target string) page {
	b.w.t.Helper()
	p := b.send(http.MethodGet, target, nil)
	return b.follow(p)
}

func (b *browser) follow(p page) page {
	b.w.t.Helper()
	for range 5 {
		if p.location == "" || !strings.Contains(p.location, ".bank.localhost:") {
			return p
		}
		p = b.send(http.MethodGet, p.location, nil)
	}
	b.w.t.Fatal("redirects without end")
	return p
}

// post sends a form to a path below the address of the request and follows.
func (b *browser) post(base, path string, form url.Values) page {
	b.w.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	return b.follow(b.send(http.MethodPost, base+path, form))
}

// base is the address of the request at the bank.
func (a *ask) base() string { return string(a.bank.bank.Profile.Issuer) + "/link/" + string(a.request) }

// enter opens the request in a browser and enters the account.
func (a *ask) enter(b *browser, url_ string) page {
	a.w.t.Helper()
	a.w.locked(func() { a.w.mails = nil })
	if p := b.get(url_); p.status != http.StatusOK || !strings.Contains(p.body, "連携する口座") {
		a.w.t.Fatalf("authorize: %d %s", p.status, p.body)
	}
	return b.post(a.base(), "/account", url.Values{"branch": {"101"}, "kind": {"ordinary"}, "number": {"1234567"}})
}

var sixDigits = regexp.MustCompile(`確認コード ([0-9]{6})`)

// code waits for the newest one-time code.
func (w *world) code(to string) string {
	w.t.Helper()
	for range 200 {
		var found string
		w.locked(func() {
			for i := len(w.sms) - 1; i >= 0 && found == ""; i-- {
				if m := sixDigits.FindStringSubmatch(w.sms[i].Text); m != nil && w.sms[i].To == to {
					found = m[1]
				}
			}
		})
		if found != "" {
			return found
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatal("no code came")
	return ""
}

var eightDigits = regexp.MustCompile(`([0-9]{4}-[0-9]{4})`)

// typed waits for the number in the e-mail about a request.
func (w *world) typed() string {
	w.t.Helper()
	for range 200 {
		var found string
		w.locked(func() {
			for i := len(w.mails) - 1; i >= 0 && found == ""; i-- {
				if m := eightDigits.FindStringSubmatch(w.mails[i].Text); m != nil {
					found = m[1]
				}
			}
		})
		if found != "" {
			return found
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatal("no mail with a number came")
	return ""
}

// proveByCode goes from the entered account to the PIN page.
func (a *ask) proveByCode(b *browser) page {
	a.w.t.Helper()
	a.w.locked(func() { a.w.sms = nil })
	b.post(a.base(), "/code", nil)
	return b.post(a.base(), "/code/check", url.Values{"code": {a.w.code("+819011112222")}})
}

// consent agrees, with the e-mail's number where typed says so, and returns the code at the service's page.
func (a *ask) consent(b *browser, typed bool) string {
	a.w.t.Helper()
	form := url.Values{"agree": {"yes"}}
	if typed {
		form.Set("reference", a.w.typed())
	}
	p := b.post(a.base(), "/consent", form)
	u, err := url.Parse(p.location)
	must(a.w.t, err)
	if !strings.HasPrefix(p.location, testCallback) || u.Query().Get("code") == "" {
		a.w.t.Fatalf("consent: %d %s %s", p.status, p.location, p.body)
	}
	if q := u.Query(); q.Get("iss") != string(a.bank.bank.Profile.Issuer) || q.Get("state") != a.state {
		a.w.t.Fatalf("iss or state is wrong: %v", q)
	}
	return u.Query().Get("code")
}

// through takes a request to its authorization code by a typed code and PIN.
func (a *ask) through(b *browser) string {
	a.w.t.Helper()
	a.enter(b, a.push().AuthorizationURL)
	a.proveByCode(b)
	b.post(a.base(), "/pin", url.Values{"pin": {hanakoPIN}})
	return a.consent(b, true)
}

// linked makes a live link.
func (a *ask) linked() (wire.LinkGrant, *wire.LinkReport) {
	a.w.t.Helper()
	g, err := a.exchange(a.through(a.w.browser()))
	must(a.w.t, err)
	r, err := a.activate(g, a.rs)
	must(a.w.t, err)
	return g, r
}

// wants fails unless an error is of a kind.
func wants(t testing.TB, err error, kind fault.Kind) {
	t.Helper()
	if err == nil || fault.Of(err) != kind {
		t.Fatalf("error %v, want kind %v", err, kind)
	}
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func systemNow() time.Time { return clock.System() }
