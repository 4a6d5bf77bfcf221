package bankd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/web"
)

// channelPrefix is where the bank's own other systems call.
const channelPrefix = "/channel/v1/"

// channelWay is how a channel proves which one it is.
var channelWay = web.Way{Name: "channel", Scheme: huma.SecurityScheme{Type: "http", Scheme: "bearer",
	Description: "`Authorization: Bearer KEY`: the API key of one of the bank's own systems, of which the bank keeps the hash."},
	For: func(path string) ([]string, bool) { return nil, strings.HasPrefix(path, channelPrefix) }}

// channelKey finds, in the context of a call, the channel that makes it.
type channelKey struct{}

// channelled lets the calls of channels through, before anything of their bodies is read.
func (t *tenant) channelled(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		c, ok := t.bank.ChannelWithKey(strings.TrimSpace(key))
		if !ok || !strings.EqualFold(scheme, "Bearer") {
			w.Header().Set("WWW-Authenticate", "Bearer")
			web.Problem(w, r, &fault.Error{Kind: fault.Unauthorised, Op: "bankd.channelled", Err: errors.New("no channel has this key"),
				Public: fault.Text{JA: "APIキーが正しくありません。", EN: "The API key is not known."}})
			return
		}
		observe.Party(r.Context(), string(t.bank.Profile.Code)+"/channel/"+c.ID)
		api.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), channelKey{}, c)))
	})
}

// channelOf is the channel that makes a call.
func channelOf(ctx context.Context) (bank.ChannelSystem, error) {
	c, ok := ctx.Value(channelKey{}).(bank.ChannelSystem)
	if !ok {
		return c, fault.New(fault.Internal, "bankd.channelOf", errors.New("an operation without guard"))
	}
	return c, nil
}

type channelTransfer struct {
	ID        string    `json:"id" pattern:"^[A-Za-z0-9._:-]{1,64}$" example:"payroll-2026-11:000417" doc:"The channel's own id of the transfer: done at most once, for ever."`
	From      string    `json:"from" pattern:"^(vault|acc_[0-9a-z]{26})$" example:"acc_5h2k8n3v7w1q9r4t6y0x2z8b5c" doc:"A deposit account, or vault: cash is paid in."`
	To        string    `json:"to" pattern:"^(vault|acc_[0-9a-z]{26})$" example:"vault" doc:"A deposit account, or vault: cash is paid out."`
	Amount    money.Yen `json:"amount" minimum:"1" maximum:"1000000000000" doc:"Whole yen."`
	Narration string    `json:"narration" minLength:"1" maxLength:"60" example:"キユウヨ" doc:"As both passbooks print it: at most 20 cells of half-width kana, Latin capitals and digits. What can be narrowed is."`
}

func (t channelTransfer) posting() bank.Posting {
	return bank.Posting{ID: t.ID, From: t.From, To: t.To, Amount: t.Amount, Narration: t.Narration}
}

type channelList struct {
	Body struct {
		Transfers []channelTransfer `json:"transfers" minItems:"1" maxItems:"100" nullable:"false"`
	}
}

// Resolve lists the mistakes that the description has no words for.
func (in *channelList) Resolve(huma.Context) (found []error) {
	for i, t := range in.Body.Transfers {
		if t.From == "" || t.Narration == "" {
			continue // it has been said that a field is missing or cannot be read
		}
		for _, flaw := range t.posting().Flaws() {
			found = append(found, &huma.ErrorDetail{Location: fmt.Sprintf("body.transfers[%d].%s", i, flaw.Field), Message: flaw.What})
		}
	}
	return found
}

type channelOutcome struct {
	ID       string           `json:"id" doc:"As sent."`
	Outcome  string           `json:"outcome" enum:"done,refused" doc:"done: the money has moved. refused: it has not."`
	Repeated bool             `json:"repeated,omitempty" doc:"The answer is that of an earlier request with this id."`
	At       time.Time        `json:"at" doc:"When it was decided."`
	Reason   string           `json:"reason,omitempty" enum:"funds,full,frozen,account,id" doc:"Why it is refused."`
	Problem  *web.ProblemBody `json:"problem,omitempty" doc:"The refusal in full."`
}

type channelOutcomes struct {
	Body struct {
		Transfers []channelOutcome `json:"transfers" doc:"What became of each, in the order of the request."`
	}
}

// ChannelPlace is where an account stands. (Its name is exported for huma, which reads embedded structs by
// reflection.)
type ChannelPlace struct {
	Branch string `json:"branch" pattern:"^[0-9]{3}$" example:"101"`
	Kind   string `json:"kind" enum:"ordinary,current"`
	Number string `json:"number" pattern:"^[0-9]{7}$" example:"1234567"`
}

func (p ChannelPlace) place() bank.Place {
	return bank.Place{Branch: p.Branch, Kind: bank.Kind(p.Kind), Number: p.Number}
}

type channelOpen struct {
	Body struct {
		ChannelPlace
		HolderKana string    `json:"holder_kana" minLength:"1" maxLength:"100" example:"サトウ ハナコ"`
		HolderName string    `json:"holder_name" minLength:"1" maxLength:"100" example:"佐藤 花子"`
		BirthDate  string    `json:"birth_date" format:"date" example:"1985-04-01"`
		Card       string    `json:"card,omitempty" maxLength:"64" doc:"The id of the cash card, as ATMs read it."`
		Phone      string    `json:"phone,omitempty" maxLength:"20" example:"+819012345678" doc:"Proves nothing for 7 days (L14)."`
		Email      string    `json:"email,omitempty" maxLength:"254" doc:"Likewise."`
		Opening    money.Yen `json:"opening,omitempty" minimum:"0" maximum:"1000000000000" doc:"Cash that is paid in at once; wants the right to cash as well."`
	}
}

type channelOpened struct {
	Status int
	Body   struct {
		Account string `json:"account" doc:"The permanent id, which no merger changes: transfers name it."`
	}
}

type channelFind struct {
	Branch string `query:"branch" required:"true" pattern:"^[0-9]{3}$"`
	Kind   string `query:"kind" required:"true" enum:"ordinary,current"`
	Number string `query:"number" required:"true" pattern:"^[0-9]{7}$"`
}

type channelFound struct {
	Body struct {
		Account   string    `json:"account" doc:"The permanent id."`
		Balance   money.Yen `json:"balance"`
		Free      money.Yen `json:"free" doc:"What may leave it now."`
		FrozenIn  bool      `json:"frozen_in" doc:"Takes nothing."`
		FrozenOut bool      `json:"frozen_out" doc:"Pays nothing out."`
		Closed    bool      `json:"closed"`
	}
}

// channelAPI is what the bank's own other systems may ask.
func (t *tenant) channelAPI(api huma.API) {
	op := func(name, method, path, summary, description string, status int) huma.Operation {
		return huma.Operation{OperationID: name, Method: method, Path: channelPrefix + path, Summary: summary, Description: description, Tags: []string{"Channels"}, DefaultStatus: status}
	}
	web.Register(api, op("channelTransfers", http.MethodPost, "transfers", "Post transfers to deposit accounts",
		"1 to 100 transfers, each by itself: one that is refused stops none of the others. They are decided in their order and are durable "+
			"together. An id belongs to the channel, for ever: the same transfer again is answered as the first time, another one under it is refused "+
			"(reason id). A refusal is for ever too, but one of reason account, which leaves the id free: to try again later, take a new id. "+
			"200 whatever the outcomes; 400: something is malformed, and nothing was done; 429, 503 or no answer: ask again with the same ids.", http.StatusOK), t.channelPost)
	web.Register(api, op("channelOpenAccount", http.MethodPost, "accounts", "Open a deposit account",
		"Its permanent id is what transfers name. The same place with the same holder again answers 200 and the account that stands there.", http.StatusCreated), t.channelOpenAccount)
	web.Register(api, op("channelAccount", http.MethodGet, "accounts", "Find a deposit account by its place",
		"Its permanent id, and what it holds.", http.StatusOK), t.channelFindAccount)
}

func (t *tenant) channelPost(ctx context.Context, in *channelList) (*channelOutcomes, error) {
	c, err := channelOf(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]bank.Posting, len(in.Body.Transfers))
	for i, asked := range in.Body.Transfers {
		list[i] = asked.posting()
	}
	posted, err := t.bank.Post(ctx, c, list)
	if err != nil {
		return nil, err
	}
	out := &channelOutcomes{}
	out.Body.Transfers = make([]channelOutcome, len(posted))
	refused := 0
	for i, p := range posted {
		o := channelOutcome{ID: list[i].ID, Outcome: "done", Repeated: p.Repeated, At: p.At, Reason: p.Reason}
		if p.Err != nil {
			o.Outcome, o.Problem = "refused", web.ProblemOf(ctx, p.Err)
			refused++
		}
		out.Body.Transfers[i] = o
	}
	observe.Add(ctx, slog.Int("transfers", len(posted)), slog.Int("refused", refused))
	return out, nil
}

func (t *tenant) channelOpenAccount(ctx context.Context, in *channelOpen) (*channelOpened, error) {
	c, err := channelOf(ctx)
	if err == nil {
		err = c.Needs(bank.MayOpen)
	}
	if err == nil && in.Body.Opening > 0 {
		err = c.Needs(bank.MayCash)
	}
	if err != nil {
		return nil, err
	}
	acc, repeated, err := t.bank.OpenOnce(ctx, bank.NewAccount{
		Place: in.Body.place(), HolderKana: in.Body.HolderKana, HolderName: in.Body.HolderName, BirthDate: in.Body.BirthDate,
		CardID: in.Body.Card, Phone: in.Body.Phone, Email: in.Body.Email, Opening: in.Body.Opening,
	})
	if err != nil {
		return nil, err
	}
	out := &channelOpened{Status: http.StatusCreated}
	out.Body.Account = string(acc.ID)
	if repeated {
		out.Status = http.StatusOK
		return out, nil
	}
	return out, t.noted(ctx, "channel/"+c.ID, "account.open", string(acc.ID))
}

func (t *tenant) channelFindAccount(ctx context.Context, in *channelFind) (*channelFound, error) {
	c, err := channelOf(ctx)
	if err == nil {
		err = c.Needs(bank.MayOpen)
	}
	if err != nil {
		return nil, err
	}
	place := bank.Place{Bank: id.Bank(t.bank.Profile.Code), Branch: in.Branch, Kind: bank.Kind(in.Kind), Number: in.Number}
	acc, err := t.bank.Store.AccountAt(ctx, place)
	if err != nil {
		return nil, err
	}
	books, err := t.bank.Books.Account(ctx, bank.Deposit(acc.ID))
	if err != nil {
		return nil, err
	}
	out := &channelFound{}
	out.Body.Account, out.Body.Balance, out.Body.Free = string(acc.ID), books.Balance, max(0, books.Free())
	out.Body.FrozenIn, out.Body.FrozenOut, out.Body.Closed = books.FrozenIn, books.FrozenOut, acc.Closed
	return out, nil
}
