package wallet_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"crypto/rand"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	store "github.com/kozamori/kozamori/internal/store/wallet"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
)

const (
	service = id.Service("maru")
	origin  = "https://wallet.example.jp"
	bankA   = id.Issuer("https://0149.bank.example.jp")
	bankB   = id.Issuer("https://0150.bank.example.jp")
)

// timer is a clock that only the test moves.
type timer struct {
	mu  sync.Mutex
	now time.Time
}

func (c *timer) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *timer) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a wallet on a real file, with scripted banks behind its hub.
type world struct {
	t      *testing.T
	file   string
	sealer outbox.Sealer
	clock  *timer
	key    wire.Key
	banks  *scriptedHub
	policy wallet.MoneyPolicy
	shops  []wallet.Shop

	store  *store.Store
	ledger *ledger.Ledger
	*wallet.Wallet
}

func newWorld(t *testing.T) *world {
	t.Helper()
	key := make([]byte, outbox.KeySize)
	_, _ = rand.Read(key)
	sealer, err := outbox.NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, file: pgtest.Place(t), sealer: sealer,
		clock: &timer{now: time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)},
		key:   wire.GenerateKey(), policy: wallet.DefaultMoney(),
		shops: []wallet.Shop{
			{ID: "shop_bakery", Name: fault.Text{JA: "パン屋", EN: "Bakery"}, KeyHash: wallet.ShopKeyHash("bakery key")},
			{ID: "shop_cards", Name: fault.Text{JA: "カード屋", EN: "Gift cards"}, CashLike: true, KeyHash: wallet.ShopKeyHash("cards key")},
		},
	}
	w.banks = newScriptedHub(w.clock, wire.Keyring{string(service): wire.NewKeySet(w.key.Public())}, bankA, bankB)
	w.open()
	t.Cleanup(w.close)
	return w
}

// open starts the wallet upon its file, as after a crash.
func (w *world) open() {
	w.t.Helper()
	s, err := store.Open(w.file, w.sealer)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := s.Migrate(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.store, w.ledger = s, ledger.New(s.Books(), ledger.Options{})
	w.Wallet, err = wallet.New(wallet.Deps{
		Profile: wallet.Profile{Service: service, Name: fault.Text{JA: "まるペイ", EN: "MaruPay"}, Origin: origin, RPID: "wallet.example.jp",
			Limits: wire.Limits{PerDebit: 100_000, Per24h: 100_000, Per30Days: 300_000}, Valid: 5, Phones: []string{"+81"}},
		Store: s, Ledger: w.ledger, Hub: w.banks, Secrets: macs{[]byte("a key of tests")}, Now: w.clock.Now, Rand: rand.Reader,
		Messages: wallet.Messages{Service: service, Key: w.key, Banks: w.banks.keys(), Now: w.clock.Now},
		Log:      slog.New(slog.NewTextHandler(io.Discard, nil)),
		Money:    wallet.MoneyDeps{Policy: w.policy, Shops: w.shops, Books: s.Books(), BreakOwner: "books"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.OpenShops(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) close() {
	w.ledger.Close()
	if err := w.store.Close(); err != nil {
		w.t.Error(err)
	}
}

// crash stops the wallet between two commits and starts it again.
func (w *world) crash() {
	w.t.Helper()
	w.close()
	w.open()
}

// person is a holder with a device and a link.
type person struct {
	sub    id.Subject
	link   wallet.Link
	device *wiretest.Passkey
}

// person makes a holder with an active link to a bank where she has that much money.
func (w *world) person(at id.Issuer, deposit money.Yen) person {
	w.t.Helper()
	p := person{sub: id.Subject(id.Random("sub")), device: wiretest.NewPasskey("wallet.example.jp", origin, false)}
	h := wallet.Holder{Subject: p.sub, Level: 2, Email: string(p.sub) + "@example.jp", Phone: "+8190" + string(p.sub), Lang: "ja", CreatedAt: w.clock.Now(), Version: 1}
	w.commit(
		wallet.PutHolder{Holder: h, EmailMark: []byte(h.Email), PhoneMark: []byte(h.Phone)},
		wallet.PutDevice{Device: wallet.Device{Subject: p.sub, Keys: p.device.Device(), Credential: []byte("{}"), AddedAt: w.clock.Now()}},
	)
	p.link = w.link(p, at, deposit)
	return p
}

func (w *world) link(p person, at id.Issuer, deposit money.Yen) wallet.Link {
	w.t.Helper()
	now := w.clock.Now()
	l := wallet.Link{
		ID: id.Link(id.Random("lnk")), Request: id.Request(id.Random("req")), Subject: p.sub, Issuer: at, Bank: "0149",
		BankName: "静岡銀行", BankNameEN: "Shizuoka Bank", Pseudonym: id.Pseudonym(id.Random("psn")), Device: p.device.Device().Thumbprint(),
		Seq: 1, Reported: wire.LinkActive, Limits: wire.Limits{PerDebit: 100_000, Per24h: 100_000, Per30Days: 300_000},
		CoolingUntil: now.Add(-2 * time.Hour), LimitedUntil: now.Add(-time.Hour), ValidUntil: now.AddDate(5, 0, 0),
		Report: "report", CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	w.commit(wallet.PutLink{Link: l})
	w.banks.open(at, l.ID, p.device.Device(), deposit)
	return l
}

func (w *world) commit(rows ...ledger.Write) {
	w.t.Helper()
	if err := w.store.Commit(w.t.Context(), rows...); err != nil {
		w.t.Fatal(err)
	}
}

// update changes a link as a new report would.
func (w *world) update(l *wallet.Link, change func(*wallet.Link)) {
	w.t.Helper()
	row := wallet.PutLink{Link: *l, IfVersion: l.Version}
	change(&row.Link)
	row.Link.Version++
	w.commit(row)
	*l = row.Link
}

// agree asks for a charge and signs it; nothing is sent yet.
func (w *world) agree(p person, amount money.Yen) (wallet.Charge, error) {
	a, err := w.AskCharge(w.t.Context(), p.sub, p.link.ID, amount)
	if err != nil {
		return wallet.Charge{}, err
	}
	return w.Agreed(w.t.Context(), p.sub, a.Charge.Debit, p.device.Sign(a.Challenge))
}

func (w *world) mustAgree(p person, amount money.Yen) wallet.Charge {
	w.t.Helper()
	c, err := w.agree(p, amount)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// charge brings a charge to its end.
func (w *world) charge(p person, amount money.Yen) wallet.Charge {
	w.t.Helper()
	c := w.mustAgree(p, amount)
	if err := w.DeliverDebit(w.t.Context(), c.Debit); err != nil {
		w.t.Fatal(err)
	}
	return w.stateIs(c.Debit, wallet.ChargeDone)
}

func (w *world) stateIs(debit id.Debit, want wallet.ChargeState) wallet.Charge {
	w.t.Helper()
	c, err := w.store.Charge(w.t.Context(), debit)
	if err != nil {
		w.t.Fatal(err)
	}
	if c.State != want {
		w.t.Fatalf("the charge is %s, want %s", c.State, want)
	}
	return c
}

func (w *world) account(a ledger.AccountID) ledger.Account {
	w.t.Helper()
	acc, err := w.store.Books().Account(w.t.Context(), a)
	if err != nil && fault.Of(err) != fault.NotFound {
		w.t.Fatal(err)
	}
	return acc
}

func (w *world) balance(a ledger.AccountID, want money.Yen) {
	w.t.Helper()
	if got := w.account(a).Balance; got != want {
		w.t.Errorf("%s holds %d, want %d", a, got, want)
	}
}

// booksAgree says that what the wallet booked is what the bank booked, and that nothing is held any more.
func (w *world) booksAgree(p person) {
	w.t.Helper()
	booked := w.banks.booked(p.link.Issuer)
	r := w.account(wallet.Receivable(p.link.Issuer))
	if r.Balance != -booked || r.HeldOut != 0 || r.HeldIn != 0 {
		w.t.Errorf("the bank booked %d; the wallet has %d, held %d and %d", booked, r.Balance, r.HeldOut, r.HeldIn)
	}
}

// sweepUntilEnded runs the sweeper until no charge is open, moving the clock as time passes.
func (w *world) sweepUntilEnded() {
	w.t.Helper()
	for range 40 {
		w.clock.forward(2 * time.Minute)
		if _, err := w.SweepCharges(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		open, err := w.store.OpenCharges(w.t.Context(), 1)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(open) == 0 {
			return
		}
	}
	w.t.Fatal("a charge stays open for ever")
}

var errLost = fault.New(fault.Unavailable, "test", errors.New("lost"))

// scriptedHub routes to banks that behave as protocol.md says, and does to their answers what a test asks.
type scriptedHub struct {
	wallet.HubClient // what these tests do not call
	clock            *timer
	service          wire.Register

	mu    sync.Mutex
	banks map[id.Issuer]*scriptedBank

	// script is asked before each call: do is what the network does with it.
	script func(call string, debit id.Debit) do
	// odd is asked before a statement: an error is the bank's answer.
	odd func(at id.Issuer, day string) error
}

// do is what happens to one call on the network.
type do struct {
	loseRequest bool
	loseAnswer  bool
	twice       bool
	late        func()                      // runs after the bank has answered, before the answer arrives
	instead     func(receipt string) string // another answer than the bank's
}

type scriptedBank struct {
	issuer   id.Issuer
	key      wire.Key
	money    map[id.Link]money.Yen
	devices  map[id.Link]wire.Device
	shut     map[id.Link]string // reason of refusal
	pending  bool
	answers  map[id.Debit]string // the receipt of every known debit
	amounts  map[id.Debit]money.Yen
	orders   map[id.Debit]string
	reversed map[string]string
	lines    []wire.StatementLine
	book     money.Yen
	debits   int                                    // orders judged
	settles  func(wire.Settlement) *wire.Settlement // what it signs at the end of a day; nil: nothing
	settled  map[string]string                      // by day
}

func newScriptedHub(c *timer, service wire.Register, issuers ...id.Issuer) *scriptedHub {
	h := &scriptedHub{clock: c, service: service, banks: map[id.Issuer]*scriptedBank{}}
	for _, i := range issuers {
		h.banks[i] = &scriptedBank{issuer: i, key: wire.GenerateKey(), money: map[id.Link]money.Yen{}, devices: map[id.Link]wire.Device{},
			shut: map[id.Link]string{}, answers: map[id.Debit]string{}, amounts: map[id.Debit]money.Yen{}, orders: map[id.Debit]string{}, reversed: map[string]string{}, settled: map[string]string{}}
	}
	return h
}

func (h *scriptedHub) keys() wire.Keyring {
	ring := wire.Keyring{}
	for i, b := range h.banks {
		ring[string(i)] = wire.NewKeySet(b.key.Public())
	}
	return ring
}

func (h *scriptedHub) open(at id.Issuer, link id.Link, d wire.Device, deposit money.Yen) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.banks[at].money[link], h.banks[at].devices[link] = deposit, d
}

func (h *scriptedHub) change(at id.Issuer, f func(*scriptedBank)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(h.banks[at])
}

func (h *scriptedHub) booked(at id.Issuer) money.Yen {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.banks[at].book
}

// pass does to one call what the script says.
func (h *scriptedHub) pass(call string, issuer id.Issuer, debit id.Debit, handle func(*scriptedBank) (string, error)) (string, error) {
	d := do{}
	if h.script != nil {
		d = h.script(call, debit)
	}
	if d.loseRequest {
		return "", errLost
	}
	h.mu.Lock()
	answer, err := handle(h.banks[issuer])
	if d.twice {
		answer, err = handle(h.banks[issuer])
	}
	h.mu.Unlock()
	if d.late != nil {
		d.late()
	}
	switch {
	case d.loseAnswer:
		return "", errLost
	case d.instead != nil:
		return d.instead(answer), nil
	}
	return answer, err
}

func (h *scriptedHub) Debit(_ context.Context, issuer id.Issuer, link id.Link, debit id.Debit, order string) (string, error) {
	return h.pass("debit", issuer, debit, func(b *scriptedBank) (string, error) { return b.debit(h, link, debit, order) })
}

func (h *scriptedHub) Resolve(_ context.Context, issuer id.Issuer, link id.Link, debit id.Debit, resolve string) (string, error) {
	return h.pass("resolve", issuer, debit, func(b *scriptedBank) (string, error) { return b.resolve(h, debit, resolve) })
}

func (h *scriptedHub) Reverse(_ context.Context, issuer id.Issuer, _ id.Link, reversal, text string) (string, error) {
	return h.pass("reverse", issuer, id.Debit(reversal), func(b *scriptedBank) (string, error) { return b.reverse(h, reversal, text) })
}

func (h *scriptedHub) Statement(_ context.Context, issuer id.Issuer, text string) (string, error) {
	return h.pass("statement", issuer, "", func(b *scriptedBank) (string, error) { return b.statement(h, text) })
}

// open verifies a message of the service.
func open[T any, M interface {
	*T
	wire.Message
}](h *scriptedHub, b *scriptedBank, text string) (M, error) {
	keys, _ := h.service.Keys(context.Background(), string(service))
	return wire.Verify[T, M](text, keys, wire.Expect{Issuer: string(service), Audience: string(b.issuer), Now: h.clock.Now(), AnyAge: true})
}

func (b *scriptedBank) sign(m wire.Message, h *scriptedHub) string {
	*m.Head() = wire.Header{Issuer: string(b.issuer), Audience: string(service), IssuedAt: h.clock.Now().Unix()}
	text, err := wire.Sign(b.key, m)
	if err != nil {
		panic(err)
	}
	return text
}

func (b *scriptedBank) debit(h *scriptedHub, link id.Link, debit id.Debit, order string) (string, error) {
	if known, ok := b.answers[debit]; ok && !(b.orders[debit] == order && b.isPending(h, known)) {
		return known, nil
	}
	o, err := open[wire.DebitOrder](h, b, order)
	if err != nil {
		return "", err
	}
	b.debits++
	r := wire.DebitReceipt{Link: o.Link, Debit: o.Debit, OrderHash: wire.Hash(order), Amount: o.Amount,
		WalletAccount: o.WalletAccount, Outcome: wire.Booked, BookedUs: h.clock.Now().UnixMicro()}
	agreed := clock.FromMicros(o.AgreedUs)
	proof := wire.VerifyDevice(b.devices[link], o.Device, wire.DebitChallenge(b.issuer, o.Link, o.Debit, o.Amount, o.AgreedUs))
	refuse := func(rule, reason string) { r.Outcome, r.Rule, r.Reason = wire.Refused, rule, reason }
	switch {
	case b.pending:
		r.Outcome, r.Rule, r.UntilUs = wire.Pending, "M4", h.clock.Now().Add(time.Hour).UnixMicro()
	case proof != nil:
		refuse("M9", "device")
	case h.clock.Now().Sub(agreed) > time.Minute:
		refuse("M9", "stale")
	case b.shut[link] != "":
		refuse("D2", b.shut[link])
	case b.money[link] < o.Amount:
		refuse("", "funds")
	default:
		b.money[link] -= o.Amount
		b.book += o.Amount
	}
	return b.keep(h, &r, order), nil
}

func (b *scriptedBank) isPending(h *scriptedHub, receipt string) bool {
	r, err := wire.Verify[wire.DebitReceipt](receipt, wire.NewKeySet(b.key.Public()),
		wire.Expect{Issuer: string(b.issuer), Audience: string(service), Now: h.clock.Now(), AnyAge: true})
	return err == nil && r.Outcome == wire.Pending
}

// keep signs and remembers the answer to a debit.
func (b *scriptedBank) keep(h *scriptedHub, r *wire.DebitReceipt, order string) string {
	text := b.sign(r, h)
	b.answers[r.Debit], b.amounts[r.Debit], b.orders[r.Debit] = text, r.Amount, order
	if r.Outcome == wire.Booked {
		b.lines = append(b.lines, wire.StatementLine{Kind: "debit", Debit: r.Debit, Link: r.Link, Amount: r.Amount, BookedUs: r.BookedUs, Receipt: wire.Hash(text)})
	}
	return text
}

func (b *scriptedBank) resolve(h *scriptedHub, debit id.Debit, text string) (string, error) {
	q, err := open[wire.Resolve](h, b, text)
	if err != nil {
		return "", err
	}
	if known, ok := b.answers[debit]; ok {
		return known, nil
	}
	return b.keep(h, &wire.DebitReceipt{Link: q.Link, Debit: q.Debit, OrderHash: q.OrderHash, Amount: q.Amount,
		WalletAccount: q.WalletAccount, Outcome: wire.Never, BookedUs: h.clock.Now().UnixMicro()}, ""), nil
}

// confirm ends a pending debit as the depositor decides.
func (b *scriptedBank) confirm(h *scriptedHub, c wallet.Charge, outcome wire.Outcome) {
	if outcome == wire.Booked {
		b.money[c.Link] -= c.Amount
		b.book += c.Amount
	}
	b.keep(h, &wire.DebitReceipt{Link: c.Link, Debit: c.Debit, OrderHash: c.OrderHash, Amount: c.Amount,
		WalletAccount: string(c.Account), Outcome: outcome, BookedUs: h.clock.Now().UnixMicro()}, c.Order)
}

func (b *scriptedBank) reverse(h *scriptedHub, reversal, text string) (string, error) {
	if known, ok := b.reversed[reversal]; ok {
		return known, nil
	}
	q, err := open[wire.Reversal](h, b, text)
	if err != nil {
		return "", err
	}
	r := wire.ReversalReceipt{Reversal: reversal, Link: q.Link, Debit: q.Debit, Amount: q.Amount, Outcome: "refused", BookedUs: h.clock.Now().UnixMicro()}
	if b.amounts[q.Debit] == q.Amount {
		r.Outcome = "reversed"
		b.money[q.Link] += q.Amount
		b.book -= q.Amount
	}
	answer := b.sign(&r, h)
	b.reversed[reversal] = answer
	if r.Outcome == "reversed" {
		b.lines = append(b.lines, wire.StatementLine{Kind: "reversal", Debit: r.Debit, Link: r.Link, Amount: r.Amount, BookedUs: r.BookedUs, Receipt: wire.Hash(answer)})
	}
	return answer, nil
}

func (b *scriptedBank) statement(h *scriptedHub, text string) (string, error) {
	q, err := open[wire.Statement](h, b, text)
	if err != nil {
		return "", err
	}
	if h.odd != nil {
		if err := h.odd(b.issuer, q.Day); err != nil {
			return "", err
		}
	}
	s := wire.Statement{Day: q.Day, Provisional: q.Provisional, After: q.After, Lines: []wire.StatementLine{}, Open: []id.Debit{}}
	var total wire.StatementTotal
	for _, l := range b.lines {
		if clock.Day(clock.FromMicros(l.BookedUs)) == q.Day {
			total = total.Add([]wire.StatementLine{l})
			if s.Covers(l.Debit) {
				s.Lines = append(s.Lines, l)
			}
		}
	}
	slices.SortStableFunc(s.Lines, func(a, b wire.StatementLine) int {
		return cmp.Or(cmp.Compare(a.Debit, b.Debit), cmp.Compare(a.Kind, b.Kind))
	})
	if s.CutPage(); !q.Last() && (s.Last() || s.Upto > q.Upto) {
		s.Narrow(q.Upto)
	}
	if s.Last() {
		s.Total = &total
		if !s.Provisional && b.settles != nil {
			if b.settled[q.Day] == "" {
				b.settled[q.Day] = b.sign(b.settles(wire.Settlement{Day: q.Day, Total: total}), h)
			}
			s.Settlement = b.settled[q.Day]
		}
	}
	return b.sign(&s, h), nil
}
