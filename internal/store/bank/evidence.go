package bank

import (
	"context"
	"database/sql"
	"errors"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// putEvidence appends to the chain. The writer's lock makes it one chain: nobody else can read the same last
// row before this one is committed.
func (s *Store) putEvidence(ctx context.Context, tx *sqldb.Tx, e bank.Evidence) error {
	var prev bank.EvidenceRow
	err := tx.QueryRowContext(ctx, `SELECT seq, jws, hash FROM evidence ORDER BY seq DESC LIMIT 1`).Scan(&prev.Seq, &prev.JWS, &prev.Hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	row, err := s.chain.Next(prev, e)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO evidence (seq, kind, request, link, account, at_us, jws, prev, hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		row.Seq, e.Kind, e.Request, e.Link, e.Account, us(e.At), row.JWS, prev.Hash, row.Hash)
	return err
}

func scanEvidence(row scanner) (bank.EvidenceRow, error) {
	var e bank.EvidenceRow
	err := row.Scan(&e.Seq, &e.JWS, &e.Hash)
	return e, err
}

// EvidenceChain implements bank.EvidenceStore.
func (s *Store) EvidenceChain(ctx context.Context, after int64, n int) ([]bank.EvidenceRow, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT seq, jws, hash FROM evidence WHERE seq > $1 ORDER BY seq LIMIT $2`, after, n)
	return list("EvidenceChain", rows, err, scanEvidence)
}

func putDecision(ctx context.Context, tx *sqldb.Tx, d bank.PutDecision) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO decision (reference, at_us, sealed) VALUES ($1, $2, $3)`, d.Reference, us(d.At), d.Sealed)
	return err
}

// Decisions implements bank.EvidenceStore.
func (s *Store) Decisions(ctx context.Context, reference string) ([]bank.PutDecision, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT reference, at_us, sealed FROM decision WHERE reference = $1 ORDER BY at_us`, reference)
	return list("Decisions", rows, err, func(row scanner) (bank.PutDecision, error) {
		var d bank.PutDecision
		var at int64
		err := row.Scan(&d.Reference, &at, &d.Sealed)
		d.At = moment(at)
		return d, err
	})
}
