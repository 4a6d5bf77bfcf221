package bank

import (
	"context"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wire"
)

// statementLines are a service's ($1) bookings from $2 on and before $3.
const statementLines = `
	SELECT 'debit' AS kind, id AS debit, link, amount, decided_us AS at_us, receipt FROM debit
	WHERE service = $1 AND outcome = 'booked' AND decided_us >= $2 AND decided_us < $3
	UNION ALL
	SELECT 'reversal', debit, link, amount, at_us, receipt FROM reversal
	WHERE service = $1 AND outcome = 'reversed' AND at_us >= $2 AND at_us < $3`

// Lines implements bank.StatementStore.
func (s *Store) Lines(ctx context.Context, svc id.Service, from, to time.Time, after id.Debit, n int) ([]wire.StatementLine, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT kind, debit, link, amount, at_us, receipt FROM (`+statementLines+`) AS lines
		WHERE debit > $4 ORDER BY debit, kind LIMIT $5`, svc, us(from), us(to), after, n)
	lines, err := list("Lines", rows, err, func(row scanner) (wire.StatementLine, error) {
		var l wire.StatementLine
		var receipt string
		err := row.Scan(&l.Kind, &l.Debit, &l.Link, &l.Amount, &l.BookedUs, &receipt)
		l.Receipt = wire.Hash(receipt)
		return l, err
	})
	if lines == nil && err == nil {
		lines = []wire.StatementLine{}
	}
	return lines, err
}

// Total implements bank.StatementStore.
func (s *Store) Total(ctx context.Context, svc id.Service, from, to time.Time) (t wire.StatementTotal, err error) {
	err = s.db.Read().QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(SUM(amount) FILTER (WHERE kind = 'debit'), 0),
		COALESCE(SUM(amount) FILTER (WHERE kind = 'reversal'), 0) FROM (`+statementLines+`) AS lines`, svc, us(from), us(to)).
		Scan(&t.Lines, &t.Debits, &t.Reversals)
	return t, readErr("Total", err)
}

// PageUpto implements bank.StatementStore.
func (s *Store) PageUpto(ctx context.Context, svc id.Service, day string, upto id.Debit) (bank.StatementPage, error) {
	var p bank.StatementPage
	var at int64
	err := s.db.Read().QueryRowContext(ctx, `SELECT service, day, n, after_debit, upto_debit, theirs, ours, at_us FROM statement_page
		WHERE service = $1 AND day = $2 AND upto_debit = $3`, svc, day, upto).
		Scan(&p.Service, &p.Day, &p.N, &p.After, &p.Upto, &p.Theirs, &p.Ours, &at)
	p.At = moment(at)
	return p, readErr("PageUpto", err)
}

// putPage keeps a page behind the one it follows, with the breaks that it shows.
func putPage(ctx context.Context, tx *sqldb.Tx, w bank.PutPage) error {
	p := w.Page
	if p.N == 0 {
		return putBreaks(ctx, tx, p, w.Found)
	}
	var settled bool
	if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM settlement WHERE service = $1 AND day = $2)`, p.Service, p.Day).Scan(&settled); err != nil {
		return err
	}
	if settled { // its pages are what both sides signed for it
		return fault.New(fault.Conflict, "store.bank.putPage", fmt.Errorf("%s is settled", p.Day))
	}
	if p.N > 1 {
		res, err := tx.ExecContext(ctx, `UPDATE statement_page SET n = n WHERE service = $1 AND day = $2 AND n + 1 = $3 AND upto_debit = $4 AND $4 <> ''`,
			p.Service, p.Day, p.N, p.After)
		if err := conditional("putPage", res, err); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM statement_page WHERE service = $1 AND day = $2 AND n >= $3`, p.Service, p.Day, p.N); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO statement_page (service, day, n, after_debit, upto_debit, theirs, ours, at_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, p.Service, p.Day, p.N, p.After, p.Upto, p.Theirs, p.Ours, us(p.At)); err != nil {
		return err
	}
	return putBreaks(ctx, tx, p, w.Found)
}

// putBreaks keeps what the comparison of a page found, leaves owners and first sightings as they are, and clears what
// it no longer finds there.
func putBreaks(ctx context.Context, tx *sqldb.Tx, p bank.StatementPage, found []bank.Break) error {
	if _, err := tx.ExecContext(ctx, `UPDATE break SET cleared_us = $3 WHERE service = $1 AND day = $2 AND cleared_us = 0
		AND debit > $4 AND ($5 = '' OR debit <= $5)`, p.Service, p.Day, us(p.At), p.After, p.Upto); err != nil || len(found) == 0 {
		return err
	}
	for _, b := range found {
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO break (service, day, debit, kind, what, ours, theirs, owner, found_us, cleared_us)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)
			ON CONFLICT (service, day, debit, kind) DO UPDATE SET what = $5, ours = $6, theirs = $7, cleared_us = 0,
				found_us = CASE break.cleared_us WHEN $10 THEN break.found_us ELSE $9 END`,
			b.Service, b.Day, b.Debit, b.Kind, b.What, b.Ours, b.Theirs, b.Owner, us(b.FoundAt), us(p.At)); err != nil {
			return err
		}
	}
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM break WHERE service = $1 AND day = $2`, p.Service, p.Day).Scan(&n); err != nil {
		return err
	}
	if n > bank.MaxBreaks {
		return fault.New(fault.Refused, "store.bank.putBreaks", fmt.Errorf("%d differences on %s", n, p.Day))
	}
	return nil
}

// Breaks implements bank.StatementStore.
func (s *Store) Breaks(ctx context.Context) ([]bank.Break, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT service, day, debit, kind, what, ours, theirs, owner, found_us FROM break
		WHERE cleared_us = 0 ORDER BY day, service, debit, kind`)
	return list("Breaks", rows, err, func(row scanner) (bank.Break, error) {
		var b bank.Break
		var found int64
		err := row.Scan(&b.Service, &b.Day, &b.Debit, &b.Kind, &b.What, &b.Ours, &b.Theirs, &b.Owner, &found)
		b.FoundAt = moment(found)
		return b, err
	})
}

// addPaidDay keeps a settlement, where the pages of its day reach from the start to the end and no break is open.
func addPaidDay(ctx context.Context, tx *sqldb.Tx, d bank.PaidDay) error {
	res, err := tx.ExecContext(ctx, `INSERT INTO settlement (service, day, lines, debits, reversals, at_us, signed)
		SELECT $1, $2, $3, $4, $5, $6, $7
		WHERE EXISTS (SELECT 1 FROM statement_page WHERE service = $1 AND day = $2 AND upto_debit = '')
			AND NOT EXISTS (SELECT 1 FROM break WHERE service = $1 AND day = $2 AND cleared_us = 0)
			AND NOT EXISTS (SELECT 1 FROM settlement WHERE service = $1 AND day = $2)`,
		d.Service, d.Day, d.Total.Lines, d.Total.Debits, d.Total.Reversals, us(d.At), d.Text)
	return conditional("addPaidDay", res, err)
}

// PaidDay implements bank.SettlementStore.
func (s *Store) PaidDay(ctx context.Context, svc id.Service, day string) (bank.PaidDay, error) {
	var d bank.PaidDay
	var at int64
	err := s.db.Read().QueryRowContext(ctx, `SELECT service, day, lines, debits, reversals, at_us, signed FROM settlement
		WHERE service = $1 AND day = $2`, svc, day).Scan(&d.Service, &d.Day, &d.Total.Lines, &d.Total.Debits, &d.Total.Reversals, &at, &d.Text)
	d.At = moment(at)
	return d, readErr("PaidDay", err)
}

// OpenBreaksUpto implements bank.SettlementStore.
func (s *Store) OpenBreaksUpto(ctx context.Context, svc id.Service, day string, upto id.Debit) (n int, err error) {
	err = s.db.Read().QueryRowContext(ctx, `SELECT COUNT(*) FROM break WHERE service = $1 AND day = $2 AND cleared_us = 0 AND debit <= $3`,
		svc, day, upto).Scan(&n)
	return n, readErr("OpenBreaksUpto", err)
}
