package bank

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

func putProof(ctx context.Context, tx *sqldb.Tx, w bank.PutProof) error {
	p := w.Proof
	if w.IfVersion == 0 {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO proof (id, purpose, account, near, card_only, browser, reference, request, service, holder, cap, code_hash, code_until_us,
				codes_asked, tries, challenge, window_us, window_until_us, kind, proved_us, created_us, known, spent_us, version)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, 1)`,
			p.ID, p.Purpose, p.Account, p.Near, p.CardOnly, p.Browser, p.Reference, p.Request, p.Service, p.Holder, p.Cap, p.CodeHash, us(p.CodeUntil),
			p.CodesAsked, p.Tries, p.Challenge, us(p.WindowAt), us(p.Until), p.Kind, us(p.ProvedAt), us(p.CreatedAt), p.Known, us(p.SpentAt))
		return err
	}
	res, err := tx.ExecContext(ctx, `
		UPDATE proof SET code_hash = $3, code_until_us = $4, codes_asked = $5, tries = $6, challenge = $7, window_us = $8,
			window_until_us = $9, kind = $10, proved_us = $11, spent_us = $12, version = version + 1
		WHERE id = $1 AND version = $2`,
		p.ID, w.IfVersion, p.CodeHash, us(p.CodeUntil), p.CodesAsked, p.Tries, p.Challenge, us(p.WindowAt), us(p.Until), p.Kind, us(p.ProvedAt), us(p.SpentAt))
	return conditional("putProof", res, err)
}

const proofColumns = `id, purpose, account, near, card_only, browser, reference, request, service, holder, cap, code_hash, code_until_us,
	codes_asked, tries, challenge, window_us, window_until_us, kind, proved_us, created_us, known, spent_us, version`

func scanProof(row scanner) (bank.Proof, error) {
	var p bank.Proof
	var codeUntil, window, until, proved, created, spent int64
	err := row.Scan(&p.ID, &p.Purpose, &p.Account, &p.Near, &p.CardOnly, &p.Browser, &p.Reference, &p.Request, &p.Service, &p.Holder, &p.Cap,
		&p.CodeHash, &codeUntil, &p.CodesAsked, &p.Tries, &p.Challenge, &window, &until, &p.Kind, &proved, &created, &p.Known, &spent, &p.Version)
	p.CodeUntil, p.WindowAt, p.Until = moment(codeUntil), moment(window), moment(until)
	p.ProvedAt, p.CreatedAt, p.SpentAt = moment(proved), moment(created), moment(spent)
	return p, err
}

// ProofByID implements bank.ProofStore.
func (s *Store) ProofByID(ctx context.Context, p bank.ProofID) (bank.Proof, error) {
	got, err := scanProof(s.db.Read().QueryRowContext(ctx, `SELECT `+proofColumns+` FROM proof WHERE id = $1`, p))
	return got, readErr("ProofByID", err)
}

// ProofByReference implements bank.ProofStore.
func (s *Store) ProofByReference(ctx context.Context, acc bank.AccountID, reference string, after time.Time) (bank.Proof, error) {
	got, err := scanProof(s.db.Read().QueryRowContext(ctx, `SELECT `+proofColumns+` FROM proof
		WHERE account = $1 AND account <> '' AND reference = $2 AND created_us > $3 AND kind = '' ORDER BY created_us DESC, id LIMIT 1`,
		acc, reference, us(after)))
	return got, readErr("ProofByReference", err)
}

// putCodeSent counts one more under a budget's name where fewer than most were counted in 24 hours.
func putCodeSent(ctx context.Context, tx *sqldb.Tx, w bank.CodeSent, most int) error {
	res, err := tx.ExecContext(ctx, `INSERT INTO code_sent (account, proof, budget, at_us) SELECT $1, $2, $3, $4
		WHERE (SELECT COUNT(*) FROM code_sent WHERE account = $1 AND budget = $3 AND at_us > $5) < $6`,
		w.Account, w.Proof, w.Budget, us(w.At), us(w.At.Add(-24*time.Hour)), most)
	err = conditional("putCodeSent", res, err)
	if err != nil && fault.Of(err) == fault.Conflict {
		return &fault.Error{Kind: fault.Conflict, Op: "store.bank.putCodeSent", Rule: "L15", Err: err}
	}
	return err
}

// CodesSince implements bank.ProofStore.
func (s *Store) CodesSince(ctx context.Context, acc bank.AccountID, budget bank.CodeBudget, after time.Time) (int, error) {
	var n int
	err := s.db.Read().QueryRowContext(ctx, `SELECT COUNT(*) FROM code_sent WHERE account = $1 AND budget = $2 AND at_us > $3`,
		acc, budget, us(after)).Scan(&n)
	return n, readErr("CodesSince", err)
}

func putPasskey(ctx context.Context, tx *sqldb.Tx, p bank.Passkey) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO passkey (id, account, credential, added_us, removed_us) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (id) DO UPDATE SET credential = excluded.credential, removed_us = excluded.removed_us
		WHERE passkey.account = excluded.account`, p.ID, p.Account, p.Credential, us(p.AddedAt), us(p.RemovedAt))
	return err
}

// PasskeysOf implements bank.ProofStore.
func (s *Store) PasskeysOf(ctx context.Context, acc bank.AccountID) ([]bank.Passkey, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT id, account, credential, added_us, removed_us FROM passkey
		WHERE account = $1 ORDER BY added_us, id`, acc)
	return list("PasskeysOf", rows, err, func(row scanner) (bank.Passkey, error) {
		var p bank.Passkey
		var added, removed int64
		err := row.Scan(&p.ID, &p.Account, &p.Credential, &added, &removed)
		p.AddedAt, p.RemovedAt = moment(added), moment(removed)
		return p, err
	})
}

func putATMSession(ctx context.Context, tx *sqldb.Tx, a bank.ATMSession) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO atm_session (hash, account, client, until_us) VALUES ($1, $2, $3, $4)`,
		a.Hash, a.Account, a.Client, us(a.Until))
	return err
}

// ATMSessionByHash implements bank.ProofStore.
func (s *Store) ATMSessionByHash(ctx context.Context, hash string) (bank.ATMSession, error) {
	var a bank.ATMSession
	var until int64
	err := s.db.Read().QueryRowContext(ctx, `SELECT hash, account, client, until_us FROM atm_session WHERE hash = $1`, hash).
		Scan(&a.Hash, &a.Account, &a.Client, &until)
	a.Until = moment(until)
	return a, readErr("ATMSessionByHash", err)
}
