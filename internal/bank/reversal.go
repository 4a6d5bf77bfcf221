package bank

import (
	"context"
	"errors"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// The outcomes of a reversal.
const (
	Reversed        = "reversed"
	ReversalRefused = "refused" // no such debit is booked, or another reversal gave it back
)

// Reversal is a booked debit given back whole, or the refusal to.
type Reversal struct {
	Service id.Service
	ID      string // "rev_…"
	Debit   id.Debit
	Link    id.Link
	// OrderHash is that of the order that is reversed.
	OrderHash string
	Amount    money.Yen
	Outcome   string
	Suspense  bool // it lies on a suspense account
	At        time.Time
	Receipt   string // compact JWS
}

// AddReversal is the ledger's Write of a reversal that was decided. A done one marks its debit as reversed
// and fails where the debit is not booked or was reversed before.
type AddReversal struct{ Reversal Reversal }

// Reverse gives a booked debit back: whole, once, whatever has become of the link. It is a credit and
// passes every gate; where the account is closed the money waits on a suspense account for a person to
// find the payee. A repeat is answered with the same signed receipt.
func (b *Bank) Reverse(ctx context.Context, reversal string) (receipt string, err error) {
	const op = "bank.Reverse"
	svc, err := b.signer(reversal)
	if err != nil {
		return "", err
	}
	m, err := wire.Verify[wire.Reversal](reversal, svc.Keys, b.expect(svc.ID, b.Now()))
	if err != nil {
		return "", err
	}
	r := Reversal{Service: svc.ID, ID: m.Reversal, Debit: m.Debit, Link: m.Link, OrderHash: m.OrderHash, Amount: m.Amount}
	known, err := b.Store.Reversal(ctx, svc.ID, m.Reversal)
	if err == nil {
		return known.repeat(op, r)
	}
	if fault.Of(err) != fault.NotFound {
		return "", err
	}
	d, err := b.Store.Debit(ctx, svc.ID, m.Debit)
	switch {
	case err != nil && fault.Of(err) != fault.NotFound:
		return "", err
	case err == nil && (d.OrderHash != m.OrderHash || d.Amount != m.Amount || d.Link != m.Link):
		return "", fault.New(fault.Conflict, op, errors.New("the debit has other content"))
	case !d.CanBecome(DebitReversed): // unseen, refused, buried or given back
		return b.refuseReversal(ctx, r)
	}
	return b.giveBack(ctx, op, svc, r, d)
}

// repeat answers a known reversal.
func (r Reversal) repeat(op string, again Reversal) (string, error) {
	if r.Debit != again.Debit || r.Link != again.Link || r.OrderHash != again.OrderHash || r.Amount != again.Amount {
		return "", fault.New(fault.Conflict, op, errors.New("a reversal of this id with other content is known"))
	}
	return r.Receipt, nil
}

// giveBack books the credit: to the account, or where it takes none any more to suspense, under one id.
func (b *Bank) giveBack(ctx context.Context, op string, svc Service, r Reversal, d Debit) (string, error) {
	now := b.Now()
	told, err := b.Tell(ctx, Event{Kind: EventReversal, Account: d.Account, Link: d.Link, Service: svc.ID, Amount: d.Amount, At: now})
	if err != nil {
		return "", err
	}
	for _, to := range []ledger.AccountID{Deposit(d.Account), Suspense(svc.ID)} {
		suspense := to == Suspense(svc.ID)
		move := ledger.Move{
			ID: ReversalTransfer(svc.ID, r.ID), Kind: MoveReversal, Memo: reversalMemo(svc),
			Legs: []ledger.Leg{{Debit: Settlement(svc.ID), Credit: to, Amount: d.Amount}},
		}
		res, err := b.Core.Submit(ctx, ledger.Request{At: now, Do: move, Then: func(res ledger.Result) []ledger.Write {
			if res.Outcome != ledger.Done || res.Repeated {
				return nil
			}
			done := b.signedReversal(r, Reversed, suspense, res.At)
			return append([]ledger.Write{AddReversal{done}}, told...)
		}})
		if err != nil {
			return b.afterRace(ctx, r, err)
		}
		if res.Outcome == ledger.Frozen && !suspense {
			continue
		}
		b.Wake()
		known, err := b.Store.Reversal(ctx, svc.ID, r.ID)
		if err != nil {
			return "", fault.New(fault.Internal, op, err)
		}
		return known.repeat(op, r)
	}
	return "", fault.New(fault.Internal, op, errors.New("no account takes the reversal"))
}

// afterRace looks whether another reversal of the same debit was committed first, which makes ours a
// refusal; any other failure ends nothing.
func (b *Bank) afterRace(ctx context.Context, r Reversal, cause error) (string, error) {
	d, err := b.Store.Debit(ctx, r.Service, r.Debit)
	if err != nil || d.State() != DebitReversed {
		return "", cause
	}
	if known, err := b.Store.Reversal(ctx, r.Service, r.ID); err == nil {
		return known.repeat("bank.Reverse", r)
	}
	return b.refuseReversal(ctx, r)
}

// refuseReversal keeps and answers a signed refusal.
func (b *Bank) refuseReversal(ctx context.Context, r Reversal) (string, error) {
	const op = "bank.Reverse"
	r = b.signedReversal(r, ReversalRefused, false, b.Now())
	err := b.Store.Commit(ctx, AddReversal{r})
	if err != nil && fault.Of(err) != fault.Conflict {
		return "", err
	}
	known, err := b.Store.Reversal(ctx, r.Service, r.ID)
	if err != nil {
		return "", err
	}
	return known.repeat(op, r)
}

func (b *Bank) signedReversal(r Reversal, outcome string, suspense bool, at time.Time) Reversal {
	r.Outcome, r.Suspense, r.At = outcome, suspense, at
	r.Receipt = b.sign(&wire.ReversalReceipt{
		Header: b.header(r.Service, at), Reversal: r.ID, Link: r.Link, Debit: r.Debit, Amount: r.Amount,
		Outcome: outcome, BookedUs: clock.Micros(at), Suspense: suspense,
	})
	return r
}
