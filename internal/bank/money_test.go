package bank_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/outbox"
	bankstore "github.com/kozamori/kozamori/internal/store/bank"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
)

const (
	moneyIssuer = "http://0149.bank.localhost:8404"
	maru        = id.Service("maru")
	sora        = id.Service("sora")
	hanakoPIN   = bank.PIN("5963")
)

// teller is a bank on a real file, with a clock of its own and two services whose keys it holds.
type teller struct {
	*bank.Bank
	t     testing.TB
	store *bankstore.Store
	time  time.Time
	keys  map[id.Service]wire.Key
	own   wire.KeySet
	phone *wiretest.Passkey // of whoever holds the links
	sign  wire.Key
	close func()
}

// newTeller opens a bank at 2026-11-23 12:00 in Tokyo.
func newTeller(t testing.TB) *teller {
	t.Helper()
	return newTellerAt(t, pgtest.Place(t), nil)
}

// newTellerAt opens a bank on a file; before is the one that had it before a restart, whose keys it keeps.
func newTellerAt(t testing.TB, path string, before *teller) *teller {
	t.Helper()
	w := &teller{
		t: t, time: time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC), keys: map[id.Service]wire.Key{maru: wire.GenerateKey(), sora: wire.GenerateKey()},
		phone: wiretest.NewPasskey("wallet.localhost", "http://wallet.localhost:8402", false), sign: wire.GenerateKey(),
	}
	if before != nil {
		w.time, w.keys, w.phone, w.sign = before.time, before.keys, before.phone, before.sign
	}
	sealer, err := outbox.NewSealer(bytes.Repeat([]byte{7}, outbox.KeySize))
	must(t, err)
	w.own = wire.NewKeySet(w.sign.Public())
	w.store, err = bankstore.Open(path, sealer, bank.NewChain(w.sign, moneyIssuer))
	must(t, err)
	_, err = w.store.Migrate(t.Context())
	must(t, err)
	core := ledger.New(w.store.Books(), ledger.Options{})
	w.close = sync.OnceFunc(func() {
		core.Close()
		must(t, w.store.Close())
	})
	t.Cleanup(w.close)
	pins, err := bank.NewPINVerifier(bytes.Repeat([]byte{9}, 32), rand.Reader)
	must(t, err)
	services := map[id.Service]bank.Service{}
	for s, narration := range map[id.Service]string{maru: "ﾏﾙﾍﾟｲ", sora: "ｿﾗｳｵﾚﾂﾄ"} {
		services[s] = bank.Service{
			ID: s, Name: fault.Text{JA: "まるペイ", EN: "MaruPay"}, Narration: narration, Keys: wire.NewKeySet(w.keys[s].Public()),
		}
	}
	w.Bank, err = bank.New(bank.Deps{
		Profile:  bank.Profile{Code: "0149", Issuer: moneyIssuer, Name: fault.Text{JA: "静岡銀行", EN: "The Shizuoka Bank"}, RPID: "0149.bank.localhost", HelpLine: "0120-000-000"},
		Policy:   bank.DefaultPolicy(),
		Services: services,
		Keys: bank.Keys{
			Sign: w.sign, Seal: []wire.SealKey{wire.GenerateSealKey()},
			Pseudonym: bytes.Repeat([]byte{1}, 32), Code: bytes.Repeat([]byte{2}, 32),
		},
		Store: w.store, Core: core, Books: w.store.Books(), PIN: pins, Sealer: sealer,
		Now: func() time.Time { return w.time }, Rand: rand.Reader, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	must(t, err)
	must(t, w.Prepare(t.Context()))
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hanako opens 佐藤花子's account with a million yen, a phone and an e-mail address.
func (w *teller) hanako() bank.Account {
	w.t.Helper()
	acc, err := w.OpenAccount(w.t.Context(), bank.NewAccount{
		Place:      bank.Place{Branch: "101", Kind: bank.Ordinary, Number: "1234567"},
		HolderKana: "サトウ ハナコ", HolderName: "佐藤 花子", BirthDate: "1985-04-01", CardID: "card-hanako", PIN: hanakoPIN,
		Phone: "+819011112222", Email: "hanako@example.jp", Opening: 1_000_000, Since: w.time.AddDate(-3, 0, 0),
	})
	must(w.t, err)
	return acc
}

// link puts a live link of a service on an account, as an activation would have left it 3 days ago. change
// may be nil.
func (w *teller) link(acc bank.Account, s id.Service, change func(*bank.Link, *ledger.Gate)) bank.Link {
	w.t.Helper()
	l := bank.Link{
		ID: id.Link(id.Random("lnk")), Request: id.Request(id.Random("req")), Account: acc.ID, Service: s,
		Subject: id.Subject(id.Random("sub")), Pseudonym: w.Pseudonym(acc.ID, s), State: bank.LinkLive, Device: w.phone.Device(),
		Limits:    wire.Limits{PerDebit: 300_000, Per24h: 300_000, Per30Days: 500_000},
		Proof:     bank.ProofPasskey,
		Confirmed: true, Valid: w.time.AddDate(1, 0, 0), ConsentedAt: w.time.AddDate(0, 0, -3), ActivatedAt: w.time.AddDate(0, 0, -3), Seq: 1, Version: 1,
	}
	g := ledger.Gate{
		ID: bank.LinkGate(l.ID), Parent: bank.AccountGate(acc.ID), Until: l.Valid, Device: l.Device.Thumbprint(),
		NotBefore: w.time.Add(-36 * time.Hour), LimitedUntil: w.time.Add(-12 * time.Hour), LimitedCap: bank.MaxLimited,
	}
	if change != nil {
		change(&l, &g)
	}
	res, err := w.Core.SubmitAll(w.t.Context(), []ledger.Request{
		{At: w.time, Do: ledger.SetLimit{Limit: ledger.Limit{ID: bank.LinkLimit(l.ID), Each: l.Limits.PerDebit, Day: l.Limits.Per24h, Month: l.Limits.Per30Days}}},
		{At: w.time, Do: ledger.SetGate{Gate: g}, Then: func(ledger.Result) []ledger.Write { return []ledger.Write{bank.PutLink{Link: l}} }},
	})
	must(w.t, err)
	for _, r := range res {
		if !r.OK() {
			w.t.Fatalf("link: %+v", r)
		}
	}
	return l
}

// head is the header of a message of a service, written now.
func (w *teller) head(s id.Service) wire.Header {
	return wire.Header{Issuer: string(s), Audience: moneyIssuer, IssuedAt: w.time.Unix()}
}

// signed signs a message of a service.
func (w *teller) signed(s id.Service, m wire.Message) string {
	w.t.Helper()
	text, err := wire.Sign(w.keys[s], m)
	must(w.t, err)
	return text
}

// order makes a service's order for a link, agreed on now with the holder's device. change may be nil; it
// comes after the device signed.
func (w *teller) order(l bank.Link, amount money.Yen, change func(*wire.DebitOrder)) (order string, o *wire.DebitOrder) {
	w.t.Helper()
	o = &wire.DebitOrder{
		Header: w.head(l.Service), Link: l.ID, Debit: id.Debit(id.Random("deb")), Amount: amount, Subject: l.Subject,
		WalletAccount: "available/" + string(l.Subject), AgreedUs: clock.Micros(w.time),
	}
	o.Device = w.phone.Sign(wire.DebitChallenge(moneyIssuer, l.ID, o.Debit, amount, o.AgreedUs))
	if change != nil {
		change(o)
	}
	return w.signed(l.Service, o), o
}

// receipt reads what the bank signed.
func (w *teller) receipt(s id.Service, text string) *wire.DebitReceipt {
	w.t.Helper()
	r, err := wire.Verify[wire.DebitReceipt](text, w.own, wire.Expect{Issuer: moneyIssuer, Audience: string(s), Now: w.time, AnyAge: true})
	must(w.t, err)
	return r
}

// debit orders and reads the receipt.
func (w *teller) debit(l bank.Link, amount money.Yen) *wire.DebitReceipt {
	w.t.Helper()
	order, _ := w.order(l, amount, nil)
	text, err := w.Debit(w.t.Context(), l.ID, order)
	must(w.t, err)
	return w.receipt(l.Service, text)
}

// resolve asks what became of an order.
func (w *teller) resolve(order string, o *wire.DebitOrder) (string, error) {
	w.t.Helper()
	return w.Resolve(w.t.Context(), o.Debit, w.signed(id.Service(o.Issuer), &wire.Resolve{
		Header: w.head(id.Service(o.Issuer)), Link: o.Link, Debit: o.Debit, OrderHash: wire.Hash(order), Amount: o.Amount, WalletAccount: o.WalletAccount,
	}))
}

// balance is what an account holds.
func (w *teller) balance(acc bank.Account) money.Yen {
	w.t.Helper()
	y, err := w.Balance(w.t.Context(), acc.ID)
	must(w.t, err)
	return y
}

// said is a message that left the bank.
type said struct{ channel, to, subject, text, ref string }

// spoken is a bank.Carrier and bank.Reporter that keeps what it was given.
type spoken struct {
	said    []said
	reports []string
}

func (s *spoken) SendSMS(_ context.Context, to, text, ref string) error {
	s.said = append(s.said, said{"sms", to, "", text, ref})
	return nil
}

func (s *spoken) SendMail(_ context.Context, to, subject, text string) error {
	s.said = append(s.said, said{"email", to, subject, text, ""})
	return nil
}

func (s *spoken) Report(_ context.Context, _ id.Service, _ id.Link, report string) error {
	s.reports = append(s.reports, report)
	return nil
}

// deliver empties the outbox as the runner would.
func (w *teller) deliver() *spoken {
	w.t.Helper()
	s := &spoken{}
	for {
		due, err := w.store.Outbox().Due(w.t.Context(), w.time, 100)
		must(w.t, err)
		if len(due) == 0 {
			return s
		}
		var done []string
		for _, m := range due {
			switch m.Kind {
			case bank.MessageNotice:
				must(w.t, w.SendNotice(w.t.Context(), s, m))
			case bank.MessageDigest:
				must(w.t, w.SendDigest(w.t.Context(), m))
			case bank.MessageReport:
				must(w.t, w.SendReport(w.t.Context(), s, m))
			default:
				w.t.Fatalf("a message of kind %q", m.Kind)
			}
			done = append(done, m.ID)
		}
		must(w.t, w.store.Outbox().Settle(w.t.Context(), done, nil))
	}
}

// possession proves possession of hanako's card at an ATM, for a purpose.
func (w *teller) possession(acc bank.Account, purpose bank.Purpose) bank.Possession {
	w.t.Helper()
	_, held := w.proved(acc, purpose)
	return held
}

// proved is possession with the proof it came of, in the browser "cookie".
func (w *teller) proved(acc bank.Account, purpose bank.Purpose) (bank.ProofID, bank.Possession) {
	w.t.Helper()
	ctx := w.t.Context()
	p, err := w.StartProof(ctx, purpose, acc.ID, "cookie", "")
	must(w.t, err)
	secret, _, err := w.StartATM(ctx, "atm", acc.CardID, hanakoPIN)
	must(w.t, err)
	s, err := w.ATM(ctx, "atm", secret)
	must(w.t, err)
	_, err = w.OpenWindow(ctx, s, p.ID)
	must(w.t, err)
	p, err = w.ProofFor(ctx, p.ID, "cookie")
	must(w.t, err)
	held, err := w.TakeWindow(ctx, p)
	must(w.t, err)
	return p.ID, held
}
