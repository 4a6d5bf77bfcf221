// Package rolesql is what the tables of every role with books have in common: a ledger, an outbox, and the role's own
// rows, written in the same commits.
package rolesql

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/store/ledgersql"
	"github.com/kozamori/kozamori/internal/store/outboxsql"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// Write writes a row of the role in a transaction; known is false for a row that is none of its.
type Write func(ctx context.Context, tx *sqldb.Tx, row ledger.Write) (known bool, err error)

// Store is the tables of a role.
type Store struct {
	role   string
	db     *sqldb.DB
	write  Write
	books  *ledgersql.Store
	outbox *outboxsql.Store
}

// Open opens or creates tables, in a file or a schema as sqldb.Open, and applies no migration: Migrate and Pending do
// and tell. role names its migrations and its errors ("bank"). The sealer's key must lie outside the tables.
func Open(where, role string, migrations fs.FS, sealer outbox.Sealer, write Write) (*Store, error) {
	db, err := sqldb.OpenAsIs(where, ledgersql.Migrations(), outboxsql.Migrations(), sqldb.Source{Name: role, FS: migrations})
	if err != nil {
		return nil, err
	}
	s := &Store{role: role, db: db, write: write, outbox: outboxsql.New(db, sealer)}
	s.books = ledgersql.New(db, s.apply)
	return s, nil
}

// DB is the tables themselves, for the role's own queries.
func (s *Store) DB() *sqldb.DB { return s.db }

// Migrate applies what the tables lack and names it.
func (s *Store) Migrate(ctx context.Context) ([]string, error) { return s.db.Migrate(ctx) }

// Pending names what Migrate would apply.
func (s *Store) Pending(ctx context.Context) ([]string, error) { return s.db.Pending(ctx) }

// Lead makes this process the one that writes, as sqldb.DB.Lead.
func (s *Store) Lead(ctx context.Context) error { return s.db.Lead(ctx) }

// Lost waits until another process has taken over, as sqldb.DB.Lost.
func (s *Store) Lost(ctx context.Context) error { return s.db.Lost(ctx) }

// Books is the ledger's own part of the tables.
func (s *Store) Books() *ledgersql.Store { return s.books }

// Outbox is the part of the tables that a runner delivers.
func (s *Store) Outbox() *outboxsql.Store { return s.outbox }

// Ready says whether the tables can be read and written.
func (s *Store) Ready(ctx context.Context) error { return s.db.Ready(ctx) }

// Close waits for what runs and closes the tables.
func (s *Store) Close() error { return s.db.Close() }

// Commit writes rows in one transaction: all or none. A row whose condition or key does not hold is fault.Conflict.
func (s *Store) Commit(ctx context.Context, rows ...ledger.Write) error {
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error { return s.apply(ctx, tx, rows) })
	return sqldb.WriteErr("store."+s.role+".Commit", err)
}

// apply writes the rows of the role, and outbox messages.
func (s *Store) apply(ctx context.Context, tx *sqldb.Tx, rows []ledger.Write) error {
	for _, row := range rows {
		if m, ok := row.(outbox.Message); ok {
			if err := s.outbox.Insert(ctx, tx, m); err != nil {
				return err
			}
			continue
		}
		known, err := s.write(ctx, tx, row)
		if err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("store.%s: nobody writes rows like %T", s.role, row)
		}
	}
	return nil
}
