package browsertest

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// axeScript is where scripts/needs.sh puts axe-core.
const axeScript = "../../test/browser/node_modules/axe-core/axe.min.js"

// axe answers what of the page keeps people out, one line each.
const axe = `axe.run(document, {resultTypes: ['violations']}).then((r) => r.violations.flatMap((v) =>
	v.nodes.map((n) => v.id + ': ' + v.help + ': ' + n.html.slice(0, 160) + ' ' + (n.any[0]?.message ?? n.all[0]?.message ?? n.none[0]?.message ?? ''))))`

// stray lists what sticks out sideways, what is too small for a finger, and what was left unsaid.
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

// eyes are what every page is looked at with.
type eyes struct {
	axe   string // the checker's program
	again bool   // another walk looks at what is on the common way
	dir   string // KOZAMORI_SHOTS: where all pages' pictures are kept; "" for nowhere
	docs  *album // the pictures of the documents, if they are asked for
}

func openEyes(t *testing.T) *eyes {
	t.Helper()
	script, err := os.ReadFile(axeScript)
	if err != nil {
		t.Fatalf("axe-core is not installed: scripts/needs.sh does that (%v)", err)
	}
	return &eyes{axe: string(script), dir: os.Getenv("KOZAMORI_SHOTS"), docs: openAlbum()}
}

// view is one way to look at a page.
type view struct {
	lang  string
	width int64
}

// views are the ways to look at a page, the phone in Japanese last.
func (e *eyes) views() []view {
	if e.dir != "" {
		return []view{{"en", phone}, {"en", desk}, {"ja", desk}, {"ja", phone}}
	}
	return []view{{"en", desk}, {"ja", phone}}
}

// keep keeps the picture of the page on the screen.
func (e *eyes) keep(h *hand, name string) {
	h.Helper()
	if e.dir == "" {
		return
	}
	b, err := chromedp.Run(h.tab, chromedp.FullScreenshot(100))
	must(h.T, err)
	must(h.T, os.WriteFile(filepath.Join(e.dir, name+".png"), b, 0o600))
}

// inLanguage is a page's address that asks for a language.
func inLanguage(address, lang string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	q := u.Query()
	q.Set("lang", lang)
	u.RawQuery = q.Encode()
	return u.String()
}

// look checks the page, unless another walk has come by here already.
func (h *hand) look(name string) {
	h.Helper()
	if !h.eyes.again {
		h.study(name)
	}
}

// study checks the page at this address: in English at a desk's width, and in Japanese on a phone, where it
// leaves it. With KOZAMORI_SHOTS=DIR it looks at all four and keeps their pictures.
func (h *hand) study(name string) {
	h.Helper()
	here := h.url()
	for _, as := range h.eyes.views() {
		h.do(chromedp.EmulateViewport(as.width, tall), chromedp.Navigate(inLanguage(here, as.lang)), chromedp.WaitVisible("main h1", chromedp.NodeReady))
		h.judge(fmt.Sprintf("%s-%s-%d", name, as.lang, as.width))
	}
}

// here checks the page as it stands on the screen: the answer to a form cannot be asked for again.
func (h *hand) here(name string) {
	h.Helper()
	h.judge(fmt.Sprintf("%s-ja-%d", name, phone))
}

// judge lets the checkers look.
func (h *hand) judge(name string) {
	h.Helper()
	for _, f := range h.troubles() {
		h.Errorf("%s: %s", name, f)
	}
	h.eyes.keep(h, name)
}

// troubles is what the checkers find on the screen.
func (h *hand) troubles() []string {
	h.Helper()
	found, err := chromedp.Run(h.tab, chromedp.Evaluate[[]string](stray))
	must(h.T, err)
	// The protocol evaluates beside the page's Content-Security-Policy, which stays in force for the page itself.
	_, err = chromedp.Run(h.tab, chromedp.Evaluate[any](h.eyes.axe+"; true"))
	must(h.T, err)
	violations, err := chromedp.Run(h.tab, chromedp.Evaluate[[]string](axe, chromedp.EvalAwaitPromise))
	must(h.T, err)
	for i, v := range violations {
		violations[i] = strings.Join(strings.Fields(v), " ")
	}
	return append(found, violations...)
}
