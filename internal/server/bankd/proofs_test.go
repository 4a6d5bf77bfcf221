package bankd

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
)

// bankKey is a depositor's passkey at a bank.
type bankKey struct {
	rp   virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	cred virtualwebauthn.Credential
}

// enrol registers a passkey for an account as the portal does, after possession was proved by code.
func (w *world) enrol(code string, acc bank.Account) *bankKey {
	w.t.Helper()
	b, ctx := w.banks[code].bank, w.t.Context()
	cookie := wire.NewSecret()
	p, err := b.StartProof(ctx, bank.ForEnrol, acc.ID, cookie, "")
	must(w.t, err)
	w.locked(func() { w.sms = nil })
	_, err = b.SendCode(ctx, p)
	must(w.t, err)
	typed := w.code("+819011112222")
	p, err = b.ProofFor(ctx, p.ID, cookie)
	must(w.t, err)
	_, err = b.CheckCode(ctx, p, typed)
	must(w.t, err)
	p, err = b.ProofFor(ctx, p.ID, cookie)
	must(w.t, err)
	options, err := b.BeginEnrol(ctx, p)
	must(w.t, err)
	asked, err := virtualwebauthn.ParseAttestationOptions(string(options))
	must(w.t, err)
	k := &bankKey{rp: virtualwebauthn.RelyingParty{ID: code + ".bank.localhost", Name: "bank", Origin: w.issuer(code)},
		cred: wiretest.NewPasskey("x", "x", false).Credential}
	k.auth = virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte(asked.UserID)})
	k.auth.AddCredential(k.cred)
	p, err = b.ProofFor(ctx, p.ID, cookie)
	must(w.t, err)
	_, err = b.FinishEnrol(ctx, p, []byte(virtualwebauthn.CreateAttestationResponse(k.rp, k.auth, k.cred, *asked)))
	must(w.t, err)
	return k
}

// use opens the passkey page and answers it.
func (k *bankKey) use(a *ask, b *browser) page {
	a.w.t.Helper()
	p := b.get(a.base() + "/method/passkey")
	_, rest, ok := strings.Cut(p.body, `data-options="`)
	if !ok {
		a.w.t.Fatalf("no ceremony: %d", p.status)
	}
	text, _, _ := strings.Cut(rest, `"`)
	options, err := virtualwebauthn.ParseAssertionOptions(strings.NewReplacer("&#34;", `"`, "&#43;", "+").Replace(text))
	must(a.w.t, err)
	return b.post(a.base(), "/passkey", url.Values{"credential": {virtualwebauthn.CreateAssertionResponse(k.rp, k.auth, k.cred, *options)}})
}

func TestLinkByPasskey(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	key := w.enrol("0149", acc)
	early, b := w.ask("0149", nil), w.browser()
	early.enter(b, early.push().AuthorizationURL)
	if p := key.use(early, b); !strings.Contains(p.body, "当行のパスキー") {
		t.Fatalf("a passkey enrolled today makes a link (L14): %d", p.status)
	}
	w.forward(7*24*time.Hour + time.Minute)
	a, b := w.ask("0149", nil), w.browser()
	a.enter(b, a.push().AuthorizationURL)
	if p := key.use(a, b); !strings.Contains(p.body, "暗証番号を入力") {
		t.Fatalf("no PIN page: %d %s", p.status, p.body)
	}
	b.post(a.base(), "/pin", url.Values{"pin": {hanakoPIN}})
	g, err := a.exchange(a.consent(b, false))
	must(t, err)
	r, err := a.activate(g, a.rs)
	must(t, err)
	if r.State != wire.LinkWaiting || r.ReceiptUntilUs == 0 {
		t.Fatalf("without any receipt: %+v", r)
	}
	w.delivered(t, "0149", "+819011112222")
	if r, err = a.activate(g, a.rs); err != nil || r.State != wire.LinkCooling || r.LimitedUntilUs < 0 {
		t.Fatalf("after an SMS arrived: %+v %v", r, err)
	}
	w.forward(12*time.Hour + time.Second)
	if r, err = a.activate(g, a.rs); err != nil || r.State != wire.LinkLimited {
		t.Fatalf("limited: %+v %v", r, err)
	}
	w.forward(24 * time.Hour)
	if r, err = a.activate(g, a.rs); err != nil || r.State != wire.LinkActive {
		t.Fatalf("active: %+v %v", r, err)
	}
	if len(w.seen()) == 0 {
		t.Error("the service was not told of the activation")
	}
}

// seen is the reports that went to the hub.
func (w *world) seen() (out []string) {
	for range 100 {
		w.locked(func() { out = append([]string(nil), w.reports...) })
		if len(out) > 0 {
			return out
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// delivered reports the delivery of every SMS notice so far, as the carrier does.
func (w *world) delivered(t *testing.T, code, to string) {
	t.Helper()
	for range 100 {
		var refs []string
		w.locked(func() {
			for _, m := range w.sms {
				if m.To == to && strings.HasPrefix(m.Ref, "ntc_") {
					refs = append(refs, m.Ref)
				}
			}
		})
		for _, ref := range refs {
			must(t, w.banks[code].bank.Arrived(t.Context(), ref))
		}
		if len(refs) > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("no notice by SMS")
}

// atm is the operator of ATMs as a client of a bank.
type atm struct {
	w       *world
	code    string
	client  *wire.Client
	session string
}

func (w *world) atm(code, card, pin string) (*atm, error) {
	a := &atm{w: w, code: code, client: wire.NewClient(wire.ClientConfig{ID: "atm-net", Key: w.atmKey, Proof: wire.GenerateKey(),
		Issuer: w.issuer(code), Transport: wire.LocalhostTransport(), Now: w.clock})}
	var out struct {
		Session string    `json:"session"`
		Expires time.Time `json:"expires"`
	}
	err := a.call(http.MethodPost, "/v1/atm/sessions", map[string]string{"card": card, "pin": pin}, &out)
	a.session = out.Session
	return a, err
}

func (a *atm) call(method, path string, in, out any) error {
	h := http.Header{}
	if a.session != "" {
		h.Set("ATM-Session", a.session)
	}
	return a.client.Do(a.w.t.Context(), wire.Call{Method: method, URL: a.w.issuer(a.code) + path, Header: h, In: in, Out: out})
}

// shown is what the ATM shows of a card.
type shown struct {
	Balance int64 `json:"balance"`
	Waiting []struct {
		Link    string    `json:"link"`
		Asks    words     `json:"asks"`
		Holder  string    `json:"holder"`
		Expires time.Time `json:"expires"`
	} `json:"waiting"`
}

func (a *atm) show() shown {
	a.w.t.Helper()
	var out shown
	must(a.w.t, a.call(http.MethodGet, "/v1/atm/session", nil, &out))
	return out
}

// found is what the ATM shows of a reference.
type found struct {
	Proof     string    `json:"proof"`
	Reference string    `json:"reference"`
	Purpose   string    `json:"purpose"`
	Asks      words     `json:"asks"`
	Holder    string    `json:"holder"`
	Near      bool      `json:"near"`
	Expires   time.Time `json:"expires"`
	Open      bool      `json:"open"`
}

// find types a reference at the machine.
func (a *atm) find(reference string) (f found, err error) {
	return f, a.call(http.MethodGet, "/v1/atm/requests/"+url.PathEscape(reference), nil, &f)
}

var bigCode = regexp.MustCompile(`big-code">([0-9A-Z]{4}-[0-9A-Z]{4})<`)

// reference is what a browser's own page says to type at an ATM.
func (b *browser) reference(base string) string {
	b.w.t.Helper()
	p := b.get(base + "/method/atm")
	m := bigCode.FindStringSubmatch(p.body)
	if m == nil {
		b.w.t.Fatalf("no reference on %s: %d", p.url, p.status)
	}
	return m[1]
}

// confirms types the reference of a browser's page at the machine, and opens the window of what it shows.
func (a *atm) confirms(b *browser, base string) found {
	a.w.t.Helper()
	f, err := a.find(b.reference(base))
	must(a.w.t, err)
	must(a.w.t, a.call(http.MethodPost, "/v1/atm/windows", map[string]string{"proof": f.Proof}, nil))
	return f
}

func TestLinkAtAnATMWithoutPhoneOrMail(t *testing.T) {
	w := newWorld(t)
	kiyo := func(n *bank.NewAccount) {
		n.HolderKana, n.BirthDate, n.CardID, n.Phone, n.Email = "タカハシ キヨ", "1948-07-15", "card-kiyo", "", ""
	}
	w.hanako("0150", kiyo)
	a, b := w.ask("0150", func(who *wire.Identity, _ *wire.AccountLink) {
		who.NameKana, who.BirthDate, who.Phone = "タカハシ キヨ", "1948-07-15", "+819099998888"
	}), w.browser()
	a.enter(b, a.push().AuthorizationURL)
	if p := b.post(a.base(), "/atm", nil); !strings.Contains(p.body, "まだ届いていません") {
		t.Fatalf("without a window: %d", p.status)
	}
	if _, err := w.atm("0150", "card-kiyo", "0000"); err == nil {
		t.Fatal("a wrong PIN opens the ATM")
	}
	m, err := w.atm("0150", "card-kiyo", hanakoPIN)
	must(t, err)
	if f := m.confirms(b, a.base()); f.Asks.JA != "まるペイ" || f.Holder != "タカハシ キヨ" || f.Purpose != "link" {
		t.Fatalf("the ATM shows %+v", f)
	}
	w.forward(10*time.Minute + time.Second)
	if p := b.post(a.base(), "/atm", nil); !strings.Contains(p.body, "まだ届いていません") {
		t.Fatalf("after 10 minutes (L18): %d", p.status)
	}
	m, err = w.atm("0150", "card-kiyo", hanakoPIN)
	must(t, err)
	m.confirms(b, a.base())
	if p := b.post(a.base(), "/atm", nil); !strings.Contains(p.body, "暗証番号を入力") {
		t.Fatalf("with a window: %d %s", p.status, p.body)
	}
	b.post(a.base(), "/pin", url.Values{"pin": {hanakoPIN}})
	g, err := a.exchange(a.consent(b, false))
	must(t, err)
	r, err := a.activate(g, a.rs)
	must(t, err)
	if r.State != wire.LinkWaiting {
		t.Fatalf("with one channel only: %+v", r)
	}
	m, err = w.atm("0150", "card-kiyo", hanakoPIN)
	must(t, err)
	waiting := m.show().Waiting
	if len(waiting) != 1 || waiting[0].Holder != "タカハシ キヨ" {
		t.Fatalf("to acknowledge: %+v", waiting)
	}
	must(t, m.call(http.MethodPost, "/v1/atm/acknowledgements", map[string]string{"link": waiting[0].Link}, nil))
	if r, err = a.activate(g, a.rs); err != nil || r.State != wire.LinkCooling || r.LimitedUntilUs < 0 {
		t.Fatalf("acknowledged: %+v %v", r, err)
	}
}

func TestEverythingStopsAtAnATM(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	g, link := w.ask("0149", nil).linked()
	w.forward(13 * time.Hour)
	m, err := w.atm("0149", "card-hanako", hanakoPIN)
	must(t, err)
	var screen struct {
		Balance money.Yen        `json:"balance"`
		Stopped bool             `json:"stopped"`
		Waiting []map[string]any `json:"waiting"`
	}
	for _, want := range []bool{false, true} {
		must(t, m.call(http.MethodGet, "/v1/atm/session", nil, &screen))
		if screen.Stopped != want {
			t.Errorf("the machine shows stopped %t, want %t", screen.Stopped, want)
		}
		must(t, m.call(http.MethodPost, "/v1/atm/stops", nil, nil)) // again changes nothing
	}
	order, _ := w.order("0149", link, 1_000)
	out, err := w.call("0149", "/v1/debits", &g.LinkToken, "order", order)
	must(t, err)
	if r := w.debitReceipt("0149", out["receipt"]); r.Outcome != wire.Refused || r.Rule != "D2" {
		t.Fatalf("after the stop: %+v", r)
	}
}

func TestWindowOfAnotherRequestProvesNothing(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	mine, theirs, b, c := w.ask("0149", nil), w.ask("0149", nil), w.browser(), w.browser()
	mine.enter(b, mine.push().AuthorizationURL)
	theirs.enter(c, theirs.push().AuthorizationURL)
	m, err := w.atm("0149", "card-hanako", hanakoPIN)
	must(t, err)
	m.confirms(b, mine.base())
	if p := theirs.post(c); !strings.Contains(p.body, "まだ届いていません") {
		t.Fatalf("a coached victim's window opens the thief's request: %d", p.status)
	}
	if p := mine.post(b); !strings.Contains(p.body, "暗証番号を入力") {
		t.Fatalf("her own: %d", p.status)
	}
}

// post presses "I have confirmed at the ATM".
func (a *ask) post(b *browser) page { return b.post(a.base(), "/atm", nil) }
