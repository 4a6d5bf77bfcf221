package wallet_test

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/identity"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	store "github.com/kozamori/kozamori/internal/store/wallet"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
)

const (
	rpID = "wallet.example.jp"
)

// people is a wallet on a real file between a scripted hub and two banks that hold real keys.
type people struct {
	*testing.T
	*wallet.Wallet
	clock *clock.Movable
	store *store.Store
	hub   *linkHub
	banks map[id.Issuer]*linkBank
	books *ledger.Ledger
	deps  wallet.Deps
	path  string
	key   []byte
}

type macs struct{ key []byte }

func (m macs) MAC(purpose string, parts ...string) []byte {
	h := hmac.New(sha256.New, m.key)
	for _, p := range append([]string{purpose}, parts...) {
		sum := sha256.Sum256([]byte(p))
		h.Write(sum[:])
	}
	return h.Sum(nil)
}

func newPeople(t *testing.T) *people {
	t.Helper()
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	p := &people{T: t, clock: &clock.Movable{}, banks: map[id.Issuer]*linkBank{}, path: pgtest.Place(t), key: key}
	serviceKey := wire.GenerateKey()
	ring := wire.Keyring{}
	for _, issuer := range []id.Issuer{bankA, bankB} {
		b := &linkBank{issuer: issuer, key: wire.GenerateKey(), seal: wire.GenerateSealKey(), seq: map[id.Link]int64{}, now: p.clock.Now}
		p.banks[issuer] = b
		ring[string(issuer)] = wire.NewKeySet(b.key.Public()).WithSeal(b.seal.Public())
	}
	p.hub = &linkHub{people: p, service: wire.NewKeySet(serviceKey.Public()), states: map[id.Issuer]wallet.BankState{}}
	p.deps = wallet.Deps{
		Profile: wallet.Profile{
			Service: "maru", Name: fault.Text{JA: "まるペイ", EN: "MaruPay"}, Origin: origin, RPID: rpID, Valid: 5, Phones: []string{"+81"},
			Limits: wire.Limits{PerDebit: 50_000, Per24h: 100_000, Per30Days: 300_000},
		},
		Hub: p.hub, Secrets: macs{key},
		Messages: wallet.Messages{Service: "maru", Key: serviceKey, Banks: ring, Now: p.clock.Now},
		Now:      p.clock.Now, Rand: rand.Reader, Log: observe.Discard(),
		Money: wallet.MoneyDeps{Policy: wallet.DefaultMoney()},
	}
	p.open()
	t.Cleanup(p.close)
	return p
}

// open puts the wallet together over its file.
func (p *people) open() {
	p.Helper()
	sealer, err := outbox.NewSealer(p.key)
	if err != nil {
		p.Fatal(err)
	}
	if p.store, err = store.Open(p.path, sealer); err != nil {
		p.Fatal(err)
	}
	if _, err := p.store.Migrate(p.Context()); err != nil {
		p.Fatal(err)
	}
	p.books = ledger.New(p.store.Books(), ledger.Options{})
	p.deps.Store, p.deps.Ledger, p.deps.Money.Books = p.store, p.books, p.store.Books()
	if p.Wallet, err = wallet.New(p.deps); err != nil {
		p.Fatal(err)
	}
}

func (p *people) close() {
	p.books.Close()
	if err := p.store.Close(); err != nil {
		p.Error(err)
	}
}

// restart is a new process over the same file.
func (p *people) restart() { p.Helper(); p.close(); p.open() }

// deliver hands every due outbox message to its handler once, and keeps what was said to people.
func (p *people) deliver() (letters []wallet.Letter, failed error) {
	p.Helper()
	for range 50 {
		due, err := p.store.Outbox().Due(p.Context(), p.Now(), 100)
		if err != nil {
			p.Fatal(err)
		}
		if len(due) == 0 {
			return letters, failed
		}
		for _, m := range due {
			var err error
			switch m.Kind {
			case wallet.KindMail, wallet.KindSMS:
				var l wallet.Letter
				if err := json.Unmarshal(m.Payload, &l); err != nil {
					p.Fatal(err)
				}
				letters = append(letters, l)
			case wallet.KindRedeem:
				err = p.DeliverRedeem(p.Context(), m)
			case wallet.KindAbort:
				err = p.DeliverAbort(p.Context(), m)
			case wallet.KindChange:
				err = p.DeliverChange(p.Context(), m)
			default:
				p.Fatalf("a message of kind %q", m.Kind)
			}
			if err != nil {
				failed = err
				again := []outbox.Retry{{ID: m.ID, Due: p.Now().Add(time.Second), Attempts: m.Attempts + 1}}
				if err := p.store.Outbox().Settle(p.Context(), nil, again); err != nil {
					p.Fatal(err)
				}
				continue
			}
			if err := p.store.Outbox().Settle(p.Context(), []string{m.ID}, nil); err != nil {
				p.Fatal(err)
			}
		}
	}
	p.Fatal("the outbox does not come to rest")
	return nil, nil
}

var sixDigits = regexp.MustCompile(`[0-9]{6}`)

// codeIn is the code of the last letter to a contact, "" where it holds none.
func codeIn(letters []wallet.Letter, to string) string {
	code := ""
	for _, l := range letters {
		if l.To == to {
			code = sixDigits.FindString(l.Text)
		}
	}
	return code
}

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// typeCode types the code that the outbox brings to a contact.
func (p *people) typeCode(e wallet.Errand, to string) wallet.Errand {
	p.Helper()
	letters, _ := p.deliver()
	code := codeIn(letters, to)
	if code == "" {
		p.Fatalf("no code came to %s", to)
	}
	next, err := p.TypeCode(p.Context(), e.ID, code)
	return must(p.T, next, err)
}

// signUp makes a holder with a passkey.
func (p *people) signUp(email, phone string, synced bool) (wallet.Holder, *wiretest.Passkey) {
	p.Helper()
	e, err := p.StartSignUp(p.Context(), email, "ja")
	e = must(p.T, e, err)
	e = p.typeCode(e, e.Email)
	e, err = p.TakePhone(p.Context(), e.ID, phone)
	e = must(p.T, e, err)
	e = p.typeCode(e, e.Phone)
	key := wiretest.NewPasskey(rpID, origin, synced)
	h, err := p.register(key, e)
	return must(p.T, h, err), key
}

func (p *people) register(key *wiretest.Passkey, e wallet.Errand) (wallet.Holder, error) {
	p.Helper()
	c, err := p.BeginDevice(p.Context(), e.ID)
	if err != nil {
		return wallet.Holder{}, err
	}
	return p.FinishDevice(p.Context(), e.ID, c.State, attest(p.T, key, c.Options), key.Device().BrowserKey)
}

// attest is the passkey's answer to a registration.
func attest(t testing.TB, key *wiretest.Passkey, options []byte) []byte {
	t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		t.Fatal(err)
	}
	key.Authenticator.Options.UserHandle = []byte(o.UserID)
	return []byte(virtualwebauthn.CreateAttestationResponse(key.RP, key.Authenticator, key.Credential, *o))
}

// assert is the passkey's answer to a sign-in.
func assert(t testing.TB, key *wiretest.Passkey, options []byte) []byte {
	t.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(virtualwebauthn.CreateAssertionResponse(key.RP, key.Authenticator, key.Credential, *o))
}

func evidence(now time.Time, name, born, licence string) identity.Evidence {
	return identity.Evidence{NameKana: name, BirthDate: born, Method: identity.Counter, Examiner: "tanaka", At: now,
		Document: identity.Document{Kind: identity.DriverLicence, Number: licence}}
}

// hanako is a proved holder.
func (p *people) hanako() wallet.Holder {
	p.Helper()
	h, _ := p.signUp("hanako@example.jp", "+819011112222", false)
	h, err := p.Prove(p.Context(), h.Subject, evidence(p.Now(), "サトウ ハナコ", "1985-04-01", "309012345620"))
	return must(p.T, h, err)
}

// browser is what one browser keeps.
type browser struct {
	subject id.Subject
	cookies map[string]string
	asked   map[id.Request]bool
}

func newBrowser(sub id.Subject) *browser {
	return &browser{sub, map[string]string{}, map[id.Request]bool{}}
}

// ask starts a request for a link in a browser.
func (p *people) ask(b *browser, h wallet.Holder, issuer id.Issuer) wallet.Ask {
	p.Helper()
	a, err := p.RequestLink(p.Context(), h, issuer)
	if err != nil {
		p.Fatal(err)
	}
	name, value := a.Ask.Cookie()
	b.cookies[name] = value
	b.asked[a.Ask.Request] = true
	return a.Ask
}

// back is the redirect that brings the browser back.
func (b *browser) back(state, code, iss string) wallet.Back {
	return wallet.Back{State: state, Code: code, Issuer: iss, Subject: b.subject,
		Cookie: func(name string) string { return b.cookies[name] },
		Asked:  func(r id.Request) bool { return b.asked[r] }}
}

// linkBank answers with its own keys.
type linkBank struct {
	issuer id.Issuer
	key    wire.Key
	seal   wire.SealKey
	seq    map[id.Link]int64
	now    clock.Now
}

// report signs what the bank says of a link made from an ask.
func (b *linkBank) report(t testing.TB, a wallet.Ask, link id.Link, state wire.LinkState, change func(*wire.LinkReport)) string {
	t.Helper()
	now := b.now()
	b.seq[link]++
	r := &wire.LinkReport{
		Header:  wire.Header{Issuer: string(b.issuer), Audience: "maru", IssuedAt: now.Unix()},
		Request: a.Request, Link: link, Seq: b.seq[link], Subject: a.Subject, Pseudonym: "psn_0123456789abcdefghjkmnpqrs", State: state,
		Limits:         wire.Limits{PerDebit: 50_000, Per24h: 100_000, Per30Days: 300_000},
		CoolingUntilUs: clock.Micros(now.Add(12 * time.Hour)), LimitedUntilUs: clock.Micros(now.Add(36 * time.Hour)),
		ValidUntilUs: clock.Micros(now.AddDate(5, 0, 0)),
	}
	if state == wire.LinkDead {
		r.Link, r.Pseudonym = "", ""
	}
	if change != nil {
		change(r)
	}
	signed, err := wire.Sign(b.key, r)
	return must(t, signed, err)
}

// linkHub is wallet.HubClient as a test wants it to behave.
type linkHub struct {
	*people
	service wire.KeySet
	states  map[id.Issuer]wallet.BankState

	mu      sync.Mutex
	pushed  []wallet.LinkPush
	redeems int
	aborts  []wire.Abort
	changes []wire.LinkChange
	events  []wallet.HubEvent

	pushErr  error
	sendTo   string
	onRedeem func(id.Request, wallet.Redemption) (string, error)
	onAbort  func(id.Request) (string, error)
	onChange func(id.Link, wire.LinkChange) (string, error)
}

func (h *linkHub) Banks(context.Context) ([]wallet.HubBank, error) {
	var out []wallet.HubBank
	for issuer, code := range map[id.Issuer]id.Bank{bankA: "0149", bankB: "0150"} {
		state := wallet.BankOpen
		if s, ok := h.states[issuer]; ok {
			state = s
		}
		out = append(out, wallet.HubBank{Bank: code, Issuer: issuer, State: state, Name: fault.Text{JA: "静岡銀行", EN: "Shizuoka"}})
	}
	return out, nil
}

func (h *linkHub) RequestLink(_ context.Context, p wallet.LinkPush) (wallet.LinkPushed, error) {
	if h.pushErr != nil {
		return wallet.LinkPushed{}, h.pushErr
	}
	h.pushed = append(h.pushed, p)
	if h.sendTo != "" {
		return wallet.LinkPushed{URL: h.sendTo}, nil
	}
	return wallet.LinkPushed{URL: string(p.Issuer) + "/authorize", ExpiresIn: 5 * time.Minute}, nil
}

func (h *linkHub) Redeem(_ context.Context, r id.Request, red wallet.Redemption) (string, error) {
	h.redeems++
	return h.onRedeem(r, red)
}

func (h *linkHub) Abort(_ context.Context, r id.Request, issuer id.Issuer, abort string) (string, error) {
	a, err := wire.Verify[wire.Abort](abort, h.service, wire.Expect{Issuer: "maru", Audience: string(issuer), Now: h.Now()})
	if err != nil {
		h.Fatal(err)
	}
	h.aborts = append(h.aborts, *a)
	if h.onAbort != nil {
		return h.onAbort(r)
	}
	ask, err := h.Store.Ask(h.Context(), r)
	if err != nil {
		h.Fatal(err)
	}
	return h.banks[issuer].report(h.T, ask, "", wire.LinkDead, nil), nil
}

func (h *linkHub) ChangeLink(_ context.Context, issuer id.Issuer, link id.Link, change string) (string, error) {
	c, err := wire.Verify[wire.LinkChange](change, h.service, wire.Expect{Issuer: "maru", Audience: string(issuer), Now: h.Now()})
	if err != nil {
		h.Fatal(err)
	}
	h.changes = append(h.changes, *c)
	return h.onChange(link, *c)
}

func (h *linkHub) Events(_ context.Context, after int64, _ time.Duration) ([]wallet.HubEvent, int64, error) {
	var out []wallet.HubEvent
	next := after
	for _, e := range h.events {
		if e.Seq > after {
			out, next = append(out, e), e.Seq
		}
	}
	return out, next, nil
}

func (h *linkHub) Debit(context.Context, id.Issuer, id.Link, id.Debit, string) (string, error) {
	return "", fault.New(fault.Unavailable, "test", nil)
}

func (h *linkHub) Resolve(context.Context, id.Issuer, id.Link, id.Debit, string) (string, error) {
	return "", fault.New(fault.Unavailable, "test", nil)
}

func (h *linkHub) Reverse(context.Context, id.Issuer, id.Link, string, string) (string, error) {
	return "", fault.New(fault.Unavailable, "test", nil)
}

func (h *linkHub) Statement(context.Context, id.Issuer, string) (string, error) {
	return "", fault.New(fault.Unavailable, "test", nil)
}
