package hub

import (
	"context"
	"errors"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
)

// ErrStoppedPair is the cause where the matrix stops new debits of a pair. It ends no charge: the service resolves it.
var ErrStoppedPair = errors.New("new debits of this pair are stopped")

// Order is a debit on its way to the bank.
type Order struct {
	Issuer id.Issuer
	Link   id.Link
	Debit  id.Debit
	Raw    string // the compact JWS
	Hash   string
}

// Debit routes an order and returns the bank's receipt. The same order again goes to the same bank; the same id with
// another order is an error that ends nothing. A repeat is routed although the pair has been stopped since.
func (h *Hub) Debit(ctx context.Context, s id.Service, o Order) (string, error) {
	const op = "hub.Debit"
	token, err := h.recordDebit(ctx, s, o)
	if err != nil {
		return "", err
	}
	done, err := h.at(o.Issuer, op)
	if err != nil {
		return "", err
	}
	defer done()
	receipt, err := h.Bridge.Debit(ctx, o.Issuer, token, o.Raw)
	if err != nil {
		return "", err
	}
	return receipt.Raw, h.answered(ctx, s, o.Debit, receipt.Outcome)
}

// recordDebit stores the debit as sent, or finds it stored, and returns the link's token.
func (h *Hub) recordDebit(ctx context.Context, s id.Service, o Order) (LinkToken, error) {
	const op = "hub.Debit"
	var link Link
	err := h.Store.Change(ctx, func(tx Tx) error {
		l, ok, err := tx.Link(ctx, o.Link)
		if err != nil {
			return err
		}
		if !ok || l.Service != s || l.Issuer != o.Issuer || len(l.Sealed) == 0 {
			return fault.New(fault.NotFound, op, errors.New("no such link of this service at this bank"))
		}
		link = l
		old, known, err := tx.Debit(ctx, s, o.Debit)
		if err != nil {
			return err
		}
		if known {
			if old.Issuer != o.Issuer || old.Link != o.Link || old.OrderHash != o.Hash {
				return fault.New(fault.Conflict, op, errors.New("debit id with another order"))
			}
			return nil
		}
		entries, err := tx.Suspensions(ctx)
		if err != nil {
			return err
		}
		if Effective(entries, s, o.Issuer).State >= Stopped {
			return &fault.Error{Kind: fault.Refused, Op: op, Rule: "R10", Err: ErrStoppedPair, Public: fault.Text{
				JA: "この銀行からのチャージは現在停止しています。", EN: "Charges from this bank are stopped at present."}}
		}
		return tx.PutDebit(ctx, Debit{Service: s, ID: o.Debit, Issuer: o.Issuer, Link: o.Link, OrderHash: o.Hash, Outcome: "sent", Sent: h.Now()})
	})
	if err != nil {
		return LinkToken{}, err
	}
	sec, err := h.open(link.Sealed, bindLink(link.ID))
	return LinkToken{Token: sec.Token, Key: sec.Key}, err
}

// answered notes the bank's answer beside a routed debit. One that the hub never routed, of which a resolution
// came first, is noted nowhere.
func (h *Hub) answered(ctx context.Context, s id.Service, c id.Debit, outcome string) error {
	return h.Store.Change(ctx, func(tx Tx) error {
		d, ok, err := tx.Debit(ctx, s, c)
		if err != nil || !ok {
			return err
		}
		d.Outcome, d.Answered = outcome, h.Now()
		return tx.PutDebit(ctx, d)
	})
}

// Resolve forwards a resolution. It is routed in every state of pair and link.
func (h *Hub) Resolve(ctx context.Context, s id.Service, issuer id.Issuer, link id.Link, c id.Debit, resolve string) (string, error) {
	const op = "hub.Resolve"
	if err := h.ownLink(ctx, op, s, issuer, link); err != nil {
		return "", err
	}
	raw, err := h.forward(ctx, op, issuer, "/v1/debits/"+string(c)+"/resolution", "resolve", resolve, "receipt")
	if err != nil {
		return "", err
	}
	r, err := h.Bridge.ReadReceipt(raw)
	if err != nil {
		return "", fault.New(fault.Unavailable, op, err)
	}
	return raw, h.answered(ctx, s, c, r.Outcome)
}

// Reverse forwards a reversal, in every state of pair and link.
func (h *Hub) Reverse(ctx context.Context, s id.Service, issuer id.Issuer, link id.Link, reversal string) (string, error) {
	if err := h.ownLink(ctx, "hub.Reverse", s, issuer, link); err != nil {
		return "", err
	}
	return h.forward(ctx, "hub.Reverse", issuer, "/v1/reversals", "reversal", reversal, "receipt")
}

// ChangeLink forwards a change at the service (L9), in every state of pair and link.
func (h *Hub) ChangeLink(ctx context.Context, s id.Service, issuer id.Issuer, link id.Link, change string) (string, error) {
	if err := h.ownLink(ctx, "hub.ChangeLink", s, issuer, link); err != nil {
		return "", err
	}
	return h.forward(ctx, "hub.ChangeLink", issuer, "/v1/link-changes", "change", change, "report")
}

// Statement forwards a service's statement of a day and returns the bank's.
func (h *Hub) Statement(ctx context.Context, s id.Service, issuer id.Issuer, statement string) (string, error) {
	if _, ok := h.services[s]; !ok {
		return "", fault.New(fault.NotFound, "hub.Statement", nil)
	}
	return h.forward(ctx, "hub.Statement", issuer, "/v1/statements", "statement", statement, "statement")
}

// ownLink says not found of a link that is not this service's at this bank.
func (h *Hub) ownLink(ctx context.Context, op string, s id.Service, issuer id.Issuer, link id.Link) error {
	l, ok, err := h.Store.LinkByID(ctx, link)
	if err != nil {
		return err
	}
	if !ok || l.Service != s || l.Issuer != issuer {
		return fault.New(fault.NotFound, op, errors.New("no such link of this service at this bank"))
	}
	return nil
}
