package wallet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/wire"
)

// KindReversal is the outbox's kind of a reversal; its payload is the reversal's id.
const KindReversal = "reversal"

// Reversal gives a done charge back to the bank account, whole and once. Its e-money lies on the reversing
// account from the commit that writes it until the bank's receipt.
type Reversal struct {
	ID       string // "rev_…"
	Debit    id.Debit
	Text     string // the compact JWS: always the same bytes
	By       string // the member of staff
	Why      string
	At       time.Time
	Receipt  string // the bank's, compact; "" until it came
	BookedAt time.Time
	Suspense bool // the bank account is closed; the bank keeps it on a suspense account
	EndedAt  time.Time
}

// PutReversal writes a new reversal; a second one of a charge is fault.Conflict.
type PutReversal struct{ Reversal Reversal }

// EndReversal writes the bank's answer to a reversal that has none yet.
type EndReversal struct{ Reversal Reversal }

// ReverseCharge starts to undo a done charge: a decision of staff, for a reason. The e-money must still be
// there: it is put aside in the commit that writes the signed reversal to the outbox. Repeated, it answers
// the reversal that runs.
func (w *Wallet) ReverseCharge(ctx context.Context, debit id.Debit, by, why string) (Reversal, error) {
	const op = "wallet.ReverseCharge"
	c, err := w.Store.Charge(ctx, debit)
	if err != nil {
		return Reversal{}, err
	}
	if c.State == ChargeReversing || c.State == ChargeReversed {
		return w.Store.Reversal(ctx, debit)
	}
	if c.State != ChargeDone {
		return Reversal{}, &fault.Error{Kind: fault.Conflict, Op: op, Public: textNotDone}
	}
	unlock := w.subjects.lock(c.Subject)
	defer unlock()
	legs, err := w.reversalLegs(ctx, c)
	if err != nil {
		return Reversal{}, err
	}
	rev := Reversal{ID: w.newID("rev"), Debit: debit, By: by, Why: why, At: w.Now()}
	rev.Text, err = w.Messages.Sign(&wire.Reversal{
		Header: w.header(c.Issuer, 0), Reversal: rev.ID, Link: c.Link, Debit: debit,
		OrderHash: c.OrderHash, Amount: c.Amount,
	})
	if err != nil {
		return Reversal{}, err
	}
	move := ledger.Move{ID: ledger.TransferID(rev.ID), Kind: "reversing", Legs: legs, Memo: string(debit)}
	row := c.to(ChargeReversing, func(*Charge) {})
	r, err := w.Ledger.Submit(ctx, ledger.Request{At: rev.At, Do: move, Then: func(r ledger.Result) []ledger.Write {
		if !r.OK() {
			return nil
		}
		return []ledger.Write{row, PutReversal{rev}, outbox.Message{
			Kind: KindReversal, Key: string(debit), To: string(c.Issuer), Payload: []byte(rev.ID),
		}}
	}})
	switch {
	case err != nil && conflicts(err): // another member of staff was first
		return w.Store.Reversal(ctx, debit)
	case err != nil:
		return Reversal{}, err
	case !r.OK():
		return Reversal{}, &fault.Error{Kind: fault.Refused, Op: op, Public: textNotThere,
			Err: fmt.Errorf("the ledger answers %d at %s", r.Outcome, r.Account)}
	}
	w.Wake()
	return rev, nil
}

// reversalLegs takes the money from where the charge put it, then from what has matured since.
func (w *Wallet) reversalLegs(ctx context.Context, c Charge) ([]ledger.Leg, error) {
	from := []ledger.AccountID{c.Account}
	if c.Matures() {
		from = append(from, Available(c.Subject))
	}
	sources, err := w.sources(ctx, from)
	if err != nil {
		return nil, err
	}
	legs, short := takeFrom(sources, Reversing(c.Subject), c.Amount)
	if short > 0 {
		return nil, &fault.Error{Kind: fault.Refused, Op: "wallet.ReverseCharge", Public: textNotThere,
			Err: errors.New("the holder has spent it")}
	}
	return legs, nil
}

// DeliverReversal hands a reversal to the bank until it is answered: the outbox's handler of KindReversal.
func (w *Wallet) DeliverReversal(ctx context.Context, reversal string) error {
	rev, err := w.Store.ReversalByID(ctx, reversal)
	if err != nil || rev.Receipt != "" {
		return err
	}
	c, err := w.Store.Charge(ctx, rev.Debit)
	if err != nil {
		return err
	}
	compact, err := w.Hub.Reverse(ctx, c.Issuer, c.Link, rev.ID, rev.Text)
	if err != nil {
		return err
	}
	var r wire.ReversalReceipt
	if err := w.Messages.Open(ctx, compact, c.Issuer, &r); err != nil {
		return err
	}
	if r.Reversal != rev.ID || r.Link != c.Link || r.Debit != c.Debit || r.Amount != c.Amount {
		return &fault.Error{Kind: fault.Invalid, Op: "wallet.DeliverReversal", Rule: "M8",
			Err: errors.New("the receipt is for another reversal")}
	}
	return w.endReversal(ctx, c, rev, &r, compact)
}

// endReversal pays the bank back in the books: what it owes the service shrinks by the debit. A bank that
// refuses to give back what it signed as booked opens a break, and the money stays aside.
func (w *Wallet) endReversal(ctx context.Context, c Charge, rev Reversal, r *wire.ReversalReceipt, compact string) error {
	if r.Outcome != "reversed" {
		return w.Store.Commit(ctx, w.newBreak(Break{
			Issuer: c.Issuer, Day: clock.Day(w.Now()), Debit: c.Debit, Kind: BreakReversalRefused,
			Ours: string(c.State), Theirs: r.Outcome, Evidence: compact,
		}))
	}
	rev.Receipt, rev.BookedAt, rev.Suspense, rev.EndedAt = compact, clock.FromMicros(r.BookedUs), r.Suspense, w.Now()
	row := c.to(ChargeReversed, func(*Charge) {})
	_, err := w.Ledger.Submit(ctx, ledger.Request{
		At: w.Now(),
		Do: ledger.Move{
			ID: ledger.TransferID("reverse/" + rev.ID), Kind: "reversal", Memo: string(c.Debit),
			Legs: []ledger.Leg{{Debit: Reversing(c.Subject), Credit: Receivable(c.Issuer), Amount: c.Amount}},
		},
		Then: func(r ledger.Result) []ledger.Write {
			if !r.OK() {
				panic(fmt.Sprintf("wallet: the money of reversal %s is not aside: outcome %d", rev.ID, r.Outcome))
			}
			return []ledger.Write{row, EndReversal{rev}}
		},
	})
	if conflicts(err) { // the answer came twice
		return nil
	}
	w.ended.tell(string(c.Debit))
	return err
}

// source is an account that money may be taken from, and what is free there.
type source struct {
	account ledger.AccountID
	free    money.Yen
}

func (w *Wallet) sources(ctx context.Context, accounts []ledger.AccountID) ([]source, error) {
	var out []source
	for _, a := range accounts {
		acc, err := w.account(ctx, a)
		if err != nil {
			return nil, err
		}
		if acc.Free() > 0 {
			out = append(out, source{a, acc.Free()})
		}
	}
	return out, nil
}

// takeFrom fills an amount from sources in their order; short is what they lack.
func takeFrom(sources []source, to ledger.AccountID, amount money.Yen) (legs []ledger.Leg, short money.Yen) {
	for _, s := range sources {
		part := min(s.free, amount)
		if part > 0 {
			legs = append(legs, ledger.Leg{Debit: s.account, Credit: to, Amount: part})
			amount -= part
		}
	}
	return legs, amount
}
