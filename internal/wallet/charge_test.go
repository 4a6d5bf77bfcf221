package wallet_test

import (
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

// refusedBy says that err is a refusal by a rule.
func refusedBy(t *testing.T, err error, rule string) {
	t.Helper()
	if fault.Of(err) != fault.Refused || fault.RuleOf(err) != rule {
		t.Errorf("got %v, want a refusal by %s", err, rule)
	}
}

func TestChargeLandsWhereItWasShown(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	a, err := w.AskCharge(t.Context(), p.sub, p.link.ID, 5_000)
	if err != nil {
		t.Fatal(err)
	}
	if a.Matures || a.Charge.Account != wallet.Available(p.sub) || a.Charge.State != wallet.ChargeAsked {
		t.Errorf("asked: %+v", a)
	}
	c, err := w.Agreed(t.Context(), p.sub, a.Charge.Debit, p.device.Sign(a.Challenge))
	if err != nil {
		t.Fatal(err)
	}
	if c.State != wallet.ChargeSent || c.Order == "" || c.OrderHash != wire.Hash(c.Order) {
		t.Errorf("agreed: %+v", c)
	}
	if held := w.account(wallet.Available(p.sub)).HeldIn; held != 5_000 {
		t.Errorf("%d is held", held)
	}
	if n, err := w.store.Outbox().Waiting(t.Context()); err != nil || n != 1 {
		t.Errorf("%d messages wait, %v", n, err)
	}
	if err := w.DeliverDebit(t.Context(), c.Debit); err != nil {
		t.Fatal(err)
	}
	c = w.stateIs(c.Debit, wallet.ChargeDone)
	if c.BookedAt.IsZero() || c.Receipt == "" {
		t.Errorf("done without a receipt: %+v", c)
	}
	w.balance(wallet.Available(p.sub), 5_000)
	w.booksAgree(p)
}

// Every way in which one message of a charge may be lost, doubled or late, with and without a crash after it.
func TestChargeEndsWhateverTheNetworkDoes(t *testing.T) {
	deliver := map[string]do{
		"order lost":                 {loseRequest: true},
		"order booked, answer lost":  {loseAnswer: true},
		"order doubled":              {twice: true},
		"order doubled, answer lost": {twice: true, loseAnswer: true},
		"order arrives":              {},
	}
	resolve := map[string]do{
		"question lost": {loseRequest: true},
		"answer lost":   {loseAnswer: true},
		"doubled":       {twice: true},
		"arrives":       {},
	}
	for first, d := range deliver {
		for then, r := range resolve {
			for _, crash := range []bool{false, true} {
				name := first + ", then " + then
				if crash {
					name += ", crash"
				}
				t.Run(name, func(t *testing.T) {
					w := newWorld(t)
					p := w.person(bankA, 50_000)
					c := w.mustAgree(p, 5_000)
					asked := false
					w.banks.script = func(call string, _ id.Debit) do {
						if call == "debit" {
							return d
						}
						if !asked {
							asked = true
							return r
						}
						return do{}
					}
					_ = w.DeliverDebit(t.Context(), c.Debit)
					if crash {
						w.crash()
					}
					w.sweepUntilEnded()
					want := wallet.ChargeDone
					if d.loseRequest {
						want = wallet.ChargeNever
					}
					w.stateIs(c.Debit, want)
					w.booksAgree(p)
					if want == wallet.ChargeNever {
						w.balance(wallet.Available(p.sub), 0)
						if left, err := w.LimitsLeft(t.Context(), p.sub); err != nil || left.Day != w.policy.Day {
							t.Errorf("a charge that never was still counts: %+v, %v", left, err)
						}
					}
				})
			}
		}
	}
}

// The order comes after the question: the bank has buried it, and says so again.
func TestLateOrderFindsItsTombstone(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	c := w.mustAgree(p, 5_000)
	if err := w.ResolveCharge(t.Context(), c.Debit); err != nil {
		t.Fatal(err)
	}
	w.stateIs(c.Debit, wallet.ChargeNever)
	answer, err := w.banks.Debit(t.Context(), c.Issuer, c.Link, c.Debit, c.Order)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.TakeReceipt(t.Context(), c.Debit, answer); err != nil {
		t.Fatal(err)
	}
	w.stateIs(c.Debit, wallet.ChargeNever)
	w.booksAgree(p)
}

// The answer to the order is on its way while the sweeper asks and ends the charge; then it arrives.
func TestSlowAnswerArrivesAfterTheSweeper(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	c := w.mustAgree(p, 5_000)
	w.banks.script = func(call string, _ id.Debit) do {
		if call != "debit" {
			return do{}
		}
		return do{late: func() {
			if err := w.ResolveCharge(t.Context(), c.Debit); err != nil {
				t.Error(err)
			}
			w.stateIs(c.Debit, wallet.ChargeDone)
		}}
	}
	if err := w.DeliverDebit(t.Context(), c.Debit); err != nil {
		t.Fatal(err)
	}
	w.stateIs(c.Debit, wallet.ChargeDone)
	w.balance(wallet.Available(p.sub), 5_000)
	w.booksAgree(p)
}

// Fifty answers at once are one.
func TestReceiptManyTimesAtOnce(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	c := w.mustAgree(p, 5_000)
	receipt, err := w.banks.Debit(t.Context(), c.Issuer, c.Link, c.Debit, c.Order)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := w.TakeReceipt(t.Context(), c.Debit, receipt); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.stateIs(c.Debit, wallet.ChargeDone)
	w.balance(wallet.Available(p.sub), 5_000)
	w.booksAgree(p)
}

// M8: only the link's own bank, and only about this very charge.
func TestForeignReceiptEndsNothing(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	other := w.person(bankB, 50_000)
	earlier := w.charge(p, 5_000)
	c := w.mustAgree(p, 5_000)
	good := wire.DebitReceipt{
		Header: wire.Header{Issuer: string(bankA), Audience: string(service), IssuedAt: w.clock.Now().Unix()},
		Link:   c.Link, Debit: c.Debit, OrderHash: c.OrderHash, Amount: c.Amount, WalletAccount: string(c.Account),
		Outcome: wire.Booked, BookedUs: w.clock.Now().UnixMicro(),
	}
	key := func(i id.Issuer) wire.Key { return w.banks.banks[i].key }
	sign := func(k wire.Key, change func(*wire.DebitReceipt)) string {
		r := good
		change(&r)
		text, err := wire.Sign(k, &r)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, text := range map[string]string{
		"another bank's, in its own name": sign(key(bankB), func(r *wire.DebitReceipt) { r.Issuer = string(bankB) }),
		"another bank's, in this name":    sign(key(bankB), func(*wire.DebitReceipt) {}),
		"signed by nobody known":          sign(wire.GenerateKey(), func(*wire.DebitReceipt) {}),
		"for another service":             sign(key(bankA), func(r *wire.DebitReceipt) { r.Audience = "sora" }),
		"for another charge":              sign(key(bankA), func(r *wire.DebitReceipt) { r.Debit = id.Debit(id.Random("deb")) }),
		"of an earlier charge":            earlier.Receipt,
		"over another link":               sign(key(bankA), func(r *wire.DebitReceipt) { r.Link = other.link.ID }),
		"for another order":               sign(key(bankA), func(r *wire.DebitReceipt) { r.OrderHash = wire.Hash("no") }),
		"over more":                       sign(key(bankA), func(r *wire.DebitReceipt) { r.Amount = 50_000 }),
		"for another account":             sign(key(bankA), func(r *wire.DebitReceipt) { r.WalletAccount = string(wallet.Available(other.sub)) }),
		"from the future":                 sign(key(bankA), func(r *wire.DebitReceipt) { r.IssuedAt += 3600 }),
		"cut short":                       earlier.Receipt[:len(earlier.Receipt)-9],
		"empty":                           "",
		"the hub's own words":             `{"outcome":"stopped"}`,
	} {
		t.Run(name, func(t *testing.T) {
			w.banks.script = func(string, id.Debit) do { return do{loseRequest: false, instead: func(string) string { return text }} }
			if err := w.ResolveCharge(t.Context(), c.Debit); err == nil {
				t.Error("it was taken")
			}
			w.stateIs(c.Debit, wallet.ChargeSent)
		})
	}
	w.balance(wallet.Available(p.sub), 5_000)
}

// A hub that says "stopped", a bank that is busy: no end, the sweeper goes on.
func TestRefusalOnTheWayEndsNothing(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	c := w.mustAgree(p, 5_000)
	w.Wallet.Hub = &stoppedHub{scriptedHub: w.banks}
	w.banks.script = func(string, id.Debit) do { return do{loseAnswer: true} }
	if err := w.DeliverDebit(t.Context(), c.Debit); err == nil {
		t.Error("the hub's word was taken for the bank's")
	}
	w.stateIs(c.Debit, wallet.ChargeSent)
	w.banks.script = nil
	if err := w.DeliverDebit(t.Context(), c.Debit); err != nil { // the bank says it itself, to the question that follows
		t.Error(err)
	}
	w.stateIs(c.Debit, wallet.ChargeNever)
	w.booksAgree(p)
}

// A charge that was shown and never agreed to ends by the bank's tombstone; agreeing later is too late.
func TestAskedChargeIsBuried(t *testing.T) {
	for _, crash := range []bool{false, true} {
		w := newWorld(t)
		p := w.person(bankA, 50_000)
		a, err := w.AskCharge(t.Context(), p.sub, p.link.ID, 5_000)
		if err != nil {
			t.Fatal(err)
		}
		if crash {
			w.crash()
		}
		proof := p.device.Sign(a.Challenge)
		w.sweepUntilEnded()
		w.stateIs(a.Charge.Debit, wallet.ChargeNever)
		c, err := w.Agreed(t.Context(), p.sub, a.Charge.Debit, proof)
		if err != nil || c.State != wallet.ChargeNever {
			t.Errorf("agreed after its end: %s, %v", c.State, err)
		}
		w.booksAgree(p)
	}
}

// Agreement and burial at the same moment: the ledger lets one win, and both sides say the same.
func TestAgreementRacesTheTombstone(t *testing.T) {
	for range 20 {
		w := newWorld(t)
		p := w.person(bankA, 50_000)
		a, err := w.AskCharge(t.Context(), p.sub, p.link.ID, 5_000)
		if err != nil {
			t.Fatal(err)
		}
		proof := p.device.Sign(a.Challenge)
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = w.Agreed(t.Context(), p.sub, a.Charge.Debit, proof) })
		wg.Go(func() { _ = w.ResolveCharge(t.Context(), a.Charge.Debit) })
		wg.Wait()
		_ = w.DeliverDebit(t.Context(), a.Charge.Debit)
		w.sweepUntilEnded()
		w.booksAgree(p)
		w.balance(wallet.Available(p.sub), w.banks.booked(bankA))
	}
}

// M9: without the holder's fresh signature over this very charge nothing is sent.
func TestDeviceMustAgree(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	stranger := w.person(bankA, 50_000)
	ask := func() wallet.Asked {
		a, err := w.AskCharge(t.Context(), p.sub, p.link.ID, 5_000)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	t.Run("no signature", func(t *testing.T) {
		_, err := w.Agreed(t.Context(), p.sub, ask().Charge.Debit, wire.DeviceProof{})
		refusedBy(t, err, "M9")
	})
	t.Run("another amount", func(t *testing.T) {
		a := ask()
		c := a.Charge
		c.Amount = 500
		_, err := w.Agreed(t.Context(), p.sub, c.Debit, p.device.Sign(c.Challenge()))
		refusedBy(t, err, "M9")
	})
	t.Run("the page's first amount", func(t *testing.T) {
		first := ask()
		if _, err := w.AskCharge(t.Context(), p.sub, p.link.ID, 6_000); err != nil {
			t.Fatal(err)
		}
		_, err := w.Agreed(t.Context(), p.sub, first.Charge.Debit, p.device.Sign(first.Challenge))
		refusedBy(t, err, "M9")
	})
	t.Run("another's device", func(t *testing.T) {
		a := ask()
		_, err := w.Agreed(t.Context(), p.sub, a.Charge.Debit, stranger.device.Sign(a.Challenge))
		refusedBy(t, err, "M9")
	})
	t.Run("another's charge", func(t *testing.T) {
		a := ask()
		_, err := w.Agreed(t.Context(), stranger.sub, a.Charge.Debit, stranger.device.Sign(a.Challenge))
		if fault.Of(err) != fault.NotFound {
			t.Errorf("got %v", err)
		}
	})
	t.Run("too old", func(t *testing.T) {
		a := ask()
		proof := p.device.Sign(a.Challenge)
		w.clock.forward(wallet.AgreeWithin + time.Second)
		_, err := w.Agreed(t.Context(), p.sub, a.Charge.Debit, proof)
		if fault.Of(err) != fault.Gone {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a device the bank does not know", func(t *testing.T) {
		a := ask()
		w.update(&p.link, func(l *wallet.Link) { l.Device = wire.Hash("another") })
		_, err := w.Agreed(t.Context(), p.sub, a.Charge.Debit, p.device.Sign(a.Challenge))
		refusedBy(t, err, "M9")
	})
	if w.banks.banks[bankA].debits != 0 || w.account(wallet.Receivable(bankA)).HeldOut != 0 {
		t.Error("something was sent")
	}
}

// An order that waited in the outbox for longer than a proof lives is not sent; the bank would refuse it too.
func TestStaleOrderIsRefusedByTheBank(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	c := w.mustAgree(p, 5_000)
	w.clock.forward(2 * time.Minute)
	if err := w.DeliverDebit(t.Context(), c.Debit); err != nil || w.banks.banks[bankA].debits != 0 {
		t.Errorf("%d sent, %v", w.banks.banks[bankA].debits, err)
	}
	receipt, err := w.banks.Debit(t.Context(), c.Issuer, c.Link, c.Debit, c.Order) // the hub had kept it
	if err != nil {
		t.Fatal(err)
	}
	if err := w.TakeReceipt(t.Context(), c.Debit, receipt); err != nil {
		t.Fatal(err)
	}
	if c = w.stateIs(c.Debit, wallet.ChargeRefused); c.Reason != "stale" || c.Rule != "M9" {
		t.Errorf("refused by %s %s", c.Rule, c.Reason)
	}
	w.booksAgree(p)
}

// A debit that was on its way when the depositor stopped everything is refused, with the rule.
func TestOrderAfterStopAll(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	c := w.mustAgree(p, 5_000)
	w.banks.change(bankA, func(b *scriptedBank) { b.shut[p.link.ID] = "stopped" })
	if err := w.DeliverDebit(t.Context(), c.Debit); err != nil {
		t.Fatal(err)
	}
	if c = w.stateIs(c.Debit, wallet.ChargeRefused); c.Rule != "D2" || c.EndText().EN == "" {
		t.Errorf("refused by %q: %q", c.Rule, c.EndText().EN)
	}
	w.booksAgree(p)
	w.balance(wallet.Available(p.sub), 0)
}

func TestPendingChargeEnds(t *testing.T) {
	for _, end := range []wire.Outcome{wire.Booked, wire.Refused} {
		w := newWorld(t)
		p := w.person(bankA, 50_000)
		w.banks.change(bankA, func(b *scriptedBank) { b.pending = true })
		c := w.mustAgree(p, 5_000)
		if err := w.DeliverDebit(t.Context(), c.Debit); err != nil {
			t.Fatal(err)
		}
		c = w.stateIs(c.Debit, wallet.ChargePending)
		if c.Until.IsZero() || w.account(wallet.Available(p.sub)).HeldIn != 5_000 {
			t.Errorf("pending without its hold: %+v", c)
		}
		w.crash()
		w.clock.forward(10 * time.Minute)
		if _, err := w.SweepCharges(t.Context()); err != nil { // still pending
			t.Fatal(err)
		}
		w.stateIs(c.Debit, wallet.ChargePending)
		w.banks.change(bankA, func(b *scriptedBank) { b.confirm(w.banks, c, end) })
		w.sweepUntilEnded()
		w.stateIs(c.Debit, map[wire.Outcome]wallet.ChargeState{wire.Booked: wallet.ChargeDone, wire.Refused: wallet.ChargeRefused}[end])
		w.booksAgree(p)
	}
}

// M12: what was reserved is posted, whatever happens to the account meanwhile.
func TestFreezeAfterHoldDoesNotRefuseThePosting(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	c := w.mustAgree(p, 5_000)
	r, err := w.ledger.SubmitAll(t.Context(), []ledger.Request{
		{At: w.clock.Now(), Do: ledger.Freeze{Account: wallet.Available(p.sub), In: true, Out: true}},
		{At: w.clock.Now(), Do: ledger.Bound{Account: wallet.Available(p.sub)}}, // closed: no room for anything new
		{At: w.clock.Now(), Do: ledger.Bound{Account: wallet.Receivable(bankA)}},
	})
	if err != nil || !r[0].OK() || !r[1].OK() || !r[2].OK() {
		t.Fatal(r, err)
	}
	if err := w.DeliverDebit(t.Context(), c.Debit); err != nil {
		t.Fatal(err)
	}
	w.stateIs(c.Debit, wallet.ChargeDone)
	w.balance(wallet.Available(p.sub), 5_000)
	w.booksAgree(p)
	_, err = w.agree(p, 1_000)
	if err == nil {
		t.Error("a frozen account takes new charges")
	}
}

// A commit whose outcome nobody knows: it may have happened, and doing it again changes nothing.
func TestUnknownOutcomeOfACommit(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	l := &forgetfulLedger{Ledger: w.ledger}
	w.Wallet.Ledger = l
	unknown := func(what string, do func() error) {
		t.Helper()
		l.armed = true
		if err := do(); fault.Of(err) != fault.Unavailable || l.armed {
			t.Errorf("%s: %v", what, err)
		}
	}
	a, err := w.AskCharge(t.Context(), p.sub, p.link.ID, 5_000)
	if err != nil {
		t.Fatal(err)
	}
	debit, proof := a.Charge.Debit, p.device.Sign(a.Challenge)
	agree := func() error { _, err := w.Agreed(t.Context(), p.sub, debit, proof); return err }
	unknown("agreed", agree)
	w.stateIs(debit, wallet.ChargeSent)
	if err := agree(); err != nil {
		t.Errorf("agreed again: %v", err)
	}
	unknown("receipt", func() error { return w.DeliverDebit(t.Context(), debit) })
	if err := w.ResolveCharge(t.Context(), debit); err != nil {
		t.Error(err)
	}
	w.stateIs(debit, wallet.ChargeDone)
	w.balance(wallet.Available(p.sub), 5_000)

	ask := wallet.Presented{Code: w.code(p), Amount: 1_000}
	pay := func() error { _, _, err := w.Pay(t.Context(), w.shop("bakery key"), "key", ask); return err }
	unknown("paid", pay)
	if err := pay(); err != nil {
		t.Errorf("paid again: %v", err)
	}
	w.balance(wallet.Available(p.sub), 4_000)

	other := w.charge(p, 2_000)
	var rev wallet.Reversal
	reverse := func() error { rev, err = w.ReverseCharge(t.Context(), other.Debit, "staff", "why"); return err }
	unknown("reversed", reverse)
	if err := reverse(); err != nil {
		t.Errorf("reversed again: %v", err)
	}
	unknown("reversal's receipt", func() error { return w.DeliverReversal(t.Context(), rev.ID) })
	if err := w.DeliverReversal(t.Context(), rev.ID); err != nil {
		t.Error(err)
	}
	w.stateIs(other.Debit, wallet.ChargeReversed)
	w.balance(wallet.Available(p.sub), 4_000)
	w.booksAgree(p)
}

// A bank that signs two ends of one debit: the first stands, a person looks into it.
func TestContradictionOpensABreak(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	c := w.charge(p, 5_000)
	w.banks.change(bankA, func(b *scriptedBank) { b.confirm(w.banks, c, wire.Refused) })
	text := w.banks.banks[bankA].answers[c.Debit]
	for range 2 {
		if err := w.TakeReceipt(t.Context(), c.Debit, text); err != nil {
			t.Fatal(err)
		}
	}
	w.stateIs(c.Debit, wallet.ChargeDone)
	w.balance(wallet.Available(p.sub), 5_000)
	breaks, err := w.store.Breaks(t.Context(), false, 10)
	if err != nil || len(breaks) != 1 || breaks[0].Kind != wallet.BreakContradiction || breaks[0].Evidence != text || breaks[0].Owner != "books" {
		t.Errorf("breaks: %+v, %v", breaks, err)
	}
}

// M2: fifty charges at once over five links of one holder never pass her limit or her cap.
func TestLimitsHoldUnderRaces(t *testing.T) {
	for name, set := range map[string]func(*wallet.MoneyPolicy){
		"limit of a day": func(p *wallet.MoneyPolicy) { p.Each, p.Day = 10_000, 25_000 },
		"holder's cap":   func(p *wallet.MoneyPolicy) { p.HolderCap = 25_000 },
		"bank's cap":     func(p *wallet.MoneyPolicy) { p.BankCap = 25_000 },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.person(bankA, 1_000_000)
			set(&w.policy)
			w.crash() // the policy is read at the start
			people := []person{p}
			for range 4 {
				q := p
				q.link = w.link(p, bankA, 1_000_000)
				people = append(people, q)
			}
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Go(func() {
					c, err := w.agree(people[i%5], 5_000)
					if err == nil && c.State == wallet.ChargeSent {
						err = w.DeliverDebit(t.Context(), c.Debit)
					}
					_ = err
				})
			}
			wg.Wait()
			w.sweepUntilEnded()
			w.booksAgree(p)
			if got := w.account(wallet.Available(p.sub)).Balance; got > 25_000 || got == 0 {
				t.Errorf("%d was charged", got)
			}
		})
	}
}

// The cap is on all e-money of a holder, wherever it lies.
func TestHolderCapCountsEveryAccount(t *testing.T) {
	w := newWorld(t)
	w.policy.HolderCap = 12_000
	w.crash()
	p := w.person(bankA, 50_000)
	w.update(&p.link, func(l *wallet.Link) { l.Reported, l.LimitedUntil = wire.LinkLimited, w.clock.Now().Add(time.Hour) })
	w.charge(p, 5_000)
	q := p
	q.link = w.link(p, bankA, 50_000)
	w.charge(q, 5_000)
	_, err := w.agree(q, 2_001)
	refusedBy(t, err, "M6")
	w.charge(q, 2_000)
	w.balance(wallet.Maturing(p.sub, p.link.ID), 5_000)
	w.balance(wallet.Available(p.sub), 7_000)
}

// The cap also holds where every charge at the same moment lands on another account.
func TestHolderCapUnderRacesOverAccounts(t *testing.T) {
	for range 5 {
		w := newWorld(t)
		w.policy.HolderCap = 12_000
		w.crash()
		p := w.person(bankA, 50_000)
		people := []person{p}
		for range 7 {
			q := p
			q.link = w.link(p, bankA, 50_000)
			people = append(people, q)
		}
		var proofs []func()
		for _, q := range people {
			w.update(&q.link, func(l *wallet.Link) { l.Reported, l.LimitedUntil = wire.LinkLimited, w.clock.Now().Add(time.Hour) })
			a, err := w.AskCharge(t.Context(), q.sub, q.link.ID, 5_000)
			if err != nil {
				t.Fatal(err)
			}
			proof := q.device.Sign(a.Challenge)
			proofs = append(proofs, func() {
				if c, err := w.Agreed(t.Context(), q.sub, a.Charge.Debit, proof); err != nil {
					refusedBy(t, err, "M6")
				} else if err := w.DeliverDebit(t.Context(), c.Debit); err != nil {
					t.Error(err)
				}
			})
		}
		var wg sync.WaitGroup
		for _, agree := range proofs {
			wg.Go(agree)
		}
		wg.Wait()
		if booked := w.banks.booked(bankA); booked != 10_000 {
			t.Errorf("%d was charged under a cap of 12,000", booked)
		}
		w.sweepUntilEnded()
		w.booksAgree(p)
	}
}

// M8: a bank that owes too much is asked for nothing more.
func TestCapOnUnsettledReceipts(t *testing.T) {
	w := newWorld(t)
	w.policy.BankCap = 7_000
	w.crash()
	p := w.person(bankA, 50_000)
	w.charge(p, 5_000)
	_, err := w.agree(p, 3_000)
	refusedBy(t, err, "M8")
	other := w.person(bankB, 50_000)
	w.charge(other, 3_000)
}

// M1 rolls: a month has no last day.
func TestMonthEnd(t *testing.T) {
	w := newWorld(t)
	w.policy.Each, w.policy.Day, w.policy.Month = 300_000, 300_000, 300_000
	w.clock.now = time.Date(2026, 8, 31, 23, 50, 0, 0, clock.Tokyo).UTC()
	w.crash()
	p := w.person(bankA, 1_000_000)
	w.update(&p.link, func(l *wallet.Link) { l.Limits = wire.Limits{PerDebit: 300_000, Per24h: 300_000, Per30Days: money.Max} })
	w.charge(p, 300_000)
	w.clock.forward(25 * time.Hour)
	_, err := w.agree(p, 300_000)
	refusedBy(t, err, "M1")
	left, err := w.LimitsLeft(t.Context(), p.sub)
	if err != nil || left.Day != 300_000 || left.Month != 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
	w.clock.forward(29 * 24 * time.Hour)
	w.charge(p, 300_000)
}

// What the bank would refuse is said before the device is asked, by the same rule.
func TestLinkThatCannotBeChargedFrom(t *testing.T) {
	w := newWorld(t)
	now := w.clock.Now()
	for name, is := range map[string]struct {
		change func(*wallet.Link)
		rule   string
	}{
		"cooling": {func(l *wallet.Link) {
			l.Reported, l.CoolingUntil, l.LimitedUntil = wire.LinkCooling, now.Add(time.Hour), now.Add(25*time.Hour)
		}, "L9"},
		"waiting": {func(l *wallet.Link) { l.Reported, l.ReceiptUntil = wire.LinkWaiting, now.Add(time.Hour) }, "L8"},
		"stopped": {func(l *wallet.Link) { l.Reported, l.Reason = wire.LinkSuspended, "stopped_by_depositor" }, "D2"},
		"all stopped": {func(l *wallet.Link) {
			l.Reported, l.Reason = wire.LinkSuspended, "all_stopped_by_depositor"
		}, "D2"},
		"suspended": {func(l *wallet.Link) { l.Reported, l.Reason = wire.LinkSuspended, "device_changed" }, "L9"},
		"revoked":   {func(l *wallet.Link) { l.Reported = wire.LinkRevoked }, "M13"},
		"expired":   {func(l *wallet.Link) { l.ValidUntil = now.Add(-time.Second) }, "M13"},
		"changing":  {func(l *wallet.Link) { l.Changes = []string{"chg_1"} }, "L9"},
		"ended":     {func(l *wallet.Link) { l.EndRequested = true }, "M13"},
	} {
		t.Run(name, func(t *testing.T) {
			p := w.person(bankA, 50_000)
			asked, err := w.AskCharge(t.Context(), p.sub, p.link.ID, 100)
			if err != nil {
				t.Fatal(err)
			}
			w.update(&p.link, is.change)
			_, err = w.AskCharge(t.Context(), p.sub, p.link.ID, 100)
			refusedBy(t, err, is.rule)
			_, err = w.Agreed(t.Context(), p.sub, asked.Charge.Debit, p.device.Sign(asked.Challenge))
			refusedBy(t, err, is.rule)
		})
	}
	t.Run("limited", func(t *testing.T) {
		p := w.person(bankA, 50_000)
		w.update(&p.link, func(l *wallet.Link) { l.Reported, l.LimitedUntil = wire.LinkLimited, now.Add(time.Hour) })
		w.charge(p, 4_000)
		_, err := w.agree(p, 1_001)
		refusedBy(t, err, "L9")
		w.charge(p, 1_000)
	})
	t.Run("limited until a strong proof", func(t *testing.T) {
		p := w.person(bankA, 50_000)
		w.update(&p.link, func(l *wallet.Link) { l.Reported, l.UntilProof = wire.LinkLimited, true })
		_, err := w.AskCharge(t.Context(), p.sub, p.link.ID, 5_001)
		refusedBy(t, err, "L13")
	})
	t.Run("another's", func(t *testing.T) {
		p, q := w.person(bankA, 50_000), w.person(bankA, 50_000)
		if _, err := w.AskCharge(t.Context(), p.sub, q.link.ID, 100); fault.Of(err) != fault.NotFound {
			t.Errorf("got %v", err)
		}
	})
	t.Run("amounts", func(t *testing.T) {
		p := w.person(bankA, 500_000)
		if _, err := w.AskCharge(t.Context(), p.sub, p.link.ID, 0); fault.Of(err) != fault.Invalid {
			t.Errorf("got %v", err)
		}
		_, err := w.AskCharge(t.Context(), p.sub, p.link.ID, 100_001)
		refusedBy(t, err, "M1")
		w.update(&p.link, func(l *wallet.Link) { l.Limits.PerDebit = 500 })
		_, err = w.AskCharge(t.Context(), p.sub, p.link.ID, 501)
		refusedBy(t, err, "M1")
	})
}
