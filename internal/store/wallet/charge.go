package wallet

import (
	"context"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

// writeMoney writes a row of the money half in a transaction; known is false for a row of another kind.
func writeMoney(ctx context.Context, tx *sqldb.Tx, w ledger.Write) (known bool, err error) {
	switch w := w.(type) {
	case wallet.PutCharge:
		return true, putCharge(ctx, tx, w)
	case wallet.AskAgain:
		return true, askAgain(ctx, tx, w)
	case wallet.PutReversal:
		return true, putReversal(ctx, tx, w.Reversal)
	case wallet.EndReversal:
		return true, endReversal(ctx, tx, w.Reversal)
	case wallet.PutPayment:
		return true, putPayment(ctx, tx, w.Payment)
	case wallet.PutPayCode:
		return true, putPayCode(ctx, tx, w.Code)
	case wallet.PutIdem:
		return true, putIdem(ctx, tx, w)
	case wallet.PutStatement:
		return true, putStatement(ctx, tx, w.Page)
	case wallet.PutSettlement:
		return true, putSettlement(ctx, tx, w.Settlement)
	case wallet.EndSettlement:
		return true, endSettlement(ctx, tx, w.Settlement)
	case wallet.PutBreak:
		return true, putBreak(ctx, tx, w.Break)
	case wallet.ChangeBreak:
		return true, changeBreak(ctx, tx, w)
	}
	return false, nil
}

func receiptHash(jws string) string {
	if jws == "" {
		return ""
	}
	return wire.Hash(jws)
}

func putCharge(ctx context.Context, tx *sqldb.Tx, w wallet.PutCharge) error {
	c := w.Charge
	if w.IfVersion == 0 {
		res, err := tx.ExecContext(ctx, `
			INSERT INTO charges (debit, subject, link, issuer, bank_ja, bank_en, amount, account, state, agreed_us, order_jws, order_hash,
				receipt_jws, receipt_hash, rule, reason, until_us, booked_us, ended_us, asks, next_ask_us, version)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
			ON CONFLICT DO NOTHING`,
			c.Debit, c.Subject, c.Link, c.Issuer, c.BankName.JA, c.BankName.EN, c.Amount, c.Account, c.State, us(c.AgreedAt), c.Order, c.OrderHash,
			c.Receipt, receiptHash(c.Receipt), c.Rule, c.Reason, us(c.Until), us(c.BookedAt), us(c.EndedAt),
			c.Asks, us(c.NextAsk), c.Version)
		return conditional("PutCharge", res, err)
	}
	res, err := tx.ExecContext(ctx, `
		UPDATE charges SET amount = $4, account = $5, state = $6, agreed_us = $7, order_jws = $8, order_hash = $9,
			receipt_jws = $10, receipt_hash = $11, rule = $12, reason = $13, until_us = $14, booked_us = $15, ended_us = $16,
			next_ask_us = $17, version = $18
		WHERE debit = $1 AND version = $2 AND state = $3`,
		c.Debit, w.IfVersion, w.From, c.Amount, c.Account, c.State, us(c.AgreedAt), c.Order, c.OrderHash,
		c.Receipt, receiptHash(c.Receipt), c.Rule, c.Reason, us(c.Until), us(c.BookedAt), us(c.EndedAt),
		us(c.NextAsk), c.Version)
	return conditional("PutCharge", res, err)
}

func askAgain(ctx context.Context, tx *sqldb.Tx, a wallet.AskAgain) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE charges SET asks = $2, next_ask_us = $3, version = version + 1 WHERE debit = $1 AND state IN ('asked', 'sent', 'pending')`,
		a.Debit, a.Asks, us(a.At))
	return err
}

const chargeColumns = `debit, subject, link, issuer, bank_ja, bank_en, amount, account, state, agreed_us, order_jws, order_hash,
	receipt_jws, rule, reason, until_us, booked_us, ended_us, asks, next_ask_us, version`

func scanCharge(r scanner) (wallet.Charge, error) {
	var c wallet.Charge
	var agreed, until, booked, ended, ask int64
	err := r.Scan(&c.Debit, &c.Subject, &c.Link, &c.Issuer, &c.BankName.JA, &c.BankName.EN, &c.Amount, &c.Account, &c.State, &agreed,
		&c.Order, &c.OrderHash, &c.Receipt, &c.Rule, &c.Reason, &until, &booked, &ended, &c.Asks, &ask, &c.Version)
	c.AgreedAt, c.Until, c.BookedAt, c.EndedAt, c.NextAsk = moment(agreed), moment(until), moment(booked), moment(ended), moment(ask)
	return c, err
}

// Charge implements wallet.ChargeStore.
func (s *Store) Charge(ctx context.Context, debit id.Debit) (wallet.Charge, error) {
	c, err := scanCharge(s.db.Read().QueryRowContext(ctx, `SELECT `+chargeColumns+` FROM charges WHERE debit = $1`, debit))
	return c, readErr("Charge", err)
}

// AskedCharge implements wallet.ChargeStore.
func (s *Store) AskedCharge(ctx context.Context, sub id.Subject, link id.Link) (wallet.Charge, error) {
	c, err := scanCharge(s.db.Read().QueryRowContext(ctx, `SELECT `+chargeColumns+` FROM charges
		WHERE subject = $1 AND link = $2 AND state = 'asked' AND asks = 0`, sub, link))
	return c, readErr("AskedCharge", err)
}

// ChargesToAsk implements wallet.ChargeStore.
func (s *Store) ChargesToAsk(ctx context.Context, now time.Time, n int) ([]wallet.Charge, error) {
	return all(ctx, s, "ChargesToAsk", scanCharge, `SELECT `+chargeColumns+` FROM charges
		WHERE state IN ('asked', 'sent', 'pending') AND next_ask_us <= $1 ORDER BY next_ask_us LIMIT $2`, us(now), n)
}

// OpenCharges implements wallet.ChargeStore.
func (s *Store) OpenCharges(ctx context.Context, n int) ([]wallet.Charge, error) {
	return all(ctx, s, "OpenCharges", scanCharge, `SELECT `+chargeColumns+` FROM charges
		WHERE state IN ('asked', 'sent', 'pending', 'reversing') ORDER BY agreed_us LIMIT $1`, n)
}

// ChargedSince implements wallet.ChargeStore.
func (s *Store) ChargedSince(ctx context.Context, link id.Link, since time.Time) (money.Yen, error) {
	var sum money.Yen
	err := s.db.Read().QueryRowContext(ctx, `SELECT COALESCE(SUM(amount), 0) FROM charges
		WHERE link = $1 AND agreed_us > $2 AND state IN ('sent', 'pending', 'done', 'reversing', 'reversed')`,
		link, us(since)).Scan(&sum)
	return sum, readErr("ChargedSince", err)
}

// MaturingLinks implements wallet.ChargeStore.
func (s *Store) MaturingLinks(ctx context.Context) ([]wallet.Link, error) {
	accounts, err := all(ctx, s, "MaturingLinks", func(r scanner) (account string, err error) {
		return account, r.Scan(&account)
	}, `SELECT id FROM ledger_accounts WHERE kind = 'maturing' AND balance > 0`)
	if err != nil {
		return nil, err
	}
	var links []wallet.Link
	for _, a := range accounts {
		l, err := s.Link(ctx, id.Link(a[strings.LastIndexByte(a, '/')+1:]))
		if err != nil {
			return nil, err
		}
		links = append(links, l)
	}
	return links, nil
}

func putReversal(ctx context.Context, tx *sqldb.Tx, r wallet.Reversal) error {
	res, err := tx.ExecContext(ctx, `
		INSERT INTO reversals (id, debit, issuer, reversal_jws, by_staff, why, at_us, receipt_jws, receipt_hash, booked_us, suspense, ended_us)
		SELECT $1, debit, issuer, $3, $4, $5, $6, '', '', 0, 0, 0 FROM charges WHERE debit = $2
		ON CONFLICT DO NOTHING`, r.ID, r.Debit, r.Text, r.By, r.Why, us(r.At))
	return conditional("PutReversal", res, err)
}

func endReversal(ctx context.Context, tx *sqldb.Tx, r wallet.Reversal) error {
	res, err := tx.ExecContext(ctx, `
		UPDATE reversals SET receipt_jws = $2, receipt_hash = $3, booked_us = $4, suspense = $5, ended_us = $6
		WHERE id = $1 AND receipt_jws = ''`, r.ID, r.Receipt, receiptHash(r.Receipt), us(r.BookedAt), r.Suspense, us(r.EndedAt))
	return conditional("EndReversal", res, err)
}

const reversalColumns = `id, debit, reversal_jws, by_staff, why, at_us, receipt_jws, booked_us, suspense, ended_us`

func scanReversal(r scanner) (wallet.Reversal, error) {
	var v wallet.Reversal
	var at, booked, ended int64
	err := r.Scan(&v.ID, &v.Debit, &v.Text, &v.By, &v.Why, &at, &v.Receipt, &booked, &v.Suspense, &ended)
	v.At, v.BookedAt, v.EndedAt = moment(at), moment(booked), moment(ended)
	return v, err
}

// Reversal implements wallet.ChargeStore.
func (s *Store) Reversal(ctx context.Context, debit id.Debit) (wallet.Reversal, error) {
	v, err := scanReversal(s.db.Read().QueryRowContext(ctx, `SELECT `+reversalColumns+` FROM reversals WHERE debit = $1`, debit))
	return v, readErr("Reversal", err)
}

// ReversalByID implements wallet.ChargeStore.
func (s *Store) ReversalByID(ctx context.Context, reversal string) (wallet.Reversal, error) {
	v, err := scanReversal(s.db.Read().QueryRowContext(ctx, `SELECT `+reversalColumns+` FROM reversals WHERE id = $1`, reversal))
	return v, readErr("ReversalByID", err)
}
