package bankd

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/notify"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
)

// codes waits until nothing more comes and returns the one-time codes that came.
func (w *world) codes() (out []notify.ShortMessage) {
	time.Sleep(300 * time.Millisecond)
	w.locked(func() {
		for _, m := range w.sms {
			if sixDigits.MatchString(m.Text) {
				out = append(out, m)
			}
		}
	})
	return out
}

// Codes that are asked for at the same moment are no more than those asked for one after the other (L15).
func TestCodesOfADayCannotBeRaced(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	b, ctx := w.banks["0149"].bank, t.Context()
	var proofs []bank.Proof
	for range 48 {
		p, err := b.StartProof(ctx, bank.ForPortal, acc.ID, wire.NewSecret(), "")
		must(t, err)
		proofs = append(proofs, p)
	}
	var all sync.WaitGroup
	for _, p := range proofs {
		all.Go(func() {
			if asked, err := b.SendCode(ctx, p); !asked || err != nil {
				t.Errorf("an answer tells that no code was sent: %v %v", asked, err)
			}
		})
	}
	all.Wait()
	if got := w.codes(); len(got) != bank.CodesPerDay {
		t.Errorf("%d codes of 48 asked for at once", len(got))
	}
}

// Who asks for another code gets it, and it is the one that counts.
func TestASecondCodeArrives(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a, b := w.ask("0149", nil), w.browser()
	a.enter(b, a.push().AuthorizationURL)
	b.post(a.base(), "/code", nil)
	b.post(a.base(), "/code", nil)
	got := w.codes()
	if len(got) != 2 {
		t.Fatalf("%d codes arrived of two", len(got))
	}
	typed := sixDigits.FindStringSubmatch(got[1].Text)[1]
	b.post(a.base(), "/code/check", url.Values{"code": {typed}}).wants(t, "暗証番号を入力")
}

// Who uses up the codes for signing in, knowing account and birth date, keeps the depositor from no link, and
// she is told of it once, by every contact (D2).
func TestCodesOfThePortalAndOfLinksAreCountedApart(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	for range 4 {
		stranger := w.browser()
		_, proof := stranger.begin(w.issuer("0149"), "1234567", "1985-04-01")
		for range bank.CodesAsked {
			stranger.post(proof, "/code", nil)
		}
	}
	if got := w.codes(); len(got) != bank.CodesPerDay {
		t.Fatalf("%d codes for signing in", len(got))
	}
	told := func() (mails, sms int) {
		w.locked(func() {
			for _, m := range w.mails {
				mails += strings.Count(m.Text, "確認コードが5通送られました")
			}
			for _, m := range w.sms {
				sms += strings.Count(m.Text, "確認コードが5通送られました")
			}
		})
		return mails, sms
	}
	if mails, sms := told(); mails != 1 || sms != 1 {
		t.Errorf("told by %d mails and %d messages", mails, sms)
	}
	w.ask("0149", nil).through(w.browser())
	w.forward(24*time.Hour + time.Minute)
	w.browser().signIn("0149")
}

// A link is confirmed by strong proofs only: no code is sent for it, and none is taken (L13).
func TestNoCodeConfirms(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	b := w.banks["0149"].bank
	p, err := b.StartProof(t.Context(), bank.ForConfirm, acc.ID, wire.NewSecret(), "")
	must(t, err)
	if asked, err := b.SendCode(t.Context(), p); asked || err != nil {
		t.Errorf("a code was asked for: %v %v", asked, err)
	}
	if _, err := b.CheckCode(t.Context(), p, "000000"); !bank.NotProved(err) {
		t.Errorf("a code was judged: %v", err)
	}
	if after, err := b.Store.ProofByID(t.Context(), p.ID); err != nil || after.Version != p.Version {
		t.Errorf("the proof changed: %+v %v", after, err)
	}
	if got := w.codes(); len(got) != 0 {
		t.Errorf("%d codes were sent", len(got))
	}
}

// An address that is no request leads nowhere but to the bank itself, however it is written.
func TestAnAddressOfNoRequestLeadsNowhereElse(t *testing.T) {
	w := newWorld(t)
	b, issuer := w.browser(), w.issuer("0149")
	for _, r := range []string{"%5C..%5C..%5C%5Cevil.example", "..%2F..%2F%2Fevil.example", "%5Cevil.example", "req_1"} {
		for _, step := range []string{"/account", "/code", "/code/check", "/passkey", "/atm", "/pin", "/consent", "/cancel"} {
			p := b.send(http.MethodPost, issuer+"/link/"+r+step, url.Values{})
			to := p.header.Get("Location")
			if strings.Contains(to, "\\") || to != "" && !strings.HasPrefix(p.location, issuer+"/link/") {
				t.Errorf("%s%s leads to %q", r, step, to)
			}
		}
	}
}

// usedUp has strangers use up the day's codes for signing in to 佐藤花子's account.
func (w *world) usedUp(t *testing.T) {
	t.Helper()
	w.codes()
	w.locked(func() { w.sms, w.mails = nil, nil })
	for range 4 {
		stranger := w.browser()
		_, proof := stranger.begin(w.issuer("0149"), "1234567", "1985-04-01")
		for range bank.CodesAsked {
			stranger.post(proof, "/code", nil)
		}
	}
	if got := w.codes(); len(got) != bank.CodesPerDay {
		t.Fatalf("%d codes for signing in", len(got))
	}
	w.locked(func() { w.sms = nil })
}

// A browser in which she signed in before has codes of its own, and so has she once she is signed in: whoever
// knows account and birth date takes neither (D2). Its mark is of no use for another account, or at another bank.
func TestAKnownBrowserHasCodesOfItsOwn(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	w.hanako("0150", nil)
	other := w.browser()
	other.signIn("0150")
	hers := w.browser()
	hers.signIn("0149").wants(t, "1234567")
	cookies := func(b *browser, code string) map[string]string {
		host := strings.TrimPrefix(w.issuer(code), "http://")
		if b.cookies[host] == nil {
			b.cookies[host] = map[string]string{}
		}
		return b.cookies[host]
	}
	mark := cookies(hers, "0149")[knownCookie]
	if mark == "" || strings.Contains(mark, string(linkAccount(t, w))) {
		t.Fatalf("the mark is %q", mark)
	}
	w.forward(25 * time.Hour)
	w.usedUp(t)
	for name, m := range map[string]string{
		"none": "", "made up": mark[:len(mark)-4] + "AAAA", "of another bank": cookies(other, "0150")[knownCookie], "no mark": "x",
	} {
		b := w.browser()
		cookies(b, "0149")[knownCookie] = m
		_, proof := b.begin(w.issuer("0149"), "1234567", "1985-04-01")
		b.post(proof, "/code", nil)
		if got := w.codes(); len(got) != 0 {
			t.Errorf("with a mark that is %s: %d codes more", name, len(got))
		}
	}
	hers.signIn("0149").wants(t, "1234567")
	must(t, w.banks["0149"].bank.StopAll(t.Context(), linkAccount(t, w)))
	undo := hers.send(http.MethodPost, w.issuer("0149")+"/portal/undo", url.Values{}).location // possession for this anew
	hers.proveByCode(undo)
	hers.post(undo, "/pin", url.Values{"pin": {hanakoPIN}})
	if stopped, err := w.banks["0149"].bank.Stopped(t.Context(), linkAccount(t, w)); err != nil || stopped {
		t.Errorf("undone: %v %v", !stopped, err)
	}
}

// With the day's codes used up she still stops everything: by the link in the notice that says so, by a card at
// an ATM, and at the portal by passkey (D2).
func TestStopAllIsPossibleWithoutACode(t *testing.T) {
	stopped := func(w *world) {
		t.Helper()
		if s, err := w.banks["0149"].bank.Stopped(t.Context(), linkAccount(t, w)); err != nil || !s {
			t.Errorf("stopped: %v %v", s, err)
		}
	}
	for name, stop := range map[string]func(*world, *wiretest.Passkey){
		"the notice's link": func(w *world, _ *wiretest.Passkey) {
			b, link := w.browser(), w.stopURL()
			b.get(link)
			b.post(link, "", url.Values{"what": {"all"}}).wants(t, "すべての連携と新しい申し込みを停止しました")
		},
		"an ATM": func(w *world, _ *wiretest.Passkey) {
			m, err := w.atm("0149", "card-hanako", hanakoPIN)
			must(t, err)
			must(t, m.call(http.MethodPost, "/v1/atm/stops", nil, nil))
		},
		"the portal, by a window at an ATM": func(w *world, _ *wiretest.Passkey) {
			b := w.browser()
			_, proof := b.begin(w.issuer("0149"), "1234567", "1985-04-01")
			m, err := w.atm("0149", "card-hanako", hanakoPIN)
			must(t, err)
			m.confirms(b, proof)
			b.post(proof, "/atm", nil)
			b.post(proof, "/pin", url.Values{"pin": {hanakoPIN}})
			b.post(w.issuer("0149")+"/portal", "/stop", nil)
		},
		"the portal, by passkey": func(w *world, key *wiretest.Passkey) {
			b := w.browser()
			_, proof := b.begin(w.issuer("0149"), "1234567", "1985-04-01")
			asked, err := virtualwebauthn.ParseAssertionOptions(b.get(proof + "/method/passkey").options(t))
			must(t, err)
			b.post(proof, "/passkey", url.Values{"credential": {virtualwebauthn.CreateAssertionResponse(key.RP, key.Authenticator, key.Credential, *asked)}})
			b.post(proof, "/pin", url.Values{"pin": {hanakoPIN}})
			b.post(w.issuer("0149")+"/portal", "/stop", nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			acc := w.hanako("0149", nil)
			b := w.browser()
			b.signIn("0149")
			key := b.enrolled(t, "0149", acc)
			w.forward(25 * time.Hour)
			w.usedUp(t)
			stop(w, key)
			stopped(w)
		})
	}
}
