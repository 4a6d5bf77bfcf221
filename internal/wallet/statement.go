package wallet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wire"
)

// BreakKind says how the books of two companies differ.
type BreakKind string

// The kinds of breaks.
const (
	BreakOnlyOurs        BreakKind = "only_ours"        // a line the bank does not have
	BreakOnlyTheirs      BreakKind = "only_theirs"      // a line we do not have
	BreakDiffers         BreakKind = "differs"          // amount, link, time or receipt of a line
	BreakContradiction   BreakKind = "contradiction"    // two signed receipts that cannot both be true
	BreakReversalRefused BreakKind = "reversal_refused" // the bank does not know what it signed as booked
)

// Break is a difference between our books and a bank's. It has an owner, and is closed by a person who says
// why; nothing is ever booked to make it vanish.
type Break struct {
	ID       string // "brk_…"
	Issuer   id.Issuer
	Day      string // Japanese date
	Debit    id.Debit
	Line     string // "debit", "reversal", "total" or "settlement" of a day; "" where it is not about a statement
	Kind     BreakKind
	Ours     string // what we have, in words for staff
	Theirs   string
	Evidence string // the bank's compact JWS
	Owner    string // the member of staff who looks into it
	OpenedAt time.Time
	SeenAt   time.Time // the last exchange that showed it
	ClosedAt time.Time
	ClosedBy string
	Note     string
	Version  int64
}

// PutBreak writes a break that was seen. One of the same issuer, day, debit, line and kind only takes the new
// SeenAt, and opens again if it was closed.
type PutBreak struct{ Break Break }

// ChangeBreak writes owner, closing and note; IfVersion is the version stored now.
type ChangeBreak struct {
	Break     Break
	IfVersion int64
}

// StatementPage is an exchange of signed statements about a page of a day. Both sides cover it; ours may have been
// asked for further.
type StatementPage struct {
	Issuer      id.Issuer
	Day         string
	N           int // from 1
	After, Upto id.Debit
	Provisional bool
	Ours        string // compact JWS
	Theirs      string
	At          time.Time
	// What each side's lines come to from the start of the day to the end of this page.
	OurTotal, TheirTotal wire.StatementTotal
}

// Last says whether the page ends the day.
func (p StatementPage) Last() bool { return p.N > 0 && p.Upto == "" }

// FinalDay is a day that was exchanged whole, after it was over.
type FinalDay struct {
	Day          string
	Ours, Theirs wire.StatementTotal // then
	Announced    bool                // the bank has signed its settlement
}

// PutStatement writes a page behind the one it follows; what followed before goes. One that follows no page is a
// fault.Conflict. A provisional one leaves a final day as it is, and any an announced one.
type PutStatement struct{ Page StatementPage }

// StatementStore keeps what was exchanged with banks, and what differed.
type StatementStore interface {
	// StatementPage is a page of a day as it was last exchanged; n 0 is the last one so far.
	StatementPage(ctx context.Context, issuer id.Issuer, day string, n int) (StatementPage, error)
	// FinalDays lists the days that were exchanged with a bank whole, after they were over, newest first.
	FinalDays(ctx context.Context, issuer id.Issuer) ([]FinalDay, error)
	// StatementLines lists at most n of a bank's booked debits and reversals with a booked time from..to (to
	// excluded), of debits behind one, ordered by Debit, then Kind.
	StatementLines(ctx context.Context, issuer id.Issuer, from, to time.Time, after id.Debit, n int) ([]wire.StatementLine, error)
	// StatementTotal is what all these lines come to.
	StatementTotal(ctx context.Context, issuer id.Issuer, from, to time.Time) (wire.StatementTotal, error)
	// OpenDebits lists at most n of a bank's charges that were sent and have no end, in order, behind one.
	OpenDebits(ctx context.Context, issuer id.Issuer, after id.Debit, n int) ([]id.Debit, error)
	// OpenBefore says whether a bank has a charge or reversal without an end that was shown before a moment.
	OpenBefore(ctx context.Context, issuer id.Issuer, before time.Time) (bool, error)
	// BanksCharged lists the issuers of all charges, with the day of the first booked one.
	BanksCharged(ctx context.Context) (map[id.Issuer]string, error)

	Breaks(ctx context.Context, closed bool, n int) ([]Break, error)
	Break(ctx context.Context, brk string) (Break, error)
}

func (w *Wallet) newBreak(b Break) PutBreak {
	now := w.Now()
	b.ID, b.Owner, b.OpenedAt, b.SeenAt = w.newID("brk"), w.Money.BreakOwner, now, now
	return PutBreak{b}
}

type lineKey struct {
	debit id.Debit
	kind  string
}

// CompareStatements is the whole comparison of a day: lines by debit and kind. Debits that are still open here
// are no difference yet: their end will be.
func CompareStatements(ours, theirs *wire.Statement) []Break {
	open := map[id.Debit]bool{}
	for _, d := range ours.Open {
		open[d] = true
	}
	have := map[lineKey]wire.StatementLine{}
	for _, l := range ours.Lines {
		have[lineKey{l.Debit, l.Kind}] = l
	}
	var out []Break
	add := func(l wire.StatementLine, kind BreakKind, a, b string) {
		out = append(out, Break{
			Issuer: id.Issuer(theirs.Issuer), Day: ours.Day, Debit: l.Debit, Line: l.Kind, Kind: kind, Ours: a, Theirs: b,
		})
	}
	for _, l := range theirs.Lines {
		mine, ok := have[lineKey{l.Debit, l.Kind}]
		delete(have, lineKey{l.Debit, l.Kind})
		switch {
		case !ok && !open[l.Debit]:
			add(l, BreakOnlyTheirs, "", describe(l))
		case ok && mine != l:
			add(l, BreakDiffers, describe(mine), describe(l))
		}
	}
	for _, l := range ours.Lines { // in order
		if _, left := have[lineKey{l.Debit, l.Kind}]; left {
			add(l, BreakOnlyOurs, describe(l), "")
		}
	}
	return out
}

func describe(l wire.StatementLine) string {
	return fmt.Sprintf("%s %s over %s at %d, receipt %.12s", l.Kind, l.Amount.Digits(), l.Link, l.BookedUs, l.Receipt)
}

// OwnBreak makes a member of staff the owner of a break.
func (w *Wallet) OwnBreak(ctx context.Context, brk, owner string) error {
	return w.changeBreak(ctx, brk, func(b *Break) { b.Owner = owner })
}

// CloseBreak ends a break with the reason a person gives.
func (w *Wallet) CloseBreak(ctx context.Context, brk, by, note string) error {
	if note == "" {
		return &fault.Error{Kind: fault.Invalid, Op: "wallet.CloseBreak", Err: errors.New("no reason given"),
			Public: fault.Text{JA: "理由を入力してください。", EN: "Please give a reason."}}
	}
	return w.changeBreak(ctx, brk, func(b *Break) { b.ClosedAt, b.ClosedBy, b.Note = w.Now(), by, note })
}

func (w *Wallet) changeBreak(ctx context.Context, brk string, change func(*Break)) error {
	b, err := w.Store.Break(ctx, brk)
	if err != nil {
		return err
	}
	row := ChangeBreak{Break: b, IfVersion: b.Version}
	change(&row.Break)
	row.Break.Version++
	return w.Store.Commit(ctx, row)
}
