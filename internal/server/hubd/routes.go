package hubd

import (
	"embed"
	"io/fs"
	"net/http"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
)

//go:embed pages/*.html
var pageFiles embed.FS

// newSite is the look of the hub's pages.
func newSite(https bool, nav func(*http.Request) []web.Link, signOut func(*http.Request) string) (*web.Site, error) {
	pages, err := fs.Sub(pageFiles, "pages")
	if err != nil {
		return nil, err
	}
	return web.NewSite(web.Options{Theme: web.Hub, Name: fault.Text{JA: "口座守ハブ", EN: "Kozamori Hub"}, Pages: pages, Texts: texts,
		Nav: nav, SignOut: signOut, API: []string{"/v1/", "/token", "/jwks", "/.well-known/", "/openapi"}, HTTPS: https})
}

// routes is every address of the hub.
func (s *Server) routes() (err error) {
	if s.site, err = newSite(s.cfg.Server.HTTPS(), s.nav, s.signOut); err != nil {
		return err
	}
	api := http.NewServeMux()
	s.api(api)

	mux := http.NewServeMux()
	mux.Handle("POST /token", s.tokens)
	mux.Handle("GET /.well-known/oauth-authorization-server", wire.ServeMetadata(wire.HubMetadata(s.cfg.Issuer)))
	mux.Handle("/v1/", observe.Routed(s.guard.Require(api, scopeService, scopeBank)))
	mux.Handle("GET /openapi.json", api)
	mux.Handle("GET /openapi.yaml", api)
	mux.Handle("GET /reference", api)
	mux.Handle("GET /reference/", api)

	mux.HandleFunc("GET /{$}", s.site.Handle(s.pageHome))
	mux.HandleFunc("GET /staff/sign-in", s.site.Handle(s.pageSignIn))
	mux.HandleFunc("POST /staff/sign-in", s.site.Handle(s.pageSignIn))
	mux.HandleFunc("POST /staff/sign-out", s.site.Handle(s.doSignOut))
	mux.HandleFunc("GET /staff", s.site.Handle(s.staff(s.pageMatrix)))
	mux.HandleFunc("GET /staff/suspend", s.site.Handle(s.staff(s.pageSuspend)))
	mux.HandleFunc("POST /staff/suspend", s.site.Handle(s.staff(s.pageSuspend)))
	mux.HandleFunc("GET /staff/links", s.site.Handle(s.staff(s.pageLinks)))
	mux.HandleFunc("GET /staff/debits", s.site.Handle(s.staff(s.pageDebits)))
	mux.HandleFunc("GET /staff/acts", s.site.Handle(s.staff(s.pageActs)))

	s.handler = observe.Wide(s.site.Wrap(mux, s.sessions), observe.Wiring{Role: "hub", Log: s.env.Log, Metrics: s.metrics,
		OnError: s.site.Error})
	return nil
}
