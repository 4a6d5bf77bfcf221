package wire

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/go-jose/go-jose/v4"
	"github.com/kozamori/kozamori/internal/fault"
)

// The signature algorithms of FAPI 2.0; nothing else is ever looked at.
const (
	ES256 = "ES256"
	PS256 = "PS256"
	EdDSA = "EdDSA" // Ed25519; RFC 9864 renames it "Ed25519", which is read as the same
)

// RSA keys outside these sizes are weak, or slow enough to be an attack.
const (
	minRSABits = 2048
	maxRSABits = 4096
)

// Key is a private signing key with its kid and algorithm. It cannot print itself, nor can a struct around it.
type Key struct {
	kid, alg string
	secret   func() crypto.Signer // a function: fmt walks into unexported fields, even through pointers
}

// GenerateKey makes a fresh ES256 key; its kid is its thumbprint.
func GenerateKey() Key {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("wire: no randomness: " + err.Error())
	}
	k := Key{alg: ES256, secret: func() crypto.Signer { return private }}
	k.kid = k.Thumbprint()
	return k
}

// NewKey wraps a private key made elsewhere; an empty kid becomes its thumbprint. It refuses kinds and sizes
// that FAPI 2.0 does not allow.
func NewKey(kid string, private crypto.Signer) (Key, error) {
	alg, err := algOf(private.Public())
	if err != nil {
		return Key{}, err
	}
	k := Key{kid: kid, alg: alg, secret: func() crypto.Signer { return private }}
	if kid == "" {
		k.kid = k.Thumbprint()
	}
	return k, nil
}

// ParseKey reads a private JWK (RFC 7517) as PrivateJWK writes it. The error never quotes the input.
func ParseKey(b []byte) (Key, error) {
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(b); err != nil {
		return Key{}, errors.New("wire: not a private JWK")
	}
	private, ok := jwk.Key.(crypto.Signer)
	if !ok || jwk.IsPublic() || jwk.Use == "enc" {
		return Key{}, errors.New("wire: not a private signing JWK")
	}
	k, err := NewKey(jwk.KeyID, private)
	if err == nil && jwk.Algorithm != "" && plainAlg(jwk.Algorithm) != k.alg {
		return Key{}, errors.New("wire: the JWK's alg does not fit its key")
	}
	return k, err
}

// PrivateJWK is the key as a private JWK, for a key file or a sealed row and nowhere else.
func (k Key) PrivateJWK() []byte {
	b, err := json.Marshal(jose.JSONWebKey{Key: k.secret(), KeyID: k.kid, Algorithm: k.alg, Use: "sig"})
	if err != nil {
		panic("wire: a key cannot be written: " + err.Error())
	}
	return b
}

// KID names the key in registers and headers.
func (k Key) KID() string { return k.kid }

// Zero says that no key was set.
func (k Key) Zero() bool { return k.secret == nil }

// Public is the half that others hold.
func (k Key) Public() PublicKey {
	return PublicKey{kid: k.kid, alg: k.alg, key: k.secret().Public()}
}

// Thumbprint is the RFC 7638 SHA-256 thumbprint, base64url: the jkt of DPoP.
func (k Key) Thumbprint() string { return k.Public().Thumbprint() }

// Format prints the kid only, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "[key %s]", k.kid) }

// LogValue keeps a private key out of logs.
func (k Key) LogValue() slog.Value { return slog.StringValue("[key " + k.kid + "]") }

// PublicKey verifies signatures.
type PublicKey struct {
	kid, alg string
	key      crypto.PublicKey
}

// KID names the key.
func (p PublicKey) KID() string { return p.kid }

// Thumbprint is the RFC 7638 SHA-256 thumbprint, base64url.
func (p PublicKey) Thumbprint() string { return thumbprint(p.key) }

func thumbprint(key crypto.PublicKey) string {
	sum, err := (&jose.JSONWebKey{Key: key}).Thumbprint(crypto.SHA256)
	if err != nil {
		panic("wire: a checked key has no thumbprint: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// SealKey is a private key agreement key (ECDH-ES on P-256) that opens what others sealed.
type SealKey struct {
	kid    string
	secret func() *ecdsa.PrivateKey
}

// GenerateSealKey makes a fresh key; its kid is its thumbprint.
func GenerateSealKey() SealKey {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("wire: no randomness: " + err.Error())
	}
	return newSealKey(thumbprint(private.Public()), private)
}

func newSealKey(kid string, private *ecdsa.PrivateKey) SealKey {
	return SealKey{kid: kid, secret: func() *ecdsa.PrivateKey { return private }}
}

// ParseSealKey reads a private JWK as PrivateJWK writes it. The error never quotes the input.
func ParseSealKey(b []byte) (SealKey, error) {
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(b); err != nil {
		return SealKey{}, errors.New("wire: not a private JWK")
	}
	private, ok := jwk.Key.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() || jwk.Use == "sig" || jwk.KeyID == "" {
		return SealKey{}, errors.New("wire: not a private P-256 JWK for encryption")
	}
	return newSealKey(jwk.KeyID, private), nil
}

// PrivateJWK is the key as a private JWK, for a key file and nowhere else.
func (k SealKey) PrivateJWK() []byte {
	b, err := json.Marshal(jose.JSONWebKey{Key: k.secret(), KeyID: k.kid, Algorithm: string(jose.ECDH_ES), Use: "enc"})
	if err != nil {
		panic("wire: a key cannot be written: " + err.Error())
	}
	return b
}

// KID names the key.
func (k SealKey) KID() string { return k.kid }

// Public is the half that others seal with.
func (k SealKey) Public() PublicSealKey { return PublicSealKey{kid: k.kid, key: &k.secret().PublicKey} }

// Format prints the kid only, whatever the verb.
func (k SealKey) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "[key %s]", k.kid) }

// LogValue keeps a private key out of logs.
func (k SealKey) LogValue() slog.Value { return slog.StringValue("[key " + k.kid + "]") }

// PublicSealKey seals for whoever holds its SealKey.
type PublicSealKey struct {
	kid string
	key *ecdsa.PublicKey
}

// KID names the key.
func (p PublicSealKey) KID() string { return p.kid }

// algOf is the one algorithm a public key is used with here.
func algOf(key crypto.PublicKey) (string, error) {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return ES256, nil
		}
	case ed25519.PublicKey:
		if len(key) == ed25519.PublicKeySize {
			return EdDSA, nil
		}
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits >= minRSABits && bits <= maxRSABits && key.E >= 65537 {
			return PS256, nil
		}
	}
	return "", errors.New("wire: neither P-256, Ed25519 nor RSA of 2048 to 4096 bits")
}

// plainAlg reads RFC 9864's name for Ed25519 as the older one.
func plainAlg(alg string) string {
	if alg == "Ed25519" {
		return EdDSA
	}
	return alg
}

// Register gives the pinned public keys of another party: the receiver's own list, never fetched.
type Register interface {
	// Keys returns the keys of an issuer or client; fault.NotFound where there is none.
	Keys(ctx context.Context, issuer string) (KeySet, error)
}

// Keyring is a Register held in memory, by issuer or client id.
type Keyring map[string]KeySet

// Keys implements Register.
func (r Keyring) Keys(_ context.Context, issuer string) (KeySet, error) {
	keys, ok := r[issuer]
	if !ok {
		return KeySet{}, &fault.Error{Kind: fault.NotFound, Op: "wire.Keyring", Err: errors.New("no such issuer")}
	}
	return keys, nil
}
