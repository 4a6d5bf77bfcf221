package wire_test

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wire"
	"pgregory.net/rapid"
)

func hanako() *wire.Identity {
	return &wire.Identity{
		Header:  wire.Header{Issuer: maru, Audience: bank, IssuedAt: t0.Unix(), Expires: t0.Unix() + 600},
		Request: "req_1", Subject: "sub_1", DetailsHash: hash0, Level: 2,
		NameKana: "ヤマダ ハナコ", BirthDate: "1985-04-01", Phone: "+819012345678",
	}
}

func TestIdentityReachesTheBankOnly(t *testing.T) {
	sign, old, next, stranger := wire.GenerateKey(), wire.GenerateSealKey(), wire.GenerateSealKey(), wire.GenerateSealKey()
	keys := wire.NewKeySet(sign.Public())
	want := wire.Expect{Issuer: maru, Audience: bank, Now: t0, MaxAge: 10 * time.Minute}
	sealed, err := wire.SealIdentity(sign, old.Public(), hanako())
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"ヤマダ", b64([]byte("ヤマダ")), "1985"} {
		if strings.Contains(sealed, secret) {
			t.Errorf("%s can be read", secret)
		}
	}
	got, err := wire.OpenIdentity([]wire.SealKey{next, old}, sealed, keys, want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(hanako(), got); diff != "" {
		t.Error(diff)
	}
	_, err = wire.OpenIdentity([]wire.SealKey{stranger}, sealed, keys, want)
	wantErr(t, "another's key", err, fault.Of(err) == fault.Invalid)
	_, err = wire.OpenIdentity([]wire.SealKey{old}, sealed, wire.NewKeySet(wire.GenerateKey().Public()), want)
	wantErr(t, "signed by nobody we know", err, errors.Is(err, wire.ErrSignature))
	want.Now = at(10 * time.Minute)
	_, err = wire.OpenIdentity([]wire.SealKey{old}, sealed, keys, want)
	wantErr(t, "after 600 s", err, errors.Is(err, wire.ErrStale))
	_, err = wire.Open([]wire.SealKey{old}, sealed, wire.CtyBrowser)
	wantErr(t, "as a browser value", err, fault.Of(err) == fault.Invalid)
}

// encryptAs makes a JWE as another party's library might.
func encryptAs(t *testing.T, key wire.SealKey, alg jose.KeyAlgorithm, enc jose.ContentEncryption, opts *jose.EncrypterOptions) string {
	t.Helper()
	return encrypt(t, key, alg, enc, opts, []byte(strings.Repeat("rs", 200)))
}

func encrypt(t *testing.T, key wire.SealKey, alg jose.KeyAlgorithm, enc jose.ContentEncryption, opts *jose.EncrypterOptions, plain []byte) string {
	t.Helper()
	var private jose.JSONWebKey
	if err := private.UnmarshalJSON(key.PrivateJWK()); err != nil {
		t.Fatal(err)
	}
	e, err := jose.NewEncrypter(enc, jose.Recipient{Algorithm: alg, Key: private.Public().Key, KeyID: key.KID()}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return must(must(e.Encrypt(plain)).CompactSerialize())
}

// sealLong is well sealed and longer than we read.
func sealLong(t *testing.T, key wire.SealKey) string {
	t.Helper()
	if _, err := wire.Seal(key.Public(), make([]byte, 64<<10), wire.CtyBrowser); err == nil {
		t.Error("sealed what nobody opens")
	}
	return encrypt(t, key, jose.ECDH_ES, jose.A256GCM, (&jose.EncrypterOptions{}).WithContentType(wire.CtyBrowser), make([]byte, 64<<10))
}

func TestOpenRefuses(t *testing.T) {
	key := wire.GenerateSealKey()
	cty := func() *jose.EncrypterOptions { return (&jose.EncrypterOptions{}).WithContentType(wire.CtyBrowser) }
	zip := cty()
	zip.Compression = jose.DEFLATE
	good := must(wire.Seal(key.Public(), []byte("rs"), wire.CtyBrowser))
	parts := strings.Split(good, ".")
	header := func(f func(map[string]any)) string {
		var h map[string]any
		if err := json.Unmarshal(must(unb64(parts[0])), &h); err != nil {
			t.Fatal(err)
		}
		f(h)
		return b64(must(json.Marshal(h))) + "." + strings.Join(parts[1:], ".")
	}
	for name, text := range map[string]string{
		"compressed":      encryptAs(t, key, jose.ECDH_ES, jose.A256GCM, zip),
		"zip added":       header(func(h map[string]any) { h["zip"] = "DEF" }),
		"wrapped key":     encryptAs(t, key, jose.ECDH_ES_A256KW, jose.A256GCM, cty()),
		"A128GCM":         encryptAs(t, key, jose.ECDH_ES, jose.A128GCM, cty()),
		"CBC":             encryptAs(t, key, jose.ECDH_ES, jose.A256CBC_HS512, cty()),
		"no cty":          encryptAs(t, key, jose.ECDH_ES, jose.A256GCM, nil),
		"cty changed":     header(func(h map[string]any) { h["cty"] = "JWT" }),
		"kid changed":     header(func(h map[string]any) { h["kid"] = "x" }),
		"no kid":          header(func(h map[string]any) { delete(h, "kid") }),
		"apu":             header(func(h map[string]any) { h["apu"] = "AA" }),
		"crit":            header(func(h map[string]any) { h["crit"] = []string{"kid"} }),
		"no epk":          header(func(h map[string]any) { delete(h, "epk") }),
		"off the curve":   header(func(h map[string]any) { h["epk"].(map[string]any)["x"] = h["epk"].(map[string]any)["y"] }),
		"private epk":     header(func(h map[string]any) { h["epk"].(map[string]any)["d"] = "AA" }),
		"direct":          header(func(h map[string]any) { h["alg"] = "dir" }),
		"body changed":    parts[0] + ".." + parts[2] + "." + b64([]byte("xx")) + "." + parts[4],
		"tag cut":         parts[0] + ".." + parts[2] + "." + parts[3] + "." + parts[4][:12],
		"JSON form":       `{"protected":"` + parts[0] + `"}`,
		"too long":        sealLong(t, key),
		"nothing":         "",
		"an unsealed JWS": must(wire.Sign(wire.GenerateKey(), order())),
	} {
		_, err := wire.Open([]wire.SealKey{key}, text, wire.CtyBrowser)
		wantErr(t, name, err, fault.Of(err) == fault.Invalid)
	}
	if _, err := wire.Seal(wire.PublicSealKey{}, nil, wire.CtyBrowser); err == nil {
		t.Error("sealed without a key")
	}
}

// What is sealed opens to the same bytes, and its length tells the length of the text only, never how well the
// text would compress.
func TestSealProperties(t *testing.T) {
	key := wire.GenerateSealKey()
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "plain")
		sealed := must(wire.Seal(key.Public(), plain, wire.CtyBrowser))
		got, err := wire.Open([]wire.SealKey{key}, sealed, wire.CtyBrowser)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes: %v", len(plain), err)
		}
		if flat := must(wire.Seal(key.Public(), make([]byte, len(plain)), wire.CtyBrowser)); len(flat) != len(sealed) {
			t.Fatalf("lengths differ: %d, %d", len(flat), len(sealed))
		}
	})
	var squeezed bytes.Buffer
	w := must(flate.NewWriter(&squeezed, 9))
	_, _ = w.Write(make([]byte, 2000))
	_ = w.Close()
	if squeezed.Len() > 100 {
		t.Fatal("the comparison above proves nothing")
	}
}
