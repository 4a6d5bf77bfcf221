package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/audit"
	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wallet"
)

// DefaultSteps is how much happens in a story.
const DefaultSteps = 120

// Story is what came of one seed.
type Story struct {
	Seed    uint64         `json:"seed"`
	Failure string         `json:"failure,omitempty"` // "" where everything is as it must be
	Counts  map[string]int `json:"counts"`            // what happened how often
	Trace   []string       `json:"trace,omitempty"`   // line by line, the same for the same seed
	At      time.Time      `json:"at"`                // when it ended, by its own clock
	Dir     string         `json:"dir,omitempty"`     // where it was kept
}

// Tell plays the story of a seed to its end. An error is that of the machine; what the roles do wrong is in the story.
func (s *Stage) Tell(ctx context.Context, seed uint64) (Story, error) {
	w, err := s.world(seed)
	if err != nil {
		return Story{}, err
	}
	defer w.close(s.removed)
	w.startAll()
	w.busy = w.people[2] // whose account stops her before her links do
	if w.dice.IntN(2) == 0 {
		w.busy = pick(w, w.people)
	}
	// Some stories begin while links still cool off, or are limited.
	w.pass(pick(w, []time.Duration{11 * time.Hour, 20 * time.Hour, 40 * time.Hour, 40 * time.Hour, 45 * time.Hour, 50 * time.Hour}))
	w.stepWeather()
	n := s.o.Steps
	if n == 0 {
		n = DefaultSteps
	}
	for i := 0; i < n && w.failure == "" && ctx.Err() == nil; i++ {
		w.next()
	}
	if w.failure == "" && ctx.Err() == nil {
		w.heal(ctx)
	}
	story := Story{Seed: seed, Failure: w.failure, Counts: w.counts, Trace: w.trace, At: w.time()}
	if s.o.Keep {
		story.Dir = w.l.root
	}
	return story, ctx.Err()
}

// rounds is how often everybody has a turn before something that has no end by then never has.
const rounds = 40

// heal lets the weather be fine, everybody run, and time pass, until nothing is left to do; then everything must be as
// people were told.
func (w *World) heal(ctx context.Context) {
	w.note("— the weather is fine, and stays so —")
	w.weather, w.parted = calm, nil
	w.startAll()
	for len(w.late) > 0 && w.failure == "" {
		w.deliverLate()
	}
	w.askAgain()
	quiet := false
	for i := 0; i < rounds && !quiet && w.failure == ""; i++ {
		w.pass(3 * time.Minute)
		quiet = w.turns()
	}
	w.look()
	if w.failure == "" && !quiet {
		w.fail("after %d rounds something still has no end", rounds)
	}
	w.pass(26 * time.Hour)
	for i := 0; i < 3 && w.failure == ""; i++ {
		w.settleDays()
	}
	w.judge(ctx)
}

// askAgain lets everybody who was told nothing ask once more.
func (w *World) askAgain() {
	for _, c := range w.model.cash {
		if c.open() && w.failure == "" {
			w.hand(c)
		}
	}
	for _, p := range w.people {
		if p.closing && w.failure == "" {
			w.mustDo(w.at(p.bank, func(ctx context.Context, at *process) error { return at.bank.CloseAccount(ctx, p.account) }), "%s closes her account", p.name)
			p.closed = true
		}
	}
	for _, p := range w.model.payments {
		if w.failure == "" {
			w.present(p)
		}
	}
}

// turns gives everybody a turn and says whether there was nothing to do.
func (w *World) turns() bool {
	quiet := true
	for _, r := range w.roles {
		if r.name == hubName {
			continue
		}
		p := r.up
		err := w.in(p, func(ctx context.Context) error {
			tried, err := p.deliver(ctx)
			quiet = quiet && tried == 0
			return err
		})
		w.mustDo(err, "%s delivers", r.name)
		err = w.in(p, func(ctx context.Context) error {
			if r.bank != nil {
				n, err := p.bank.Sweep(ctx)
				quiet = quiet && n == 0
				return err
			}
			_, err := p.wallet.SweepCharges(ctx)
			err = errors.Join(err, p.wallet.FetchEvents(ctx, 0), p.wallet.Mature(ctx))
			open, e := p.wallet.Store.OpenCharges(ctx, 1)
			quiet = quiet && len(open) == 0
			return errors.Join(err, e)
		})
		w.mustDo(err, "%s sweeps", r.name)
	}
	w.look()
	return quiet
}

func (w *World) mustDo(err error, format string, args ...any) {
	if err != nil {
		w.fail("%s, in fine weather: %v", fmt.Sprintf(format, args...), err)
	}
}

// settleDays exchanges the statements of every day that is over and records what the banks have paid.
func (w *World) settleDays() {
	for _, s := range services {
		p := w.role(string(s.id)).up
		w.mustDo(w.in(p, func(ctx context.Context) error { return p.wallet.SweepStatements(ctx) }), "%s exchanges statements", s.id)
		w.mustDo(w.in(p, func(ctx context.Context) error { return w.clear(ctx, p.wallet) }), "%s closes its breaks", s.id)
		for _, b := range banks {
			w.mustDo(w.in(p, func(ctx context.Context) error { return arrive(ctx, p.wallet, b) }), "%s records what %s paid", s.id, b.code)
		}
	}
	w.look()
}

// clear lets staff close the breaks of charges on which both sides agree by now: a day that waited too long for one of
// them was compared without it.
func (w *World) clear(ctx context.Context, s *wallet.Wallet) error {
	open, err := s.Store.Breaks(ctx, false, 1_000)
	for _, b := range open {
		c := w.model.byDebit[b.Debit]
		if c == nil || (c.state != wallet.ChargeDone && c.state != wallet.ChargeReversed) || w.compare(c, c.purse.owner.bank.up.bank) != nil {
			continue
		}
		err = errors.Join(err, s.CloseBreak(ctx, b.ID, "clerk", "both sides agree"))
	}
	return err
}

func arrive(ctx context.Context, s *wallet.Wallet, b bankOf) error {
	all, err := s.Store.Settlements(ctx, b.issuer(), 1_000)
	if err != nil {
		return err
	}
	for _, x := range all {
		if x.State() != wallet.SettlementAnnounced {
			continue
		}
		if _, err := s.RecordArrival(ctx, b.issuer(), x.Day, x.Amount(), "clerk"); err != nil {
			return err
		}
	}
	return nil
}

// judge is the end: both books agree charge by charge, what was told stands, nothing is held, nobody owes anything, and
// the audit, which shares no code with the roles, finds nothing.
func (w *World) judge(ctx context.Context) {
	for _, c := range w.model.charges {
		if w.failure != "" {
			return
		}
		if c.state != wallet.ChargeAsked {
			w.mustHold(w.compare(c, c.purse.owner.bank.up.bank), c.name)
		}
		switch {
		case c.told && (c.state == wallet.ChargeSent || c.state == wallet.ChargePending || c.state == wallet.ChargeReversing):
			w.fail("%s is still %s", c.name, c.state)
		case c.back && c.state != wallet.ChargeReversed:
			w.fail("staff were told that %s is given back, and it is %s", c.name, c.state)
		case c.booked && c.state != wallet.ChargeDone && c.state != wallet.ChargeReversed:
			w.fail("%s is booked at the bank, and %s at the service", c.name, c.state)
		}
	}
	for _, p := range w.people {
		if w.failure == "" {
			w.mustHold(w.at(p.bank, func(ctx context.Context, at *process) error { return w.judgeDeposit(ctx, at.bank, p) }), accountName(p))
		}
	}
	for _, r := range w.roles {
		if r.service != nil && w.failure == "" {
			w.mustHold(w.in(r.up, func(ctx context.Context) error { return w.judgeWallet(ctx, r) }), r.name)
		}
	}
	if w.failure != "" {
		return
	}
	report, err := audit.Run(ctx, w.l.root, w.time)
	switch {
	case err != nil:
		w.fail("the audit: %v", err)
	case !report.Agrees:
		w.fail("the audit: %+v", report.Differences)
	case len(report.Breaks) > 0:
		w.fail("the audit: open breaks: %+v", report.Breaks)
	}
}

func (w *World) mustHold(err error, whose string) {
	if err != nil {
		w.fail("in the end, %s: %v", whose, err)
	}
}

// judgeDeposit holds a bank to the stops, ends and closings that people were told of.
func (w *World) judgeDeposit(ctx context.Context, b *bank.Bank, p *person) error {
	left, _, err := balances(ctx, b.Books, bank.Deposit(p.account))
	if err != nil {
		return err
	}
	if p.closed && left != 0 {
		return fmt.Errorf("is closed, and holds %d yen", left)
	}
	stopped, err := b.Stopped(ctx, p.account)
	if err != nil {
		return err
	}
	if w.model.stops[accountName(p)] && !stopped && !p.closed {
		return errors.New("was stopped, and is not")
	}
	for _, u := range p.purses {
		for _, link := range u.links {
			l, err := b.Store.Link(ctx, link)
			switch {
			case err != nil:
				return err
			case w.model.ended[link] && l.Occupies():
				return fmt.Errorf("%s was ended at the service, and is %s", linkName(u), l.State)
			case link == u.link && w.model.stops[linkName(u)] && l.State == bank.LinkLive:
				return fmt.Errorf("%s was stopped, and is %s", linkName(u), l.State)
			}
		}
	}
	return nil
}

// judgeWallet holds the books of a service to the people's own sums.
func (w *World) judgeWallet(ctx context.Context, r *role) error {
	books, shop := r.up.wallet.Money.Books, money.Yen(0)
	for _, u := range w.purses() {
		if u.service != r {
			continue
		}
		var want money.Yen
		for _, c := range w.model.charges {
			if c.purse == u && c.state == wallet.ChargeDone {
				want += c.amount
			}
		}
		for _, p := range w.model.payments {
			if p.purse == u && p.answer != nil && p.answer.State == wallet.PaymentDone {
				want, shop = want-p.what.Amount, shop+p.what.Amount
			}
		}
		got, held, err := balances(ctx, books, u.accounts()...)
		if err != nil {
			return err
		}
		if got != want || held != 0 {
			return fmt.Errorf("%s has %d yen of e-money, %d held; want %d and 0", u.owner.name, got, held, want)
		}
	}
	got, _, err := balances(ctx, books, wallet.ShopAccount(shopID))
	if err == nil && got != shop {
		err = fmt.Errorf("the shop has %d yen, want %d", got, shop)
	}
	if err != nil {
		return err
	}
	for _, b := range banks {
		owed, held, err := balances(ctx, books, wallet.Receivable(b.issuer()))
		if err != nil {
			return err
		}
		if owed != 0 || held != 0 {
			return fmt.Errorf("%s owes %d yen after every day was settled, %d held", b.code, -owed, held)
		}
	}
	return nil
}
