package walletd

import "github.com/kozamori/kozamori/internal/web"

// moneyPages are the pages of the money half, for the check of all templates.
func moneyPages() []web.Page {
	return []web.Page{
		booksPage{}, chargePage{Form: web.NewForm()}, confirmPage{}, chargeStatePage{}, historyPage{}, payPage{}, paymentPage{},
		tillPage{Form: web.NewForm()}, tillSignInPage{Form: web.NewForm()},
	}
}
