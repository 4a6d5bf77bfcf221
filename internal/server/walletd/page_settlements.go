package walletd

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/web"
)

// settlementsShown bounds what is listed of one bank.
const settlementsShown = 30

// owingRow is how the service stands with one bank, in words.
type owingRow struct {
	wallet.Owing
	Bank        fault.Text
	Settlements []settlementRow
	NotAgreed   []notAgreedRow
	Tight       bool // less than a fifth of the cap is left
}

// settlementRow is a settled day in words.
type settlementRow struct {
	wallet.Settlement
	Net   money.Yen
	Words fault.Text
	Tone  string
}

// notAgreedRow is a day that is over and not settled.
type notAgreedRow struct {
	Day          string
	Ours, Theirs money.Yen
}

// owing lists the banks with which there is something to settle, or was.
func (s *Server) owing(ctx context.Context, names bankNames) ([]owingRow, error) {
	charged, err := s.wallet.Store.BanksCharged(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range s.cfg.Banks {
		charged[id.Issuer(b.Issuer)] = ""
	}
	var rows []owingRow
	for issuer := range charged {
		o, err := s.wallet.OwingOf(ctx, issuer, settlementsShown)
		if err != nil {
			return nil, err
		}
		if o.Owed == 0 && o.MayCome == 0 && len(o.Settlements)+len(o.NotAgreed) == 0 {
			continue
		}
		row := owingRow{Owing: o, Bank: names.of(issuer), Tight: o.Room() < o.Cap/5}
		for _, v := range o.Settlements {
			row.Settlements = append(row.Settlements, settlementRowOf(v))
		}
		for _, d := range o.NotAgreed {
			row.NotAgreed = append(row.NotAgreed, notAgreedRow{d.Day, d.Ours.Net(), d.Theirs.Net()})
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b owingRow) int { return cmp.Or(cmp.Compare(b.Owed, a.Owed), cmp.Compare(a.Bank.JA, b.Bank.JA)) })
	return rows, nil
}

func settlementRowOf(v wallet.Settlement) settlementRow {
	row := settlementRow{Settlement: v, Net: v.Total.Net(), Tone: "good", Words: fault.Text{JA: "入金済み", EN: "arrived"}}
	switch arrived := v.State() == wallet.SettlementArrived; {
	case arrived && v.ToBank():
		row.Words = fault.Text{JA: "支払済み", EN: "paid"}
	case !arrived && v.ToBank():
		row.Tone, row.Words = "warn", fault.Text{JA: "銀行へ支払う", EN: "to be paid to the bank"}
	case !arrived:
		row.Tone, row.Words = "warn", fault.Text{JA: "入金待ち", EN: "on its way"}
	}
	return row
}

func arrivalForm(banks []web.Option) *web.Form {
	return web.NewForm(
		web.Field{Name: "bank", Kind: web.SelectField, Label: fault.Text{JA: "銀行", EN: "Bank"}, Options: banks},
		web.Field{Name: "settled", Kind: web.DateField, Label: fault.Text{JA: "精算された日", EN: "Settled day"}},
		web.Field{Name: "amount", Kind: web.AmountField, Label: fault.Text{JA: "動いた金額", EN: "Amount that moved"}})
}

// doArrival records money that a member of staff has seen.
func (s *Server) doArrival(w http.ResponseWriter, r *http.Request) error {
	page, err := s.books(r)
	if err != nil {
		return err
	}
	if page.Arrival.Read(w, r) {
		day := page.Arrival.Value("settled")
		v, err := s.arrived(r.Context(), s.staffName(r), id.Issuer(page.Arrival.Value("bank")), day, page.Arrival.Yen("amount"))
		switch fault.Of(err) {
		case fault.NotFound, fault.Conflict:
			page.Arrival.Fail("settled", fault.PublicOf(err))
		case fault.Refused:
			page.Arrival.Fail("amount", fault.PublicOf(err))
		default:
			if err != nil {
				return err
			}
			if page, err = s.books(r); err != nil {
				return err
			}
			page.Said = fault.Text{JA: s.site.T("ja", "books.arrived", day, v.Amount().Digits()), EN: s.site.T("en", "books.arrived", day, v.Amount().Digits())}
			s.site.Render(w, r, page)
			return nil
		}
	}
	s.site.RenderStatus(w, r, http.StatusUnprocessableEntity, page)
	return nil
}

// arrived writes who has seen how much before it is booked.
func (s *Server) arrived(ctx context.Context, by string, issuer id.Issuer, day string, amount money.Yen) (wallet.Settlement, error) {
	if err := s.auditMoney(ctx, by, "settlement.arrived", string(issuer)+" "+day, amount.Digits()); err != nil {
		return wallet.Settlement{}, err
	}
	return s.wallet.RecordArrival(ctx, issuer, day, amount, by)
}
