// Package outboxsql keeps an outbox beside the tables whose commits it belongs to. No payload is ever written in clear.
package outboxsql

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the outbox's tables.
func Migrations() sqldb.Source { return sqldb.Source{Name: "outbox", FS: files} }

// Store is the outbox of one file.
type Store struct {
	db     *sqldb.DB
	sealer outbox.Sealer
}

var _ outbox.Store = (*Store)(nil)

// New makes a Store of a file that has the tables of Migrations. The sealer's key must lie outside the file.
func New(db *sqldb.DB, sealer outbox.Sealer) *Store { return &Store{db: db, sealer: sealer} }

// Insert writes messages, in their order, in the transaction that makes them true.
func (s *Store) Insert(ctx context.Context, tx *sqldb.Tx, messages ...outbox.Message) error {
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
			INSERT INTO outbox_messages (id, kind, key, lane, sealed, due_us, attempts) VALUES ($1, $2, $3, $4, $5, $6, 0)`,
			m.ID, m.Kind, m.Key, m.Lane(), sealed, due)
		if err != nil {
			return fmt.Errorf("outboxsql: insert %s: %w", m.Kind, err)
		}
	}
	return nil
}

// label binds a payload to its row.
func label(m outbox.Message) string { return "outbox/" + m.Kind + "/" + m.ID }

// Due implements outbox.Store. Lane by lane: one with thousands waiting costs the others nothing.
func (s *Store) Due(ctx context.Context, now time.Time, n int) ([]outbox.Message, error) {
	var due []numbered
	err := s.db.View(ctx, func(tx *sqldb.Tx) error {
		due = nil
		lanes, err := lanes(ctx, tx)
		if err != nil {
			return err
		}
		for _, lane := range lanes {
			if due, err = s.dueIn(ctx, tx, due, lane, now, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fault.New(fault.Unavailable, "outboxsql.Due", err)
	}
	slices.SortFunc(due, func(a, b numbered) int { return cmp.Or(a.m.Due.Compare(b.m.Due), cmp.Compare(a.seq, b.seq)) })
	messages := make([]outbox.Message, len(due))
	for i, d := range due {
		messages[i] = d.m
	}
	return messages, nil
}

// numbered is a message with its place in the order of writing.
type numbered struct {
	m   outbox.Message
	seq int64
}

// lanes lists the lanes in which something waits, jumping over the index from one to the next.
func lanes(ctx context.Context, tx *sqldb.Tx) (lanes []string, err error) {
	rows, err := tx.QueryContext(ctx, `
		WITH RECURSIVE lanes (lane) AS (
			SELECT min(lane) FROM outbox_messages
			UNION ALL
			SELECT (SELECT min(m.lane) FROM outbox_messages AS m WHERE m.lane > lanes.lane) FROM lanes WHERE lanes.lane IS NOT NULL)
		SELECT lane FROM lanes WHERE lane IS NOT NULL`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var lane string
		if err := rows.Scan(&lane); err != nil {
			return nil, err
		}
		lanes = append(lanes, lane)
	}
	return lanes, rows.Err()
}

// dueIn appends what is due in one lane.
func (s *Store) dueIn(ctx context.Context, tx *sqldb.Tx, due []numbered, lane string, now time.Time, n int) ([]numbered, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT m.seq, m.id, m.kind, m.key, m.lane, m.sealed, m.due_us, m.attempts
		FROM outbox_messages AS m
		WHERE m.lane = $1 AND m.due_us <= $2 AND (m.key = '' OR NOT EXISTS (
			SELECT 1 FROM outbox_messages AS e WHERE e.key = m.key AND e.key <> '' AND e.seq < m.seq))
		ORDER BY m.due_us, m.seq LIMIT $3`, lane, clock.Micros(now), n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var d numbered
		var sealed []byte
		var dueUs int64
		if err := rows.Scan(&d.seq, &d.m.ID, &d.m.Kind, &d.m.Key, &d.m.To, &sealed, &dueUs, &d.m.Attempts); err != nil {
			return nil, err
		}
		if d.m.To == d.m.Kind {
			d.m.To = ""
		}
		if dueUs != 0 {
			d.m.Due = clock.FromMicros(dueUs)
		}
		d.m.Payload, d.m.Broken = s.sealer.Open(sealed, label(d.m)) // one that does not open must not stop the others
		due = append(due, d)
	}
	return due, rows.Err()
}

// Settle implements outbox.Store.
func (s *Store) Settle(ctx context.Context, done []string, again []outbox.Retry) error {
	if len(done)+len(again) == 0 {
		return nil
	}
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		for _, message := range done {
			if _, err := tx.ExecContext(ctx, `DELETE FROM outbox_messages WHERE id = $1`, message); err != nil {
				return err
			}
		}
		for _, r := range again {
			_, err := tx.ExecContext(ctx, `UPDATE outbox_messages SET due_us = $2, attempts = $3 WHERE id = $1`,
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
