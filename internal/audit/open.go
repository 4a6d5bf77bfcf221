package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// reader reads one set of tables as of one commit. Its queries share an error: the first one ends the reading.
type reader struct {
	ctx    context.Context
	tx     *sqldb.Tx
	engine sqldb.Engine
	err    error
}

// readTables runs f over a set of tables, in a file or at a postgres URL, as of one commit and without ever writing.
func readTables(ctx context.Context, where string, f func(*reader)) (err error) {
	shown := sqldb.Name(where)
	if !sqldb.IsPostgres(where) {
		shown = filepath.Base(filepath.Dir(where)) + "/" + filepath.Base(where)
	}
	db, err := sqldb.OpenToRead(where)
	if err != nil {
		return fmt.Errorf("audit: %s: %w", shown, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.View(ctx, func(tx *sqldb.Tx) error {
		r := &reader{ctx: ctx, tx: tx, engine: db.Engine()}
		f(r)
		if r.err != nil {
			return fmt.Errorf("audit: %s: %w", shown, r.err)
		}
		return nil
	})
}

// each scans every row of a query into the addresses that into gives, and hands it over.
func each[T any](r *reader, query string, into func(*T) []any, take func(T), args ...any) {
	if r.err != nil {
		return
	}
	rows, err := r.tx.QueryContext(r.ctx, query, args...)
	if err != nil {
		r.err = err
		return
	}
	defer rows.Close()
	for rows.Next() {
		var v T
		if err := rows.Scan(into(&v)...); err != nil {
			r.err = err
			return
		}
		take(v)
	}
	r.err = rows.Err()
}

// list is each into a slice.
func list[T any](r *reader, query string, into func(*T) []any, args ...any) []T {
	var out []T
	each(r, query, into, func(v T) { out = append(out, v) }, args...)
	return out
}

// one reads the first row of a query; without one it is the zero value.
func one[T any](r *reader, query string, into func(*T) []any, args ...any) (v T) {
	each(r, query, into, func(row T) { v = row }, args...)
	return v
}

// among reads the rows that a query finds of a set; {set} stands in it as in sqldb.Set.
func among[T any](r *reader, query string, set sqldb.Set, into func(*T) []any, take func(T)) {
	if r.err != nil {
		return
	}
	var b sqldb.Batch
	b.Query("audit", query, set, func(row sqldb.Row) error {
		var v T
		err := row.Scan(into(&v)...)
		if err == nil {
			take(v)
		}
		return err
	})
	r.err = r.tx.Run(r.ctx, &b)
}

// atATime is how many rows of a long table are in memory at once.
const atATime = 4096

// cursor reads a long table in the order of a key that is a number, some rows at a time.
type cursor[T any] struct {
	r     *reader
	query string // $1 is the key after which it goes on, $2 how many rows
	into  func(*T) []any
	key   func(*T) int64
	after int64
	rows  []T
	ended bool
}

// peek is the next row, if there is one.
func (c *cursor[T]) peek() (*T, bool) {
	if len(c.rows) == 0 && !c.ended {
		c.rows = list(c.r, c.query, c.into, c.after, atATime)
		c.ended = len(c.rows) < atATime
		if n := len(c.rows); n > 0 {
			c.after = c.key(&c.rows[n-1])
		}
	}
	if len(c.rows) == 0 {
		return nil, false
	}
	return &c.rows[0], true
}

// next is peek and goes on.
func (c *cursor[T]) next() (*T, bool) {
	v, ok := c.peek()
	if ok {
		c.rows = c.rows[1:]
	}
	return v, ok
}

// damage is what SQLite itself finds wrong with a file: tables and indexes that differ, broken references.
// PostgreSQL has no such question.
func damage(r *reader) (found []string) {
	if r.engine != sqldb.SQLite {
		return nil
	}
	each(r, `PRAGMA integrity_check(20)`, func(s *string) []any { return []any{s} }, func(s string) {
		if s != "ok" {
			found = append(found, s)
		}
	})
	type broken struct {
		table, parent string
		row           sql.NullInt64
		key           int64
	}
	each(r, `PRAGMA foreign_key_check`, func(b *broken) []any { return []any{&b.table, &b.row, &b.parent, &b.key} }, func(b broken) {
		found = append(found, fmt.Sprintf("%s row %d names a row of %s that is not there", b.table, b.row.Int64, b.parent))
	})
	return found
}
