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

const (
	// statementRest is how long after midnight a day is left alone before it is final.
	statementRest = 15 * time.Minute
	// breaksTold bounds what an exchange answers; all breaks are kept.
	breaksTold = 1000
)

// statementDay is a Japanese day between us and one bank.
type statementDay struct {
	issuer      id.Issuer
	day         string
	from, to    time.Time
	provisional bool
}

func (w *Wallet) statementDay(issuer id.Issuer, day string) (statementDay, error) {
	from, err := time.ParseInLocation(time.DateOnly, day, clock.Tokyo)
	if err != nil {
		return statementDay{}, fault.New(fault.Invalid, "wallet.ExchangeStatement", err)
	}
	to := from.AddDate(0, 0, 1)
	return statementDay{issuer: issuer, day: day, from: from, to: to, provisional: w.Now().Before(to.Add(statementRest))}, nil
}

// ExchangeStatement exchanges our signed statement of a Japanese day with the bank's, page by page, keeps both and
// compares them line by line; every difference becomes a break. A day that is over and was broken off goes on where
// it stopped. A day that is not over is exchanged as provisional, and its differences are answered but kept as none:
// the bank may simply be some seconds ahead. Of many breaks only the first are answered.
func (w *Wallet) ExchangeStatement(ctx context.Context, issuer id.Issuer, day string) ([]Break, error) {
	d, err := w.statementDay(issuer, day)
	if err != nil {
		return nil, err
	}
	at, err := w.Store.StatementPage(ctx, issuer, day, 0)
	if err != nil && fault.Of(err) != fault.NotFound {
		return nil, err
	}
	if d.provisional || at.Provisional || at.Last() {
		at = StatementPage{}
	}
	breaks, err := w.exchangeFrom(ctx, d, at)
	if at.N > 0 && fault.Of(err) == fault.Conflict { // one side has begun anew meanwhile
		breaks, err = w.exchangeFrom(ctx, d, StatementPage{})
	}
	return breaks, err
}

// exchangeFrom exchanges what follows a page, to the end of the day. Each page is one commit.
func (w *Wallet) exchangeFrom(ctx context.Context, d statementDay, at StatementPage) ([]Break, error) {
	told := []Break{}
	for !at.Last() {
		if at.N == wire.MaxStatementPages {
			return told, fault.New(fault.Invalid, "wallet.ExchangeStatement", fmt.Errorf("%s has no end", d.day))
		}
		next, breaks, err := w.exchangePage(ctx, d, at)
		if err != nil {
			return told, err
		}
		told = append(told, breaks[:min(len(breaks), breaksTold-len(told))]...)
		at = next
	}
	return told, nil
}

// exchangePage exchanges the page that follows another.
func (w *Wallet) exchangePage(ctx context.Context, d statementDay, before StatementPage) (StatementPage, []Break, error) {
	ours, err := w.pageAfter(ctx, d, before)
	if err != nil {
		return before, nil, err
	}
	text, err := w.Messages.Sign(ours)
	if err != nil {
		return before, nil, err
	}
	reply, err := w.Hub.Statement(ctx, d.issuer, text)
	if err != nil {
		return before, nil, err
	}
	var theirs wire.Statement
	if err := w.Messages.Open(ctx, reply, d.issuer, &theirs); err != nil {
		return before, nil, err
	}
	if err := answers(&theirs, ours); err != nil {
		return before, nil, fault.New(fault.Invalid, "wallet.ExchangeStatement", err)
	}
	ours.Narrow(theirs.Upto)
	page := StatementPage{
		Issuer: d.issuer, Day: d.day, N: before.N + 1, After: ours.After, Upto: theirs.Upto, Provisional: ours.Provisional,
		Ours: text, Theirs: reply, At: w.Now(),
		OurTotal: before.OurTotal.Add(ours.Lines), TheirTotal: before.TheirTotal.Add(theirs.Lines),
	}
	breaks := CompareStatements(ours, &theirs)
	if theirs.Last() && !theirs.Provisional && *theirs.Total != page.TheirTotal {
		breaks = append(breaks, Break{Issuer: d.issuer, Day: d.day, Line: "total", Kind: BreakContradiction,
			Ours: describeTotal(page.TheirTotal), Theirs: describeTotal(*theirs.Total)})
	}
	rows := []ledger.Write{PutStatement{page}}
	if theirs.Settlement != "" && !theirs.Provisional {
		put, contradicts, err := w.announced(ctx, d, page.OurTotal, theirs.Settlement)
		if err != nil {
			return before, nil, err
		}
		rows, breaks = append(rows, put...), append(breaks, contradicts...)
	}
	for i := range breaks {
		breaks[i].Evidence = reply
		row := w.newBreak(breaks[i])
		breaks[i] = row.Break
		if !page.Provisional {
			rows = append(rows, row)
		}
	}
	return page, breaks, w.Store.Commit(ctx, rows...)
}

// pageAfter is our own page behind another. Its total is that of the lines we sign, page by page: what ends
// meanwhile on a page that is done is seen by the next sweep.
func (w *Wallet) pageAfter(ctx context.Context, d statementDay, before StatementPage) (*wire.Statement, error) {
	lines, err := w.Store.StatementLines(ctx, d.issuer, d.from, d.to, before.Upto, wire.MaxStatementLines+1)
	if err != nil {
		return nil, err
	}
	open, err := w.Store.OpenDebits(ctx, d.issuer, before.Upto, wire.MaxStatementLines+1)
	if err != nil {
		return nil, err
	}
	page := &wire.Statement{Header: w.header(d.issuer, 0), Day: d.day, Provisional: d.provisional, After: before.Upto, Lines: lines, Open: open}
	if page.CutPage(); page.Last() {
		total := before.OurTotal.Add(page.Lines)
		page.Total = &total
	}
	return page, nil
}

// answers says whether a bank's page is one that answers ours: it begins where ours does, ends there or earlier, and
// is of the same day. A day that is over for us must be over for the bank.
func answers(theirs, ours *wire.Statement) error {
	switch {
	case theirs.Day != ours.Day || theirs.Provisional && !ours.Provisional:
		return fmt.Errorf("asked for %s, got %s, provisional %t", ours.Day, theirs.Day, theirs.Provisional)
	case theirs.After != ours.After || !ours.Last() && (theirs.Last() || theirs.Upto > ours.Upto):
		return errors.New("the page is not the one that was asked for")
	}
	return theirs.CheckPage()
}

func describeTotal(t wire.StatementTotal) string {
	return fmt.Sprintf("%d lines, debits %s, reversals %s", t.Lines, t.Debits.Digits(), t.Reversals.Digits())
}
