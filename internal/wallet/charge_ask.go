package wallet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/wire"
)

const (
	// AgreeWithin is how long a shown charge may be agreed to. The bank takes a proof of at most 60 s (M9);
	// the rest is for the way there.
	AgreeWithin = 50 * time.Second
	// OrderFresh is how long after it was shown an order is worth sending: later, the sweeper asks instead.
	OrderFresh = 60 * time.Second
	// firstAsk is when the sweeper first asks what became of an order: the order itself has had its time.
	firstAsk = OrderFresh + 5*time.Second

	// KindDebit is the outbox's kind of a debit order; its payload is the charge's id.
	KindDebit = "debit"
)

// Asked is a charge as the page shows it before the holder agrees.
type Asked struct {
	Charge    Charge
	Matures   bool      // it lands on a maturing account (M10)
	MaturesAt time.Time // when it becomes available; zero with Matures: only a strong proof at the bank will tell
	Challenge []byte
	Until     time.Time // agree before
}

// AskCharge begins a charge: amount, link, where it lands, and the challenge the holder's device signs. A
// charge over the same link that was shown before and never agreed to takes the new amount: nothing was
// signed for it. Refused: a link that cannot be charged (L9, M9), limits and caps that are already reached
// (M1, M8, M6).
func (w *Wallet) AskCharge(ctx context.Context, sub id.Subject, link id.Link, amount money.Yen) (Asked, error) {
	l, err := w.ownLink(ctx, sub, link)
	if err != nil {
		return Asked{}, err
	}
	now := w.Now()
	left, err := w.ChargeLeft(ctx, sub, l)
	if err != nil {
		return Asked{}, err
	}
	if err := chargeable(l, now, amount, left); err != nil {
		return Asked{}, err
	}
	c, err := w.show(ctx, l, amount, now)
	if conflicts(err) { // another page of hers at the same moment
		c, err = w.show(ctx, l, amount, now)
	}
	if err != nil {
		return Asked{}, err
	}
	return asked(c, l), nil
}

// show writes the charge that a page is about to show.
func (w *Wallet) show(ctx context.Context, l Link, amount money.Yen, now time.Time) (Charge, error) {
	row := PutCharge{From: ChargeAsked}
	before, err := w.Store.AskedCharge(ctx, l.Subject, l.ID)
	switch {
	case err == nil:
		row.Charge, row.IfVersion = before, before.Version
	case fault.Of(err) == fault.NotFound:
		row.Charge = Charge{
			Debit: id.Debit(w.newID("deb")), Subject: l.Subject, Link: l.ID,
			Issuer: l.Issuer, BankName: bankName(l), State: ChargeAsked,
		}
	default:
		return Charge{}, err
	}
	c := &row.Charge
	c.Amount, c.AgreedAt, c.NextAsk, c.Version = amount, now, now.Add(firstAsk), row.IfVersion+1
	c.Account = Available(l.Subject)
	if l.StateAt(now) != wire.LinkActive {
		c.Account = Maturing(l.Subject, l.ID)
	}
	return *c, w.Store.Commit(ctx, row)
}

func asked(c Charge, l Link) Asked {
	a := Asked{Charge: c, Matures: c.Matures(), Challenge: c.Challenge(), Until: c.AgreedAt.Add(AgreeWithin)}
	if at, known := l.Matures(c.AgreedAt); a.Matures && known {
		a.MaturesAt = at
	}
	return a
}

// AskedAgain is a charge that was asked for, as the page shows it again; fault.Gone once it is too late to agree.
func (w *Wallet) AskedAgain(ctx context.Context, sub id.Subject, c Charge) (Asked, error) {
	l, err := w.ownLink(ctx, sub, c.Link)
	if err != nil {
		return Asked{}, err
	}
	if c.State != ChargeAsked || c.Asks > 0 || w.Now().Sub(c.AgreedAt) > AgreeWithin {
		return Asked{}, &fault.Error{Kind: fault.Gone, Op: "wallet.AskedAgain", Rule: "M9", Public: textAgreeLate}
	}
	return asked(c, l), nil
}

// Agreed takes the holder's proof for a charge: checks it as the bank will, and in one commit reserves the
// money, writes the signed order and puts it into the outbox. An agreed charge answers as it stands.
func (w *Wallet) Agreed(ctx context.Context, sub id.Subject, debit id.Debit, proof wire.DeviceProof) (Charge, error) {
	const op = "wallet.Agreed"
	c, err := w.OwnCharge(ctx, sub, debit)
	if err != nil || c.State != ChargeAsked {
		return c, err
	}
	now := w.Now()
	if now.Sub(c.AgreedAt) > AgreeWithin {
		return c, &fault.Error{Kind: fault.Gone, Op: op, Rule: "M9", Public: textAgreeLate}
	}
	l, err := w.ownLink(ctx, sub, c.Link)
	if err != nil {
		return c, err
	}
	if err := l.MayCharge(now); err != nil {
		return c, err
	}
	device, err := w.deviceFor(ctx, l)
	if err != nil {
		return c, err
	}
	if err := wire.VerifyDevice(device, proof, c.Challenge()); err != nil {
		return c, &fault.Error{Kind: fault.Refused, Op: op, Rule: "M9", Public: textDeviceProof, Err: err}
	}
	order, err := w.Messages.Sign(w.order(c, proof))
	if err != nil {
		return c, err
	}
	return w.holdAndSend(ctx, c, order)
}

func (w *Wallet) order(c Charge, proof wire.DeviceProof) *wire.DebitOrder {
	return &wire.DebitOrder{
		Header: w.header(c.Issuer, OrderFresh),
		Link:   c.Link, Debit: c.Debit, Amount: c.Amount, Subject: c.Subject,
		WalletAccount: string(c.Account), AgreedUs: c.AgreedAt.UnixMicro(), Device: proof,
	}
}

// deviceFor is the holder's device key, which must be the one in the link's evidence at the bank.
func (w *Wallet) deviceFor(ctx context.Context, l Link) (wire.Device, error) {
	d, err := w.Store.Device(ctx, l.Subject)
	if err != nil {
		return wire.Device{}, err
	}
	if d.Keys.Thumbprint() != l.Device {
		return wire.Device{}, fault.Refuse("M9", "wallet.deviceFor", textOtherDevice)
	}
	return d.Keys, nil
}

// holdAndSend is the commit that makes a charge real: from here on only the bank's receipt ends it.
func (w *Wallet) holdAndSend(ctx context.Context, c Charge, order string) (Charge, error) {
	unlock := w.subjects.lock(c.Subject)
	defer unlock()
	if err := w.roomFor(ctx, c); err != nil {
		return c, err
	}
	if err := w.openAll(ctx, w.chargeAccounts(c)); err != nil {
		return c, err
	}
	row := c.to(ChargeSent, func(n *Charge) { n.Order, n.OrderHash = order, wire.Hash(order) })
	message := outbox.Message{Kind: KindDebit, Key: string(c.Debit), To: string(c.Issuer), Payload: []byte(c.Debit)}
	r, err := w.Ledger.Submit(ctx, ledger.Request{At: w.Now(), Do: hold(c), Then: func(r ledger.Result) []ledger.Write {
		if !r.OK() {
			return nil
		}
		return []ledger.Write{row, message}
	}})
	if err != nil {
		return c, err
	}
	if !r.OK() {
		return c, w.holdRefused(r)
	}
	w.Wake()
	return w.Store.Charge(ctx, c.Debit)
}

func hold(c Charge) ledger.Hold {
	return ledger.Hold{Move: ledger.Move{
		ID: ledger.TransferID(c.Debit), Kind: "charge",
		Legs:   []ledger.Leg{{Debit: Receivable(c.Issuer), Credit: c.Account, Amount: c.Amount}},
		Limits: []ledger.LimitID{ChargeLimit(c.Subject)}, Memo: string(c.Link),
	}}
}

// chargeAccounts opens what a charge needs; only the first over a link or from a bank finds something to do.
func (w *Wallet) chargeAccounts(c Charge) []ledger.Request {
	p, now := w.Money.Policy, w.Now()
	rs := append(w.HolderAccounts(c.Subject), ledger.Request{At: now, Do: ledger.Open{Account: p.receivableAccount(c.Issuer)}})
	if c.Matures() {
		rs = append(rs, ledger.Request{At: now, Do: ledger.Open{Account: ledger.Account{
			ID: c.Account, Kind: kindMaturing, Ceiling: p.HolderCap,
		}}})
	}
	return rs
}

// roomFor refuses what would bring a holder's e-money over the cap, on all her accounts together. The caller
// holds the subject's lock; each account's own ceiling stands behind it.
func (w *Wallet) roomFor(ctx context.Context, c Charge) error {
	links, err := w.Store.LinksOf(ctx, c.Subject)
	if err != nil {
		return err
	}
	have, err := w.holdings(ctx, c.Subject, links)
	if err != nil {
		return err
	}
	if have+c.Amount > w.Money.Policy.HolderCap {
		return fault.Refuse("M6", "wallet.roomFor", textHolderCap(w.Money.Policy.HolderCap))
	}
	return nil
}

// holdRefused puts the ledger's answer into words.
func (w *Wallet) holdRefused(r ledger.Result) error {
	const op = "wallet.Agreed"
	switch r.Outcome {
	case ledger.OverLimit:
		return fault.Refuse("M1", op, textOverLimit(r.Window, r.Left))
	case ledger.Insufficient:
		return fault.Refuse("M8", op, textBankCap)
	case ledger.Full:
		return fault.Refuse("M6", op, textHolderCap(w.Money.Policy.HolderCap))
	case ledger.Frozen:
		return fault.Refuse("", op, textFrozen)
	case ledger.Buried:
		return &fault.Error{Kind: fault.Gone, Op: op, Rule: "M9", Public: textAgreeLate}
	default:
		return fault.New(fault.Conflict, op, fmt.Errorf("the ledger answers %d", r.Outcome))
	}
}

// OwnCharge is a holder's charge; another's is not found.
func (w *Wallet) OwnCharge(ctx context.Context, sub id.Subject, debit id.Debit) (Charge, error) {
	c, err := w.Store.Charge(ctx, debit)
	if err == nil && c.Subject != sub {
		return Charge{}, fault.New(fault.NotFound, "wallet.OwnCharge", errors.New("another holder's"))
	}
	return c, err
}

func (w *Wallet) ownLink(ctx context.Context, sub id.Subject, link id.Link) (Link, error) {
	l, err := w.Store.Link(ctx, link)
	if err == nil && l.Subject != sub {
		return Link{}, fault.New(fault.NotFound, "wallet.ownLink", errors.New("another holder's"))
	}
	return l, err
}
