package bankd

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wire"
)

// A stranger who knows account and date of birth has used up the day's codes and begun fifty proofs. She has no
// passkey and a browser that is new to her bank; with her card she is in the portal all the same, and stops
// everything: the machine finds hers by its reference, and offers her nobody else's (L18, D1, D2).
func TestForeignProofsHideNothingAtAnATM(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	w.usedUp(t)
	b := w.browser()
	_, proof := b.begin(w.issuer("0149"), "1234567", "1985-04-01")
	var foreign []bank.Proof
	for range 50 {
		p, err := w.banks["0149"].bank.StartProof(t.Context(), bank.ForPortal, acc.ID, wire.NewSecret(), "")
		must(t, err)
		foreign = append(foreign, p)
	}
	m, err := w.atm("0149", "card-hanako", hanakoPIN)
	must(t, err)
	var shown map[string]any
	must(t, m.call(http.MethodGet, "/v1/atm/session", nil, &shown))
	if _, lists := shown["pending"]; lists {
		t.Error("the machine lists what others have begun")
	}
	reference := b.reference(proof)
	f, err := m.find(strings.ToLower(strings.ReplaceAll(reference, "-", " ")))
	must(t, err)
	if f.Proof != path.Base(proof) || f.Reference != reference || f.Purpose != "portal" || f.Asks.JA != "静岡銀行" || f.Open {
		t.Fatalf("%s: the machine shows %+v", reference, f)
	}
	m.confirms(b, proof)
	if f, err = m.find(reference); err != nil || !f.Open {
		t.Errorf("the window: %+v %v", f, err)
	}
	for _, p := range foreign {
		if p, err := w.banks["0149"].bank.Store.ProofByID(t.Context(), p.ID); err != nil || !p.Until.IsZero() {
			t.Fatalf("her window opened a stranger's: %v %v", p.Until, err)
		}
	}
	b.post(proof, "/atm", nil).wants(t, "暗証番号")
	b.post(proof, "/pin", url.Values{"pin": {hanakoPIN}}).wants(t, "1,000,000")
	b.post(w.issuer("0149")+"/portal", "/stop", nil).wants(t, "すべて停止しています", "停止しました")
}

// The machine shows what waits for this card, and nothing else.
func TestReferenceAtAnATMIsOfTheCardsOwnAccount(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	w.hanako("0149", func(n *bank.NewAccount) { n.Number, n.CardID, n.Phone, n.Email = "7777777", "card-2", "", "" })
	m, err := w.atm("0149", "card-hanako", hanakoPIN)
	must(t, err)
	refused := func(what, reference string) {
		t.Helper()
		if f, err := m.find(reference); fault.Of(err) != fault.NotFound || err == nil {
			t.Errorf("%s: %+v %v", what, f, err)
		}
	}
	refused("made up", "AAAA-AAAA")
	refused("of nothing", "-")
	other, nobody, hers := w.browser(), w.browser(), w.browser()
	_, proof := other.begin(w.issuer("0149"), "7777777", "1985-04-01")
	refused("of another account", other.reference(proof))
	_, proof = nobody.begin(w.issuer("0149"), "1234567", "1985-04-02")
	refused("of a wrong date of birth", nobody.reference(proof))
	_, proof = hers.begin(w.issuer("0149"), "1234567", "1985-04-01")
	reference := hers.reference(proof)
	if _, err := m.find(reference); err != nil {
		t.Error(err)
	}
	hers.proveByCode(proof)
	refused("proved already", reference)
	_, proof = hers.begin(w.issuer("0149"), "1234567", "1985-04-01")
	reference = hers.reference(proof)
	w.forward(bank.SessionLife)
	m, err = w.atm("0149", "card-hanako", hanakoPIN)
	must(t, err)
	refused("too old", reference)
}

// Three wrong PINs at the bank's pages lock linking and the portal. The card goes on to work, and with it the stop
// of everything (R5, D2).
func TestLockOfThePagesLeavesTheCardAlone(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	thief := w.browser()
	_, proof := thief.begin(w.issuer("0149"), "1234567", "1985-04-01")
	thief.proveByCode(proof)
	for range bank.PINTries {
		thief.post(proof, "/pin", url.Values{"pin": {"0000"}}).wants(t, "確認できませんでした")
	}
	thief.post(proof, "/pin", url.Values{"pin": {hanakoPIN}}).wants(t, "確認できませんでした") // locked
	m, err := w.atm("0149", "card-hanako", hanakoPIN)
	must(t, err)
	must(t, m.call(http.MethodPost, "/v1/atm/stops", nil, nil))
	if stopped, err := w.banks["0149"].bank.Stopped(t.Context(), acc.ID); err != nil || !stopped {
		t.Errorf("stopped: %v %v", stopped, err)
	}
}

// A finished proof signs in once: who has her browser after she signed out needs possession anew (L16).
func TestSignedOutBrowserOpensNothing(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	issuer := w.issuer("0149")
	host := strings.TrimPrefix(issuer, "http://")
	b := w.browser()
	_, proof := b.begin(issuer, "1234567", "1985-04-01")
	b.proveByCode(proof)
	secret := b.cookies[host][proofCookie]
	b.post(proof, "/pin", url.Values{"pin": {hanakoPIN}}).wants(t, "1,000,000")
	over := func(b *browser, proof string) {
		t.Helper()
		for _, p := range []page{b.get(proof), b.post(proof, "/pin", url.Values{"pin": {hanakoPIN}})} {
			if p.status != http.StatusGone || strings.Contains(p.body, "1,000,000") {
				t.Errorf("a spent proof: %d %s", p.status, p.url)
			}
		}
	}
	b.cookies[host][proofCookie] = secret // as who copied it has it
	over(b, proof)

	// Enrolling, too, is once.
	b.enrolled(t, "0149", acc)
	keys, err := w.banks["0149"].bank.Store.PasskeysOf(t.Context(), acc.ID)
	must(t, err)
	if len(keys) != 1 {
		t.Fatalf("%d passkeys", len(keys))
	}

	_, second := b.begin(issuer, "1234567", "1985-04-01") // proved, and left
	b.proveByCode(second)
	b.cookies[host][linkCookie] = wire.NewSecret()
	b.post(issuer, "/portal/signout", nil).wants(t, "お客さまページ")
	for _, name := range []string{proofCookie, linkCookie} {
		if b.cookies[host][name] != "" {
			t.Errorf("signed out, the browser still has %s", name)
		}
	}
	over(b, second)
	b.cookies[host][proofCookie] = secret
	over(b, proof)
}

// The bank says that something is done only where it was, once: no link from elsewhere makes it say so (D2).
func TestNoLinkSaysThatSomethingIsDone(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	_, r := w.ask("0149", nil).linked()
	issuer := w.issuer("0149")
	link := "/portal/links/" + string(r.Link)
	b := w.browser()
	b.signIn("0149")
	silent := func(paths ...string) {
		t.Helper()
		for _, path := range paths {
			if p := b.get(issuer + path); p.status != http.StatusOK || strings.Contains(p.body, `class="notice good"`) || strings.Contains(p.body, `role="alert"`) {
				t.Errorf("%s (%d) says that something is done", path, p.status)
			}
		}
	}
	silent("/portal?done=stopped", "/portal?done=undone", "/portal?done=passkey", "/portal?done=over", link+"?done=stopped", link+"?done=confirmed")
	b.post(issuer, link+"/stop", nil).wants(t, "この連携を停止しました", `class="notice good"`)
	silent(link, "/portal")
	b.send(http.MethodPost, issuer+link+"/stop", url.Values{})
	silent("/portal", link) // said on its own page or not at all
}

// A page with a passkey's challenge is loaded as often as anybody likes, and written once.
func TestPasskeyPageWritesOnce(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	b := w.browser()
	_, proof := b.begin(w.issuer("0149"), "1234567", "1985-04-01")
	same := func(page string) {
		t.Helper()
		first := b.get(page).options(t)
		before, err := w.banks["0149"].bank.Store.ProofByID(t.Context(), bank.ProofID(path.Base(proof)))
		must(t, err)
		for range 20 {
			if again := b.get(page).options(t); again != first {
				t.Fatal("another challenge")
			}
		}
		after, err := w.banks["0149"].bank.Store.ProofByID(t.Context(), before.ID)
		must(t, err)
		if after.Version != before.Version {
			t.Errorf("%s: %d commits for 20 looks", page, after.Version-before.Version)
		}
	}
	same(proof + "/method/passkey")
	first := b.get(proof + "/method/passkey").options(t)
	b.post(proof, "/passkey", url.Values{"credential": {"{}"}})
	if b.get(proof+"/method/passkey").options(t) == first {
		t.Error("a challenge that was answered is open again")
	}
	b.proveByCode(proof)
	b.post(proof, "/pin", url.Values{"pin": {hanakoPIN}})
	proof = b.send(http.MethodPost, w.issuer("0149")+"/portal/passkey", url.Values{}).location
	b.proveByCode(proof)
	same(proof)
}
