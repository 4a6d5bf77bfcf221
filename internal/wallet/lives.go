package wallet

import (
	"context"
	"time"
)

// What the wallet keeps, and for how long. Holders, proofs, devices, links, charges, payments, receipts, statements,
// breaks and the idempotency keys of shops never expire. Sessions end by themselves, apart from the money.
const (
	// KeepCodes is how long codes that were sent and the errands they belong to stay: they are counted over
	// CodeBudgetSpan, and a clock may have been set.
	KeepCodes = 2 * CodeBudgetSpan

	// KeepAsks is how long a request for a link stays that came to nothing. A bank may still say that it had made the
	// link before it heard of the abort: at the latest when hub and bank have long been back from whatever held
	// them up. One whose abort is still unanswered stays.
	KeepAsks = 90 * 24 * time.Hour

	// KeepPayCodes is how long a payment code stays that no till presented.
	KeepPayCodes = 48 * time.Hour

	// forgetEvery is how often it is looked for what has outlived its use; forgetSlice bounds what one transaction
	// removes, so that no payment waits behind a large one.
	forgetEvery = 10 * time.Minute
	forgetSlice = 500
)

// LivesStore removes at most n of what is from before a moment, and says how many it removed.
type LivesStore interface {
	ForgetCodes(ctx context.Context, before time.Time, n int) (int, error)
	ForgetErrands(ctx context.Context, before time.Time, n int) (int, error)
	// ForgetAsks removes requests that came to nothing and have no message left in the outbox.
	ForgetAsks(ctx context.Context, before time.Time, n int) (int, error)
	// ForgetPayCodes removes codes that expired and were never presented.
	ForgetPayCodes(ctx context.Context, before time.Time, n int) (int, error)
}

// Forget removes what has outlived its use, slice by slice, until nothing is left or ctx ends.
func (w *Wallet) Forget(ctx context.Context) error {
	now := w.Now()
	for _, part := range []struct {
		keep   time.Duration
		forget func(ctx context.Context, before time.Time, n int) (int, error)
	}{
		{KeepCodes, w.Store.ForgetCodes}, {KeepCodes, w.Store.ForgetErrands},
		{KeepAsks, w.Store.ForgetAsks}, {KeepPayCodes, w.Store.ForgetPayCodes},
	} {
		for ctx.Err() == nil {
			n, err := part.forget(ctx, now.Add(-part.keep), forgetSlice)
			if err != nil {
				return err
			}
			if n < forgetSlice {
				break
			}
		}
	}
	return nil
}
