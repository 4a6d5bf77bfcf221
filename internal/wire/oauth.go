package wire

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/kozamori/kozamori/internal/fault"
)

const maxForm = 256 << 10 // bytes of a form: details, link request and identity fit ten times

// OAuthError is an error of the OAuth endpoints (RFC 6749, section 5.2). Description is for the other party's
// engineers and never holds what they sent; Err is for our log only.
type OAuthError struct {
	Status      int
	Code        string // "invalid_grant"
	Description string
	Rule        string // where a rule of the product refuses: "L4"
	Err         error
}

// Error is for logs.
func (e *OAuthError) Error() string {
	s := "oauth: " + e.Code + ": " + e.Description
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *OAuthError) Unwrap() error { return e.Err }

// RefuseOAuth makes an OAuth error of a code with status 400.
func RefuseOAuth(code, description string, err error) error {
	return &OAuthError{Status: http.StatusBadRequest, Code: code, Description: description, Err: err}
}

// RefuseClient is the one answer to a client that could not be authenticated.
func RefuseClient(err error) error {
	return &OAuthError{Status: http.StatusUnauthorized, Code: "invalid_client",
		Description: "the client could not be authenticated", Err: err}
}

// RefuseProof is the one answer to a DPoP proof that does not stand.
func RefuseProof(err error) error {
	return RefuseOAuth("invalid_dpop_proof", "the DPoP proof does not stand", err)
}

// asOAuth gives any error its OAuth form.
func asOAuth(err error) *OAuthError {
	if e, ok := errors.AsType[*OAuthError](err); ok {
		return e
	}
	public := fault.PublicOf(err).EN
	switch fault.Of(err) {
	case fault.Busy, fault.Unavailable:
		return &OAuthError{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Description: "try again", Err: err}
	case fault.Internal:
		return &OAuthError{Status: http.StatusInternalServerError, Code: "server_error", Description: "our fault", Err: err}
	default:
		return &OAuthError{Status: http.StatusBadRequest, Code: "invalid_request", Description: public, Rule: fault.RuleOf(err), Err: err}
	}
}

// WriteOAuth answers with an error: an *OAuthError as it is, a *fault.Error in its nearest OAuth form.
func WriteOAuth(w http.ResponseWriter, err error) {
	e := asOAuth(err)
	body := struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
		Rule        string `json:"rule,omitempty"`
	}{e.Code, e.Description, e.Rule}
	writeJSON(w, e.Status, body)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		panic("wire: an answer cannot be written: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// ReadForm reads the form of an OAuth endpoint: POST, application/x-www-form-urlencoded, bounded, nothing in
// the URL's query, no parameter twice (RFC 6749, section 3.2).
func ReadForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost {
		return nil, &OAuthError{Status: http.StatusMethodNotAllowed, Code: "invalid_request", Description: "POST only"}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, RefuseOAuth("invalid_request", "application/x-www-form-urlencoded only", err)
	}
	if r.URL.RawQuery != "" {
		return nil, RefuseOAuth("invalid_request", "parameters belong into the body", nil)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		return nil, RefuseOAuth("invalid_request", "the body is too long or broken", err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, RefuseOAuth("invalid_request", "the body is not a form", nil)
	}
	for _, values := range form {
		if len(values) != 1 {
			return nil, RefuseOAuth("invalid_request", "a parameter stands twice", nil)
		}
	}
	return form, nil
}

// NewSecret is 256 random bits in base64url: a token, a code, a state, a PKCE verifier, an rs.
func NewSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}
