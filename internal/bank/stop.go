package bank

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
)

// Why a link is suspended or revoked, as its row and its reports say it.
const (
	ByDepositor    = "stopped_by_depositor"
	AllByDepositor = "all_stopped_by_depositor"
	DeviceChanged  = "device_changed"
	IdentityChange = "identity_changed"
	EndedByService = "ended_by_service"
	AccountClosed  = "account_closed"
)

// StopLink stops one link at once, for the depositor (D2): by his session, or by a notice's stop link. A
// link that is over already stays as it is; one that was never activated dies of it.
func (b *Bank) StopLink(ctx context.Context, acc AccountID, link id.Link) error {
	const op = "bank.StopLink"
	return again(ctx, op, func() error {
		l, err := b.Store.Link(ctx, link)
		if err != nil {
			return err
		}
		if l.Account != acc {
			return notYours(op, "the link is another account's")
		}
		if !l.Occupies() || l.Reason == ByDepositor {
			return nil
		}
		m := stopping(l, ByDepositor)
		m.Event = EventStopOne
		_, err = b.MoveLink(ctx, link, m, unchanged(l))
		return err
	})
}

// stopping is the move of a depositor's stop. A link that was never activated, or that needs a new proof
// anyway, ends; a stop can be undone only for what was proved. A new proof under way dies with it.
func stopping(l Link, reason string) Move {
	if l.State == LinkAuthenticated || l.State == LinkSuspended && l.Reason != AllByDepositor {
		return Move{To: LinkRevoked, Reason: reason, Kind: "revoked"}
	}
	return Move{To: LinkSuspended, Reason: reason, Kind: "stopped", Next: func(n linkNow) linkNow {
		n.Link.Pending = ""
		n.Gate.Shut = ShutStopped
		return n
	}}
}

// StopAll stops all links of an account and every new request, at all services, in one commit of the bank
// alone (D2): what the ledger decides afterwards is refused, whoever has heard of it. Again is nothing.
func (b *Bank) StopAll(ctx context.Context, acc AccountID) error {
	const op = "bank.StopAll"
	return again(ctx, op, func() error {
		g, err := b.Books.Gate(ctx, AccountGate(acc))
		if err != nil {
			return err
		}
		if g.Shut != "" {
			return nil
		}
		at := b.Now()
		shut := g
		shut.Shut = ShutStopped
		rows, err := b.stopRows(ctx, acc, shut, at)
		if err != nil {
			return err
		}
		return b.submit(ctx, op, ledger.Request{
			At: at, Do: ledger.SetGate{Gate: shut, IfVersion: g.Version},
			Then: func(ledger.Result) []ledger.Write { return rows() },
		})
	})
}

// stopRows prepares what the commit of a stop-all carries: each link's row and report, and the notices. The
// links' own gates stay as they are: their parent is shut.
func (b *Bank) stopRows(ctx context.Context, acc AccountID, shut ledger.Gate, at time.Time) (func() []ledger.Write, error) {
	links, err := b.Store.LinksOf(ctx, acc)
	if err != nil {
		return nil, err
	}
	told, err := b.Tell(ctx, Event{Kind: EventStopAll, Account: acc, At: at})
	if err != nil {
		return nil, err
	}
	var stop []linkNow
	var rows []ledger.Write
	for _, l := range links {
		if l.State == LinkSuspended && l.Pending != "" { // stays suspended; its new proof dies
			forgotten := l
			forgotten.Pending, forgotten.Version = "", l.Version+1
			rows = append(rows, PutLink{Link: forgotten, IfVersion: l.Version})
		}
		if !l.Occupies() || l.State == LinkSuspended {
			continue
		}
		n, err := b.now(ctx, l)
		if err != nil {
			return nil, err
		}
		n.Account = shut
		stop = append(stop, n)
	}
	return func() []ledger.Write {
		rows := append(slices.Clone(rows), PutEvidence{Evidence{Kind: "stopped_all", Account: acc, At: at}})
		for _, n := range stop {
			m := stopping(n.Link, AllByDepositor)
			next := n
			next.Link = n.Link.after(m, at)
			next.Link.Pending = ""
			rows = append(rows, b.linkRows(n.Link, next, m, at)...)
		}
		return append(rows, told...)
	}, nil
}

// linkRows is the rows of a link that moves in a commit of something larger: row, evidence, report.
func (b *Bank) linkRows(from Link, to linkNow, m Move, at time.Time) []ledger.Write {
	l := to.Link
	return []ledger.Write{
		PutLink{Link: l, IfVersion: from.Version},
		PutEvidence{Evidence{Kind: m.Kind, Request: l.Request, Link: l.ID, Account: l.Account, At: at, Facts: map[string]string{"reason": m.Reason}}},
		b.reportRow(l, b.report(to, at), at),
	}
}

// UndoStop undoes a stop with full proof: possession for exactly this, and the PIN. link "" undoes a
// stop-all. What comes back is cooling off again (L9). ok is false where the PIN is wrong or locked.
func (b *Bank) UndoStop(ctx context.Context, held Possession, pin PIN, link id.Link) (ok bool, err error) {
	const op = "bank.UndoStop"
	if held.purpose != ForUndo {
		return false, fault.New(fault.Forbidden, op, errors.New("possession was proved for something else"))
	}
	if ok, err = b.VerifyPIN(ctx, held, pin); !ok || err != nil {
		return false, err
	}
	return true, again(ctx, op, func() error {
		spent, err := b.spending(ctx, held.proof)
		switch {
		case err != nil:
			return err
		case link != "":
			return b.undoOne(ctx, held.account, link, spent)
		}
		return b.undoAll(ctx, held.account, spent)
	})
}

// undoOne undoes the stop of one link. The proof is spent in the same commit, also where nothing is stopped: it
// undoes no stop that comes later.
func (b *Bank) undoOne(ctx context.Context, acc AccountID, link id.Link, spent ledger.Write) error {
	l, err := b.Store.Link(ctx, link)
	if err != nil {
		return err
	}
	if l.Account != acc {
		return notYours("bank.UndoStop", "the link is another account's")
	}
	if l.State != LinkSuspended || l.Reason != ByDepositor {
		return b.Store.Commit(ctx, spent)
	}
	m := b.cooling("undone", EventUndone)
	m.More = append(m.More, spent)
	_, err = b.MoveLink(ctx, link, m, unchanged(l))
	return err
}

// undoAll opens the account's gate and lets the links that the stop-all suspended cool off, in one commit: no
// crash leaves an open gate over links that did not cool, or links that say so under a shut one. The proof is
// spent as by undoOne.
func (b *Bank) undoAll(ctx context.Context, acc AccountID, spent ledger.Write) error {
	const op = "bank.UndoStop"
	g, err := b.Books.Gate(ctx, AccountGate(acc))
	if err != nil {
		return err
	}
	if g.Shut != ShutStopped {
		return b.Store.Commit(ctx, spent)
	}
	links, err := b.Store.LinksOf(ctx, acc)
	if err != nil {
		return err
	}
	at := b.Now()
	told, err := b.Tell(ctx, Event{Kind: EventUndone, Account: acc, At: at})
	if err != nil {
		return err
	}
	open := g
	open.Shut = ""
	reqs := []ledger.Request{{At: at, Do: ledger.SetGate{Gate: open, IfVersion: g.Version}, Then: func(ledger.Result) []ledger.Write {
		return append([]ledger.Write{spent, PutEvidence{Evidence{Kind: "undone_all", Account: acc, At: at}}}, told...)
	}}}
	for _, l := range links {
		// No link is live under a shut gate; one that was, by whatever way, would cool off too.
		if l.State != LinkLive && (l.State != LinkSuspended || l.Reason != AllByDepositor) {
			continue
		}
		n, err := b.now(ctx, l)
		if err != nil {
			return err
		}
		n.Account = open // of which its report speaks
		_, move, err := b.plan(ctx, n, b.cooling("undone", ""), at)
		if err != nil {
			return err
		}
		reqs = append(reqs, move...)
	}
	return b.submit(ctx, op, reqs...)
}
