// Package wiretest holds what tests of the roles need of wire: stores in memory and a software passkey.
// No program may import it.
package wiretest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wire"
)

// Replay is a wire.Replay for one process; it forgets nothing.
type Replay struct {
	mu   sync.Mutex
	seen map[string]bool
}

// Use implements wire.Replay.
func (r *Replay) Use(_ context.Context, space, jti string, _ time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	key := space + "\x00" + jti
	first := !r.seen[key]
	r.seen[key] = true
	return first, nil
}

// Tokens is a wire.TokenStore for one process.
type Tokens struct {
	mu   sync.Mutex
	rows map[string]wire.Token
}

// SaveToken implements wire.TokenStore.
func (s *Tokens) SaveToken(_ context.Context, hash string, t wire.Token) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows == nil {
		s.rows = map[string]wire.Token{}
	}
	s.rows[hash] = t
	return nil
}

// TokenByHash implements wire.TokenStore.
func (s *Tokens) TokenByHash(_ context.Context, hash string) (wire.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.rows[hash]
	if !ok {
		return wire.Token{}, fault.New(fault.NotFound, "wiretest.Tokens", errors.New("no such token"))
	}
	return t, nil
}

// RevokeAll forgets every token, as a restart with an empty store would.
func (s *Tokens) RevokeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = nil
}

// Passkey is a holder's device in software: a WebAuthn credential and, where it may be synced, a browser key.
type Passkey struct {
	RP            virtualwebauthn.RelyingParty
	Authenticator virtualwebauthn.Authenticator
	Credential    virtualwebauthn.Credential
	Browser       *ecdsa.PrivateKey // nil where the passkey is bound to its device

	signing sync.Mutex // the library makes its key ready at the first signature
}

// NewPasskey makes a device for a host: NewPasskey("wallet.localhost", "http://wallet.localhost:8080", true).
func NewPasskey(rpID, origin string, synced bool) *Passkey {
	p := &Passkey{
		RP: virtualwebauthn.RelyingParty{ID: rpID, Name: rpID, Origin: origin},
		Authenticator: virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{
			BackupEligible: synced, BackupState: synced}),
		Credential: newCredential(),
	}
	p.Authenticator.AddCredential(p.Credential)
	if synced {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		p.Browser = key
	}
	return p
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

// Device is the public side, as a link names it.
func (p *Passkey) Device() wire.Device {
	d := wire.Device{
		CredentialID: b64(p.Credential.ID), PublicKey: b64(p.Credential.Key.AttestationData()),
		RPID: p.RP.ID, Origin: p.RP.Origin, Synced: p.Browser != nil,
	}
	if p.Browser != nil {
		spki, err := x509.MarshalPKIXPublicKey(p.Browser.Public())
		if err != nil {
			panic(err)
		}
		d.BrowserKey = b64(spki)
	}
	return d
}

// Sign proves that the holder agreed to a challenge.
func (p *Passkey) Sign(challenge []byte) wire.DeviceProof {
	p.signing.Lock()
	defer p.signing.Unlock()
	text := virtualwebauthn.CreateAssertionResponse(p.RP, p.Authenticator, p.Credential,
		virtualwebauthn.AssertionOptions{Challenge: challenge, RelyingPartyID: p.RP.ID})
	var made struct {
		ID       string
		Response struct{ AuthenticatorData, ClientDataJSON, Signature string }
	}
	if err := json.Unmarshal([]byte(text), &made); err != nil {
		panic(err)
	}
	proof := wire.DeviceProof{CredentialID: made.ID, AuthenticatorData: made.Response.AuthenticatorData,
		ClientDataJSON: made.Response.ClientDataJSON, Signature: made.Response.Signature}
	if p.Browser != nil {
		proof.BrowserSignature = b64(p.signBrowser(challenge))
	}
	return proof
}

func (p *Passkey) signBrowser(challenge []byte) []byte {
	sum := sha256.Sum256(challenge)
	r, s, err := ecdsa.Sign(rand.Reader, p.Browser, sum[:])
	if err != nil {
		panic(err)
	}
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
