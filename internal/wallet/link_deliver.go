package wallet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/wire"
)

// final says whether an answer of the hub or the bank will be the same for ever. What may be our own fault, or
// the line's, is tried again.
func final(err error) bool {
	switch fault.Of(err) {
	case fault.Invalid, fault.Refused, fault.Gone, fault.Conflict, fault.NotFound:
		return true
	default:
		return false
	}
}

// DeliverRedeem is the outbox handler of KindRedeem: the code and the activation go to the bank until it has
// answered. A code that waited too long is not tried at all; a refusal ends in an abort, whose answer tells.
func (w *Wallet) DeliverRedeem(ctx context.Context, m outbox.Message) error {
	var r redemption
	if err := json.Unmarshal(m.Payload, &r); err != nil {
		return fault.New(fault.Internal, "wallet.DeliverRedeem", err)
	}
	a, err := w.Store.Ask(ctx, id.Request(m.Key))
	if err != nil {
		return err
	}
	waited := w.Now().Sub(a.ReturnedAt)
	switch {
	case a.Stage != AskReturned:
		return nil
	case m.Attempts == 0 && waited > RedeemWithin, waited > redeemLife:
		return w.endAsk(ctx, a, "timeout", true)
	}
	report, err := w.Hub.Redeem(ctx, a.Request, Redemption{Code: r.Code, Issuer: r.Issuer, Activation: r.Activation})
	if err != nil {
		if !final(err) {
			return err
		}
		w.Log.InfoContext(ctx, "redemption refused", "request", a.Request, "err", err.Error())
		return w.endAsk(ctx, a, "bank", true)
	}
	rep, err := w.TakeReport(ctx, a.Issuer, report)
	if err != nil {
		return err
	}
	if rep.Request != a.Request {
		return badReport(errors.New("an answer about another request"))
	}
	return nil
}

// DeliverAbort is the outbox handler of KindAbort. The bank's answer says what became of the request: dead, or
// a link that it had made before the abort came.
func (w *Wallet) DeliverAbort(ctx context.Context, m outbox.Message) error {
	a, err := w.Store.Ask(ctx, id.Request(m.Key))
	if err != nil {
		return err
	}
	report, err := w.Hub.Abort(ctx, a.Request, a.Issuer, string(m.Payload))
	if err != nil {
		if final(err) { // the bank has no such request: there is nothing to let die
			w.Log.InfoContext(ctx, "abort refused", "request", a.Request, "err", err.Error())
			return nil
		}
		return err
	}
	_, err = w.TakeReport(ctx, a.Issuer, report)
	return err
}

// DeliverChange is the outbox handler of KindChange. Only a report that the bank signed as its answer to this very
// change answers it, however often; until then the link carries no charge (L9).
func (w *Wallet) DeliverChange(ctx context.Context, m outbox.Message) error {
	var c change
	if err := json.Unmarshal(m.Payload, &c); err != nil {
		return fault.New(fault.Internal, "wallet.DeliverChange", err)
	}
	l, err := w.Store.Link(ctx, c.Link)
	if err != nil {
		return err
	}
	report, err := w.Hub.ChangeLink(ctx, l.Issuer, l.ID, c.Signed)
	if err != nil {
		return err
	}
	var rep wire.LinkReport
	if err := w.Messages.Open(ctx, report, l.Issuer, &rep); err != nil {
		return err
	}
	about := rep.Link == l.ID || rep.Link == "" && rep.Request == l.Request
	if !about || c.ID != "" && rep.Change != c.ID || rep.IssuedAt < c.At-int64(wire.Ahead.Seconds()) {
		return badReport(fmt.Errorf("no answer to the change %s of %s", m.ID, l.ID))
	}
	_, err = w.takeReport(ctx, l.Issuer, report, &answered{l.ID, m.ID})
	return err
}
