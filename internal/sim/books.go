package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

// look compares the books of every role that has committed something with what people know, and the books of both
// sides with each other. It decides nothing by the roles' rules: windows and sums are worked out anew.
func (w *World) look() {
	for _, r := range w.roles {
		if !r.dirty || r.up == nil || r.up.doomed || w.failure != "" {
			continue
		}
		r.dirty = false
		before := w.weather
		w.weather.crash = 0 // who looks does nothing, and nothing happens to it
		err := w.in(r.up, func(ctx context.Context) error {
			switch {
			case r.bank != nil:
				return w.lookAtBank(ctx, r)
			case r.service != nil:
				return w.lookAtWallet(ctx, r)
			}
			return nil
		})
		w.weather = before
		if err != nil {
			w.fail("the books of %s: %v", r.name, err)
		}
		r.dirty = false
	}
}

// balances reads accounts that need not exist.
func balances(ctx context.Context, books interface {
	Account(ctx context.Context, id ledger.AccountID) (ledger.Account, error)
}, ids ...ledger.AccountID) (sum, held money.Yen, err error) {
	for _, a := range ids {
		acc, err := books.Account(ctx, a)
		if err != nil && fault.Of(err) != fault.NotFound {
			return 0, 0, err
		}
		sum, held = sum+acc.Balance, held+acc.HeldIn+acc.HeldOut
	}
	return sum, held, nil
}

// lookAtBank holds a bank to what its depositors know.
func (w *World) lookAtBank(ctx context.Context, r *role) error {
	b := r.up.bank
	all := []ledger.AccountID{bank.Vault, bank.Nostro}
	for _, s := range services {
		all = append(all, bank.Settlement(s.id), bank.Suspense(s.id))
	}
	for _, p := range w.people {
		if p.bank != r {
			continue
		}
		all = append(all, bank.Deposit(p.account))
		if err := w.lookAtDeposit(ctx, b, p); err != nil {
			return fmt.Errorf("%s: %w", accountName(p), err)
		}
	}
	sum, _, err := balances(ctx, b.Books, all...)
	if err == nil && sum != 0 {
		err = fmt.Errorf("the accounts sum to %d", sum)
	}
	return err
}

// lookAtDeposit holds one account to what was asked of it: each booking was signed for by its holder, none twice, none
// past a stop or a limit; what is left is what was paid in less what went out.
func (w *World) lookAtDeposit(ctx context.Context, b *bank.Bank, p *person) error {
	list, err := b.Store.DebitsOf(ctx, p.account, w.time().AddDate(1, 0, 0), 10_000)
	if err != nil {
		return err
	}
	left := p.opening
	var booked []bank.Debit
	seen := map[*charge]bool{}
	for _, d := range list {
		if d.Outcome != wire.Booked {
			continue
		}
		c := w.model.byDebit[d.ID]
		switch {
		case c == nil || !c.signed:
			return fmt.Errorf("%s over %d yen is booked, and nobody has signed it", w.named(string(d.ID)), d.Amount)
		case c.purse.owner != p || c.link != d.Link || c.amount != d.Amount:
			return fmt.Errorf("%s is booked as %d yen over another link, or amount", c.name, d.Amount)
		case seen[c]:
			return fmt.Errorf("%s is booked twice", c.name)
		case !d.ReversedAt.IsZero() && !c.reversed:
			return fmt.Errorf("%s was given back, and nobody asked for it", c.name)
		}
		seen[c] = true
		if !c.booked {
			c.booked = true
			w.count("booked", 1)
			if err := w.mayBeBooked(c, d); err != nil {
				return err
			}
		}
		booked = append(booked, d)
		if d.ReversedAt.IsZero() {
			left -= d.Amount
		}
	}
	for _, c := range w.model.charges {
		if c.purse.owner == p && c.booked && !seen[c] {
			return fmt.Errorf("%s was booked, and is not any more", c.name)
		}
	}
	if err := w.withinLimits(b, p, booked); err != nil {
		return err
	}
	return w.lookAtBalance(ctx, b, p, left)
}

// mayBeBooked judges a booking that was not there at the last look.
func (w *World) mayBeBooked(c *charge, d bank.Debit) error {
	u := c.purse
	switch {
	case u.owner.closed:
		return fmt.Errorf("%s is booked on an account that is closed", c.name)
	case w.model.stops[accountName(u.owner)], w.model.stops[linkName(u)]:
		return fmt.Errorf("%s is booked after the stop", c.name)
	case c.closed != 0 && w.model.closed[pair(u)] == c.closed:
		return fmt.Errorf("%s was agreed to and booked while the hub had stopped %s", c.name, pair(u))
	case d.DecidedAt.Before(u.began.Add(bank.MinCooling)):
		return fmt.Errorf("%s is booked at %s, while the link cools off since %s", c.name, d.DecidedAt, u.began)
	}
	return nil
}

// withinLimits works out every window anew: what was booked in any 24 hours and any 30 days, over the account and over
// each of its links. What was given back counts as well.
func (w *World) withinLimits(b *bank.Bank, p *person, booked []bank.Debit) error {
	within := func(last bank.Debit, window time.Duration, counts func(bank.Debit) bool) (sum money.Yen) {
		for _, d := range booked {
			if !d.DecidedAt.After(last.DecidedAt) && d.DecidedAt.After(last.DecidedAt.Add(-window)) && counts(d) {
				sum += d.Amount
			}
		}
		return sum
	}
	const day, month = 24 * time.Hour, 30 * 24 * time.Hour
	for _, d := range booked {
		c := w.model.byDebit[d.ID]
		account := func(bank.Debit) bool { return true }
		link := func(o bank.Debit) bool { return o.Link == d.Link }
		for _, l := range []struct {
			name string
			used money.Yen
			most money.Yen
		}{
			{"the account's each", d.Amount, b.Policy.AccountEach},
			{"the account's 24 hours", within(d, day, account), b.Policy.AccountDay},
			{"the account's 30 days", within(d, month, account), b.Policy.AccountMonth},
			{"the link's each", d.Amount, linkEach},
			{"the link's 24 hours", within(d, day, link), linkDay},
			{"the link's 30 days", within(d, month, link), linkMonth},
		} {
			if l.used > l.most {
				return fmt.Errorf("with %s, %s come to %d yen of %d", c.name, l.name, l.used, l.most)
			}
		}
		if u := c.purse; d.Link == u.link && d.DecidedAt.After(u.began) && d.DecidedAt.Before(u.began.Add(bank.MinCooling+bank.MinLimited)) && within(d, day, link) > bank.MaxLimited {
			return fmt.Errorf("with %s, a limited link moved %d yen in 24 hours", c.name, within(d, day, link))
		}
	}
	return nil
}

// lookAtBalance compares a balance with what is left by the people's own count. Cash of which the machine has no
// answer yet may be booked or not.
func (w *World) lookAtBalance(ctx context.Context, b *bank.Bank, p *person, left money.Yen) error {
	if p.closing { // what is left goes out, at some moment
		return nil
	}
	may := []money.Yen{left}
	for _, c := range w.model.cash {
		switch {
		case c.person != p || c.failed:
		case c.done:
			for i := range may {
				may[i] += c.amount
			}
		default:
			for _, m := range slices.Clone(may) {
				may = append(may, m+c.amount)
			}
		}
	}
	acc, err := b.Books.Account(ctx, bank.Deposit(p.account))
	if err == nil && !slices.Contains(may, acc.Balance) {
		err = fmt.Errorf("holds %d yen, want %v", acc.Balance, may)
	}
	return err
}

// lookAtWallet holds a service to what its holders know.
func (w *World) lookAtWallet(ctx context.Context, r *role) error {
	s := r.up.wallet
	all := []ledger.AccountID{wallet.ShopAccount(shopID)}
	for _, b := range banks {
		all = append(all, wallet.Receivable(b.issuer()), wallet.Settled(b.issuer()))
	}
	for _, u := range w.purses() {
		if u.service == r {
			if err := w.linked(ctx, s, u); err != nil {
				return err
			}
			all = append(all, u.accounts()...)
		}
	}
	sum, _, err := balances(ctx, s.Money.Books, all...)
	if err != nil {
		return err
	}
	if sum != 0 {
		return fmt.Errorf("the accounts sum to %d", sum)
	}
	for _, c := range w.model.charges {
		if c.purse.service != r {
			continue
		}
		if err := w.lookAtCharge(ctx, s, c); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

// accounts are where a holder's e-money lies.
func (u *purse) accounts() []ledger.AccountID {
	all := []ledger.AccountID{wallet.Available(u.subject), wallet.Reversing(u.subject)}
	for _, l := range u.links {
		all = append(all, wallet.Maturing(u.subject, l))
	}
	return all
}

// after lists what a holder may see of a charge after what she has seen, step by step or at once.
var after = map[wallet.ChargeState][]wallet.ChargeState{
	"":                     {wallet.ChargeAsked, wallet.ChargeSent, wallet.ChargeDone, wallet.ChargeRefused, wallet.ChargeNever, wallet.ChargeReversing, wallet.ChargeReversed},
	wallet.ChargeAsked:     {wallet.ChargeAsked, wallet.ChargeSent, wallet.ChargeDone, wallet.ChargeRefused, wallet.ChargeNever, wallet.ChargeReversing, wallet.ChargeReversed},
	wallet.ChargeSent:      {wallet.ChargeSent, wallet.ChargeDone, wallet.ChargeRefused, wallet.ChargeNever, wallet.ChargeReversing, wallet.ChargeReversed},
	wallet.ChargeDone:      {wallet.ChargeDone, wallet.ChargeReversing, wallet.ChargeReversed},
	wallet.ChargeReversing: {wallet.ChargeReversing, wallet.ChargeReversed},
	wallet.ChargeReversed:  {wallet.ChargeReversed},
	wallet.ChargeRefused:   {wallet.ChargeRefused},
	wallet.ChargeNever:     {wallet.ChargeNever},
}

// lookAtCharge holds a charge to what its holder was told and has seen, and to the bank's books: no e-money without a
// booking, no booking of what the service gave up.
func (w *World) lookAtCharge(ctx context.Context, s *wallet.Wallet, c *charge) error {
	now, err := s.Store.Charge(ctx, c.debit)
	switch {
	case err != nil && fault.Of(err) == fault.NotFound:
		return errors.New("is lost")
	case err != nil:
		return err
	case !slices.Contains(after[c.state], now.State):
		return fmt.Errorf("was %s, and is %s", c.state, now.State)
	case c.told && now.State == wallet.ChargeAsked:
		return errors.New("its holder was told that it is on its way, and nobody knows of that")
	case c.signed && now.State != wallet.ChargeAsked && now.Amount != c.amount: // a slip may be shown over another amount
		return fmt.Errorf("is over %d yen, and %d were signed", now.Amount, c.amount)
	}
	if now.State == c.state {
		return nil
	}
	c.state = now.State
	w.count(string(now.State), 1)
	b := c.purse.owner.bank.up
	if b == nil {
		return nil // the last look compares them all
	}
	return w.compare(c, b.bank)
}

// compare holds the end of a charge at the service against the bank's.
func (w *World) compare(c *charge, b *bank.Bank) error {
	d, err := b.Store.Debit(context.Background(), c.purse.service.service.id, c.debit)
	if err != nil && fault.Of(err) != fault.NotFound {
		return err
	}
	switch c.state {
	case wallet.ChargeDone, wallet.ChargeReversing:
		if d.Outcome != wire.Booked || d.Amount != c.amount {
			return fmt.Errorf("is %s at the service, and %q over %d yen at the bank", c.state, d.State(), d.Amount)
		}
	case wallet.ChargeReversed:
		if d.State() != bank.DebitReversed {
			return fmt.Errorf("is given back at the service, and %q at the bank", d.State())
		}
	case wallet.ChargeRefused, wallet.ChargeNever:
		if d.Outcome != wire.Refused && d.Outcome != wire.Never {
			return fmt.Errorf("is %s at the service, and %q at the bank", c.state, d.State())
		}
	}
	return nil
}
