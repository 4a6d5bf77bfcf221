package wire

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
)

const clientTokenLife = 10 * time.Minute

// Token is what a role knows of an access token it gave out. The token itself is never stored, only its Hash.
type Token struct {
	Client  string
	Scope   string
	JKT     string  // thumbprint of the DPoP key it is bound to
	Link    id.Link // of a link token; "" else
	Expires time.Time
}

// TokenStore keeps tokens by the Hash of their text.
type TokenStore interface {
	SaveToken(ctx context.Context, hash string, t Token) error
	// TokenByHash answers fault.NotFound for an unknown or revoked token.
	TokenByHash(ctx context.Context, hash string) (Token, error)
}

// GrantRequest is a token request whose client and DPoP proof stand.
type GrantRequest struct {
	Client    string
	JKT       string // what the token must be bound to
	Form      url.Values
	TokenHash string // save the token under this, in the commit that uses up the grant
}

// Granted is a grant's answer: the token as saved, and the authorization_details consented to (RFC 9396, 7).
type Granted struct {
	Token   Token
	Details string // JSON; "" for none
}

// GrantFunc redeems one grant_type. It saves the token itself, so that a grant used twice in parallel cannot
// leave a token behind. It refuses with RefuseOAuth("invalid_grant", …).
type GrantFunc func(ctx context.Context, g GrantRequest) (Granted, error)

// TokenServer is a role's token endpoint: private_key_jwt, DPoP-bound opaque tokens, nothing else.
type TokenServer struct {
	Clients Clients
	URL     string // of this endpoint, as clients see it
	Store   TokenStore

	// ScopeOf names the one scope a client gets by client_credentials; "" where it may not.
	ScopeOf func(client string) string
	Grants  map[string]GrantFunc // further grant types: "authorization_code" at a bank

	Refused func(ctx context.Context, err error) // notes a refusal on the log line; may be nil
}

// ServeHTTP answers POST /token.
func (s *TokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := s.grant(w, r)
	if err != nil {
		if s.Refused != nil {
			s.Refused(r.Context(), err)
		}
		WriteOAuth(w, err)
		return
	}
	writeJSON(w, http.StatusOK, body)
}

// tokenAnswer is the body of RFC 6749, section 5.1.
type tokenAnswer struct {
	AccessToken string          `json:"access_token"`
	TokenType   string          `json:"token_type"`
	ExpiresIn   int64           `json:"expires_in"`
	Scope       string          `json:"scope"`
	Details     json.RawMessage `json:"authorization_details,omitempty"`
}

func (s *TokenServer) grant(w http.ResponseWriter, r *http.Request) (tokenAnswer, error) {
	form, err := ReadForm(w, r)
	if err != nil {
		return tokenAnswer{}, err
	}
	client, err := s.Clients.Authenticate(r.Context(), form)
	if err != nil {
		return tokenAnswer{}, err
	}
	now := s.Clients.Now()
	jkt, err := VerifyProof(r.Context(), r.Header, ProofExpect{Method: r.Method, URL: s.URL, Now: now, Replay: s.Clients.Replay})
	if err != nil {
		return tokenAnswer{}, err
	}
	redeem := s.Grants[form.Get("grant_type")]
	if form.Get("grant_type") == "client_credentials" {
		redeem = s.clientCredentials
	}
	if redeem == nil {
		return tokenAnswer{}, RefuseOAuth("unsupported_grant_type", "not a grant of this server", nil)
	}
	text := NewSecret()
	g, err := redeem(r.Context(), GrantRequest{Client: client, JKT: jkt, Form: form, TokenHash: Hash(text)})
	if err != nil {
		return tokenAnswer{}, err
	}
	if g.Token.JKT != jkt || g.Token.Client != client {
		return tokenAnswer{}, fault.New(fault.Internal, "wire.TokenServer", errors.New("a grant bound its token elsewhere"))
	}
	return tokenAnswer{AccessToken: text, TokenType: "DPoP", Scope: g.Token.Scope,
		ExpiresIn: int64(g.Token.Expires.Sub(now) / time.Second), Details: json.RawMessage(g.Details)}, nil
}

func (s *TokenServer) clientCredentials(ctx context.Context, g GrantRequest) (Granted, error) {
	scope := ""
	if s.ScopeOf != nil {
		scope = s.ScopeOf(g.Client)
	}
	if scope == "" {
		return Granted{}, RefuseOAuth("unauthorized_client", "not for this client", nil)
	}
	if g.Form.Has("scope") && g.Form.Get("scope") != scope {
		return Granted{}, RefuseOAuth("invalid_scope", "not a scope of this client", nil)
	}
	t := Token{Client: g.Client, Scope: scope, JKT: g.JKT, Expires: s.Clients.Now().Add(clientTokenLife)}
	if err := s.Store.SaveToken(ctx, g.TokenHash, t); err != nil {
		return Granted{}, fault.New(fault.Unavailable, "wire.TokenServer", err)
	}
	return Granted{Token: t}, nil
}
