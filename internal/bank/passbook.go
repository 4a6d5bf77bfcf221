package bank

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/kana"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// PassbookLine is one line as a passbook prints it. It is the core's own line: there is no second copy that
// could say something else.
type PassbookLine struct {
	N         int64 // for the next page
	At        time.Time
	Narration string // half-width, at most kana.NarrationWidth cells
	Out, In   money.Yen
	Balance   money.Yen
}

// Date is the Japanese date as a passbook prints it: "26-11-23".
func (l PassbookLine) Date() string { return l.At.In(clock.Tokyo).Format("06-01-02") }

// Passbook reads up to n lines of an account, newest first, older than line before (0: the newest).
func (b *Bank) Passbook(ctx context.Context, acc AccountID, before int64, n int) ([]PassbookLine, error) {
	lines, err := b.Books.History(ctx, Deposit(acc), before, n)
	if err != nil {
		return nil, err
	}
	book := make([]PassbookLine, 0, len(lines))
	for _, l := range lines {
		line := PassbookLine{N: l.N, At: l.At, Narration: l.Memo, Balance: l.Balance}
		if l.Amount < 0 {
			line.Out = -l.Amount
		} else {
			line.In = l.Amount
		}
		book = append(book, line)
	}
	return book, nil
}

// Balance is what an account holds.
func (b *Bank) Balance(ctx context.Context, acc AccountID) (money.Yen, error) {
	a, err := b.Books.Account(ctx, Deposit(acc))
	return a.Balance, err
}

// LimitLeft is what the account's limit over all links would still let pass at once (M1).
func (b *Bank) LimitLeft(ctx context.Context, acc AccountID) (ledger.Limit, ledger.Usage, error) {
	limit, err := b.Books.Limit(ctx, DepositLimit(acc))
	if err != nil {
		return ledger.Limit{}, ledger.Usage{}, err
	}
	used, err := b.Books.Usage(ctx, DepositLimit(acc), b.Now())
	return limit.AtMost(b.Policy.accountLimit(acc)), used, err // as the next debit will find it
}

// reversalMemo is the narration of money that a service gives back, cut to what a passbook can print.
func reversalMemo(svc Service) string {
	cells := []rune(narrationReversal + svc.Narration)
	return string(cells[:min(len(cells), kana.NarrationWidth)])
}
