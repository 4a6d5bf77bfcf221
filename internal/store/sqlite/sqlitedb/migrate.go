package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/kozamori/kozamori/internal/fault"
)

// Source is a package's tables: numbered goose files "00001_….sql" in the folder "migrations" of FS. Each
// source counts its versions by itself, in the table "migrated_" + Name, so that several share a file.
type Source struct {
	Name string // a lower-case word
	FS   fs.FS
}

// Migrate applies what the file lacks, and returns the names of what it applied ("ledger/00001_ledger.sql").
// Each migration is one transaction.
func (db *DB) Migrate(ctx context.Context) ([]string, error) {
	var applied []string
	for _, s := range db.sources {
		p, err := db.provider(s)
		if err != nil {
			return applied, err
		}
		results, err := p.Up(ctx)
		if err != nil {
			return applied, fault.New(fault.Unavailable, "sqlitedb.Migrate", fmt.Errorf("%s: %w", s.Name, err))
		}
		for _, r := range results {
			applied = append(applied, s.Name+"/"+r.Source.Path)
		}
	}
	return applied, nil
}

// Pending lists what Migrate would apply.
func (db *DB) Pending(ctx context.Context) ([]string, error) {
	var pending []string
	for _, s := range db.sources {
		p, err := db.provider(s)
		if err != nil {
			return nil, err
		}
		status, err := p.Status(ctx)
		if err != nil {
			return nil, fault.New(fault.Unavailable, "sqlitedb.Pending", fmt.Errorf("%s: %w", s.Name, err))
		}
		for _, m := range status {
			if m.State == goose.StatePending {
				pending = append(pending, s.Name+"/"+m.Source.Path)
			}
		}
	}
	return pending, nil
}

func (db *DB) provider(s Source) (*goose.Provider, error) {
	dir, err := fs.Sub(s.FS, "migrations")
	if err != nil {
		return nil, fault.New(fault.Internal, "sqlitedb.Migrate", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db.writer, dir,
		goose.WithTableName("migrated_"+s.Name), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fault.New(fault.Internal, "sqlitedb.Migrate", fmt.Errorf("%s: %w", s.Name, err))
	}
	return p, nil
}

// Applied lists what was applied to a file ("ledger 1"), sorted; nothing for a file that is not there yet. It only reads.
func Applied(ctx context.Context, path string) (applied []string, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	db, err := sql.Open("sqlite", dsn(path, "_pragma=query_only(ON)"))
	if err != nil {
		return nil, fault.New(fault.Unavailable, "sqlitedb.Applied", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tables, err := column(ctx, db, `SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'migrated_*' ORDER BY name`)
	for _, table := range tables {
		name := strings.TrimPrefix(table, "migrated_")
		versions, failed := column(ctx, db, `SELECT ? || version_id FROM "`+table+`" WHERE version_id > 0 ORDER BY version_id`, name+" ")
		applied, err = append(applied, versions...), errors.Join(err, failed)
	}
	if err != nil {
		return nil, fault.New(fault.Unavailable, "sqlitedb.Applied", fmt.Errorf("%s: %w", path, err))
	}
	return applied, nil
}

func column(ctx context.Context, db *sql.DB, query string, args ...any) (out []string, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
