package wallet

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wallet"
)

func putPayment(ctx context.Context, tx *sqldb.Tx, p wallet.Payment) error {
	res, err := tx.ExecContext(ctx, `
		INSERT INTO payments (id, shop, subject, amount, from_maturing, terminal, order_ref, state, reason, at_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
		p.ID, p.Shop, p.Subject, p.Amount, p.FromMaturing, p.Terminal, p.Order, p.State, p.Reason, us(p.At))
	return conditional("PutPayment", res, err)
}

// Payment implements wallet.PaymentStore.
func (s *Store) Payment(ctx context.Context, payment wallet.PaymentID) (wallet.Payment, error) {
	var p wallet.Payment
	var at int64
	err := s.db.Read().QueryRowContext(ctx, `SELECT id, shop, subject, amount, from_maturing, terminal, order_ref, state, reason, at_us
		FROM payments WHERE id = $1`, payment).Scan(
		&p.ID, &p.Shop, &p.Subject, &p.Amount, &p.FromMaturing, &p.Terminal, &p.Order, &p.State, &p.Reason, &at)
	p.At = moment(at)
	return p, readErr("Payment", err)
}

func putPayCode(ctx context.Context, tx *sqldb.Tx, c wallet.PayCode) error {
	_, err := tx.ExecContext(ctx, `UPDATE pay_codes SET burnt_us = $2 WHERE subject = $1 AND burnt_us = 0`, c.Subject, us(c.MadeAt))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO pay_codes (hash, payment, subject, made_us, expires_us, burnt_us, burnt_by)
		VALUES ($1, $2, $3, $4, $5, 0, '')`, c.Hash, c.Payment, c.Subject, us(c.MadeAt), us(c.ExpiresAt))
	return err
}

const payCodeColumns = `hash, payment, subject, made_us, expires_us, burnt_us, burnt_by`

func scanPayCode(r scanner) (wallet.PayCode, error) {
	var c wallet.PayCode
	var made, expires, burnt int64
	err := r.Scan(&c.Hash, &c.Payment, &c.Subject, &made, &expires, &burnt, &c.BurntBy)
	c.MadeAt, c.ExpiresAt, c.BurntAt = moment(made), moment(expires), moment(burnt)
	return c, err
}

// PayCode implements wallet.PaymentStore.
func (s *Store) PayCode(ctx context.Context, payment wallet.PaymentID) (wallet.PayCode, error) {
	c, err := scanPayCode(s.db.Read().QueryRowContext(ctx, `SELECT `+payCodeColumns+` FROM pay_codes WHERE payment = $1`, payment))
	return c, readErr("PayCode", err)
}

// LivePayCode implements wallet.PaymentStore.
func (s *Store) LivePayCode(ctx context.Context, sub id.Subject, now time.Time) (wallet.PayCode, error) {
	c, err := scanPayCode(s.db.Read().QueryRowContext(ctx, `SELECT `+payCodeColumns+` FROM pay_codes
		WHERE subject = $1 AND burnt_us = 0 AND expires_us > $2 ORDER BY made_us DESC, hash LIMIT 1`, sub, us(now)))
	return c, readErr("LivePayCode", err)
}

// BurnPayCode implements wallet.PaymentStore.
func (s *Store) BurnPayCode(ctx context.Context, hash, by string, now time.Time) (wallet.PayCode, error) {
	var c wallet.PayCode
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE pay_codes SET burnt_us = $2, burnt_by = $3 WHERE hash = $1 AND burnt_us = 0`, hash, us(now), by)
		if err != nil {
			return err
		}
		c, err = scanPayCode(tx.QueryRowContext(ctx, `SELECT `+payCodeColumns+` FROM pay_codes WHERE hash = $1`, hash))
		return err
	})
	return c, readErr("BurnPayCode", err)
}

func putIdem(ctx context.Context, tx *sqldb.Tx, w wallet.PutIdem) error {
	res, err := tx.ExecContext(ctx, `INSERT INTO idempotency (client, endpoint, key, body_hash, payment, at_us)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		w.Key.Client, w.Key.Endpoint, w.Key.Key, w.Key.BodyHash, w.Payment, us(w.At))
	return conditional("PutIdem", res, err)
}

// Idem implements wallet.PaymentStore.
func (s *Store) Idem(ctx context.Context, client, endpoint, key string) (wallet.PaymentID, string, error) {
	var p wallet.PaymentID
	var body string
	err := s.db.Read().QueryRowContext(ctx, `SELECT payment, body_hash FROM idempotency WHERE client = $1 AND endpoint = $2 AND key = $3`,
		client, endpoint, key).Scan(&p, &body)
	return p, body, readErr("Idem", err)
}

// History implements wallet.HistoryStore.
func (s *Store) History(ctx context.Context, sub id.Subject, before wallet.Cursor, n int) ([]wallet.Entry, error) {
	return all(ctx, s, "History", func(r scanner) (wallet.Entry, error) {
		var e wallet.Entry
		var at int64
		err := r.Scan(&e.Kind, &e.ID, &at, &e.Amount, &e.State, &e.Reason, &e.Bank.JA, &e.Bank.EN, &e.Shop)
		e.At = moment(at)
		return e, err
	}, `
		SELECT * FROM (SELECT 'charge' AS kind, debit AS id, agreed_us AS at_us, amount, state, reason, bank_ja, bank_en, '' AS shop FROM charges
			WHERE subject = $1 AND order_hash <> '' AND (CAST($2 AS BIGINT) = 0 OR (agreed_us, debit) < ($2, $3))
			ORDER BY agreed_us DESC, debit DESC LIMIT $4) AS charged
		UNION ALL
		SELECT * FROM (SELECT 'payment' AS kind, id, at_us, amount, state, reason, '' AS bank_ja, '' AS bank_en, shop FROM payments
			WHERE subject = $1 AND ($2 = 0 OR (at_us, id) < ($2, $3))
			ORDER BY at_us DESC, id DESC LIMIT $4) AS paid
		ORDER BY at_us DESC, id DESC LIMIT $4`, sub, us(before.At), before.ID, n)
}
