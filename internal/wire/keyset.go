package wire

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// maxKeys bounds a key set: a rotation needs two of each use.
const maxKeys = 16

// KeySet is the public keys of one party, for signatures and for sealing, by kid. Several keys stand side by
// side while one takes over from another.
type KeySet struct {
	sign []PublicKey
	seal []PublicSealKey
}

// NewKeySet makes a set of signing keys.
func NewKeySet(keys ...PublicKey) KeySet { return KeySet{sign: keys} }

// WithSeal is the set with sealing keys added; the first one is used for sealing.
func (s KeySet) WithSeal(keys ...PublicSealKey) KeySet {
	return KeySet{sign: s.sign, seal: append(append([]PublicSealKey(nil), s.seal...), keys...)}
}

// Find gives the signing key of a kid.
func (s KeySet) Find(kid string) (PublicKey, bool) {
	for _, k := range s.sign {
		if k.kid == kid && kid != "" {
			return k, true
		}
	}
	return PublicKey{}, false
}

// Seal gives the key to seal with: the first of the set.
func (s KeySet) Seal() (PublicSealKey, bool) {
	if len(s.seal) == 0 {
		return PublicSealKey{}, false
	}
	return s.seal[0], true
}

// Empty says that the set holds no signing key.
func (s KeySet) Empty() bool { return len(s.sign) == 0 }

type jwks struct {
	Keys []json.RawMessage `json:"keys"`
}

// ParseKeySet reads a JWK set (RFC 7517). A private or symmetric key, one without kid, a kid given twice, a kind
// or size that FAPI 2.0 does not allow: the whole set is refused.
func ParseKeySet(b []byte) (KeySet, error) {
	var raw jwks
	if err := decode(b, &raw, false); err != nil {
		return KeySet{}, err
	}
	if len(raw.Keys) == 0 || len(raw.Keys) > maxKeys {
		return KeySet{}, fmt.Errorf("wire: a key set of %d keys", len(raw.Keys))
	}
	var set KeySet
	seen := map[string]bool{}
	for _, text := range raw.Keys {
		jwk, err := publicJWK(text)
		if err != nil {
			return KeySet{}, err
		}
		if jwk.KeyID == "" || seen[jwk.KeyID] {
			return KeySet{}, errors.New("wire: a key without kid, or a kid twice")
		}
		seen[jwk.KeyID] = true
		if err := set.add(jwk); err != nil {
			return KeySet{}, err
		}
	}
	return set, nil
}

func (s *KeySet) add(jwk jose.JSONWebKey) error {
	if jwk.Use == "enc" {
		key, ok := jwk.Key.(*ecdsa.PublicKey)
		if !ok || key.Curve != elliptic.P256() || (jwk.Algorithm != "" && jwk.Algorithm != string(jose.ECDH_ES)) {
			return errors.New("wire: a sealing key that is not ECDH-ES on P-256")
		}
		s.seal = append(s.seal, PublicSealKey{kid: jwk.KeyID, key: key})
		return nil
	}
	alg, err := algOf(jwk.Key)
	if err != nil {
		return err
	}
	if jwk.Algorithm != "" && plainAlg(jwk.Algorithm) != alg {
		return fmt.Errorf("wire: a key for algorithm %.20q", jwk.Algorithm)
	}
	s.sign = append(s.sign, PublicKey{kid: jwk.KeyID, alg: alg, key: jwk.Key})
	return nil
}

// publicJWK reads one JWK that must be public. Certificates and their URLs mean nothing here.
func publicJWK(text []byte) (jose.JSONWebKey, error) {
	var secret struct {
		K, D, P, Q, DP, DQ, QI json.RawMessage
		Priv                   json.RawMessage
		X5c                    json.RawMessage
		X5u                    json.RawMessage
	}
	if err := json.Unmarshal(text, &secret); err != nil {
		return jose.JSONWebKey{}, errors.New("wire: not a JWK")
	}
	if secret.K != nil || secret.D != nil || secret.P != nil || secret.Q != nil || secret.DP != nil ||
		secret.DQ != nil || secret.QI != nil || secret.Priv != nil {
		return jose.JSONWebKey{}, errors.New("wire: a private or symmetric JWK where a public one belongs")
	}
	if secret.X5c != nil || secret.X5u != nil {
		return jose.JSONWebKey{}, errors.New("wire: a JWK with certificates")
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(text); err != nil || !jwk.Valid() || !jwk.IsPublic() {
		return jose.JSONWebKey{}, errors.New("wire: not a public JWK")
	}
	return jwk, nil
}

// MarshalJSON writes the set as a JWK set, for a register or the jwks endpoint.
func (s KeySet) MarshalJSON() ([]byte, error) {
	out := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range s.sign {
		out.Keys = append(out.Keys, jose.JSONWebKey{Key: k.key, KeyID: k.kid, Algorithm: k.alg, Use: "sig"})
	}
	for _, k := range s.seal {
		out.Keys = append(out.Keys, jose.JSONWebKey{Key: k.key, KeyID: k.kid, Algorithm: string(jose.ECDH_ES), Use: "enc"})
	}
	return json.Marshal(out)
}

// UnmarshalJSON is ParseKeySet.
func (s *KeySet) UnmarshalJSON(b []byte) error {
	set, err := ParseKeySet(b)
	if err == nil {
		*s = set
	}
	return err
}
