package browsertest

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// A passkey that syncs to other devices proves only that one of them is his: the key of the browser beside it, made by
// WebCrypto and never readable, signs each charge as well (M9). Without that key the same passkey moves no money.
func TestSyncedPasskeyWithTheBrowsersKey(t *testing.T) {
	w, browser := newWalk(t, false, true)
	w.signUp(ichiroMail, ichiroPhone)
	w.open(w.wallet() + "/account")
	w.sees("同期されるパスキーと、このブラウザだけの鍵")
	w.here("wallet-account-synced")
	w.proved(browser, ichiroMail, "スズキ イチロウ", ichiroBirth)
	w.linked(ichiroMail, ichiroPhone, ichiroAccount, ichiroPIN)
	w.later()
	w.charge("3000")

	forgotten, err := chromedp.Run(w.tab, chromedp.Evaluate[bool](`new Promise((done) => {
		const asked = indexedDB.deleteDatabase('kozamori');
		asked.onsuccess = () => done(true);
		asked.onerror = asked.onblocked = () => done(false);
	})`, chromedp.EvalAwaitPromise))
	must(t, err)
	if !forgotten {
		t.Fatal("the browser keeps its key")
	}
	w.open(w.wallet() + "/charge")
	w.fill("amount", "1000")
	w.next(`form[action$="/agree"] button`)
	w.signs(`form[action$="/agree"] button.primary`, `form[action$="/agree"] .notice.bad`)
	w.here("wallet-confirm-without-key")
	w.open(w.wallet() + "/history")
	lines, err := chromedp.Run(w.tab, chromedp.Evaluate[int](`document.querySelectorAll('.badge.good').length`))
	must(t, err)
	if lines != 1 {
		t.Errorf("%d charges are done, want the one that both keys signed: %s", lines, w.words())
	}
}
