package bank

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// statementLife is how old a service's statement may be when it arrives.
const statementLife = 10 * time.Minute

// statementRest is how long after midnight a day can still take a booking that was decided before it; a service waits
// a little longer before it asks.
const statementRest = 10 * time.Minute

// Break is a difference between a service's books of a day and ours. It is never booked away by itself:
// its owner finds out which side is wrong.
type Break struct {
	Service   id.Service
	Day       string
	Debit     id.Debit
	Kind      string    // "debit", "reversal"
	What      BreakWhat // of the difference
	Ours      money.Yen // 0 where we have no such line
	Theirs    money.Yen // 0 where they have none
	Owner     string    // who has to clear it
	FoundAt   time.Time
	ClearedAt time.Time // a later comparison agreed; zero while open
}

// BreakWhat says how two lines differ.
type BreakWhat string

// The differences.
const (
	MissingThere BreakWhat = "missing_there" // we booked it, the service does not list it
	MissingHere  BreakWhat = "missing_here"  // the service lists what we never booked
	Differs      BreakWhat = "differs"       // amount, link, time or receipt
)

// BreakOwner is who owns a break until a person takes it.
const BreakOwner = "reconciliation"

// StatementPage is a page of a day that is over, as both sides have signed it.
type StatementPage struct {
	Service      id.Service
	Day          string
	N            int // from 1; 0 for a page of a settled day, of which only the breaks are kept
	After, Upto  id.Debit
	Theirs, Ours string // compact JWS
	At           time.Time
}

// MaxBreaks bounds what a service can have us keep about one of its days.
const MaxBreaks = 100_000

// PutPage is a Write of a page that was compared, and of what the comparison found: breaks within the page that it no
// longer finds are cleared. It stands behind the page that it follows, and what followed that before goes; one
// that follows none is a fault.Conflict, and so is one of a day that is settled, unless its N is 0.
type PutPage struct {
	Page  StatementPage
	Found []Break
}

// StatementStore keeps what days are compared by. Lists are ordered as a statement is. What is not there is a
// fault.NotFound.
type StatementStore interface {
	// Lines lists at most n of what was booked for a service from a moment on and before another, of debits
	// behind one.
	Lines(ctx context.Context, s id.Service, from, to time.Time, after id.Debit, n int) ([]wire.StatementLine, error)
	// Total is what all these lines come to.
	Total(ctx context.Context, s id.Service, from, to time.Time) (wire.StatementTotal, error)
	// PageUpto finds the page of a day that ends with a debit.
	PageUpto(ctx context.Context, s id.Service, day string, upto id.Debit) (StatementPage, error)
	// Breaks lists open breaks, oldest day first.
	Breaks(ctx context.Context) ([]Break, error)
}

// statementDay is a Japanese day of one service.
type statementDay struct {
	service  id.Service
	day      string
	from, to time.Time
	now      time.Time
	over     bool // and rested: nothing can be booked into it any more
}

func (b *Bank) statementDay(s id.Service, day string) (statementDay, error) {
	from, err := time.ParseInLocation(time.DateOnly, day, clock.Tokyo)
	if err != nil {
		return statementDay{}, fault.New(fault.Invalid, "bank.Statement", err)
	}
	to, now := from.AddDate(0, 0, 1), b.Now()
	return statementDay{service: s, day: day, from: from, to: to, now: now, over: !now.Before(to.Add(statementRest))}, nil
}

// Statement takes a page of a service's signed statement of a day, compares it line by line with ours, keeps the
// page and the breaks of a day that is over, and answers our own signed page: from where the service's begins to
// where it ends, or earlier if we have more lines there than a page holds. The service goes on from there.
func (b *Bank) Statement(ctx context.Context, statement string) (ours string, err error) {
	svc, err := b.signer(statement)
	if err != nil {
		return "", err
	}
	theirs, err := wire.Verify[wire.Statement](statement, svc.Keys,
		wire.Expect{Issuer: string(svc.ID), Audience: string(b.Profile.Issuer), Now: b.Now(), MaxAge: statementLife})
	if err != nil {
		return "", err
	}
	if err := theirs.CheckPage(); err != nil {
		return "", fault.New(fault.Invalid, "bank.Statement", err)
	}
	d, err := b.statementDay(svc.ID, theirs.Day)
	if err != nil {
		return "", err
	}
	page, err := b.statementPage(ctx, d, theirs)
	if err != nil {
		return "", err
	}
	if !d.over || theirs.Provisional {
		return wire.Sign(b.Keys.Sign, page)
	}
	theirs.Narrow(page.Upto)
	return b.keepPage(ctx, d, page, theirs, statement)
}

// keepPage compares a page of a day that is over and keeps it; the last page of a day that both sides agree on is
// answered with its settlement.
func (b *Bank) keepPage(ctx context.Context, d statementDay, ours, theirs *wire.Statement, text string) (string, error) {
	put := PutPage{
		Page:  StatementPage{Service: d.service, Day: d.day, After: ours.After, Upto: ours.Upto, Theirs: text, At: d.now},
		Found: Compare(d.service, d.day, ours.Lines, theirs.Lines, d.now),
	}
	settled, err := b.Store.PaidDay(ctx, d.service, d.day)
	if err != nil && fault.Of(err) == fault.NotFound {
		text, lost := b.keepOpen(ctx, d, ours, theirs, put)
		if lost == nil || fault.Of(lost) != fault.Conflict {
			return text, lost
		}
		// Somebody else exchanges the same day: by now it may be settled.
		if settled, err = b.Store.PaidDay(ctx, d.service, d.day); err != nil && fault.Of(err) == fault.NotFound {
			return "", lost
		}
	}
	if err != nil {
		return "", err
	}
	return b.answerSettled(ctx, settled, put, ours) // its pages stay as they were agreed on
}

// keepOpen keeps a page of a day that is not settled, or settles the day by it. It is a fault.Conflict where somebody
// else was quicker.
func (b *Bank) keepOpen(ctx context.Context, d statementDay, ours, theirs *wire.Statement, put PutPage) (text string, err error) {
	if put.Page.N, err = b.pageNumber(ctx, d, ours.After); err != nil {
		return "", err
	}
	if agreed, err := b.agreed(ctx, d, ours, theirs, put); err != nil {
		return "", err
	} else if agreed {
		return b.settle(ctx, d, ours, put)
	}
	if put.Page.Ours, err = wire.Sign(b.Keys.Sign, ours); err != nil {
		return "", err
	}
	return put.Page.Ours, b.Store.Commit(ctx, put)
}

// statementPage is our own page of what a service asks for.
func (b *Bank) statementPage(ctx context.Context, d statementDay, asked *wire.Statement) (*wire.Statement, error) {
	lines, err := b.Store.Lines(ctx, d.service, d.from, d.to, asked.After, wire.MaxStatementLines+1)
	if err != nil {
		return nil, err
	}
	page := &wire.Statement{
		Header: b.header(d.service, d.now), Day: d.day, Provisional: !d.over, After: asked.After, Lines: lines, Open: []id.Debit{},
	}
	page.CutPage()
	if !asked.Last() && (page.Last() || page.Upto > asked.Upto) {
		page.Narrow(asked.Upto)
	}
	if page.Last() {
		total, err := b.Store.Total(ctx, d.service, d.from, d.to)
		if err != nil {
			return nil, err
		}
		page.Total = &total
	}
	return page, nil
}

// pageNumber is where a page of a day that is over stands: it must follow one that we have, so that the pages we keep
// are the whole day, each line once.
func (b *Bank) pageNumber(ctx context.Context, d statementDay, after id.Debit) (int, error) {
	const op = "bank.Statement"
	if after == "" {
		return 1, nil
	}
	before, err := b.Store.PageUpto(ctx, d.service, d.day, after)
	switch {
	case fault.Of(err) == fault.NotFound:
		return 0, &fault.Error{Kind: fault.Conflict, Op: op, Err: err, Public: fault.Text{
			JA: "前のページがありません。その日の最初から照合してください。", EN: "The page before is not known here. Begin the day anew."}}
	case err == nil && before.N >= wire.MaxStatementPages:
		return 0, fault.New(fault.Invalid, op, errors.New("a day of too many pages"))
	}
	return before.N + 1, err
}

// Compare finds the differences between our lines of a day and theirs.
func Compare(s id.Service, day string, ours, theirs []wire.StatementLine, at time.Time) []Break {
	type key struct {
		debit id.Debit
		kind  string
	}
	keyOf := func(l wire.StatementLine) key { return key{l.Debit, l.Kind} }
	have := map[key]wire.StatementLine{}
	for _, l := range ours {
		have[keyOf(l)] = l
	}
	var found []Break
	add := func(k key, what BreakWhat, ours, theirs money.Yen) {
		found = append(found, Break{
			Service: s, Day: day, Debit: k.debit, Kind: k.kind, What: what, Ours: ours, Theirs: theirs, Owner: BreakOwner, FoundAt: at,
		})
	}
	seen := map[key]bool{}
	for _, l := range theirs {
		k := keyOf(l)
		our, ok := have[k]
		switch {
		case !ok:
			add(k, MissingHere, 0, l.Amount)
		case our != l || seen[k]: // a line listed twice differs too
			add(k, Differs, our.Amount, l.Amount)
		}
		seen[k] = true
	}
	for _, l := range ours {
		if k := keyOf(l); !seen[k] {
			add(k, MissingThere, l.Amount, 0)
		}
	}
	slices.SortStableFunc(found, func(a, b Break) int {
		return cmp.Or(cmp.Compare(a.Debit, b.Debit), cmp.Compare(a.Kind, b.Kind))
	})
	return slices.CompactFunc(found, func(a, b Break) bool { return a.Debit == b.Debit && a.Kind == b.Kind })
}
