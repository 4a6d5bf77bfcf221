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
	"github.com/kozamori/kozamori/internal/wire"
)

// DeliverDebit hands a charge's order to the bank: the outbox's handler of KindDebit. It answers nil once
// there is nothing more to send: the charge has ended, or the order is too old to be taken and the sweeper
// asks what became of it. The same charge is always sent as the same bytes.
func (w *Wallet) DeliverDebit(ctx context.Context, debit id.Debit) error {
	c, err := w.Store.Charge(ctx, debit)
	if err != nil {
		return err
	}
	if c.State != ChargeSent || w.Now().Sub(c.AgreedAt) >= OrderFresh {
		return nil
	}
	receipt, err := w.Hub.Debit(ctx, c.Issuer, c.Link, c.Debit, c.Order)
	switch {
	case err == nil:
		return w.TakeReceipt(ctx, c.Debit, receipt)
	case fault.Of(err) == fault.Refused: // on the way, which ends nothing: the bank is asked at once
		return w.ResolveCharge(ctx, c.Debit)
	}
	return err
}

// ResolveCharge asks the bank what became of a charge, and to bury it where it was never seen (M12).
func (w *Wallet) ResolveCharge(ctx context.Context, debit id.Debit) error {
	c, err := w.Store.Charge(ctx, debit)
	if err == nil && c.State == ChargeAsked {
		c, err = w.bury(ctx, c)
	}
	if err != nil || !c.State.Open() {
		return err
	}
	text, err := w.Messages.Sign(&wire.Resolve{
		Header: w.header(c.Issuer, 0), Link: c.Link, Debit: c.Debit,
		OrderHash: c.orderHash(), Amount: c.Amount, WalletAccount: string(c.Account),
	})
	if err != nil {
		return err
	}
	receipt, err := w.Hub.Resolve(ctx, c.Issuer, c.Link, c.Debit, text)
	if err != nil {
		return err
	}
	return w.TakeReceipt(ctx, c.Debit, receipt)
}

// bury makes sure that a charge which the bank is asked about can no longer be agreed to: otherwise the bank
// could bury it while its order is being signed. A charge agreed to before comes back as it stands.
func (w *Wallet) bury(ctx context.Context, c Charge) (Charge, error) {
	id := ledger.TransferID(c.Debit)
	_, err := w.Ledger.Submit(ctx, ledger.Request{At: w.Now(), Do: ledger.Bury{ID: id}, Then: func(ledger.Result) []ledger.Write {
		return []ledger.Write{AskAgain{Debit: c.Debit, Asks: max(1, c.Asks), At: c.NextAsk}}
	}})
	if err != nil {
		return c, err
	}
	return w.Store.Charge(ctx, c.Debit)
}

// orderHash is the hash of the order; of the empty text where none was ever signed.
func (c Charge) orderHash() string {
	if c.OrderHash == "" {
		return wire.Hash("")
	}
	return c.OrderHash
}

// TakeReceipt verifies a bank's receipt for a charge and does what it says: posts the hold, gives it back, or
// waits on. Only a receipt of the link's own bank that names this service, link, charge, order, amount and
// account ends a charge (M8); anything else is fault.Invalid and changes nothing. A receipt taken before is
// taken again without effect. One that contradicts what the bank signed before opens a break.
func (w *Wallet) TakeReceipt(ctx context.Context, debit id.Debit, compact string) error {
	for range 3 {
		c, err := w.Store.Charge(ctx, debit)
		if err != nil {
			return err
		}
		var r wire.DebitReceipt
		if err := w.Messages.Open(ctx, compact, c.Issuer, &r); err != nil {
			return err
		}
		if err := matches(c, &r); err != nil {
			return &fault.Error{Kind: fault.Invalid, Op: "wallet.TakeReceipt", Rule: "M8", Err: err}
		}
		err = w.apply(ctx, c, &r, compact)
		if !conflicts(err) { // otherwise the charge moved on meanwhile: look again
			return err
		}
	}
	return fault.New(fault.Busy, "wallet.TakeReceipt", errors.New("the charge keeps changing"))
}

// matches says whether a receipt is about this very charge.
func matches(c Charge, r *wire.DebitReceipt) error {
	switch {
	case r.Debit != c.Debit:
		return fmt.Errorf("the receipt is for %q", r.Debit)
	case r.Link != c.Link:
		return fmt.Errorf("the receipt is over link %q", r.Link)
	case r.Amount != c.Amount:
		return fmt.Errorf("the receipt is over %d yen", r.Amount)
	case r.WalletAccount != string(c.Account):
		return fmt.Errorf("the receipt is for account %q", r.WalletAccount)
	case r.OrderHash != c.orderHash():
		return errors.New("the receipt is for another order")
	case r.Outcome == wire.Booked && r.BookedUs <= 0:
		return errors.New("the receipt does not say when it was booked")
	}
	return nil
}

// fate is what a receipt means for a charge in a state.
type fate uint8

const (
	fateNothing  fate = iota // known already, or the charge takes no receipt any more
	fatePost                 // booked
	fateVoid                 // refused or never: what was held is given back
	fateClose                // never, for a charge that was not even agreed to: nothing was held
	fateWait                 // pending
	fateConflict             // the bank has signed two different ends, or one that cannot be
)

// decideReceipt is the whole rule of what ends a charge.
func decideReceipt(state ChargeState, outcome wire.Outcome) fate {
	same := map[ChargeState]wire.Outcome{
		ChargeDone: wire.Booked, ChargeReversing: wire.Booked, ChargeReversed: wire.Booked,
		ChargeRefused: wire.Refused, ChargeNever: wire.Never,
	}
	switch {
	case same[state] != "": // ended: the same answer again is nothing new, nor is a late "pending"
		if same[state] == outcome || outcome == wire.Pending {
			return fateNothing
		}
		return fateConflict
	case state == ChargeAsked && outcome == wire.Never:
		return fateClose
	case state == ChargeAsked:
		return fateConflict
	case outcome == wire.Booked:
		return fatePost
	case outcome == wire.Refused, outcome == wire.Never && state == ChargeSent:
		return fateVoid
	case outcome == wire.Pending:
		return fateWait
	default:
		return fateConflict
	}
}

func (w *Wallet) apply(ctx context.Context, c Charge, r *wire.DebitReceipt, compact string) error {
	id := ledger.TransferID(c.Debit)
	switch decideReceipt(c.State, r.Outcome) {
	case fatePost:
		return w.end(ctx, c, ledger.Post{ID: id}, w.endRow(c, ChargeDone, r, compact))
	case fateVoid:
		next := ChargeRefused
		if r.Outcome == wire.Never {
			next = ChargeNever
		}
		return w.end(ctx, c, ledger.Void{ID: id}, w.endRow(c, next, r, compact))
	case fateClose:
		return w.end(ctx, c, ledger.Note{}, w.endRow(c, ChargeNever, r, compact))
	case fateWait:
		if r.UntilUs == c.Until.UnixMicro() && c.State == ChargePending {
			return nil
		}
		row := c.to(ChargePending, func(n *Charge) {
			n.Receipt, n.Rule, n.Until = compact, r.Rule, clock.FromMicros(r.UntilUs)
		})
		return w.end(ctx, c, ledger.Note{}, row)
	case fateConflict:
		return w.contradiction(ctx, c, r, compact)
	}
	return nil
}

// endRow is the charge as a receipt leaves it.
func (w *Wallet) endRow(c Charge, next ChargeState, r *wire.DebitReceipt, compact string) PutCharge {
	return c.to(next, func(n *Charge) {
		n.Receipt, n.Rule, n.Reason, n.EndedAt, n.NextAsk = compact, r.Rule, r.Reason, w.Now(), time.Time{}
		n.BookedAt = clock.FromMicros(r.BookedUs)
		if r.UntilUs > 0 {
			n.Until = clock.FromMicros(r.UntilUs)
		}
	})
}

// end commits the row of a charge together with what the ledger does for it.
func (w *Wallet) end(ctx context.Context, c Charge, do ledger.Action, row PutCharge) error {
	r, err := w.Ledger.Submit(ctx, ledger.Request{At: w.Now(), Do: do, Then: func(r ledger.Result) []ledger.Write {
		if !r.OK() {
			return nil
		}
		return []ledger.Write{row}
	}})
	if err != nil {
		return err
	}
	if !r.OK() {
		return fault.New(fault.Internal, "wallet.end", fmt.Errorf("charge %s: the ledger answers %d", c.Debit, r.Outcome))
	}
	if r.Repeated {
		return moved(c)
	}
	w.ended.tell(string(c.Debit))
	return nil
}

// moved says that a charge is no longer what it was when it was read.
func moved(c Charge) error {
	return fault.New(fault.Conflict, "wallet.end", fmt.Errorf("charge %s has moved on", c.Debit))
}

// contradiction writes down that a bank's signed words do not agree; nothing is booked by itself.
func (w *Wallet) contradiction(ctx context.Context, c Charge, r *wire.DebitReceipt, compact string) error {
	w.Log.Error("a bank contradicts itself", "debit", string(c.Debit), "issuer", string(c.Issuer),
		"state", string(c.State), "outcome", string(r.Outcome))
	return w.Store.Commit(ctx, w.newBreak(Break{
		Issuer: c.Issuer, Day: clock.Day(w.Now()), Debit: c.Debit, Kind: BreakContradiction,
		Ours: string(c.State), Theirs: string(r.Outcome), Evidence: compact,
	}))
}

// conflicts says whether an error means that a row changed meanwhile, however deep the ledger wrapped it.
func conflicts(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if e, ok := err.(*fault.Error); ok && e.Kind == fault.Conflict {
			return true
		}
	}
	return false
}
