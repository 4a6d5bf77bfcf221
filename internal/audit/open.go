package audit

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// reader reads one file as of one commit. Its queries share an error: the first one ends the reading.
type reader struct {
	ctx context.Context
	tx  *sql.Tx
	err error
}

// readFile runs f over a file as of one commit, without ever writing to it.
func readFile(ctx context.Context, path string, f func(*reader)) (err error) {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	db, err := sql.Open("sqlite", u.String()+"?mode=ro&_pragma=query_only(ON)&_pragma=busy_timeout(10000)")
	if err != nil {
		return fmt.Errorf("audit: %s: %w", path, err)
	}
	defer func() {
		if closeErr := db.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("audit: %s: %w", path, closeErr)
		}
	}()
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("audit: %s: %w", path, err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	r := &reader{ctx: ctx, tx: tx}
	f(r)
	if r.err != nil {
		return fmt.Errorf("audit: %s: %w", filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path), r.err)
	}
	return nil
}

// each scans every row of a query into the addresses that into gives, and hands it over.
func each[T any](r *reader, query string, into func(*T) []any, take func(T)) {
	if r.err != nil {
		return
	}
	rows, err := r.tx.QueryContext(r.ctx, query)
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
func list[T any](r *reader, query string, into func(*T) []any) []T {
	var out []T
	each(r, query, into, func(v T) { out = append(out, v) })
	return out
}

// damage is what SQLite itself finds wrong with a file: tables and indexes that differ, broken references.
func damage(r *reader) (found []string) {
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
