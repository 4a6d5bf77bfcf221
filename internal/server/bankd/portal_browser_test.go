package bankd

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/money"
)

// chromium starts a browser with an empty profile and a platform authenticator.
func chromium(t *testing.T) context.Context {
	t.Helper()
	o := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("hide-scrollbars", true))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), o...)
	t.Cleanup(stop)
	ctx, cancel := context.WithTimeout(ctx, 6*time.Minute)
	t.Cleanup(cancel)
	ctx, closed := chromedp.NewContext(ctx)
	t.Cleanup(closed)
	must(t, chromedp.Do(ctx, chromedp.EmulateViewport(390, 844)))
	_, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{})
	must(t, err)
	_, err = chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	must(t, err)
	return ctx
}

// stray lists what sticks out sideways, and what is too small for a finger.
const stray = `(() => {
	const out = [], width = document.documentElement.clientWidth;
	if (document.documentElement.scrollWidth > width) out.push('the page scrolls sideways: ' + document.documentElement.scrollWidth + ' > ' + width);
	for (const e of document.querySelectorAll('a.button, button, nav a, .top a, .list a, summary, label.choice, .input > input, .back')) {
		const box = e.getBoundingClientRect();
		if (box.width > 0 && (box.height < 43.5 || box.width < 43.5)) out.push('too small to press: ' + e.outerHTML.slice(0, 80));
	}
	if (document.querySelectorAll('h1').length !== 1) out.push('not one h1');
	if (document.body.textContent.includes('⟦')) out.push('a text is missing');
	return out;
})()`

// looked opens a page at both widths and languages. KOZAMORI_SHOTS=DIR keeps the pictures.
func looked(t *testing.T, ctx context.Context, url, name string) {
	t.Helper()
	for _, lang := range []string{"en", "ja"} {
		for _, width := range []int64{1200, 390} {
			var err error
			for range 8 { // now and then the browser loses the end of a navigation; she would open the page again
				once, cancel := context.WithTimeout(ctx, 10*time.Second)
				err = chromedp.Do(once, chromedp.EmulateViewport(width, 844), chromedp.Navigate(url+"?lang="+lang), chromedp.WaitVisible("h1"))
				cancel()
				if err == nil {
					break
				}
			}
			must(t, err)
			found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](stray))
			must(t, err)
			for _, f := range found {
				t.Errorf("%s %s %d: %s", name, lang, width, f)
			}
			if width == 390 {
				axe(t, ctx, name+" "+lang)
			}
			if dir := os.Getenv("KOZAMORI_SHOTS"); dir != "" {
				b, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				must(t, err)
				must(t, os.WriteFile(filepath.Join(dir, name+"-"+lang+map[int64]string{390: "-390", 1200: "-1200"}[width]+".png"), b, 0o600))
			}
		}
	}
}

// A depositor who is nobody's customer, in a real browser: signs in by code and PIN, enrols a passkey, sees
// every page, stops everything with one button, and signs in again with the passkey.
func TestPortalInChromium(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a := w.ask("0149", nil)
	g, r := a.linked()
	w.forward(12 * time.Hour)
	for _, amount := range []money.Yen{3_000, 2_500} {
		text, _ := w.order("0149", r, amount)
		_, err := w.call("0149", "/v1/debits", &g.LinkToken, "order", text)
		must(t, err)
	}
	issuer := w.issuer("0149")
	ctx := chromium(t)
	text := func() string {
		t.Helper()
		s, err := chromedp.Run(ctx, chromedp.Text("main"))
		must(t, err)
		return s
	}
	account := []chromedp.Action[chromedp.Void]{
		chromedp.SendKeys("#f-branch", "101"), chromedp.SendKeys("#f-number", "1234567"),
		chromedp.SetValue("#f-birth", "1985-04-01"), chromedp.Click("h1"), chromedp.Click("form.card button.primary"), chromedp.WaitVisible(`a[href$="/method/code"]`),
	}
	must(t, chromedp.Do(ctx, chromedp.Navigate(issuer+"/?lang=ja"), chromedp.WaitVisible("#f-branch")))
	looked(t, ctx, issuer+"/", "signin")
	w.locked(func() { w.sms = nil })
	must(t, chromedp.Do(ctx, account...))
	must(t, chromedp.Do(ctx, chromedp.Click(`a[href$="/method/code"]`), chromedp.WaitVisible(`form[action$="/code"] button`),
		chromedp.Click(`form[action$="/code"] button`)))
	code := w.code("+819011112222")
	must(t, chromedp.Do(ctx, chromedp.WaitVisible("#f-code"), chromedp.SendKeys("#f-code", code), chromedp.Click("form button.primary"),
		chromedp.WaitVisible("#f-pin"), chromedp.SendKeys("#f-pin", string(hanakoPIN)), chromedp.Click("form button.primary"), chromedp.WaitVisible(".passbook")))
	for name, path := range map[string]string{"home": "/portal", "passbook": "/portal/passbook", "links": "/portal/links",
		"link": "/portal/links/" + string(r.Link), "debits": "/portal/debits", "contacts": "/portal/contacts"} {
		looked(t, ctx, issuer+path, name)
	}

	w.locked(func() { w.sms = nil })
	must(t, chromedp.Do(ctx, chromedp.Navigate(issuer+"/portal?lang=ja"), chromedp.Click(`form[action="/portal/passkey"] button`),
		chromedp.WaitVisible(`a[href$="/method/code"]`), chromedp.Click(`a[href$="/method/code"]`),
		chromedp.WaitVisible(`form[action$="/code"] button`), chromedp.Click(`form[action$="/code"] button`)))
	code = w.code("+819011112222")
	must(t, chromedp.Do(ctx, chromedp.WaitVisible("#f-code"), chromedp.SendKeys("#f-code", code), chromedp.Click("form button.primary"),
		chromedp.WaitVisible(`form[action$="/enrol"]`)))
	here, err := chromedp.Run(ctx, chromedp.Location())
	must(t, err)
	looked(t, ctx, strings.SplitN(here, "?", 2)[0], "enrol")
	enrol := `form[action$="/enrol"] button.primary`
	must(t, chromedp.Do(ctx, chromedp.Navigate(here), chromedp.WaitEnabled(enrol), chromedp.Click(enrol), chromedp.WaitVisible(".notice.good")))
	if !strings.Contains(text(), "パスキーを登録しました") {
		t.Fatalf("after enrolling: %s", text())
	}

	must(t, chromedp.Do(ctx, chromedp.Click(`form[action="/portal/stop"] button`), chromedp.WaitVisible(`form[action="/portal/undo"]`)))
	if !strings.Contains(text(), "すべて停止しています") {
		t.Fatalf("after the stop: %s", text())
	}
	looked(t, ctx, issuer+"/portal", "stopped")

	must(t, chromedp.Do(ctx, chromedp.Click(`form[action="/portal/signout"] button`), chromedp.WaitVisible("#f-branch")))
	must(t, chromedp.Do(ctx, account...))
	must(t, chromedp.Do(ctx, chromedp.Click(`a[href$="/method/passkey"]`), chromedp.WaitEnabled(`form[action$="/passkey"] button`),
		chromedp.Click(`form[action$="/passkey"] button`), chromedp.WaitVisible("#f-pin"), chromedp.SendKeys("#f-pin", string(hanakoPIN)),
		chromedp.Click("form button.primary"), chromedp.WaitVisible(".passbook")))

	w.locked(func() { w.mails = nil })
	must(t, w.banks["0149"].bank.TellNow(t.Context(), bank.Event{Kind: bank.EventDebit, Account: linkAccount(t, w), Link: r.Link, Service: "maru", Amount: 1_000, At: w.clock()}))
	looked(t, ctx, w.stopURL(), "stop")
}
