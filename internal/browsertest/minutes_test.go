package browsertest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/kozamori/kozamori/internal/dev"
)

// Suzuki Ichiro, as README.md says him.
const (
	ichiroMail    = "ichiro@example.jp"
	ichiroPhone   = "090-1111-0002"
	ichiroAccount = "2345678"
	ichiroPIN     = "4926"
	ichiroBirth   = "1978-11-23"
)

var (
	serviceCode = regexp.MustCompile(`\b(\d{6})\b`)
	bankCode    = regexp.MustCompile(`確認コード (\d{6})`)
	stopLink    = regexp.MustCompile(`(http://\S+/stop/\S+)`)
	mailNumber  = regexp.MustCompile(`reference into the bank's page: ([0-9-]+)`)
)

// walk is a person's first minutes: his own tab, and one with the inbox and the clock of dev.
type walk struct {
	*hand
	info dev.Info
	dev  *hand
	read map[string]int // letters read, by address
}

func newWalk(t *testing.T, first, synced bool) (*walk, context.Context) {
	t.Helper()
	info, browser, e := open(t), chromium(t), openEyes(t)
	e.again = !first
	w := &walk{hand: sit(t, browser, e), info: info, dev: sit(t, browser, e), read: map[string]int{}}
	passkeys(t, w.tab, synced)
	return w, browser
}

// wallet is まるペイ, bank is 静岡銀行.
func (w *walk) wallet() string { return w.info.Wallets[maru] }
func (w *walk) bank() string   { return w.info.Banks[shizuoka] }

// letter reads the newest letter to an address in the inbox, once it is there, and takes a number out of it.
func (w *walk) letter(to string, number *regexp.Regexp) string {
	w.Helper()
	w.dev.do(chromedp.Navigate(w.info.Inbox+"?to="+strings.ReplaceAll(to, "+", "%2B")), chromedp.WaitVisible("#letters"))
	found := ""
	if !comes(patience, func() bool {
		letters, err := chromedp.Run(w.dev.tab, chromedp.Evaluate[[]string](`[...document.querySelectorAll('#letters article')].map((l) => l.innerText)`))
		if err != nil {
			return false
		}
		for _, l := range letters[:max(0, len(letters)-w.read[to])] {
			if m := number.FindStringSubmatch(l); m != nil {
				found, w.read[to] = m[1], len(letters)
				return true
			}
		}
		return false
	}) {
		w.Fatalf("no letter to %s with %s: %s", to, number, w.dev.words())
	}
	return found
}

// international is a Japanese phone number as carriers write it.
func international(local string) string {
	return "+81" + strings.TrimPrefix(strings.ReplaceAll(local, "-", ""), "0")
}

// signUp makes an account at the wallet: e-mail, phone, passkey.
func (w *walk) signUp(mail, number string) {
	w.Helper()
	w.open(w.wallet() + "/")
	w.look("wallet-welcome")
	w.press(`a[href="/signup"]`, "#f-email")
	w.look("wallet-signup")
	w.fill("email", mail)
	w.next("#f-code")
	w.look("wallet-code")
	w.fill("code", w.letter(mail, serviceCode))
	w.next("#f-phone")
	w.look("wallet-phone")
	w.fill("phone", number)
	w.next("#f-code")
	w.fill("code", "000000")
	w.next(".notice.bad")
	w.here("wallet-code-wrong")
	w.fill("code", w.letter(international(number), serviceCode))
	w.next(`form[action="/steps/device"]`)
	w.look("wallet-passkey")
	w.signs(`form[action="/steps/device"] button`, ".hero .figure")
	w.look("wallet-home-new")
	w.open(w.wallet() + "/account")
	w.look("wallet-account")
	w.open(w.wallet() + "/links")
	w.look("wallet-links-unproved")
}

// proved lets the wallet's staff, at a computer of their own, record his identity.
func (w *walk) proved(browser context.Context, mail, kana, birth string) {
	w.Helper()
	staff := sit(w.T, browser, w.eyes, chromedp.WithNewBrowserContext())
	staff.open(w.wallet() + "/staff")
	staff.look("staff-signin")
	staff.fill("name", w.info.Staff[string(maru)].Name)
	staff.fill("password", w.info.Staff[string(maru)].Password)
	staff.next("#f-holder")
	staff.fill("holder", mail)
	staff.next(`a[href^="/staff/holders/"]`)
	staff.look("staff-found")
	staff.press(`a[href^="/staff/holders/"]`, "#f-name_kana")
	staff.look("staff-prove")
	staff.fill("name_kana", kana)
	staff.date("birth_date", birth)
	staff.fill("document_number", "TK1234567")
	staff.do(chromedp.Click(`input[name="document_kind"][value="passport"]`), chromedp.Click("#f-seen"))
	staff.next(".notice.good")
	staff.look("staff-proved")
	staff.open(w.wallet() + "/staff/money")
	staff.look("staff-books")
}

// asks finds a bank by its kana, goes there and names an account.
func (w *walk) asks(bank, kana, branch, account string) {
	w.Helper()
	w.open(w.wallet() + "/")
	w.look("wallet-home-proved")
	w.press(`a[href="/links/new"]`, "#f-bank")
	w.look("wallet-choose")
	w.suggested("bank", kana)
	form := `form[action="/links/new/` + bank + `"]`
	w.do(chromedp.WaitVisible(form))
	w.look("wallet-review")
	w.press(form+" button", "#f-branch")
	w.look("bank-account")
	w.suggested("branch", branch)
	w.fill("number", account)
	w.press(`form[action$="/account"] button.primary`, `a[href$="/method/code"]`)
	w.look("bank-methods")
}

// linked asks the bank for a link, proves himself with a code, and comes back with it.
func (w *walk) linked(mail, number, account, pin string) {
	w.Helper()
	w.asks(string(shizuoka), "しずおか", "ほんてん", account)
	w.press(`a[href$="/method/code"]`, `form[action$="/code"] button`)
	w.look("bank-code")
	w.press(`form[action$="/code"] button`, "#f-code")
	w.fill("code", "000000")
	w.press(`form[action$="/check"] button.primary`, ".notice.bad")
	w.here("bank-code-wrong")
	w.fill("code", w.letter(international(number), bankCode))
	w.press(`form[action$="/check"] button.primary`, "#f-pin")
	w.look("bank-pin")
	w.fill("pin", pin)
	w.press(`form[action$="/pin"] button.primary`, "#f-agree")
	w.look("bank-consent")
	w.portrait("consent")
	w.fill("reference", w.letter(mail, mailNumber))
	w.do(chromedp.Click("#f-agree"))
	w.press(`form[action$="/consent"] button.primary`, `a[href^="/links/lnk_"]`)
	w.sees("連携しました")
	w.look("wallet-linked")
	w.press(`a[href^="/links/lnk_"]`, "dl.facts")
	w.look("wallet-link")
}

// ahead is what the clock page says only once the clock was moved.
var ahead = regexp.MustCompile(`実際の時刻より.*進んでいます`)

// later moves everybody's clock by twelve hours, with the button of the clock page.
func (w *walk) later() {
	w.Helper()
	w.dev.open(w.info.Clock)
	w.dev.look("dev-clock")
	before := ahead.FindString(w.dev.words())
	w.dev.do(chromedp.Click(`form:has(input[value="12"]) button`))
	if !comes(patience, func() bool { now := ahead.FindString(w.dev.words()); return now != "" && now != before }) {
		w.Fatalf("the clock stands still: %s", w.dev.words())
	}
}

// charge asks for a charge and signs it with the passkey.
func (w *walk) charge(amount string) {
	w.Helper()
	w.open(w.wallet() + "/charge")
	w.look("wallet-charge")
	w.fill("amount", amount)
	w.next(`form[action$="/agree"] button`)
	w.look("wallet-confirm")
	w.portrait("charge")
	w.signs(`form[action$="/agree"] button.primary`, ".notice.good")
	w.look("wallet-charged")
}

// code shows a payment code and reads its QR from the screen as a till's reader would.
func (w *walk) code() string {
	w.Helper()
	w.open(w.wallet() + "/pay")
	w.look("wallet-pay-before")
	w.open(w.wallet() + "/")
	w.press(`form[action="/pay"] button`, "[data-code]")
	w.look("wallet-pay")
	w.do(chromedp.EmulateViewport(phone, tall, chromedp.EmulateScale(3)))
	shot, err := chromedp.Run(w.tab, chromedp.CaptureScreenshot())
	must(w.T, err)
	w.do(chromedp.EmulateViewport(phone, tall))
	file := filepath.Join(w.TempDir(), "pay.png")
	must(w.T, os.WriteFile(file, shot, 0o600))
	read, err := exec.CommandContext(w.Context(), "zbarimg", "--quiet", file).Output()
	if err != nil {
		w.Fatalf("zbarimg (Debian: zbar-tools): %v", err)
	}
	for line := range strings.Lines(string(read)) {
		if code, ok := strings.CutPrefix(strings.TrimSpace(line), "QR-Code:"); ok {
			return code
		}
	}
	w.Fatalf("no QR on the screen: %s", read)
	return ""
}

// till opens the till of a shop, in another browser.
func (w *walk) till(browser context.Context, shop string) *hand {
	w.Helper()
	till := sit(w.T, browser, w.eyes, chromedp.WithNewBrowserContext())
	till.open(w.info.Till[maru])
	till.look("till-signin")
	till.fill("key", w.info.Shops[shop])
	till.next("#f-code")
	till.look("till")
	return till
}

// signIn opens the bank's portal with a code and the PIN.
func (w *walk) signIn(number, account, birth, pin string) {
	w.Helper()
	w.open(w.bank() + "/")
	w.look("portal-signin")
	w.suggested("branch", "ほんてん")
	w.fill("number", account)
	w.date("birth", birth)
	w.press(`form[action="/signin"] button.primary`, `a[href$="/method/code"]`)
	w.look("portal-methods")
	w.proves(number, "#f-pin")
	w.fill("pin", pin)
	w.press(`form[action$="/pin"] button.primary`, ".passbook")
}

// proves types a code that the bank sends to a phone.
func (w *walk) proves(number, then string) {
	w.Helper()
	w.press(`a[href$="/method/code"]`, `form[action$="/code"] button`)
	w.press(`form[action$="/code"] button`, "#f-code")
	w.fill("code", w.letter(international(number), bankCode))
	w.press(`form[action$="/check"] button.primary`, then)
}

// enrol registers a passkey at the bank, from the page of contacts.
func (w *walk) enrol(number string) {
	w.Helper()
	w.press(`form[action="/portal/passkey"] button`, `a[href$="/method/code"]`)
	enrol := `form[action$="/enrol"] button.primary`
	w.proves(number, enrol)
	w.look("portal-enrol")
	w.signs(enrol, ".notice.good")
	w.here("portal-enrolled")
}

// The first five minutes of README.md, with a person's hands: Suzuki Ichiro signs up, is proved, links his
// account, charges and pays in a shop; then, as a depositor, he sees all of it at his bank and stops it.
func TestFirstFiveMinutes(t *testing.T) {
	w, browser := newWalk(t, true, false)
	w.dev.open(w.info.URL)
	w.dev.look("dev-home")
	w.signUp(ichiroMail, ichiroPhone)
	w.proved(browser, ichiroMail, "スズキ イチロウ", ichiroBirth)
	w.linked(ichiroMail, ichiroPhone, ichiroAccount, ichiroPIN)

	w.open(w.wallet() + "/charge")
	w.sees("L9")
	w.look("wallet-charge-cooling")
	w.later()
	w.charge("3000")
	w.open(w.wallet() + "/charge")
	w.fill("amount", "6000")
	w.next(".notice.bad")
	w.sees("L13")
	w.here("wallet-charge-refused")
	w.open(w.wallet() + "/")
	w.look("wallet-home")
	w.portrait("home")

	till := w.till(browser, "shop_lunch")
	till.fill("amount", "600")
	till.fill("code", w.code())
	till.next(".notice.good")
	w.sees("支払いました")
	till.look("till-paid")
	w.look("wallet-paid")
	w.open(w.wallet() + "/history")
	w.look("wallet-history")

	w.signIn(ichiroPhone, ichiroAccount, ichiroBirth, ichiroPIN)
	w.look("portal-home")
	w.open(w.bank() + "/portal/passbook")
	w.sees("ﾏﾙﾍﾟｲ", "3,000")
	w.look("portal-passbook")
	w.portrait("passbook")
	w.open(w.bank() + "/portal/links")
	w.look("portal-links")
	w.portrait("links")
	w.press(`a[href^="/portal/links/lnk_"]`, "dl.facts")
	w.look("portal-link")
	w.open(w.bank() + "/portal/debits")
	w.look("portal-debits")
	w.open(w.bank() + "/portal/contacts")
	w.look("portal-contacts")
	w.enrol(ichiroPhone)
	w.open(w.letter(ichiroMail, stopLink))
	w.look("stop-link")
	w.open(w.bank() + "/portal")
	w.press(`form[action="/portal/stop"] button`, `form[action="/portal/undo"]`)
	w.sees("すべて停止しています")
	w.look("portal-stopped")
	w.portrait("stopped")

	w.open(w.wallet() + "/charge")
	w.sees("D2")
	w.look("wallet-charge-stopped")
	w.portrait("refused")
	w.open(w.wallet() + "/")
	w.look("wallet-home-stopped")

	w.dev.open(w.info.Inbox)
	w.dev.look("dev-inbox")
	w.dev.open(w.info.Audit)
	w.dev.sees("すべて一致しています")
	w.dev.look("dev-audit")
	for file, lang := range map[string]string{"overview.png": "en", "overview.ja.png": "ja"} {
		w.eyes.docs.print(t, file, lang, "home", "consent", "links", "charge")
	}
	w.eyes.docs.print(t, "stop.png", "en", "passbook", "stopped", "refused")
}
