// Package ledgersql keeps the books of a ledger in a SQLite file, beside the tables of the role whose books
// they are: one commit carries both.
package ledgersql

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the ledger's tables; they go before those of the role.
func Migrations() sqldb.Source { return sqldb.Source{Name: "ledger", FS: files} }

// Apply writes the rows of the role that requests asked for, in the transaction that commits them, and uses
// nothing of the file but that transaction. An error or a panic makes the ledger look for the request whose
// rows are the cause and refuse that one alone.
type Apply func(ctx context.Context, tx *sqldb.Tx, writes []ledger.Write) error

// Store is the books in one file.
type Store struct {
	db    *sqldb.DB
	apply Apply
}

var (
	_ ledger.Store  = (*Store)(nil)
	_ ledger.Reader = (*Store)(nil)
)

// New makes a Store of a file that has the tables of Migrations. apply may be nil where no request has
// rows.
func New(db *sqldb.DB, apply Apply) *Store {
	if apply == nil {
		apply = func(_ context.Context, _ *sqldb.Tx, writes []ledger.Write) error {
			if len(writes) > 0 {
				return fmt.Errorf("ledgersql: nobody writes rows like %T", writes[0])
			}
			return nil
		}
	}
	return &Store{db: db, apply: apply}
}

// Commit implements ledger.Store.
func (s *Store) Commit(ctx context.Context, c ledger.Commit) error {
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		if err := moveHead(ctx, tx, c); err != nil {
			return err
		}
		if err := write(ctx, tx, c.Changes); err != nil {
			return err
		}
		if len(c.Writes) == 0 {
			return nil
		}
		return s.safely(ctx, tx, c.Writes)
	})
	var failed *sqldb.CommitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failed) && sqldb.OutOfOrder(err): // a deferred constraint, in contrast, was rolled back
		return fmt.Errorf("%w: %w", ledger.ErrUnknown, err)
	case sqldb.OutOfOrder(err):
		return fault.New(fault.Unavailable, "ledgersql.Commit", err)
	case fault.Of(err) == fault.Unavailable: // whatever the role says, the database is well: it is these rows
		return fault.New(fault.Internal, "ledgersql.Commit", err)
	}
	return err
}

// safely is apply, with a panic made an error: one request must not end the process that commits for all.
func (s *Store) safely(ctx context.Context, tx *sqldb.Tx, writes []ledger.Write) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, "ledgersql.Apply", fmt.Errorf("panicked: %v", p))
		}
	}()
	return s.apply(ctx, tx, writes)
}

// moveHead is the guard against a second writer: it changes the head only from the one that was decided on.
func moveHead(ctx context.Context, tx *sqldb.Tx, c ledger.Commit) error {
	res, err := tx.ExecContext(ctx, `UPDATE ledger_head SET seq = seq + 1, token = $1 WHERE one = 1 AND seq = $2 AND token = $3`,
		c.Token, c.On.Seq, c.On.Token)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, ledger.ErrMoved)
	}
	return nil
}

// The package's short names of how a time is stored, and read.
var us, at = sqldb.Micros, sqldb.Moment
