package bankd

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/kozamori/kozamori/internal/bank"
)

// The pages of a link request in a real browser: branch found while typing, code by SMS, PIN, consent with
// the e-mail's number, and back to the service's own page, past the Content-Security-Policy of the form.
func TestLinkPagesInChromium(t *testing.T) {
	w := newWorld(t)
	a := w.ask("0149", nil)
	ctx := chromium(t)
	look := func(path, name string) { looked(t, ctx, a.base()+path, "link-"+name) }

	must(t, chromedp.Do(ctx, chromedp.Navigate(a.push().AuthorizationURL), chromedp.WaitVisible("#f-branch")))
	look("", "account")
	must(t, chromedp.Do(ctx, chromedp.SendKeys("#f-branch", "ほんてん"), chromedp.WaitVisible(`.suggest-list [role="option"]`),
		chromedp.Click(`.suggest-list [role="option"]`)))
	chosen, err := chromedp.Run(ctx, chromedp.Value("#f-branch"))
	must(t, err)
	if !strings.Contains(chosen, "本店") {
		t.Fatalf("typing ほんてん and choosing gives %q", chosen)
	}
	branch, err := chromedp.Run(ctx, chromedp.Value(`input[name="branch_choice"]`, chromedp.NodeReady))
	must(t, err)
	w.hanako("0149", func(n *bank.NewAccount) { n.Branch = branch })
	must(t, chromedp.Do(ctx, chromedp.SendKeys("#f-number", "1234567"), chromedp.Click("h1"),
		chromedp.Click(`form[action$="/account"] button.primary`), chromedp.WaitVisible(`a[href$="/method/code"]`)))
	for path, name := range map[string]string{"": "methods", "/method/passkey": "passkey", "/method/atm": "atm", "/method/code": "code"} {
		look(path, name)
	}
	w.locked(func() { w.sms = nil })
	must(t, chromedp.Do(ctx, chromedp.Navigate(a.base()+"/method/code"), chromedp.Click(`form[action$="/code"] button`)))
	code := w.code("+819011112222")
	look("/method/code", "code-sent")
	must(t, chromedp.Do(ctx, chromedp.WaitVisible("#f-code"), chromedp.SendKeys("#f-code", code), chromedp.Click(`form[action$="/check"] button.primary`),
		chromedp.WaitVisible("#f-pin")))
	look("", "pin")
	must(t, chromedp.Do(ctx, chromedp.SendKeys("#f-pin", hanakoPIN), chromedp.Click(`form[action$="/pin"] button.primary`), chromedp.WaitVisible("#f-agree")))
	look("", "consent")
	must(t, chromedp.Do(ctx, chromedp.SendKeys("#f-reference", w.typed()), chromedp.Click("#f-agree"),
		chromedp.Click(`form[action$="/consent"] button.primary`), chromedp.WaitVisible("#back")))
	here, err := chromedp.Run(ctx, chromedp.Location())
	must(t, err)
	u, err := url.Parse(here)
	must(t, err)
	if u.Query().Get("state") != a.state || u.Query().Get("iss") != w.issuer("0149") || u.Query().Get("code") == "" {
		t.Fatalf("back at %s", here)
	}
	look("", "given")

	over := w.ask("0149", nil)
	must(t, chromedp.Do(ctx, chromedp.Navigate(over.push().AuthorizationURL), chromedp.WaitVisible("#f-branch")))
	must(t, w.banks["0149"].bank.End(t.Context(), w.request(over), "tries"))
	looked(t, ctx, over.base(), "link-over")
	must(t, chromedp.Do(ctx, chromedp.Click("a.button"), chromedp.WaitVisible("#back")))
	w.forward(bank.SessionLife + time.Minute)
	must(t, chromedp.Do(ctx, chromedp.Navigate(a.base()), chromedp.WaitVisible("h1")))
}
