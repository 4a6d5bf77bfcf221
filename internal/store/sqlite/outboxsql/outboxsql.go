// Package outboxsql keeps an outbox in the SQLite file whose commits it belongs to. No payload is ever
// written in clear.
package outboxsql

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/store/sqlite/sqlitedb"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the outbox's tables.
func Migrations() sqlitedb.Source { return sqlitedb.Source{Name: "outbox", FS: files} }

// Store is the outbox of one file.
type Store struct {
	db     *sqlitedb.DB
	sealer outbox.Sealer
}

var _ outbox.Store = (*Store)(nil)

// New makes a Store of a file that has the tables of Migrations. The sealer's key must lie outside the file.
func New(db *sqlitedb.DB, sealer outbox.Sealer) *Store { return &Store{db: db, sealer: sealer} }

// Insert writes messages, in their order, in the transaction that makes them true.
func (s *Store) Insert(ctx context.Context, tx *sql.Tx, messages ...outbox.Message) error {
	for _, m := range messages {
		if m.ID == "" {
			m.ID = id.Random("msg")
		}
		sealed, err := s.sealer.Seal(m.Payload, label(m))
		if err != nil {
			return fmt.Errorf("outboxsql: seal %s: %w", m.Kind, err)
		}
		due := int64(0)
		if !m.Due.IsZero() {
			due = clock.Micros(m.Due)
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO outbox_messages (id, kind, key, sealed, due_us, attempts) VALUES (?1, ?2, ?3, ?4, ?5, 0)`,
			m.ID, m.Kind, m.Key, sealed, due)
		if err != nil {
			return fmt.Errorf("outboxsql: insert %s: %w", m.Kind, err)
		}
	}
	return nil
}

// label binds a payload to its row.
func label(m outbox.Message) string { return "outbox/" + m.Kind + "/" + m.ID }

// Due implements outbox.Store.
func (s *Store) Due(ctx context.Context, now time.Time, n int) ([]outbox.Message, error) {
	rows, err := s.db.Read().QueryContext(ctx, `
		SELECT m.id, m.kind, m.key, m.sealed, m.due_us, m.attempts
		FROM outbox_messages AS m
		WHERE m.due_us <= ?1 AND (m.key = '' OR NOT EXISTS (
			SELECT 1 FROM outbox_messages AS e WHERE e.key = m.key AND e.key <> '' AND e.seq < m.seq))
		ORDER BY m.due_us, m.seq LIMIT ?2`, clock.Micros(now), n)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "outboxsql.Due", err)
	}
	defer rows.Close()
	var due []outbox.Message
	for rows.Next() {
		var m outbox.Message
		var sealed []byte
		var dueUs int64
		if err := rows.Scan(&m.ID, &m.Kind, &m.Key, &sealed, &dueUs, &m.Attempts); err != nil {
			return nil, fault.New(fault.Internal, "outboxsql.Due", err)
		}
		if dueUs != 0 {
			m.Due = clock.FromMicros(dueUs)
		}
		m.Payload, m.Broken = s.sealer.Open(sealed, label(m)) // one that does not open must not stop the others
		due = append(due, m)
	}
	if err := rows.Err(); err != nil {
		return nil, fault.New(fault.Unavailable, "outboxsql.Due", err)
	}
	return due, nil
}

// Settle implements outbox.Store.
func (s *Store) Settle(ctx context.Context, done []string, again []outbox.Retry) error {
	if len(done)+len(again) == 0 {
		return nil
	}
	list, err := json.Marshal(append([]string{}, done...))
	if err != nil {
		return fault.New(fault.Internal, "outboxsql.Settle", err)
	}
	err = s.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM outbox_messages WHERE id IN (SELECT value FROM json_each(?1))`, string(list)); err != nil {
			return err
		}
		for _, r := range again {
			_, err := tx.ExecContext(ctx, `UPDATE outbox_messages SET due_us = ?2, attempts = ?3 WHERE id = ?1`,
				r.ID, clock.Micros(r.Due), r.Attempts)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fault.New(fault.Unavailable, "outboxsql.Settle", err)
	}
	return nil
}

// Waiting counts the messages that are not delivered yet: for readiness pages and tests.
func (s *Store) Waiting(ctx context.Context) (int, error) {
	var n int
	err := s.db.Read().QueryRowContext(ctx, `SELECT COUNT(*) FROM outbox_messages`).Scan(&n)
	if err != nil {
		return 0, fault.New(fault.Unavailable, "outboxsql.Waiting", err)
	}
	return n, nil
}
