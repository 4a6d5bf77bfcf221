package walletd

import (
	"bytes"
	"context"
	"encoding/json"
	"html"
	"io"
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

	"github.com/descope/virtualwebauthn"
	"golang.org/x/crypto/bcrypt"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/notify"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
)

// house is a wallet over HTTP, between a scripted hub and people whose mails and messages are kept.
type house struct {
	*testing.T
	server *Server
	origin string
	clock  *clock.Movable
	hub    *fakeHub
	log    *syncBuffer
	audit  *syncBuffer

	mu      sync.Mutex
	letters map[string]string // the last one by address
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// SendMail and SendSMS keep what a person was told.
func (h *house) SendMail(_ context.Context, m notify.Mail) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.letters[m.To] = m.Text
	return nil
}

func (h *house) SendSMS(_ context.Context, m notify.ShortMessage) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.letters[m.To] = m.Text
	return "1", nil
}

var code = regexp.MustCompile(`[0-9]{6}`)

// codeFor waits for the code that comes to an address, and takes it.
func (h *house) codeFor(to string) string {
	h.Helper()
	for range 200 {
		h.mu.Lock()
		c := code.FindString(h.letters[to])
		delete(h.letters, to)
		h.mu.Unlock()
		if c != "" {
			return c
		}
		time.Sleep(20 * time.Millisecond)
	}
	h.Fatalf("no code came to %s", to)
	return ""
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{T: t, clock: &clock.Movable{}, log: &syncBuffer{}, audit: &syncBuffer{}, letters: map[string]string{}}
	dir := t.TempDir()
	keys := keyfile.Open(filepath.Join(dir, "keys"))
	for name, use := range Keys() {
		if err := keys.Create(name, use, true, clock.System()); err != nil {
			t.Fatal(err)
		}
	}
	public, err := keys.Public("sign", "")
	if err != nil {
		t.Fatal(err)
	}
	h.hub = newFakeHub(t, public, h.clock.Now)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	h.origin = "http://wallet.localhost:" + port
	cfg := h.config(dir, ln.Addr().String())
	if err := Migrate(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	h.server, err = Open(t.Context(), cfg, Env{Now: h.clock.Now, Log: observe.NewLogger(h.log, "wallet", nil), Audit: h.audit})
	if err != nil {
		t.Fatal(err)
	}
	h.server.mailer, h.server.sms = h, h
	web := &httptest.Server{Listener: ln, Config: &http.Server{Handler: h.server.Handler()}}
	web.Start()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		web.Close()
		if err := h.server.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *house) config(dir, listen string) Config {
	hash, err := bcrypt.GenerateFromPassword([]byte("correct horse"), bcrypt.MinCost)
	if err != nil {
		h.Fatal(err)
	}
	cfg := Default()
	cfg.Dev = true
	cfg.Server.Listen = listen
	cfg.Service = ServiceConfig{ID: "maru", NameJA: "まるペイ", NameEN: "MaruPay", Origin: h.origin}
	cfg.Data = DataConfig{Dir: dir, Store: observe.Secret(pgtest.Store(h)), Keys: filepath.Join(dir, "keys")}
	cfg.Hub.Issuer = h.hub.url
	cfg.Mail = notify.MailConfig{Address: "127.0.0.1:1", TLS: "none", From: "a@wallet.example"}
	cfg.SMS = notify.GatewayConfig{URL: "http://127.0.0.1:1/", Secret: "s", ReportSecret: "t"}
	cfg.Staff = []StaffConfig{
		{Name: "tanaka", PasswordHash: string(hash), Roles: []string{RoleIdentity}},
		{Name: "suzuki", PasswordHash: string(hash), Roles: []string{RoleMoney}},
	}
	cfg.Shops = testShops
	for issuer, b := range h.hub.banks {
		text, err := json.Marshal(b.public())
		if err != nil {
			h.Fatal(err)
		}
		path := filepath.Join(dir, string(b.code)+".json")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			h.Fatal(err)
		}
		cfg.Banks = append(cfg.Banks, BankConfig{Issuer: string(issuer), Keys: path})
	}
	return cfg
}

// visitor is one browser.
type visitor struct {
	*house
	cookies map[string]string
}

func (h *house) visit() *visitor { return &visitor{h, map[string]string{}} }

// page is an answer; where it is a redirect, to says where to.
type page struct {
	status int
	to     string
	text   string
	header http.Header
}

func (v *visitor) do(method, path string, form url.Values, header ...string) page {
	v.Helper()
	target := path
	if strings.HasPrefix(path, "/") {
		target = v.origin + path
	}
	req, err := http.NewRequestWithContext(v.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		v.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	for name, value := range v.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := wire.LocalhostTransport().RoundTrip(req)
	if err != nil {
		v.Fatal(err)
	}
	defer res.Body.Close()
	for _, c := range res.Cookies() {
		if v.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		}
		if !c.Secure || !c.HttpOnly || !strings.HasPrefix(c.Name, "__Host-") {
			if c.Name != "lang" {
				v.Errorf("cookie %s is not bound to this host and away from scripts", c.Name)
			}
		}
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		v.Fatal(err)
	}
	return page{res.StatusCode, res.Header.Get("Location"), string(text), res.Header}
}

func (v *visitor) get(path string) page { v.Helper(); return v.do(http.MethodGet, path, nil) }

func (v *visitor) post(path string, fields ...string) page {
	v.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return v.do(http.MethodPost, path, form)
}

// goes posts and expects to be sent to a page.
func (v *visitor) goes(to, path string, fields ...string) {
	v.Helper()
	if got := v.post(path, fields...); got.status != http.StatusSeeOther || got.to != to {
		v.Fatalf("POST %s: %d to %q, want %q: %s", path, got.status, got.to, to, plain(got.text))
	}
}

var options = regexp.MustCompile(`data-options="([^"]*)"`)

// ceremony is the question to the passkey that a page holds.
func (v *visitor) ceremony(path string) string {
	v.Helper()
	p := v.get(path)
	found := options.FindStringSubmatch(p.text)
	if found == nil {
		v.Fatalf("%s asks no passkey: %d %s %s", path, p.status, p.to, plain(p.text))
	}
	return html.UnescapeString(found[1])
}

func (v *visitor) attest(key *wiretest.Passkey, opts string) string {
	v.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(opts)
	if err != nil {
		v.Fatal(err)
	}
	key.Authenticator.Options.UserHandle = []byte(o.UserID)
	return virtualwebauthn.CreateAttestationResponse(key.RP, key.Authenticator, key.Credential, *o)
}

func (v *visitor) assert(key *wiretest.Passkey, opts string) string {
	v.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(opts)
	if err != nil {
		v.Fatal(err)
	}
	return virtualwebauthn.CreateAssertionResponse(key.RP, key.Authenticator, key.Credential, *o)
}

func (h *house) passkey() *wiretest.Passkey {
	return wiretest.NewPasskey("wallet.localhost", h.origin, false)
}

// signUp goes the whole way as a person would.
func (v *visitor) signUp(email, phone string) (*wiretest.Passkey, id.Subject) {
	v.Helper()
	v.get("/signup")
	v.goes("/steps", "/signup", "email", email)
	v.goes("/steps", "/steps/code", "code", v.codeFor(email))
	v.goes("/steps", "/steps/phone", "phone", phone)
	v.goes("/steps", "/steps/code", "code", v.codeFor("+81"+strings.ReplaceAll(phone, "-", "")[1:]))
	key := v.passkey()
	v.goes("/", "/steps/device", "credential", v.attest(key, v.ceremony("/steps")))
	sub := regexp.MustCompile(`sub_[0-9a-z]{26}`).FindString(v.get("/account").text)
	if sub == "" {
		v.Fatal("the account page shows no member number")
	}
	return key, id.Subject(sub)
}

func (v *visitor) signIn(key *wiretest.Passkey) page {
	v.Helper()
	return v.post("/signin", "credential", v.assert(key, v.ceremony("/signin")))
}

var tags = regexp.MustCompile(`(?s)<(script|style|svg)[^>]*>.*?</(script|style|svg)>|<[^>]*>`)

func plain(text string) string {
	return strings.Join(strings.Fields(tags.ReplaceAllString(text, " ")), " ")
}
