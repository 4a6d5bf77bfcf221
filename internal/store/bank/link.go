package bank

import (
	"context"
	"encoding/json"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

func putLink(ctx context.Context, tx *sqldb.Tx, w bank.PutLink) error {
	l := w.Link
	device, err := json.Marshal(l.Device)
	if err != nil {
		return err
	}
	if w.IfVersion == 0 {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO link (id, request, pending, since, account, service, subject, pseudonym, state, reason, device,
				per_debit, per_day, per_month, proof, confirmed, valid_us, consented_us, waits_us, activated_us, ended_us, seq, version)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, 1)`,
			l.ID, l.Request, l.Pending, l.Since, l.Account, l.Service, l.Subject, l.Pseudonym, l.State, l.Reason, string(device),
			l.Limits.PerDebit, l.Limits.Per24h, l.Limits.Per30Days, l.Proof, l.Confirmed, us(l.Valid), us(l.ConsentedAt),
			us(l.WaitsUntil), us(l.ActivatedAt), us(l.EndedAt), l.Seq)
		return taken(err)
	}
	res, err := tx.ExecContext(ctx, `
		UPDATE link SET request = $3, pending = $4, since = $5, state = $6, reason = $7, device = $8, per_debit = $9, per_day = $10,
			per_month = $11, proof = $12, confirmed = $13, valid_us = $14, consented_us = $15, waits_us = $16, activated_us = $17,
			ended_us = $18, seq = $19, version = version + 1
		WHERE id = $1 AND version = $2`,
		l.ID, w.IfVersion, l.Request, l.Pending, l.Since, l.State, l.Reason, string(device), l.Limits.PerDebit, l.Limits.Per24h,
		l.Limits.Per30Days, l.Proof, l.Confirmed, us(l.Valid), us(l.ConsentedAt), us(l.WaitsUntil), us(l.ActivatedAt),
		us(l.EndedAt), l.Seq)
	return conditional("putLink", res, taken(err))
}

// taken names the rule behind the unique index of link.
func taken(err error) error {
	if sqldb.IsDuplicate(err) {
		return &fault.Error{Kind: fault.Conflict, Op: "store.bank.putLink", Rule: "L7", Err: err}
	}
	return err
}

const linkColumns = `id, request, pending, since, account, service, subject, pseudonym, state, reason, device,
	per_debit, per_day, per_month, proof, confirmed, valid_us, consented_us, waits_us, activated_us, ended_us, seq, version`

func scanLink(row scanner) (bank.Link, error) {
	var l bank.Link
	var device string
	var valid, consented, waits, activated, ended int64
	err := row.Scan(&l.ID, &l.Request, &l.Pending, &l.Since, &l.Account, &l.Service, &l.Subject, &l.Pseudonym, &l.State, &l.Reason, &device,
		&l.Limits.PerDebit, &l.Limits.Per24h, &l.Limits.Per30Days, &l.Proof, &l.Confirmed, &valid, &consented, &waits, &activated, &ended,
		&l.Seq, &l.Version)
	if err != nil {
		return l, err
	}
	l.Valid, l.ConsentedAt, l.WaitsUntil, l.ActivatedAt, l.EndedAt =
		moment(valid), moment(consented), moment(waits), moment(activated), moment(ended)
	return l, json.Unmarshal([]byte(device), &l.Device)
}

// Link implements bank.LinkRows.
func (s *Store) Link(ctx context.Context, l id.Link) (bank.Link, error) {
	got, err := scanLink(s.db.Read().QueryRowContext(ctx, `SELECT `+linkColumns+` FROM link WHERE id = $1`, l))
	return got, readErr("Link", err)
}

// LinksOf implements bank.LinkRows.
func (s *Store) LinksOf(ctx context.Context, acc bank.AccountID) ([]bank.Link, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT `+linkColumns+` FROM link
		WHERE account = $1 ORDER BY consented_us DESC, id`, acc)
	return list("LinksOf", rows, err, scanLink)
}

// Occupant implements bank.LinkRows.
func (s *Store) Occupant(ctx context.Context, acc bank.AccountID, svc id.Service) (bank.Link, error) {
	got, err := scanLink(s.db.Read().QueryRowContext(ctx, `SELECT `+linkColumns+` FROM link
		WHERE account = $1 AND service = $2 AND state IN ('authenticated', 'live', 'suspended')`, acc, svc))
	return got, readErr("Occupant", err)
}

// LinksPast implements bank.LinkRows.
func (s *Store) LinksPast(ctx context.Context, now time.Time, n int) ([]bank.Link, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT `+linkColumns+` FROM link
		WHERE state IN ('live', 'suspended') AND valid_us <= $1 ORDER BY valid_us LIMIT $2`, us(now), n)
	return list("LinksPast", rows, err, scanLink)
}

func putReceipt(ctx context.Context, tx *sqldb.Tx, r bank.Receipt) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO receipt (request, channel, ref, at_us) VALUES ($1, $2, $3, $4)
		ON CONFLICT (request, channel) DO NOTHING`, r.Request, r.Channel, r.Ref, us(r.At))
	return err
}

// ReceiptsOf implements bank.LinkRows.
func (s *Store) ReceiptsOf(ctx context.Context, r id.Request) ([]bank.Receipt, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT request, channel, ref, at_us FROM receipt WHERE request = $1 ORDER BY at_us`, r)
	return list("ReceiptsOf", rows, err, func(row scanner) (bank.Receipt, error) {
		var rc bank.Receipt
		var at int64
		err := row.Scan(&rc.Request, &rc.Channel, &rc.Ref, &at)
		rc.At = moment(at)
		return rc, err
	})
}
