package web

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	lib "github.com/go-webauthn/webauthn/webauthn"

	"github.com/kozamori/kozamori/internal/fault"
)

// holder is a person with passkeys, as go-webauthn wants her.
type holder struct{ keys []lib.Credential }

func (h *holder) WebAuthnID() []byte                    { return []byte("holder-1") }
func (h *holder) WebAuthnName() string                  { return "hana" }
func (h *holder) WebAuthnDisplayName() string           { return "ヤマダ ハナコ" }
func (h *holder) WebAuthnCredentials() []lib.Credential { return h.keys }

type keyPage struct {
	Form *Form
	Key  Ceremony
}

func (keyPage) Template() string { return "key.html" }

const keyTemplate = `{{define "title"}}key{{end}}{{define "content"}}<h1>key</h1>
<form method="post" action="/key">{{template "fields" .Form}}{{template "ceremony" .Key}}<button class="primary" disabled>ok</button></form>{{end}}`

// keyServer registers a passkey with a browser key beside it, then takes one signature of both.
type keyServer struct {
	site *Site
	auth *lib.WebAuthn

	mu        sync.Mutex
	who       holder
	session   *lib.SessionData
	spki      []byte
	challenge []byte
	signed    chan error
}

func (k *keyServer) show(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := Ceremony{Do: "create", BrowserKey: "make"}
	var options any
	var err error
	if len(k.who.keys) == 0 {
		options, k.session, err = k.auth.BeginRegistration(&k.who)
	} else {
		options, k.session, err = k.auth.BeginLogin(&k.who)
		k.challenge = []byte("thirty-two bytes to be signed!!!")
		c = Ceremony{Do: "get", BrowserKey: "sign", Challenge: base64.RawURLEncoding.EncodeToString(k.challenge)}
	}
	if err != nil {
		k.site.Error(w, r, err)
		return
	}
	b, err := json.Marshal(options)
	if err != nil {
		k.site.Error(w, r, err)
		return
	}
	c.Options = string(b)
	k.site.Render(w, r, keyPage{NewForm(), c})
}

func (k *keyServer) take(w http.ResponseWriter, r *http.Request) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	inner, err := http.NewRequest(http.MethodPost, "/", strings.NewReader(r.PostFormValue("credential")))
	if err != nil {
		return err
	}
	inner.Header.Set("Content-Type", "application/json")
	if len(k.who.keys) == 0 {
		c, err := k.auth.FinishRegistration(&k.who, *k.session, inner)
		if err != nil {
			return err
		}
		if k.spki, err = base64.RawURLEncoding.DecodeString(r.PostFormValue("browser_key")); err != nil {
			return err
		}
		k.who.keys = append(k.who.keys, *c)
		http.Redirect(w, r, "/key", http.StatusSeeOther)
		return nil
	}
	_, err = k.auth.FinishLogin(&k.who, *k.session, inner)
	if err == nil {
		err = checkBrowserSignature(k.spki, k.challenge, r.PostFormValue("browser_signature"))
	}
	k.signed <- err
	http.Redirect(w, r, "/done", http.StatusSeeOther)
	return nil
}

func checkBrowserSignature(spki, text []byte, signature string) error {
	sig, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || len(sig) != 64 {
		return fmt.Errorf("signature of %d bytes: %w", len(sig), err)
	}
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	if !ecdsa.Verify(key.(*ecdsa.PublicKey), sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return fmt.Errorf("the browser key did not sign")
	}
	return nil
}

func TestPasskeyAndBrowserKey(t *testing.T) {
	ctx := browser(t)
	s, err := NewSite(Options{Theme: Wallet, Name: fault.Text{JA: "まるペイ", EN: "Maru"}, Pages: fstest.MapFS{"key.html": {Data: []byte(keyTemplate)}}})
	if err != nil {
		t.Fatal(err)
	}
	k := &keyServer{site: s, signed: make(chan error, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /key", k.show)
	mux.HandleFunc("POST /key", s.Handle(k.take))
	mux.HandleFunc("GET /done", func(w http.ResponseWriter, r *http.Request) { s.Render(w, r, keyPage{NewForm(), Ceremony{}}) })
	base := serve(t, s, mux)
	if k.auth, err = lib.New(&lib.Config{RPID: "wallet.localhost", RPDisplayName: "Maru", RPOrigins: []string{base}}); err != nil {
		t.Fatal(err)
	}
	authenticator(t, ctx)
	if err := chromedp.Do(ctx, chromedp.Navigate(base+"/key"), chromedp.WaitEnabled("button.primary"), chromedp.Click("button.primary"),
		chromedp.WaitEnabled(`[data-ceremony="get"] ~ button`)); err != nil {
		t.Fatal(err)
	}
	if !k.who.keys[0].Flags.BackupEligible {
		t.Fatal("the authenticator should make a key that may be synced")
	}
	if err := chromedp.Do(ctx, chromedp.Click("button.primary")); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-k.signed:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no signature came")
	}
}

// authenticator gives the browser a passkey provider whose keys may be synced.
func authenticator(t *testing.T, ctx context.Context) webauthn.AuthenticatorID {
	t.Helper()
	if _, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	made, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		DefaultBackupEligibility: true, DefaultBackupState: true,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return made.AuthenticatorID
}

// A person who cancels, and a browser that lacks the key, are told so in words; nothing is sent.
func TestCeremonyThatFailsIsExplained(t *testing.T) {
	ctx := browser(t)
	s := kitSiteOf(t, Wallet)
	page := kitPages(t)["charge"]
	mux := http.NewServeMux()
	mux.HandleFunc("GET /charge", func(w http.ResponseWriter, r *http.Request) { s.Render(w, r, page) })
	sent := false
	mux.HandleFunc("POST /send", func(http.ResponseWriter, *http.Request) { sent = true })
	authenticator(t, ctx)
	text := ""
	err := chromedp.Do(ctx, chromedp.Navigate(serve(t, s, mux)+"/charge?lang=ja"), chromedp.WaitEnabled("button.primary"), chromedp.Click("button.primary"),
		chromedp.WaitVisible(`.ceremony [role=alert]`))
	if err == nil {
		text, err = chromedp.Run(ctx, chromedp.Text(`.ceremony [role=alert]`))
	}
	if err != nil {
		t.Fatal(err)
	}
	if want := ownTexts["key.cancelled"].JA; text != want || sent {
		t.Fatalf("shown %q, want %q; sent: %v", text, want, sent)
	}
}

// The button of a ceremony cannot be pressed before its module listens: however slow the line, nothing is sent
// unsigned, and the first press works.
func TestNoPressBeforeTheModule(t *testing.T) {
	ctx := browser(t)
	s := kitSiteOf(t, Wallet)
	page := kitPages(t)["charge"]
	var sent atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /charge", func(w http.ResponseWriter, r *http.Request) { s.Render(w, r, page) })
	mux.HandleFunc("POST /send", func(http.ResponseWriter, *http.Request) { sent.Add(1) })
	asked, come := make(chan struct{}, 1), make(chan bool)
	all := s.Wrap(mux, nil)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/passkey.js") {
			asked <- struct{}{}
			if !<-come {
				panic(http.ErrAbortHandler)
			}
		}
		all.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	authenticator(t, ctx)
	address := strings.Replace(srv.URL, "127.0.0.1", "wallet.localhost", 1) + "/charge?lang=en"
	pressed := func() bool {
		t.Helper()
		open, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`(() => {
			const button = document.querySelector('main form button.primary');
			button.click();
			return !button.disabled;
		})()`))
		if err != nil {
			t.Fatal(err)
		}
		return open
	}
	opens := func(lost bool) {
		t.Helper()
		if err := chromedp.Do(ctx, chromedp.Navigate(address+fmt.Sprint("&lost=", lost)), chromedp.WaitVisible("h1")); err != nil {
			t.Fatal(err)
		}
		<-asked
		if pressed() {
			t.Error("the button is open before its module is there")
		}
		come <- !lost
	}
	opens(true) // the page says so in the end, and the button stays what it is
	if err := chromedp.Do(ctx, chromedp.WaitVisible(`.ceremony .late`)); err != nil {
		t.Fatal(err)
	}
	if pressed() {
		t.Error("the button is open without its module")
	}
	opens(false)
	err := chromedp.Do(ctx, chromedp.WaitEnabled("button.primary"), chromedp.Click("button.primary"), chromedp.WaitVisible(`.ceremony [role=alert]`))
	if err != nil || sent.Load() != 0 {
		t.Errorf("the first press: %v; %d sent unsigned", err, sent.Load())
	}
}

// Typing "みち" offers banks, arrows choose one, and the form sends its code; a form is sent once however
// often it is pressed.
func TestSuggestAndBusy(t *testing.T) {
	ctx := browser(t)
	s := kitSiteOf(t, Hub)
	page := kitPages(t)["matrix"]
	mux := http.NewServeMux()
	posts := make(chan url.Values, 10)
	mux.HandleFunc("GET /matrix", func(w http.ResponseWriter, r *http.Request) { s.Render(w, r, page) })
	mux.HandleFunc("GET /v1/banks", func(w http.ResponseWriter, r *http.Request) {
		WriteJSON(w, 200, []map[string]string{{"value": "0116", "label": "北海道銀行"}, {"value": "0117", "label": r.FormValue("q") + "のく銀行", "note": "0117"}})
	})
	mux.HandleFunc("POST /send", func(w http.ResponseWriter, r *http.Request) {
		f := page.(kitMatrix).Form
		f.Read(w, r)
		posts <- url.Values{"text": {f.Value("bank")}, "choice": {f.Choice("bank")}}
		time.Sleep(time.Second)
		s.Render(w, r, page)
	})
	err := chromedp.Do(ctx, chromedp.Navigate(serve(t, s, mux)+"/matrix"), chromedp.WaitVisible(`.suggest [role=combobox]`),
		chromedp.SendKeys(`.suggest [role=combobox]`, "みち"), chromedp.WaitVisible(`[role=option]:last-child`), arrow("ArrowDown"), arrow("ArrowDown"))
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(() => {
		const input = document.querySelector('.suggest input[role=combobox]');
		const marked = document.getElementById(input.getAttribute('aria-activedescendant'));
		input.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', cancelable: true, bubbles: true}));
		return marked.textContent + '|' + input.value + '|' + input.getAttribute('aria-expanded');
	})()`))
	if err != nil || chosen != "みちのく銀行0117|みちのく銀行|false" {
		t.Fatalf("%q, %v", chosen, err)
	}
	busy, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`new Promise((done) => {
		const button = document.querySelector('main form button');
		button.click(); button.click(); button.click();
		setTimeout(() => done(button.querySelector('.spin') !== null), 500);
	})`, chromedp.EvalAwaitPromise))
	if err != nil || !busy {
		t.Fatalf("no sign of progress after half a second: %v", err)
	}
	if got := <-posts; got.Get("choice") != "0117" || got.Get("text") != "みちのく銀行" {
		t.Fatalf("sent %v", got)
	}
	time.Sleep(1200 * time.Millisecond)
	if len(posts) != 0 {
		t.Fatal("the form was sent twice")
	}
}

// arrow presses a key on the element that has the focus.
func arrow(key string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](fmt.Sprintf(
		`void document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: %q, cancelable: true, bubbles: true}))`, key))
}

type pollPage struct {
	Done  bool
	Left  int
	Round int
}

func (pollPage) Template() string { return "poll.html" }

const pollTemplate = `{{define "title"}}poll{{end}}{{define "content"}}<h1>poll</h1>
<div id="state"{{if not .Done}} data-poll="/poll" data-every="0.1"{{end}} aria-live="polite"><p>{{if .Done}}settled{{else}}round {{.Round}}{{end}}</p></div>
<div data-countdown="{{.Left}}" data-of="60" data-over="over"><span data-left>{{.Left}}</span><progress aria-label="left"></progress></div>
<p id="code" data-until>code</p><p id="over" hidden>over</p>{{end}}`

func TestPollAndCountdown(t *testing.T) {
	ctx := browser(t)
	s, err := NewSite(Options{Theme: Bank, Name: fault.Text{JA: "銀行", EN: "Bank"}, Pages: fstest.MapFS{"poll.html": {Data: []byte(pollTemplate)}}})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	asked := 0
	mux := http.NewServeMux()
	mux.HandleFunc("GET /poll", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		if asked == 2 { // one answer in between is broken: the page goes on asking
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		s.Render(w, r, pollPage{Done: asked >= 4, Left: 1, Round: asked})
	})
	if err := chromedp.Do(ctx, chromedp.Navigate(serve(t, s, mux)+"/poll"), chromedp.WaitVisible("#over")); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](`document.getElementById('state').textContent === 'settled'`)); err != nil {
		t.Fatal(err)
	}
	hidden, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.getElementById('code').hidden`))
	if err != nil || !hidden {
		t.Fatalf("the code is still shown: %v", err)
	}
	mu.Lock()
	before := asked
	mu.Unlock()
	time.Sleep(500 * time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	if asked != before {
		t.Fatal("a settled region goes on asking")
	}
}

// The policy is in force: a script that a page tries to run inline does not run, and the browser says so.
func TestInlineScriptIsRefused(t *testing.T) {
	ctx := browser(t)
	s, err := NewSite(Options{Theme: Bank, Name: fault.Text{JA: "銀行", EN: "Bank"}, Pages: fstest.MapFS{"bad.html": {Data: []byte(
		`{{define "title"}}x{{end}}{{define "content"}}<h1 id="h">x</h1><script>document.getElementById('h').textContent = 'ran'</script>{{end}}`)}}})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bad", func(w http.ResponseWriter, r *http.Request) { s.Render(w, r, badPage{}) })
	console, cancel := context.WithCancel(ctx)
	messages := chromedp.Console(console)
	if err := chromedp.Do(ctx, chromedp.Navigate(serve(t, s, mux)+"/bad")); err != nil {
		t.Fatal(err)
	}
	text, err := chromedp.Run(ctx, chromedp.Text("#h"))
	if err != nil || text != "x" {
		t.Fatalf("%q, %v", text, err)
	}
	time.AfterFunc(200*time.Millisecond, cancel)
	var said bytes.Buffer
	for m, err := range messages {
		if err != nil {
			break
		}
		said.WriteString(m.Text)
	}
	if !strings.Contains(said.String(), "Content Security Policy") {
		t.Fatalf("the console says %q", said.String())
	}
}

type badPage struct{}

func (badPage) Template() string { return "bad.html" }

// The reference page shows the operations, with nothing from another host and nothing inline.
func TestReferenceInChromium(t *testing.T) {
	ctx := browser(t)
	srv := httptest.NewServer(sampleAPI(t))
	t.Cleanup(srv.Close)
	console, cancel := context.WithCancel(ctx)
	messages := chromedp.Console(console)
	if err := chromedp.Do(ctx, chromedp.Navigate(srv.URL+"/reference/"), chromedp.WaitVisible(".opblock-summary-path")); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(200*time.Millisecond, cancel)
	for m, err := range messages {
		if err != nil {
			break
		}
		t.Errorf("console: %v", m)
	}
}
