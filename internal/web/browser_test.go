package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// browser starts Chromium with an empty profile; every context made from the result is a tab of it.
func browser(t *testing.T) context.Context {
	t.Helper()
	o := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), o...)
	t.Cleanup(stop)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	ctx, closed := chromedp.NewContext(ctx)
	t.Cleanup(closed)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// serve answers the pages of the kit in a look, under an address with a host name, as passkeys need.
func serve(t *testing.T, s *Site, mux *http.ServeMux) string {
	t.Helper()
	srv := httptest.NewServer(s.Wrap(mux, nil))
	t.Cleanup(srv.Close)
	return strings.Replace(srv.URL, "127.0.0.1", string(s.o.Theme)+".localhost", 1)
}

// looks says which pages are shown in which look.
var looks = map[Theme][]string{Bank: {"passbook", "consent"}, Wallet: {"home", "charge", "pay"}, Hub: {"matrix"}, Dev: {"start"}}

// troubles lists what is wrong with the layout of the page on the screen: things that stick out sideways,
// and things to press that are smaller than a finger.
const troubles = `(() => {
	const out = [], width = document.documentElement.clientWidth;
	if (document.documentElement.scrollWidth > width) out.push('the page scrolls sideways: ' + document.documentElement.scrollWidth + ' > ' + width);
	for (const e of document.querySelectorAll('a.button, button, nav a, .top a, .list a, select, summary, label.choice, .field-check label, .input > input, .back')) {
		const box = e.getBoundingClientRect();
		if (box.width > 0 && (box.height < 43.5 || box.width < 43.5)) out.push('too small to press: ' + e.outerHTML.slice(0, 80) + ' ' + Math.round(box.width) + 'x' + Math.round(box.height));
	}
	for (const e of document.querySelectorAll('input:not([type=hidden]), select')) {
		if (!e.labels || e.labels.length === 0) out.push('no label: ' + e.outerHTML.slice(0, 80));
	}
	const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
	if (new Set(ids).size !== ids.length) out.push('an id stands twice');
	for (const e of document.querySelectorAll('[aria-describedby]')) for (const id of e.getAttribute('aria-describedby').split(' ')) if (!document.getElementById(id)) out.push('describedby leads nowhere: ' + id);
	if (document.querySelectorAll('h1').length !== 1) out.push('not one h1');
	return out;
})()`

// Every look at phone and desk width, in both languages: nothing sticks out, everything can be pressed, and
// the console is silent, so that the Content-Security-Policy refused nothing of ours.
// KOZAMORI_SHOTS=DIR keeps the pictures.
func TestKitInChromium(t *testing.T) {
	ctx := browser(t)
	pages := kitPages(t)
	for theme, names := range looks {
		s := kitSiteOf(t, theme)
		mux := http.NewServeMux()
		for _, name := range names {
			mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { s.Render(w, r, pages[name]) })
		}
		mux.HandleFunc("GET /state", func(w http.ResponseWriter, r *http.Request) { s.Render(w, r, pages["home"]) })
		base := serve(t, s, mux)
		for _, name := range names {
			for _, width := range []int64{390, 1200} {
				for _, lang := range languages {
					t.Run(fmt.Sprintf("%s-%s-%d-%s", theme, name, width, lang), func(t *testing.T) {
						look(t, ctx, base+"/"+name+"?lang="+lang, width)
					})
				}
			}
		}
	}
}

// look opens a page in a tab of its own and reports its troubles.
func look(t *testing.T, browser context.Context, url string, width int64) {
	ctx, closed := chromedp.NewContext(browser)
	defer closed()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	messages := chromedp.Console(ctx)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 844), chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](troubles))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
	if dir := os.Getenv("KOZAMORI_SHOTS"); dir != "" {
		b, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(filepath.ToSlash(t.Name()), "TestKitInChromium/") + ".png"
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	for m, err := range messages {
		if err != nil {
			break
		}
		t.Errorf("console: %v", m)
	}
}

// A till's reader takes both codes from the screen of a phone.
func TestCodesAreRead(t *testing.T) {
	ctx := browser(t)
	s := kitSiteOf(t, Wallet)
	page := kitPages(t)["pay"]
	mux := http.NewServeMux()
	mux.HandleFunc("GET /pay", func(w http.ResponseWriter, r *http.Request) { s.Render(w, r, page) })
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(3)), chromedp.Navigate(serve(t, s, mux)+"/pay")); err != nil {
		t.Fatal(err)
	}
	shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pay.png")
	if err := os.WriteFile(file, shot, 0o600); err != nil {
		t.Fatal(err)
	}
	read, err := exec.CommandContext(t.Context(), "zbarimg", "--quiet", "--raw", file).Output()
	if err != nil {
		t.Fatalf("zbarimg (Debian: zbar-tools): %v", err)
	}
	got := strings.Fields(string(read))
	slices.Sort(got)
	if want := []string{"01234567890123456789", "https://wallet.example/p/7kq2m9x4c8v1"}; !slices.Equal(got, want) {
		t.Fatalf("read %q, want %q", got, want)
	}
}
