package walletd

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/identity"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
)

const staffPassword = "correct horse"

// proved signs somebody up and has her identity examined.
func (v *visitor) proved() {
	v.Helper()
	_, sub := v.signUp("hanako@example.jp", "090-1111-2222")
	_, err := v.server.prove(v.Context(), "tanaka", sub, identity.Evidence{NameKana: "サトウ ハナコ", BirthDate: "1985-04-01",
		Document: identity.Document{Kind: identity.DriverLicence, Number: "309012345620"}})
	if err != nil {
		v.Fatal(err)
	}
}

// asks goes to the bank, and says with which request and state.
func (v *visitor) asks() (id.Request, string) {
	v.Helper()
	p := v.get("/links/new/0149")
	if !strings.Contains(p.header.Get("Content-Security-Policy"), "form-action 'self' "+string(bankOne)) {
		v.Errorf("the form cannot lead to the bank: %s", p.header.Get("Content-Security-Policy"))
	}
	got := v.post("/links/new/0149")
	if got.status != http.StatusSeeOther || !strings.HasPrefix(got.to, string(bankOne)+"/authorize?") {
		v.Fatalf("%d to %q: %s", got.status, got.to, plain(got.text))
	}
	v.hub.mu.Lock()
	defer v.hub.mu.Unlock()
	for r, state := range v.hub.states {
		if a, err := v.server.store.Ask(v.Context(), r); err == nil && a.Stage == "pushed" {
			return r, state
		}
	}
	v.Fatal("no request reached the hub")
	return "", ""
}

func back(state, code, iss string) string {
	return "/link/return?" + url.Values{"state": {state}, "code": {code}, "iss": {iss}}.Encode()
}

// soon waits until a page says something.
func (v *visitor) soon(path, want string) page {
	v.Helper()
	var p page
	for range 200 {
		if p = v.get(path); strings.Contains(p.text, want) {
			return p
		}
		time.Sleep(25 * time.Millisecond)
	}
	v.Fatalf("%s never says %q: %s", path, want, plain(p.text))
	return p
}

func TestFromSignUpToLink(t *testing.T) {
	h := newHouse(t)
	v := h.visit()
	if p := h.visit().get("/links"); p.to != "/signin" {
		t.Errorf("a stranger sees links: %d %s", p.status, p.to)
	}
	v.proved()
	if p := v.get("/"); p.status != http.StatusOK || !strings.Contains(p.text, "/links/new") {
		t.Errorf("home: %d %s", p.status, plain(p.text))
	}
	for typed, want := range map[string][]string{"しず": {"0149"}, "静岡": {"0149"}, "shizu": {"0149"}, "0150": {"0150"}, "mizuho": {}} {
		var got []struct{ Value string }
		p := v.get("/links/banks?q=" + url.QueryEscape(typed))
		if err := json.Unmarshal([]byte(p.text), &got); err != nil {
			t.Fatal(err, p.text)
		}
		codes := []string{}
		for _, b := range got {
			codes = append(codes, b.Value)
		}
		if !slices.Equal(codes, want) {
			t.Errorf("%q finds %v, want %v: a bank without pinned keys is not offered", typed, codes, want)
		}
	}
	if p := v.get("/links/new/0150"); !strings.Contains(p.text, "R10") {
		t.Errorf("a stopped bank takes links: %s", plain(p.text))
	}
	if p := v.post("/links/new/0150"); p.status != http.StatusUnprocessableEntity || !strings.Contains(p.text, "R10") {
		t.Errorf("a stopped bank was asked: %d", p.status)
	}
	h.hub.lost = 2
	r, state := v.asks()
	asked, err := h.server.store.Ask(t.Context(), r)
	if err != nil || asked.RS == "" {
		t.Fatal(asked, err)
	}
	if p := v.get(back(state, "code", string(bankOne))); p.status != http.StatusSeeOther || p.to != "/links/requests/"+string(r) {
		t.Fatalf("the return: %d %s %s", p.status, p.to, plain(p.text))
	}
	p := v.soon("/links/requests/"+string(r), "/links/lnk_")
	if strings.Contains(p.text, "data-poll") {
		t.Error("the page goes on asking after the end")
	}
	if p := v.get("/links/lnk_00000000000000000000000001"); !strings.Contains(p.text, "待機期間") {
		t.Errorf("the link's page: %s", plain(p.text))
	}
	h.clock.Forward(13 * time.Hour)
	if p := v.get("/links/lnk_00000000000000000000000001"); !strings.Contains(p.text, "少額のみ") {
		t.Errorf("after 13 h: %s", plain(p.text))
	}
	if p := v.get("/links/new/0149"); !strings.Contains(p.text, "L7") {
		t.Errorf("a second link at the bank: %s", plain(p.text))
	}

	// The depositor stops it at the bank; the service hears by an event.
	h.hub.mu.Lock()
	stopped := h.hub.report(t, r, "lnk_00000000000000000000000001", wire.LinkSuspended)
	h.hub.mu.Unlock()
	h.hub.tell(stopped)
	v.soon("/links/lnk_00000000000000000000000001", "停止中")

	v.goes("/links/lnk_00000000000000000000000001", "/links/lnk_00000000000000000000000001")
	v.soon("/links/lnk_00000000000000000000000001", "終了しました")

	// Who she is, and what opens anything, stands in no log and in no file in clear.
	said := map[string]string{"the log": h.log.String(), "the audit log": h.audit.String()}
	for _, place := range Places(h.server.cfg) {
		text := pgtest.Contents(t, place)
		if len(text) == 0 {
			t.Fatalf("nothing lies in %s", sqldb.Name(place))
		}
		said[sqldb.Name(place)] = string(text)
	}
	secrets := []string{state, "hanako@example.jp", "サトウ", "819011112222", "30901234562", "1985-04-01", asked.RS}
	for name, value := range v.cookies {
		if strings.HasPrefix(name, "__Host-wallet") {
			secrets = append(secrets, value)
		}
	}
	for where, text := range said {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s says %q", where, secret)
			}
		}
	}
}

func TestRefusal19_OverHTTP(t *testing.T) {
	h := newHouse(t)
	v := h.visit()
	v.proved()
	r, state := v.asks()
	for _, path := range []string{"/link/return", back("st_00000000000000000000000000", "code", string(bankOne)),
		back(state, "code", string(bankOne)) + "&code=other", back(state, "code", string(bankOne)) + "&redirect=https://evil.example"} {
		if p := v.get(path); p.status < 400 {
			t.Errorf("%s: %d %s", path, p.status, p.to)
		}
	}
	if a, err := h.server.store.Ask(t.Context(), r); err != nil || a.Stage != "pushed" {
		t.Fatalf("a malformed return changed the request: %s %v", a.Stage, err)
	}
	if p := h.visit().get(back(state, "code", string(bankOne))); p.status != http.StatusUnprocessableEntity || !strings.Contains(p.text, "L12") {
		t.Errorf("another browser finished it: %d %s", p.status, plain(p.text))
	}
	if p := v.get(back(state, "code", string(bankOne))); p.status != http.StatusGone {
		t.Errorf("after that the right one did: %d", p.status)
	}
	v.soon("/links/requests/"+string(r), "違う端末")
	for range 100 {
		h.hub.mu.Lock()
		n := len(h.hub.aborts)
		h.hub.mu.Unlock()
		if n > 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	h.hub.mu.Lock()
	defer h.hub.mu.Unlock()
	if !slices.Equal(h.hub.aborts, []string{"other_browser"}) || len(h.hub.redeemed) != 0 {
		t.Errorf("aborts %v, %d redemptions", h.hub.aborts, len(h.hub.redeemed))
	}
}

func TestRefusal18_OverHTTP(t *testing.T) {
	h := newHouse(t)
	v := h.visit()
	v.proved()
	_, state := v.asks()
	if p := v.get("/link/return?" + url.Values{"state": {state}, "code": {"code"}}.Encode()); p.status != http.StatusUnprocessableEntity || !strings.Contains(p.text, "L12") {
		t.Errorf("a return without iss: %d", p.status)
	}
}

func TestSessionsEndWithTheirDevice(t *testing.T) {
	h := newHouse(t)
	v := h.visit()
	old, _ := v.signUp("hanako@example.jp", "090-1111-2222")
	other := h.visit()
	other.get("/signin")
	if p := other.signIn(old); p.status != http.StatusSeeOther || p.to != "/" {
		t.Fatalf("sign-in: %d %s", p.status, plain(p.text))
	}
	key := v.passkey()
	v.goes("/account", "/account/device", "credential", v.attest(key, v.ceremony("/account/device")))
	if p := v.get("/account"); p.status != http.StatusOK {
		t.Errorf("who changed her device is signed out: %d %s", p.status, p.to)
	}
	if p := other.get("/account"); p.to != "/signin" {
		t.Errorf("the other browser's session lives on: %d %s", p.status, p.to)
	}
	if p := other.signIn(old); p.status != http.StatusUnauthorized {
		t.Errorf("the old passkey signs in: %d %s", p.status, p.to)
	}
	if p := other.signIn(key); p.to != "/account" {
		t.Errorf("after sign-in she is not where she was going: %d %s", p.status, p.to)
	}
	h.clock.Forward(freshFor + time.Minute)
	if p := v.get("/account/email"); p.to != "/signin" {
		t.Errorf("an important change without a fresh signature: %d %s", p.status, p.to)
	}
}

func TestStaff(t *testing.T) {
	h := newHouse(t)
	_, sub := h.visit().signUp("hanako@example.jp", "090-1111-2222")
	v := h.visit()
	if p := v.get("/staff"); p.to != "/staff/sign-in" {
		t.Errorf("a stranger: %d %s", p.status, p.to)
	}
	v.get("/staff/sign-in")
	for _, c := range [][2]string{{"tanaka", "wrong"}, {"nobody", staffPassword}} {
		if p := v.post("/staff/sign-in", "name", c[0], "password", c[1]); p.status != http.StatusUnprocessableEntity {
			t.Errorf("%v: %d", c, p.status)
		}
	}
	v.goes("/staff", "/staff/sign-in", "name", "tanaka", "password", staffPassword)
	if p := v.get("/staff?holder=hanako@example.jp"); !strings.Contains(p.text, string(sub)) {
		t.Errorf("not found: %s", plain(p.text))
	}
	evidence := []string{"name_kana", "ｻﾄｳ ﾊﾅｺ", "birth_date", "1985-04-01", "document_kind", "driver_licence", "document_number", "309012345630", "seen", "yes"}
	if p := v.post("/staff/holders/"+string(sub), evidence...); p.status != http.StatusUnprocessableEntity {
		t.Errorf("a mistyped number: %d", p.status)
	}
	evidence[7] = "309012345620"
	if p := v.post("/staff/holders/"+string(sub), evidence...); p.status != http.StatusOK || !strings.Contains(p.text, "レベル2を付与しました") {
		t.Errorf("%d %s", p.status, plain(p.text))
	}
	if p := v.get("/staff/money"); p.status != http.StatusForbidden {
		t.Errorf("another role's page: %d", p.status)
	}
	audit := h.audit.String()
	if !strings.Contains(audit, `"identity.prove"`) || !strings.Contains(audit, "staff/tanaka") || strings.Contains(audit, "サトウ") {
		t.Errorf("audit: %s", audit)
	}
	v.goes("/staff/sign-in", "/staff/sign-out")
	if p := v.get("/staff"); p.to != "/staff/sign-in" {
		t.Errorf("after sign-out: %d", p.status)
	}
}

func TestStaffAPI(t *testing.T) {
	h := newHouse(t)
	_, sub := h.visit().signUp("hanako@example.jp", "090-1111-2222")
	call := func(name, password string, body map[string]string) (int, map[string]any) {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.origin+"/staff/v1/holders/"+string(sub)+"/identity", strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if name != "" {
			req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(name+":"+password)))
		}
		res, err := wire.LocalhostTransport().RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var out map[string]any
		if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, out
	}
	good := map[string]string{"name_kana": "サトウ ハナコ", "birth_date": "1985-04-01", "document_kind": "driver_licence", "document_number": "309012345620"}
	for _, c := range []struct {
		name, password string
		want           int
	}{{"", "", 401}, {"tanaka", "wrong", 401}, {"nobody", staffPassword, 401}, {"suzuki", staffPassword, 403}} {
		if got, out := call(c.name, c.password, good); got != c.want {
			t.Errorf("%s: %d, want %d: %v", c.name, got, c.want, out)
		}
	}
	circular := map[string]string{"name_kana": "サトウ ハナコ", "birth_date": "1985-04-01", "document_kind": "bank_account", "document_number": "1234567"}
	if got, out := call("tanaka", staffPassword, circular); got != http.StatusUnprocessableEntity || out["rule"] != "L5" {
		t.Errorf("a bank account as evidence: %d %v", got, out)
	}
	if got, out := call("tanaka", staffPassword, good); got != http.StatusOK || out["level"] != float64(2) {
		t.Errorf("%d %v", got, out)
	}
}

// Every operation says in words what it does and who may call it.
func TestInterfaceIsDescribed(t *testing.T) {
	for _, wrong := range web.CheckDescription([]byte(newHouse(t).visit().get("/openapi.json").text)) {
		t.Error(wrong)
	}
}

func TestConfigRefusesWhatIsUnsafe(t *testing.T) {
	h := newHouse(t)
	good := h.config(t.TempDir(), "127.0.0.1:8443")
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(*Config)
		want  string
	}{
		"http outside dev":     {func(c *Config) { c.Dev = false }, "[service] origin: "},
		"no hub":               {func(c *Config) { c.Hub.Issuer = "" }, "[hub] issuer: "},
		"a path in an origin":  {func(c *Config) { c.Service.Origin += "/x" }, "[service] origin: "},
		"open to the world":    {func(c *Config) { c.Server.Listen = "0.0.0.0:8443" }, "[server] listen = "},
		"metrics to the world": {func(c *Config) { c.Ops.Listen = "0.0.0.0:9443" }, "[ops] listen = "},
		"dev behind a proxy":   {func(c *Config) { c.Server.BehindProxy = true }, "dev: true is for this machine only"},
		"a bank twice":         {func(c *Config) { c.Banks = append(c.Banks, c.Banks[0]) }, "stands twice"},
		"no bank's keys":       {func(c *Config) { c.Banks[0].Keys = "" }, "[[bank]] 1: keys: is needed"},
		"a plain password":     {func(c *Config) { c.Staff[0].PasswordHash = "secret" }, "password_hash is not bcrypt"},
		"an unknown role":      {func(c *Config) { c.Staff[0].Roles = []string{"admin"} }, `roles: "admin" is none of "identity" and "money"`},
		"no role":              {func(c *Config) { c.Staff[0].Roles = nil }, "roles: want at least one"},
		"a ninth hue":          {func(c *Config) { c.Service.Accent = 8 }, "[service] accent: is 8, want 0 to 7"},
		"too large a link":     {func(c *Config) { c.Links.PerMonth = 300_001 }, "[links] per_debit, per_24_hours, per_30_days: "},
		"a day under a debit":  {func(c *Config) { c.Links.PerDay = c.Links.PerDebit - 1 }, "[links] per_debit"},
		"a link for ever":      {func(c *Config) { c.Links.Years = 11 }, "[links] years: is 11, want 1 to 10"},
		"too much in a day":    {func(c *Config) { c.Money.ChargeDay = 300_001 }, "[money] charge_24_hours is 300001, but must be 1 to 300000 yen"},
		"too much in a purse":  {func(c *Config) { c.Money.HolderCap = 1_000_001 }, "[money] holder_cap is 1000001"},
		"a mail server":        {func(c *Config) { c.Mail.Address = "smtp" }, "[mail] address: want HOST:PORT"},
		"a gateway":            {func(c *Config) { c.SMS.URL = "sms.example.jp" }, "[sms] url: want an address"},
		"no country":           {func(c *Config) { c.People.PhonePrefixes = nil }, "[people] phone_prefixes want at least one"},
		"an odd country":       {func(c *Config) { c.People.PhonePrefixes = []string{"+81", "81"} }, `[people] phone_prefixes "81": want +`},
		"an odd id":            {func(c *Config) { c.Service.ID = "Maru Pay" }, "[service] id: "},
		"a clock in earnest": {func(c *Config) {
			c.Dev, c.ClockFile = false, "x"
			c.Service.Origin, c.Hub.Issuer = "https://w.example", "https://h.example"
		}, "clock_file: "},
	} {
		cfg := h.config(t.TempDir(), "127.0.0.1:8443")
		c.spoil(&cfg)
		if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := Open(t.Context(), h.config(t.TempDir(), "127.0.0.1:8443"), Env{Log: observe.Discard()}); err == nil {
		t.Error("a wallet opens without keys and tables")
	}
}
