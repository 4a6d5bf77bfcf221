package browsertest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const (
	missing = "/no-such-page"

	phone = 390
	desk  = 1200
	tall  = 844

	patience = 20 * time.Second
)

// hand is somebody at a tab of a browser.
type hand struct {
	*testing.T
	tab  context.Context
	eyes *eyes

	mu         sync.Mutex
	complaints []string // of the browser
}

// sit opens a tab and listens to what the browser complains about until the test ends.
func sit(t *testing.T, browser context.Context, e *eyes, o ...chromedp.ContextOption) *hand {
	t.Helper()
	tab, closed := chromedp.NewContext(browser, o...)
	t.Cleanup(closed)
	h := &hand{T: t, tab: tab, eyes: e}
	h.listen()
	t.Cleanup(func() {
		time.Sleep(50 * time.Millisecond) // what the last page said is still on its way
		for _, c := range h.heard() {
			t.Errorf("the browser complains: %s", c)
		}
	})
	h.do(chromedp.EmulateViewport(phone, tall))
	return h
}

// listen collects what the browser complains about, until the tab is closed.
func (h *hand) listen() {
	messages := chromedp.Console(h.tab)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type != chromedp.ConsoleDebug && !answered(m) {
				h.mu.Lock()
				h.complaints = append(h.complaints, string(m.Type)+" "+m.Source+": "+m.Text+" ("+m.URL+")")
				h.mu.Unlock()
			}
		}
	}()
}

// heard is what the browser has complained about so far.
func (h *hand) heard() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.complaints)
}

// answered says that the message only repeats the status of a page that refuses something in words of its own.
func answered(m chromedp.ConsoleMessage) bool {
	return m.Source == "network" && (strings.Contains(m.Text, "status of 422") || strings.HasSuffix(m.URL, missing))
}

func (h *hand) do(steps ...chromedp.Action[chromedp.Void]) {
	h.Helper()
	ctx, cancel := context.WithTimeout(h.tab, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		h.Fatalf("%v; on the screen: %s", err, h.words())
	}
}

// open goes to an address, in Japanese.
func (h *hand) open(url string) {
	h.Helper()
	h.do(chromedp.Navigate(inLanguage(url, "ja")), chromedp.WaitVisible("main h1, main .hero", chromedp.NodeReady))
}

// words is what the page says; nothing while another is being loaded.
func (h *hand) words() string {
	ctx, cancel := context.WithTimeout(h.tab, 2*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector('main')?.innerText ?? ''`))
	if err != nil && h.tab.Err() != nil {
		h.Fatal(err)
	}
	return text
}

// url is the address of the page on the screen.
func (h *hand) url() string {
	h.Helper()
	here, err := chromedp.Run(h.tab, chromedp.Location())
	must(h.T, err)
	return here
}

// comes waits until something holds, and says whether it did in time.
func comes(within time.Duration, holds func() bool) bool {
	for end := time.Now().Add(within); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// sees waits until the page says something.
func (h *hand) sees(want ...string) {
	h.Helper()
	for _, w := range want {
		if !comes(patience, func() bool { return strings.Contains(h.words(), w) }) {
			h.Fatalf("%s never says %q: %s", h.url(), w, h.words())
		}
	}
}

// fill types into the field of a name.
func (h *hand) fill(field, value string) {
	h.Helper()
	h.do(chromedp.WaitVisible("#f-"+field), chromedp.SendKeys("#f-"+field, value))
}

// date puts a day into a date field, whose keys depend on the browser's locale.
func (h *hand) date(field, value string) {
	h.Helper()
	h.do(chromedp.SetValue("#f-"+field, value))
}

// suggested types kana into a field and takes the first of what it offers.
func (h *hand) suggested(field, kana string) {
	h.Helper()
	h.fill(field, kana)
	h.do(chromedp.WaitVisible(`.suggest-list [role="option"]`))
	h.here("suggest-" + field)
	h.do(chromedp.Click(`.suggest-list [role="option"]`))
}

// press presses what a selector names and waits for what comes after it.
func (h *hand) press(what, then string) {
	h.Helper()
	h.do(chromedp.Click(what), chromedp.WaitVisible(then))
}

// next presses the page's main button.
func (h *hand) next(then string) {
	h.Helper()
	h.press("main form button.primary", then)
}

// signs presses the button that asks for the passkey, once, as soon as it can be pressed.
func (h *hand) signs(button, then string) {
	h.Helper()
	h.do(chromedp.WaitEnabled(button), chromedp.Click(button), chromedp.WaitVisible(then))
}
