package walletd

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// chromium starts a browser with an empty profile and a platform authenticator, whose passkeys may be synced or not.
func chromium(t *testing.T, synced bool) context.Context {
	t.Helper()
	o := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("hide-scrollbars", true))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), o...)
	t.Cleanup(stop)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	ctx, closed := chromedp.NewContext(ctx)
	t.Cleanup(closed)
	must(t, chromedp.Do(ctx, chromedp.EmulateViewport(390, 844)))
	_, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{})
	must(t, err)
	_, err = chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		DefaultBackupEligibility: synced, DefaultBackupState: synced,
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

// axeRun lists what axe-core finds on the page, with the place of each.
const axeRun = `axe.run({resultTypes: ['violations']}).then((r) => r.passes.length < 10 ? ['axe looked at nothing'] : r.violations.flatMap((v) => v.nodes.map((n) => v.id + ': ' + n.target.join(' ') + ': ' + v.help)))`

// axe lists what of a page keeps people out.
func axe(t *testing.T, ctx context.Context) []string {
	t.Helper()
	source, err := os.ReadFile("../../../test/browser/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("axe-core is not installed: scripts/needs.sh does that: %v", err)
	}
	_, err = chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](string(source)+";undefined"))
	must(t, err)
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](axeRun, chromedp.EvalAwaitPromise))
	must(t, err)
	return found
}

// looked opens a page at both widths and languages. KOZAMORI_SHOTS=DIR keeps the pictures.
func looked(t *testing.T, ctx context.Context, url, name string) {
	t.Helper()
	for _, lang := range []string{"en", "ja"} {
		for _, width := range []int64{1200, 390} {
			must(t, chromedp.Do(ctx, chromedp.EmulateViewport(width, 844), chromedp.Navigate(url+"?lang="+lang), chromedp.WaitVisible("main h1", chromedp.NodeReady)))
			found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](stray))
			must(t, err)
			if width == 390 {
				found = append(found, axe(t, ctx)...)
			}
			for _, f := range found {
				t.Errorf("%s %s %d: %s", name, lang, width, f)
			}
			if dir := os.Getenv("KOZAMORI_SHOTS"); dir != "" {
				b, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				must(t, err)
				must(t, os.WriteFile(filepath.Join(dir, name+"-"+lang+map[int64]string{390: "-390", 1200: "-1200"}[width]+".png"), b, 0o600))
			}
		}
	}
}
