package walletd

import (
	"embed"
	"io/fs"
	"maps"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/web"
)

//go:embed pages/*.html
var pageFiles embed.FS

// newSite is the look of a wallet's pages.
func newSite(c Config, nav func(*http.Request) []web.Link, signOut func(*http.Request) string) (*web.Site, error) {
	pages, err := fs.Sub(pageFiles, "pages")
	if err != nil {
		return nil, err
	}
	words := maps.Clone(peopleTexts)
	maps.Copy(words, moneyTexts)
	return web.NewSite(web.Options{Theme: web.Wallet, Name: fault.Text{JA: c.Service.NameJA, EN: c.Service.NameEN},
		Accent: c.Service.Accent, Pages: pages, Texts: words, Static: staticFS(), Nav: nav, SignOut: signOut,
		API: []string{"/v1/", "/staff/v1/", "/openapi", "/reference"}, HTTPS: c.Server.HTTPS()})
}

// routes is every address of the wallet.
func (s *Server) routes() (err error) {
	if s.site, err = newSite(s.cfg, s.nav, s.signOutURL); err != nil {
		return err
	}
	bare, err := newSite(s.cfg, nil, nil) // for errors outside any session
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	api := web.NewAPI(mux, s.cfg.Service.NameEN, "1", "What shops and staff may ask of this payment service.")
	s.peopleRoutes(mux)
	s.linkRoutes(mux)
	s.staffRoutes(mux, api)
	s.moneyRoutes(mux, api)
	web.Secure(api, shopWay, staffWay)
	s.handler = observe.Wide(s.withSource(s.site.Wrap(mux, s.sessions)), observe.Wiring{Role: "wallet", Log: s.env.Log, Metrics: s.metrics,
		OnError: bare.Error})
	return nil
}

// How programs prove whose they are.
var (
	shopWay = web.Way{Name: "shop", Scheme: huma.SecurityScheme{Type: "http", Scheme: "bearer",
		Description: "`Authorization: Bearer KEY`: the API key of a shop, of which the service keeps the hash."},
		For: func(path string) ([]string, bool) { return nil, strings.HasPrefix(path, "/v1/") }}
	staffWay = web.Way{Name: "staff", Scheme: huma.SecurityScheme{Type: "http", Scheme: "basic",
		Description: "`Authorization: Basic …`: the name and password of a member of staff, as on the staff's pages. The operation says which role."},
		For: func(path string) ([]string, bool) { return nil, strings.HasPrefix(path, "/staff/") }}
)

func (s *Server) peopleRoutes(mux *http.ServeMux) {
	handle := func(pattern string, h func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(pattern, s.site.Handle(h))
	}
	handle("GET /{$}", s.pageHome)
	handle("GET /signup", s.pageStart(wallet.SignUp))
	handle("POST /signup", s.pageStart(wallet.SignUp))
	handle("GET /recover", s.pageStart(wallet.Recover))
	handle("POST /recover", s.pageStart(wallet.Recover))
	handle("GET /steps", s.pageSteps)
	handle("POST /steps/code", s.doCode)
	handle("POST /steps/again", s.doAgain)
	handle("POST /steps/phone", s.doPhone)
	handle("POST /steps/device", s.doDevice)
	handle("GET /signin", s.pageSignIn)
	handle("POST /signin", s.doSignIn)
	handle("POST /signout", s.doSignOut)
	handle("GET /account", s.signedIn(s.pageAccount))
	handle("GET /account/email", s.fresh(s.pageChange(wallet.Email)))
	handle("POST /account/email", s.fresh(s.pageChange(wallet.Email)))
	handle("GET /account/phone", s.fresh(s.pageChange(wallet.Phone)))
	handle("POST /account/phone", s.fresh(s.pageChange(wallet.Phone)))
	handle("GET /account/device", s.fresh(s.pageReplace))
	handle("POST /account/device", s.fresh(s.doReplace))
}

func (s *Server) linkRoutes(mux *http.ServeMux) {
	handle := func(pattern string, h func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(pattern, s.site.Handle(h))
	}
	handle("GET /links", s.signedIn(s.pageLinks))
	handle("GET /links/new", s.signedIn(s.pageChoose))
	handle("GET /links/banks", s.signedIn(s.listBanks))
	handle("GET /links/new/{bank}", s.signedIn(s.pageReview))
	handle("POST /links/new/{bank}", s.signedIn(s.doAsk))
	handle("GET /link/return", s.pageReturn)
	handle("GET /links/requests/{request}", s.signedIn(s.pageAsk))
	handle("GET /links/{link}", s.signedIn(s.pageLink))
	handle("POST /links/{link}", s.signedIn(s.doEnd))
}

func (s *Server) staffRoutes(mux *http.ServeMux, api huma.API) {
	handle := func(pattern string, h func(http.ResponseWriter, *http.Request) error) {
		mux.Handle(pattern, s.inStaffSession(s.site.Handle(h)))
	}
	handle("GET /staff", s.staff(RoleIdentity, s.pageStaff))
	handle("GET /staff/sign-in", s.pageStaffSignIn)
	handle("POST /staff/sign-in", s.pageStaffSignIn)
	handle("POST /staff/sign-out", s.doStaffSignOut)
	handle("GET /staff/holders/{subject}", s.staff(RoleIdentity, s.pageProve))
	handle("POST /staff/holders/{subject}", s.staff(RoleIdentity, s.pageProve))
	s.staffAPI(api)
}

// nav is the navigation of whoever is signed in; the staff's pages have their own.
func (s *Server) nav(r *http.Request) []web.Link {
	if strings.HasPrefix(r.URL.Path, "/staff") {
		return s.staffNav(r)
	}
	if s.sessions.GetString(r.Context(), keySubject) == "" {
		return nil
	}
	return []web.Link{
		{URL: "/", Text: fault.Text{JA: "ホーム", EN: "Home"}, Icon: "home"},
		{URL: "/pay", Text: fault.Text{JA: "支払う", EN: "Pay"}, Icon: "qr"},
		{URL: "/charge", Text: fault.Text{JA: "チャージ", EN: "Charge"}, Icon: "plus"},
		{URL: "/links", Text: fault.Text{JA: "銀行口座", EN: "Banks"}, Icon: "bank", Current: strings.HasPrefix(r.URL.Path, "/links")},
		{URL: "/account", Text: fault.Text{JA: "登録情報", EN: "Account"}, Icon: "person", Current: strings.HasPrefix(r.URL.Path, "/account")},
	}
}

func (s *Server) signOutURL(r *http.Request) string {
	switch {
	case strings.HasPrefix(r.URL.Path, "/staff"):
		if s.staffName(r) != "" {
			return "/staff/sign-out"
		}
	case s.sessions.GetString(r.Context(), keySubject) != "":
		return "/signout"
	}
	return ""
}
