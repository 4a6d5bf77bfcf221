package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
)

// algs is what a challenge offers (RFC 9449, section 7.1).
const algs = ES256 + " " + PS256 + " " + EdDSA + " Ed25519"

// Guard protects a role's API: DPoP-bound tokens of its own TokenServer, looked up at every call.
type Guard struct {
	Base   string // scheme, host and port as clients see them, without a slash at the end
	Tokens TokenStore
	Replay Replay
	Now    clock.Now

	Refused func(ctx context.Context, err error) // notes a refusal on the log line; may be nil
}

// Caller is who makes an API call, as her token says.
type Caller = Token

type callerKey struct{}

// CallerOf gives the caller that Require let through.
func CallerOf(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

// Require lets a request through that Authenticate takes and whose token has one of the scopes; CallerOf finds
// the caller. Everybody else gets a 401 or 403 with WWW-Authenticate.
func (g Guard) Require(next http.Handler, scopes ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, err := g.Authenticate(r)
		if err == nil && !slices.Contains(scopes, caller.Scope) {
			err = &OAuthError{Status: http.StatusForbidden, Code: "insufficient_scope", Description: "the token is for something else"}
		}
		if err != nil {
			if g.Refused != nil {
				g.Refused(r.Context(), err)
			}
			WriteChallenge(w, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
	})
}

// Authenticate checks the access token and the DPoP proof of an API call. Refusals are *OAuthError for
// WriteChallenge; a failing store is fault.Unavailable.
func (g Guard) Authenticate(r *http.Request) (Caller, error) {
	text, err := presented(r.Header)
	if err != nil {
		return Caller{}, err
	}
	t, err := g.Tokens.TokenByHash(r.Context(), Hash(text))
	if err != nil && fault.Of(err) != fault.NotFound {
		return Caller{}, fault.New(fault.Unavailable, "wire.Guard", err)
	}
	now := g.Now()
	if err != nil || !now.Before(t.Expires) || t.JKT == "" {
		return Caller{}, &OAuthError{Status: http.StatusUnauthorized, Code: "invalid_token", Description: "unknown, expired or revoked"}
	}
	_, err = VerifyProof(r.Context(), r.Header, ProofExpect{Method: r.Method, URL: g.Base + r.URL.EscapedPath(),
		Token: text, JKT: t.JKT, Now: now, Replay: g.Replay})
	if e, ok := errors.AsType[*OAuthError](err); ok {
		e.Status = http.StatusUnauthorized // at a resource it is 401, at the token endpoint 400
	}
	return t, err
}

// presented finds the token of a request: exactly one Authorization header, scheme DPoP.
func presented(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return "", &OAuthError{Status: http.StatusUnauthorized, Description: "an access token is needed"}
	}
	scheme, text, ok := strings.Cut(values[0], " ")
	if len(values) != 1 || !ok || !strings.EqualFold(scheme, "DPoP") || !token(text, 512) {
		return "", &OAuthError{Status: http.StatusUnauthorized, Code: "invalid_token", Description: "one DPoP-bound token is needed"}
	}
	return text, nil
}

// WriteChallenge answers an API call that was not let in: RFC 9449 section 7.1 for programs, problem+json for
// people.
func WriteChallenge(w http.ResponseWriter, err error) {
	e := asOAuth(err)
	kind := fault.Unauthorised
	switch e.Status {
	case http.StatusForbidden:
		kind = fault.Forbidden
	case http.StatusServiceUnavailable:
		kind = fault.Unavailable
	case http.StatusInternalServerError:
		kind = fault.Internal
	}
	if kind == fault.Unauthorised || kind == fault.Forbidden {
		challenge := "DPoP "
		if e.Code != "" {
			challenge += fmt.Sprintf("error=%q, error_description=%q, ", e.Code, e.Description)
		}
		w.Header().Set("WWW-Authenticate", challenge+fmt.Sprintf("algs=%q", algs))
	}
	words := fault.PublicOf(fault.New(kind, "wire.Guard", nil))
	if kind == fault.Unauthorised {
		words = fault.Text{JA: "アクセストークンが必要です。", EN: "An access token is needed."}
	}
	title := e.Code
	if title == "" {
		title = http.StatusText(e.Status)
	}
	if e.Description != "" {
		words.EN = e.Description
	}
	body, err := json.Marshal(map[string]any{"type": "about:blank", "title": title, "status": e.Status,
		"detail": words.EN, "detail_ja": words.JA, "kind": kind.String()})
	if err != nil {
		panic("wire: a problem of strings does not encode: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(e.Status)
	_, _ = w.Write(body)
}
