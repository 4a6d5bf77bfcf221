package bank

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// OrderLife is how old a debit may be when the bank first sees it, by the bank's own clock (M9).
const OrderLife = 60 * time.Second

// The ledger's kinds of transfer at a bank.
const (
	MoveDebit    = "debit"
	MoveReversal = "reversal"
	MoveOpening  = "opening"
	MoveClosing  = "closing" // of an account: what is left is paid out
	MoveCashIn   = "cash_in"
	MoveCashOut  = "cash_out"
	MoveTransfer = "transfer" // between deposit accounts, by one of the bank's own systems
)

// Debit is what became of one charge at the bank: unseen → booked | refused | never; booked → reversed.
// The receipt is what was signed when it was decided, and is repeated for ever.
type Debit struct {
	Service       id.Service
	ID            id.Debit
	Link          id.Link
	Account       AccountID
	OrderHash     string
	Amount        money.Yen
	WalletAccount string
	Outcome       wire.Outcome
	Rule, Reason  string // of a refusal
	DecidedAt     time.Time
	Receipt       string    // compact JWS
	ReversedAt    time.Time // zero: not reversed
}

// DebitState is how far a debit has come at the bank.
type DebitState string

// The states of a debit. All but booked are ends.
const (
	DebitUnseen   DebitState = "unseen"
	DebitBooked   DebitState = "booked"
	DebitRefused  DebitState = "refused"
	DebitNever    DebitState = "never" // buried
	DebitReversed DebitState = "reversed"
)

// debitMoves is all that may happen to a debit; docs/states.md draws it.
var debitMoves = map[DebitState][]DebitState{
	DebitUnseen: {DebitBooked, DebitRefused, DebitNever},
	DebitBooked: {DebitReversed},
}

// State is the debit's state; the zero Debit is unseen.
func (d Debit) State() DebitState {
	switch {
	case d.Outcome == "":
		return DebitUnseen
	case !d.ReversedAt.IsZero():
		return DebitReversed
	}
	return DebitState(d.Outcome)
}

// CanBecome says whether the debit may go to a state.
func (d Debit) CanBecome(to DebitState) bool { return slices.Contains(debitMoves[d.State()], to) }

// AddDebit is the ledger's Write of a debit that was decided; a second one under its (service, id) fails.
type AddDebit struct{ Debit Debit }

// DebitStore keeps debits and reversals. What is not there is a fault.NotFound.
type DebitStore interface {
	// Debit finds what became of a charge.
	Debit(ctx context.Context, s id.Service, c id.Debit) (Debit, error)
	// DebitsOf lists an account's debits, newest first: booked and refused ones of all services, decided
	// before a moment.
	DebitsOf(ctx context.Context, acc AccountID, before time.Time, n int) ([]Debit, error)
	// Reversal finds a reversal by its id.
	Reversal(ctx context.Context, s id.Service, rev string) (Reversal, error)
}

// Debit answers a service's order that came over a link's token. What is known is repeated byte for byte,
// whatever has become of the link since; only an unseen order is judged. An error ends nothing: the
// service goes on asking. Same id with other content is fault.Conflict.
func (b *Bank) Debit(ctx context.Context, link id.Link, order string) (receipt string, err error) {
	const op = "bank.Debit"
	svc, err := b.signer(order)
	if err != nil {
		return "", err
	}
	now := b.Now()
	o, err := wire.Verify[wire.DebitOrder](order, svc.Keys, b.expect(svc.ID, now))
	if err != nil {
		return "", err
	}
	if o.Link != link {
		return "", notYours(op, "the order is not of the token's link")
	}
	hash := wire.Hash(order)
	known, err := b.Store.Debit(ctx, svc.ID, o.Debit)
	if err == nil {
		return known.repeat(op, hash)
	}
	if fault.Of(err) != fault.NotFound {
		return "", err
	}
	l, err := b.linkOf(ctx, op, svc.ID, o.Link)
	if err != nil {
		return "", err
	}
	reqs, err := b.judge(ctx, svc, l, o, hash, now)
	if err != nil {
		return "", err
	}
	return b.decided(ctx, op, reqs, svc.ID, o.Debit, hash)
}

// expect is how a message of a service is taken whose repeats must be answered at any age.
func (b *Bank) expect(s id.Service, now time.Time) wire.Expect {
	return wire.Expect{Issuer: string(s), Audience: string(b.Profile.Issuer), Now: now, AnyAge: true}
}

// signer finds the service that a message claims to be of, in the bank's own register.
func (b *Bank) signer(message string) (Service, error) {
	iss, err := wire.Peek(message)
	if err != nil {
		return Service{}, err
	}
	return b.Service(id.Service(iss))
}

// linkOf reads a link of this service; to any other it does not exist.
func (b *Bank) linkOf(ctx context.Context, op string, s id.Service, link id.Link) (Link, error) {
	l, err := b.Store.Link(ctx, link)
	if err != nil {
		return Link{}, err
	}
	if l.Service != s {
		return Link{}, notYours(op, "the link is another service's")
	}
	return l, nil
}

func notYours(op, why string) error {
	return &fault.Error{Kind: fault.NotFound, Op: op, Err: errors.New(why)}
}

// decided submits what decides a debit, in one commit, and answers what stands afterwards: our own decision,
// or that of whoever came first.
func (b *Bank) decided(ctx context.Context, op string, reqs []ledger.Request, s id.Service, c id.Debit, hash string) (string, error) {
	results, err := b.Core.SubmitAll(ctx, reqs)
	if err != nil {
		return "", err
	}
	b.Wake()
	res := results[len(results)-1]
	d, err := b.Store.Debit(ctx, s, c)
	if fault.Of(err) == fault.NotFound {
		return "", fault.New(fault.Conflict, op, fmt.Errorf("ledger outcome %d %s decides nothing", res.Outcome, res.Reason))
	}
	if err != nil {
		return "", err
	}
	return d.repeat(op, hash)
}

// repeat answers a known debit. Other content under the same id is an error that ends nothing.
func (d Debit) repeat(op, hash string) (string, error) {
	if d.OrderHash != hash {
		return "", &fault.Error{Kind: fault.Conflict, Op: op, Rule: "M8", Public: fault.Text{
			JA: "同じ番号で内容の異なる引き落としです。", EN: "A debit of this id with other content is known."}}
	}
	return d.Receipt, nil
}

// judge makes the requests to the ledger of which the last decides an unseen order. What can be judged without
// the ledger and speaks against it is a tombstone with a signed refusal; all else is decided in the commit,
// under what the bank allows an account today, however long ago the account was opened (M1).
func (b *Bank) judge(ctx context.Context, svc Service, l Link, o *wire.DebitOrder, hash string, now time.Time) ([]ledger.Request, error) {
	d := Debit{
		Service: svc.ID, ID: o.Debit, Link: l.ID, Account: l.Account, OrderHash: hash,
		Amount: o.Amount, WalletAccount: o.WalletAccount,
	}
	transfer := DebitTransfer(svc.ID, o.Debit)
	if no := b.objection(l, o, now); no.reason != "" {
		return []ledger.Request{{At: now, Do: ledger.Bury{ID: transfer}, Then: func(res ledger.Result) []ledger.Write {
			if res.Repeated {
				return nil
			}
			return []ledger.Write{AddDebit{b.signed(d, no, res.At)}}
		}}}, nil
	}
	told, err := b.Tell(ctx, Event{Kind: EventDebit, Account: l.Account, Link: l.ID, Service: svc.ID, Amount: o.Amount, At: now})
	if err != nil {
		return nil, err
	}
	move := ledger.Move{
		ID: transfer, Kind: MoveDebit, Memo: svc.Narration, Final: true,
		Legs:   []ledger.Leg{{Debit: Deposit(l.Account), Credit: Settlement(svc.ID), Amount: o.Amount}},
		Gate:   LinkGate(l.ID),
		Device: l.Device.Thumbprint(), // whose proof objection has verified
		Limits: []ledger.LimitID{DepositLimit(l.Account), LinkLimit(l.ID)},
	}
	tighten := ledger.Request{At: now, Do: ledger.Tighten{Limit: b.Policy.accountLimit(l.Account)}}
	return []ledger.Request{tighten, {At: now, Do: move, Then: func(res ledger.Result) []ledger.Write {
		no, final := refusalOf(res, l)
		if !final {
			return nil
		}
		rows := []ledger.Write{AddDebit{b.signed(d, no, res.At)}}
		if no.reason == "" {
			rows = append(rows, told...)
		}
		return rows
	}}}, nil
}

// refusal is why a debit is refused, as the receipt says it; the zero refusal is none.
type refusal struct {
	rule, reason string
	until        time.Time
}

// objection is what speaks against an order by itself.
func (b *Bank) objection(l Link, o *wire.DebitOrder, now time.Time) refusal {
	agreed := clock.FromMicros(o.AgreedUs)
	challenge := wire.DebitChallenge(b.Profile.Issuer, l.ID, o.Debit, o.Amount, o.AgreedUs)
	switch {
	case o.Subject != l.Subject:
		return refusal{rule: "M9", reason: "order"}
	case o.Fresh(now, OrderLife) != nil, now.Sub(agreed) > OrderLife, agreed.Sub(now) > wire.Ahead:
		return refusal{rule: "M9", reason: "stale"}
	case wire.VerifyDevice(l.Device, o.Device, challenge) != nil:
		return refusal{rule: "M9", reason: "device"}
	}
	return refusal{}
}

// gateRules are the rules behind the words a gate is shut with.
var gateRules = map[string]string{
	"cooling": "L9", ShutWaiting: "L8", ShutSuspended: "L9", ShutStopped: "D2", ShutRevoked: "M13", ShutExpired: "M13",
}

// refusalOf is the ledger's decision in the words of the protocol; final says whether it decides the debit.
func refusalOf(res ledger.Result, l Link) (no refusal, final bool) {
	switch res.Outcome {
	case ledger.Done:
		return refusal{}, true
	case ledger.GateShut:
		return refusal{rule: gateRules[res.Reason], reason: res.Reason, until: res.Until}, true
	case ledger.GateLimited:
		if !l.Confirmed { // no time ends it, a strong proof does
			return refusal{rule: "L13", reason: "limited"}, true
		}
		return refusal{rule: "L9", reason: "limited", until: res.Until}, true
	case ledger.WrongDevice:
		return refusal{rule: "M9", reason: "device"}, true
	case ledger.OverLimit:
		reason := "link_limit_" + string(res.Window)
		if res.Limit == DepositLimit(l.Account) {
			reason = "limit_" + string(res.Window)
		}
		return refusal{rule: "M1", reason: reason}, true
	case ledger.Insufficient:
		return refusal{reason: "funds"}, true
	case ledger.Frozen: // a closed account
		return refusal{rule: "M13", reason: ShutRevoked}, true
	default:
		return refusal{}, false
	}
}

// signed is the debit with its outcome and the bank's signature under it.
func (b *Bank) signed(d Debit, no refusal, at time.Time) Debit {
	d.Outcome = wire.Booked
	if no.reason != "" {
		d.Outcome = wire.Refused
	}
	d.Rule, d.Reason, d.DecidedAt = no.rule, no.reason, at
	d.Receipt = b.sign(d.receipt(b.header(d.Service, at), no.until))
	return d
}

func (d Debit) receipt(h wire.Header, until time.Time) *wire.DebitReceipt {
	r := &wire.DebitReceipt{
		Header: h, Link: d.Link, Debit: d.ID, OrderHash: d.OrderHash, Amount: d.Amount, WalletAccount: d.WalletAccount,
		Outcome: d.Outcome, BookedUs: clock.Micros(d.DecidedAt), Rule: d.Rule, Reason: d.Reason,
	}
	if !until.IsZero() {
		r.UntilUs = clock.Micros(until)
	}
	return r
}

// sign signs a message of ours inside a commit. It fails only for a message that no receiver would take,
// which is our bug: the ledger then refuses the one request that asked for it.
func (b *Bank) sign(m wire.Message) string {
	text, err := wire.Sign(b.Keys.Sign, m)
	if err != nil {
		panic(fmt.Sprintf("bank: cannot sign a %s: %v", m.Typ(), err))
	}
	return text
}

// Resolve answers what became of a debit (M12). One that was never seen is buried: the service may give it
// up, and the order, should it still come, is answered with the same signed "never". c is the debit that
// the question's address names.
func (b *Bank) Resolve(ctx context.Context, c id.Debit, resolve string) (receipt string, err error) {
	const op = "bank.Resolve"
	svc, err := b.signer(resolve)
	if err != nil {
		return "", err
	}
	now := b.Now()
	r, err := wire.Verify[wire.Resolve](resolve, svc.Keys, b.expect(svc.ID, now))
	if err != nil {
		return "", err
	}
	if r.Debit != c {
		return "", fault.New(fault.Invalid, op, errors.New("the address names another debit"))
	}
	known, err := b.Store.Debit(ctx, svc.ID, r.Debit)
	if err == nil {
		return known.repeat(op, r.OrderHash)
	}
	if fault.Of(err) != fault.NotFound {
		return "", err
	}
	l, err := b.linkOf(ctx, op, svc.ID, r.Link)
	if err != nil {
		return "", err
	}
	d := Debit{
		Service: svc.ID, ID: r.Debit, Link: l.ID, Account: l.Account, OrderHash: r.OrderHash,
		Amount: r.Amount, WalletAccount: r.WalletAccount, Outcome: wire.Never,
	}
	bury := ledger.Bury{ID: DebitTransfer(svc.ID, r.Debit)}
	reqs := []ledger.Request{{At: now, Do: bury, Then: func(res ledger.Result) []ledger.Write {
		if res.Repeated {
			return nil
		}
		d.DecidedAt = res.At
		d.Receipt = b.sign(d.receipt(b.header(d.Service, res.At), time.Time{}))
		return []ledger.Write{AddDebit{d}}
	}}}
	return b.decided(ctx, op, reqs, svc.ID, r.Debit, r.OrderHash)
}
