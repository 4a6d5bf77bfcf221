package wire

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
)

// Flags of authenticator data (WebAuthn, section 6.1).
const (
	flagUserPresent    = 0x01
	flagUserVerified   = 0x04
	flagBackupEligible = 0x08
	flagBackedUp       = 0x10
	flagAttested       = 0x40
	flagExtensions     = 0x80
)

const authDataFixed = 37 // rpIdHash 32, flags 1, counter 4

// DebitChallenge is what the holder's device signs to agree to one debit (M9): SHA-256 over a fixed label and
// the length-prefixed fields, so that no two debits share a challenge. agreedUs is when she was shown it.
func DebitChallenge(issuer id.Issuer, link id.Link, debit id.Debit, amount money.Yen, agreedUs int64) []byte {
	text := lengthPrefixed("kozamori debit v1", string(issuer), string(link), string(debit))
	text = binary.BigEndian.AppendUint64(text, uint64(amount))
	text = binary.BigEndian.AppendUint64(text, uint64(agreedUs))
	sum := sha256.Sum256(text)
	return sum[:]
}

func lengthPrefixed(fields ...string) []byte {
	var b []byte
	for _, f := range fields {
		b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}

// Thumbprint names a device key as a whole, base64url SHA-256: the Device of a link's gate.
func (d Device) Thumbprint() string {
	synced := "bound"
	if d.Synced {
		synced = "synced"
	}
	return Hash(string(lengthPrefixed("kozamori device v1", d.CredentialID, d.PublicKey, d.RPID, d.Origin, synced, d.BrowserKey)))
}

// Check says whether the device could ever prove anything: keys that parse, an origin below its RP id, and a
// browser key beside a passkey that may be synced (L9).
func (d Device) Check() error {
	if b, err := unbase64(d.CredentialID); err != nil || len(b) == 0 || len(b) > 1023 {
		return invalidDevice("credential_id is missing or malformed")
	}
	if _, err := d.passkey(); err != nil {
		return err
	}
	origin, err := parseURL(d.Origin)
	if err != nil || d.Origin != origin.Scheme+"://"+origin.Host || d.Origin != strings.ToLower(d.Origin) {
		return invalidDevice("origin is not an origin")
	}
	host := origin.Hostname()
	if d.RPID == "" || (host != d.RPID && !strings.HasSuffix(host, "."+d.RPID)) {
		return invalidDevice("rp_id is not the origin's")
	}
	if d.Synced && d.BrowserKey == "" {
		return &fault.Error{Kind: fault.Invalid, Op: "wire.Device", Rule: "L9",
			Err: errors.New("a passkey that may be synced needs a browser key")}
	}
	if d.BrowserKey != "" {
		_, err = d.browserKey()
	}
	return err
}

func invalidDevice(why string) error {
	return &fault.Error{Kind: fault.Invalid, Op: "wire.Device", Err: errors.New(why)}
}

// passkey parses the COSE key: ES256, EdDSA, RS256 or PS256.
func (d Device) passkey() (any, error) {
	raw, err := unbase64(d.PublicKey)
	if err != nil || len(raw) == 0 || len(raw) > 2048 {
		return nil, invalidDevice("public_key is missing or malformed")
	}
	key, err := webauthncose.ParsePublicKey(raw)
	if err != nil {
		return nil, invalidDevice("public_key is not a COSE key")
	}
	switch k := key.(type) {
	case webauthncose.EC2PublicKeyData:
		if webauthncose.COSEAlgorithmIdentifier(k.Algorithm) == webauthncose.AlgES256 {
			return key, nil
		}
	case webauthncose.OKPPublicKeyData:
		if webauthncose.COSEAlgorithmIdentifier(k.Algorithm) == webauthncose.AlgEdDSA {
			return key, nil
		}
	case webauthncose.RSAPublicKeyData:
		alg := webauthncose.COSEAlgorithmIdentifier(k.Algorithm)
		known := alg == webauthncose.AlgRS256 || alg == webauthncose.AlgPS256
		bits := new(big.Int).SetBytes(k.Modulus).BitLen()
		if e, err := webauthncose.ParseRSAPublicKeyDataExponent(&k); known && err == nil && e >= 65537 &&
			bits >= minRSABits && bits <= maxRSABits {
			return key, nil
		}
	}
	return nil, invalidDevice("public_key is of a kind that is not taken")
}

func (d Device) browserKey() (*ecdsa.PublicKey, error) {
	raw, err := unbase64(d.BrowserKey)
	if err != nil {
		return nil, invalidDevice("browser_key is malformed")
	}
	parsed, err := x509.ParsePKIXPublicKey(raw)
	if err != nil {
		return nil, invalidDevice("browser_key is not SPKI")
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, invalidDevice("browser_key is not P-256")
	}
	return key, nil
}

// VerifyDevice says whether the device d signed this challenge, the holder being present and verified: a
// WebAuthn assertion (level 3, section 7.2) of exactly this credential, page and host, and the browser key's
// signature where there is such a key. Every refusal is fault.Refused by M9.
func VerifyDevice(d Device, p DeviceProof, challenge []byte) error {
	if err := verifyDevice(d, p, challenge); err != nil {
		return &fault.Error{Kind: fault.Refused, Op: "wire.VerifyDevice", Rule: "M9", Err: err, Public: fault.Text{
			JA: "端末の署名を確認できませんでした。もう一度お試しください。",
			EN: "The signature of your device could not be confirmed. Please try again."}}
	}
	return nil
}

func verifyDevice(d Device, p DeviceProof, challenge []byte) error {
	if err := d.Check(); err != nil {
		return err
	}
	if p.CredentialID != d.CredentialID {
		return errors.New("another credential")
	}
	client, err := unbase64(p.ClientDataJSON)
	if err != nil || len(client) > 4096 {
		return errors.New("client data is malformed")
	}
	if err := checkClientData(client, d.Origin, challenge); err != nil {
		return err
	}
	auth, err := unbase64(p.AuthenticatorData)
	if err != nil || len(auth) > 4096 {
		return errors.New("authenticator data is malformed")
	}
	if err := checkAuthData(auth, d); err != nil {
		return err
	}
	signature, err := unbase64(p.Signature)
	if err != nil {
		return errors.New("signature is malformed")
	}
	key, err := d.passkey()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(client)
	if ok, err := webauthncose.VerifySignature(key, append(bytes.Clone(auth), sum[:]...), signature); err != nil || !ok {
		return errors.New("the passkey did not sign this")
	}
	return d.checkBrowser(p.BrowserSignature, challenge)
}

func checkClientData(raw []byte, origin string, challenge []byte) error {
	var c struct {
		Type        string  `json:"type"`
		Challenge   string  `json:"challenge"`
		Origin      string  `json:"origin"`
		CrossOrigin bool    `json:"crossOrigin"`
		TopOrigin   *string `json:"topOrigin"`
	}
	// Browsers may add members (WebAuthn, section 5.8.1); they may not repeat one.
	if err := decode(raw, &c, false); err != nil {
		return err
	}
	got, err := unbase64(c.Challenge)
	switch {
	case c.Type != "webauthn.get":
		return fmt.Errorf("client data of type %.40q", c.Type)
	case err != nil || len(challenge) == 0 || subtle.ConstantTimeCompare(got, challenge) != 1:
		return errors.New("another challenge")
	case c.Origin != origin:
		return fmt.Errorf("origin is %.80q", c.Origin)
	case c.CrossOrigin || c.TopOrigin != nil:
		return errors.New("signed within a page of another site")
	}
	return nil
}

func checkAuthData(b []byte, d Device) error {
	if len(b) < authDataFixed {
		return errors.New("authenticator data is too short")
	}
	host, flags := sha256.Sum256([]byte(d.RPID)), b[32]
	switch {
	case !bytes.Equal(b[:32], host[:]):
		return errors.New("another RP id")
	case flags&flagUserPresent == 0:
		return errors.New("the user was not present")
	case flags&flagUserVerified == 0:
		return errors.New("the user was not verified")
	case flags&flagAttested != 0:
		return errors.New("attested data in an assertion")
	case (flags&flagBackupEligible != 0) != d.Synced:
		return errors.New("the passkey's backup eligibility is not the registered one")
	case flags&flagBackedUp != 0 && !d.Synced:
		return errors.New("backed up without being eligible")
	case (flags&flagExtensions != 0) != (len(b) > authDataFixed):
		return errors.New("authenticator data of the wrong length")
	}
	return nil
}

// checkBrowser verifies the browser key's signature over the challenge: ECDSA P-256, SHA-256, r||s.
func (d Device) checkBrowser(signature string, challenge []byte) error {
	if d.BrowserKey == "" {
		return nil
	}
	key, err := d.browserKey()
	if err != nil {
		return err
	}
	raw, err := unbase64(signature)
	if err != nil || len(raw) != 64 {
		return errors.New("the browser's signature is missing or malformed")
	}
	sum := sha256.Sum256(challenge)
	if !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])) {
		return errors.New("the browser key did not sign this")
	}
	return nil
}
