package bank

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
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
}

// moveTries bounds how often a change is decided again after somebody else's.
const moveTries = 20

// MoveLink changes a link. ok judges the link as it stands: it is asked again whenever somebody else was
// quicker. The link is returned as it stands afterwards.
func (b *Bank) MoveLink(ctx context.Context, link id.Link, m Move, ok func(Link) error) (Link, error) {
	for range moveTries {
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
		if err == nil || !errors.Is(err, errOvertaken) {
			b.Wake()
			return moved, err
		}
	}
	return Link{}, fault.New(fault.Busy, "bank.MoveLink", errors.New("the link keeps changing"))
}

// errOvertaken says that a link's row or gate changed between reading and writing it.
var errOvertaken = errors.New("bank: somebody else changed the link")

func (b *Bank) tryMove(ctx context.Context, l Link, m Move) (Link, error) {
	from, err := b.now(ctx, l)
	if err != nil {
		return l, err
	}
	at, next := b.Now(), from
	next.Link = l.after(m, at)
	next.Gate.Shut = shutFor(m.To)
	if m.Next != nil {
		next = m.Next(next)
	}
	var told []ledger.Write
	if m.Event != "" {
		told, err = b.Tell(ctx, Event{Kind: m.Event, Account: l.Account, Link: l.ID, Request: next.Link.Request, Service: l.Service, At: at})
		if err != nil {
			return l, err
		}
	}
	res, err := b.Core.Submit(ctx, ledger.Request{
		At: at, Do: ledger.SetGate{Gate: next.Gate, IfVersion: from.Gate.Version},
		Then: func(res ledger.Result) []ledger.Write {
			if !res.OK() {
				return nil
			}
			rows := append([]ledger.Write{PutLink{Link: next.Link, IfVersion: l.Version}, PutEvidence{Evidence{
				Kind: m.Kind, Request: next.Link.Request, Link: l.ID, Account: l.Account, At: at, Facts: m.Facts,
			}}}, told...)
			rows = append(rows, m.More...)
			if !m.Silent {
				rows = append(rows, b.reportRow(next.Link, b.report(next, at), at))
			}
			return rows
		},
	})
	switch {
	case err != nil && fault.Of(err) == fault.Conflict && fault.RuleOf(err) == "":
		return l, errors.Join(errOvertaken, err)
	case err != nil:
		return l, err
	case res.Outcome == ledger.Stale:
		return l, errOvertaken
	case !res.OK():
		return l, fault.New(fault.Internal, "bank.MoveLink", fmt.Errorf("gate: outcome %d %s", res.Outcome, res.Reason))
	}
	return next.Link, nil
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
