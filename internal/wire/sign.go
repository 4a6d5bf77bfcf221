package wire

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/kozamori/kozamori/internal/fault"
)

const (
	// Ahead is how far another party's clock may run before ours (FAPI 2.0, 5.3.2.1).
	Ahead = 10 * time.Second

	maxMessage   = 64 << 10  // bytes of a compact JWS or JWE
	maxStatement = 256 << 10 // a page of 500 lines is some 160 KiB
)

// Reasons a message is not taken, for errors.Is. The error around them is a *fault.Error.
var (
	ErrSignature = errors.New("the signature does not stand")
	ErrStale     = errors.New("too old")
)

// Expect is what a message must say to be taken.
type Expect struct {
	Issuer   string // whose keys were given
	Audience string // who we are
	Now      time.Time
	MaxAge   time.Duration // since iat; 0 leaves it to exp
	AnyAge   bool          // a message seen before is answered whatever its age: exp and MaxAge are not looked at
}

// Sign makes the compact JWS of a message whose header is filled in (Issuer, Audience, IssuedAt).
func Sign(key Key, m Message) (string, error) {
	h := m.Head()
	if h.Issuer == "" || h.Audience == "" || h.IssuedAt <= 0 {
		return "", fault.New(fault.Internal, "wire.Sign", errors.New("iss, aud or iat is missing"))
	}
	if err := checkMessage(m); err != nil {
		return "", fault.New(fault.Internal, "wire.Sign", err)
	}
	payload, err := json.Marshal(m)
	if err != nil {
		return "", fault.New(fault.Internal, "wire.Sign", err)
	}
	return signCompact(key, m.Typ(), payload, false)
}

func signCompact(key Key, typ string, payload []byte, embed bool) (string, error) {
	if key.Zero() {
		return "", fault.New(fault.Internal, "wire.Sign", errors.New("no key"))
	}
	jwk := jose.JSONWebKey{Key: key.secret(), KeyID: key.kid}
	if embed { // DPoP: the key itself instead of its name
		jwk.KeyID = ""
	}
	opts := (&jose.SignerOptions{EmbedJWK: embed}).WithType(jose.ContentType(typ))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.alg), Key: jwk}, opts)
	if err != nil {
		return "", fault.New(fault.Internal, "wire.Sign", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fault.New(fault.Internal, "wire.Sign", err)
	}
	return jws.CompactSerialize()
}

// Verify reads a compact JWS of message T: Verify[DebitOrder](text, keys, Expect{…}). It answers
// fault.Invalid for what is malformed or not meant for us, around ErrSignature where the signature or its key
// is wrong and ErrStale where it came too late.
func Verify[T any, M interface {
	*T
	Message
}](compact string, from KeySet, want Expect) (M, error) {
	m := M(new(T))
	if err := VerifyInto(m, compact, from, want); err != nil {
		return nil, err
	}
	return m, nil
}

// VerifyInto is Verify for a message whose kind is known at run time only; m is filled in.
func VerifyInto(m Message, compact string, from KeySet, want Expect) error {
	payload, err := verifyCompact(compact, m.Typ(), from, sizeOf(m.Typ()))
	if err == nil {
		err = DecodeStrict(payload, m)
	}
	if err == nil {
		err = checkMessage(m)
	}
	if err == nil {
		err = want.check(m.Head())
	}
	if err != nil {
		return &fault.Error{Kind: fault.Invalid, Op: "wire.Verify " + m.Typ(), Err: err}
	}
	return nil
}

// Peek reads the issuer a message claims, unverified: to find the keys to verify it with, nothing else.
func Peek(compact string) (issuer string, err error) {
	_, payload, err := splitCompact(compact, maxStatement)
	if err != nil {
		return "", fault.New(fault.Invalid, "wire.Peek", err)
	}
	var h struct {
		Issuer string `json:"iss"`
	}
	if err := decode(payload, &h, false); err != nil {
		return "", err
	}
	return h.Issuer, nil
}

func sizeOf(typ string) int {
	if typ == (*Statement)(nil).Typ() {
		return maxStatement
	}
	return maxMessage
}

func (want Expect) check(h *Header) error {
	switch {
	case h.Issuer != want.Issuer || h.Issuer == "":
		return fmt.Errorf("iss is %.80q", h.Issuer)
	case h.Audience != want.Audience || h.Audience == "":
		return fmt.Errorf("aud is %.80q", h.Audience)
	case h.IssuedAt <= 0 || time.Unix(h.IssuedAt, 0).After(want.Now.Add(Ahead)):
		return errors.New("iat is missing or ahead of our clock")
	case h.Expires != 0 && h.Expires <= h.IssuedAt:
		return errors.New("exp is before iat")
	case want.AnyAge:
		return nil
	}
	return h.Fresh(want.Now, want.MaxAge)
}

// Fresh says whether a message is young enough to be acted on for the first time: before exp where it has one,
// and at most maxAge old where that is not 0. Otherwise it answers ErrStale.
func (h *Header) Fresh(now time.Time, maxAge time.Duration) error {
	if h.Expires != 0 && !now.Before(time.Unix(h.Expires, 0)) {
		return fmt.Errorf("exp has passed: %w", ErrStale)
	}
	if maxAge > 0 && now.Sub(time.Unix(h.IssuedAt, 0)) > maxAge {
		return fmt.Errorf("iat is too long ago: %w", ErrStale)
	}
	return nil
}

// Hash is the base64url SHA-256 of a text: of a compact JWS, of authorization_details, of rs, of a token.
func Hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// joseHeader is what we read of a JWS header. Parameters that would have us fetch or trust a key of the
// sender's choice, or change what is signed, are named so that they can be refused.
type joseHeader struct {
	Alg string          `json:"alg"`
	Kid string          `json:"kid"`
	Typ string          `json:"typ"`
	JWK json.RawMessage `json:"jwk"`

	JKU    json.RawMessage `json:"jku"`
	X5U    json.RawMessage `json:"x5u"`
	X5C    json.RawMessage `json:"x5c"`
	X5T    json.RawMessage `json:"x5t"`
	X5T256 json.RawMessage `json:"x5t#S256"`
	Crit   json.RawMessage `json:"crit"`
	B64    json.RawMessage `json:"b64"`
	Zip    json.RawMessage `json:"zip"`
	Enc    json.RawMessage `json:"enc"`
}

func (h joseHeader) forbidden() bool {
	for _, raw := range []json.RawMessage{h.JKU, h.X5U, h.X5C, h.X5T, h.X5T256, h.Crit, h.B64, h.Zip, h.Enc} {
		if raw != nil {
			return true
		}
	}
	return false
}

// splitCompact gives the header and the payload, still unverified.
func splitCompact(compact string, limit int) (joseHeader, []byte, error) {
	var h joseHeader
	if len(compact) > limit {
		return h, nil, errors.New("too long")
	}
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return h, nil, errors.New("not a compact JWS")
	}
	head, err := unbase64(parts[0])
	if err != nil {
		return h, nil, err
	}
	if err := decode(head, &h, false); err != nil {
		return h, nil, err
	}
	payload, err := unbase64(parts[1])
	if err != nil {
		return h, nil, err
	}
	if _, err := unbase64(parts[2]); err != nil {
		return h, nil, err
	}
	return h, payload, nil
}

// unbase64 reads base64url without padding, line breaks or stray bits: one text for one value.
func unbase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("not base64url")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errors.New("not base64url")
	}
	return b, nil
}

// verifyCompact checks header, key and signature, and returns the payload. typ "" leaves the type to the caller.
func verifyCompact(compact, typ string, from KeySet, limit int) ([]byte, error) {
	h, _, err := splitCompact(compact, limit)
	if err != nil {
		return nil, err
	}
	if typ != "" && h.Typ != typ {
		return nil, fmt.Errorf("typ is %.60q", h.Typ)
	}
	if h.JWK != nil || h.forbidden() {
		return nil, fmt.Errorf("a forbidden header parameter: %w", ErrSignature)
	}
	key, ok := from.Find(h.Kid)
	if !ok {
		return nil, fmt.Errorf("kid %.60q is not in the register: %w", h.Kid, ErrSignature)
	}
	return key.verify(compact, h.Alg)
}

// verify checks the signature by the key's own algorithm; the header's must be the same.
func (p PublicKey) verify(compact, alg string) ([]byte, error) {
	if plainAlg(alg) != p.alg {
		return nil, fmt.Errorf("alg is %.20q: %w", alg, ErrSignature)
	}
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	var key any = p.key
	if alg != p.alg { // go-jose knows Ed25519 by its older name only
		key = ed25519Verifier{key: p.key.(ed25519.PublicKey)}
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, ErrSignature
	}
	return payload, nil
}

// ed25519Verifier verifies signatures that name their algorithm as RFC 9864 does.
type ed25519Verifier struct{ key ed25519.PublicKey }

// VerifyPayload implements jose.OpaqueVerifier.
func (v ed25519Verifier) VerifyPayload(payload, signature []byte, alg jose.SignatureAlgorithm) error {
	if alg != "Ed25519" || !ed25519.Verify(v.key, payload, signature) {
		return ErrSignature
	}
	return nil
}
