package sim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/kozamori/kozamori/internal/wire"
)

// device is a holder's phone: a passkey that is bound to it, and signs what she agrees to (M9).
type device struct {
	key    *ecdsa.PrivateKey
	public wire.Device
}

func newDevice(id, rpID, origin string) device {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("sim: no key for a device: " + err.Error())
	}
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		panic("sim: a device's key cannot be written: " + err.Error())
	}
	cose := []byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32} // EC2, ES256, P-256 (RFC 9053)
	cose = append(append(append(cose, point[1:33]...), 0x22, 0x58, 32), point[33:]...)
	return device{key, wire.Device{CredentialID: b64([]byte(id)), PublicKey: b64(cose), RPID: rpID, Origin: origin}}
}

// sign answers a challenge as an authenticator does (WebAuthn, 6.3.3): present and verified.
func (d device) sign(challenge []byte) wire.DeviceProof {
	client := fmt.Sprintf(`{"type":"webauthn.get","challenge":%q,"origin":%q,"crossOrigin":false}`, b64(challenge), d.public.Origin)
	host, said := sha256.Sum256([]byte(d.public.RPID)), sha256.Sum256([]byte(client))
	auth := append(host[:], 0x05, 0, 0, 0, 0)
	sum := sha256.Sum256(append(auth[:len(auth):len(auth)], said[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, d.key, sum[:])
	if err != nil {
		panic("sim: a device cannot sign: " + err.Error())
	}
	return wire.DeviceProof{CredentialID: d.public.CredentialID, AuthenticatorData: b64(auth), ClientDataJSON: b64([]byte(client)), Signature: b64(signature)}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
