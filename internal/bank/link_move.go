package bank

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// Move is a change of a link: its row and its gate go in one commit of the ledger, with the evidence, the
// notices and the report to the service.
type Move struct {
	To     RowState
	Reason string    // kept in the row, and told to the service
	Kind   string    // of the evidence: "suspended", "cooling", "revoked"
	Facts  any       // of the evidence
	Event  EventKind // what the depositor is told; "" for nothing
	Silent bool      // no report through the outbox: the caller hands it to the service itself

	Next func(linkNow) linkNow // further changes of row and gate
	More []ledger.Write        // further rows of the same commit
	With []ledger.Request      // further requests of the same commit

	// Kept signs the report which the caller hands to the service, and makes the row that keeps it.
	Kept func(report *wire.LinkReport) ledger.Write
	// Open lets the move happen only while the account's gate is open, judged in the commit (D2); otherwise it
	// is errShut.
	Open bool
}

// MoveLink changes a link. ok judges the link as it stands: it is asked again whenever somebody else was
// quicker. The link is returned as it stands afterwards.
func (b *Bank) MoveLink(ctx context.Context, link id.Link, m Move, ok func(Link) error) (Link, error) {
	for range attempts {
		l, err := b.Store.Link(ctx, link)
		if err != nil {
			return Link{}, err
		}
		if err := ok(l); err != nil {
			return l, err
		}
		if !CanBecome(l.State, m.To) {
			return l, &fault.Error{Kind: fault.Conflict, Op: "bank.MoveLink", Err: fmt.Errorf("%s cannot become %s", l.State, m.To)}
		}
		moved, err := b.tryMove(ctx, l, m)
		if !raced(err) {
			return moved, err
		}
	}
	return Link{}, fault.New(fault.Busy, "bank.MoveLink", errors.New("the link keeps changing"))
}

// errShut says that a move needs the account's gate to be open.
var errShut = errors.New("bank: the account's gate is shut")

func (b *Bank) tryMove(ctx context.Context, l Link, m Move) (Link, error) {
	from, err := b.now(ctx, l)
	if err != nil {
		return l, err
	}
	next, reqs, err := b.plan(ctx, from, m, b.Now())
	if err != nil {
		return l, err
	}
	if err := b.submit(ctx, "bank.MoveLink", reqs...); err != nil {
		return l, err
	}
	return next, nil
}

// plan is what a move asks of the core, and the link's row as it will be: what else the move needs first, and
// last the link's gate, with row, evidence, notices and report.
func (b *Bank) plan(ctx context.Context, from linkNow, m Move, at time.Time) (Link, []ledger.Request, error) {
	l, next := from.Link, from
	next.Link = l.after(m, at)
	next.Gate.Shut = shutFor(m.To)
	if m.Next != nil {
		next = m.Next(next)
	}
	reqs := slices.Clone(m.With)
	if m.Open {
		if from.Account.Shut != "" {
			return l, nil, errShut
		}
		reqs = append(reqs, ledger.Request{At: at, Do: same(from.Account)})
	}
	var told []ledger.Write
	if m.Event != "" {
		var err error
		told, err = b.Tell(ctx, Event{Kind: m.Event, Account: l.Account, Link: l.ID, Request: next.Link.Request, Service: l.Service, At: at})
		if err != nil {
			return l, nil, err
		}
	}
	return next.Link, append(reqs, ledger.Request{
		At: at, Do: ledger.SetGate{Gate: next.Gate, IfVersion: from.Gate.Version},
		Then: func(ledger.Result) []ledger.Write {
			rows := []ledger.Write{PutLink{Link: next.Link, IfVersion: l.Version}, PutEvidence{Evidence{
				Kind: m.Kind, Request: next.Link.Request, Link: l.ID, Account: l.Account, At: at, Facts: m.Facts,
			}}}
			rows = append(append(rows, told...), m.More...)
			if m.Kept != nil {
				rows = append(rows, m.Kept(b.reportOf(next, at)))
			}
			if !m.Silent {
				rows = append(rows, b.reportRow(next.Link, b.report(next, at), at))
			}
			return rows
		},
	}), nil
}

// after is the row after a move.
func (l Link) after(m Move, at time.Time) Link {
	l.State, l.Reason = m.To, m.Reason
	l.Version++
	l.Seq++
	if !l.Occupies() {
		l.EndedAt, l.Pending = at, ""
	}
	return l
}

// shutFor is why the gate of a link in a stored state is shut; "" is open.
func shutFor(s RowState) string {
	switch s {
	case LinkAuthenticated:
		return ShutWaiting
	case LinkSuspended:
		return ShutSuspended
	case LinkRevoked:
		return ShutRevoked
	case LinkExpired:
		return ShutExpired
	default:
		return ""
	}
}

// farAway is when a link that waits for a strong proof stops being limited by itself.
var farAway = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
