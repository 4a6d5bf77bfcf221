package journey

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/descope/virtualwebauthn"
)

// keyring is the passkeys of a device, with the browser's own keys beside them.
type keyring struct {
	synced bool // its passkeys may be copied to other devices
	keys   []*passkey
	saw    func(kind, secret string)
}

// passkey is a credential for one host.
type passkey struct {
	rp            virtualwebauthn.RelyingParty
	authenticator virtualwebauthn.Authenticator
	credential    virtualwebauthn.Credential
	browser       *ecdsa.PrivateKey // nil where the page asked for none
}

// perform does what a page's ceremony asks and returns what its hidden fields then hold.
func (r *keyring) perform(at *url.URL, box node) (map[string]string, error) {
	if box.attr("data-ceremony") == "create" {
		return r.create(at, box)
	}
	return r.get(at, box)
}

func (r *keyring) create(at *url.URL, box node) (map[string]string, error) {
	o, err := virtualwebauthn.ParseAttestationOptions(box.attr("data-options"))
	if err != nil {
		return nil, err
	}
	rp, err := relyingParty(at, o.RelyingPartyID)
	if err != nil {
		return nil, err
	}
	for _, k := range r.keys {
		if k.rp.ID == rp.ID && k.credential.IsExcludedForAttestation(*o) {
			return nil, errors.New("the device has a passkey of this account already")
		}
	}
	k := &passkey{rp: rp, credential: newCredential(), authenticator: virtualwebauthn.NewAuthenticatorWithOptions(
		virtualwebauthn.AuthenticatorOptions{UserHandle: []byte(o.UserID), BackupEligible: r.synced, BackupState: r.synced})}
	answers := map[string]string{"credential": virtualwebauthn.CreateAttestationResponse(rp, k.authenticator, k.credential, *o)}
	if box.attr("data-browser-key") == "make" {
		if k.browser, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, err
		}
		public, err := x509.MarshalPKIXPublicKey(k.browser.Public())
		if err != nil {
			return nil, err
		}
		answers["browser_key"] = b64(public)
	}
	r.keys = append(r.keys, k)
	r.tell(k)
	return answers, nil
}

// tell names the private keys of a new passkey, as raw numbers.
func (r *keyring) tell(k *passkey) {
	if private, err := x509.ParsePKCS8PrivateKey(k.credential.Key.Data); err == nil {
		if ec, ok := private.(*ecdsa.PrivateKey); ok {
			r.saw("passkey", string(scalar(ec)))
		}
	}
	if k.browser != nil {
		r.saw("browser key", string(scalar(k.browser)))
	}
}

// scalar is the private number of a P-256 key.
func scalar(k *ecdsa.PrivateKey) []byte {
	raw, err := k.Bytes()
	if err != nil {
		panic("journey: a key that has no bytes: " + err.Error())
	}
	return raw
}

func (r *keyring) get(at *url.URL, box node) (map[string]string, error) {
	o, err := virtualwebauthn.ParseAssertionOptions(box.attr("data-options"))
	if err != nil {
		return nil, err
	}
	rp, err := relyingParty(at, o.RelyingPartyID)
	if err != nil {
		return nil, err
	}
	for _, k := range slices.Backward(r.keys) {
		if k.rp != rp || len(o.AllowCredentials) > 0 && !k.credential.IsAllowedForAssertion(*o) {
			continue
		}
		answers := map[string]string{"credential": virtualwebauthn.CreateAssertionResponse(rp, k.authenticator, k.credential, *o)}
		if box.attr("data-browser-key") == "sign" {
			if answers["browser_signature"], err = k.sign(box.attr("data-challenge")); err != nil {
				return nil, err
			}
		}
		return answers, nil
	}
	return nil, fmt.Errorf("the device has no passkey for %s that this page takes", rp.ID)
}

// relyingParty is whom a page may ask passkeys for: its own host, or the domain above it (WebAuthn, 5.1.3).
func relyingParty(at *url.URL, id string) (virtualwebauthn.RelyingParty, error) {
	host := at.Hostname()
	if id == "" {
		id = host
	}
	if host != id && (!strings.HasSuffix(host, "."+id) || !strings.Contains(id, ".")) {
		return virtualwebauthn.RelyingParty{}, fmt.Errorf("a page of %s asked for passkeys of %q", host, id)
	}
	return virtualwebauthn.RelyingParty{ID: id, Name: id, Origin: origin(at)}, nil
}

// newCredential avoids the one key in 128 whose coordinates virtualwebauthn writes too short for COSE.
func newCredential() virtualwebauthn.Credential {
	const coseP256 = 77 // bytes of a P-256 COSE_Key with whole coordinates
	for {
		c := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
		if len(c.Key.AttestationData()) == coseP256 {
			return c
		}
	}
}

// sign signs a challenge with the browser's own key: ECDSA with SHA-256, r||s.
func (k *passkey) sign(challenge string) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(challenge)
	if err != nil || k.browser == nil {
		return "", errors.Join(err, errors.New("this browser has no key to sign with"))
	}
	sum := sha256.Sum256(raw)
	r, s, err := ecdsa.Sign(rand.Reader, k.browser, sum[:])
	if err != nil {
		return "", err
	}
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return b64(out), nil
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
