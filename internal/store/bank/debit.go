package bank

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

func addDebit(ctx context.Context, tx *sqldb.Tx, d bank.Debit) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO debit (service, id, link, account, order_hash, amount, wallet_account, outcome, rule, reason, decided_us, receipt, reversed_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0)`,
		d.Service, d.ID, d.Link, d.Account, d.OrderHash, d.Amount, d.WalletAccount, d.Outcome, d.Rule, d.Reason, us(d.DecidedAt), d.Receipt)
	return err
}

const debitColumns = `service, id, link, account, order_hash, amount, wallet_account, outcome, rule, reason, decided_us, receipt, reversed_us`

func scanDebit(row scanner) (bank.Debit, error) {
	var d bank.Debit
	var decided, reversed int64
	err := row.Scan(&d.Service, &d.ID, &d.Link, &d.Account, &d.OrderHash, &d.Amount, &d.WalletAccount, &d.Outcome, &d.Rule, &d.Reason,
		&decided, &d.Receipt, &reversed)
	d.DecidedAt, d.ReversedAt = moment(decided), moment(reversed)
	return d, err
}

// Debit implements bank.DebitStore.
func (s *Store) Debit(ctx context.Context, svc id.Service, c id.Debit) (bank.Debit, error) {
	d, err := scanDebit(s.db.Read().QueryRowContext(ctx, `SELECT `+debitColumns+` FROM debit WHERE service = $1 AND id = $2`, svc, c))
	return d, readErr("Debit", err)
}

// DebitsOf implements bank.DebitStore.
func (s *Store) DebitsOf(ctx context.Context, acc bank.AccountID, before time.Time, n int) ([]bank.Debit, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT `+debitColumns+` FROM debit
		WHERE account = $1 AND outcome <> 'never' AND decided_us < $2 ORDER BY decided_us DESC, id LIMIT $3`, acc, us(before), n)
	return list("DebitsOf", rows, err, scanDebit)
}

// addReversal marks the debit of a done reversal: none that is booked and not reversed is a conflict, and
// the whole commit fails.
func addReversal(ctx context.Context, tx *sqldb.Tx, r bank.Reversal) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO reversal (service, id, debit, link, order_hash, amount, outcome, suspense, at_us, receipt)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		r.Service, r.ID, r.Debit, r.Link, r.OrderHash, r.Amount, r.Outcome, r.Suspense, us(r.At), r.Receipt)
	if err != nil || r.Outcome != bank.Reversed {
		return err
	}
	res, err := tx.ExecContext(ctx, `UPDATE debit SET reversed_us = $3
		WHERE service = $1 AND id = $2 AND outcome = 'booked' AND reversed_us = 0`, r.Service, r.Debit, us(r.At))
	return conditional("addReversal", res, err)
}

// Reversal implements bank.DebitStore.
func (s *Store) Reversal(ctx context.Context, svc id.Service, rev string) (bank.Reversal, error) {
	var r bank.Reversal
	var at int64
	err := s.db.Read().QueryRowContext(ctx, `SELECT service, id, debit, link, order_hash, amount, outcome, suspense, at_us, receipt
		FROM reversal WHERE service = $1 AND id = $2`, svc, rev).
		Scan(&r.Service, &r.ID, &r.Debit, &r.Link, &r.OrderHash, &r.Amount, &r.Outcome, &r.Suspense, &at, &r.Receipt)
	r.At = moment(at)
	return r, readErr("Reversal", err)
}

func addChange(ctx context.Context, tx *sqldb.Tx, c bank.Change) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO link_change (service, id, link, kind, report, at_us) VALUES ($1, $2, $3, $4, $5, $6)`,
		c.Service, c.ID, c.Link, c.Kind, c.Report, us(c.At))
	return err
}

// Change implements bank.ChangeStore.
func (s *Store) Change(ctx context.Context, svc id.Service, chg string) (bank.Change, error) {
	var c bank.Change
	var at int64
	err := s.db.Read().QueryRowContext(ctx, `SELECT service, id, link, kind, report, at_us FROM link_change WHERE service = $1 AND id = $2`, svc, chg).
		Scan(&c.Service, &c.ID, &c.Link, &c.Kind, &c.Report, &at)
	c.At = moment(at)
	return c, readErr("Change", err)
}
