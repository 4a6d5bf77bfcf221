package wire_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"strings"
	"testing"

	"github.com/descope/virtualwebauthn"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
	"pgregory.net/rapid"
)

const walletOrigin = "http://wallet.localhost:8080"

func challenge() []byte { return wire.DebitChallenge(bank, linkID, "deb_1", 3000, t0.UnixMicro()) }

func TestDeviceProofs(t *testing.T) {
	for _, synced := range []bool{false, true} {
		p := wiretest.NewPasskey(walletHost, walletOrigin, synced)
		if err := p.Device().Check(); err != nil {
			t.Fatal(err)
		}
		if err := wire.VerifyDevice(p.Device(), p.Sign(challenge()), challenge()); err != nil {
			t.Errorf("synced %v: %v", synced, err)
		}
	}
}

// coseKey is any key as a passkey's COSE_Key.
func coseKey(key any) string {
	switch k := key.(type) {
	case ed25519.PrivateKey:
		return b64(must(webauthncbor.Marshal(map[int]any{1: 1, 3: -8, -1: 6, -2: []byte(k.Public().(ed25519.PublicKey))})))
	case *rsa.PrivateKey:
		return b64(must(webauthncbor.Marshal(map[int]any{1: 3, 3: -37, -1: k.N.Bytes(), -2: []byte{1, 0, 1}})))
	}
	panic("no such key")
}

// Passkeys of other kinds than P-256 are taken too.
func TestDeviceAlgorithms(t *testing.T) {
	ed := must2(ed25519.GenerateKey(nil))
	for _, c := range []struct {
		name string
		key  any
		sign func(b []byte) []byte
	}{
		{"EdDSA", ed, func(b []byte) []byte { return ed25519.Sign(ed, b) }},
		{"PS256", rsaKey(), func(b []byte) []byte { return signAs("PS256", rsaKey(), b) }},
	} {
		p := wiretest.NewPasskey(walletHost, walletOrigin, false)
		d, proof := p.Device(), p.Sign(challenge())
		d.PublicKey = coseKey(c.key)
		client := sha256.Sum256(must(unb64(proof.ClientDataJSON)))
		proof.Signature = b64(c.sign(append(must(unb64(proof.AuthenticatorData)), client[:]...)))
		if err := wire.VerifyDevice(d, proof, challenge()); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		proof.Signature = b64(c.sign([]byte("something else")))
		wantErr(t, c.name, wire.VerifyDevice(d, proof, challenge()), true)
	}
	p := wiretest.NewPasskey(walletHost, walletOrigin, false)
	p.Credential = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeRSA)
	if err := wire.VerifyDevice(p.Device(), p.Sign(challenge()), challenge()); err != nil {
		t.Errorf("RS256: %v", err)
	}
}

func TestDeviceRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		synced bool
		bend   func(p *wiretest.Passkey, d *wire.Device, proof *wire.DeviceProof)
	}{
		"another amount": {false, func(p *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			*pr = p.Sign(wire.DebitChallenge(bank, linkID, "deb_1", 3001, t0.UnixMicro()))
		}},
		"another link": {false, func(p *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			*pr = p.Sign(wire.DebitChallenge(bank, "lnk_2", "deb_1", 3000, t0.UnixMicro()))
		}},
		"another debit": {false, func(p *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			*pr = p.Sign(wire.DebitChallenge(bank, linkID, "deb_2", 3000, t0.UnixMicro()))
		}},
		"another bank": {false, func(p *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			*pr = p.Sign(wire.DebitChallenge("https://x", linkID, "deb_1", 3000, t0.UnixMicro()))
		}},
		"another time": {false, func(p *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			*pr = p.Sign(wire.DebitChallenge(bank, linkID, "deb_1", 3000, t0.UnixMicro()+1))
		}},
		"another passkey": {false, func(_ *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			*pr = wiretest.NewPasskey(walletHost, walletOrigin, false).Sign(challenge())
		}},
		"its id, other key": {false, func(p *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			*pr = wiretest.NewPasskey(walletHost, walletOrigin, false).Sign(challenge())
			pr.CredentialID = p.Device().CredentialID
		}},
		"another page": {false, func(p *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			p.RP.Origin = "http://evil.localhost:8080"
			*pr = p.Sign(challenge())
		}},
		"another port": {false, func(p *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			p.RP.Origin = "http://wallet.localhost:8081"
			*pr = p.Sign(challenge())
		}},
		"another host": {false, func(p *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			p.RP.ID = "evil.localhost"
			*pr = p.Sign(challenge())
		}},
		"nobody there": {false, func(p *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			p.Authenticator.Options.UserNotPresent = true
			*pr = p.Sign(challenge())
		}},
		"not verified": {false, func(p *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			p.Authenticator.Options.UserNotVerified = true
			*pr = p.Sign(challenge())
		}},
		"now eligible": {false, func(p *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			p.Authenticator.Options.BackupEligible = true
			*pr = p.Sign(challenge())
		}},
		"backed up anyway": {false, func(p *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			p.Authenticator.Options.BackupState = true
			*pr = p.Sign(challenge())
		}},
		"no more eligible": {true, func(p *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			p.Authenticator.Options.BackupEligible, p.Authenticator.Options.BackupState = false, false
			*pr = p.Sign(challenge())
		}},
		"no browser": {true, func(_ *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) { pr.BrowserSignature = "" }},
		"another browser": {true, func(_ *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			pr.BrowserSignature = wiretest.NewPasskey(walletHost, walletOrigin, true).Sign(challenge()).BrowserSignature
		}},
		"browser's old word": {true, func(p *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			pr.BrowserSignature = p.Sign([]byte("before")).BrowserSignature
		}},
		"browser key gone": {true, func(_ *wiretest.Passkey, d *wire.Device, _ *wire.DeviceProof) { d.BrowserKey = "" }},
		"no signature":     {false, func(_ *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) { pr.Signature = "" }},
		"data cut": {false, func(_ *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			pr.AuthenticatorData = pr.AuthenticatorData[:40]
		}},
		"data longer": {false, func(_ *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) {
			pr.AuthenticatorData = b64(append(must(unb64(pr.AuthenticatorData)), 0))
		}},
		"no client data": {false, func(_ *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) { pr.ClientDataJSON = "" }},
		"nothing":        {false, func(_ *wiretest.Passkey, _ *wire.Device, pr *wire.DeviceProof) { *pr = wire.DeviceProof{} }},
	} {
		p := wiretest.NewPasskey(walletHost, walletOrigin, c.synced)
		d, proof := p.Device(), p.Sign(challenge())
		c.bend(p, &d, &proof)
		err := wire.VerifyDevice(d, proof, challenge())
		wantErr(t, name, err, fault.Of(err) == fault.Refused && fault.RuleOf(err) == "M9")
	}
	p := wiretest.NewPasskey(walletHost, walletOrigin, false)
	wantErr(t, "no challenge at all", wire.VerifyDevice(p.Device(), p.Sign(nil), nil), true)
}

// What a page of another site could have signed, or a registration instead of an assertion.
func TestClientData(t *testing.T) {
	own := newECDSA()
	p := wiretest.NewPasskey(walletHost, walletOrigin, false)
	d := p.Device()
	d.PublicKey = b64(must(webauthncbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1,
		-2: own.X.FillBytes(make([]byte, 32)), -3: own.Y.FillBytes(make([]byte, 32))})))
	sign := func(client string, auth []byte) wire.DeviceProof {
		proof := p.Sign(challenge())
		if auth != nil {
			proof.AuthenticatorData = b64(auth)
		}
		proof.ClientDataJSON = b64([]byte(client))
		sum := sha256.Sum256([]byte(client))
		digest := sha256.Sum256(append(must(unb64(proof.AuthenticatorData)), sum[:]...))
		proof.Signature = b64(must(ecdsa.SignASN1(rand.Reader, own, digest[:])))
		return proof
	}
	check := func(client string) error { return wire.VerifyDevice(d, sign(client, nil), challenge()) }
	head := `{"type":"webauthn.get","challenge":"` + b64(challenge()) + `","origin":"` + walletOrigin + `"`
	for _, client := range []string{head + `}`, head + `,"crossOrigin":false,"other_keys_can_be_added_here":"x"}`} {
		if err := check(client); err != nil {
			t.Errorf("%s: %v", client, err)
		}
	}
	other := sign(head+`}`, nil)
	other.CredentialID = b64([]byte("other"))
	wantErr(t, "another id of the same key", wire.VerifyDevice(d, other, challenge()), true)
	plain := must(unb64(p.Sign(challenge()).AuthenticatorData))
	withFlags := func(flags byte, tail ...byte) []byte {
		b := append(bytes.Clone(plain), tail...)
		b[32] |= flags
		return b
	}
	if err := wire.VerifyDevice(d, sign(head+`}`, withFlags(0x80, 0xa0)), challenge()); err != nil {
		t.Errorf("with extensions: %v", err)
	}
	for name, auth := range map[string][]byte{
		"attested data":             withFlags(0x40),
		"extensions, not there":     withFlags(0x80),
		"extensions, not announced": withFlags(0, 0xa0),
	} {
		wantErr(t, name, wire.VerifyDevice(d, sign(head+`}`, auth), challenge()), true)
	}
	for name, client := range map[string]string{
		"registration":     `{"type":"webauthn.create","challenge":"` + b64(challenge()) + `","origin":"` + walletOrigin + `"}`,
		"in a frame":       head + `,"crossOrigin":true}`,
		"below a page":     head + `,"topOrigin":"https://evil.example"}`,
		"two origins":      head + `,"origin":"` + walletOrigin + `"}`,
		"two challenges":   head + `,"challenge":"x"}`,
		"Origin":           strings.Replace(head, walletOrigin, "http://evil.localhost", 1) + `,"Origin":"` + walletOrigin + `"}`,
		"padded challenge": `{"type":"webauthn.get","challenge":"` + b64(challenge()) + `=","origin":"` + walletOrigin + `"}`,
		"trailing":         head + `}{}`,
		"not JSON":         `x`,
	} {
		err := check(client)
		wantErr(t, name, err, fault.RuleOf(err) == "M9")
	}
}

func TestDeviceCheck(t *testing.T) {
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	weak := b64(must(webauthncbor.Marshal(map[int]any{1: 3, 3: -257, -1: bytes.Repeat([]byte{0xff}, 128), -2: []byte{1, 0, 1}})))
	easy := b64(must(webauthncbor.Marshal(map[int]any{1: 3, 3: -257, -1: bytes.Repeat([]byte{0xff}, 256), -2: []byte{1}})))
	for name, bend := range map[string]func(d *wire.Device){
		"no credential":        func(d *wire.Device) { d.CredentialID = "" },
		"odd credential":       func(d *wire.Device) { d.CredentialID = "a=" },
		"no key":               func(d *wire.Device) { d.PublicKey = "" },
		"not a key":            func(d *wire.Device) { d.PublicKey = "AAAA" },
		"key and more":         func(d *wire.Device) { d.PublicKey = b64(append(must(unb64(d.PublicKey)), 0)) },
		"RSA 1024":             func(d *wire.Device) { d.PublicKey = weak },
		"RSA of exponent 1":    func(d *wire.Device) { d.PublicKey = easy },
		"no origin":            func(d *wire.Device) { d.Origin = "" },
		"origin with a path":   func(d *wire.Device) { d.Origin += "/" },
		"origin in capitals":   func(d *wire.Device) { d.Origin = "http://WALLET.localhost:8080" },
		"http origin":          func(d *wire.Device) { d.Origin, d.RPID = "http://wallet.example", "wallet.example" },
		"another RP id":        func(d *wire.Device) { d.RPID = "example.com" },
		"RP id of a neighbour": func(d *wire.Device) { d.RPID = "allet.localhost" },
		"no RP id":             func(d *wire.Device) { d.RPID = "" },
		"no browser key":       func(d *wire.Device) { d.BrowserKey = "" },
		"not a browser key":    func(d *wire.Device) { d.BrowserKey = "AAAA" },
		"P-384":                func(d *wire.Device) { d.BrowserKey = b64(must(x509.MarshalPKIXPublicKey(p384.Public()))) },
		"RSA in the browser":   func(d *wire.Device) { d.BrowserKey = b64(must(x509.MarshalPKIXPublicKey(rsaKey().Public()))) },
	} {
		d := wiretest.NewPasskey(walletHost, walletOrigin, true).Device()
		bend(&d)
		err := d.Check()
		wantErr(t, name, err, fault.Of(err) == fault.Invalid)
	}
}

// A thumbprint names the whole device: any change gives another.
func TestDeviceThumbprint(t *testing.T) {
	d := wiretest.NewPasskey(walletHost, walletOrigin, true).Device()
	seen := map[string]string{d.Thumbprint(): "itself"}
	for name, bend := range map[string]func(d *wire.Device){
		"credential": func(d *wire.Device) { d.CredentialID += "A" },
		"key":        func(d *wire.Device) { d.PublicKey += "A" },
		"moved":      func(d *wire.Device) { d.CredentialID, d.PublicKey = d.CredentialID+d.PublicKey[:1], d.PublicKey[1:] },
		"host":       func(d *wire.Device) { d.RPID = "localhost" },
		"origin":     func(d *wire.Device) { d.Origin += "0" },
		"synced":     func(d *wire.Device) { d.Synced = false },
		"browser":    func(d *wire.Device) { d.BrowserKey = "" },
	} {
		other := d
		bend(&other)
		if was, taken := seen[other.Thumbprint()]; taken {
			t.Errorf("%s looks like %s", name, was)
		}
		seen[other.Thumbprint()] = name
	}
	var back wire.Device
	if err := json.Unmarshal(must(json.Marshal(d)), &back); err != nil || back.Thumbprint() != d.Thumbprint() {
		t.Error("a thumbprint changes on the wire")
	}
}

// Two debits share a challenge only if they are the same in every field, however the fields are cut.
func TestDebitChallengeIsUnambiguous(t *testing.T) {
	type debit struct {
		issuer, link, debit string
		amount, agreed      int64
	}
	text := rapid.StringMatching(`[a/_\x00]{0,4}`)
	draw := func(t *rapid.T, label string) debit {
		return debit{text.Draw(t, label), text.Draw(t, label), text.Draw(t, label),
			rapid.Int64Range(0, 3).Draw(t, label), rapid.Int64Range(0, 3).Draw(t, label)}
	}
	of := func(d debit) []byte {
		return wire.DebitChallenge(id.Issuer(d.issuer), id.Link(d.link), id.Debit(d.debit), money.Yen(d.amount), d.agreed)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw(t, "a"), draw(t, "b")
		if whole := a.issuer + a.link + a.debit; rapid.Bool().Draw(t, "recut") { // the same letters, cut elsewhere
			i := rapid.IntRange(0, len(whole)).Draw(t, "i")
			j := rapid.IntRange(i, len(whole)).Draw(t, "j")
			b = debit{whole[:i], whole[i:j], whole[j:], a.amount, a.agreed}
		}
		if same := a == b; same != bytes.Equal(of(a), of(b)) || len(of(a)) != 32 {
			t.Fatalf("%+v %+v", a, b)
		}
	})
}
