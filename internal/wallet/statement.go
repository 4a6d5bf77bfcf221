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
	Line     string // "debit", "reversal"; "" where it is not about a line of a statement
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

// StatementPair is an exchange of signed statements about one day.
type StatementPair struct {
	Issuer       id.Issuer
	Day          string
	Provisional  bool
	Ours, Theirs string // compact JWS
	At           time.Time
}

// PutStatement writes an exchange; a later one of the same issuer and day takes its place, but a provisional
// one never that of a final one.
type PutStatement struct{ Pair StatementPair }

// StatementStore keeps what was exchanged with banks, and what differed.
type StatementStore interface {
	// Statement is the last exchange about a day.
	Statement(ctx context.Context, issuer id.Issuer, day string) (StatementPair, error)
	// FinalStatements lists the days that were exchanged with a bank after they were over.
	FinalStatements(ctx context.Context, issuer id.Issuer) ([]string, error)
	// StatementLines lists a bank's booked debits and reversals with a booked time from..to (to excluded),
	// ordered by Debit, then Kind.
	StatementLines(ctx context.Context, issuer id.Issuer, from, to time.Time) ([]wire.StatementLine, error)
	// OpenDebits lists a bank's charges that were sent and have no end.
	OpenDebits(ctx context.Context, issuer id.Issuer) ([]id.Debit, error)
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

// ExchangeStatement signs our statement of a Japanese day, hands it to the bank, keeps both and compares them
// line by line; every difference becomes a break. A day that is not over is exchanged as provisional, and its
// differences are answered but kept as none: the bank may simply be some seconds ahead.
func (w *Wallet) ExchangeStatement(ctx context.Context, issuer id.Issuer, day string) ([]Break, error) {
	ours, err := w.statementOf(ctx, issuer, day)
	if err != nil {
		return nil, err
	}
	text, err := w.Messages.Sign(ours)
	if err != nil {
		return nil, err
	}
	reply, err := w.Hub.Statement(ctx, issuer, text)
	if err != nil {
		return nil, err
	}
	var theirs wire.Statement
	if err := w.Messages.Open(ctx, reply, issuer, &theirs); err != nil {
		return nil, err
	}
	if theirs.Day != day || (theirs.Provisional && !ours.Provisional) {
		return nil, &fault.Error{Kind: fault.Invalid, Op: "wallet.ExchangeStatement",
			Err: fmt.Errorf("asked for %s, got %s, provisional %t", day, theirs.Day, theirs.Provisional)}
	}
	rows := []ledger.Write{PutStatement{StatementPair{
		Issuer: issuer, Day: day, Provisional: ours.Provisional, Ours: text, Theirs: reply, At: w.Now(),
	}}}
	breaks := CompareStatements(ours, &theirs)
	for i := range breaks {
		breaks[i].Evidence = reply
		row := w.newBreak(breaks[i])
		breaks[i] = row.Break
		if !ours.Provisional {
			rows = append(rows, row)
		}
	}
	return breaks, w.Store.Commit(ctx, rows...)
}

func (w *Wallet) statementOf(ctx context.Context, issuer id.Issuer, day string) (*wire.Statement, error) {
	from, err := time.ParseInLocation(time.DateOnly, day, clock.Tokyo)
	if err != nil {
		return nil, fault.New(fault.Invalid, "wallet.ExchangeStatement", err)
	}
	to := from.AddDate(0, 0, 1)
	lines, err := w.Store.StatementLines(ctx, issuer, from, to)
	if err != nil {
		return nil, err
	}
	open, err := w.Store.OpenDebits(ctx, issuer)
	if err != nil {
		return nil, err
	}
	return &wire.Statement{
		Header: w.header(issuer, 0), Day: day, Provisional: w.Now().Before(to.Add(statementRest)),
		Lines: lines, Open: open,
	}, nil
}

// statementRest is how long after midnight a day is left alone before it is final.
const statementRest = 15 * time.Minute

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
