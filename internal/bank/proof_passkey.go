package bank

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/kozamori/kozamori/internal/fault"
)

// passkeyUser is a depositor as WebAuthn sees one: an opaque handle and passkeys, no name.
type passkeyUser struct {
	handle []byte
	label  string
	keys   []webauthn.Credential
}

func (u passkeyUser) WebAuthnID() []byte                         { return u.handle }
func (u passkeyUser) WebAuthnName() string                       { return u.label }
func (u passkeyUser) WebAuthnDisplayName() string                { return u.label }
func (u passkeyUser) WebAuthnCredentials() []webauthn.Credential { return u.keys }

// relyingParty is this bank's own: every bank has its own host name and with it its own passkeys.
func (b *Bank) relyingParty() (*webauthn.WebAuthn, error) {
	w, err := webauthn.New(&webauthn.Config{
		RPID: b.Profile.RPID, RPDisplayName: b.Profile.Name.JA, RPOrigins: []string{string(b.Profile.Issuer)},
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		},
	})
	if err != nil {
		return nil, fault.New(fault.Internal, "bank.relyingParty", err)
	}
	return w, nil
}

// handleOf is the account as an authenticator stores it: it names nobody outside this bank.
func (b *Bank) handleOf(acc AccountID) []byte {
	return b.mac(b.Keys.Pseudonym, "webauthn user", string(acc))
}

func (b *Bank) passkeyUser(ctx context.Context, acc AccountID) (passkeyUser, []Passkey, error) {
	rows, err := b.Store.PasskeysOf(ctx, acc)
	if err != nil {
		return passkeyUser{}, nil, err
	}
	u := passkeyUser{handle: b.handleOf(acc), label: b.Profile.Name.JA}
	live := rows[:0]
	for _, row := range rows {
		if !row.RemovedAt.IsZero() {
			continue
		}
		var cred webauthn.Credential
		if err := json.Unmarshal(row.Credential, &cred); err != nil {
			return passkeyUser{}, nil, fault.New(fault.Internal, "bank.passkeys", err)
		}
		u.keys = append(u.keys, cred)
		live = append(live, row)
	}
	return u, live, nil
}

// BeginPasskey starts an assertion. It names no credential, so that it is the same for an account without
// passkeys, or without existence (L3): the authenticator offers what it has for this host. The answer is
// JSON for PublicKeyCredential.parseRequestOptionsFromJSON. A page that is loaded again shows the challenge that
// is open: nothing is written until it was answered.
func (b *Bank) BeginPasskey(ctx context.Context, p Proof) ([]byte, error) {
	if open, ok := openCeremony(p); ok {
		return open.Options, nil
	}
	w, err := b.relyingParty()
	if err != nil {
		return nil, err
	}
	options, session, err := w.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, fault.New(fault.Internal, "bank.BeginPasskey", err)
	}
	return b.keepCeremony(ctx, p, session, options.Response)
}

// ceremony is a challenge that waits for its one answer, with what the page shows of it.
type ceremony struct {
	Session webauthn.SessionData
	Options json.RawMessage
}

// openCeremony reads the ceremony that is open in a proof, if one is.
func openCeremony(p Proof) (c ceremony, ok bool) {
	return c, p.Challenge != nil && json.Unmarshal(p.Challenge, &c) == nil && c.Session.Challenge != ""
}

// keepCeremony stores a ceremony's challenge in the proof and gives its options as JSON.
func (b *Bank) keepCeremony(ctx context.Context, p Proof, session *webauthn.SessionData, options any) ([]byte, error) {
	const op = "bank.ceremony"
	shown, err := json.Marshal(options)
	if err != nil {
		return nil, fault.New(fault.Internal, op, err)
	}
	version := p.Version
	if p.Challenge, err = json.Marshal(ceremony{*session, shown}); err != nil {
		return nil, fault.New(fault.Internal, op, err)
	}
	p.Version++
	return shown, b.Store.Commit(ctx, PutProof{Proof: p, IfVersion: version})
}

// FinishPasskey judges an assertion as the page's credential.toJSON() gave it. Anything but possession is
// the same error, which NotProved knows.
func (b *Bank) FinishPasskey(ctx context.Context, p Proof, response []byte) (Possession, error) {
	open, ok := openCeremony(p)
	if p.Kind != "" || !ok || !b.Policy.Passkey {
		return Possession{}, errNotProved
	}
	if err := b.burnChallenge(ctx, &p); err != nil {
		return Possession{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil || p.Account == "" || p.CardOnly {
		return Possession{}, errNotProved
	}
	user, rows, err := b.passkeyUser(ctx, p.Account)
	if err != nil {
		return Possession{}, err
	}
	w, err := b.relyingParty()
	if err != nil {
		return Possession{}, err
	}
	cred, err := w.ValidateDiscoverableLogin(func(_, handle []byte) (webauthn.User, error) {
		if !bytes.Equal(handle, user.handle) {
			return nil, text("a passkey of somebody else")
		}
		return user, nil
	}, open.Session, parsed)
	if err != nil || cred.Authenticator.CloneWarning {
		return Possession{}, errNotProved
	}
	if ok, err := b.fresh(ctx, p, b.Now()); err != nil || !ok {
		return Possession{}, either(err, errNotProved)
	}
	row, err := usedPasskey(rows, cred)
	if err != nil {
		return Possession{}, err
	}
	return b.proved(ctx, p, ProofPasskey, PutPasskey{row})
}

// either is err, or else what stands in for it.
func either(err, or error) error {
	if err != nil {
		return err
	}
	return or
}

// burnChallenge makes a challenge useless before it is judged: each is good for one answer.
func (b *Bank) burnChallenge(ctx context.Context, p *Proof) error {
	version := p.Version
	p.Challenge, p.Version = nil, version+1
	err := b.Store.Commit(ctx, PutProof{Proof: *p, IfVersion: version})
	if fault.Of(err) == fault.Conflict && err != nil {
		return errNotProved
	}
	return err
}

// usedPasskey is the stored row with the credential's new counter.
func usedPasskey(rows []Passkey, cred *webauthn.Credential) (Passkey, error) {
	id := credentialID(cred.ID)
	for _, row := range rows {
		if row.ID == id {
			var err error
			row.Credential, err = json.Marshal(cred)
			return row, err
		}
	}
	return Passkey{}, errNotProved
}

func credentialID(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// BeginEnrol starts the registration of a passkey at the bank. Whoever enrols has proved possession for it
// before (L16). The answer is JSON for PublicKeyCredential.parseCreationOptionsFromJSON, the same until answered.
func (b *Bank) BeginEnrol(ctx context.Context, p Proof) ([]byte, error) {
	if p.Kind == "" || p.Account == "" || p.Purpose != ForEnrol {
		return nil, errNotProved
	}
	if open, ok := openCeremony(p); ok {
		return open.Options, nil
	}
	user, _, err := b.passkeyUser(ctx, p.Account)
	if err != nil {
		return nil, err
	}
	w, err := b.relyingParty()
	if err != nil {
		return nil, err
	}
	options, session, err := w.BeginRegistration(user,
		webauthn.WithExclusions(webauthn.Credentials(user.keys).CredentialDescriptors()))
	if err != nil {
		return nil, fault.New(fault.Internal, "bank.BeginEnrol", err)
	}
	return b.keepCeremony(ctx, p, session, options.Response)
}

// FinishEnrol stores a passkey, which spends the proof, and tells the depositor. For 7 days nothing of the account makes a link (L14).
func (b *Bank) FinishEnrol(ctx context.Context, p Proof, response []byte) (Passkey, error) {
	open, ok := openCeremony(p)
	if p.Kind == "" || p.Purpose != ForEnrol || !ok {
		return Passkey{}, errNotProved
	}
	if err := b.burnChallenge(ctx, &p); err != nil {
		return Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return Passkey{}, errNotProved
	}
	user, _, err := b.passkeyUser(ctx, p.Account)
	if err != nil {
		return Passkey{}, err
	}
	w, err := b.relyingParty()
	if err != nil {
		return Passkey{}, err
	}
	cred, err := w.CreateCredential(user, open.Session, parsed)
	if err != nil {
		return Passkey{}, errNotProved
	}
	row := Passkey{ID: credentialID(cred.ID), Account: p.Account, AddedAt: b.Now()}
	if row.Credential, err = json.Marshal(cred); err != nil {
		return Passkey{}, fault.New(fault.Internal, "bank.FinishEnrol", err)
	}
	return row, b.TellNow(ctx, Event{Kind: EventPasskey, Account: p.Account, At: row.AddedAt}, b.spent(p), PutPasskey{row}, PutEvidence{Evidence{
		Kind: "passkey", Account: p.Account, At: row.AddedAt, Facts: map[string]string{"credential": row.ID, "proof": string(p.Kind)},
	}})
}
