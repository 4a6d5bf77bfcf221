package wire

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// PAR is a pushed authorization request (RFC 9126) whose shape stands. The signatures in it are still to be
// verified by who knows the keys.
type PAR struct {
	Client      string
	RedirectURI string
	State       string
	Challenge   string      // PKCE, S256
	JKT         string      // the code will be bound to this DPoP key
	Details     string      // the authorization_details text, byte for byte
	Link        AccountLink // the same, parsed
	LinkRequest string      // compact JWS
	Identity    string      // compact JWE
}

// ReadPAR reads a request to the PAR endpoint, whose URL as clients see it is given: form, client assertion, a
// DPoP proof where one is sent (RFC 9449, section 10.1: then its key is dpop_jkt), and ParsePAR. Errors are for
// WriteOAuth.
func (c Clients) ReadPAR(w http.ResponseWriter, r *http.Request, endpoint string) (PAR, error) {
	form, err := ReadForm(w, r)
	if err != nil {
		return PAR{}, err
	}
	client, err := c.Authenticate(r.Context(), form)
	if err != nil {
		return PAR{}, err
	}
	if len(r.Header.Values("DPoP")) > 0 {
		jkt, err := VerifyProof(r.Context(), r.Header, ProofExpect{Method: r.Method, URL: endpoint,
			JKT: form.Get("dpop_jkt"), Now: c.Now(), Replay: c.Replay})
		if err != nil {
			return PAR{}, err
		}
		form.Set("dpop_jkt", jkt)
	}
	return ParsePAR(form, client)
}

// ParsePAR reads the form of a pushed authorization request of an authenticated client. It refuses what FAPI 2.0
// and our protocol do not know: request_uri and request, response types and modes other than code and query, PKCE
// other than S256, a missing field. Refusals are *OAuthError; a level below 2 carries rule L4.
func ParsePAR(form url.Values, client string) (PAR, error) {
	if err := checkPAR(form, client); err != nil {
		return PAR{}, err
	}
	p := PAR{Client: client, RedirectURI: form.Get("redirect_uri"), State: form.Get("state"),
		Challenge: form.Get("code_challenge"), JKT: form.Get("dpop_jkt"), Details: form.Get("authorization_details"),
		LinkRequest: form.Get("link_request"), Identity: form.Get("identity")}
	link, err := ParseDetails(p.Details)
	if err != nil {
		e := asOAuth(err)
		return PAR{}, &OAuthError{Status: e.Status, Code: "invalid_authorization_details", Description: e.Description, Rule: e.Rule, Err: err}
	}
	p.Link = link
	return p, nil
}

func checkPAR(form url.Values, client string) error {
	for name, values := range form {
		if len(values) != 1 {
			return RefuseOAuth("invalid_request", "a parameter stands twice", errors.New(name))
		}
	}
	switch {
	case form.Has("request_uri") || form.Has("request"):
		return RefuseOAuth("invalid_request", "neither request_uri nor request may be pushed", nil)
	case form.Get("client_id") != client:
		return RefuseOAuth("invalid_request", "client_id is missing or another client", nil)
	case form.Get("response_type") != "code":
		return RefuseOAuth("unsupported_response_type", "response_type code only", nil)
	case form.Has("response_mode") && form.Get("response_mode") != "query":
		return RefuseOAuth("invalid_request", "response_mode query only", nil)
	case form.Has("scope") && form.Get("scope") != TypeAccountLink:
		return RefuseOAuth("invalid_scope", "authorization_details say what is asked", nil)
	case checkURL("redirect_uri", form.Get("redirect_uri")) != nil:
		return RefuseOAuth("invalid_request", "redirect_uri is missing or malformed", nil)
	case !token(form.Get("state"), 512):
		return RefuseOAuth("invalid_request", "state is missing or malformed", nil)
	case form.Get("code_challenge_method") != "S256" || !digest(form.Get("code_challenge")):
		return RefuseOAuth("invalid_request", "PKCE with S256 is needed", nil)
	case !digest(form.Get("dpop_jkt")):
		return RefuseOAuth("invalid_request", "dpop_jkt is missing or malformed", nil)
	case !form.Has("authorization_details"):
		return RefuseOAuth("invalid_request", "authorization_details are missing", nil)
	case !compact(form.Get("link_request"), 3) || !compact(form.Get("identity"), 5):
		return RefuseOAuth("invalid_request", "link_request or identity is missing or malformed", nil)
	}
	return nil
}

// compact says whether s looks like a compact JOSE object of so many parts.
func compact(s string, parts int) bool {
	return token(s, maxMessage) && strings.Count(s, ".") == parts-1
}

// ParseFrontChannel reads the query of /authorize, which holds client_id and request_uri once each and nothing
// else (FAPI 2.0): what a browser carries cannot change what was pushed.
func ParseFrontChannel(rawQuery string) (client, requestURI string, err error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil || len(rawQuery) > 2048 || len(query) != 2 || len(query["client_id"]) != 1 || len(query["request_uri"]) != 1 {
		return "", "", RefuseOAuth("invalid_request", "client_id and request_uri, nothing else", nil)
	}
	client, requestURI = query.Get("client_id"), query.Get("request_uri")
	if !token(client, 256) || !token(requestURI, 512) {
		return "", "", RefuseOAuth("invalid_request", "client_id or request_uri is malformed", nil)
	}
	return client, requestURI, nil
}

// PKCEChallenge is the S256 challenge of a verifier (RFC 7636).
func PKCEChallenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// CheckPKCE says whether a verifier, as the token request brought it, belongs to a pushed challenge.
func CheckPKCE(challenge, verifier string) error {
	ok := len(verifier) >= 43 && len(verifier) <= 128 && strings.Trim(verifier,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~") == ""
	if !ok || subtle.ConstantTimeCompare([]byte(PKCEChallenge(verifier)), []byte(challenge)) != 1 {
		return RefuseOAuth("invalid_grant", "the code or its verifier does not stand", nil)
	}
	return nil
}
