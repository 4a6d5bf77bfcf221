package bankd

import (
	"bytes"
	"encoding/json"
	"errors"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/notify"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
)

// head is the header of a message of まるペイ to a link's bank.
func (w *world) head(code string) wire.Header {
	return wire.Header{Issuer: "maru", Audience: w.issuer(code), IssuedAt: w.clock().Unix()}
}

// order makes an order of まるペイ over a link, agreed on now with the holder's device.
func (w *world) order(code string, r *wire.LinkReport, amount money.Yen) (string, *wire.DebitOrder) {
	w.t.Helper()
	o := &wire.DebitOrder{Header: w.head(code), Link: r.Link, Debit: id.Debit(id.Random("deb")), Amount: amount, Subject: r.Subject,
		WalletAccount: "maturing/x", AgreedUs: clock.Micros(w.clock())}
	o.Device = w.device.Sign(wire.DebitChallenge(id.Issuer(w.issuer(code)), o.Link, o.Debit, amount, o.AgreedUs))
	return w.sign(o), o
}

// call posts one signed message as the hub, over the participant's token or a link's.
func (w *world) call(code, path string, link *wire.LinkToken, field, message string) (map[string]string, error) {
	w.t.Helper()
	out := map[string]string{}
	err := w.hub(code).Do(w.t.Context(), wire.Call{Method: http.MethodPost, URL: w.issuer(code) + path, Link: link,
		In: map[string]string{field: message}, Out: &out})
	return out, err
}

func (w *world) debitReceipt(code, text string) *wire.DebitReceipt {
	w.t.Helper()
	r, err := wire.Verify[wire.DebitReceipt](text, w.banks[code].public, wire.Expect{Issuer: w.issuer(code), Audience: "maru", Now: w.clock(), AnyAge: true})
	must(w.t, err)
	return r
}

func TestMoneyOverHTTP(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	g, r := w.ask("0149", nil).linked()
	w.forward(12 * time.Hour)
	text, o := w.order("0149", r, 3_000)
	booked, err := w.call("0149", "/v1/debits", &g.LinkToken, "order", text)
	must(t, err)
	if got := w.debitReceipt("0149", booked["receipt"]); got.Outcome != wire.Booked || got.Debit != o.Debit {
		t.Fatalf("receipt: %+v", got)
	}
	repeat, err := w.call("0149", "/v1/debits", &g.LinkToken, "order", text)
	must(t, err)
	resolve := w.sign(&wire.Resolve{Header: w.head("0149"), Link: o.Link, Debit: o.Debit, OrderHash: wire.Hash(text), Amount: o.Amount, WalletAccount: o.WalletAccount})
	resolved, err := w.call("0149", "/v1/debits/"+string(o.Debit)+"/resolution", nil, "resolve", resolve)
	must(t, err)
	if repeat["receipt"] != booked["receipt"] || resolved["receipt"] != booked["receipt"] {
		t.Error("a repeat has other bytes")
	}
	over, _ := w.order("0149", r, 2_001)
	refused, err := w.call("0149", "/v1/debits", &g.LinkToken, "order", over)
	must(t, err)
	if got := w.debitReceipt("0149", refused["receipt"]); got.Reason != "limited" || got.Rule != "L13" {
		t.Errorf("over the cap: %+v", got)
	}
	back, err := w.call("0149", "/v1/reversals", nil, "reversal", w.sign(&wire.Reversal{
		Header: w.head("0149"), Reversal: "rev_1", Link: o.Link, Debit: o.Debit, OrderHash: wire.Hash(text), Amount: o.Amount}))
	must(t, err)
	if v, err := wire.Verify[wire.ReversalReceipt](back["receipt"], w.banks["0149"].public,
		wire.Expect{Issuer: w.issuer("0149"), Audience: "maru", Now: w.clock()}); err != nil || v.Outcome != bank.Reversed {
		t.Errorf("reversal: %+v %v", v, err)
	}
	ours, err := w.call("0149", "/v1/statements", nil, "statement", w.sign(&wire.Statement{
		Header: w.head("0149"), Day: clock.Day(w.clock()), Provisional: true, Lines: []wire.StatementLine{}, Open: []id.Debit{}, Total: &wire.StatementTotal{}}))
	must(t, err)
	if s, err := wire.Verify[wire.Statement](ours["statement"], w.banks["0149"].public,
		wire.Expect{Issuer: w.issuer("0149"), Audience: "maru", Now: w.clock()}); err != nil || len(s.Lines) != 2 {
		t.Errorf("statement: %+v %v", s, err)
	}
	changed, err := w.call("0149", "/v1/link-changes", nil, "change", w.sign(&wire.LinkChange{Header: w.head("0149"), Change: "chg_1", Link: o.Link, Kind: bank.ChangeDevice}))
	must(t, err)
	if got := w.report(w.banks["0149"], changed["report"]); got.State != wire.LinkSuspended {
		t.Errorf("change: %+v", got)
	}
	if got, err := w.banks["0149"].bank.Balance(t.Context(), acc.ID); err != nil || got != 1_000_000 {
		t.Errorf("balance %v %v", got, err)
	}
}

// What is refused before anything is judged.
func TestTokensOpenOnlyTheirOwn(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	w.hanako("0150", nil)
	g, r := w.ask("0149", nil).linked()
	other, _ := w.ask("0150", nil).linked()
	w.forward(12 * time.Hour)
	text, o := w.order("0149", r, 1_000)
	for name, c := range map[string]struct {
		bank, path string
		token      *wire.LinkToken
	}{
		"a participant's token makes no debit":    {"0149", "/v1/debits", nil},
		"a link's token makes no reversal":        {"0149", "/v1/reversals", &g.LinkToken},
		"another bank's token opens nothing here": {"0149", "/v1/debits", &other.LinkToken},
	} {
		if _, err := w.call(c.bank, c.path, c.token, map[bool]string{true: "order", false: "reversal"}[c.path == "/v1/debits"], text); !errors.Is(err, wire.ErrCredentials) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := w.call("0150", "/v1/debits", &other.LinkToken, "order", text)
	wants(t, err, fault.Invalid) // an order for another bank
	resolve := w.sign(&wire.Resolve{Header: w.head("0149"), Link: o.Link, Debit: o.Debit, OrderHash: wire.Hash(text), Amount: o.Amount, WalletAccount: o.WalletAccount})
	_, err = w.call("0149", "/v1/debits/deb_another/resolution", nil, "resolve", resolve)
	wants(t, err, fault.Invalid)
	if booked, err := w.call("0149", "/v1/debits", &g.LinkToken, "order", text); err != nil || w.debitReceipt("0149", booked["receipt"]).Outcome != wire.Booked {
		t.Errorf("the order itself: %v", err)
	}
}

func TestCarriersReportsAreSigned(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	b := w.banks["0149"]
	must(t, b.bank.TellNow(t.Context(), bank.Event{Kind: bank.EventStopAll, Account: acc.ID, At: w.clock()}))
	notices, err := b.bank.Store.NoticesOf(t.Context(), acc.ID, bank.EventStopAll, w.clock().Add(-time.Hour))
	must(t, err)
	var ntc bank.Notice
	for _, n := range notices {
		if n.Channel == bank.SMS {
			ntc = n
		}
	}
	post := func(secret string, report notify.Report) int {
		body, err := json.Marshal(report)
		must(t, err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.issuer("0149")+"/gateway/reports", bytes.NewReader(body))
		must(t, err)
		req.Header.Set(notify.SignatureHeader, notify.SignReport(observe.Secret(secret), body, w.clock()))
		resp, err := client.Do(req)
		must(t, err)
		must(t, resp.Body.Close())
		return resp.StatusCode
	}
	delivered := func() bool {
		n, err := b.bank.Store.Notice(t.Context(), ntc.ID)
		must(t, err)
		return !n.DeliveredAt.IsZero()
	}
	report := notify.Report{ID: "1", Ref: ntc.ID, Status: "delivered", AtUs: clock.Micros(w.clock())}
	if got := post("wrong", report); got != http.StatusUnauthorized || delivered() {
		t.Errorf("a forged report: %d", got)
	}
	failed := report
	failed.Status = "failed"
	if got := post("r", failed); got != http.StatusNoContent || delivered() {
		t.Errorf("a failure: %d", got)
	}
	if got := post("r", report); got != http.StatusNoContent || !delivered() {
		t.Errorf("a delivery: %d", got)
	}
	report.Ref = id.Random("ntc")
	if got := post("r", report); got != http.StatusNoContent {
		t.Errorf("about nothing of ours: %d", got)
	}
}

// begin types an account at the portal and returns the page and the address of the proof.
func (b *browser) begin(issuer, number, birth string) (page, string) {
	b.w.t.Helper()
	b.get(issuer + "/")
	first := b.send(http.MethodPost, issuer+"/signin", url.Values{"branch": {"101"}, "kind": {"ordinary"}, "number": {number}, "birth": {birth}})
	return b.follow(first), first.location
}

// signIn signs in by a typed code and PIN.
func (b *browser) signIn(code string) page {
	b.w.t.Helper()
	_, proof := b.begin(b.w.issuer(code), "1234567", "1985-04-01")
	b.proveByCode(proof)
	return b.post(proof, "/pin", url.Values{"pin": {hanakoPIN}})
}

func (b *browser) proveByCode(proof string) page {
	b.w.t.Helper()
	b.w.locked(func() { b.w.sms = nil })
	b.post(proof, "/code", nil)
	return b.post(proof, "/code/check", url.Values{"code": {b.w.code("+819011112222")}})
}

func (p page) wants(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(p.body, w) {
			t.Errorf("%s (%d) lacks %q", p.url, p.status, w)
		}
	}
}

func TestPortalShowsAndStopsEverything(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	g, r := w.ask("0149", nil).linked()
	w.forward(12 * time.Hour)
	text, _ := w.order("0149", r, 3_000)
	_, err := w.call("0149", "/v1/debits", &g.LinkToken, "order", text)
	must(t, err)
	issuer := w.issuer("0149")
	b := w.browser()
	b.get(issuer+"/portal").wants(t, "お客さまページ") // not signed in
	b.signIn("0149").wants(t, "997,000", "佐藤 花子", "まるペイ", "少額のみ", "すべての連携を停止する", "ﾏﾙﾍﾟｲ")
	b.get(issuer+"/portal/passbook").wants(t, "26-11-24", "ｼﾝｷ", "3,000", "997,000")
	b.get(issuer+"/portal/debits").wants(t, "まるペイ", "3,000", "引き落とし済み")
	b.get(issuer+"/portal/contacts").wants(t, "*********2222", "h***@example.jp")
	b.get(issuer+"/portal/links?lang=en").wants(t, "MaruPay", "small amounts only")
	link := b.get(issuer + "/portal/links/" + string(r.Link))
	link.wants(t, "Lift the small cap", "Stop this link")
	b.get(issuer + "/portal?lang=ja")

	b.post(issuer, "/portal/stop", nil).wants(t, "すべて停止しています", "停止しました")
	again, _ := w.order("0149", r, 1_000)
	refused, err := w.call("0149", "/v1/debits", &g.LinkToken, "order", again)
	must(t, err)
	if got := w.debitReceipt("0149", refused["receipt"]); got.Reason != "stopped" {
		t.Fatalf("after the stop: %+v", got)
	}
	b.get(issuer+"/portal/debits").wants(t, "お客さまが停止していました", "規則 D2")

	// Undoing takes possession and PIN, from a browser that is signed in already.
	p := b.send(http.MethodPost, issuer+"/portal/undo", url.Values{})
	proof := p.location
	b.proveByCode(proof).wants(t, "暗証番号")
	b.post(proof, "/pin", url.Values{"pin": {"0000"}}).wants(t, "確認できませんでした")
	b.post(proof, "/pin", url.Values{"pin": {hanakoPIN}}).wants(t, "停止を解除しました", "待機中")

	b.post(issuer, "/portal/links/"+string(r.Link)+"/stop", nil).wants(t, "この連携を停止しました", "停止中", "停止を解除する")
	b.post(issuer, "/portal/signout", nil).wants(t, "お客さまページ")
	if p := b.get(issuer + "/portal/passbook"); strings.Contains(p.body, "997,000") {
		t.Error("signed out, and the passbook still shows")
	}
}

// An account number and a PIN alone open nothing; what exists and what does not look alike (L3, L16).
func TestPortalIsBlindBeforePossession(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	w.hanako("0149", func(n *bank.NewAccount) { n.Number, n.CardID, n.Phone, n.Email = "7777777", "card-2", "", "" })
	issuer := w.issuer("0149")
	masks := regexp.MustCompile(`prf_[0-9a-z]{26}|[0-9A-Z]{4}-[0-9A-Z]{4}|<code>[0-9A-Z]{13}</code>|/static/[^"]*`)
	steps := func(number, birth string) []string {
		b := w.browser()
		p, proof := b.begin(issuer, number, birth)
		seen := []page{p}
		for _, way := range []string{"code", "atm"} {
			seen = append(seen, b.get(proof+"/method/"+way))
		}
		seen = append(seen, b.post(proof, "/code", nil), b.post(proof, "/code/check", url.Values{"code": {"000000"}}),
			b.post(proof, "/atm", nil), b.post(proof, "/pin", url.Values{"pin": {hanakoPIN}}))
		var out []string
		for _, p := range seen {
			text := masks.ReplaceAllString(p.body, "…")
			if id := p.header.Get("X-Request-Id"); id != "" {
				text = strings.ReplaceAll(text, id, "…")
			}
			out = append(out, http.StatusText(p.status)+text)
		}
		return out
	}
	known := steps("1234567", "1985-04-01")
	for name, who := range map[string][2]string{
		"without a phone": {"7777777", "1985-04-01"}, "unknown": {"9999999", "1985-04-01"}, "of another birth date": {"1234567", "1985-04-02"},
	} {
		for i, text := range steps(who[0], who[1]) {
			if text != known[i] {
				t.Errorf("step %d of an account %s differs:\n%s\n\nfrom\n%s", i, name, text, known[i])
			}
		}
	}
	if strings.Contains(strings.Join(known, ""), "1,000,000") {
		t.Error("a balance shows before possession")
	}
	w.locked(func() {
		if len(w.sms) > 1 {
			t.Errorf("%d codes were sent, where only one had both account and birth date right", len(w.sms))
		}
		if len(w.waited) < 12 {
			t.Errorf("only %d answers waited for their moment", len(w.waited))
		}
	})
}

var ceremony = regexp.MustCompile(`data-options="([^"]*)"`)

// options are those of the ceremony on a page.
func (p page) options(t *testing.T) string {
	t.Helper()
	m := ceremony.FindStringSubmatch(p.body)
	if m == nil {
		t.Fatalf("no ceremony on %s: %d %s", p.url, p.status, p.body)
	}
	return `{"publicKey":` + html.UnescapeString(m[1]) + `}`
}

// enrolled registers a passkey at the portal of the bank and returns it.
func (b *browser) enrolled(t *testing.T, code string, acc bank.Account) *wiretest.Passkey {
	t.Helper()
	issuer := b.w.issuer(code)
	host := code + ".bank.localhost"
	key := wiretest.NewPasskey(host, issuer, false)
	proof := b.send(http.MethodPost, issuer+"/portal/passkey", url.Values{}).location
	b.proveByCode(proof).wants(t, "7日間")
	asked, err := virtualwebauthn.ParseAttestationOptions(b.get(proof).options(t))
	must(t, err)
	key.Authenticator.Options.UserHandle = []byte(asked.UserID)
	made := virtualwebauthn.CreateAttestationResponse(key.RP, key.Authenticator, key.Credential, *asked)
	b.post(proof, "/enrol", url.Values{"credential": {made}}).wants(t, "パスキーを登録しました")
	if p := b.get(proof); p.status != http.StatusGone { // spent (L16)
		t.Errorf("enrolled, and the proof is still good: %d", p.status)
	}
	return key
}

func TestPasskeyEnrolsAndConfirms(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	g, r := w.ask("0149", nil).linked()
	issuer := w.issuer("0149")
	b := w.browser()
	b.signIn("0149")
	key := b.enrolled(t, "0149", acc)
	b.get(issuer+"/portal/contacts").wants(t, "から口座連携に使えます")

	confirm := func() page {
		p := b.send(http.MethodPost, issuer+"/portal/links/"+string(r.Link)+"/confirm", url.Values{})
		if methods := b.get(p.location); strings.Contains(methods.body, "/method/code") {
			t.Error("a typed code is offered to confirm a link (L13)")
		}
		asked, err := virtualwebauthn.ParseAssertionOptions(b.get(p.location + "/method/passkey").options(t))
		must(t, err)
		answer := virtualwebauthn.CreateAssertionResponse(key.RP, key.Authenticator, key.Credential, *asked)
		return b.post(p.location, "/passkey", url.Values{"credential": {answer}})
	}
	// L14: a fresh passkey proves nothing for links yet.
	w.forward(25 * time.Hour)
	b.signIn("0149")
	confirm().wants(t, "確認できませんでした")
	w.forward(7 * 24 * time.Hour)
	b.signIn("0149")
	confirm().wants(t, "少額の制限を解除しました", "利用中")
	text, _ := w.order("0149", r, 50_000)
	booked, err := w.call("0149", "/v1/debits", &g.LinkToken, "order", text)
	must(t, err)
	if got := w.debitReceipt("0149", booked["receipt"]); got.Outcome != wire.Booked {
		t.Errorf("after confirming: %+v", got)
	}
}

func TestStopLinkOfANoticeNeedsNoCredentials(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	g, r := w.ask("0149", nil).linked()
	w.forward(12 * time.Hour)
	w.locked(func() { w.mails = nil })
	text, _ := w.order("0149", r, 1_000)
	_, err := w.call("0149", "/v1/debits", &g.LinkToken, "order", text)
	must(t, err)
	stop := w.stopURL()
	b := w.browser()
	b.get(stop).wants(t, "まるペイとの連携だけを停止する", "***4567")
	state := func() wire.LinkState {
		views, err := w.banks["0149"].bank.Links(t.Context(), linkAccount(t, w))
		must(t, err)
		return views[0].State
	}
	if got := state(); got != wire.LinkLimited {
		t.Fatalf("opening the page changed the link: %s", got)
	}
	if p := b.get(stop[:len(stop)-4] + "0000"); p.status != http.StatusGone {
		t.Errorf("a wrong token: %d", p.status)
	}
	b.post(stop, "", url.Values{"what": {"link"}}).wants(t, "停止しました")
	if got := state(); got != wire.LinkSuspended {
		t.Errorf("after the stop: %s", got)
	}
	b.post(stop, "", url.Values{"what": {"all"}}).wants(t, "すべての連携と新しい申し込みを停止しました")
	if stopped, err := w.banks["0149"].bank.Stopped(t.Context(), linkAccount(t, w)); err != nil || !stopped {
		t.Errorf("stop all: %v %v", stopped, err)
	}
}

// linkAccount is 佐藤花子's account.
func linkAccount(t *testing.T, w *world) bank.AccountID {
	t.Helper()
	acc, err := w.banks["0149"].bank.Store.AccountAt(t.Context(), bank.Place{Bank: "0149", Branch: "101", Kind: bank.Ordinary, Number: "1234567"})
	must(t, err)
	return acc.ID
}

// stopURL waits for a mail with a stop link.
func (w *world) stopURL() string {
	w.t.Helper()
	for range 200 {
		found := ""
		w.locked(func() {
			for _, m := range w.mails {
				if at := strings.Index(m.Text, w.issuer("0149")+"/stop/"); at >= 0 && found == "" {
					found, _, _ = strings.Cut(m.Text[at:], "\n")
				}
			}
		})
		if found != "" {
			return found
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatal("no mail with a stop link came")
	return ""
}
