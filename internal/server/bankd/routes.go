package bankd

import (
	"embed"
	"io/fs"
	"net/http"
	"strings"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
)

//go:embed pages/*.html
var pageFiles embed.FS

// newSite is the look of a bank's pages; each bank is Named from it.
func newSite(https bool) (*web.Site, error) {
	pages, err := fs.Sub(pageFiles, "pages")
	if err != nil {
		return nil, err
	}
	return web.NewSite(web.Options{Theme: web.Bank, Name: fault.Text{JA: "銀行", EN: "Bank"}, Pages: pages, Texts: texts(),
		Nav: portalNav, SignOut: portalSignOut,
		API: []string{"/v1/", "/par", "/token", "/jwks", "/.well-known/", "/openapi", "/gateway/", channelPrefix}, HTTPS: https})
}

// texts are the words of all pages.
func texts() web.Texts {
	all := web.Texts{}
	for _, part := range []web.Texts{linkTexts, portalTexts} {
		for k, v := range part {
			all[k] = v
		}
	}
	return all
}

// routes is every address of a bank.
func (t *tenant) routes() (http.Handler, error) {
	mux := http.NewServeMux()
	t.oauthRoutes(mux)
	t.linkRoutes(mux)
	t.portalRoutes(mux)

	api := http.NewServeMux()
	v1 := web.NewAPI(api, t.bank.Profile.Name.EN+" API", "1",
		"Links, debits and statements for the hub; cards and link windows for operators of ATMs; transfers for the bank's own systems.")
	t.linkAPI(v1)
	t.atmAPI(v1)
	t.moneyAPI(v1)
	t.gatewayAPI(v1)
	t.channelAPI(v1)
	web.Secure(v1, web.DPoP("/token", scopeOfPath), gatewayWay, channelWay)
	routed := observe.Routed(api) // inside of the guards, which copy the request
	mux.Handle("/v1/", t.guarded(routed))
	mux.Handle(channelPrefix, t.channelled(routed))
	for _, path := range []string{"GET /openapi.json", "GET /openapi.yaml", "GET /reference", "GET /reference/"} {
		mux.Handle(path, api)
	}
	return t.site.Wrap(mux, t.sessions), nil
}

// scopeOfPath is the scope that the operations of a path want; ok is false outside of what tokens open.
func scopeOfPath(path string) (scope string, ok bool) {
	switch {
	case !strings.HasPrefix(path, "/v1/"):
		return "", false
	case strings.HasPrefix(path, "/v1/atm/"):
		return bank.ScopeATM, true
	case path == "/v1/activations", path == "/v1/debits":
		return bank.ScopeLink, true
	}
	return bank.ScopeParticipant, true
}

// guarded lets each call through by the scope its path asks for.
func (t *tenant) guarded(api http.Handler) http.Handler {
	doors := map[string]http.Handler{}
	for _, scope := range []string{bank.ScopeATM, bank.ScopeLink, bank.ScopeParticipant} {
		doors[scope] = t.guard.Require(api, scope)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scope, _ := scopeOfPath(r.URL.Path)
		doors[scope].ServeHTTP(w, r)
	})
}

// oauthRoutes are the authorization server's own (RFC 8414, 9126, 6749).
func (t *tenant) oauthRoutes(mux *http.ServeMux) {
	issuer := string(t.bank.Profile.Issuer)
	mux.Handle("GET /.well-known/oauth-authorization-server", wire.ServeMetadata(wire.BankMetadata(issuer)))
	mux.Handle("GET /jwks", wire.ServeJWKS(func() wire.KeySet { return t.public }))
	mux.HandleFunc("POST /par", t.par)
	mux.Handle("POST /token", t.tokens)
	mux.HandleFunc("GET /authorize", t.site.Handle(t.authorize))
}

// linkRoutes are the pages of a link request.
func (t *tenant) linkRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /link/branches", t.site.Handle(t.branches))
	mux.HandleFunc("GET /link/{r}", t.site.Handle(t.inTurn(t.linkPage)))
	mux.HandleFunc("POST /link/{r}/account", t.site.Handle(t.inTurn(t.blind(t.enterAccount))))
	mux.HandleFunc("POST /link/{r}/code", t.site.Handle(t.inTurn(t.blind(t.askCode))))
	mux.HandleFunc("POST /link/{r}/code/check", t.site.Handle(t.inTurn(t.blind(t.checkCode))))
	mux.HandleFunc("POST /link/{r}/passkey", t.site.Handle(t.inTurn(t.blind(t.checkPasskey))))
	mux.HandleFunc("POST /link/{r}/atm", t.site.Handle(t.inTurn(t.blind(t.checkWindow))))
	mux.HandleFunc("POST /link/{r}/pin", t.site.Handle(t.inTurn(t.blind(t.checkPIN))))
	mux.HandleFunc("POST /link/{r}/consent", t.site.Handle(t.inTurn(t.consent)))
	mux.HandleFunc("POST /link/{r}/cancel", t.site.Handle(t.inTurn(t.cancel)))
	mux.HandleFunc("GET /link/{r}/method/{kind}", t.site.Handle(t.inTurn(t.methodPage)))
}
