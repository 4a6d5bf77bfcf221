package wallet_test

import (
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

func TestReversalGivesTheDebitBackOnce(t *testing.T) {
	for name, bad := range map[string]do{"arrives": {}, "lost": {loseRequest: true}, "answer lost": {loseAnswer: true}, "doubled": {twice: true}} {
		for _, crash := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(t)
				p := w.person(bankA, 50_000)
				c := w.charge(p, 5_000)
				rev, err := w.ReverseCharge(t.Context(), c.Debit, "tanaka", "not hers")
				if err != nil {
					t.Fatal(err)
				}
				w.stateIs(c.Debit, wallet.ChargeReversing)
				w.balance(wallet.Available(p.sub), 0)
				w.balance(wallet.Reversing(p.sub), 5_000)
				w.banks.script = func(string, id.Debit) do { return bad }
				_ = w.DeliverReversal(t.Context(), rev.ID)
				if crash {
					w.crash()
				}
				w.banks.script = nil
				for range 2 {
					if err := w.DeliverReversal(t.Context(), rev.ID); err != nil {
						t.Fatal(err)
					}
				}
				w.stateIs(c.Debit, wallet.ChargeReversed)
				w.balance(wallet.Reversing(p.sub), 0)
				w.balance(wallet.Receivable(bankA), 0)
				w.booksAgree(p)
				rev, err = w.store.Reversal(t.Context(), c.Debit)
				if err != nil || rev.Receipt == "" || rev.By != "tanaka" || rev.BookedAt.IsZero() {
					t.Errorf("%+v, %v", rev, err)
				}
				if left, err := w.LimitsLeft(t.Context(), p.sub); err != nil || left.Day != w.policy.Day-5_000 {
					t.Errorf("M1 counts before refunds; left %+v, %v", left, err)
				}
			})
		}
	}
}

func TestReversalsAtTheSameMomentAreOne(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	c := w.charge(p, 5_000)
	w.charge(p, 20_000)
	ids := make([]string, 10)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			rev, err := w.ReverseCharge(t.Context(), c.Debit, "staff", "why")
			if err != nil {
				t.Error(err)
			}
			ids[i] = rev.ID
		})
	}
	wg.Wait()
	for _, other := range ids {
		if other != ids[0] {
			t.Errorf("two reversals: %v", ids)
		}
	}
	w.balance(wallet.Reversing(p.sub), 5_000)
	w.balance(wallet.Available(p.sub), 20_000)
}

func TestReversalRefusals(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	t.Run("not done", func(t *testing.T) {
		c := w.mustAgree(p, 1_000)
		if _, err := w.ReverseCharge(t.Context(), c.Debit, "staff", "why"); fault.Of(err) != fault.Conflict {
			t.Errorf("got %v", err)
		}
		w.sweepUntilEnded()
	})
	t.Run("spent", func(t *testing.T) {
		c := w.charge(p, 5_000)
		w.pay(p, "bakery key", "spent", 4_999)
		if _, err := w.ReverseCharge(t.Context(), c.Debit, "staff", "why"); fault.Of(err) != fault.Refused {
			t.Errorf("got %v", err)
		}
		w.stateIs(c.Debit, wallet.ChargeDone)
		w.balance(wallet.Available(p.sub), 1)
	})
	t.Run("unknown", func(t *testing.T) {
		if _, err := w.ReverseCharge(t.Context(), "deb_no", "staff", "why"); fault.Of(err) != fault.NotFound {
			t.Errorf("got %v", err)
		}
	})
}

// A charge being given back takes no receipt any more.
func TestReversingChargeTakesNoReceipt(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	c := w.charge(p, 5_000)
	if _, err := w.ReverseCharge(t.Context(), c.Debit, "staff", "why"); err != nil {
		t.Fatal(err)
	}
	if err := w.TakeReceipt(t.Context(), c.Debit, c.Receipt); err != nil {
		t.Fatal(err)
	}
	w.stateIs(c.Debit, wallet.ChargeReversing)
	w.balance(wallet.Available(p.sub), 0)
}

// A bank that will not give back what it signed as booked: the money stays aside, a person looks into it.
func TestRefusedReversalOpensABreak(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	c := w.charge(p, 5_000)
	rev, err := w.ReverseCharge(t.Context(), c.Debit, "staff", "why")
	if err != nil {
		t.Fatal(err)
	}
	w.banks.change(bankA, func(b *scriptedBank) { delete(b.amounts, c.Debit) })
	if err := w.DeliverReversal(t.Context(), rev.ID); err != nil {
		t.Fatal(err)
	}
	w.stateIs(c.Debit, wallet.ChargeReversing)
	w.balance(wallet.Reversing(p.sub), 5_000)
	breaks, err := w.store.Breaks(t.Context(), false, 10)
	if err != nil || len(breaks) != 1 || breaks[0].Kind != wallet.BreakReversalRefused {
		t.Errorf("%+v, %v", breaks, err)
	}
}

func TestForeignReversalReceiptEndsNothing(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	c := w.charge(p, 5_000)
	rev, err := w.ReverseCharge(t.Context(), c.Debit, "staff", "why")
	if err != nil {
		t.Fatal(err)
	}
	good := wire.ReversalReceipt{
		Header:   wire.Header{Issuer: string(bankA), Audience: string(service), IssuedAt: w.clock.Now().Unix()},
		Reversal: rev.ID, Link: c.Link, Debit: c.Debit, Amount: c.Amount, Outcome: "reversed", BookedUs: 1,
	}
	key := w.banks.banks[bankA].key
	for name, spoil := range map[string]func(*wire.ReversalReceipt) wire.Key{
		"another bank": func(r *wire.ReversalReceipt) wire.Key { return w.banks.banks[bankB].key },
		"reversal":     func(r *wire.ReversalReceipt) wire.Key { r.Reversal = id.Random("rev"); return key },
		"debit":        func(r *wire.ReversalReceipt) wire.Key { r.Debit = id.Debit(id.Random("deb")); return key },
		"link":         func(r *wire.ReversalReceipt) wire.Key { r.Link = id.Link(id.Random("lnk")); return key },
		"amount":       func(r *wire.ReversalReceipt) wire.Key { r.Amount = 1; return key },
		"audience":     func(r *wire.ReversalReceipt) wire.Key { r.Audience = "sora"; return key },
	} {
		bad := good
		text, err := wire.Sign(spoil(&bad), &bad)
		if err != nil {
			t.Fatal(err)
		}
		w.banks.script = func(string, id.Debit) do { return do{instead: func(string) string { return text }} }
		if err := w.DeliverReversal(t.Context(), rev.ID); err == nil {
			t.Errorf("%s: taken", name)
		}
		w.stateIs(c.Debit, wallet.ChargeReversing)
	}
}

// M10: money of a limited link matures when the link is active by the clock, and is then as good as any.
func TestMaturing(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	until := w.clock.Now().Add(2 * time.Hour)
	w.update(&p.link, func(l *wallet.Link) { l.Reported, l.LimitedUntil = wire.LinkLimited, until })
	a, err := w.AskCharge(t.Context(), p.sub, p.link.ID, 3_000)
	if err != nil || !a.Matures || !a.MaturesAt.Equal(until) {
		t.Fatalf("%+v, %v", a, err)
	}
	c := w.charge(p, 3_000)
	if c.Account != wallet.Maturing(p.sub, p.link.ID) {
		t.Errorf("landed on %s", c.Account)
	}
	purse, err := w.PurseOf(t.Context(), p.sub)
	if err != nil || purse.Available != 0 || len(purse.Maturing) != 1 || purse.Maturing[0].Amount != 3_000 || !purse.Maturing[0].At.Equal(until) {
		t.Errorf("%+v, %v", purse, err)
	}
	if err := w.Mature(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.balance(wallet.Available(p.sub), 0)
	w.clock.forward(2 * time.Hour)
	w.crash()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := w.Mature(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.balance(wallet.Available(p.sub), 3_000)
	w.balance(wallet.Maturing(p.sub, p.link.ID), 0)
	if _, err := w.ReverseCharge(t.Context(), c.Debit, "staff", "why"); err != nil { // from where it is now
		t.Fatal(err)
	}
	w.balance(wallet.Available(p.sub), 0)
}

// L13: without a strong proof at the bank the money of such a link never matures by the clock.
func TestMaturingUntilProof(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	w.update(&p.link, func(l *wallet.Link) { l.Reported, l.UntilProof, l.LimitedUntil = wire.LinkLimited, true, time.Time{} })
	w.charge(p, 3_000)
	w.clock.forward(90 * 24 * time.Hour)
	if err := w.Mature(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.balance(wallet.Maturing(p.sub, p.link.ID), 3_000)
	w.update(&p.link, func(l *wallet.Link) { l.Reported, l.UntilProof, l.LimitedUntil = wire.LinkActive, false, time.Time{} })
	if err := w.Mature(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.balance(wallet.Available(p.sub), 3_000)
}
