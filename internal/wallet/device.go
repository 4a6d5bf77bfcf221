package wallet

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// Device is the one device key of a holder (L9): the passkey that signs in, and that signs every charge (M9),
// with the browser's own key beside it where the passkey may be synced.
type Device struct {
	Subject    id.Subject
	Keys       wire.Device
	Credential []byte // the WebAuthn credential record, JSON
	AddedAt    time.Time
	RemovedAt  time.Time // zero: this is the holder's device
}

// PutDevice makes a device the holder's; the one before it is marked removed at the same moment. A credential
// that is known already is fault.Conflict.
type PutDevice struct{ Device Device }

// Current says whether the device still is its holder's.
func (d Device) Current() bool { return d.RemovedAt.IsZero() && d.Subject != "" }

// CeremonyLife is how long a passkey may take to answer.
const CeremonyLife = 5 * time.Minute

// Ceremony is a question to a passkey: Options for the page, State for the session that must bring the answer.
type Ceremony struct{ Options, State []byte }

// ceremonyState is what the server remembers of a question.
type ceremonyState struct {
	Session webauthn.SessionData `json:"session"`
	UntilUs int64                `json:"until_us"`
}

// relyingParty is the service towards passkeys: its host is their RP id, so that no other host can use them.
func relyingParty(p Profile) (*webauthn.WebAuthn, error) {
	return webauthn.New(&webauthn.Config{
		RPID: p.RPID, RPDisplayName: p.Name.JA, RPOrigins: []string{p.Origin},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
	})
}

// passkeyUser is a holder as passkeys know her.
type passkeyUser struct {
	subject id.Subject
	name    string
	creds   []webauthn.Credential
}

func (u passkeyUser) WebAuthnID() []byte                         { return []byte(u.subject) }
func (u passkeyUser) WebAuthnName() string                       { return u.name }
func (u passkeyUser) WebAuthnDisplayName() string                { return u.name }
func (u passkeyUser) WebAuthnCredentials() []webauthn.Credential { return u.creds }

// keyTypes are the signatures that banks verify (wire.VerifyDevice).
var keyTypes = []protocol.CredentialParameter{
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgEdDSA},
	{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgRS256},
}

// BeginDevice asks the browser for a new passkey, for the errand that has come so far.
func (w *Wallet) BeginDevice(ctx context.Context, errand string) (Ceremony, error) {
	e, err := w.Errand(ctx, errand, AddDevice)
	if err != nil {
		return Ceremony{}, err
	}
	return w.beginDevice(passkeyUser{subject: e.Subject, name: e.Email})
}

// BeginReplace asks for a new passkey to replace a signed-in holder's. The caller has just seen the old sign.
func (w *Wallet) BeginReplace(h Holder) (Ceremony, error) {
	return w.beginDevice(passkeyUser{subject: h.Subject, name: h.Email})
}

func (w *Wallet) beginDevice(u passkeyUser) (Ceremony, error) {
	options, session, err := w.rp.BeginRegistration(u, webauthn.WithCredentialParameters(keyTypes))
	if err != nil {
		return Ceremony{}, fault.New(fault.Internal, "wallet.beginDevice", err)
	}
	return w.ceremony(options, session)
}

func (w *Wallet) ceremony(options any, session *webauthn.SessionData) (Ceremony, error) {
	o, err := json.Marshal(options)
	if err != nil {
		return Ceremony{}, fault.New(fault.Internal, "wallet.ceremony", err)
	}
	s, err := json.Marshal(ceremonyState{*session, w.Now().Add(CeremonyLife).UnixMicro()})
	if err != nil {
		return Ceremony{}, fault.New(fault.Internal, "wallet.ceremony", err)
	}
	return Ceremony{o, s}, nil
}

func (w *Wallet) resume(state []byte) (webauthn.SessionData, error) {
	var s ceremonyState
	if err := json.Unmarshal(state, &s); err != nil || w.Now().UnixMicro() >= s.UntilUs {
		return s.Session, passkeyRefused(errors.New("no open ceremony in this session"))
	}
	return s.Session, nil
}

// FinishDevice takes the new passkey of an errand: a sign-up becomes a holder with it; a recovery gives the
// holder this device, and the banks of her links hear of both in the same commit (L9).
func (w *Wallet) FinishDevice(ctx context.Context, errand string, state, answer []byte, browserKey string) (Holder, error) {
	e, err := w.Errand(ctx, errand, AddDevice)
	if err != nil {
		return Holder{}, err
	}
	d, err := w.newDevice(passkeyUser{subject: e.Subject, name: e.Email}, state, answer, browserKey)
	if err != nil {
		return Holder{}, err
	}
	if e.Kind == SignUp {
		return w.openAccount(ctx, e, d)
	}
	h, err := w.Store.Holder(ctx, e.Subject)
	if err != nil {
		return Holder{}, err
	}
	was := e.Version
	e.Step, e.Version = ErrandEnd, was+1
	return h, w.replaceDevice(ctx, h, d, PutErrand{e, was}, ChangedRecovery, ChangedDevice)
}

// FinishReplace takes the passkey that replaces a signed-in holder's.
func (w *Wallet) FinishReplace(ctx context.Context, h Holder, state, answer []byte, browserKey string) error {
	d, err := w.newDevice(passkeyUser{subject: h.Subject, name: h.Email}, state, answer, browserKey)
	if err != nil {
		return err
	}
	return w.replaceDevice(ctx, h, d, nil, ChangedDevice)
}

func (w *Wallet) replaceDevice(ctx context.Context, h Holder, d Device, beside ledger.Write, changes ...LinkChangeKind) error {
	rows, err := w.changeLinks(ctx, h.Subject, changes...)
	if err != nil {
		return err
	}
	dying, err := w.dropAsks(ctx, h.Subject, "") // they would bring the old device key to a bank
	if err != nil {
		return err
	}
	rows = append(append(rows, PutDevice{d}), dying...)
	if beside != nil {
		rows = append(rows, beside)
	}
	rows = append(rows, w.noticeChange(h, changes[0])...)
	if err := w.Store.Commit(ctx, rows...); err != nil {
		return err
	}
	w.Wake()
	return nil
}

// newDevice verifies a registration. Where the passkey may be synced, the browser's own key must come with it.
func (w *Wallet) newDevice(u passkeyUser, state, answer []byte, browserKey string) (Device, error) {
	session, err := w.resume(state)
	if err != nil {
		return Device{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return Device{}, passkeyRefused(err)
	}
	cred, err := w.rp.CreateCredential(u, session, parsed)
	if err != nil {
		return Device{}, passkeyRefused(err)
	}
	record, err := json.Marshal(cred)
	if err != nil {
		return Device{}, fault.New(fault.Internal, "wallet.newDevice", err)
	}
	keys := wire.Device{
		CredentialID: base64.RawURLEncoding.EncodeToString(cred.ID),
		PublicKey:    base64.RawURLEncoding.EncodeToString(cred.PublicKey),
		RPID:         w.Profile.RPID, Origin: w.Profile.Origin, Synced: cred.Flags.BackupEligible,
	}
	if keys.Synced {
		keys.BrowserKey = browserKey
	}
	if err := keys.Check(); err != nil {
		return Device{}, passkeyRefused(err)
	}
	return Device{Subject: u.subject, Keys: keys, Credential: record, AddedAt: w.Now()}, nil
}

// BeginSignIn asks the browser for any passkey of the service.
func (w *Wallet) BeginSignIn() (Ceremony, error) {
	options, session, err := w.rp.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return Ceremony{}, fault.New(fault.Internal, "wallet.BeginSignIn", err)
	}
	return w.ceremony(options, session)
}

// FinishSignIn takes the passkey's answer. Whatever is wrong with it, the refusal looks the same.
func (w *Wallet) FinishSignIn(ctx context.Context, state, answer []byte) (Holder, Device, error) {
	session, err := w.resume(state)
	if err != nil {
		return Holder{}, Device{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return Holder{}, Device{}, passkeyRefused(err)
	}
	var d Device
	find := func(rawID, handle []byte) (webauthn.User, error) {
		found, err := w.Store.DeviceByCredential(ctx, base64.RawURLEncoding.EncodeToString(rawID))
		if err != nil {
			return nil, err
		}
		if !found.Current() || !bytes.Equal(handle, []byte(found.Subject)) {
			return nil, errors.New("the passkey is no holder's device any more")
		}
		var cred webauthn.Credential
		if err := json.Unmarshal(found.Credential, &cred); err != nil {
			return nil, err
		}
		d = found
		return passkeyUser{subject: found.Subject, creds: []webauthn.Credential{cred}}, nil
	}
	if _, err := w.rp.ValidateDiscoverableLogin(find, session, parsed); err != nil {
		return Holder{}, Device{}, passkeyRefused(err)
	}
	h, err := w.Store.Holder(ctx, d.Subject)
	return h, d, err
}

// AskDevice is the question to the holder's own device to sign a challenge of ours, such as a debit's:
// PublicKeyCredentialRequestOptions as JSON.
func (w *Wallet) AskDevice(d Device, challenge []byte) ([]byte, error) {
	raw, err := base64.RawURLEncoding.DecodeString(d.Keys.CredentialID)
	if err != nil {
		return nil, fault.New(fault.Internal, "wallet.AskDevice", err)
	}
	return json.Marshal(protocol.PublicKeyCredentialRequestOptions{
		Challenge: challenge, Timeout: int(CeremonyLife.Milliseconds()), RelyingPartyID: w.Profile.RPID,
		AllowedCredentials: []protocol.CredentialDescriptor{{
			Type: protocol.PublicKeyCredentialType, CredentialID: raw,
		}},
		UserVerification: protocol.VerificationRequired,
	})
}

func passkeyRefused(err error) error {
	return &fault.Error{Kind: fault.Unauthorised, Op: "wallet.passkey", Err: err, Public: fault.Text{
		JA: "パスキーを確認できませんでした。もう一度お試しください。",
		EN: "The passkey could not be confirmed. Please try again."}}
}
