package walletd

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

func TestChargeOnPages(t *testing.T) {
	h := newHouse(t)
	v := h.visit()
	key, sub := v.signUp("hanako@example.jp", "090-1111-2222")
	if p := v.get("/charge"); !strings.Contains(p.text, "/links/new") {
		t.Errorf("nothing to charge from: %s", plain(p.text))
	}
	l := v.linked(sub, nil)

	at := v.charges(key, l.ID, "5,000")
	p := v.soon(at, "チャージしました")
	if strings.Contains(p.text, "data-poll") || !strings.Contains(plain(p.text), "5,000") {
		t.Errorf("done: %s", plain(p.text))
	}
	if got := h.balance(sub); got != 5_000 {
		t.Errorf("the balance is %d", got)
	}
	if p := v.get("/"); !strings.Contains(plain(p.text), "5,000") {
		t.Errorf("home: %s", plain(p.text))
	}
	english := v.again()
	english.cookies["lang"] = "en"
	if p := english.get(at); !strings.Contains(p.text, "Charged") || !strings.Contains(p.text, "Shizuoka Bank") {
		t.Errorf("in English: %s", plain(p.text))
	}

	h.hub.money.set(func(m *fakeMoney) { m.refuse = "stopped" })
	if p := v.soon(v.charges(key, l.ID, "１０００"), "チャージできませんでした"); !strings.Contains(p.text, "D2") || !strings.Contains(p.text, "名義人") {
		t.Errorf("refused: %s", plain(p.text))
	}
	if got := h.balance(sub); got != 5_000 {
		t.Errorf("the balance is %d", got)
	}

	for amount, want := range map[string]string{"50,001": "連携のときに決めた上限", "100001": "1回のチャージの上限", "0": "1円以上", "abc": "1円以上", "1.5": "1円以上"} {
		if p := v.post("/charge", "link", string(l.ID), "amount", amount); p.status != http.StatusUnprocessableEntity || !strings.Contains(p.text, want) {
			t.Errorf("%s: %d %s", amount, p.status, plain(p.text))
		}
	}
	stranger := h.visit()
	stranger.signUp("ichiro@example.jp", "090-3333-4444")
	if p := stranger.get(at); p.status != http.StatusNotFound {
		t.Errorf("another's charge: %d", p.status)
	}
	if p := stranger.post("/charge", "link", string(l.ID), "amount", "100"); p.to != "/charge" {
		t.Errorf("another's link: %d %s", p.status, plain(p.text))
	}
	if p := h.visit().get(at); p.to != "/signin" {
		t.Errorf("nobody's: %d %s", p.status, p.to)
	}
}

// A bank that does not answer: the page waits, the person may leave, the charge ends by itself.
func TestChargeWaitsForTheBank(t *testing.T) {
	h := newHouse(t)
	v := h.visit()
	key, sub := v.signUp("hanako@example.jp", "090-1111-2222")
	l := v.linked(sub, nil)
	h.hub.money.set(func(m *fakeMoney) { m.silent = true })
	at := v.charges(key, l.ID, "3000")
	p := v.get(at)
	if !strings.Contains(p.text, `data-poll="`+at) || !strings.Contains(p.text, "銀行に確認しています") {
		t.Fatalf("waiting: %s", plain(p.text))
	}
	if got := h.balance(sub); got != 0 {
		t.Errorf("the balance is %d before any receipt", got)
	}
	if p := v.get("/history"); !strings.Contains(p.text, "銀行に確認中") {
		t.Errorf("history: %s", plain(p.text))
	}
	h.hub.money.set(func(m *fakeMoney) { m.silent = false })
	h.clock.Forward(2 * time.Minute) // the order is too old now: the sweeper asks, and it never was
	v.soon(at, "銀行に届かなかった")
	if got := h.balance(sub); got != 0 {
		t.Errorf("the balance is %d", got)
	}
}

func TestChargeNotAgreedInTime(t *testing.T) {
	h := newHouse(t)
	v := h.visit()
	key, sub := v.signUp("hanako@example.jp", "090-1111-2222")
	l := v.linked(sub, nil)
	p := v.post("/charge", "link", string(l.ID), "amount", "3000")
	question := v.ceremony(p.to)
	other := v.post("/charge", "link", string(l.ID), "amount", "4000")
	if other.to != p.to {
		t.Errorf("two charges for one page: %s, %s", p.to, other.to)
	}
	if got := v.post(p.to+"/agree", "credential", v.assert(key, question)); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.text, "M9") {
		t.Errorf("a signature over the first amount: %d %s", got.status, plain(got.text))
	}
	if got := v.post(p.to+"/agree", "credential", "{"); got.status != http.StatusBadRequest {
		t.Errorf("no signature: %d", got.status)
	}
	v.goes(p.to, p.to+"/agree", "credential", "") // pressed before the page could ask: once more
	question = v.ceremony(p.to)
	h.clock.Forward(wallet.AgreeWithin + time.Second)
	if got := v.get(p.to); !strings.Contains(got.text, "確認の時間が過ぎました") || strings.Contains(got.text, "data-options") {
		t.Errorf("too late: %s", plain(got.text))
	}
	v.goes(p.to, p.to+"/agree", "credential", v.assert(key, question))
	if got := h.balance(sub); got != 0 {
		t.Errorf("the balance is %d", got)
	}
}

// M10 on pages: where the money lands is said before the signature, and when it becomes available.
func TestMaturingOnPages(t *testing.T) {
	h := newHouse(t)
	v := h.visit()
	key, sub := v.signUp("hanako@example.jp", "090-1111-2222")
	l := v.linked(sub, func(l *wallet.Link) { l.Reported, l.LimitedUntil = wire.LinkLimited, h.clock.Now().Add(time.Hour) })
	cooling := v.linked(sub, func(l *wallet.Link) {
		l.Issuer, l.Bank, l.BankName, l.Reported, l.CoolingUntil = bankTwo, "0150", "スルガ銀行", wire.LinkCooling, h.clock.Now().Add(time.Hour)
	})
	p := v.get("/charge")
	if !strings.Contains(p.text, string(l.ID)) || strings.Contains(p.text, string(cooling.ID)) || !strings.Contains(p.text, "L9") {
		t.Errorf("form: %s", plain(p.text))
	}
	asked := v.post("/charge", "link", string(l.ID), "amount", "3000")
	if p := v.get(asked.to); !strings.Contains(p.text, "準備中の残高") {
		t.Errorf("confirm: %s", plain(p.text))
	}
	v.soon(v.charges(key, l.ID, "3000"), "準備中の残高に入りました")
	if got := h.balance(sub); got != 0 {
		t.Errorf("%d is available at once", got)
	}
	if p := v.post("/charge", "link", string(l.ID), "amount", "2001"); !strings.Contains(p.text, "5,000円まで") {
		t.Errorf("over the limited cap: %s", plain(p.text))
	}
	h.clock.Forward(2 * time.Hour)
	if got := h.balance(sub); got != 3_000 {
		t.Errorf("%d is available after the limited time", got)
	}
}

var (
	shownCode    = regexp.MustCompile(`<code data-code>([0-9A-Z\x{a0} ]+)</code>`)
	shownPayment = regexp.MustCompile(`data-poll="(/pay/pay_[0-9a-z]{26})`)
)

// shows opens the page with a payment code: the code, and where its payment is seen.
func (v *visitor) shows() (code, at string) {
	v.Helper()
	v.goes("/pay", "/pay")
	p := v.get("/pay")
	c, a := shownCode.FindStringSubmatch(p.text), shownPayment.FindStringSubmatch(p.text)
	if c == nil || a == nil || strings.Count(p.text, "<svg class=\"code-") != 2 {
		v.Fatalf("no code: %s", plain(p.text))
	}
	return c[1], a[1]
}

// call asks the shops' interface.
func (h *house) call(method, path, key, idem, body string) (int, map[string]any, http.Header) {
	h.Helper()
	req, err := http.NewRequestWithContext(h.Context(), method, h.origin+path, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Authorization", key)
	}
	if idem != "" {
		req.Header.Set("Idempotency-Key", idem)
	}
	res, err := wire.LocalhostTransport().RoundTrip(req)
	if err != nil {
		h.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		h.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		h.Fatalf("%s %s: %d %s", method, path, res.StatusCode, text)
	}
	return res.StatusCode, out, res.Header
}

// twoKeys presents a code under two idempotency keys at once.
func (h *house) twoKeys(key, one, two, body string) (int, map[string]any) {
	h.Helper()
	req, err := http.NewRequestWithContext(h.Context(), "POST", h.origin+"/v1/payments", strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {key}, "Idempotency-Key": {one, two}}
	res, err := wire.LocalhostTransport().RoundTrip(req)
	if err != nil {
		h.Fatal(err)
	}
	defer res.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		h.Fatal(err)
	}
	return res.StatusCode, out
}

func payBody(code string, amount int) string {
	b, _ := json.Marshal(map[string]any{"code": code, "amount": amount, "terminal": "1", "order": "42"})
	return string(b)
}

func TestShopAPI(t *testing.T) {
	h := newHouse(t)
	v := h.visit()
	key, sub := v.signUp("hanako@example.jp", "090-1111-2222")
	v.soon(v.charges(key, v.linked(sub, nil).ID, "5000"), "チャージしました")
	const lunch, gift = "Bearer lunch key", "Bearer gift key"

	for range 2 { // a look makes no code
		if p := v.get("/pay"); shownCode.MatchString(p.text) || !strings.Contains(p.text, "支払いコードを表示") {
			t.Errorf("no code was asked for: %s", plain(p.text))
		}
	}
	if _, err := h.server.store.LivePayCode(t.Context(), sub, h.clock.Now()); fault.Of(err) != fault.NotFound {
		t.Errorf("looking at the page made a code: %v", err)
	}
	code, at := v.shows()
	body := payBody(code, 700)
	if again, _ := v.shows(); again != code {
		t.Errorf("looking at the page once more voids the code at the till")
	}
	status, paid, header := h.call("POST", "/v1/payments", lunch, "k1", body)
	if status != http.StatusCreated || paid["state"] != "done" || paid["amount"] != 700.0 || header.Get("Idempotent-Replayed") != "" {
		t.Fatalf("paid: %d %v", status, paid)
	}
	status, again, header := h.call("POST", "/v1/payments", lunch, "k1", body)
	if status != http.StatusCreated || again["id"] != paid["id"] || header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("replayed: %d %v %v", status, again, header)
	}
	if p := v.get(at); !strings.Contains(p.text, "支払いました") || !strings.Contains(p.text, "まちの弁当屋") {
		t.Errorf("the payer's page: %s", plain(p.text))
	}
	if p := v.get(at); !strings.Contains(p.text, `data-go="`+at) {
		t.Errorf("the page that shows the code is not led on: %s", p.text)
	}
	id, _ := paid["id"].(string)
	if status, got, _ := h.call("GET", "/v1/payments/"+id, lunch, "", ""); status != http.StatusOK || got["order"] != "42" {
		t.Errorf("looked up: %d %v", status, got)
	}
	before, _ := v.shows()
	v.goes("/pay", "/pay/new")
	fresh, _ := v.shows()
	if before == code || fresh == before {
		t.Errorf("codes %q, %q and %q: a paid one and a replaced one are gone", code, before, fresh)
	}
	for name, c := range map[string]struct {
		key, idem, body string
		want            int
		rule            string
	}{
		"another body":     {lunch, "k1", payBody(code, 701), 400, "idempotency_error"},
		"no key":           {lunch, "", payBody(fresh, 1), 400, "idempotency_error"},
		"a long key":       {lunch, strings.Repeat("k", 256), payBody(fresh, 1), 400, "idempotency_error"},
		"a key of no text": {lunch, "鍵", payBody(fresh, 1), 400, "idempotency_error"},
		"nobody":           {"", "k2", payBody(fresh, 1), 401, ""},
		"a wrong key":      {"Bearer no", "k2", payBody(fresh, 1), 401, ""},
		"another scheme":   {"Basic lunch key", "k2", payBody(fresh, 1), 401, ""},
		"the code again":   {lunch, "k3", payBody(code, 700), 410, "M11"},
		"a replaced code":  {lunch, "k9", payBody(before, 700), 410, "M11"},
		"no code":          {lunch, "k4", payBody("hello", 700), 400, "M11"},
		"duplicate key":    {lunch, "k5", `{"code":"` + fresh + `","amount":5,"amount":7}`, 400, ""},
		"an unknown field": {lunch, "k5", `{"code":"` + fresh + `","amount":5,"tip":7}`, 422, ""},
		"a fraction":       {lunch, "k5", `{"code":"` + fresh + `","amount":5.5}`, 422, ""},
	} {
		status, out, _ := h.call("POST", "/v1/payments", c.key, c.idem, c.body)
		if status != c.want && !(c.want == 422 && status == 400) || c.rule != "" && out["rule"] != c.rule {
			t.Errorf("%s: %d %v", name, status, out)
		}
	}
	if status, out := h.twoKeys(lunch, "k7", "k8", payBody(fresh, 1)); status != http.StatusBadRequest || !strings.Contains(toJSON(out), "Idempotency-Key") {
		t.Errorf("two keys: %d %v", status, out)
	}
	status, other, header := h.call("POST", "/v1/payments", gift, "k1", body) // another shop's key is another key
	if status != http.StatusGone || other["rule"] != "M11" || header.Get("Idempotent-Replayed") != "" {
		t.Errorf("under another shop's key: %d %v", status, other)
	}
	status, refused, _ := h.call("POST", "/v1/payments", lunch, "k6", payBody(fresh, 99_999))
	if status != http.StatusPaymentRequired || refused["state"] != "refused" || refused["reason"] != "funds" {
		t.Errorf("too much: %d %v", status, refused)
	}
	if status, _, _ := h.call("GET", "/v1/payments/"+id, gift, "", ""); status != http.StatusNotFound {
		t.Errorf("another shop's payment: %d", status)
	}
	if status, spec, _ := h.call("GET", "/openapi.json", "", "", ""); status != http.StatusOK || !strings.Contains(toJSON(spec), "/v1/payments/{id}") || strings.Count(toJSON(spec), "schemas/PaymentBody\"}") != 3 || spec["openapi"] != "3.1.0" {
		t.Errorf("openapi: %d %v", status, spec["openapi"])
	}
	if p := v.get("/history"); !strings.Contains(p.text, "まちの弁当屋") || !strings.Contains(plain(p.text), "700") {
		t.Errorf("history: %s", plain(p.text))
	}
	for _, secret := range []string{strings.ReplaceAll(code, " ", ""), code, "lunch key"} {
		if strings.Contains(h.log.String(), secret) {
			t.Errorf("the log says %q", secret)
		}
	}
}

func toJSON(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestTill(t *testing.T) {
	h := newHouse(t)
	v := h.visit()
	key, sub := v.signUp("hanako@example.jp", "090-1111-2222")
	young := v.linked(sub, func(l *wallet.Link) { l.Reported, l.LimitedUntil = wire.LinkLimited, h.clock.Now().Add(time.Hour) })
	v.soon(v.charges(key, young.ID, "3000"), "準備中の残高に入りました")

	till := h.visit()
	till.get("/till")
	if p := till.post("/till/sign-in", "key", "no"); p.status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong key: %d", p.status)
	}
	if p := till.post("/till", "code", "x", "amount", "1", "key", "k"); p.to != "/till" {
		t.Errorf("without a key: %d %s", p.status, p.to)
	}
	till.goes("/till", "/till/sign-in", "key", "gift key")
	hidden := func(p page) string {
		found := regexp.MustCompile(`name="key" value="(till_[0-9a-z]+)"`).FindStringSubmatch(p.text)
		if found == nil {
			t.Fatalf("no idempotency key: %s", plain(p.text))
		}
		return html.UnescapeString(found[1])
	}
	code, _ := v.shows()
	p := till.post("/till", "code", code, "amount", "500", "key", hidden(till.get("/till")))
	if p := till.get(p.to); !strings.Contains(p.text, "M10") || !strings.Contains(p.text, "支払われていません") {
		t.Errorf("cash-like: %s", plain(p.text))
	}
	till.goes("/till", "/till/sign-out")
	till.goes("/till", "/till/sign-in", "key", "lunch key")
	code, _ = v.shows()
	form := []string{"code", code, "amount", "500", "order", "7", "key", hidden(till.get("/till"))}
	var first, second page
	var wg sync.WaitGroup
	wg.Go(func() { first = till.again().post("/till", form...) })
	wg.Go(func() { second = till.again().post("/till", form...) })
	wg.Wait()
	if first.to != second.to || !strings.HasPrefix(first.to, "/till?last=pay_") {
		t.Errorf("pressed twice: %q, %q", first.to, second.to)
	}
	if p := till.get(first.to); !strings.Contains(p.text, "支払いを受けました") || !strings.Contains(plain(p.text), "500") {
		t.Errorf("paid: %s", plain(p.text))
	}
	if p := till.post("/till", "code", code, "amount", "500", "key", hidden(till.get("/till"))); p.status != http.StatusUnprocessableEntity || !strings.Contains(p.text, "M11") {
		t.Errorf("the code again: %d %s", p.status, plain(p.text))
	}
	if got := h.server.wallet; got != nil {
		purse, err := got.PurseOf(t.Context(), sub)
		if err != nil || purse.Spendable() != 2_500 {
			t.Errorf("%+v, %v", purse, err)
		}
	}
}

// again is the same browser, used from another goroutine.
func (v *visitor) again() *visitor {
	w := v.visit()
	for name, value := range v.cookies {
		w.cookies[name] = value
	}
	return w
}

func TestBooksForStaff(t *testing.T) {
	h := newHouse(t)
	v := h.visit()
	key, sub := v.signUp("hanako@example.jp", "090-1111-2222")
	at := v.charges(key, v.linked(sub, nil).ID, "5000")
	v.soon(at, "チャージしました")
	debit := strings.TrimPrefix(at, "/charge/")

	staff := h.visit()
	if p := staff.get("/staff/money"); p.to != "/staff/sign-in" {
		t.Errorf("a stranger: %d %s", p.status, p.to)
	}
	staff.get("/staff/sign-in")
	staff.goes("/staff/money", "/staff/sign-in", "name", "suzuki", "password", staffPassword)
	day := clock.Day(h.clock.Now())
	h.hub.money.set(func(m *fakeMoney) { m.lines[0].Amount = 1 })
	h.clock.Forward(25 * time.Hour)
	if p := staff.post("/staff/money/exchange", "issuer", string(bankOne), "day", day); p.status != http.StatusOK || !strings.Contains(p.text, "不一致 1 件") {
		t.Fatalf("exchange: %d %s", p.status, plain(p.text))
	}
	brk := regexp.MustCompile(`/staff/money/(brk_[0-9a-z]{26})/own`).FindStringSubmatch(staff.get("/staff/money").text)
	if brk == nil {
		t.Fatal("the break is not shown")
	}
	staff.goes("/staff/money", "/staff/money/"+brk[1]+"/own")
	if p := staff.post("/staff/money/"+brk[1]+"/close", "note", ""); p.status != http.StatusBadRequest {
		t.Errorf("closed without a reason: %d", p.status)
	}
	staff.goes("/staff/money", "/staff/money/"+brk[1]+"/close", "note", "the bank's slip")
	if p := staff.get("/staff/money"); !strings.Contains(p.text, "the bank&#39;s slip") || strings.Contains(p.text, "/close\"") {
		t.Errorf("closed: %s", plain(p.text))
	}
	if p := staff.post("/staff/money/reverse", "debit", "deb_no", "why", "x"); p.status != http.StatusUnprocessableEntity {
		t.Errorf("nothing to reverse: %d", p.status)
	}
	if p := staff.post("/staff/money/reverse", "debit", debit, "why", "not hers"); p.status != http.StatusOK || !strings.Contains(p.text, "rev_") {
		t.Errorf("reverse: %d %s", p.status, plain(p.text))
	}
	v.soon(at, "銀行口座に戻しました")
	if got := h.balance(sub); got != 0 {
		t.Errorf("the balance is %d", got)
	}
	if audit := h.audit.String(); !strings.Contains(audit, "charge.reverse") || !strings.Contains(audit, "not hers") || !strings.Contains(audit, "break.close") {
		t.Errorf("audit: %s", audit)
	}
	basic := func(name string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+staffPassword))
	}
	if status, out, _ := h.call("POST", "/staff/v1/statements", basic("suzuki"), "", `{"day":"`+day+`"}`); status != http.StatusOK || !bytes.Contains([]byte(toJSON(out)), []byte("differs")) {
		t.Errorf("statements: %d %v", status, out)
	}
	if status, out, _ := h.call("POST", "/staff/v1/reversals", basic("suzuki"), "", `{"debit":"`+debit+`","why":"again"}`); status != http.StatusAccepted || !strings.HasPrefix(out["reversal"].(string), "rev_") {
		t.Errorf("the reversal again: %d %v", status, out)
	}
	for _, path := range []string{"/staff/v1/statements", "/staff/v1/reversals"} {
		body := `{"day":"` + day + `"}`
		if path == "/staff/v1/reversals" {
			body = `{"debit":"` + debit + `","why":"x"}`
		}
		if status, _, _ := h.call("POST", path, basic("tanaka"), "", body); status != http.StatusForbidden {
			t.Errorf("%s by another role: %d", path, status)
		}
		if status, _, _ := h.call("POST", path, "", "", body); status != http.StatusUnauthorized {
			t.Errorf("%s by nobody: %d", path, status)
		}
	}
}
