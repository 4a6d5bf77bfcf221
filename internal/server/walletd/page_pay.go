package walletd

import (
	"net/http"
	"strings"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/web"
)

// payPage shows a one-time code (M11), or the button that makes one. The code stands in the answers to its holder
// and nowhere else.
type payPage struct {
	Shown     bool
	QR, Bar   web.SVG
	Groups    string
	Payment   wallet.PaymentID
	Seconds   int
	Spendable money.Yen
	Available money.Yen
}

func (payPage) Template() string { return "pay.html" }

// pagePay shows the code that is good now, if there is one: a look makes none and burns none.
func (s *Server) pagePay(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	purse, err := s.wallet.PurseOf(r.Context(), h.Subject)
	if err != nil {
		return err
	}
	page := payPage{Spendable: purse.Spendable(), Available: purse.Available}
	code, row, err := s.wallet.LivePayCode(r.Context(), h.Subject)
	if err != nil && fault.Of(err) == fault.NotFound {
		s.site.Render(w, r, page)
		return nil
	}
	if err != nil {
		return err
	}
	lang := web.Lang(r)
	page.Shown, page.Groups, page.Payment = true, groups(code), row.Payment
	page.Seconds = int(row.ExpiresAt.Sub(s.wallet.Now()).Seconds())
	page.QR, err = web.QR(code, s.site.T(lang, "pay.qr"))
	if err != nil {
		return fault.New(fault.Internal, "walletd.pagePay", err)
	}
	page.Bar, err = web.Barcode(code, s.site.T(lang, "pay.bar"))
	if err != nil {
		return fault.New(fault.Internal, "walletd.pagePay", err)
	}
	s.site.Render(w, r, page)
	return nil
}

// doPay makes a code where none is good now: pressed twice, or on two pages, it voids none at the till.
func (s *Server) doPay(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	if _, _, err := s.wallet.ShowPayCode(r.Context(), h.Subject); err != nil {
		return err
	}
	http.Redirect(w, r, "/pay", http.StatusSeeOther)
	return nil
}

// doPayAnew makes another code, and burns the one before.
func (s *Server) doPayAnew(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	if _, _, err := s.wallet.MakePayCode(r.Context(), h.Subject); err != nil {
		return err
	}
	http.Redirect(w, r, "/pay", http.StatusSeeOther)
	return nil
}

// groups puts spaces between every four characters, as people read them out; a line breaks in the middle only.
func groups(code string) string {
	var b strings.Builder
	for i := 0; i < len(code); i += 4 {
		if i > 0 {
			b.WriteString([]string{" ", "\u00a0"}[i/4%2])
		}
		b.WriteString(code[i:min(i+4, len(code))])
	}
	return b.String()
}

// paymentPage shows a payer what came of a code.
type paymentPage struct {
	wallet.Presentation
	Shop    fault.Text
	Waiting bool
}

func (paymentPage) Template() string { return "payment.html" }

// Done says that the shop was paid.
func (p paymentPage) Done() bool { return p.Decided && p.Payment.State == wallet.PaymentDone }

func (s *Server) pagePayment(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	p, err := s.wallet.PresentationOf(r.Context(), h.Subject, wallet.PaymentID(r.PathValue("payment")))
	if err != nil {
		return err
	}
	s.site.Render(w, r, paymentPage{Presentation: p, Shop: s.wallet.Shop(p.Payment.Shop).Name, Waiting: !p.Over(s.wallet.Now())})
	return nil
}
