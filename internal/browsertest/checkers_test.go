package browsertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// The checkers find what they are there for: a page with one of each mistake, behind a policy like ours.
func TestCheckersFind(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'")
		fmt.Fprint(w, `<!DOCTYPE html><html lang="ja"><title>x</title><main><h1>x</h1><img src="data:," width="900" height="9">`+
			`<button>y</button><p>⟦key⟧</p><script>document.title = 'z'</script></main></html>`)
	}))
	t.Cleanup(srv.Close)
	browser, e := chromium(t), openEyes(t)
	h := &hand{T: t, tab: browser, eyes: e}
	must(t, chromedp.Do(browser, chromedp.EmulateViewport(phone, tall)))
	h.listen()
	must(t, chromedp.Do(browser, chromedp.Navigate(srv.URL)))
	found := h.troubles()
	for _, want := range []string{"scrolls sideways", "too small to press", "a text is missing", "image-alt"} {
		if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, want) }) {
			t.Errorf("nobody found %q in %q", want, found)
		}
	}
	if !comes(5*time.Second, func() bool {
		return slices.ContainsFunc(h.heard(), func(c string) bool { return strings.Contains(c, "Content Security Policy") })
	}) {
		t.Errorf("nobody heard the browser: %q", h.heard())
	}
}
