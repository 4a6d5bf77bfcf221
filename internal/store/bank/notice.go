package bank

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

func addNotice(ctx context.Context, tx *sqldb.Tx, n bank.Notice) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO notice (id, event, account, link, request, channel, contact, at_us, digested, delivered_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)`,
		n.ID, n.Event, n.Account, n.Link, n.Request, n.Channel, n.Contact, us(n.At), n.Digested)
	return err
}

const noticeColumns = `id, event, account, link, request, channel, contact, at_us, digested, delivered_us`

func scanNotice(row scanner) (bank.Notice, error) {
	var n bank.Notice
	var at, delivered int64
	err := row.Scan(&n.ID, &n.Event, &n.Account, &n.Link, &n.Request, &n.Channel, &n.Contact, &at, &n.Digested, &delivered)
	n.At, n.DeliveredAt = moment(at), moment(delivered)
	return n, err
}

// Notice implements bank.NoticeStore.
func (s *Store) Notice(ctx context.Context, ntc string) (bank.Notice, error) {
	n, err := scanNotice(s.db.Read().QueryRowContext(ctx, `SELECT `+noticeColumns+` FROM notice WHERE id = $1`, ntc))
	return n, readErr("Notice", err)
}

// NoticesOf implements bank.NoticeStore.
func (s *Store) NoticesOf(ctx context.Context, acc bank.AccountID, kind bank.EventKind, since time.Time) ([]bank.Notice, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT `+noticeColumns+` FROM notice
		WHERE account = $1 AND event = $2 AND at_us >= $3 ORDER BY at_us, id`, acc, kind, us(since))
	return list("NoticesOf", rows, err, scanNotice)
}

// NoticesOfRequest implements bank.NoticeStore.
func (s *Store) NoticesOfRequest(ctx context.Context, r id.Request) ([]bank.Notice, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT `+noticeColumns+` FROM notice
		WHERE request = $1 AND request <> '' ORDER BY at_us, id`, r)
	return list("NoticesOfRequest", rows, err, scanNotice)
}

func putDelivered(ctx context.Context, tx *sqldb.Tx, w bank.Delivered) error {
	_, err := tx.ExecContext(ctx, `UPDATE notice SET delivered_us = $2 WHERE id = $1 AND delivered_us = 0`, w.Notice, us(w.At))
	return err
}

// TakeTyped implements bank.NoticeStore.
func (s *Store) TakeTyped(ctx context.Context, r id.Request, most int) (allowed bool, err error) {
	err = s.db.Write(ctx, func(tx *sqldb.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE notice SET tries = tries + 1
			WHERE request = $1 AND request <> '' AND channel = 'email' AND tries < $2`, r, most)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		allowed = n > 0
		return err
	})
	return allowed, writeErr("TakeTyped", err)
}
