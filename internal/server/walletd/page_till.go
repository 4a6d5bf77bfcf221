package walletd

import (
	"net/http"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/web"
)

// tillKey is the session's entry of the shop whose till this browser is.
const tillKey = "till"

// tillSignInPage asks for a shop's key.
type tillSignInPage struct{ Form *web.Form }

func (tillSignInPage) Template() string { return "till_sign_in.html" }

// tillPage is a sample till: amount, code, and what came of the last payment.
type tillPage struct {
	Shop wallet.Shop
	Form *web.Form
	Last *tillResult
}

func (tillPage) Template() string { return "till.html" }

// tillResult is what a cashier reads.
type tillResult struct {
	Done   bool
	Amount money.Yen
	Text   fault.Text
	Rule   string
}

func (s *Server) pageTill(w http.ResponseWriter, r *http.Request) error {
	shop, ok := s.tillShop(r)
	if !ok {
		s.site.Render(w, r, tillSignInPage{tillSignInForm()})
		return nil
	}
	page := tillPage{Shop: shop, Form: tillForm()}
	if p := r.URL.Query().Get("last"); p != "" {
		last, err := s.wallet.PaymentOf(r.Context(), shop, wallet.PaymentID(p))
		if err != nil {
			return err
		}
		page.Last = &tillResult{last.State == wallet.PaymentDone, last.Amount, last.Text(), last.Rule()}
	}
	web.AllowCamera(w)
	s.site.Render(w, r, page)
	return nil
}

func tillSignInForm() *web.Form {
	return web.NewForm(web.Field{Name: "key", Kind: web.PasswordField, Max: 200,
		Label: fault.Text{JA: "店舗のAPIキー", EN: "The shop's API key"}, Autocomplete: "current-password"})
}

// tillForm carries a new idempotency key: sending it twice pays once.
func tillForm() *web.Form {
	f := web.NewForm(
		web.Field{Name: "amount", Kind: web.AmountField, Label: fault.Text{JA: "金額", EN: "Amount"}, Max: 12},
		web.Field{Name: "code", Kind: web.TextField, Max: 60, Label: fault.Text{JA: "お客様の支払いコード", EN: "The customer's code"},
			Hint: fault.Text{JA: "バーコードを読み取るか、16文字を入力します。", EN: "Scan the bar code, or type the 16 characters."}},
		web.Field{Name: "order", Kind: web.TextField, Max: 40, Optional: true, Label: fault.Text{JA: "伝票番号", EN: "Order number"}},
		web.Field{Name: "key", Kind: web.HiddenField})
	f.Set("key", id.Random("till"))
	return f
}

// tillShop is the shop this browser is signed in as, if its key still stands.
func (s *Server) tillShop(r *http.Request) (wallet.Shop, bool) {
	hash := s.sessions.GetString(r.Context(), tillKey)
	for _, shop := range s.wallet.Money.Shops {
		if hash != "" && shop.KeyHash == hash {
			observe.Party(r.Context(), "shop/"+string(shop.ID))
			return shop, true
		}
	}
	return wallet.Shop{}, false
}

func (s *Server) doTillSignIn(w http.ResponseWriter, r *http.Request) error {
	form := tillSignInForm()
	if form.Read(w, r) {
		if !s.limits.till.Allow(web.Source(r, s.cfg.Server.BehindProxy)) {
			return fault.New(fault.Busy, "walletd.doTillSignIn", nil)
		}
		if shop, ok := s.wallet.ShopWithKey(form.Value("key")); ok {
			if err := s.sessions.RenewToken(r.Context()); err != nil {
				return fault.New(fault.Unavailable, "walletd.doTillSignIn", err)
			}
			s.sessions.Put(r.Context(), tillKey, shop.KeyHash)
			http.Redirect(w, r, "/till", http.StatusSeeOther)
			return nil
		}
		form.Problem = fault.Text{JA: "APIキーが正しくありません。", EN: "The API key is not known."}
	}
	s.site.RenderStatus(w, r, http.StatusUnprocessableEntity, tillSignInPage{form})
	return nil
}

func (s *Server) doTillSignOut(w http.ResponseWriter, r *http.Request) error {
	s.sessions.Remove(r.Context(), tillKey)
	http.Redirect(w, r, "/till", http.StatusSeeOther)
	return nil
}

// doTill takes a payment as the shops' API would.
func (s *Server) doTill(w http.ResponseWriter, r *http.Request) error {
	shop, ok := s.tillShop(r)
	if !ok {
		http.Redirect(w, r, "/till", http.StatusSeeOther)
		return nil
	}
	page := tillPage{Shop: shop, Form: tillForm()}
	if page.Form.Read(w, r) {
		p, _, err := s.wallet.Pay(r.Context(), shop, page.Form.Value("key"), wallet.Presented{
			Code: page.Form.Value("code"), Amount: page.Form.Yen("amount"), Terminal: "web", Order: page.Form.Value("order"),
		})
		switch fault.Of(err) {
		case fault.Gone, fault.Invalid:
			page.Form.Set("code", "")
			page.Form.Set("key", id.Random("till"))
			page.Last = &tillResult{Text: fault.PublicOf(err), Rule: fault.RuleOf(err), Amount: page.Form.Yen("amount")}
		default:
			if err != nil {
				return err
			}
			http.Redirect(w, r, "/till?last="+string(p.ID), http.StatusSeeOther)
			return nil
		}
	}
	web.AllowCamera(w)
	s.site.RenderStatus(w, r, http.StatusUnprocessableEntity, page)
	return nil
}
