package bankd

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/notify"
	"github.com/kozamori/kozamori/internal/wire"
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
		p, err := b.StartProof(ctx, bank.ForPortal, acc.ID, wire.NewSecret())
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
	p, err := b.StartProof(t.Context(), bank.ForConfirm, acc.ID, wire.NewSecret())
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
