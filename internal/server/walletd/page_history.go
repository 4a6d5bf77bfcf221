package walletd

import (
	"net/http"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wallet"
)

// historyLines is how many lines a page of a history has.
const historyLines = 20

// historyPage lists a holder's charges and payments, newest first.
type historyPage struct {
	Lines []historyLine
	Next  string // cursor of the next page, "" at the end
	First bool
}

func (historyPage) Template() string { return "history.html" }

// historyLine is a charge or a payment with its state in words.
type historyLine struct {
	wallet.Entry
	URL   string
	Party fault.Text
	Words fault.Text
	Tone  string // of the badge: "good", "warn", "bad", "" for none
}

// In says that the line brought money.
func (l historyLine) In() bool { return l.Kind == wallet.EntryCharge }

func (s *Server) pageHistory(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	at, err := wallet.ParseCursor(r.URL.Query().Get("before"))
	if err != nil {
		return err
	}
	entries, next, err := s.wallet.HistoryOf(r.Context(), h.Subject, at, historyLines)
	if err != nil {
		return err
	}
	page := historyPage{Next: next.String(), First: at == wallet.Cursor{}}
	for _, e := range entries {
		page.Lines = append(page.Lines, s.historyLine(e))
	}
	s.site.Render(w, r, page)
	return nil
}

func (s *Server) historyLine(e wallet.Entry) historyLine {
	l := historyLine{Entry: e}
	if e.Kind == wallet.EntryPayment {
		l.URL, l.Party = "/pay/"+e.ID, s.wallet.Shop(e.Shop).Name
		l.Words, l.Tone = paymentWords(wallet.PaymentState(e.State))
		return l
	}
	l.URL, l.Party = "/charge/"+e.ID, e.Bank
	l.Words, l.Tone = chargeWords(wallet.ChargeState(e.State))
	return l
}

// chargeWords is a charge's state on a badge.
func chargeWords(state wallet.ChargeState) (fault.Text, string) {
	switch state {
	case wallet.ChargeDone:
		return fault.Text{JA: "完了", EN: "done"}, "good"
	case wallet.ChargeRefused, wallet.ChargeNever:
		return fault.Text{JA: "不成立", EN: "not made"}, "bad"
	case wallet.ChargePending:
		return fault.Text{JA: "名義人の確認待ち", EN: "waits for the depositor"}, "warn"
	case wallet.ChargeReversing:
		return fault.Text{JA: "返金中", EN: "being given back"}, "warn"
	case wallet.ChargeReversed:
		return fault.Text{JA: "返金済み", EN: "given back"}, ""
	default:
		return fault.Text{JA: "銀行に確認中", EN: "asking the bank"}, "warn"
	}
}

func paymentWords(state wallet.PaymentState) (fault.Text, string) {
	if state == wallet.PaymentDone {
		return fault.Text{JA: "支払い済み", EN: "paid"}, "good"
	}
	return fault.Text{JA: "不成立", EN: "not made"}, "bad"
}
