package bank

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// statementLife is how old a service's statement may be when it arrives.
const statementLife = 10 * time.Minute

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

// PutBreaks is a Write of what one comparison of a service's day found: breaks it no longer finds are
// cleared.
type PutBreaks struct {
	Service id.Service
	Day     string
	Found   []Break
	At      time.Time
}

// StatementStore keeps what days are compared by. Lists are ordered as a statement is.
type StatementStore interface {
	// Lines lists what was booked for a service from a moment on and before another.
	Lines(ctx context.Context, s id.Service, from, to time.Time) ([]wire.StatementLine, error)
	// Breaks lists open breaks, oldest day first.
	Breaks(ctx context.Context) ([]Break, error)
}

// Statement takes a service's signed statement of a day, compares it line by line with ours, keeps the
// breaks of a day that is over, and answers our own signed one.
func (b *Bank) Statement(ctx context.Context, statement string) (ours string, err error) {
	svc, err := b.signer(statement)
	if err != nil {
		return "", err
	}
	now := b.Now()
	theirs, err := wire.Verify[wire.Statement](statement, svc.Keys,
		wire.Expect{Issuer: string(svc.ID), Audience: string(b.Profile.Issuer), Now: now, MaxAge: statementLife})
	if err != nil {
		return "", err
	}
	from, err := time.ParseInLocation(time.DateOnly, theirs.Day, clock.Tokyo)
	if err != nil {
		return "", fault.New(fault.Invalid, "bank.Statement", err)
	}
	to := from.AddDate(0, 0, 1)
	lines, err := b.Store.Lines(ctx, svc.ID, from, to)
	if err != nil {
		return "", err
	}
	over := !now.Before(to)
	if over && !theirs.Provisional {
		found := Compare(svc.ID, theirs.Day, lines, theirs.Lines, now)
		if err := b.Store.Commit(ctx, ledger.Write(PutBreaks{Service: svc.ID, Day: theirs.Day, Found: found, At: now})); err != nil {
			return "", err
		}
	}
	return wire.Sign(b.Keys.Sign, &wire.Statement{
		Header: b.header(svc.ID, now), Day: theirs.Day, Provisional: !over, Lines: lines, Open: []id.Debit{},
	})
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
