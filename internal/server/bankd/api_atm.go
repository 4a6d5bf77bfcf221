package bankd

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/web"
)

// words are a sentence or name in both languages.
type words struct {
	JA string `json:"ja"`
	EN string `json:"en"`
}

func wordsOf(t fault.Text) words { return words(t) }

type atmStart struct {
	Body struct {
		Card string `json:"card" maxLength:"64" doc:"The card's id, as the machine reads it."`
		PIN  string `json:"pin" maxLength:"8" doc:"As typed at the machine; three wrong ones in a row lock the card in machines for a day, and nothing else does."`
	}
}

type atmStarted struct {
	Body struct {
		Session string    `json:"session" doc:"For the header ATM-Session of the other calls."`
		Expires time.Time `json:"expires"`
	}
}

// ATMSession is the header that all calls of a session carry. (Its name is exported for huma, which reads
// embedded structs by reflection.)
type ATMSession struct {
	Session string `header:"ATM-Session" required:"true" maxLength:"64"`
}

type atmPending struct {
	Proof     string    `json:"proof"`
	Reference string    `json:"reference" doc:"As the person's own page shows it."`
	Purpose   string    `json:"purpose" enum:"link,portal,enrol,confirm,undo"`
	Asks      words     `json:"asks" doc:"Who asks: show it before a window is opened (L18)."`
	Holder    string    `json:"holder,omitempty" doc:"In whose name a link is asked for: show it."`
	Near      bool      `json:"near,omitempty" doc:"The name is close to the account's, not the same: ask twice."`
	Expires   time.Time `json:"expires"`
	Open      bool      `json:"open" doc:"Its window is open."`
}

type atmWaiting struct {
	Link    string    `json:"link"`
	Asks    words     `json:"asks"`
	Holder  string    `json:"holder"`
	Expires time.Time `json:"expires"`
}

type atmList struct {
	Body struct {
		Balance money.Yen    `json:"balance"`
		Stopped bool         `json:"stopped" doc:"The depositor has stopped everything (D2)."`
		Waiting []atmWaiting `json:"waiting" doc:"Links whose depositor has not yet said that she knows of them (L8)."`
	}
}

type atmFind struct {
	ATMSession
	Reference string `path:"reference" maxLength:"16" doc:"As typed: small letters, and without the stroke, will do."`
}

type atmFound struct{ Body atmPending }

type atmOpen struct {
	ATMSession
	Body struct {
		Proof string `json:"proof" maxLength:"64"`
	}
}

type atmOpened struct {
	Body struct {
		Until time.Time `json:"until"`
	}
}

type atmKnow struct {
	ATMSession
	Body struct {
		Link string `json:"link" maxLength:"64"`
	}
}

type atmCash struct {
	ATMSession
	Body struct {
		Amount money.Yen `json:"amount" doc:"Whole yen; negative pays out."`
		Ref    string    `json:"ref" minLength:"8" maxLength:"64" doc:"The operator's id of this act; the same again changes nothing."`
	}
}

// atmAPI are the calls of operators of ATMs: a card with its PIN, what waits for it, the link window, the
// depositor's word that she knows of a link, the stop of everything, cash.
func (t *tenant) atmAPI(api huma.API) {
	op := func(name, method, path, summary, description string, status int) huma.Operation {
		return huma.Operation{OperationID: name, Method: method, Path: path, Summary: summary, Description: description, Tags: []string{"ATM"}, DefaultStatus: status}
	}
	web.Register(api, op("atmStart", http.MethodPost, "/v1/atm/sessions", "Begin with a card and its PIN",
		"The session lasts five minutes. A wrong PIN, an unknown card and a locked one are the same refusal (L3).", http.StatusCreated), t.atmBegin)
	web.Register(api, op("atmList", http.MethodGet, "/v1/atm/session", "What waits for the card",
		"The balance, whether she has stopped everything, and links of which she has not yet said that she knows them.", http.StatusOK), t.atmShow)
	web.Register(api, op("atmFind", http.MethodGet, "/v1/atm/requests/{reference}", "The one request with a reference",
		"She types the reference that her own page shows; the machine shows who asks, in whose name and what for. There is no list: "+
			"nobody else's request is ever offered to her (L18).", http.StatusOK), t.atmFind)
	web.Register(api, op("atmWindow", http.MethodPost, "/v1/atm/windows", "Open the window of one pending proof for 10 minutes",
		"Only after the machine has shown who asks, and in whose name (L18). It proves possession for that request and no other.", http.StatusCreated), t.atmWindow)
	web.Register(api, op("atmAcknowledge", http.MethodPost, "/v1/atm/acknowledgements", "The depositor knows of a link",
		"Her word counts as the receipt that a link waits for, whatever carried the proof (L8).", http.StatusNoContent), t.atmAcknowledge)
	web.Register(api, op("atmStop", http.MethodPost, "/v1/atm/stops", "Stop all links of the account and every new request",
		"At all services, at once, with nobody's consent (D2). It is undone at the bank's own site with full proof.", http.StatusNoContent), t.atmStop)
	web.Register(api, op("atmCash", http.MethodPost, "/v1/atm/cash", "Pay in or out",
		"Cash through the machine, once under its own id: the same call again changes nothing.", http.StatusNoContent), t.atmCash)
}

func (t *tenant) atmBegin(ctx context.Context, in *atmStart) (*atmStarted, error) {
	caller, err := callerOf(ctx)
	if err != nil {
		return nil, err
	}
	secret, until, err := t.bank.StartATM(ctx, caller.Client, in.Body.Card, bank.PIN(in.Body.PIN))
	if err != nil {
		return nil, err
	}
	out := &atmStarted{}
	out.Body.Session, out.Body.Expires = secret, until
	return out, nil
}

// atm reads the session of a call.
func (t *tenant) atm(ctx context.Context, secret string) (bank.ATMSession, error) {
	caller, err := callerOf(ctx)
	if err != nil {
		return bank.ATMSession{}, err
	}
	return t.bank.ATM(ctx, caller.Client, secret)
}

func (t *tenant) atmShow(ctx context.Context, in *ATMSession) (*atmList, error) {
	s, err := t.atm(ctx, in.Session)
	if err != nil {
		return nil, err
	}
	waiting, err := t.bank.ToAcknowledge(ctx, s)
	if err != nil {
		return nil, err
	}
	acc, err := t.bank.Books.Account(ctx, bank.Deposit(s.Account))
	if err != nil {
		return nil, err
	}
	stopped, err := t.bank.Stopped(ctx, s.Account)
	if err != nil {
		return nil, err
	}
	out := &atmList{}
	out.Body.Balance, out.Body.Stopped, out.Body.Waiting = acc.Balance, stopped, []atmWaiting{}
	for _, a := range waiting {
		out.Body.Waiting = append(out.Body.Waiting, atmWaiting{Link: string(a.Link), Asks: wordsOf(a.Asks), Holder: a.Holder, Expires: a.Until})
	}
	return out, nil
}

func (t *tenant) atmFind(ctx context.Context, in *atmFind) (*atmFound, error) {
	s, err := t.atm(ctx, in.Session)
	if err != nil {
		return nil, err
	}
	p, err := t.bank.PendingAt(ctx, s, in.Reference)
	if err != nil {
		return nil, err
	}
	return &atmFound{atmPending{
		Proof: string(p.Proof), Reference: p.Reference, Purpose: string(p.Purpose), Asks: wordsOf(p.Asks),
		Holder: p.Holder, Near: p.Near, Expires: p.Until, Open: p.Open,
	}}, nil
}

func (t *tenant) atmWindow(ctx context.Context, in *atmOpen) (*atmOpened, error) {
	s, err := t.atm(ctx, in.Session)
	if err != nil {
		return nil, err
	}
	until, err := t.bank.OpenWindow(ctx, s, bank.ProofID(in.Body.Proof))
	if err != nil {
		return nil, err
	}
	out := &atmOpened{}
	out.Body.Until = until
	return out, t.audited(ctx, s, "atm.window", in.Body.Proof)
}

func (t *tenant) atmAcknowledge(ctx context.Context, in *atmKnow) (*struct{}, error) {
	s, err := t.atm(ctx, in.Session)
	if err != nil {
		return nil, err
	}
	if err := t.bank.Acknowledge(ctx, s, id.Link(in.Body.Link)); err != nil {
		return nil, err
	}
	return nil, t.audited(ctx, s, "atm.acknowledge", in.Body.Link)
}

func (t *tenant) atmStop(ctx context.Context, in *ATMSession) (*struct{}, error) {
	s, err := t.atm(ctx, in.Session)
	if err != nil {
		return nil, err
	}
	if err := t.bank.StopAll(ctx, s.Account); err != nil {
		return nil, err
	}
	return nil, t.audited(ctx, s, "atm.stop", string(s.Account))
}

func (t *tenant) atmCash(ctx context.Context, in *atmCash) (*struct{}, error) {
	s, err := t.atm(ctx, in.Session)
	if err != nil {
		return nil, err
	}
	return nil, t.bank.Cash(ctx, s.Account, in.Body.Amount, s.Client+"/"+in.Body.Ref)
}

// audited notes what an operator's machine did.
func (t *tenant) audited(ctx context.Context, s bank.ATMSession, act, on string) error {
	return t.noted(ctx, s.Client, act, on)
}

// noted notes in the audit log what somebody did.
func (t *tenant) noted(ctx context.Context, who, act, on string) error {
	if t.s.audit == nil {
		return nil
	}
	return t.s.audit.Write(ctx, observe.Entry{Actor: who, Action: act, Subject: on, Outcome: "done"})
}
