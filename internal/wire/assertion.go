package wire

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	assertionLife = time.Minute
	maxLife       = 5 * time.Minute // of an assertion of others, from our now to its exp
	maxJTI        = 256
)

// Replay remembers what may be used only once. All replicas of a role share one.
type Replay interface {
	// Use says whether jti is used for the first time in its space, and remembers it until the given moment at
	// least. An error is a failing store: the caller refuses.
	Use(ctx context.Context, space, jti string, until time.Time) (first bool, err error)
}

// Clients authenticates OAuth clients by private_key_jwt (RFC 7523) as FAPI 2.0 wants it.
type Clients struct {
	Issuer string   // this server: the only aud that is taken
	Keys   Register // by client id
	Replay Replay
	Now    clock.Now
}

// claims are those of an assertion or a proof; others may stand beside them (RFC 7519, section 4).
type claims struct {
	Issuer    string  `json:"iss"`
	Subject   string  `json:"sub"`
	Audience  string  `json:"aud"` // an array is refused by its type
	Expires   seconds `json:"exp"`
	NotBefore seconds `json:"nbf"`
	IssuedAt  seconds `json:"iat"`
	ID        string  `json:"jti"`
}

// seconds is a NumericDate (RFC 7519): a number that may have a fraction; the fraction is dropped.
type seconds int64

// UnmarshalJSON takes numbers between 0 and the year 9999 only.
func (s *seconds) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil || f < 0 || f > 253402300799 {
		return errors.New("not a NumericDate")
	}
	*s = seconds(f)
	return nil
}

func (s seconds) time() time.Time { return time.Unix(int64(s), 0) }

// ClientAssertion makes a private_key_jwt for one request to an issuer's token or PAR endpoint.
func ClientAssertion(key Key, client, issuer string, now time.Time) (string, error) {
	payload, err := json.Marshal(map[string]any{
		"iss": client, "sub": client, "aud": issuer, "jti": NewSecret(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", fault.New(fault.Internal, "wire.ClientAssertion", err)
	}
	return signCompact(key, "JWT", payload, false)
}

// Authenticate reads client_assertion from a form and returns the client's id. Every refusal is the same
// *OAuthError invalid_client; a failing store is fault.Unavailable.
func (c Clients) Authenticate(ctx context.Context, form url.Values) (string, error) {
	if form.Get("client_assertion_type") != assertionType || form.Has("client_secret") {
		return "", RefuseClient(errors.New("not private_key_jwt"))
	}
	text := form.Get("client_assertion")
	claim, err := c.verify(ctx, text)
	if err != nil {
		if fault.Of(err) == fault.Unavailable {
			return "", err
		}
		return "", RefuseClient(err)
	}
	if form.Has("client_id") && subtle.ConstantTimeCompare([]byte(form.Get("client_id")), []byte(claim.Subject)) != 1 {
		return "", RefuseClient(errors.New("client_id is another client"))
	}
	first, err := c.Replay.Use(ctx, "assertion "+c.Issuer+" "+claim.Subject, Hash(claim.ID), claim.Expires.time().Add(Ahead))
	if err != nil {
		return "", fault.New(fault.Unavailable, "wire.Clients", err)
	}
	if !first {
		return "", RefuseClient(errors.New("the assertion was used before"))
	}
	return claim.Subject, nil
}

// verify checks all of an assertion but its single use.
func (c Clients) verify(ctx context.Context, text string) (claims, error) {
	h, unverified, err := splitCompact(text, maxMessage)
	if err != nil {
		return claims{}, err
	}
	if h.Typ != "" && h.Typ != "JWT" && h.Typ != "client-authentication+jwt" {
		return claims{}, fmt.Errorf("typ is %.60q", h.Typ)
	}
	var claim claims
	if err := decode(unverified, &claim, false); err != nil {
		return claims{}, err
	}
	if claim.Issuer == "" || claim.Issuer != claim.Subject {
		return claims{}, errors.New("iss and sub are not one client")
	}
	keys, err := c.Keys.Keys(ctx, claim.Subject)
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			return claims{}, errors.New("no such client")
		}
		return claims{}, fault.New(fault.Unavailable, "wire.Clients", err)
	}
	if _, err := verifyCompact(text, "", keys, maxMessage); err != nil {
		return claims{}, err
	}
	return claim, claim.check(c.Issuer, c.Now())
}

func (claim claims) check(issuer string, now time.Time) error {
	switch ahead := now.Add(Ahead); {
	case claim.Audience != issuer:
		return fmt.Errorf("aud is %.80q", claim.Audience)
	case claim.Expires == 0 || !now.Before(claim.Expires.time()):
		return fmt.Errorf("exp is missing or has passed: %w", ErrStale)
	case claim.Expires.time().After(now.Add(maxLife + Ahead)):
		return errors.New("lives too long")
	case claim.NotBefore.time().After(ahead) || claim.IssuedAt.time().After(ahead):
		return errors.New("nbf or iat is ahead of our clock")
	case !token(claim.ID, maxJTI):
		return errors.New("jti is missing or malformed")
	}
	return nil
}
