package wire

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
)

const (
	typProof = "dpop+jwt"
	proofAge = 60 * time.Second
	maxProof = 8 << 10 // bytes
)

// proof is the payload of a DPoP proof (RFC 9449, section 4.2).
type proof struct {
	ID       string  `json:"jti"`
	Method   string  `json:"htm"`
	URL      string  `json:"htu"`
	IssuedAt seconds `json:"iat"`
	Token    string  `json:"ath,omitempty"`
}

// NewProof makes a DPoP proof for one request; accessToken is "" at a token endpoint.
func NewProof(key Key, method, target, accessToken string, now time.Time) (string, error) {
	u, err := url.Parse(target)
	if err != nil {
		return "", fault.New(fault.Internal, "wire.NewProof", err)
	}
	p := proof{ID: NewSecret(), Method: method, URL: u.Scheme + "://" + u.Host + u.EscapedPath(), IssuedAt: seconds(now.Unix())}
	if accessToken != "" {
		p.Token = Hash(accessToken)
	}
	payload, err := json.Marshal(p)
	if err != nil {
		return "", fault.New(fault.Internal, "wire.NewProof", err)
	}
	return signCompact(key, typProof, payload, true)
}

// ProofExpect is what a proof must be for.
type ProofExpect struct {
	Method string
	URL    string // by our own configuration; what the request says of its host is never looked at
	Token  string // the access token presented with it; "" at a token endpoint
	JKT    string // the thumbprint the proof's key must have; "" takes any
	Now    time.Time
	Replay Replay
}

// VerifyProof checks the one DPoP header of a request and returns the thumbprint of its key. Every refusal is the
// *OAuthError invalid_dpop_proof; a failing store is fault.Unavailable.
func VerifyProof(ctx context.Context, header http.Header, want ProofExpect) (jkt string, err error) {
	headers := header.Values("DPoP")
	if len(headers) != 1 {
		return "", RefuseProof(fmt.Errorf("%d DPoP headers", len(headers)))
	}
	p, jkt, err := readProof(headers[0])
	if err != nil {
		return "", RefuseProof(err)
	}
	if err := p.check(want); err != nil {
		return "", RefuseProof(err)
	}
	if want.JKT != "" && subtle.ConstantTimeCompare([]byte(jkt), []byte(want.JKT)) != 1 {
		return "", RefuseProof(errors.New("another key"))
	}
	// The key's thumbprint is part of the space: nobody can use up another's jti.
	first, err := want.Replay.Use(ctx, "proof "+jkt, Hash(p.ID), p.IssuedAt.time().Add(proofAge+Ahead))
	if err != nil {
		return "", fault.New(fault.Unavailable, "wire.VerifyProof", err)
	}
	if !first {
		return "", RefuseProof(errors.New("the proof was used before"))
	}
	return jkt, nil
}

// readProof verifies a proof with the public key it carries.
func readProof(text string) (proof, string, error) {
	h, _, err := splitCompact(text, maxProof)
	if err != nil {
		return proof{}, "", err
	}
	if h.Typ != typProof {
		return proof{}, "", fmt.Errorf("typ is %.60q", h.Typ)
	}
	if h.JWK == nil || h.forbidden() {
		return proof{}, "", errors.New("no jwk, or a forbidden header parameter")
	}
	jwk, err := publicJWK(h.JWK)
	if err != nil {
		return proof{}, "", err
	}
	alg, err := algOf(jwk.Key)
	if err != nil {
		return proof{}, "", err
	}
	payload, err := PublicKey{alg: alg, key: jwk.Key}.verify(text, h.Alg)
	if err != nil {
		return proof{}, "", err
	}
	var p proof
	if err := decode(payload, &p, false); err != nil {
		return proof{}, "", err
	}
	return p, thumbprint(jwk.Key), nil
}

func (p proof) check(want ProofExpect) error {
	at := p.IssuedAt.time()
	switch {
	case !token(p.ID, maxJTI):
		return errors.New("jti is missing or malformed")
	case p.Method != want.Method:
		return fmt.Errorf("htm is %.20q", p.Method)
	case !sameURL(p.URL, want.URL):
		return fmt.Errorf("htu is %.120q", p.URL)
	case at.After(want.Now.Add(Ahead)) || want.Now.Sub(at) > proofAge:
		return errors.New("iat is not now")
	case want.Token == "" && p.Token != "":
		return errors.New("ath without a token")
	case want.Token != "" && subtle.ConstantTimeCompare([]byte(p.Token), []byte(Hash(want.Token))) != 1:
		return errors.New("ath is missing or of another token")
	}
	return nil
}

// sameURL compares as RFC 9449 section 4.3 says: without query and fragment, scheme and host whatever their case,
// a default port or none.
func sameURL(got, want string) bool {
	a, ok := plainURL(got)
	if !ok {
		return false
	}
	b, ok := plainURL(want)
	return ok && a == b
}

func plainURL(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	default:
		return "", false
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return scheme + "://" + host + path, true
}
