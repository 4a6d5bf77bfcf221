package bankd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/notify"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
)

func TestOtherBrowserLetsTheRequestDie(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a := w.ask("0149", nil)
	g, err := a.exchange(a.through(w.browser()))
	must(t, err)
	r, err := a.activate(g, wire.NewSecret())
	must(t, err)
	if r.State != wire.LinkDead || r.Reason != "other_browser" || r.Link != "" {
		t.Fatalf("report %+v", r)
	}
	if r, err := a.activate(g, a.rs); err != nil || r.State != wire.LinkDead { // a lost answer is repeated
		t.Fatalf("the right browser afterwards: %+v %v", r, err)
	}
	w.told(t, "成立しませんでした")
}

// told waits until a mail says something.
func (w *world) told(t *testing.T, words string) {
	t.Helper()
	for range 200 {
		found := false
		w.locked(func() {
			found = slices.ContainsFunc(w.mails, func(m notify.Mail) bool { return strings.Contains(m.Text, words) })
		})
		if found {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("nobody was told: %s", words)
}

func TestAbortLetsTheRequestDie(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a := w.ask("0149", nil)
	abort := func() *wire.LinkReport {
		var out struct {
			Report string `json:"report"`
		}
		must(t, w.hub("0149").Do(t.Context(), wire.Call{Method: http.MethodPost, URL: w.issuer("0149") + "/v1/aborts", Out: &out,
			In: map[string]string{"abort": w.sign(&wire.Abort{Header: a.header(), Request: a.request, Reason: "other_browser"})}}))
		return w.report(w.banks["0149"], out.Report)
	}
	g, err := a.exchange(a.through(w.browser()))
	must(t, err)
	for range 2 {
		if r := abort(); r.State != wire.LinkDead || r.Request != a.request {
			t.Fatalf("report %+v", r)
		}
	}
	if r, err := a.activate(g, a.rs); err != nil || r.State != wire.LinkDead {
		t.Fatalf("activation after abort: %+v %v", r, err)
	}
}

func TestRequestsDieOfTheirAge(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	t.Run("unconsented after 30 minutes", func(t *testing.T) {
		a, b := w.ask("0149", nil), w.browser()
		a.enter(b, a.push().AuthorizationURL)
		w.forward(30 * time.Minute)
		if p := a.proveLate(b); p.status != http.StatusGone {
			t.Fatalf("status %d", p.status)
		}
	})
	t.Run("unredeemed 10 minutes after consent", func(t *testing.T) {
		a := w.ask("0149", nil)
		g, err := a.exchange(a.through(w.browser()))
		must(t, err)
		w.forward(10 * time.Minute)
		r, err := a.activate(g, a.rs)
		must(t, err)
		if r.State != wire.LinkDead || r.Reason != "timeout" {
			t.Fatalf("report %+v", r)
		}
	})
	t.Run("without a receipt after a day", func(t *testing.T) {
		w.forward(25 * time.Hour)
		a, b := w.ask("0149", nil), w.browser()
		a.enter(b, a.push().AuthorizationURL)
		a.proveByCode(b)
		b.post(a.base(), "/pin", url.Values{"pin": {hanakoPIN}})
		g, err := a.exchange(a.consent(b, false))
		must(t, err)
		r, err := a.activate(g, a.rs)
		must(t, err)
		if r.State != wire.LinkWaiting {
			t.Fatalf("report %+v", r)
		}
		w.forward(24 * time.Hour)
		_, err = w.banks["0149"].bank.Sweep(t.Context())
		must(t, err)
		got, err := w.banks["0149"].store.Request(t.Context(), a.request)
		must(t, err)
		if got.State != bank.RequestDead || got.Ended != "no_receipt" {
			t.Fatalf("request %s %s", got.State, got.Ended)
		}
	})
}

func (a *ask) proveLate(b *browser) page { return b.post(a.base(), "/code", nil) }

func TestCodeIsNoReceiptOfItsOwnChannel(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a, b := w.ask("0149", nil), w.browser()
	a.enter(b, a.push().AuthorizationURL)
	a.proveByCode(b)
	b.post(a.base(), "/pin", url.Values{"pin": {hanakoPIN}})
	g, err := a.exchange(a.consent(b, false))
	must(t, err)
	_, err = a.activate(g, a.rs)
	must(t, err)
	w.delivered(t, "0149", "+819011112222")
	if r, err := a.activate(g, a.rs); err != nil || r.State != wire.LinkWaiting {
		t.Fatalf("an SMS counts for a code by SMS (L8): %+v %v", r, err)
	}
}

func TestThreeWrongPINsLockLinking(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a, b := w.ask("0149", nil), w.browser()
	a.enter(b, a.push().AuthorizationURL)
	a.proveByCode(b)
	for i := range 3 {
		p := b.post(a.base(), "/pin", url.Values{"pin": {"0001"}})
		if want := []int{http.StatusOK, http.StatusOK, http.StatusGone}[i]; p.status != want {
			t.Fatalf("try %d: %d", i+1, p.status)
		}
	}
	again, b := w.ask("0149", nil), w.browser()
	again.enter(b, again.push().AuthorizationURL)
	if r, err := w.banks["0149"].store.Request(t.Context(), again.request); err != nil || r.Account != "" {
		t.Fatalf("a locked account matches: %+v %v", r, err)
	}
	w.forward(24*time.Hour + time.Second)
	after := w.ask("0149", nil)
	after.through(w.browser())
}

func TestPINIsNeverLookedAtWithoutPossession(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a, b := w.ask("0149", nil), w.browser()
	a.enter(b, a.push().AuthorizationURL)
	for range 5 {
		if p := b.post(a.base(), "/pin", url.Values{"pin": {hanakoPIN}}); !strings.Contains(p.body, "ご本人の確認方法") {
			t.Fatalf("status %d %s", p.status, p.body)
		}
	}
	again, b := w.ask("0149", nil), w.browser() // no try was counted
	again.enter(b, again.push().AuthorizationURL)
	again.proveByCode(b)
	b.post(again.base(), "/pin", url.Values{"pin": {hanakoPIN}})
	again.consent(b, true)
}

func TestCodesAreFewAndSayWhatFor(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	sent := func() (n int) {
		time.Sleep(100 * time.Millisecond)
		w.locked(func() {
			for _, m := range w.sms {
				if sixDigits.MatchString(m.Text) {
					n++
					for _, word := range []string{"静岡銀行", "まるペイ", "サトウ ハナコ", "50,000円"} {
						if !strings.Contains(m.Text, word) {
							t.Errorf("the code does not say %s: %s", word, m.Text)
						}
					}
				}
			}
		})
		return n
	}
	for range 4 {
		a, b := w.ask("0149", nil), w.browser()
		a.enter(b, a.push().AuthorizationURL)
		for range 4 {
			b.post(a.base(), "/code", nil)
		}
	}
	if n := sent(); n != bank.CodesPerDay {
		t.Fatalf("%d codes in a day", n)
	}
}

func TestCloseNameNeedsAStrongProof(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	key := w.enrol("0149", acc)
	w.forward(8 * 24 * time.Hour)
	a, b := w.ask("0149", func(who *wire.Identity, _ *wire.AccountLink) { who.NameKana = "ハナコ サトウ" }), w.browser()
	a.enter(b, a.push().AuthorizationURL)
	b.post(a.base(), "/code", nil)
	p, err := w.banks["0149"].bank.ProofFor(t.Context(), w.request(a).Proof, b.cookies[strings.TrimPrefix(w.issuer("0149"), "http://")][linkCookie])
	must(t, err)
	if p.CodeHash != nil || p.Account == "" {
		t.Fatalf("a code was sent for a close name: %+v", p)
	}
	if page := key.use(a, b); !strings.Contains(page.body, "暗証番号を入力") {
		t.Fatalf("by passkey: %d", page.status)
	}
}

func (w *world) request(a *ask) bank.Request {
	w.t.Helper()
	r, err := a.bank.store.Request(w.t.Context(), a.request)
	must(w.t, err)
	return r
}

func TestIdentityIsOpenedLateAndKeptNoLonger(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a, b := w.ask("0149", nil), w.browser()
	b.get(a.push().AuthorizationURL)
	if r := w.request(a); r.Sealed != a.sealed {
		t.Fatal("the identity was touched before account entry")
	}
	b.post(a.base(), "/account", url.Values{"branch": {"101"}, "kind": {"ordinary"}, "number": {"1234567"}})
	if r := w.request(a); r.Sealed != "" || r.Account == "" {
		t.Fatalf("after the comparison: %q", r.Sealed)
	}
	dead := w.ask("0149", nil)
	dead.push()
	w.forward(31 * time.Minute)
	_, err := w.banks["0149"].bank.Sweep(t.Context())
	must(t, err)
	if r := w.request(dead); r.Sealed != "" || r.State != bank.RequestDead {
		t.Fatal("a request nobody opened keeps its identity")
	}
}

func TestStoppedServiceAndStoppedAccount(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	a := w.ask("0149", nil)
	must(t, w.banks["0149"].bank.StopAll(t.Context(), acc.ID))
	a.enter(w.browser(), a.push().AuthorizationURL)
	if r := w.request(a); r.Account != "" {
		t.Fatal("a stopped account takes new requests (D2)")
	}
	svc := w.banks["0150"].bank.Services["maru"]
	svc.Stopped = true
	w.banks["0150"].bank.Services = map[id.Service]bank.Service{"maru": svc}
	if status, body := w.ask("0150", nil).par(nil); status != http.StatusBadRequest || body["rule"] != "R10" {
		t.Fatalf("a stopped service: %d %v", status, body)
	}
}

func TestSuspendedLinkIsProvedAgainWithANewDevice(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	a := w.ask("0149", nil)
	g, first := a.linked()
	must(t, w.hub("0149").Do(t.Context(), wire.Call{Method: http.MethodPost, URL: w.issuer("0149") + "/v1/link-changes", Out: &map[string]string{},
		In: map[string]string{"change": w.sign(&wire.LinkChange{Header: a.header(), Change: id.Random("chg"), Link: first.Link, Kind: "device"})}}))
	w.forward(25 * time.Hour)
	newPhone := wiretest.NewPasskey("wallet.localhost", testWallet, true)
	again := w.ask("0149", func(_ *wire.Identity, l *wire.AccountLink) { l.Subject, l.Device = a.subject, newPhone.Device() })
	g2, r := again.linked()
	if r.Link != first.Link || r.State != wire.LinkCooling || r.Request != again.request {
		t.Fatalf("report %+v, first %+v", r, first)
	}
	gate, err := w.banks["0149"].bank.Books.Gate(t.Context(), bank.LinkGate(r.Link))
	must(t, err)
	if gate.Device != newPhone.Device().Thumbprint() {
		t.Error("the gate asks for the old device")
	}
	if status, _ := a.api(g, "/v1/activations", map[string]string{"activation": a.activation(a.rs)}, nil); status != http.StatusUnauthorized {
		t.Errorf("the old token lives on: %d", status)
	}
	if _, err := again.activate(g2, again.rs); err != nil {
		t.Error(err)
	}
	links, err := w.banks["0149"].store.LinksOf(t.Context(), acc.ID)
	if err != nil || len(links) != 1 {
		t.Fatalf("%d links %v", len(links), err)
	}
}

func TestStopAfterConsentBeatsTheActivation(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	a := w.ask("0149", nil)
	g, err := a.exchange(a.through(w.browser()))
	must(t, err)
	must(t, w.banks["0149"].bank.StopLink(t.Context(), acc.ID, w.request(a).Link))
	r, err := a.activate(g, a.rs)
	must(t, err)
	if r.State != wire.LinkDead {
		t.Fatalf("report %+v", r)
	}
}

// TestOneWalletAtAnAccount: 1,000 people of one service have proved everything for one account, and consent
// at the same moment (L7).
func TestOneWalletAtAnAccount(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	const n = 1000
	b := w.banks["0149"].bank
	requests, cookies := make([]bank.Request, n), make([]string, n)
	var rows []ledger.Write
	for i := range n { // each as a passkey and the PIN leave a request
		a := w.ask("0149", nil)
		cookies[i] = wire.NewSecret()
		p := bank.Proof{ID: bank.ProofID(id.Random("prf")), Purpose: bank.ForLink, Account: acc.ID, Browser: wire.Hash(cookies[i]), Reference: a.state,
			Request: a.request, Service: "maru", Kind: bank.ProofPasskey, ProvedAt: w.clock(), CreatedAt: w.clock()}
		requests[i] = bank.Request{ID: a.request, Service: "maru", Subject: a.subject, State: bank.RequestIdentified, Client: testHub,
			RedirectURI: testCallback, OAuthState: a.state, Challenge: wire.PKCEChallenge(a.verifier), JKT: a.dpop.Thumbprint(), Details: a.details,
			Browser: wire.Hash(a.rs), URIHash: wire.Hash(a.state), Reference: a.state, Session: wire.Hash(cookies[i]), Account: acc.ID,
			Holder: a.who.NameKana, Proof: p.ID, Proved: bank.ProofPasskey, PushedAt: w.clock(), OpenedAt: w.clock(), Version: 1}
		rows = append(rows, bank.PutRequest{Request: requests[i]}, bank.PutProof{Proof: p})
	}
	must(t, b.Store.Commit(t.Context(), rows...))
	var wg sync.WaitGroup
	var mu sync.Mutex
	done, refused := 0, 0
	began := time.Now()
	defer func() { t.Logf("%d consents decided in %v", n, time.Since(began)) }()
	for i := range n {
		wg.Go(func() {
			_, err := b.Consent(t.Context(), &requests[i], cookies[i])
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				done++
			case fault.RuleOf(err) == "L7":
				refused++
			default:
				t.Errorf("consent %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	links, err := w.banks["0149"].store.LinksOf(t.Context(), acc.ID)
	must(t, err)
	if done != 1 || refused != n-1 || len(links) != 1 || links[0].State != bank.LinkAuthenticated {
		t.Fatalf("%d consents stood, %d were refused, %d links", done, refused, len(links))
	}
}

func TestEvidenceIsOneSignedChain(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a := w.ask("0149", nil)
	a.linked()
	b := w.banks["0149"]
	rows, err := b.store.EvidenceChain(t.Context(), 0, 1000)
	must(t, err)
	check := func(rows []bank.EvidenceRow) error {
		return bank.CheckChain(bank.EvidenceRow{}, rows, b.public, b.bank.Profile.Issuer, w.clock())
	}
	if err := check(rows); err != nil || len(rows) < 7 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	if check(slices.Delete(slices.Clone(rows), 2, 3)) == nil {
		t.Error("a row is missing and nobody sees it")
	}
	swapped := slices.Clone(rows)
	swapped[2], swapped[3] = swapped[3], swapped[2]
	if check(swapped) == nil {
		t.Error("rows changed places and nobody sees it")
	}
	for _, row := range rows {
		for _, secret := range []string{hanakoPIN, a.rs, a.sealed} {
			if strings.Contains(row.JWS, b64(secret)) {
				t.Error("evidence holds a secret")
			}
		}
	}
}

// blindCase is somebody who must learn nothing.
type blindCase struct {
	name   string
	number string
	who    func(*wire.Identity)
}

// TestEverybodyUnprovedSeesTheSame goes the whole way to the end page for people whom the bank refuses for
// different reasons, in random order and with random typing, and compares every byte (L3).
func TestEverybodyUnprovedSeesTheSame(t *testing.T) {
	w := newWorld(t)
	blindPeople(t, w)
	cases := []blindCase{
		{"unknown account", "9999999", nil},
		{"wrong name", "1234567", func(i *wire.Identity) { i.NameKana = "タナカ マコト" }},
		{"wrong birth date", "1234567", func(i *wire.Identity) { i.BirthDate = "1985-04-02" }},
		{"wrong phone", "1234567", func(i *wire.Identity) { i.Phone = "+819000000000" }},
		{"no phone on file", "2000001", nil},
		{"locked", "2000002", nil},
		{"stopped", "2000003", nil},
		{"changed phone lately", "2000004", nil},
		{"closed", "2000005", nil},
		{"close name", "1234567", func(i *wire.Identity) { i.NameKana = "ハナコ サトウ" }},
		{"full match, codes used up or wrong", "1234567", nil},
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	runs := 130
	if testing.Short() {
		runs = 11
	}
	tries, seen := 0, map[string]map[string]string{}
	for i := range runs {
		c := cases[i%len(cases)]
		if i >= len(cases) {
			c = cases[rng.IntN(len(cases))]
		}
		for step, p := range w.walk(c, rng) {
			tries++
			if seen[step] == nil {
				seen[step] = map[string]string{}
			}
			seen[step][mask(p)] = c.name
		}
	}
	for step, answers := range seen {
		if len(answers) != 1 {
			var names []string
			for _, n := range answers {
				names = append(names, n)
			}
			t.Errorf("seed %d: at %s these differ: %v", seed, step, names)
		}
	}
	w.locked(func() {
		for _, left := range w.waited {
			if left > time.Second || left < -time.Second {
				t.Errorf("an answer was to leave %v from now", left)
			}
		}
		t.Logf("seed %d: %d answers at %d steps, %d of them at the deadline", seed, tries, len(seen), len(w.waited))
	})
}

// blindPeople opens the accounts of the cases.
func blindPeople(t *testing.T, w *world) {
	t.Helper()
	w.hanako("0149", nil)
	b := w.banks["0149"].bank
	open := func(number string, change func(*bank.NewAccount)) bank.Account {
		return w.hanako("0149", func(n *bank.NewAccount) {
			n.Number, n.CardID = number, "card-"+number
			if change != nil {
				change(n)
			}
		})
	}
	open("2000001", func(n *bank.NewAccount) { n.Phone = "" })
	locked := open("2000002", nil)
	for range bank.PINTries {
		_, _, err := b.Store.TakePINTry(t.Context(), locked.ID, bank.AtPages, w.clock())
		must(t, err)
	}
	must(t, b.StopAll(t.Context(), open("2000003", nil).ID))
	open("2000004", func(n *bank.NewAccount) { n.Since = w.clock().Add(-time.Hour) })
	must(t, b.CloseAccount(t.Context(), open("2000005", nil).ID))
}

// walk tries to link as somebody who holds neither phone nor card, to the end; the answers by step.
func (w *world) walk(c blindCase, rng *rand.Rand) map[string]page {
	w.t.Helper()
	a, b := w.ask("0149", func(i *wire.Identity, _ *wire.AccountLink) {
		if c.who != nil {
			c.who(i)
		}
	}), w.browser()
	out := map[string]page{}
	b.get(a.push().AuthorizationURL)
	out["account"] = b.post(a.base(), "/account", url.Values{"branch": {"101"}, "kind": {"ordinary"}, "number": {c.number}})
	out["account again"] = b.post(a.base(), "/account", url.Values{"branch": {"101"}, "kind": {"ordinary"}, "number": {c.number}})
	out["PIN too early"] = b.post(a.base(), "/pin", url.Values{"pin": {hanakoPIN}})
	out["passkey page"] = b.get(a.base() + "/method/passkey")
	out["passkey"] = b.post(a.base(), "/passkey", url.Values{"credential": {"{}"}})
	out["ATM page"] = b.get(a.base() + "/method/atm")
	out["ATM"] = b.post(a.base(), "/atm", nil)
	out["code page"] = b.get(a.base() + "/method/code")
	for i := range 4 {
		out[fmt.Sprintf("code %d", i)] = b.post(a.base(), "/code", nil)
	}
	for i := range 3 {
		typed := fmt.Sprintf("%06d", rng.IntN(1_000_000))
		out[fmt.Sprintf("typed %d", i)] = b.post(a.base(), "/code/check", url.Values{"code": {typed}})
	}
	out["after"] = b.get(a.base())
	return out
}

var masks = []*regexp.Regexp{
	regexp.MustCompile(`req_[0-9a-z]{26}`),
	regexp.MustCompile(`[2-9A-Z]{4}-[2-9A-Z]{4}`),                     // reference number
	regexp.MustCompile(`(challenge&#34;:&#34;|state=)[A-Za-z0-9_-]+`), // a fresh challenge; the service's own state
	regexp.MustCompile(`"Date" \[[^\]]*\]`),
}

// mask is an answer without the values that are fresh in every request.
func mask(p page) string {
	h := http.Header{}
	for k, v := range p.header {
		if k != "Date" && k != "Content-Length" && k != "Set-Cookie" {
			h[k] = v
		}
	}
	text := fmt.Sprintf("%d %s %v\n%s", p.status, p.url, h, p.body)
	for _, m := range masks {
		text = m.ReplaceAllString(text, "x")
	}
	return text
}

// TestWithoutAPhoneOnlyTheCardProves: a passkey proves nothing where the bank has no phone to compare (L6).
func TestWithoutAPhoneOnlyTheCardProves(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	key := w.enrol("0149", acc)
	contacts, err := w.banks["0149"].store.Contacts(t.Context(), acc.ID)
	must(t, err)
	for _, c := range contacts {
		if c.Channel == bank.SMS {
			must(t, w.banks["0149"].bank.RemoveContact(t.Context(), acc.ID, c.ID))
		}
	}
	w.forward(31 * 24 * time.Hour)
	a, b := w.ask("0149", nil), w.browser()
	a.enter(b, a.push().AuthorizationURL)
	if w.request(a).Account == "" {
		t.Fatal("an account without a phone matches nobody")
	}
	if p := key.use(a, b); !strings.Contains(p.body, "確認できませんでした") {
		t.Fatalf("by passkey: %d", p.status)
	}
	m, err := w.atm("0149", "card-hanako", hanakoPIN)
	must(t, err)
	m.confirms(b, a.base())
	if p := a.post(b); !strings.Contains(p.body, "暗証番号を入力") {
		t.Fatalf("by card: %d", p.status)
	}
}

// TestNoSecretLies greps the bank's files and its log after a whole link for everything that opens something.
func TestNoSecretLies(t *testing.T) {
	var log lockedBuffer
	w := newWorldWith(t, observe.NewLogger(&log, "bank", slog.LevelDebug))
	w.hanako("0149", nil)
	a, b := w.ask("0149", nil), w.browser()
	pushed := a.push()
	a.enter(b, pushed.AuthorizationURL)
	a.proveByCode(b)
	b.post(a.base(), "/pin", url.Values{"pin": {hanakoPIN}})
	code := a.consent(b, true)
	g, err := a.exchange(code)
	must(t, err)
	_, err = a.activate(g, a.rs)
	must(t, err)
	m, err := w.atm("0149", "card-hanako", hanakoPIN)
	must(t, err)
	u, err := url.Parse(pushed.AuthorizationURL)
	must(t, err)
	secrets := map[string]string{
		"request_uri": strings.TrimPrefix(u.Query().Get("request_uri"), bank.URIPrefix), "authorization code": code, "token": g.Token,
		"rs": a.rs, "browser cookie": b.cookies[strings.TrimPrefix(w.issuer("0149"), "http://")][linkCookie],
		"ATM session": m.session, "verifier": a.verifier, "sealed identity": a.sealed, "number of the mail": strings.ReplaceAll(w.typed(), "-", ""),
	}
	files := map[string][]byte{"the log": log.Bytes()}
	for _, place := range Places(w.server.cfg) {
		files[sqldb.Name(place)] = pgtest.Contents(t, place)
	}
	if len(files) != 5 || len(files["the log"]) == 0 || !strings.Contains(string(files["the log"]), "POST /link/{r}/pin") {
		t.Fatalf("%d files, log of %d bytes", len(files), len(files["the log"]))
	}
	for name, text := range files {
		for what, secret := range secrets {
			if secret == "" {
				t.Fatalf("no %s", what)
			}
			if strings.Contains(string(text), secret) && (what != "sealed identity" || name == "the log") {
				t.Errorf("%s lies in %s", what, name)
			}
		}
	}
	for _, word := range []string{`"pin"`, hanakoPIN + `"`, "credential"} {
		if strings.Contains(string(files["the log"]), word) {
			t.Errorf("the log says %s", word)
		}
	}
}

// lockedBuffer is a buffer that many may write to.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// Bytes is what was written so far.
func (b *lockedBuffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}

// TestLockedAndWrongPINLookTheSame: two people proved possession; one types a wrong PIN, the other the right
// one after her account was locked (L3).
func TestLockedAndWrongPINLookTheSame(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	var pages []string
	for i, pin := range []string{"0001", hanakoPIN} {
		a, b := w.ask("0149", nil), w.browser()
		a.enter(b, a.push().AuthorizationURL)
		a.proveByCode(b)
		if i == 1 {
			for range bank.PINTries {
				_, _, err := w.banks["0149"].store.TakePINTry(t.Context(), acc.ID, bank.AtPages, w.clock())
				must(t, err)
			}
		}
		for range 3 {
			pages = append(pages, mask(b.post(a.base(), "/pin", url.Values{"pin": {pin}})))
		}
		w.forward(25 * time.Hour)
	}
	for i := range 3 {
		if pages[i] != pages[i+3] {
			t.Errorf("try %d differs:\n%s\n%s", i+1, pages[i], pages[i+3])
		}
	}
}

// TestOthersProofsProveNothing: a passkey of another depositor, and a proof from another request.
func TestOthersProofsProveNothing(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	thief := w.hanako("0149", func(n *bank.NewAccount) { n.Number, n.CardID = "7777777", "card-thief" })
	key := w.enrol("0149", thief)
	w.forward(8 * 24 * time.Hour)
	a, b := w.ask("0149", nil), w.browser()
	a.enter(b, a.push().AuthorizationURL)
	if p := key.use(a, b); !strings.Contains(p.body, "確認できませんでした") {
		t.Fatalf("another depositor's passkey: %d", p.status)
	}
	c := w.browser()
	other := w.ask("0149", nil)
	other.enter(c, other.push().AuthorizationURL)
	bk := w.banks["0149"].bank
	cookie := c.cookies[strings.TrimPrefix(w.issuer("0149"), "http://")][linkCookie]
	other.proveByCode(c)
	held, err := bk.PossessionOf(t.Context(), w.request(other).Proof, cookie, bank.ForLink)
	must(t, err)
	mine := w.request(a)
	if err := bk.TakePossession(t.Context(), &mine, held); !bank.NotProved(err) {
		t.Errorf("a proof of another request: %v", err)
	}
	if _, err := bk.PossessionOf(t.Context(), w.request(other).Proof, cookie, bank.ForPortal); !bank.NotProved(err) {
		t.Errorf("a proof for a link at the portal: %v", err)
	}
	if _, err := bk.PossessionOf(t.Context(), w.request(other).Proof, wire.NewSecret(), bank.ForLink); fault.Of(err) != fault.Gone {
		t.Errorf("a proof of another browser: %v", err)
	}
}

// TestStopAllWhileALinkWaits: what waited for a receipt when everything was stopped never begins.
func TestStopAllWhileALinkWaits(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	a, b := w.ask("0149", nil), w.browser()
	a.enter(b, a.push().AuthorizationURL)
	a.proveByCode(b)
	b.post(a.base(), "/pin", url.Values{"pin": {hanakoPIN}})
	g, err := a.exchange(a.consent(b, false))
	must(t, err)
	_, err = a.activate(g, a.rs)
	must(t, err)
	bk := w.banks["0149"].bank
	must(t, bk.StopAll(t.Context(), acc.ID))
	must(t, bk.ReceiptArrived(t.Context(), bank.Receipt{Request: a.request, Channel: bank.Email, At: w.clock()}))
	if r, err := a.activate(g, a.rs); err != nil || r.State != wire.LinkDead {
		t.Fatalf("report %+v %v", r, err)
	}
}

func TestInterfaceIsDescribed(t *testing.T) {
	w := newWorld(t)
	p := w.browser().get(w.issuer("0149") + "/openapi.json")
	for _, path := range []string{"/v1/activations", "/v1/aborts", "/v1/debits", "/v1/reversals", "/v1/link-changes", "/v1/statements",
		"/v1/atm/sessions", "/v1/atm/windows", "/v1/atm/acknowledgements", "/v1/atm/cash", "/channel/v1/transfers", "/channel/v1/accounts"} {
		if !strings.Contains(p.body, `"`+path+`"`) {
			t.Errorf("%s is not described", path)
		}
	}
	for _, wrong := range web.CheckDescription([]byte(p.body)) {
		t.Error(wrong)
	}
	w.nobodyIsLetIn([]byte(p.body))
	if p := w.browser().get(w.issuer("0149") + "/reference"); p.status != http.StatusOK {
		t.Errorf("reference page: %d", p.status)
	}
	if p := w.browser().get("http://0999.bank.localhost" + w.addr[strings.LastIndex(w.addr, ":"):] + "/"); p.status != http.StatusNotFound {
		t.Errorf("a bank that is not here: %d", p.status)
	}
}

// nobodyIsLetIn calls every operation of a description without any proof of who calls.
func (w *world) nobodyIsLetIn(text []byte) {
	w.t.Helper()
	var doc struct{ Paths map[string]map[string]any }
	must(w.t, json.Unmarshal(text, &doc))
	for path, item := range doc.Paths {
		for method := range item {
			req, err := http.NewRequestWithContext(w.t.Context(), strings.ToUpper(method), w.issuer("0149")+strings.NewReplacer("{", "", "}", "").Replace(path), strings.NewReader("{}"))
			must(w.t, err)
			req.Header.Set("Content-Type", "application/json")
			resp, err := (&http.Client{Transport: wire.LocalhostTransport()}).Do(req)
			must(w.t, err)
			must(w.t, resp.Body.Close())
			if resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("Content-Type") != "application/problem+json" {
				w.t.Errorf("%s %s without a proof of who calls: %d, %s", method, path, resp.StatusCode, resp.Header.Get("Content-Type"))
			}
		}
	}
}

// TestAnswersLeaveAtTheDeadline: with the real clock, an account that exists and one that does not are answered
// no earlier than the bank's deadline (L3).
func TestAnswersLeaveAtTheDeadline(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	w.server.env.Wait = wait
	for _, number := range []string{"1234567", "9999999"} {
		a, b := w.ask("0149", nil), w.browser()
		b.get(a.push().AuthorizationURL)
		began := time.Now()
		b.send(http.MethodPost, a.base()+"/account", url.Values{"branch": {"101"}, "kind": {"ordinary"}, "number": {number}})
		if took := time.Since(began); took < w.banks["0149"].bank.Policy.Deadline {
			t.Errorf("account %s was answered after %v", number, took)
		}
	}
}
