package wallet

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/wire"
)

// LinkChangeKind is what changed at the service for a link's holder, as wire.LinkChange names it.
type LinkChangeKind string

// The changes. A new device suspends a link at the bank until it is proved again there, so does a changed
// identity; the others put it back into cooling-off (L9).
const (
	ChangedDevice   LinkChangeKind = "device"
	ChangedPhone    LinkChangeKind = "phone"
	ChangedEmail    LinkChangeKind = "email"
	ChangedRecovery LinkChangeKind = "recovery"
	ChangeIdentity  LinkChangeKind = "identity"
	LinkEnded       LinkChangeKind = "ended"
)

// The kinds of outbox messages about links. They go in order per request or link.
const (
	KindRedeem = "link.redeem"
	KindAbort  = "link.abort"
	KindChange = "link.change"
)

// change is the payload of KindChange. The message carries the change's id as its own.
type change struct {
	ID     string  `json:"id"` // as signed; "" in messages from before answers named what they answer
	Link   id.Link `json:"link"`
	Kind   string  `json:"kind"`
	Signed string  `json:"signed"`
	At     int64   `json:"at"` // seconds: an answer signed long before is no answer to this
}

// changeLinks is what must be written so that the banks of a holder's links hear of changes: the signed
// messages, and on each link that its bank has not answered yet, for until then nothing may be charged over it.
func (w *Wallet) changeLinks(ctx context.Context, sub id.Subject, kinds ...LinkChangeKind) ([]ledger.Write, error) {
	links, err := w.Store.LinksOf(ctx, sub)
	if err != nil {
		return nil, err
	}
	var rows []ledger.Write
	for _, l := range links {
		// A suspended link is proved anew whatever changed, with what the holder has then.
		if l.Over(w.Now()) || l.StateAt(w.Now()) == wire.LinkSuspended {
			continue
		}
		more, err := w.changeLink(l, kinds...)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

func (w *Wallet) changeLink(l Link, kinds ...LinkChangeKind) ([]ledger.Write, error) {
	was := l.Version
	l.Version, l.UpdatedAt = was+1, w.Now()
	var messages []ledger.Write
	for _, k := range kinds {
		h, chg := w.header(l.Issuer, 0), w.newID("chg")
		signed, err := w.Messages.Sign(&wire.LinkChange{Header: h, Change: chg, Link: l.ID, Kind: string(k)})
		if err != nil {
			return nil, err
		}
		payload, err := json.Marshal(change{chg, l.ID, string(k), signed, h.IssuedAt})
		if err != nil {
			return nil, fault.New(fault.Internal, "wallet.changeLink", err)
		}
		messages = append(messages, outbox.Message{ID: chg, Kind: KindChange, Key: string(l.ID), To: string(l.Issuer), Payload: payload})
		l.Changes = append(slices.Clip(l.Changes), chg)
		l.EndRequested = l.EndRequested || k == LinkEnded
	}
	return append(messages, PutLink{l, was}), nil
}

// EndLink ends a holder's link: here at once, at the bank as soon as it answers. Repeated, it changes nothing. A link
// that is over by our clock alone is ended all the same: the bank's word that it began may be on its way.
func (w *Wallet) EndLink(ctx context.Context, sub id.Subject, link id.Link) error {
	l, err := w.ownLink(ctx, sub, link)
	if err != nil {
		return err
	}
	if l.EndRequested || over(l.Reported) {
		return nil
	}
	rows, err := w.changeLink(l, LinkEnded)
	if err != nil {
		return err
	}
	if err := w.Store.Commit(ctx, rows...); err != nil {
		return err
	}
	w.Wake()
	return nil
}
