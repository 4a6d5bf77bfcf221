package wallet

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/wire"
)

// Back is a browser that came back from a bank: what the bank's redirect says, and what the browser itself
// brought. Cookie reads one of its cookies, "" where there is none; Asked says whether its session made a request.
type Back struct {
	State, Code, Issuer, Error string
	Subject                    id.Subject // who is signed in; "" nobody
	Cookie                     func(name string) string
	Asked                      func(r id.Request) bool
}

// redemption is the payload of KindRedeem.
type redemption struct {
	Code       string `json:"code"`
	Issuer     string `json:"iss"`
	Activation string `json:"activation"`
}

// Returned judges a browser that came back (L12, step 6 of a link). Only the browser and the session that asked
// may go on, once, with an answer of the very bank that was asked; then the code and the signed activation go
// into the outbox in the commit that says so. Everything else lets the request die with a signed abort, except
// what names no open request: that changes nothing.
func (w *Wallet) Returned(ctx context.Context, b Back) (Ask, error) {
	const op = "wallet.Returned"
	if b.State == "" {
		return Ask{}, returnRefused(op, fault.Invalid, errors.New("no state"))
	}
	a, err := w.Store.AskByState(ctx, b.State)
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			return Ask{}, returnRefused(op, fault.NotFound, errors.New("a state of nobody's"))
		}
		return Ask{}, err
	}
	if a.Stage != AskPushed {
		return Ask{}, returnRefused(op, fault.Gone, fmt.Errorf("the request is %s", a.Stage))
	}
	name, value := a.Cookie()
	switch {
	case b.Subject != a.Subject || !b.Asked(a.Request) || subtle.ConstantTimeCompare([]byte(b.Cookie(name)), []byte(value)) != 1:
		err = returnRefused(op, fault.Refused, errors.New("not the browser and session that asked"))
		return Ask{}, errors.Join(err, w.endAsk(ctx, a, "other_browser", true))
	case id.Issuer(b.Issuer) != a.Issuer:
		err = returnRefused(op, fault.Refused, fmt.Errorf("iss is %.100q, not the bank that was asked", b.Issuer))
		return Ask{}, errors.Join(err, w.endAsk(ctx, a, "wrong_bank", true))
	case a.StageAt(w.Now()) == AskDead:
		err = returnRefused(op, fault.Gone, errors.New("the request is too old"))
		return Ask{}, errors.Join(err, w.endAsk(ctx, a, "timeout", true))
	case b.Error != "" || b.Code == "":
		return a, w.endAsk(ctx, a, "not_consented", true)
	}
	return w.redeemLater(ctx, a, b)
}

func (w *Wallet) redeemLater(ctx context.Context, a Ask, b Back) (Ask, error) {
	sealed, err := w.Messages.SealBrowser(ctx, a.Issuer, a.RS)
	if err != nil {
		return Ask{}, err
	}
	activation, err := w.Messages.Sign(&wire.Activation{
		Header: w.header(a.Issuer, redeemLife), Request: a.Request, Browser: sealed})
	if err != nil {
		return Ask{}, err
	}
	payload, err := json.Marshal(redemption{Code: b.Code, Issuer: b.Issuer, Activation: activation})
	if err != nil {
		return Ask{}, fault.New(fault.Internal, "wallet.Returned", err)
	}
	was := a.Version
	a.to(AskReturned)
	a.ReturnedAt = w.Now()
	message := outbox.Message{Kind: KindRedeem, Key: string(a.Request), To: string(a.Issuer), Payload: payload}
	err = w.Store.Commit(ctx, PutAsk{a, was}, message)
	if fault.Of(err) == fault.Conflict && err != nil { // the same redirect a second time, at the same moment
		return Ask{}, returnRefused("wallet.Returned", fault.Gone, err)
	}
	if err != nil {
		return Ask{}, err
	}
	w.Wake()
	return a, nil
}

// returnRefused says one thing to whoever brought a redirect that is not hers to bring.
func returnRefused(op string, kind fault.Kind, err error) error {
	return &fault.Error{Kind: kind, Op: op, Rule: "L12", Err: err, Public: fault.Text{
		JA: "この手続きは続けられません。連携は行われていません。お使いの端末で最初からやり直してください。",
		EN: "This cannot go on. Nothing was linked. Please start again on your own device."}}
}
