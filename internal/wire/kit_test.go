package wire_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/kozamori/kozamori/internal/wire"
)

// t0 is the present of these tests: the evening of the first fraud.
var t0 = time.Date(2020, 8, 31, 14, 59, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return t0.Add(d) }

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// rsaKey is made once: it takes a while.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newECDSA is a P-256 key in the open, for forging.
func newECDSA() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

// publicMap is a public JWK as a map that tests may bend.
func publicMap(key crypto.PublicKey) map[string]any {
	var m map[string]any
	if err := json.Unmarshal(must(json.Marshal(jose.JSONWebKey{Key: key})), &m); err != nil {
		panic(err)
	}
	return m
}

// forge makes a compact JWS with any header over any payload, signed by the header's alg with the key given:
// what an attacker can make who is not bound to a library.
func forge(key any, header, payload any) string {
	h := must(json.Marshal(header))
	p, ok := payload.([]byte)
	if !ok {
		p = must(json.Marshal(payload))
	}
	return forgeRaw(key, h, p)
}

func forgeRaw(key any, header, payload []byte) string {
	var named struct {
		Alg string `json:"alg"`
	}
	_ = json.Unmarshal(header, &named)
	input := b64(header) + "." + b64(payload)
	return input + "." + b64(signAs(named.Alg, key, []byte(input)))
}

func signAs(alg string, key any, input []byte) []byte {
	sum := sha256.Sum256(input)
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
		if err != nil {
			panic(err)
		}
		out := make([]byte, 64)
		r.FillBytes(out[:32])
		s.FillBytes(out[32:])
		return out
	case ed25519.PrivateKey:
		return ed25519.Sign(k, input)
	case *rsa.PrivateKey:
		if alg == "RS256" {
			return must(rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:]))
		}
		return must(rsa.SignPSS(rand.Reader, k, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
	case []byte: // HMAC
		mac := hmac.New(sha256.New, k)
		mac.Write(input)
		return mac.Sum(nil)
	default: // none
		return nil
	}
}

// brokenReplay is a store that fails.
type brokenReplay struct{}

func (brokenReplay) Use(context.Context, string, string, time.Time) (bool, error) {
	return false, context.DeadlineExceeded
}

func ringOf(client string, keys ...wire.PublicKey) wire.Keyring {
	return wire.Keyring{client: wire.NewKeySet(keys...)}
}

// wantErr fails the test unless err is of the right sort.
func wantErr(t *testing.T, name string, err error, ok bool) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: taken", name)
		return
	}
	if !ok {
		t.Errorf("%s: refused for the wrong reason: %v", name, err)
	}
}

func unb64(s string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(s) }
