package wallet

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// LimitedCap is what a link in its limited time moves in any 24 hours (L9, L13). The bank's gate decides;
// the service says it beforehand.
const LimitedCap money.Yen = 5_000

const (
	dayWindow   = 24 * time.Hour
	monthWindow = 30 * 24 * time.Hour
)

// Left is what a holder may still charge.
type Left struct {
	Each, Day, Month money.Yen // over all links, by the service's limits
	Room             money.Yen // until the cap on all her e-money
	OverLink         money.Yen // over the link asked about, by what was consented to; without a link: Each
	Limited          bool      // the link is in its limited time: OverLink is what LimitedCap leaves
}

// Most is the largest charge that could pass.
func (l Left) Most() money.Yen { return max(0, min(l.Each, l.Day, l.Month, l.Room, l.OverLink)) }

// LimitsLeft is what a holder may still charge today and in 30 days, whatever the link.
func (w *Wallet) LimitsLeft(ctx context.Context, sub id.Subject) (Left, error) {
	p, now := w.Money.Policy, w.Now()
	used, err := w.Money.Books.Usage(ctx, ChargeLimit(sub), now)
	if err != nil {
		return Left{}, err
	}
	links, err := w.Store.LinksOf(ctx, sub)
	if err != nil {
		return Left{}, err
	}
	have, err := w.holdings(ctx, sub, links)
	if err != nil {
		return Left{}, err
	}
	return Left{
		Each: p.Each, Day: max(0, p.Day-used.Day), Month: max(0, p.Month-used.Month),
		Room: max(0, p.HolderCap-have), OverLink: p.Each,
	}, nil
}

// ChargeLeft is what a holder may still charge over one link.
func (w *Wallet) ChargeLeft(ctx context.Context, sub id.Subject, l Link) (Left, error) {
	left, err := w.LimitsLeft(ctx, sub)
	if err != nil {
		return Left{}, err
	}
	now := w.Now()
	day, err := w.Store.ChargedSince(ctx, l.ID, now.Add(-dayWindow))
	if err != nil {
		return Left{}, err
	}
	month, err := w.Store.ChargedSince(ctx, l.ID, now.Add(-monthWindow))
	if err != nil {
		return Left{}, err
	}
	left.OverLink = max(0, min(l.Limits.PerDebit, l.Limits.Per24h-day, l.Limits.Per30Days-month))
	if l.StateAt(now) == wire.LinkLimited {
		left.Limited = true
		left.OverLink = max(0, min(left.OverLink, LimitedCap-day))
	}
	return left, nil
}

// MayCharge refuses a charge over a link that the bank would refuse as well, in words for the holder; nil where
// the link is open.
func (l Link) MayCharge(now time.Time) error {
	const op = "wallet.MayCharge"
	if len(l.Changes) > 0 {
		return fault.Refuse("L9", op, textChanging)
	}
	if l.EndRequested {
		return fault.Refuse("M13", op, textGone)
	}
	if l.Chargeable(now) {
		return nil
	}
	rule, text := linkText(l.StateAt(now), l.Reason)
	return fault.Refuse(rule, op, text)
}

// chargeable judges an amount before the device is asked to sign it. The ledger decides the service's own
// limits again in the commit that counts (M2), the bank all of its own.
func chargeable(l Link, now time.Time, amount money.Yen, left Left) error {
	const op = "wallet.AskCharge"
	if err := l.MayCharge(now); err != nil {
		return err
	}
	switch {
	case amount < 1:
		return &fault.Error{Kind: fault.Invalid, Op: op, Public: textAmount}
	case amount > left.Each:
		return fault.Refuse("M1", op, textOverLimit(ledger.Each, left.Each))
	case amount > left.Day:
		return fault.Refuse("M1", op, textOverLimit(ledger.Day, left.Day))
	case amount > left.Month:
		return fault.Refuse("M1", op, textOverLimit(ledger.Month, left.Month))
	case amount > left.Room:
		return fault.Refuse("M6", op, textHolderRoom(left.Room))
	case amount > left.OverLink && left.Limited && l.UntilProof:
		return fault.Refuse("L13", op, textUntilProof(left.OverLink))
	case amount > left.OverLink && left.Limited:
		return fault.Refuse("L9", op, textLimited(left.OverLink))
	case amount > left.OverLink:
		return fault.Refuse("M1", op, textOverLink(left.OverLink))
	}
	return nil
}

// Purse is a holder's e-money as her pages show it.
type Purse struct {
	Available money.Yen
	Maturing  []MaturingPart
	Reversing money.Yen
	Frozen    bool
}

// MaturingPart is money of one link that becomes available later (M10).
type MaturingPart struct {
	Link     id.Link
	BankName fault.Text
	Amount   money.Yen
	At       time.Time // zero: only a strong proof at the bank will tell, or the link is not what it was
}

// Spendable is what ordinary shops may take.
func (p Purse) Spendable() money.Yen {
	sum := p.Available
	for _, m := range p.Maturing {
		sum = money.MustAdd(sum, m.Amount)
	}
	return sum
}

// PurseOf reads a holder's e-money; money whose time has come is made available first.
func (w *Wallet) PurseOf(ctx context.Context, sub id.Subject) (Purse, error) {
	links, err := w.Store.LinksOf(ctx, sub)
	if err != nil {
		return Purse{}, err
	}
	if err := w.mature(ctx, links); err != nil {
		return Purse{}, err
	}
	var p Purse
	avail, err := w.account(ctx, Available(sub))
	if err != nil {
		return Purse{}, err
	}
	p.Available, p.Frozen = avail.Free(), avail.FrozenOut
	rev, err := w.account(ctx, Reversing(sub))
	if err != nil {
		return Purse{}, err
	}
	p.Reversing = rev.Balance
	for _, l := range links {
		acc, err := w.account(ctx, Maturing(sub, l.ID))
		if err != nil {
			return Purse{}, err
		}
		if acc.Free() <= 0 {
			continue
		}
		part := MaturingPart{Link: l.ID, BankName: bankName(l), Amount: acc.Free()}
		if s := l.StateAt(w.Now()); s == wire.LinkCooling || s == wire.LinkLimited {
			part.At, _ = l.Matures(w.Now())
		}
		p.Maturing = append(p.Maturing, part)
	}
	return p, nil
}

func bankName(l Link) fault.Text { return fault.Text{JA: l.BankName, EN: l.BankNameEN} }
