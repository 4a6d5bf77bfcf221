package hubd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
)

// stand is a hub that listens, with one service, one bank and a scripted bank server.
type stand struct {
	*Server
	url   string
	bank  string // the bank's issuer
	audit strings.Builder
	keys  map[string]wire.Key
	// metadata is what the bank says of itself; asked counts what reached its other endpoints.
	metadata func() any
	asked    int
	stop     func() error // stops listening, once, and says how that went
}

func newStand(t *testing.T) *stand {
	t.Helper()
	x := &stand{keys: map[string]wire.Key{}}
	dir := t.TempDir()
	bank := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			_ = json.NewEncoder(w).Encode(x.metadata())
			return
		}
		x.asked++
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(bank.Close)
	x.bank = "http://0149.bank.localhost:" + port(t, bank.Listener.Addr())
	x.metadata = func() any { return wire.BankMetadata(x.bank) }

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x.url = "http://hub.localhost:" + port(t, ln.Addr())
	for name, use := range map[string]keyfile.Use{"client": keyfile.Sign, "dpop": keyfile.Sign, "rows": keyfile.Secret} {
		if err := keyfile.Open(filepath.Join(dir, "keys")).Create(name, use, true, clock.System()); err != nil {
			t.Fatal(err)
		}
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("open sesame"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Dev: true, Issuer: x.url, Server: observe.ServerConfig{Listen: ln.Addr().String()},
		Data:     DataConfig{Dir: dir, Store: observe.Secret(pgtest.Store(t)), Keys: filepath.Join(dir, "keys")},
		Services: []ServiceConfig{{ID: "maru", NameJA: "まるペイ", NameEN: "MaruPay", Keys: x.pin(t, dir, "maru")}},
		Banks:    []BankConfig{{Code: "0149", Issuer: x.bank, NameJA: "静岡銀行", NameEN: "Shizuoka Bank", Kana: "シズオカ", Keys: x.pin(t, dir, x.bank)}},
		Staff:    []StaffConfig{{Name: "hanako", PasswordHash: string(hash)}}}
	if err := Migrate(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if x.Server, err = Open(t.Context(), cfg, Env{Audit: &x.audit}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- observe.Serve(ctx, ln, observe.ServerConfig{Listen: ln.Addr().String(), Grace: 5 * time.Second}, x.Handler(), observe.Discard())
	}()
	x.stop = sync.OnceValue(func() error { stop(); return <-ended })
	t.Cleanup(func() {
		if err := x.stop(); err != nil {
			t.Error(err)
		}
	})
	return x
}

func port(t *testing.T, a net.Addr) string {
	t.Helper()
	_, p, err := net.SplitHostPort(a.String())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pin makes a client key and writes its public half as the hub pins it.
func (x *stand) pin(t *testing.T, dir, client string) string {
	t.Helper()
	key := wire.GenerateKey()
	x.keys[client] = key
	text, err := json.Marshal(wire.NewKeySet(key.Public()))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, fmt.Sprintf("register-%d.json", len(x.keys)))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// as is a client of the hub.
func (x *stand) as(client string) *wire.Client {
	return wire.NewClient(wire.ClientConfig{ID: client, Key: x.keys[client], Proof: wire.GenerateKey(), Issuer: x.url, Transport: wire.LocalhostTransport()})
}

func TestAServiceListsBanksAndABankMayNot(t *testing.T) {
	x := newStand(t)
	var out struct {
		Banks []bankOut `json:"banks"`
	}
	get := wire.Call{Method: http.MethodGet, URL: x.url + "/v1/banks", Out: &out}
	if err := x.as("maru").Do(t.Context(), get); err != nil || len(out.Banks) != 1 || string(out.Banks[0].Issuer) != x.bank || out.Banks[0].State != "open" {
		t.Errorf("%+v, %v", out, err)
	}
	if err := x.as(x.bank).Do(t.Context(), get); fault.Of(err) != fault.Forbidden {
		t.Errorf("a bank listed banks as a service: %v", err)
	}
	report := wire.Call{Method: http.MethodPost, URL: x.url + "/v1/reports", In: map[string]string{"service": "maru", "report": "x"}}
	if err := x.as("maru").Do(t.Context(), report); fault.Of(err) != fault.Forbidden {
		t.Errorf("a service reported as a bank: %v", err)
	}
	x.keys["stranger"] = wire.GenerateKey()
	if err := x.as("stranger").Do(t.Context(), get); err == nil {
		t.Error("a stranger got a token")
	}
	x.keys["maru"] = wire.GenerateKey() // the name with another key
	if err := x.as("maru").Do(t.Context(), get); err == nil {
		t.Error("a foreign key got a token")
	}
}

func linkRequest(x *stand, request string) wire.Call {
	return wire.Call{Method: http.MethodPost, URL: x.url + "/v1/link-requests", In: map[string]string{"request": request, "issuer": x.bank,
		"state": "a-state-of-some-length", "redirect_uri": "http://wallet.localhost/back", "authorization_details": "[]", "link_request": "a.b.c", "identity": "a.b.c.d.e"}}
}

// TestRefusal18_DiscoveryMismatch: metadata that name another issuer, or endpoints elsewhere, end the request
// before anything is pushed.
func TestRefusal18_DiscoveryMismatch(t *testing.T) {
	x := newStand(t)
	honest := wire.BankMetadata(x.bank)
	for name, lie := range map[string]func(m *wire.Metadata){
		"issuer":   func(m *wire.Metadata) { m.Issuer = "http://0150.bank.localhost" },
		"slash":    func(m *wire.Metadata) { m.Issuer += "/" },
		"endpoint": func(m *wire.Metadata) { m.PAREndpoint = "http://0150.bank.localhost/par" },
	} {
		x.metadata = func() any { m := honest; lie(&m); return m }
		if err := x.as("maru").Do(t.Context(), linkRequest(x, "req_"+name)); err == nil {
			t.Errorf("%s: the request went through", name)
		}
	}
	if x.asked != 0 {
		t.Errorf("%d calls reached the bank", x.asked)
	}
}

// TestAStopDoesNotWaitForWhoeverWaitsForNews: a service hangs in its long poll; the hub stops within its grace.
func TestAStopDoesNotWaitForWhoeverWaitsForNews(t *testing.T) {
	x := newStand(t)
	service := x.as("maru")
	if err := service.Do(t.Context(), wire.Call{Method: http.MethodGet, URL: x.url + "/v1/banks"}); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		answered <- service.Do(context.Background(), wire.Call{Method: http.MethodGet, URL: x.url + "/v1/events?after=0&wait=25", Timeout: time.Minute})
	}()
	for !x.hub.Awaited("maru") {
		time.Sleep(time.Millisecond)
	}
	if err := x.stop(); err != nil {
		t.Error(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("the one who waited got %v", err)
	}
}

// TestStaffSuspendAndResume: over the pages, with a session, a reason and a line in the audit log.
func TestStaffSuspendAndResume(t *testing.T) {
	x := newStand(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: insecure{jar}, Transport: wire.LocalhostTransport()}
	post := func(path string, form url.Values, site string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, x.url+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", site)
		resp, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Request.URL.Path + " " + string(body)
	}
	page, err := browser.Get(x.url + "/") // a page of the site gives the cookie that its forms need
	if err != nil {
		t.Fatal(err)
	}
	if err := page.Body.Close(); err != nil {
		t.Fatal(err)
	}
	suspend := url.Values{"service": {"*"}, "issuer": {x.bank}, "state": {"no_new_links"}, "why": {"a spray is going on"}}
	if _, page := post("/staff/suspend", suspend, "same-origin"); !strings.HasPrefix(page, "/staff/sign-in") {
		t.Errorf("a stranger got to %.40s", page)
	}
	for name, password := range map[string]string{"hanako": "wrong", "nobody": "open sesame"} {
		if status, _ := post("/staff/sign-in", url.Values{"name": {name}, "password": {password}}, "same-origin"); status != http.StatusUnprocessableEntity {
			t.Errorf("%s/%s: status %d", name, password, status)
		}
	}
	if status, page := post("/staff/sign-in", url.Values{"name": {"hanako"}, "password": {"open sesame"}}, "same-origin"); status != http.StatusOK || !strings.HasPrefix(page, "/staff ") {
		t.Fatalf("sign-in: %d %.80s", status, page)
	}
	if status, _ := post("/staff/suspend", suspend, "cross-site"); status != http.StatusForbidden {
		t.Errorf("a forged post: status %d", status)
	}
	if status, _ := post("/staff/suspend", url.Values{"service": {"*"}, "issuer": {x.bank}, "state": {"no_new_links"}, "why": {""}}, "same-origin"); status != http.StatusUnprocessableEntity {
		t.Errorf("without a reason: status %d", status)
	}
	if status, page := post("/staff/suspend", suspend, "same-origin"); status != http.StatusOK || !strings.Contains(page, "a spray is going on") {
		t.Fatalf("suspend: %d %.200s", status, page)
	}
	if err := x.as("maru").Do(t.Context(), linkRequest(x, "req_1")); fault.Of(err) != fault.Refused || fault.RuleOf(err) != "R10" || x.asked != 0 {
		t.Errorf("a suspended bank: %v, %d calls reached it", err, x.asked)
	}
	suspend.Set("state", "open")
	suspend.Set("why", "over")
	if status, _ := post("/staff/suspend", suspend, "same-origin"); status != http.StatusOK {
		t.Fatalf("resume: %d", status)
	}
	if err := x.as("maru").Do(t.Context(), linkRequest(x, "req_2")); fault.RuleOf(err) == "R10" || x.asked == 0 {
		t.Errorf("after resuming: %v, %d calls", err, x.asked)
	}
	if lines := strings.Count(x.audit.String(), "\n"); lines != 2 || !strings.Contains(x.audit.String(), "hanako") {
		t.Errorf("audit log: %s", x.audit.String())
	}
}

// insecure hands Secure cookies to *.localhost over http, as browsers do.
type insecure struct{ http.CookieJar }

func (j insecure) Cookies(u *url.URL) []*http.Cookie {
	s := *u
	s.Scheme = "https"
	return j.CookieJar.Cookies(&s)
}

func (j insecure) SetCookies(u *url.URL, c []*http.Cookie) {
	s := *u
	s.Scheme = "https"
	j.CookieJar.SetCookies(&s, c)
}

func TestAConfigurationThatIsUnsafeIsRefused(t *testing.T) {
	good := func() Config {
		return Config{Issuer: "https://hub.example.jp", Server: observe.ServerConfig{Listen: "127.0.0.1:0"}, Data: DataConfig{Dir: "d", Keys: "k"}}
	}
	ok := good()
	if err := ok.Check(); err != nil {
		t.Fatal(err)
	}
	bank := BankConfig{Code: "0149", Issuer: "https://b.example.jp", NameJA: "銀行", NameEN: "Bank", Kana: "ギンコウ", Keys: "k"}
	with := func(change func(*BankConfig)) []BankConfig { b := bank; change(&b); return []BankConfig{b} }
	service := ServiceConfig{ID: "maru", NameJA: "まる", NameEN: "Maru", Keys: "k"}
	for name, c := range map[string]struct {
		spoil func(*Config)
		want  string
	}{
		"plain http":        {func(c *Config) { c.Issuer = "http://hub.example.jp" }, `issuer: "http://hub.example.jp" must begin with https://`},
		"http outside dev":  {func(c *Config) { c.Issuer = "http://hub.localhost" }, "issuer: "},
		"dev to the world":  {func(c *Config) { c.Dev, c.Issuer = true, "http://hub.example.jp" }, "issuer: "},
		"dev outside":       {func(c *Config) { c.Dev, c.Server.BehindProxy = true, true }, "dev: true is for this machine only"},
		"a path":            {func(c *Config) { c.Issuer = "https://hub.example.jp/x" }, "issuer: "},
		"clock outside dev": {func(c *Config) { c.ClockFile = "clock" }, "clock_file: "},
		"no data":           {func(c *Config) { c.Data.Dir = "" }, "[data] dir: is needed"},
		"listens openly":    {func(c *Config) { c.Server.Listen = "0.0.0.0:80" }, "[server] listen"},
		"metrics openly":    {func(c *Config) { c.Ops.Listen = "0.0.0.0:81" }, "[ops] listen"},
		"a bank twice":      {func(c *Config) { c.Banks = []BankConfig{bank, bank} }, `[[bank]] 2, "0149": issuer: stands twice`},
		"a short code":      {func(c *Config) { c.Banks = with(func(b *BankConfig) { b.Code = "149" }) }, `[[bank]] 1, "149": code: want the four digits`},
		"an unknown code":   {func(c *Config) { c.Banks = with(func(b *BankConfig) { b.Code = "9999" }) }, `code: no bank has the code 9999`},
		"a merged bank":     {func(c *Config) { c.Banks = with(func(b *BankConfig) { b.Code = "0546" }) }, `code: 0546 is 0154 三十三 since 2021-05-01`},
		"no bank's keys":    {func(c *Config) { c.Banks = with(func(b *BankConfig) { b.Keys = "" }) }, `[[bank]] 1, "0149": keys: is needed`},
		"a service twice":   {func(c *Config) { c.Services = []ServiceConfig{service, service} }, `[[service]] 2, "maru": id: stands twice`},
		"an odd service id": {func(c *Config) { s := service; s.ID = "まる/x"; c.Services = []ServiceConfig{s} }, "want 1 to 32 of a-z"},
		"a plain password":  {func(c *Config) { c.Staff = []StaffConfig{{"hanako", "secret"}} }, `[[staff]] 1, "hanako": password_hash is not bcrypt`},
	} {
		cfg := good()
		c.spoil(&cfg)
		if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if err := (&Config{}).Check(); err == nil || !strings.HasPrefix(err.Error(), "4 problems") {
		t.Errorf("an empty configuration: %v", err)
	}
}

// Every operation says in words what it does and who may call it, and lets in nobody without a token.
func TestInterfaceIsDescribed(t *testing.T) {
	x := newStand(t)
	ask := func(method, path string, body io.Reader) (int, string, []byte) {
		req := httptest.NewRequest(method, x.url+path, body)
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		x.Handler().ServeHTTP(w, req)
		return w.Code, w.Header().Get("Content-Type"), w.Body.Bytes()
	}
	_, _, text := ask(http.MethodGet, "/openapi.json", nil)
	for _, wrong := range web.CheckDescription(text) {
		t.Error(wrong)
	}
	var doc struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths {
		for method := range item {
			status, kind, _ := ask(strings.ToUpper(method), strings.NewReplacer("{", "", "}", "").Replace(path), strings.NewReader("{}"))
			if status != http.StatusUnauthorized || kind != "application/problem+json" {
				t.Errorf("%s %s without a token: %d, %s", method, path, status, kind)
			}
		}
	}
}
