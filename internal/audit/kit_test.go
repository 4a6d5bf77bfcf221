package audit_test

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/hub"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/identity"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/outbox"
	bankstore "github.com/kozamori/kozamori/internal/store/bank"
	hubstore "github.com/kozamori/kozamori/internal/store/hub"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	walletstore "github.com/kozamori/kozamori/internal/store/wallet"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
)

const (
	issuer  = id.Issuer("http://0149.bank.localhost:8404")
	service = id.Service("maru")
	origin  = "http://wallet.localhost:8402"
)

// world is a wallet and a bank on real files, laid out as dev lays them out, with a hub between them that
// carries what it is given.
type world struct {
	t                testing.TB
	dir              string
	postgres         string // the URL of the database that has the tables; "" for files
	mu               sync.Mutex
	time             time.Time
	bank             *bank.Bank
	wallet           *wallet.Wallet
	store            *walletstore.Store
	banks            *bankstore.Store
	shop             wallet.Shop
	wallet.HubClient // what is not called here
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.time
}

func (w *world) forward(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.time = w.time.Add(d)
}

func newWorld(t testing.TB) *world { return newWorldIn(t, "") }

// newWorldIn is a world whose tables are in a database, as dev lays them out with --postgres.
func newWorldIn(t testing.TB, postgres string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), postgres: postgres, time: time.Date(2026, 11, 19, 3, 0, 0, 0, time.UTC),
		shop: wallet.Shop{ID: "shop_lunch", Name: fault.Text{JA: "弁当屋", EN: "Lunch"}, KeyHash: wallet.ShopKeyHash("key")}}
	for _, dir := range []string{"data/maru", "data/bank/0149", "data/hub", "register"} {
		must(t, os.MkdirAll(filepath.Join(w.dir, dir), 0o700))
	}
	if postgres != "" {
		text, err := json.Marshal(map[string]string{"postgres": postgres})
		must(t, err)
		must(t, os.MkdirAll(filepath.Join(w.dir, "keys"), 0o700))
		must(t, os.WriteFile(filepath.Join(w.dir, "keys", "dev.json"), text, 0o600))
		must(t, keyfile.Open(filepath.Join(w.dir, "keys", "maru")).Create("marks", keyfile.Secret, true, w.time))
	}
	w.openBank(w.keys("bank/0149", "0149"), w.keys("maru", "maru"))
	w.openWallet()
	return w
}

// place is where a role's tables are.
func (w *world) place(file, role string, which ...string) string {
	if w.postgres == "" {
		return filepath.Join(w.dir, file)
	}
	main, _ := sqldb.Places(sqldb.Under(w.postgres, role), "", role, which...)
	return main
}

// keys makes a role's keys and pins the public half.
func (w *world) keys(folder, name string) wire.KeySet {
	w.t.Helper()
	dir := keyfile.Open(filepath.Join(w.dir, "keys", folder))
	must(w.t, dir.Create("sign", keyfile.Sign, true, w.time))
	set, err := dir.Public("sign", "")
	must(w.t, err)
	text, err := json.Marshal(set)
	must(w.t, err)
	must(w.t, os.WriteFile(filepath.Join(w.dir, "register", name+"-sign.json"), text, 0o600))
	return set
}

func (w *world) private(folder string) wire.Key {
	w.t.Helper()
	keys, err := keyfile.Open(filepath.Join(w.dir, "keys", folder)).Signing("sign")
	must(w.t, err)
	return keys[0]
}

func sealer(t testing.TB) outbox.Sealer {
	t.Helper()
	s, err := outbox.NewSealer(make([]byte, outbox.KeySize))
	must(t, err)
	return s
}

func (w *world) openBank(_, maru wire.KeySet) {
	t, sign := w.t, w.private("bank/0149")
	st, err := bankstore.Open(w.place(atBank, "bank", "0149"), sealer(t), bank.NewChain(sign, issuer))
	must(t, err)
	_, err = st.Migrate(t.Context())
	must(t, err)
	core := ledger.New(st.Books(), ledger.Options{})
	t.Cleanup(func() { core.Close(); must(t, st.Close()) })
	pins, err := bank.NewPINVerifier(make([]byte, 32), rand.Reader)
	must(t, err)
	w.banks = st
	w.bank, err = bank.New(bank.Deps{
		Profile:  bank.Profile{Code: "0149", Issuer: issuer, Name: fault.Text{JA: "静岡銀行", EN: "Shizuoka"}, RPID: "0149.bank.localhost"},
		Policy:   bank.DefaultPolicy(),
		Services: map[id.Service]bank.Service{service: {ID: service, Name: fault.Text{JA: "まるペイ", EN: "MaruPay"}, Narration: "ﾏﾙﾍﾟｲ", Keys: maru}},
		Keys:     bank.Keys{Sign: sign, Seal: []wire.SealKey{wire.GenerateSealKey()}, Pseudonym: make([]byte, 32), Code: make([]byte, 32)},
		Store:    st, Core: core, Books: st.Books(), PIN: pins, Sealer: sealer(t), Now: w.now, Rand: rand.Reader, Log: quiet(),
	})
	must(t, err)
	must(t, w.bank.Prepare(t.Context()))
}

// macs makes the wallet's keyed fingerprints.
type macs struct{}

func (macs) MAC(purpose string, parts ...string) []byte {
	h := hmac.New(sha256.New, []byte(purpose))
	for _, p := range parts {
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func (w *world) openWallet() {
	t := w.t
	st, err := walletstore.Open(w.place(atWallet, "wallet_maru"), sealer(t))
	must(t, err)
	_, err = st.Migrate(t.Context())
	must(t, err)
	books := ledger.New(st.Books(), ledger.Options{})
	t.Cleanup(func() { books.Close(); must(t, st.Close()) })
	w.store = st
	set, err := keyfile.ReadSet(filepath.Join(w.dir, "register", "0149-sign.json"))
	must(t, err)
	w.wallet, err = wallet.New(wallet.Deps{
		Profile: wallet.Profile{Service: service, Name: fault.Text{JA: "まるペイ", EN: "MaruPay"}, Origin: origin, RPID: "wallet.localhost",
			Limits: wire.Limits{PerDebit: 100_000, Per24h: 100_000, Per30Days: 300_000}, Valid: 5, Phones: []string{"+81"}},
		Store: st, Ledger: books, Hub: w, Secrets: macs{}, Now: w.now, Rand: rand.Reader, Log: quiet(),
		Messages: wallet.Messages{Service: service, Key: w.private("maru"), Banks: wire.Keyring{string(issuer): set}, Now: w.now},
		Money:    wallet.MoneyDeps{Policy: wallet.DefaultMoney(), Shops: []wallet.Shop{w.shop}, Books: st.Books(), BreakOwner: "books"},
	})
	must(t, err)
	must(t, w.wallet.OpenShops(t.Context()))
}

// The hub's part.

func (w *world) Debit(ctx context.Context, _ id.Issuer, link id.Link, _ id.Debit, order string) (string, error) {
	return w.bank.Debit(ctx, link, order)
}

func (w *world) Resolve(ctx context.Context, _ id.Issuer, _ id.Link, debit id.Debit, text string) (string, error) {
	return w.bank.Resolve(ctx, debit, text)
}

func (w *world) Reverse(ctx context.Context, _ id.Issuer, _ id.Link, _, text string) (string, error) {
	return w.bank.Reverse(ctx, text)
}

func (w *world) Statement(ctx context.Context, _ id.Issuer, text string) (string, error) {
	return w.bank.Statement(ctx, text)
}

// person is a depositor with a wallet and a link between them.
type person struct {
	sub     id.Subject
	account bank.AccountID
	link    id.Link
	device  *wiretest.Passkey
}

// person opens an account with that much money, a wallet, and a link that begins to cool off now.
func (w *world) person(number string, opening money.Yen) person {
	t := w.t
	t.Helper()
	p := person{sub: id.Subject(id.Random("sub")), device: wiretest.NewPasskey("wallet.localhost", origin, false)}
	acc, err := w.bank.OpenAccount(t.Context(), bank.NewAccount{
		Place:      bank.Place{Branch: "101", Kind: bank.Ordinary, Number: number},
		HolderKana: "サトウ ハナコ", HolderName: "佐藤 花子", BirthDate: "1985-04-01", CardID: "card-" + number, PIN: "5963",
		Phone: "+8190" + number, Opening: opening, Since: w.now().AddDate(-3, 0, 0),
	})
	must(t, err)
	p.account = acc.ID
	p.link = w.linkAtBank(acc, p)
	w.linkAtWallet(p, number)
	return p
}

func (w *world) linkAtBank(acc bank.Account, p person) id.Link {
	now := w.now()
	l := bank.Link{
		ID: id.Link(id.Random("lnk")), Request: id.Request(id.Random("req")), Account: acc.ID, Service: service,
		Subject: p.sub, Pseudonym: w.bank.Pseudonym(acc.ID, service), State: bank.LinkLive, Device: p.device.Device(),
		Limits: wire.Limits{PerDebit: 100_000, Per24h: 100_000, Per30Days: 300_000}, Proof: bank.ProofPasskey, Confirmed: true,
		Valid: now.AddDate(1, 0, 0), ConsentedAt: now, ActivatedAt: now, Seq: 1, Version: 1,
	}
	g := ledger.Gate{
		ID: bank.LinkGate(l.ID), Parent: bank.AccountGate(acc.ID), Until: l.Valid, Device: l.Device.Thumbprint(),
		NotBefore: now.Add(bank.MinCooling), LimitedUntil: now.Add(bank.MinCooling + bank.MinLimited), LimitedCap: bank.MaxLimited,
	}
	facts := map[string]any{"proof": "passkey", "cooling_until_us": clock.Micros(g.NotBefore)}
	evidence := func(kind string) ledger.Write {
		return bank.PutEvidence{Evidence: bank.Evidence{Kind: kind, Request: l.Request, Link: l.ID, Account: acc.ID, At: now, Facts: facts}}
	}
	res, err := w.bank.Core.SubmitAll(w.t.Context(), []ledger.Request{
		{At: now, Do: ledger.SetLimit{Limit: ledger.Limit{ID: bank.LinkLimit(l.ID), Each: l.Limits.PerDebit, Day: l.Limits.Per24h, Month: l.Limits.Per30Days}}},
		{At: now, Do: ledger.SetGate{Gate: g}, Then: func(ledger.Result) []ledger.Write {
			return []ledger.Write{bank.PutLink{Link: l}, evidence("consent"), evidence("activated")}
		}},
	})
	must(w.t, err)
	for _, r := range res {
		if !r.OK() {
			w.t.Fatalf("link: %+v", r)
		}
	}
	return l.ID
}

// linkAtWallet writes what the bank's signed report says.
func (w *world) linkAtWallet(p person, number string) {
	t, now := w.t, w.now()
	t.Helper()
	at, err := w.banks.Link(t.Context(), p.link)
	must(t, err)
	report, err := w.bank.Report(t.Context(), at)
	must(t, err)
	h := wallet.Holder{Subject: p.sub, Level: 2, Email: number + "@example.jp", Phone: "+8190" + number, Lang: "ja", CreatedAt: now, Version: 1}
	must(t, w.wallet.OpenBooks(t.Context(), p.sub))
	must(t, w.store.Commit(t.Context(),
		wallet.PutHolder{Holder: h, EmailMark: []byte(h.Email), PhoneMark: []byte(h.Phone)},
		wallet.PutProof{Subject: p.sub, Proof: identity.Proof{}, DocumentMark: []byte(number), PersonMark: []byte(number), GrantedAt: now},
		wallet.PutDevice{Device: wallet.Device{Subject: p.sub, Keys: p.device.Device(), Credential: []byte("{}"), AddedAt: now}},
		wallet.PutLink{Link: wallet.Link{
			ID: p.link, Request: at.Request, Subject: p.sub, Issuer: issuer, Bank: "0149", BankName: "静岡銀行", BankNameEN: "Shizuoka",
			Pseudonym: at.Pseudonym, Device: at.Device.Thumbprint(), Seq: 1, Reported: wire.LinkCooling, Limits: at.Limits,
			CoolingUntil: now.Add(bank.MinCooling), LimitedUntil: now.Add(bank.MinCooling + bank.MinLimited), ValidUntil: at.Valid,
			Report: report, CreatedAt: now, UpdatedAt: now, Version: 1,
		}}))
}

// agree asks for a charge and signs it with the device; nothing is sent yet.
func (w *world) agree(p person, amount money.Yen) id.Debit {
	w.t.Helper()
	a, err := w.wallet.AskCharge(w.t.Context(), p.sub, p.link, amount)
	must(w.t, err)
	c, err := w.wallet.Agreed(w.t.Context(), p.sub, a.Charge.Debit, p.device.Sign(a.Challenge))
	must(w.t, err)
	return c.Debit
}

// charge brings a charge to the state it is wanted in.
func (w *world) charge(p person, amount money.Yen, want wallet.ChargeState) id.Debit {
	w.t.Helper()
	debit := w.agree(p, amount)
	must(w.t, w.wallet.DeliverDebit(w.t.Context(), debit))
	w.is(debit, want)
	return debit
}

func (w *world) is(debit id.Debit, want wallet.ChargeState) {
	w.t.Helper()
	c, err := w.store.Charge(w.t.Context(), debit)
	must(w.t, err)
	if c.State != want {
		w.t.Fatalf("the charge is %s, want %s", c.State, want)
	}
}

func (w *world) pay(p person, amount money.Yen, key string) {
	w.t.Helper()
	code, _, err := w.wallet.MakePayCode(w.t.Context(), p.sub)
	must(w.t, err)
	_, _, err = w.wallet.Pay(w.t.Context(), w.shop, key, wallet.Presented{Code: code, Amount: amount, Order: "order " + key})
	must(w.t, err)
}

func (w *world) reverse(debit id.Debit) wallet.Reversal {
	w.t.Helper()
	v, err := w.wallet.ReverseCharge(w.t.Context(), debit, "staff", "asked for")
	must(w.t, err)
	return v
}

// hub writes what a hub would have of one debit.
func (w *world) hub(p person, debit id.Debit) {
	t := w.t
	db, err := sqldb.Open(w.place(atHub, "hub"), hubstore.Source)
	must(t, err)
	store := hubstore.New(db)
	must(t, store.Change(t.Context(), func(tx hub.Tx) error {
		var errs []error
		for _, key := range []string{"a", "b", "c"} {
			_, err := tx.AddEvent(t.Context(), hub.Event{Service: service, Key: key, Report: "x.y.z", At: w.time})
			errs = append(errs, err)
		}
		return errors.Join(errors.Join(errs...),
			tx.PutLink(t.Context(), hub.Link{ID: p.link, Service: service, Issuer: issuer, State: "active", Seq: 1, Updated: w.time}),
			tx.PutDebit(t.Context(), hub.Debit{Service: service, ID: debit, Issuer: issuer, Link: p.link, Outcome: "booked", Sent: w.time, Answered: w.time}))
	}))
	_, err = store.MarkRead(t.Context(), service, 1) // the first was taken and is forgotten: that leaves no gap
	must(t, err)
	if n, err := store.ForgetEvents(t.Context(), w.time.Add(time.Hour), 10); err != nil || n != 1 {
		t.Fatalf("%d events forgotten, %v", n, err)
	}
	must(t, db.Close())
}

// history is some days of business that hold every kind of row.
type history struct {
	rich, poor                         person
	matured, done, reversed, reversing id.Debit
	refused, never, sent               id.Debit
	reversal                           wallet.Reversal
}

// live makes a history: what was charged while limited and matured, charged and paid, refused, never arrived,
// reversed, half reversed, and what is still open.
func (w *world) live() (h history) {
	w.t.Helper()
	ctx := w.t.Context()
	h.rich, h.poor = w.person("1111111", 1_000_000), w.person("2222222", 500)
	w.forward(13 * time.Hour)
	h.matured = w.charge(h.rich, 3_000, wallet.ChargeDone)
	w.pay(h.rich, 800, "first")
	w.forward(24 * time.Hour)
	must(w.t, w.wallet.Mature(ctx))
	h.done = w.charge(h.rich, 20_000, wallet.ChargeDone)
	w.pay(h.rich, 5_000, "second")
	w.pay(h.rich, 900_000, "more than she has")
	h.refused = w.charge(h.poor, 1_000, wallet.ChargeRefused)
	h.never = w.agree(h.poor, 400)
	w.forward(3 * time.Minute)
	_, err := w.wallet.SweepCharges(ctx)
	must(w.t, err)
	w.is(h.never, wallet.ChargeNever)
	h.reversed = w.charge(h.rich, 10_000, wallet.ChargeDone)
	h.reversal = w.reverse(h.reversed)
	must(w.t, w.wallet.DeliverReversal(ctx, h.reversal.ID))
	w.forward(48 * time.Hour)
	must(w.t, w.wallet.SweepStatements(ctx))
	_, err = w.wallet.RecordArrival(ctx, issuer, "2026-11-20", 3_000, "staff")
	must(w.t, err)
	must(w.t, w.bank.Cash(ctx, h.rich.account, 30_000, "atm_1"))
	h.reversing = w.charge(h.rich, 7_000, wallet.ChargeDone)
	w.reverse(h.reversing)
	h.sent = w.agree(h.rich, 1_500)
	w.forward(30 * time.Second)
	_, err = w.wallet.AskCharge(ctx, h.poor.sub, h.poor.link, 100)
	must(w.t, err)
	w.hub(h.rich, h.done)
	return h
}

// opened opens a file without any check.
func opened(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	must(t, err)
	db.SetMaxOpenConns(1)
	return db
}

// alter runs statements on a file behind everybody's back, checks and all.
func alter(t testing.TB, path string, statements ...string) {
	t.Helper()
	db := opened(t, path)
	for _, s := range append([]string{`PRAGMA ignore_check_constraints = ON`, `PRAGMA foreign_keys = OFF`}, statements...) {
		res, err := db.Exec(s)
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		if n, _ := res.RowsAffected(); n == 0 && (s[:6] == "UPDATE" || s[:6] == "DELETE" || s[:6] == "INSERT") {
			t.Fatalf("%s: changed nothing", s)
		}
	}
	must(t, db.Close())
}
