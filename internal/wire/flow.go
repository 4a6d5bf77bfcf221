package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
)

// Push is what the hub pushes to a bank (step 3 of a link). Verifier and Proof are the hub's own, made for this
// link and kept until the code is exchanged.
type Push struct {
	RedirectURI string
	State       string
	Verifier    string // PKCE; NewSecret
	Proof       Key    // the link's DPoP key
	Details     string // byte for byte as the service signed it
	LinkRequest string
	Identity    string
}

// Pushed is the bank's answer to a Push.
type Pushed struct {
	RequestURI       string
	AuthorizationURL string // where the browser goes
	ExpiresIn        time.Duration
}

// PushAuthorization makes a pushed authorization request at the client's issuer. Refusals of the bank are
// fault.Invalid or, with their rule, fault.Refused; fault.Unavailable leaves it open whether the bank took it.
func (c *Client) PushAuthorization(ctx context.Context, p Push) (Pushed, error) {
	m, err := c.discover(ctx)
	if err != nil {
		return Pushed{}, err
	}
	if m.PAREndpoint == "" || m.AuthorizationEndpoint == "" {
		return Pushed{}, fault.New(fault.Unavailable, "wire.PushAuthorization", errors.New("the issuer takes no pushed requests"))
	}
	form := url.Values{
		"response_type": {"code"}, "redirect_uri": {p.RedirectURI}, "state": {p.State},
		"code_challenge": {PKCEChallenge(p.Verifier)}, "code_challenge_method": {"S256"},
		"dpop_jkt": {p.Proof.Thumbprint()}, "authorization_details": {p.Details},
		"link_request": {p.LinkRequest}, "identity": {p.Identity},
	}
	var out struct {
		RequestURI string `json:"request_uri"`
		ExpiresIn  int64  `json:"expires_in"`
	}
	if err := c.postForm(ctx, m.PAREndpoint, form, nil, &out); err != nil {
		return Pushed{}, err
	}
	if !token(out.RequestURI, 512) || out.ExpiresIn <= 0 {
		return Pushed{}, fault.New(fault.Unavailable, "wire.PushAuthorization", errors.New("no request_uri in the answer"))
	}
	return Pushed{RequestURI: out.RequestURI, AuthorizationURL: m.AuthorizationURL(c.ID, out.RequestURI),
		ExpiresIn: time.Duration(out.ExpiresIn) * time.Second}, nil
}

// LinkGrant is what a code was exchanged for.
type LinkGrant struct {
	LinkToken
	Details string // the authorization_details consented to, JSON
	Expires time.Time
}

// ExchangeCode redeems an authorization code for the link's token, bound to proof. A refused code is fault.Gone:
// the request is dead, the person starts again. fault.Unavailable is the same in effect, for codes work once.
func (c *Client) ExchangeCode(ctx context.Context, code, verifier, redirectURI string, proof Key) (LinkGrant, error) {
	asked := c.Now()
	got, err := c.requestToken(ctx, url.Values{"grant_type": {"authorization_code"}, "code": {code},
		"code_verifier": {verifier}, "redirect_uri": {redirectURI}}, proof)
	if err != nil {
		return LinkGrant{}, err
	}
	return LinkGrant{LinkToken: LinkToken{Token: got.AccessToken, Proof: proof}, Details: string(got.Details),
		Expires: asked.Add(time.Duration(got.ExpiresIn) * time.Second)}, nil
}

func (c *Client) requestToken(ctx context.Context, form url.Values, proof Key) (tokenAnswer, error) {
	target := c.TokenURL
	if target == "" {
		m, err := c.discover(ctx)
		if err != nil {
			return tokenAnswer{}, err
		}
		target = m.TokenEndpoint
	}
	var got tokenAnswer
	if err := c.postForm(ctx, target, form, &proof, &got); err != nil {
		return tokenAnswer{}, err
	}
	if !strings.EqualFold(got.TokenType, "DPoP") || !token(got.AccessToken, 512) || got.ExpiresIn <= 0 {
		return tokenAnswer{}, fault.New(fault.Unavailable, "wire.Client token", errors.New("not a DPoP-bound token"))
	}
	return got, nil
}

// discover fetches the issuer's metadata once.
func (c *Client) discover(ctx context.Context) (Metadata, error) {
	c.lock.Lock()
	known := c.metadata
	c.lock.Unlock()
	if known != nil {
		return *known, nil
	}
	m, err := Discover(ctx, c.Transport, c.Issuer)
	if err != nil {
		return Metadata{}, err
	}
	c.lock.Lock()
	c.metadata = &m
	c.lock.Unlock()
	return m, nil
}

// postForm sends an OAuth form with a fresh client assertion, and a DPoP proof where a key is given.
func (c *Client) postForm(ctx context.Context, target string, form url.Values, proofKey *Key, out any) error {
	assertion, err := ClientAssertion(c.Key, c.ID, c.Issuer, c.Now())
	if err != nil {
		return err
	}
	form.Set("client_id", c.ID)
	form.Set("client_assertion_type", assertionType)
	form.Set("client_assertion", assertion)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return fault.New(fault.Internal, "wire.Client", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if proofKey != nil {
		proof, err := NewProof(*proofKey, http.MethodPost, target, "", c.Now())
		if err != nil {
			return err
		}
		req.Header.Set("DPoP", proof)
	}
	got, err := exchange(c.Transport, req, defaultBody, c.Timeout)
	if err != nil {
		return fault.New(fault.Unavailable, "wire.Client form", err)
	}
	if got.status/100 != 2 {
		return oauthFault(got)
	}
	if err := decode(got.body, out, false); err != nil {
		return fault.New(fault.Unavailable, "wire.Client form", err)
	}
	return nil
}

// oauthFault reads an OAuth error of another role as one of ours.
func oauthFault(got answer) error {
	var e struct {
		Error string `json:"error"`
		Rule  string `json:"rule"`
	}
	if got.status/100 != 4 || decode(got.body, &e, false) != nil || !token(e.Error, 80) {
		return fault.New(fault.Unavailable, "wire.Client form", fmt.Errorf("status %d", got.status))
	}
	cause := fmt.Errorf("status %d %s", got.status, e.Error)
	switch {
	case got.status == http.StatusTooManyRequests:
		return fault.New(fault.Busy, "wire.Client form", cause)
	case e.Error == "invalid_client", e.Error == "unauthorized_client", e.Error == "invalid_dpop_proof":
		return fault.New(fault.Unavailable, "wire.Client form", fmt.Errorf("%w: %w", ErrCredentials, cause))
	case e.Error == "invalid_grant":
		return fault.New(fault.Gone, "wire.Client form", cause)
	case token(e.Rule, 8):
		return &fault.Error{Kind: fault.Refused, Op: "wire.Client form", Rule: e.Rule, Err: cause}
	}
	return fault.New(fault.Invalid, "wire.Client form", cause)
}
