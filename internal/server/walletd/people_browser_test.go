package walletd

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/kozamori/kozamori/internal/identity"
)

// A person in a real browser: signs up with a passkey that may be synced, so that the browser's own key comes with
// it, has her identity examined, links, and signs in again.
func TestPeoplePagesInChromium(t *testing.T) {
	h := newHouse(t)
	ctx := chromium(t, true)
	look := func(path, name string) { t.Helper(); looked(t, ctx, h.origin+path, name) }
	press := func(steps ...chromedp.Action[chromedp.Void]) { t.Helper(); must(t, chromedp.Do(ctx, steps...)) }

	look("/", "welcome")
	look("/signup", "signup")
	press(chromedp.SendKeys("#f-email", "hanako@example.jp"), chromedp.Click("form.card button.primary"), chromedp.WaitVisible("#f-code"))
	look("/steps", "email-code")
	press(chromedp.SendKeys("#f-code", h.codeFor("hanako@example.jp")), chromedp.Click("form.card button.primary"), chromedp.WaitVisible("#f-phone"))
	look("/steps", "phone")
	press(chromedp.SendKeys("#f-phone", "090-1111-2222"), chromedp.Click("form.card button.primary"), chromedp.WaitVisible("#f-code"))
	press(chromedp.SendKeys("#f-code", "000000"), chromedp.Click("form.card button.primary"), chromedp.WaitVisible(".notice.bad"))
	press(chromedp.SendKeys("#f-code", h.codeFor("+819011112222")), chromedp.Click("form.card button.primary"), chromedp.WaitVisible(`form[action="/steps/device"]`))
	look("/steps", "device")
	press(chromedp.WaitEnabled(`form[action="/steps/device"] button`), chromedp.Click(`form[action="/steps/device"] button`), chromedp.WaitVisible(".hero .figure"))
	look("/", "home-unproved")
	look("/account", "account")
	look("/links", "links-unproved")

	holder, err := h.server.wallet.FindHolder(t.Context(), "hanako@example.jp")
	must(t, err)
	sub := holder.Subject
	d, err := h.server.store.Device(t.Context(), sub)
	must(t, err)
	if !d.Keys.Synced || d.Keys.BrowserKey == "" {
		t.Fatalf("a synced passkey without the browser's key: %+v", d.Keys)
	}
	_, err = h.server.prove(t.Context(), "tanaka", sub, identity.Evidence{NameKana: "サトウ ハナコ", BirthDate: "1985-04-01",
		Document: identity.Document{Kind: identity.DriverLicence, Number: "309012345620"}})
	must(t, err)
	look("/", "home-proved")
	look("/links/new", "choose")
	press(chromedp.Navigate(h.origin+"/links/new"), chromedp.SendKeys("#f-bank", "しずおか"), chromedp.WaitVisible(`.suggest-list [role="option"]`),
		chromedp.Click(`.suggest-list [role="option"]`), chromedp.WaitVisible(`form[action="/links/new/0149"]`))
	look("/links/new/0149", "review")
	look("/links/new/0150", "review-stopped")

	// What the bank's side would do: the request is made and comes back with a code.
	press(chromedp.Navigate(h.origin+"/links/new/0149"), chromedp.Click(`form[action="/links/new/0149"] button`))
	for here := h.origin; strings.HasPrefix(here, h.origin); time.Sleep(50 * time.Millisecond) { // until it has left for the bank
		var err error
		here, err = chromedp.Run(ctx, chromedp.Location())
		must(t, err)
	}
	asks, err := h.server.store.AsksOf(t.Context(), sub)
	if err != nil || len(asks) != 1 {
		t.Fatalf("%d requests, %v", len(asks), err)
	}
	state := asks[0].State
	press(chromedp.Navigate(h.origin+back(state, "code", string(bankOne))), chromedp.WaitVisible(".notice.good"))
	here, err := chromedp.Run(ctx, chromedp.Location())
	must(t, err)
	look(strings.TrimPrefix(here, h.origin), "linked")
	look("/links", "links")
	look("/links/lnk_00000000000000000000000001", "link")
	look("/", "home-linked")
	look("/account/email", "change-email")
	look("/account/device", "replace")

	press(chromedp.Navigate(h.origin+"/"), chromedp.Click(`form[action="/signout"] button`), chromedp.WaitVisible(`a[href="/signin"]`))
	look("/signin", "signin")
	look("/recover", "recover")
	press(chromedp.Navigate(h.origin+"/signin"), chromedp.WaitEnabled(`form[action="/signin"] button`), chromedp.Click(`form[action="/signin"] button`),
		chromedp.WaitVisible(".hero .figure"))

	press(chromedp.Navigate(h.origin+"/staff/sign-in"), chromedp.WaitVisible("#f-password"))
	look("/staff/sign-in", "staff-signin")
	press(chromedp.SendKeys("#f-name", "tanaka"), chromedp.SendKeys("#f-password", staffPassword), chromedp.Click("form.card button.primary"), chromedp.WaitVisible("#f-holder"))
	look("/staff", "staff")
	look("/staff/holders/"+string(sub), "staff-prove")
}
