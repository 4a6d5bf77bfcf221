package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/kozamori/kozamori/internal/fault"
)

// Source is a package's tables: numbered goose files "00001_….sql" in the folder "migrations" of FS, written for
// SQLite; PostgreSQL gets what translate makes of them. Each source counts its versions by itself, in the table
// "migrated_" + Name, so that several share a file or a schema.
type Source struct {
	Name string // a lower-case word
	FS   fs.FS
}

// Migrate applies what the tables lack, and returns the names of what it applied ("ledger/00001_ledger.sql").
// Each migration is one transaction.
func (db *DB) Migrate(ctx context.Context) ([]string, error) {
	var applied []string
	err := db.migrating(func(pool *sql.DB) error {
		if db.engine == PostgreSQL {
			if err := db.makeSchema(ctx, pool); err != nil {
				return err
			}
		}
		for _, s := range db.sources {
			p, err := db.provider(pool, s)
			if err != nil {
				return err
			}
			results, err := p.Up(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			for _, r := range results {
				applied = append(applied, s.Name+"/"+r.Source.Path)
			}
		}
		return nil
	})
	if err != nil {
		return applied, fault.New(fault.Unavailable, "sqldb.Migrate", err)
	}
	return applied, nil
}

// Pending lists what Migrate would apply.
func (db *DB) Pending(ctx context.Context) ([]string, error) {
	var pending []string
	err := db.migrating(func(pool *sql.DB) error {
		there := true
		if db.engine == PostgreSQL {
			var err error
			if there, err = hasSchema(ctx, pool); err != nil {
				return err
			}
		}
		for _, s := range db.sources {
			p, err := db.provider(pool, s)
			if err != nil {
				return err
			}
			missing, err := missing(ctx, p, there)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			for _, m := range missing {
				pending = append(pending, s.Name+"/"+m.Path)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fault.New(fault.Unavailable, "sqldb.Pending", err)
	}
	return pending, nil
}

// missing lists what of a source is not applied: all where there is no schema.
func missing(ctx context.Context, p *goose.Provider, schema bool) ([]*goose.Source, error) {
	if !schema {
		return p.ListSources(), nil
	}
	status, err := p.Status(ctx)
	var list []*goose.Source
	for _, m := range status {
		if m.State == goose.StatePending {
			list = append(list, m.Source)
		}
	}
	return list, err
}

// migrating runs f with the connection that migrations go over.
func (db *DB) migrating(f func(*sql.DB) error) error {
	if db.engine != PostgreSQL {
		return f(db.writer)
	}
	pool := db.migrator()
	return errors.Join(f(pool), pool.Close())
}

func (db *DB) provider(pool *sql.DB, s Source) (*goose.Provider, error) {
	dir, err := fs.Sub(s.FS, "migrations")
	if err != nil {
		return nil, err
	}
	dialect := goose.DialectSQLite3
	if db.engine == PostgreSQL {
		dialect, dir = goose.DialectPostgres, translated{dir}
	}
	p, err := goose.NewProvider(dialect, pool, dir, goose.WithTableName("migrated_"+s.Name), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return p, nil
}

// Applied lists what was applied somewhere ("ledger 1"), sorted; nothing where no tables are yet. It only reads.
func Applied(ctx context.Context, where string) ([]string, error) {
	look := appliedToFile
	if IsPostgres(where) {
		look = appliedToServer
	}
	applied, err := look(ctx, where)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "sqldb.Applied", fmt.Errorf("%s: %w", Name(where), err))
	}
	return applied, nil
}

// appliedIn lists the versions in the tables that a query names.
func appliedIn(ctx context.Context, db *sql.DB, query string) (applied []string, err error) {
	tables, err := column(ctx, db, query)
	for _, table := range tables {
		versions, failed := column(ctx, db, `SELECT version_id FROM "`+table+`" WHERE version_id > 0 ORDER BY version_id`)
		for _, v := range versions {
			applied = append(applied, strings.TrimPrefix(table, "migrated_")+" "+v)
		}
		err = errors.Join(err, failed)
	}
	return applied, err
}

func column(ctx context.Context, db *sql.DB, query string) (out []string, err error) {
	rows, err := db.QueryContext(ctx, query)
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
