package wallet

import (
	"context"
	"database/sql"
	"strings"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

// askSecrets is what asks.sealed holds.
type askSecrets struct {
	State   string `json:"state"`
	RS      string `json:"rs"`
	Details string `json:"details"`
}

func (s *Store) putAsk(ctx context.Context, tx *sqldb.Tx, w wallet.PutAsk) error {
	a := w.Ask
	sealed, err := s.seal(askSecrets{a.State, a.RS, a.Details}, "asks", string(a.Request))
	if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, `
		INSERT INTO asks (request, subject, issuer, bank, name_ja, name_en, stage, reason, state_hash, sealed, device, link,
			made_us, returned_us, ended_us, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
		ON CONFLICT (request) DO UPDATE SET stage = excluded.stage, reason = excluded.reason, sealed = excluded.sealed,
			link = excluded.link, returned_us = excluded.returned_us, ended_us = excluded.ended_us, version = excluded.version
		WHERE asks.version = $17 AND $17 > 0`,
		a.Request, a.Subject, a.Issuer, a.Bank, a.BankName.JA, a.BankName.EN, a.Stage, a.Reason, wire.Hash(a.State), sealed,
		a.Device, a.Link, us(a.MadeAt), us(a.ReturnedAt), us(a.EndedAt), a.Version, w.IfVersion)
	return conditional("putAsk", res, err)
}

const askColumns = `request, subject, issuer, bank, name_ja, name_en, stage, reason, sealed, device, link,
	made_us, returned_us, ended_us, version`

func (s *Store) scanAsk(r scanner) (wallet.Ask, error) {
	var a wallet.Ask
	var sealed []byte
	var made, returned, ended int64
	err := r.Scan(&a.Request, &a.Subject, &a.Issuer, &a.Bank, &a.BankName.JA, &a.BankName.EN, &a.Stage, &a.Reason, &sealed,
		&a.Device, &a.Link, &made, &returned, &ended, &a.Version)
	if err != nil {
		return a, err
	}
	var x askSecrets
	if err := s.open(sealed, &x, "asks", string(a.Request)); err != nil {
		return a, err
	}
	a.State, a.RS, a.Details = x.State, x.RS, x.Details
	a.MadeAt, a.ReturnedAt, a.EndedAt = moment(made), moment(returned), moment(ended)
	return a, nil
}

// Ask implements wallet.LinkStore.
func (s *Store) Ask(ctx context.Context, r id.Request) (wallet.Ask, error) {
	a, err := s.scanAsk(s.db.Read().QueryRowContext(ctx, `SELECT `+askColumns+` FROM asks WHERE request = $1`, r))
	return a, readErr("Ask", err)
}

// AskByState implements wallet.LinkStore.
func (s *Store) AskByState(ctx context.Context, state string) (wallet.Ask, error) {
	a, err := s.scanAsk(s.db.Read().QueryRowContext(ctx, `SELECT `+askColumns+` FROM asks WHERE state_hash = $1`, wire.Hash(state)))
	return a, readErr("AskByState", err)
}

// AsksOf implements wallet.LinkStore.
func (s *Store) AsksOf(ctx context.Context, sub id.Subject) ([]wallet.Ask, error) {
	return all(ctx, s, "AsksOf", s.scanAsk, `SELECT `+askColumns+` FROM asks
		WHERE subject = $1 AND stage IN ('made', 'pushed', 'returned') ORDER BY made_us DESC`, sub)
}

func putLink(ctx context.Context, tx *sqldb.Tx, w wallet.PutLink) error {
	l := w.Link
	limited := us(l.LimitedUntil)
	if l.UntilProof {
		limited = -1
	}
	res, err := tx.ExecContext(ctx, `
		INSERT INTO links (link, request, subject, issuer, bank, name_ja, name_en, pseudonym, device, seq, reported, reason,
			per_debit, per_day, per_month, receipt_us, cooling_us, limited_us, valid_us, end_requested,
			report_jws, created_us, updated_us, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)
		ON CONFLICT (link) DO UPDATE SET request = excluded.request, bank = excluded.bank, name_ja = excluded.name_ja,
			name_en = excluded.name_en, pseudonym = excluded.pseudonym, device = excluded.device, seq = excluded.seq,
			reported = excluded.reported, reason = excluded.reason, per_debit = excluded.per_debit, per_day = excluded.per_day,
			per_month = excluded.per_month, receipt_us = excluded.receipt_us, cooling_us = excluded.cooling_us,
			limited_us = excluded.limited_us, valid_us = excluded.valid_us,
			end_requested = excluded.end_requested, report_jws = excluded.report_jws, updated_us = excluded.updated_us,
			version = excluded.version
		WHERE links.version = $25 AND $25 > 0`,
		l.ID, l.Request, l.Subject, l.Issuer, l.Bank, l.BankName, l.BankNameEN, l.Pseudonym, l.Device, l.Seq, l.Reported, l.Reason,
		l.Limits.PerDebit, l.Limits.Per24h, l.Limits.Per30Days, us(l.ReceiptUntil), us(l.CoolingUntil), limited,
		us(l.ValidUntil), l.EndRequested, l.Report, us(l.CreatedAt), us(l.UpdatedAt), l.Version, w.IfVersion)
	if err := conditional("putLink", res, err); err != nil {
		return err
	}
	return putChanges(ctx, tx, l)
}

// putChanges makes the link's open changes those it names.
func putChanges(ctx context.Context, tx *sqldb.Tx, l wallet.Link) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM link_changes WHERE link = $1`, l.ID); err != nil {
		return err
	}
	for _, change := range l.Changes {
		if _, err := tx.ExecContext(ctx, `INSERT INTO link_changes (link, change) VALUES ($1, $2) ON CONFLICT DO NOTHING`, l.ID, change); err != nil {
			return err
		}
	}
	return nil
}

const linkColumns = `link, request, subject, issuer, bank, name_ja, name_en, pseudonym, device, seq, reported, reason,
	per_debit, per_day, per_month, receipt_us, cooling_us, limited_us, valid_us, end_requested,
	report_jws, created_us, updated_us, version,
	(SELECT string_agg(change, ' ' ORDER BY change) FROM link_changes AS c WHERE c.link = links.link)`

func scanLink(r scanner) (wallet.Link, error) {
	var l wallet.Link
	var receipt, cooling, limited, valid, created, updated int64
	var changes sql.NullString // ids, which hold no space
	err := r.Scan(&l.ID, &l.Request, &l.Subject, &l.Issuer, &l.Bank, &l.BankName, &l.BankNameEN, &l.Pseudonym, &l.Device,
		&l.Seq, &l.Reported, &l.Reason, &l.Limits.PerDebit, &l.Limits.Per24h, &l.Limits.Per30Days, &receipt, &cooling, &limited,
		&valid, &l.EndRequested, &l.Report, &created, &updated, &l.Version, &changes)
	if err != nil {
		return l, err
	}
	l.Changes = strings.Fields(changes.String)
	l.UntilProof = limited < 0
	l.ReceiptUntil, l.CoolingUntil, l.LimitedUntil, l.ValidUntil = moment(receipt), moment(cooling), moment(max(0, limited)), moment(valid)
	l.CreatedAt, l.UpdatedAt = moment(created), moment(updated)
	return l, nil
}

// Link implements wallet.LinkStore.
func (s *Store) Link(ctx context.Context, link id.Link) (wallet.Link, error) {
	l, err := scanLink(s.db.Read().QueryRowContext(ctx, `SELECT `+linkColumns+` FROM links WHERE link = $1`, link))
	return l, readErr("Link", err)
}

// LinksOf implements wallet.LinkStore.
func (s *Store) LinksOf(ctx context.Context, sub id.Subject) ([]wallet.Link, error) {
	return all(ctx, s, "LinksOf", scanLink, `SELECT `+linkColumns+` FROM links WHERE subject = $1 ORDER BY created_us DESC, link`, sub)
}

// EventsSeen implements wallet.LinkStore.
func (s *Store) EventsSeen(ctx context.Context) (int64, error) {
	var seen int64
	err := s.db.Read().QueryRowContext(ctx, `SELECT seen FROM hub_events WHERE one = 1`).Scan(&seen)
	return seen, readErr("EventsSeen", err)
}
