package walletd

import (
	"embed"
	"io/fs"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// staticFiles are the wallet's own modules for browsers, beside those of every site.
//
//go:embed static
var staticFiles embed.FS

func staticFS() fs.FS {
	sub, err := fs.Sub(staticFiles, "static")
	if err != nil {
		panic(err) // the name is a constant and the folder embedded
	}
	return sub
}

// moneyRoutes are the addresses of the money half.
func (s *Server) moneyRoutes(mux *http.ServeMux, api huma.API) {
	handle := func(pattern string, h func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(pattern, s.site.Handle(h))
	}
	handle("GET /charge", s.signedIn(s.pageCharge))
	handle("POST /charge", s.signedIn(s.doCharge))
	handle("GET /charge/{debit}", s.signedIn(s.pageOneCharge))
	handle("POST /charge/{debit}/agree", s.signedIn(s.doAgree))
	handle("GET /pay", s.signedIn(s.pagePay))
	handle("POST /pay", s.signedIn(s.doPay))
	handle("POST /pay/new", s.signedIn(s.doPayAnew))
	handle("GET /pay/{payment}", s.signedIn(s.pagePayment))
	handle("GET /history", s.signedIn(s.pageHistory))

	handle("GET /till", s.pageTill)
	handle("POST /till", s.doTill)
	handle("POST /till/sign-in", s.doTillSignIn)
	handle("POST /till/sign-out", s.doTillSignOut)
	s.registerShopAPI(api)

	staff := func(pattern string, h func(http.ResponseWriter, *http.Request) error) {
		mux.Handle(pattern, s.inStaffSession(s.site.Handle(s.staff(RoleMoney, h))))
	}
	staff("GET /staff/money", s.pageBooks)
	staff("POST /staff/money/exchange", s.doExchange)
	staff("POST /staff/money/arrival", s.doArrival)
	staff("POST /staff/money/reverse", s.doReverse)
	staff("POST /staff/money/{break}/own", s.doOwnBreak)
	staff("POST /staff/money/{break}/close", s.doCloseBreak)
	s.registerMoneyStaffAPI(api)
}
