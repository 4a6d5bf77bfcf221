package wallet

import (
	"context"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

// putStatement keeps a page behind the one it follows, in the place of all that followed before. A day that is over
// never gives way to one that was not, one whose settlement is announced to none.
func putStatement(ctx context.Context, tx *sqldb.Tx, p wallet.StatementPage) error {
	var announced, final, follows bool
	err := tx.QueryRowContext(ctx, `SELECT
		EXISTS (SELECT 1 FROM settlements WHERE issuer = $1 AND day = $2),
		EXISTS (SELECT 1 FROM statement_pages WHERE issuer = $1 AND day = $2 AND provisional = 0),
		EXISTS (SELECT 1 FROM statement_pages WHERE issuer = $1 AND day = $2 AND n + 1 = $3 AND upto_debit = $4 AND provisional = $5)`,
		p.Issuer, p.Day, p.N, p.After, p.Provisional).Scan(&announced, &final, &follows)
	switch {
	case err != nil || announced || final && p.Provisional:
		return err
	case p.N == 1 && p.After != "", p.N > 1 && (p.After == "" || !follows):
		return fault.New(fault.Conflict, "store.wallet.PutStatement", fmt.Errorf("page %d of %s does not follow", p.N, p.Day))
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM statement_pages WHERE issuer = $1 AND day = $2 AND n >= $3`, p.Issuer, p.Day, p.N); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO statement_pages (issuer, day, n, after_debit, upto_debit, provisional, ours_jws, theirs_jws, at_us,
			our_lines, our_debits, our_reversals, their_lines, their_debits, their_reversals)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		p.Issuer, p.Day, p.N, p.After, p.Upto, p.Provisional, p.Ours, p.Theirs, us(p.At),
		p.OurTotal.Lines, p.OurTotal.Debits, p.OurTotal.Reversals, p.TheirTotal.Lines, p.TheirTotal.Debits, p.TheirTotal.Reversals)
	return err
}

// StatementPage implements wallet.StatementStore.
func (s *Store) StatementPage(ctx context.Context, issuer id.Issuer, day string, n int) (wallet.StatementPage, error) {
	var p wallet.StatementPage
	var at int64
	o, t := &p.OurTotal, &p.TheirTotal
	err := s.db.Read().QueryRowContext(ctx, `SELECT issuer, day, n, after_debit, upto_debit, provisional, ours_jws, theirs_jws, at_us,
			our_lines, our_debits, our_reversals, their_lines, their_debits, their_reversals FROM statement_pages
		WHERE issuer = $1 AND day = $2 AND (n = $3 OR $3 = 0) ORDER BY n DESC LIMIT 1`, issuer, day, n).
		Scan(&p.Issuer, &p.Day, &p.N, &p.After, &p.Upto, &p.Provisional, &p.Ours, &p.Theirs, &at,
			&o.Lines, &o.Debits, &o.Reversals, &t.Lines, &t.Debits, &t.Reversals)
	p.At = moment(at)
	return p, readErr("StatementPage", err)
}

// FinalDays implements wallet.StatementStore.
func (s *Store) FinalDays(ctx context.Context, issuer id.Issuer) ([]wallet.FinalDay, error) {
	return all(ctx, s, "FinalDays", func(r scanner) (d wallet.FinalDay, err error) {
		o, t := &d.Ours, &d.Theirs
		return d, r.Scan(&d.Day, &o.Lines, &o.Debits, &o.Reversals, &t.Lines, &t.Debits, &t.Reversals, &d.Announced)
	}, `SELECT p.day, p.our_lines, p.our_debits, p.our_reversals, p.their_lines, p.their_debits, p.their_reversals, s.day IS NOT NULL
		FROM statement_pages AS p LEFT JOIN settlements AS s ON s.issuer = p.issuer AND s.day = p.day
		WHERE p.issuer = $1 AND p.provisional = 0 AND p.upto_debit = '' ORDER BY p.day DESC`, issuer)
}

// statementLines are a bank's ($1) lines with a booked time from $2, before $3, as a statement orders them.
const statementLines = `
	SELECT 'debit' AS kind, debit, link, amount, booked_us, receipt_hash FROM charges
	WHERE issuer = $1 AND booked_us >= $2 AND booked_us < $3 AND state IN ('done', 'reversing', 'reversed')
	UNION ALL
	SELECT 'reversal' AS kind, r.debit, c.link, c.amount, r.booked_us, r.receipt_hash
	FROM reversals AS r JOIN charges AS c ON c.debit = r.debit
	WHERE r.issuer = $1 AND r.booked_us >= $2 AND r.booked_us < $3 AND r.receipt_jws <> ''`

// StatementLines implements wallet.StatementStore.
func (s *Store) StatementLines(ctx context.Context, issuer id.Issuer, from, to time.Time, after id.Debit, n int) ([]wire.StatementLine, error) {
	lines, err := all(ctx, s, "StatementLines", func(r scanner) (l wire.StatementLine, err error) {
		return l, r.Scan(&l.Kind, &l.Debit, &l.Link, &l.Amount, &l.BookedUs, &l.Receipt)
	}, `SELECT kind, debit, link, amount, booked_us, receipt_hash FROM (`+statementLines+`) AS lines WHERE debit > $4 ORDER BY debit, kind LIMIT $5`,
		issuer, us(from), us(to), after, n)
	if lines == nil {
		lines = []wire.StatementLine{}
	}
	return lines, err
}

// StatementTotal implements wallet.StatementStore.
func (s *Store) StatementTotal(ctx context.Context, issuer id.Issuer, from, to time.Time) (t wire.StatementTotal, err error) {
	err = s.db.Read().QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(SUM(amount) FILTER (WHERE kind = 'debit'), 0),
		COALESCE(SUM(amount) FILTER (WHERE kind = 'reversal'), 0) FROM (`+statementLines+`) AS lines`,
		issuer, us(from), us(to)).Scan(&t.Lines, &t.Debits, &t.Reversals)
	return t, readErr("StatementTotal", err)
}

// OpenDebits implements wallet.StatementStore.
func (s *Store) OpenDebits(ctx context.Context, issuer id.Issuer, after id.Debit, n int) ([]id.Debit, error) {
	open, err := all(ctx, s, "OpenDebits", func(r scanner) (d id.Debit, err error) {
		return d, r.Scan(&d)
	}, `SELECT debit FROM charges WHERE issuer = $1 AND state IN ('sent', 'pending') AND debit > $2 ORDER BY debit LIMIT $3`, issuer, after, n)
	if open == nil {
		open = []id.Debit{}
	}
	return open, err
}

// OpenBefore implements wallet.StatementStore.
func (s *Store) OpenBefore(ctx context.Context, issuer id.Issuer, before time.Time) (open bool, err error) {
	err = s.db.Read().QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM charges
		WHERE issuer = $1 AND state IN ('sent', 'pending', 'reversing') AND agreed_us < $2)`,
		issuer, us(before)).Scan(&open)
	return open, readErr("OpenBefore", err)
}

// BanksCharged implements wallet.StatementStore.
func (s *Store) BanksCharged(ctx context.Context) (map[id.Issuer]string, error) {
	type first struct {
		issuer id.Issuer
		us     int64
	}
	rows, err := all(ctx, s, "BanksCharged", func(r scanner) (f first, err error) {
		return f, r.Scan(&f.issuer, &f.us)
	}, `SELECT issuer, MIN(booked_us) FROM charges WHERE state IN ('done', 'reversing', 'reversed') GROUP BY issuer`)
	banks := make(map[id.Issuer]string, len(rows))
	for _, r := range rows {
		banks[r.issuer] = clock.Day(moment(r.us))
	}
	return banks, err
}

func putBreak(ctx context.Context, tx *sqldb.Tx, b wallet.Break) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO breaks (id, issuer, day, debit, line, kind, ours, theirs, evidence, owner, opened_us, seen_us, closed_us, closed_by, note, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, '', '', 1)
		ON CONFLICT (issuer, day, debit, line, kind) DO UPDATE SET
			seen_us = excluded.seen_us, ours = excluded.ours, theirs = excluded.theirs, evidence = excluded.evidence,
			closed_us = 0, closed_by = '', version = breaks.version + 1`,
		b.ID, b.Issuer, b.Day, b.Debit, b.Line, b.Kind, b.Ours, b.Theirs, b.Evidence, b.Owner, us(b.OpenedAt), us(b.SeenAt))
	return err
}

func changeBreak(ctx context.Context, tx *sqldb.Tx, w wallet.ChangeBreak) error {
	b := w.Break
	res, err := tx.ExecContext(ctx, `
		UPDATE breaks SET owner = $3, closed_us = $4, closed_by = $5, note = $6, version = $7 WHERE id = $1 AND version = $2`,
		b.ID, w.IfVersion, b.Owner, us(b.ClosedAt), b.ClosedBy, b.Note, b.Version)
	return conditional("ChangeBreak", res, err)
}

const breakColumns = `id, issuer, day, debit, line, kind, ours, theirs, evidence, owner, opened_us, seen_us, closed_us, closed_by, note, version`

func scanBreak(r scanner) (wallet.Break, error) {
	var b wallet.Break
	var opened, seen, closed int64
	err := r.Scan(&b.ID, &b.Issuer, &b.Day, &b.Debit, &b.Line, &b.Kind, &b.Ours, &b.Theirs, &b.Evidence, &b.Owner,
		&opened, &seen, &closed, &b.ClosedBy, &b.Note, &b.Version)
	b.OpenedAt, b.SeenAt, b.ClosedAt = moment(opened), moment(seen), moment(closed)
	return b, err
}

// Breaks implements wallet.StatementStore.
func (s *Store) Breaks(ctx context.Context, closed bool, n int) ([]wallet.Break, error) {
	return all(ctx, s, "Breaks", scanBreak, `SELECT `+breakColumns+` FROM breaks WHERE (closed_us > 0) = $1
		ORDER BY opened_us DESC, id LIMIT $2`, closed, n)
}

// Break implements wallet.StatementStore.
func (s *Store) Break(ctx context.Context, brk string) (wallet.Break, error) {
	b, err := scanBreak(s.db.Read().QueryRowContext(ctx, `SELECT `+breakColumns+` FROM breaks WHERE id = $1`, brk))
	return b, readErr("Break", err)
}
