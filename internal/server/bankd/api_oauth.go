package bankd

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
)

// par answers POST /par (RFC 9126). Only the hub may push.
func (t *tenant) par(w http.ResponseWriter, r *http.Request) {
	p, err := t.tokens.Clients.ReadPAR(w, r, string(t.bank.Profile.Issuer)+"/par")
	if err == nil && t.s.scopeOf(p.Client) != bank.ScopeParticipant {
		err = wire.RefuseOAuth("unauthorized_client", "not for this client", nil)
	}
	var uri string
	var life time.Duration
	if err == nil {
		uri, life, err = t.bank.Push(r.Context(), bank.Push{
			Client: p.Client, RedirectURI: p.RedirectURI, State: p.State, Challenge: p.Challenge, JKT: p.JKT,
			Details: p.Details, LinkRequest: p.LinkRequest, Identity: p.Identity,
		})
	}
	if err != nil {
		observe.Failed(r.Context(), err)
		wire.WriteOAuth(w, err)
		return
	}
	web.WriteJSON(w, http.StatusCreated, struct {
		RequestURI string `json:"request_uri"`
		ExpiresIn  int64  `json:"expires_in"`
	}{uri, int64(life / time.Second)})
}

// grantCode redeems an authorization code for the token of its link.
func (t *tenant) grantCode(ctx context.Context, g wire.GrantRequest) (wire.Granted, error) {
	for _, name := range []string{"code", "redirect_uri", "code_verifier"} {
		if g.Form.Get(name) == "" {
			return wire.Granted{}, wire.RefuseOAuth("invalid_request", name+" is missing", nil)
		}
	}
	tok, details, err := t.bank.Redeem(ctx, bank.Redeem{
		Client: g.Client, Code: g.Form.Get("code"), RedirectURI: g.Form.Get("redirect_uri"), Verifier: g.Form.Get("code_verifier"),
		JKT: g.JKT, TokenHash: g.TokenHash,
	})
	if errors.Is(err, bank.ErrGrant) {
		return wire.Granted{}, wire.RefuseOAuth("invalid_grant", "the code buys nothing", err)
	}
	if err != nil {
		return wire.Granted{}, err
	}
	return wire.Granted{Details: details, Token: wire.Token{
		Client: tok.Client, Scope: tok.Scope, JKT: tok.JKT, Link: tok.Link, Expires: tok.Until,
	}}, nil
}

// linkCookie carries a browser's secret at this bank; the database has its hash only.
const linkCookie = "__Host-link"

// authorize answers GET /authorize: the front channel, which carries nothing but a name for what was pushed.
// It is never answered with a redirect to the service: what is wrong here may be somebody's trick.
func (t *tenant) authorize(w http.ResponseWriter, r *http.Request) error {
	client, uri, err := wire.ParseFrontChannel(r.URL.RawQuery)
	if err != nil {
		return &fault.Error{Kind: fault.Invalid, Op: "bankd.authorize", Err: err, Public: fault.Text{
			JA: "このリンクは正しくありません。お使いのサービスの画面から、もう一度始めてください。",
			EN: "This link is not right. Please start again from the service's own page.",
		}}
	}
	cookie := browserSecret(r)
	if cookie == "" {
		cookie = wire.NewSecret()
	}
	req, err := t.bank.OpenRequest(r.Context(), client, uri, cookie)
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: linkCookie, Value: cookie, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/link/"+string(req.ID), http.StatusSeeOther)
	return nil
}

// browserSecret is the browser's secret, "" where it has none that we could have made.
func browserSecret(r *http.Request) string {
	c, err := r.Cookie(linkCookie)
	if err != nil || len(c.Value) != 43 {
		return ""
	}
	return c.Value
}
