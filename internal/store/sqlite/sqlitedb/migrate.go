package sqlitedb

import (
	"context"
	"fmt"
	"io/fs"

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
