package bank

import (
	"context"
	"errors"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// The kinds of change a service reports of a link's holder (L9).
const (
	ChangeDevice   = "device"
	ChangePhone    = "phone"
	ChangeEmail    = "email"
	ChangeRecovery = "recovery"
	ChangeIdentity = "identity"
	ChangeEnded    = "ended"
)

// Change is a service's change that was answered; its report is repeated for ever.
type Change struct {
	Service id.Service
	ID      string // "chg_…"
	Link    id.Link
	Kind    string
	Report  string
	At      time.Time
}

// AddChange is a Write of an answered change; a second one under its (service, id) fails.
type AddChange struct{ Change Change }

// ChangeStore keeps answered changes. What is not there is a fault.NotFound.
type ChangeStore interface {
	Change(ctx context.Context, s id.Service, chg string) (Change, error)
}

// LinkChange takes a service's word that something changed for a link's holder, makes the link as safe as
// that asks for, and answers the link's state. It can only make a link stricter, so a late one counts too.
func (b *Bank) LinkChange(ctx context.Context, change string) (report string, err error) {
	const op = "bank.LinkChange"
	svc, err := b.signer(change)
	if err != nil {
		return "", err
	}
	m, err := wire.Verify[wire.LinkChange](change, svc.Keys, b.expect(svc.ID, b.Now()))
	if err != nil {
		return "", err
	}
	err = again(ctx, op, func() error {
		known, err := b.Store.Change(ctx, svc.ID, m.Change)
		if fault.Of(err) == fault.NotFound {
			if err := b.change(ctx, op, svc, m); err != nil {
				return err
			}
			known, err = b.Store.Change(ctx, svc.ID, m.Change) // as it was committed
		}
		if err != nil {
			return err
		}
		if known.Link != m.Link || known.Kind != m.Kind {
			return &fault.Error{Kind: fault.Conflict, Op: op, Rule: "M8", Err: errors.New("a change of this id with other content is known")}
		}
		report = known.Report
		return nil
	})
	return report, err
}

// change applies an unseen change and keeps its answer, in one commit.
func (b *Bank) change(ctx context.Context, op string, svc Service, m *wire.LinkChange) error {
	l, err := b.linkOf(ctx, op, svc.ID, m.Link)
	if err != nil {
		return err
	}
	move, err := b.moveFor(l, m.Kind)
	if err != nil {
		return err
	}
	// The answer names the change, so that nobody on the way can pass it off as the answer to another one.
	kept := func(r *wire.LinkReport) ledger.Write {
		r.Change = m.Change
		return AddChange{Change{Service: svc.ID, ID: m.Change, Link: l.ID, Kind: m.Kind, At: b.Now(), Report: b.sign(r)}}
	}
	if move.To != "" {
		move.Kept = kept
		_, err = b.MoveLink(ctx, l.ID, move, unchanged(l))
		return err
	}
	n, err := b.now(ctx, l) // the link is over, or not begun: nothing to make stricter
	if err != nil {
		return err
	}
	return b.Store.Commit(ctx, kept(b.reportOf(n, b.Now())))
}

// unchanged lets a move happen only to the link as it was when the move was made up.
func unchanged(l Link) func(Link) error {
	return func(now Link) error {
		if now.Version != l.Version {
			return errMoved
		}
		return nil
	}
}

// moveFor is what a change at the service does to a link; To is "" where it does nothing. The service gets
// its report as the answer.
func (b *Bank) moveFor(l Link, kind string) (Move, error) {
	switch kind {
	case ChangeEnded:
		if !l.Occupies() {
			return Move{}, nil
		}
		return Move{To: LinkRevoked, Reason: EndedByService, Kind: "revoked", Event: EventEnded, Silent: true}, nil
	case ChangeDevice, ChangeIdentity:
		reason := DeviceChanged
		if kind == ChangeIdentity {
			reason = IdentityChange
		}
		switch {
		case !l.Occupies(), l.Reason == reason:
			return Move{}, nil
		case l.State == LinkAuthenticated: // never activated: the person begins anew
			return Move{To: LinkRevoked, Reason: reason, Kind: "revoked", Event: EventDead, Silent: true}, nil
		}
		return Move{To: LinkSuspended, Reason: reason, Kind: "suspended", Event: EventSuspended, Silent: true}, nil
	case ChangePhone, ChangeEmail, ChangeRecovery:
		if l.State != LinkLive {
			return Move{}, nil
		}
		m := b.cooling("cooling", EventCooling)
		m.Silent = true
		return m, nil
	}
	return Move{}, &fault.Error{Kind: fault.Invalid, Op: "bank.LinkChange", Err: errors.New("unknown kind of change")}
}

// cooling is the move that puts a link back into its cooling-off (L9).
func (b *Bank) cooling(kind string, event EventKind) Move {
	return Move{To: LinkLive, Kind: kind, Event: event, Next: func(n linkNow) linkNow { return b.cooled(n, b.Now()) }}
}

// cooled is a link that begins its cooling-off: no debit, then a small cap in 24 hours (L9), which stays
// until a strong proof where none stands behind the link (L13).
func (b *Bank) cooled(n linkNow, at time.Time) linkNow {
	n.Link.State, n.Link.Reason, n.Link.ActivatedAt = LinkLive, "", at
	n.Gate.Shut = ""
	n.Gate.NotBefore = at.Add(b.Policy.Cooling)
	n.Gate.LimitedCap = b.Policy.LimitedCap
	n.Gate.LimitedUntil = n.Gate.NotBefore.Add(b.Policy.Limited)
	if !n.Link.Confirmed {
		n.Gate.LimitedUntil = farAway
	}
	return n
}

// ConfirmLink lifts the cap of a link that a typed code proved, for whoever comes back at least a day later
// with a strong proof for exactly this (L13). A link that no longer waits for it stays as it is.
func (b *Bank) ConfirmLink(ctx context.Context, held Possession, link id.Link) error {
	const op = "bank.ConfirmLink"
	at := b.Now()
	if held.purpose != ForConfirm || !held.kind.Strong() || at.Sub(held.at) > SessionLife {
		return fault.New(fault.Forbidden, op, errors.New("no strong proof for this"))
	}
	l, err := b.Store.Link(ctx, link)
	if err != nil {
		return err
	}
	if l.Account != held.account {
		return notYours(op, "the link is another account's")
	}
	if l.State != LinkLive || l.Confirmed {
		return nil
	}
	if from := l.ActivatedAt.Add(ConfirmAfter); at.Before(from) {
		return fault.Refuse("L13", op, fault.Text{
			JA: "連携から24時間たつまでは確認できません。そのあとにもう一度お試しください。",
			EN: "A link can be confirmed from 24 hours after it was made. Please try again then."})
	}
	_, err = b.MoveLink(ctx, link, Move{
		To: LinkLive, Kind: "confirmed", Event: EventConfirmed, Facts: map[string]string{"proof": string(held.kind)},
		Next: func(n linkNow) linkNow {
			n.Link.Confirmed, n.Link.Proof = true, held.kind
			n.Gate.LimitedUntil = n.Gate.NotBefore.Add(b.Policy.Limited)
			return n
		},
	}, unchanged(l))
	return err
}
