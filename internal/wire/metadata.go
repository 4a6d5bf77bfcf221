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

const (
	wellKnown   = "/.well-known/oauth-authorization-server"
	maxMetadata = 64 << 10
)

// Metadata describes an authorization server (RFC 8414, RFC 9126, RFC 9396, RFC 9449, FAPI 2.0).
type Metadata struct {
	Issuer                       string   `json:"issuer"`
	TokenEndpoint                string   `json:"token_endpoint"`
	JWKSURI                      string   `json:"jwks_uri,omitempty"`
	AuthorizationEndpoint        string   `json:"authorization_endpoint,omitempty"`
	PAREndpoint                  string   `json:"pushed_authorization_request_endpoint,omitempty"`
	RequirePAR                   bool     `json:"require_pushed_authorization_requests,omitempty"`
	IssParameter                 bool     `json:"authorization_response_iss_parameter_supported,omitempty"`
	ResponseTypes                []string `json:"response_types_supported"`
	ResponseModes                []string `json:"response_modes_supported,omitempty"`
	GrantTypes                   []string `json:"grant_types_supported"`
	Scopes                       []string `json:"scopes_supported,omitempty"`
	CodeChallengeMethods         []string `json:"code_challenge_methods_supported,omitempty"`
	TokenAuthMethods             []string `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgs                []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	DPoPAlgs                     []string `json:"dpop_signing_alg_values_supported"`
	AuthorizationDetailsTypes    []string `json:"authorization_details_types_supported,omitempty"`
	RequestURIParameterSupported bool     `json:"request_uri_parameter_supported"`
	RequestParameterSupported    bool     `json:"request_parameter_supported"`
}

// BankMetadata is the document of a bank: the authorization-code flow for links and client credentials. The
// endpoints lie at /authorize, /par, /token and /jwks below the issuer.
func BankMetadata(issuer string) Metadata {
	m := HubMetadata(issuer)
	m.AuthorizationEndpoint = issuer + "/authorize"
	m.PAREndpoint = issuer + "/par"
	m.RequirePAR, m.IssParameter = true, true
	m.ResponseTypes, m.ResponseModes = []string{"code"}, []string{"query"}
	m.JWKSURI = issuer + "/jwks"
	m.GrantTypes = []string{"authorization_code", "client_credentials"}
	m.CodeChallengeMethods = []string{"S256"}
	m.AuthorizationDetailsTypes = []string{TypeAccountLink}
	return m
}

// HubMetadata is the document of a server that only knows client credentials.
func HubMetadata(issuer string) Metadata {
	return Metadata{
		Issuer: issuer, TokenEndpoint: issuer + "/token",
		ResponseTypes: []string{}, GrantTypes: []string{"client_credentials"},
		TokenAuthMethods: []string{"private_key_jwt"},
		TokenAuthAlgs:    strings.Fields(algs), DPoPAlgs: strings.Fields(algs),
	}
}

// ServeMetadata answers GET /.well-known/oauth-authorization-server.
func ServeMetadata(m Metadata) http.Handler { return serveDocument(m) }

// ServeJWKS answers GET /jwks. keys is asked at every call, so that rotation shows at once.
func ServeJWKS(keys func() KeySet) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serveDocument(keys()).ServeHTTP(w, r) })
}

func serveDocument(doc any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, doc) })
}

// Discover fetches the metadata of an issuer that our own configuration names. The document must name exactly this
// issuer, and endpoints on its own host only.
func Discover(ctx context.Context, transport http.RoundTripper, issuer string) (Metadata, error) {
	target, err := metadataURL(issuer)
	if err != nil {
		return Metadata{}, fault.New(fault.Invalid, "wire.Discover", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return Metadata{}, fault.New(fault.Invalid, "wire.Discover", err)
	}
	answer, err := exchange(transport, req, maxMetadata, 10*time.Second)
	if err != nil {
		return Metadata{}, fault.New(fault.Unavailable, "wire.Discover", err)
	}
	if answer.status != http.StatusOK {
		return Metadata{}, fault.New(fault.Unavailable, "wire.Discover", fmt.Errorf("status %d", answer.status))
	}
	m, err := parseMetadata(answer.body, issuer)
	if err != nil {
		return Metadata{}, fault.New(fault.Unavailable, "wire.Discover", err)
	}
	return m, nil
}

// metadataURL puts the well-known path between host and path (RFC 8414, section 3.1).
func metadataURL(issuer string) (string, error) {
	u, err := parseURL(issuer)
	if err != nil || u.RawQuery != "" || u.ForceQuery {
		return "", errors.New("not an issuer URL")
	}
	return u.Scheme + "://" + u.Host + wellKnown + strings.TrimSuffix(u.EscapedPath(), "/"), nil
}

func parseMetadata(b []byte, issuer string) (Metadata, error) {
	var m Metadata
	if err := decode(b, &m, false); err != nil {
		return Metadata{}, err
	}
	if m.Issuer != issuer {
		return Metadata{}, fmt.Errorf("the metadata is of %.120q", m.Issuer)
	}
	home, err := parseURL(issuer)
	if err != nil {
		return Metadata{}, err
	}
	for _, endpoint := range []string{m.TokenEndpoint, m.PAREndpoint, m.AuthorizationEndpoint} {
		if endpoint == "" {
			continue
		}
		u, err := parseURL(endpoint)
		if err != nil || u.Scheme != home.Scheme || u.Host != home.Host {
			return Metadata{}, fmt.Errorf("an endpoint is elsewhere: %.120q", endpoint)
		}
	}
	if m.TokenEndpoint == "" {
		return Metadata{}, errors.New("no token endpoint")
	}
	return m, nil
}

// AuthorizationURL is where the browser goes: client_id and request_uri, nothing else.
func (m Metadata) AuthorizationURL(client, requestURI string) string {
	return m.AuthorizationEndpoint + "?" + url.Values{"client_id": {client}, "request_uri": {requestURI}}.Encode()
}
