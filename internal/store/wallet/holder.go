package wallet

import (
	"context"
	"encoding/json"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/identity"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wallet"
)

// contacts is what holders.sealed holds.
type contacts struct {
	Email string `json:"email"`
	Phone string `json:"phone"`
}

func (s *Store) putHolder(ctx context.Context, tx *sqldb.Tx, w wallet.PutHolder) error {
	h := w.Holder
	sealed, err := s.seal(contacts{h.Email, h.Phone}, "holders", string(h.Subject))
	if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, `
		INSERT INTO holders (subject, level, sealed, email_mark, phone_mark, lang, created_us, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (subject) DO UPDATE SET level = excluded.level, sealed = excluded.sealed, email_mark = excluded.email_mark,
			phone_mark = excluded.phone_mark, lang = excluded.lang, version = excluded.version
		WHERE holders.version = $9 AND $9 > 0`,
		h.Subject, h.Level, sealed, w.EmailMark, w.PhoneMark, h.Lang, us(h.CreatedAt), h.Version, w.IfVersion)
	return conditional("putHolder", res, err)
}

const holderColumns = `subject, level, sealed, lang, created_us, version`

func (s *Store) holder(ctx context.Context, op, where string, arg any) (wallet.Holder, error) {
	var h wallet.Holder
	var sealed []byte
	var created int64
	err := s.db.Read().QueryRowContext(ctx, `SELECT `+holderColumns+` FROM holders WHERE `+where, arg).
		Scan(&h.Subject, &h.Level, &sealed, &h.Lang, &created, &h.Version)
	if err != nil {
		return wallet.Holder{}, readErr(op, err)
	}
	var c contacts
	if err := s.open(sealed, &c, "holders", string(h.Subject)); err != nil {
		return wallet.Holder{}, err
	}
	h.Email, h.Phone, h.CreatedAt = c.Email, c.Phone, moment(created)
	return h, nil
}

// Holder implements wallet.PeopleStore.
func (s *Store) Holder(ctx context.Context, sub id.Subject) (wallet.Holder, error) {
	return s.holder(ctx, "Holder", "subject = $1", sub)
}

// HolderByEmail implements wallet.PeopleStore.
func (s *Store) HolderByEmail(ctx context.Context, mark []byte) (wallet.Holder, error) {
	return s.holder(ctx, "HolderByEmail", "email_mark = $1", mark)
}

// HolderByPhone implements wallet.PeopleStore.
func (s *Store) HolderByPhone(ctx context.Context, mark []byte) (wallet.Holder, error) {
	return s.holder(ctx, "HolderByPhone", "phone_mark = $1", mark)
}

func (s *Store) putProof(ctx context.Context, tx *sqldb.Tx, w wallet.PutProof) error {
	res, err := tx.ExecContext(ctx, `
		INSERT INTO documents (document_mark, subject) VALUES ($1, $2)
		ON CONFLICT (document_mark) DO UPDATE SET subject = excluded.subject WHERE documents.subject = excluded.subject`,
		w.DocumentMark, w.Subject)
	if err := conditional("putProof", res, err); err != nil {
		return err
	}
	p := w.Proof
	p.Document.Number = "" // known by its mark alone
	sealed, err := s.seal(p, "proofs", string(w.Subject))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO proofs (subject, n, sealed, person_mark, granted_us)
		SELECT $1, COALESCE(MAX(n), 0) + 1, $2, $3, $4 FROM proofs WHERE subject = $1`,
		w.Subject, sealed, w.PersonMark, us(w.GrantedAt))
	return err
}

// Proof implements wallet.PeopleStore.
func (s *Store) Proof(ctx context.Context, sub id.Subject) (identity.Proof, error) {
	var sealed []byte
	var p identity.Proof
	err := s.db.Read().QueryRowContext(ctx, `SELECT sealed FROM proofs WHERE subject = $1 ORDER BY n DESC LIMIT 1`, sub).Scan(&sealed)
	if err != nil {
		return p, readErr("Proof", err)
	}
	return p, s.open(sealed, &p, "proofs", string(sub))
}

// Proved implements wallet.PeopleStore.
func (s *Store) Proved(ctx context.Context, documentMark, personMark []byte) (identity.Others, error) {
	subject := func(r scanner) (sub id.Subject, err error) { return sub, r.Scan(&sub) }
	document, err := all(ctx, s, "Proved", subject, `SELECT subject FROM documents WHERE document_mark = $1`, documentMark)
	if err != nil {
		return identity.Others{}, err
	}
	person, err := all(ctx, s, "Proved", subject, `SELECT DISTINCT subject FROM proofs WHERE person_mark = $1`, personMark)
	return identity.Others{Document: document, Person: person}, err
}

func putDevice(ctx context.Context, tx *sqldb.Tx, d wallet.Device) error {
	keys, err := json.Marshal(d.Keys)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE devices SET removed_us = $2 WHERE subject = $1 AND removed_us = 0`, d.Subject, us(d.AddedAt))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO devices (credential, subject, keys, record, added_us, removed_us)
		VALUES ($1, $2, $3, $4, $5, 0)`, d.Keys.CredentialID, d.Subject, string(keys), string(d.Credential), us(d.AddedAt))
	return err
}

func (s *Store) device(ctx context.Context, op, where string, arg any) (wallet.Device, error) {
	var d wallet.Device
	var keys, record string
	var added, removed int64
	err := s.db.Read().QueryRowContext(ctx,
		`SELECT subject, keys, record, added_us, removed_us FROM devices WHERE `+where, arg).
		Scan(&d.Subject, &keys, &record, &added, &removed)
	if err != nil {
		return wallet.Device{}, readErr(op, err)
	}
	d.Credential, d.AddedAt, d.RemovedAt = []byte(record), moment(added), moment(removed)
	if err := json.Unmarshal([]byte(keys), &d.Keys); err != nil {
		return wallet.Device{}, fault.New(fault.Internal, "store.wallet."+op, err)
	}
	return d, nil
}

// Device implements wallet.PeopleStore.
func (s *Store) Device(ctx context.Context, sub id.Subject) (wallet.Device, error) {
	return s.device(ctx, "Device", "subject = $1 AND removed_us = 0", sub)
}

// DeviceByCredential implements wallet.PeopleStore.
func (s *Store) DeviceByCredential(ctx context.Context, credentialID string) (wallet.Device, error) {
	return s.device(ctx, "DeviceByCredential", "credential = $1", credentialID)
}

// errandPerson is what errands.sealed holds.
type errandPerson struct {
	Subject id.Subject `json:"subject"`
	Blind   bool       `json:"blind"`
	Known   bool       `json:"known"`
	Email   string     `json:"email"`
	Phone   string     `json:"phone"`
}

func (s *Store) putErrand(ctx context.Context, tx *sqldb.Tx, w wallet.PutErrand) error {
	e := w.Errand
	sealed, err := s.seal(errandPerson{e.Subject, e.Blind, e.Known, e.Email, e.Phone}, "errands", e.ID)
	if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, `
		INSERT INTO errands (id, kind, step, sealed, code, lang, until_us, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (id) DO UPDATE SET step = excluded.step, sealed = excluded.sealed, code = excluded.code, version = excluded.version
		WHERE errands.version = $9 AND $9 > 0`,
		e.ID, e.Kind, e.Step, sealed, e.Code, e.Lang, us(e.Until), e.Version, w.IfVersion)
	return conditional("putErrand", res, err)
}

// Errand implements wallet.PeopleStore.
func (s *Store) Errand(ctx context.Context, errand string) (wallet.Errand, error) {
	e := wallet.Errand{ID: errand}
	var sealed []byte
	var until int64
	err := s.db.Read().QueryRowContext(ctx,
		`SELECT kind, step, sealed, code, lang, until_us, version FROM errands WHERE id = $1`, errand).
		Scan(&e.Kind, &e.Step, &sealed, &e.Code, &e.Lang, &until, &e.Version)
	if err != nil {
		return wallet.Errand{}, readErr("Errand", err)
	}
	var p errandPerson
	if err := s.open(sealed, &p, "errands", errand); err != nil {
		return wallet.Errand{}, err
	}
	e.Subject, e.Blind, e.Known, e.Email, e.Phone, e.Until = p.Subject, p.Blind, p.Known, p.Email, p.Phone, moment(until)
	return e, nil
}

func putCode(ctx context.Context, tx *sqldb.Tx, w wallet.PutCode) error {
	c := w.Code
	if w.IfTries >= 0 {
		res, err := tx.ExecContext(ctx, `UPDATE codes SET tries_left = $2, used_us = $3 WHERE id = $1 AND tries_left = $4 AND used_us = 0`,
			c.ID, c.TriesLeft, us(c.UsedAt), w.IfTries)
		return conditional("putCode", res, err)
	}
	res, err := tx.ExecContext(ctx, `
		INSERT INTO codes (id, errand, contact_mark, hash, tries_left, sent_us, until_us, used_us)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8
		WHERE (SELECT COUNT(*) FROM codes WHERE contact_mark = $3 AND sent_us > $9) < $10
			AND NOT EXISTS (SELECT 1 FROM codes WHERE contact_mark = $3 AND sent_us > $11)`,
		c.ID, c.Errand, c.Contact, c.Hash, c.TriesLeft, us(c.SentAt), us(c.Until), us(c.UsedAt),
		us(c.SentAt.Add(-wallet.CodeBudgetSpan)), wallet.CodesPerDay, us(c.SentAt.Add(-wallet.CodeInterval)))
	return conditional("putCode", res, err)
}

// Code implements wallet.PeopleStore.
func (s *Store) Code(ctx context.Context, code string) (wallet.Code, error) {
	c := wallet.Code{ID: code}
	var sent, until, used int64
	err := s.db.Read().QueryRowContext(ctx,
		`SELECT errand, contact_mark, hash, tries_left, sent_us, until_us, used_us FROM codes WHERE id = $1`, code).
		Scan(&c.Errand, &c.Contact, &c.Hash, &c.TriesLeft, &sent, &until, &used)
	if err != nil {
		return wallet.Code{}, readErr("Code", err)
	}
	c.SentAt, c.Until, c.UsedAt = moment(sent), moment(until), moment(used)
	return c, nil
}

// CodesSince implements wallet.PeopleStore.
func (s *Store) CodesSince(ctx context.Context, contactMark []byte, since time.Time) (n int, last time.Time, err error) {
	var lastUs int64
	err = s.db.Read().QueryRowContext(ctx,
		`SELECT COUNT(*), COALESCE(MAX(sent_us), 0) FROM codes WHERE contact_mark = $1 AND sent_us > $2`, contactMark, us(since)).
		Scan(&n, &lastUs)
	return n, moment(lastUs), readErr("CodesSince", err)
}
