package browsertest

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// Takahashi Kiyo, of whom the bank has neither a phone nor an e-mail.
const (
	kiyoMail    = "kiyo@wallet.example.jp"
	kiyoPhone   = "090-7777-0003"
	kiyoAccount = "3456789"
	kiyoPIN     = "7304"
)

// insert puts a card into the ATM.
func (w *walk) insert(card, pin string) {
	w.Helper()
	w.dev.open(w.info.ATM)
	w.dev.do(chromedp.SetValue("#f-card", card), chromedp.SendKeys("#f-pin", pin))
	w.dev.next(`form[action="/atm/eject"]`)
}

// Takahashi Kiyo links with her card: the ATM shows who asks and opens a window, and later takes her word that
// she knows of the link; until then it waits (L8). The hub's staff stop new links, and the wallet says so.
func TestLinkWithACard(t *testing.T) {
	w, browser := newWalk(t, false, false)
	w.dev.open(w.info.ATM)
	w.dev.study("atm")
	w.signUp(kiyoMail, kiyoPhone)
	w.proved(browser, kiyoMail, "タカハシ キヨ", "1948-07-15")
	w.asks("0150", "するが", "しぶや", kiyoAccount)
	w.press(`a[href$="/method/atm"]`, `form[action$="/atm"] button`)
	w.study("bank-atm")
	w.press(`form[action$="/atm"] button`, ".notice.bad")
	w.here("bank-atm-not-yet")
	reference, err := chromedp.Run(w.tab, chromedp.Evaluate[string](`document.querySelector('.big-code').textContent`))
	must(t, err)
	w.insert("card-kiyo", kiyoPIN)
	w.dev.fill("reference", reference)
	w.dev.press(`form[action="/atm"] button`, `form[action="/atm/window"]`)
	w.dev.sees("まるペイ", "タカハシ キヨ")
	w.dev.study("atm-request")
	w.dev.press(`form[action="/atm/window"] button`, ".notice.good")
	w.dev.study("atm-confirmed")
	w.press(`form[action$="/atm"] button`, "#f-pin")
	w.fill("pin", kiyoPIN)
	w.press(`form[action$="/pin"] button.primary`, "#f-agree")
	w.study("bank-consent-strong")
	w.do(chromedp.Click("#f-agree"))
	w.press(`form[action$="/consent"] button.primary`, `a[href^="/links/lnk_"]`)
	w.sees("あと一歩です")
	w.study("wallet-waiting")
	w.dev.open(w.info.ATM)
	w.dev.study("atm-notice")
	w.dev.press(`form[action="/atm/acknowledge"] button`, ".notice.good")
	w.dev.do(chromedp.WaitVisible(`form[action="/atm/stop"] button`))
	w.press(`a[href^="/links/lnk_"]`, "dl.facts")
	if !comes(patience, func() bool { w.open(w.url()); return strings.Contains(w.words(), "待機期間") }) {
		t.Fatalf("the link never cools off: %s", w.words())
	}

	hub := sit(t, browser, w.eyes, chromedp.WithNewBrowserContext())
	hub.open(w.info.Hub + "/")
	hub.study("hub-home")
	hub.open(w.info.Hub + "/staff")
	hub.study("hub-signin")
	hub.fill("name", w.info.Staff["hub"].Name)
	hub.fill("password", w.info.Staff["hub"].Password)
	hub.next(`a[href^="/staff/suspend"]`)
	for name, path := range map[string]string{"matrix": "", "links": "/links", "debits": "/debits"} {
		hub.open(w.info.Hub + "/staff" + path)
		hub.study("hub-" + name)
	}
	hub.open(w.info.Hub + "/staff/suspend?service=maru&issuer=" + w.info.Banks[shizuoka])
	hub.study("hub-suspend")
	hub.do(chromedp.Click(`input[name="state"][value="no_new_links"]`), chromedp.SendKeys("#f-why", "調査のため"), chromedp.Click("main form button"))
	hub.sees("新規停止")
	hub.open(w.info.Hub + "/staff/acts")
	hub.study("hub-acts")

	w.open(w.wallet() + "/links/new/0149")
	w.study("wallet-review-refused")
	w.open(w.wallet() + "/account/email")
	w.study("wallet-change-email")
	w.open(w.wallet() + "/account/device")
	w.study("wallet-replace-device")
	w.press(`form[action="/signout"] button`, `a[href="/signin"]`)
	w.open(w.wallet() + missing)
	w.study("wallet-missing")
	w.open(w.wallet() + "/recover")
	w.study("wallet-recover")
	w.open(w.wallet() + "/signin")
	w.study("wallet-signin")
	w.signs(`form[action="/signin"] button`, ".hero .figure")
}
