package wallet

import (
	"context"
	"database/sql"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

func putStatement(ctx context.Context, tx *sql.Tx, p wallet.StatementPair) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO statements (issuer, day, provisional, ours_jws, theirs_jws, at_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
		ON CONFLICT (issuer, day) DO UPDATE SET provisional = excluded.provisional, ours_jws = excluded.ours_jws,
			theirs_jws = excluded.theirs_jws, at_us = excluded.at_us
		WHERE excluded.provisional <= statements.provisional`,
		p.Issuer, p.Day, p.Provisional, p.Ours, p.Theirs, stamp(p.At))
	return err
}

// Statement implements wallet.StatementStore.
func (s *Store) Statement(ctx context.Context, issuer id.Issuer, day string) (wallet.StatementPair, error) {
	var p wallet.StatementPair
	var at int64
	err := s.db.Read().QueryRowContext(ctx, `SELECT issuer, day, provisional, ours_jws, theirs_jws, at_us FROM statements
		WHERE issuer = ?1 AND day = ?2`, issuer, day).Scan(&p.Issuer, &p.Day, &p.Provisional, &p.Ours, &p.Theirs, &at)
	p.At = moment(at)
	return p, found("Statement", err)
}

// FinalStatements implements wallet.StatementStore.
func (s *Store) FinalStatements(ctx context.Context, issuer id.Issuer) ([]string, error) {
	return all(ctx, s, "FinalStatements", func(r moneyRow) (day string, err error) {
		return day, r.Scan(&day)
	}, `SELECT day FROM statements WHERE issuer = ?1 AND provisional = 0`, issuer)
}

// StatementLines implements wallet.StatementStore.
func (s *Store) StatementLines(ctx context.Context, issuer id.Issuer, from, to time.Time) ([]wire.StatementLine, error) {
	lines, err := all(ctx, s, "StatementLines", func(r moneyRow) (l wire.StatementLine, err error) {
		return l, r.Scan(&l.Kind, &l.Debit, &l.Link, &l.Amount, &l.BookedUs, &l.Receipt)
	}, `
		SELECT 'debit' AS kind, debit, link, amount, booked_us, receipt_hash FROM charges
		WHERE issuer = ?1 AND booked_us >= ?2 AND booked_us < ?3 AND state IN ('done', 'reversing', 'reversed')
		UNION ALL
		SELECT 'reversal' AS kind, r.debit, c.link, c.amount, r.booked_us, r.receipt_hash
		FROM reversals AS r JOIN charges AS c ON c.debit = r.debit
		WHERE r.issuer = ?1 AND r.booked_us >= ?2 AND r.booked_us < ?3 AND r.receipt_jws <> ''
		ORDER BY debit, kind`, issuer, stamp(from), stamp(to))
	if lines == nil {
		lines = []wire.StatementLine{}
	}
	return lines, err
}

// OpenDebits implements wallet.StatementStore.
func (s *Store) OpenDebits(ctx context.Context, issuer id.Issuer) ([]id.Debit, error) {
	open, err := all(ctx, s, "OpenDebits", func(r moneyRow) (d id.Debit, err error) {
		return d, r.Scan(&d)
	}, `SELECT debit FROM charges WHERE issuer = ?1 AND state IN ('sent', 'pending') ORDER BY debit`, issuer)
	if open == nil {
		open = []id.Debit{}
	}
	return open, err
}

// OpenBefore implements wallet.StatementStore.
func (s *Store) OpenBefore(ctx context.Context, issuer id.Issuer, before time.Time) (open bool, err error) {
	err = s.db.Read().QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM charges
		WHERE issuer = ?1 AND state IN ('sent', 'pending', 'reversing') AND agreed_us < ?2)`,
		issuer, stamp(before)).Scan(&open)
	return open, found("OpenBefore", err)
}

// BanksCharged implements wallet.StatementStore.
func (s *Store) BanksCharged(ctx context.Context) (map[id.Issuer]string, error) {
	type first struct {
		issuer id.Issuer
		us     int64
	}
	rows, err := all(ctx, s, "BanksCharged", func(r moneyRow) (f first, err error) {
		return f, r.Scan(&f.issuer, &f.us)
	}, `SELECT issuer, MIN(booked_us) FROM charges WHERE state IN ('done', 'reversing', 'reversed') GROUP BY issuer`)
	banks := make(map[id.Issuer]string, len(rows))
	for _, r := range rows {
		banks[r.issuer] = clock.Day(moment(r.us))
	}
	return banks, err
}

func putBreak(ctx context.Context, tx *sql.Tx, b wallet.Break) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO breaks (id, issuer, day, debit, line, kind, ours, theirs, evidence, owner, opened_us, seen_us, closed_us, closed_by, note, version)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, '', '', 1)
		ON CONFLICT (issuer, day, debit, line, kind) DO UPDATE SET
			seen_us = excluded.seen_us, ours = excluded.ours, theirs = excluded.theirs, evidence = excluded.evidence,
			closed_us = 0, closed_by = '', version = breaks.version + 1`,
		b.ID, b.Issuer, b.Day, b.Debit, b.Line, b.Kind, b.Ours, b.Theirs, b.Evidence, b.Owner, stamp(b.OpenedAt), stamp(b.SeenAt))
	return err
}

func changeBreak(ctx context.Context, tx *sql.Tx, w wallet.ChangeBreak) error {
	b := w.Break
	res, err := tx.ExecContext(ctx, `
		UPDATE breaks SET owner = ?3, closed_us = ?4, closed_by = ?5, note = ?6, version = ?7 WHERE id = ?1 AND version = ?2`,
		b.ID, w.IfVersion, b.Owner, stamp(b.ClosedAt), b.ClosedBy, b.Note, b.Version)
	return oneRow("ChangeBreak", res, err)
}

const breakColumns = `id, issuer, day, debit, line, kind, ours, theirs, evidence, owner, opened_us, seen_us, closed_us, closed_by, note, version`

func scanBreak(r moneyRow) (wallet.Break, error) {
	var b wallet.Break
	var opened, seen, closed int64
	err := r.Scan(&b.ID, &b.Issuer, &b.Day, &b.Debit, &b.Line, &b.Kind, &b.Ours, &b.Theirs, &b.Evidence, &b.Owner,
		&opened, &seen, &closed, &b.ClosedBy, &b.Note, &b.Version)
	b.OpenedAt, b.SeenAt, b.ClosedAt = moment(opened), moment(seen), moment(closed)
	return b, err
}

// Breaks implements wallet.StatementStore.
func (s *Store) Breaks(ctx context.Context, closed bool, n int) ([]wallet.Break, error) {
	return all(ctx, s, "Breaks", scanBreak, `SELECT `+breakColumns+` FROM breaks WHERE (closed_us > 0) = ?1
		ORDER BY opened_us DESC, id LIMIT ?2`, closed, n)
}

// Break implements wallet.StatementStore.
func (s *Store) Break(ctx context.Context, brk string) (wallet.Break, error) {
	b, err := scanBreak(s.db.Read().QueryRowContext(ctx, `SELECT `+breakColumns+` FROM breaks WHERE id = ?1`, brk))
	return b, found("Break", err)
}
