package walletd

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/web"
)

// booksShown bounds the lists of the staff's page.
const booksShown = 200

// booksPage shows what is not settled between the service and its banks.
type booksPage struct {
	Breaks   []breakRow
	Closed   []breakRow
	Open     []openCharge
	Owing    []owingRow
	Exchange *web.Form
	Arrival  *web.Form
	Reverse  *web.Form
	Said     fault.Text // what the last action came to
	Me       string
}

func (booksPage) Template() string { return "books.html" }

// breakRow is a difference in words.
type breakRow struct {
	wallet.Break
	Words fault.Text
	Bank  fault.Text
}

var breakWords = map[wallet.BreakKind]fault.Text{
	wallet.BreakOnlyOurs:        {JA: "銀行側にない", EN: "the bank lacks it"},
	wallet.BreakOnlyTheirs:      {JA: "当社にない", EN: "we lack it"},
	wallet.BreakDiffers:         {JA: "内容が違う", EN: "it differs"},
	wallet.BreakContradiction:   {JA: "銀行の受領証が矛盾", EN: "the bank contradicts itself"},
	wallet.BreakReversalRefused: {JA: "銀行が返金を拒否", EN: "the bank refuses to give back"},
}

func breakRows(breaks []wallet.Break, names bankNames) []breakRow {
	rows := make([]breakRow, 0, len(breaks))
	for _, b := range breaks {
		rows = append(rows, breakRow{b, breakWords[b.Kind], names.of(b.Issuer)})
	}
	return rows
}

// openCharge is a charge without an end, with its state in words.
type openCharge struct {
	wallet.Charge
	Words fault.Text
	Tone  string
}

func (s *Server) pageBooks(w http.ResponseWriter, r *http.Request) error {
	page, err := s.books(r)
	if err != nil {
		return err
	}
	s.site.Render(w, r, page)
	return nil
}

func (s *Server) books(r *http.Request) (booksPage, error) {
	ctx := r.Context()
	names := s.bankNames(ctx)
	banks := s.bankOptions(names)
	page := booksPage{Me: s.staffName(r), Reverse: reverseForm(), Exchange: s.exchangeForm(banks), Arrival: arrivalForm(banks)}
	breaks, err := s.wallet.Store.Breaks(ctx, false, booksShown)
	if err != nil {
		return page, err
	}
	closed, err := s.wallet.Store.Breaks(ctx, true, booksShown)
	if err != nil {
		return page, err
	}
	page.Breaks, page.Closed = breakRows(breaks, names), breakRows(closed, names)
	open, err := s.wallet.Store.OpenCharges(ctx, booksShown)
	for _, c := range open {
		words, tone := chargeWords(c.State)
		if c.State == wallet.ChargeAsked {
			words = fault.Text{JA: "署名待ち", EN: "not signed yet"}
		}
		page.Open = append(page.Open, openCharge{c, words, tone})
	}
	if err == nil {
		page.Owing, err = s.owing(ctx, names)
	}
	return page, err
}

func reverseForm() *web.Form {
	return web.NewForm(
		web.Field{Name: "debit", Kind: web.TextField, Max: 60, Label: fault.Text{JA: "取引番号（deb_…）", EN: "Transaction (deb_…)"}},
		web.Field{Name: "why", Kind: web.TextField, Max: 300, Label: fault.Text{JA: "理由", EN: "Reason"}})
}

func (s *Server) exchangeForm(banks []web.Option) *web.Form {
	f := web.NewForm(
		web.Field{Name: "issuer", Kind: web.SelectField, Label: fault.Text{JA: "銀行", EN: "Bank"}, Options: banks},
		web.Field{Name: "day", Kind: web.DateField, Label: fault.Text{JA: "日", EN: "Day"}})
	f.Set("day", clock.Day(s.wallet.Now().Add(-24*time.Hour)))
	return f
}

// doExchange exchanges the statements of one bank and day now.
func (s *Server) doExchange(w http.ResponseWriter, r *http.Request) error {
	page, err := s.books(r)
	if err != nil {
		return err
	}
	if page.Exchange.Read(w, r) {
		issuer, day := page.Exchange.Value("issuer"), page.Exchange.Value("day")
		found, err := s.wallet.ExchangeStatement(r.Context(), id.Issuer(issuer), day)
		if err != nil {
			return err
		}
		if page, err = s.books(r); err != nil {
			return err
		}
		page.Said = fault.Text{
			JA: s.site.T("ja", "books.exchanged", day, len(found)), EN: s.site.T("en", "books.exchanged", day, len(found)),
		}
		s.site.Render(w, r, page)
		return nil
	}
	s.site.RenderStatus(w, r, http.StatusUnprocessableEntity, page)
	return nil
}

// doReverse starts to give a charge back.
func (s *Server) doReverse(w http.ResponseWriter, r *http.Request) error {
	page, err := s.books(r)
	if err != nil {
		return err
	}
	if page.Reverse.Read(w, r) {
		rev, err := s.reverse(r.Context(), s.staffName(r), page.Reverse.Value("debit"), page.Reverse.Value("why"))
		switch fault.Of(err) {
		case fault.NotFound, fault.Refused, fault.Conflict:
			page.Reverse.Fail("debit", fault.PublicOf(err))
		default:
			if err != nil {
				return err
			}
			if page, err = s.books(r); err != nil {
				return err
			}
			page.Said = fault.Text{JA: s.site.T("ja", "books.reversed", rev.ID), EN: s.site.T("en", "books.reversed", rev.ID)}
			s.site.Render(w, r, page)
			return nil
		}
	}
	s.site.RenderStatus(w, r, http.StatusUnprocessableEntity, page)
	return nil
}

// reverse writes who does what and why before it is done.
func (s *Server) reverse(ctx context.Context, by, debit, why string) (wallet.Reversal, error) {
	if err := s.auditMoney(ctx, by, "charge.reverse", debit, why); err != nil {
		return wallet.Reversal{}, err
	}
	return s.wallet.ReverseCharge(ctx, id.Debit(debit), by, why)
}

func (s *Server) auditMoney(ctx context.Context, by, action, subject, why string) error {
	if s.audit == nil {
		return nil
	}
	return s.audit.Write(ctx, observe.Entry{Actor: by, Action: action, Subject: subject, Outcome: "asked", Detail: map[string]string{"why": why}})
}

func (s *Server) doOwnBreak(w http.ResponseWriter, r *http.Request) error {
	brk, me := r.PathValue("break"), s.staffName(r)
	if err := s.auditMoney(r.Context(), me, "break.own", brk, ""); err != nil {
		return err
	}
	if err := s.wallet.OwnBreak(r.Context(), brk, me); err != nil {
		return err
	}
	http.Redirect(w, r, "/staff/money", http.StatusSeeOther)
	return nil
}

func (s *Server) doCloseBreak(w http.ResponseWriter, r *http.Request) error {
	form := web.NewForm(web.Field{Name: "note", Kind: web.TextField, Max: 300, Optional: true, Label: fault.Text{JA: "理由", EN: "Reason"}})
	form.Read(w, r)
	brk, me := r.PathValue("break"), s.staffName(r)
	if err := s.auditMoney(r.Context(), me, "break.close", brk, form.Value("note")); err != nil {
		return err
	}
	if err := s.wallet.CloseBreak(r.Context(), brk, me, form.Value("note")); err != nil {
		return err
	}
	http.Redirect(w, r, "/staff/money", http.StatusSeeOther)
	return nil
}

type reverseInput struct {
	Authorization string `header:"Authorization" hidden:"true"` // described as security
	Body          struct {
		Debit string `json:"debit" doc:"The charge to give back."`
		Why   string `json:"why" minLength:"1" maxLength:"300" doc:"The reason, kept with the reversal."`
	}
}

type reverseOutput struct {
	Body struct {
		Reversal string `json:"reversal"`
		Debit    string `json:"debit"`
	}
}

type exchangeInput struct {
	Authorization string `header:"Authorization" hidden:"true"` // described as security
	Body          struct {
		Day    string `json:"day" format:"date" doc:"The Japanese date of the bank's booked time."`
		Issuer string `json:"issuer,omitempty" doc:"One bank; without it every bank that was charged."`
	}
}

type exchangeOutput struct {
	Body struct {
		Exchanged []exchangedBody `json:"exchanged"`
	}
}

type exchangedBody struct {
	Issuer      string      `json:"issuer"`
	Provisional bool        `json:"provisional" doc:"The day is not over."`
	Breaks      []breakBody `json:"breaks" doc:"At most the first 1000; all are kept."`
}

type breakBody struct {
	Debit  string `json:"debit"`
	Line   string `json:"line"`
	Kind   string `json:"kind"`
	Ours   string `json:"ours"`
	Theirs string `json:"theirs"`
}

// registerMoneyStaffAPI is what staff's programs may ask about money.
func (s *Server) registerMoneyStaffAPI(api huma.API) {
	web.Register(api, huma.Operation{
		OperationID: "reverse-charge", Method: http.MethodPost, Path: "/staff/v1/reversals", Tags: []string{"Staff"},
		Summary: "Give a done charge back to the bank account", DefaultStatus: http.StatusAccepted,
		Description: "For the role money. Whole, once; the answer is that the reversal is under way. The bank's signed receipt ends it.",
	}, func(ctx context.Context, in *reverseInput) (*reverseOutput, error) {
		who, err := s.staffOf(ctx, in.Authorization, RoleMoney)
		if err != nil {
			return nil, err
		}
		rev, err := s.reverse(ctx, who.Name, in.Body.Debit, in.Body.Why)
		if err != nil {
			return nil, err
		}
		out := &reverseOutput{}
		out.Body.Reversal, out.Body.Debit = rev.ID, in.Body.Debit
		return out, nil
	})
	web.Register(api, huma.Operation{
		OperationID: "exchange-statements", Method: http.MethodPost, Path: "/staff/v1/statements", Tags: []string{"Staff"},
		Summary:     "Exchange and compare the signed statements of a day",
		Description: "For the role money. With one bank, or with all that were charged; of today the answer is provisional. Differences become breaks with an owner.",
	}, s.apiExchange)
	s.registerSettlementAPI(api)
}

func (s *Server) apiExchange(ctx context.Context, in *exchangeInput) (*exchangeOutput, error) {
	if _, err := s.staffOf(ctx, in.Authorization, RoleMoney); err != nil {
		return nil, err
	}
	issuers := []id.Issuer{id.Issuer(in.Body.Issuer)}
	if in.Body.Issuer == "" {
		banks, err := s.wallet.Store.BanksCharged(ctx)
		if err != nil {
			return nil, err
		}
		issuers = issuers[:0]
		for issuer := range banks {
			issuers = append(issuers, issuer)
		}
		slices.Sort(issuers)
	}
	out := &exchangeOutput{}
	out.Body.Exchanged = []exchangedBody{}
	for _, issuer := range issuers {
		breaks, err := s.wallet.ExchangeStatement(ctx, issuer, in.Body.Day)
		if err != nil {
			return nil, err
		}
		page, err := s.wallet.Store.StatementPage(ctx, issuer, in.Body.Day, 0)
		if err != nil {
			return nil, err
		}
		e := exchangedBody{Issuer: string(issuer), Provisional: page.Provisional, Breaks: []breakBody{}}
		for _, b := range breaks {
			e.Breaks = append(e.Breaks, breakBody{string(b.Debit), b.Line, string(b.Kind), b.Ours, b.Theirs})
		}
		out.Body.Exchanged = append(out.Body.Exchanged, e)
	}
	return out, nil
}
