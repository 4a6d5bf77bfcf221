package wire_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wire"
)

func TestKeysThroughFiles(t *testing.T) {
	for _, key := range []wire.Key{wire.GenerateKey(), must(wire.NewKey("rsa", rsaKey())),
		must(wire.NewKey("", must2(ed25519.GenerateKey(nil))))} {
		back, err := wire.ParseKey(key.PrivateJWK())
		if err != nil {
			t.Fatal(err)
		}
		if back.KID() != key.KID() || back.Thumbprint() != key.Thumbprint() {
			t.Errorf("%v came back as %v", key, back)
		}
		text := must(wire.Sign(back, order()))
		if _, err := wire.Verify[wire.DebitOrder](text, wire.NewKeySet(key.Public()), wantOrder(t0)); err != nil {
			t.Error(err)
		}
	}
	seal := wire.GenerateSealKey()
	back, err := wire.ParseSealKey(seal.PrivateJWK())
	if err != nil || back.KID() != seal.KID() {
		t.Fatalf("%v %v", back, err)
	}
}

// The example of RFC 7638, section 3.1.
func TestThumbprintOfTheRFC(t *testing.T) {
	const jwks = `{"keys":[{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"PS256","kid":"2011-04-29"}]}`
	keys := must(wire.ParseKeySet([]byte(jwks)))
	key, ok := keys.Find("2011-04-29")
	if !ok || key.Thumbprint() != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("%v %q", ok, key.Thumbprint())
	}
}

func TestParseKeyRefuses(t *testing.T) {
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	for name, b := range map[string][]byte{
		"nothing":      nil,
		"public":       must(json.Marshal(publicMap(newECDSA().Public()))),
		"symmetric":    []byte(`{"kty":"oct","k":"AAAA","kid":"x"}`),
		"RSA 1024":     must(json.Marshal(jose.JSONWebKey{Key: small, KeyID: "x"})),
		"P-384":        must(json.Marshal(jose.JSONWebKey{Key: p384, KeyID: "x"})),
		"for RS256":    must(json.Marshal(jose.JSONWebKey{Key: rsaKey(), KeyID: "x", Algorithm: "RS256"})),
		"for sealing":  wire.GenerateSealKey().PrivateJWK(),
		"not JSON":     []byte(`kty=EC`),
		"half a point": []byte(`{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}`),
	} {
		_, err := wire.ParseKey(b)
		wantErr(t, name, err, true)
	}
	_, err := wire.ParseSealKey(wire.GenerateKey().PrivateJWK())
	wantErr(t, "a signing key to open with", err, true)
}

func TestKeySets(t *testing.T) {
	old, next, seal := wire.GenerateKey(), wire.GenerateKey(), wire.GenerateSealKey()
	set := wire.NewKeySet(old.Public(), next.Public()).WithSeal(seal.Public())
	var back wire.KeySet
	if err := json.Unmarshal(must(json.Marshal(set)), &back); err != nil {
		t.Fatal(err)
	}
	for _, k := range []wire.Key{old, next} { // rotation: both verify
		if _, err := wire.Verify[wire.DebitOrder](must(wire.Sign(k, order())), back, wantOrder(t0)); err != nil {
			t.Errorf("%v: %v", k, err)
		}
	}
	to, ok := back.Seal()
	if !ok || to.KID() != seal.KID() {
		t.Error("the sealing key was lost")
	}
	if _, ok := back.Find(seal.KID()); ok {
		t.Error("a sealing key verifies signatures")
	}
	if _, ok := back.Find(""); ok {
		t.Error("no kid finds a key")
	}
}

func TestParseKeySetRefuses(t *testing.T) {
	pub := func(change func(m map[string]any)) string {
		m := publicMap(newECDSA().Public())
		m["kid"] = "a"
		change(m)
		return string(must(json.Marshal(m)))
	}
	plain := pub(func(map[string]any) {})
	many := plain
	for i := range 16 {
		many += "," + pub(func(m map[string]any) { m["kid"] = fmt.Sprint(i) })
	}
	for name, list := range map[string]string{
		"none":            ``,
		"without kid":     pub(func(m map[string]any) { delete(m, "kid") }),
		"kid twice":       plain + "," + plain,
		"private":         string(wire.GenerateKey().PrivateJWK()),
		"private RSA":     string(must(wire.NewKey("r", rsaKey())).PrivateJWK()),
		"symmetric":       `{"kty":"oct","k":"AAAA","kid":"x"}`,
		"unknown kty":     `{"kty":"XX","kid":"x"}`,
		"off the curve":   pub(func(m map[string]any) { m["x"] = m["y"] }),
		"P-384":           `{"kty":"EC","kid":"x","crv":"P-384"}`,
		"HS256":           pub(func(m map[string]any) { m["alg"] = "HS256" }),
		"certificate URL": pub(func(m map[string]any) { m["x5u"] = "https://evil.example/" }),
		"RSA to seal":     string(must(json.Marshal(jose.JSONWebKey{Key: &rsaKey().PublicKey, KeyID: "x", Use: "enc"}))),
		"seal, zip alg":   pub(func(m map[string]any) { m["use"], m["alg"] = "enc", "ECDH-ES+A128KW" }),
		"too many":        many,
		"key twice":       `{"kty":"EC","kty":"RSA","kid":"x"}`,
	} {
		_, err := wire.ParseKeySet([]byte(`{"keys":[` + list + `]}`))
		wantErr(t, name, err, true)
	}
}

// A private key shows itself nowhere: not by fmt, not by slog, not inside another struct, not in JSON.
func TestKeysCannotPrint(t *testing.T) {
	ed := must2(ed25519.GenerateKey(nil))
	key, seal := must(wire.NewKey("k", ed)), wire.GenerateSealKey()
	token := wire.LinkToken{Token: "the-token-text", Proof: key}
	client := wire.NewClient(wire.ClientConfig{ID: "hub", Key: key, Proof: key})
	hidden := struct {
		k wire.Key
		s wire.SealKey
	}{key, seal}
	var buf bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&buf, verb+verb+verb+verb, key, seal, token, client)
		fmt.Fprintf(&buf, verb, hidden)
	}
	slog.New(slog.NewJSONHandler(&buf, nil)).Info("x", "k", key, "s", seal, "h", hidden)
	slog.New(slog.NewTextHandler(&buf, nil)).Info("x", "k", key, "s", seal, "h", hidden)
	buf.Write(must(json.Marshal(hidden)))
	buf.Write(must(json.Marshal(key)))
	var d struct{ D string }
	if err := json.Unmarshal(seal.PrivateJWK(), &d); err != nil {
		t.Fatal(err)
	}
	bytesOf := strings.Trim(fmt.Sprint([]byte(ed[:8])), "[]")
	for _, secret := range []string{d.D, b64(ed), fmt.Sprintf("%x", ed[:8]), bytesOf, "the-token-text"} {
		if strings.Contains(buf.String(), secret) {
			t.Errorf("a secret was printed: %.12s…", secret)
		}
	}
}

func TestKeyring(t *testing.T) {
	key := wire.GenerateKey()
	ring := ringOf(maru, key.Public())
	if got, err := ring.Keys(context.Background(), maru); err != nil || got.Empty() {
		t.Error(err)
	}
	_, err := ring.Keys(context.Background(), "batsu")
	wantErr(t, "unknown issuer", err, fault.Of(err) == fault.NotFound)
}
