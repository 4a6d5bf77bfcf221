package wallet

import (
	"context"
	"errors"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/identity"
	"github.com/kozamori/kozamori/internal/ledger"
)

var errNotFound = errors.New("not there")

// Holder is a person's e-money account at the service.
type Holder struct {
	Subject   id.Subject // permanent, random; how banks see the account
	Level     identity.Level
	Email     string // folded: lower case
	Phone     string // E.164
	Lang      string // "ja", "en": for mails and messages
	CreatedAt time.Time
	Version   int64
}

// PutHolder writes a holder; IfVersion is the version stored now, 0 if there must be none. A contact that
// another holder has is fault.Conflict. The fingerprints find a holder by a contact.
type PutHolder struct {
	Holder               Holder
	EmailMark, PhoneMark []byte
	IfVersion            int64
}

// PutProof keeps what a holder's level stands on; the document's number is kept as its fingerprint only. A
// document of another holder is fault.Conflict (L5).
type PutProof struct {
	Subject                  id.Subject
	Proof                    identity.Proof
	DocumentMark, PersonMark []byte
	GrantedAt                time.Time
}

// PeopleStore is what the wallet keeps about people, their devices, codes and links. What is not there is
// fault.NotFound.
type PeopleStore interface {
	Holder(ctx context.Context, sub id.Subject) (Holder, error)
	HolderByEmail(ctx context.Context, mark []byte) (Holder, error)
	HolderByPhone(ctx context.Context, mark []byte) (Holder, error)
	// Proof is what a holder's level stands on.
	Proof(ctx context.Context, sub id.Subject) (identity.Proof, error)
	// Proved lists the holders whose proof has one of the fingerprints.
	Proved(ctx context.Context, documentMark, personMark []byte) (identity.Others, error)

	Device(ctx context.Context, sub id.Subject) (Device, error)
	DeviceByCredential(ctx context.Context, credentialID string) (Device, error)

	Errand(ctx context.Context, errand string) (Errand, error)
	Code(ctx context.Context, code string) (Code, error)
	// CodesSince counts the codes under a Code's Contact since a moment, and says when the last one was.
	CodesSince(ctx context.Context, contact []byte, since time.Time) (n int, last time.Time, err error)

	LinkStore
}

// ContactKind is a way to reach a holder.
type ContactKind string

// The contacts of a holder.
const (
	Email ContactKind = "email"
	Phone ContactKind = "phone"
)

// mark is the fingerprint of a contact: it finds its holder, and tells nothing without the key.
func (w *Wallet) mark(kind ContactKind, value string) []byte {
	return w.Secrets.MAC("contact", string(kind), value)
}

func (w *Wallet) putHolder(h Holder, ifVersion int64) PutHolder {
	h.Version = ifVersion + 1
	return PutHolder{Holder: h, IfVersion: ifVersion,
		EmailMark: w.mark(Email, h.Email), PhoneMark: w.mark(Phone, h.Phone)}
}

// FindHolder finds a holder for staff, by subject or e-mail address as typed.
func (w *Wallet) FindHolder(ctx context.Context, typed string) (Holder, error) {
	if id.Valid(typed, "sub") {
		return w.Store.Holder(ctx, id.Subject(typed))
	}
	email, err := FoldEmail(typed)
	if err != nil {
		return Holder{}, err
	}
	return w.Store.HolderByEmail(ctx, w.mark(Email, email))
}

// Prove grants a holder level 2 on evidence that the examiner answers for. Whoever examines it, at a counter
// now, a chip or a reviewer later, calls this and nothing else. Where it changes who the holder is said to be,
// the banks of her links hear of it and suspend them until they have matched her again (L9).
func (w *Wallet) Prove(ctx context.Context, sub id.Subject, ev identity.Evidence) (Holder, error) {
	document := w.Secrets.MAC("document", ev.Document.Fingerprint()...)
	person := w.Secrets.MAC("person", identity.Person(ev.NameKana, ev.BirthDate)...)
	for try := 0; ; try++ {
		h, err := w.prove(ctx, sub, ev, document, person)
		if err == nil {
			w.Wake()
			return h, nil
		}
		// Somebody else was proved with this document, or the holder changed meanwhile: judged anew, it shows which.
		if fault.Of(err) != fault.Conflict || try == 3 {
			return Holder{}, err
		}
	}
}

func (w *Wallet) prove(ctx context.Context, sub id.Subject, ev identity.Evidence, document, person []byte) (Holder, error) {
	now := w.Now()
	h, err := w.Store.Holder(ctx, sub)
	if err != nil {
		return Holder{}, err
	}
	others, err := w.Store.Proved(ctx, document, person)
	if err != nil {
		return Holder{}, err
	}
	proof, err := identity.Prove(sub, ev, others, now)
	if err != nil {
		return Holder{}, err
	}
	rows, err := w.identityChanged(ctx, h, proof)
	if err != nil {
		return Holder{}, err
	}
	h.Level = proof.Level
	put := w.putHolder(h, h.Version)
	rows = append(rows, put, PutProof{Subject: sub, Proof: proof, DocumentMark: document, PersonMark: person, GrantedAt: now})
	return put.Holder, w.Store.Commit(ctx, rows...)
}

// identityChanged is what must be written beside a new proof where it differs from the one before.
func (w *Wallet) identityChanged(ctx context.Context, h Holder, proof identity.Proof) ([]ledger.Write, error) {
	if h.Level < identity.Proved {
		return nil, nil
	}
	before, err := w.Store.Proof(ctx, h.Subject)
	if err != nil {
		return nil, err
	}
	if before.Same(proof) {
		return nil, nil
	}
	return w.changeLinks(ctx, h.Subject, ChangeIdentity)
}
