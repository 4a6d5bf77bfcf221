package bankd

import (
	"context"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

// axeRun lists what axe-core finds on the page, with the place of each.
const axeRun = `axe.run({resultTypes: ['violations']}).then((r) => r.passes.length < 10 ? ['axe looked at nothing'] : r.violations.flatMap((v) => v.nodes.map((n) => v.id + ': ' + n.target.join(' ') + ': ' + v.help)))`

// axe looks at a page for what keeps people out.
func axe(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	source, err := os.ReadFile("../../../test/browser/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("axe-core is not installed: scripts/needs.sh does that: %v", err)
	}
	_, err = chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](string(source)+";undefined"))
	must(t, err)
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](axeRun, chromedp.EvalAwaitPromise))
	must(t, err)
	for _, f := range found {
		t.Errorf("%s: %s", name, f)
	}
}
