// Package wallet keeps a wallet in one file or schema: its ledger, its people and links, its charges, and the
// outbox that is written in the same commits. What says who somebody is, is sealed under a key outside the file.
package wallet

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/store/ledgersql"
	"github.com/kozamori/kozamori/internal/store/outboxsql"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wallet"
)

//go:embed migrations/*.sql
var files embed.FS

// Store is a wallet's tables.
type Store struct {
	db     *sqldb.DB
	sealer outbox.Sealer
	books  *ledgersql.Store
	outbox *outboxsql.Store
}

var _ wallet.Store = (*Store)(nil)

// Open opens or creates a wallet's tables, in a file or a schema as sqldb.Open, and applies no migration: Migrate and Pending do and tell. The sealer's
// key must lie outside the file.
func Open(path string, sealer outbox.Sealer) (*Store, error) {
	db, err := sqldb.OpenAsIs(path, ledgersql.Migrations(), outboxsql.Migrations(), sqldb.Source{Name: "wallet", FS: files})
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, sealer: sealer, outbox: outboxsql.New(db, sealer)}
	s.books = ledgersql.New(db, s.apply)
	return s, nil
}

// Migrate applies what the file lacks and names it.
func (s *Store) Migrate(ctx context.Context) ([]string, error) { return s.db.Migrate(ctx) }

// Pending names what Migrate would apply.
func (s *Store) Pending(ctx context.Context) ([]string, error) { return s.db.Pending(ctx) }

// Lead makes this process the one that writes, as sqldb.DB.Lead.
func (s *Store) Lead(ctx context.Context) error { return s.db.Lead(ctx) }

// Lost waits until another process has taken over, as sqldb.DB.Lost.
func (s *Store) Lost(ctx context.Context) error { return s.db.Lost(ctx) }

// Books is the ledger's own part of the file.
func (s *Store) Books() *ledgersql.Store { return s.books }

// Outbox is the part of the file that a runner delivers.
func (s *Store) Outbox() *outboxsql.Store { return s.outbox }

// Ready says whether the file can be read and written.
func (s *Store) Ready(ctx context.Context) error { return s.db.Ready(ctx) }

// Close waits for what runs and closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Commit implements wallet.Store.
func (s *Store) Commit(ctx context.Context, rows ...ledger.Write) error {
	return writeErr("Commit", s.db.Write(ctx, func(tx *sqldb.Tx) error { return s.apply(ctx, tx, rows) }))
}

// apply writes the rows of both halves of the wallet, and outbox messages.
func (s *Store) apply(ctx context.Context, tx *sqldb.Tx, rows []ledger.Write) error {
	for _, row := range rows {
		if m, ok := row.(outbox.Message); ok {
			if err := s.outbox.Insert(ctx, tx, m); err != nil {
				return err
			}
			continue
		}
		known, err := s.writePeople(ctx, tx, row)
		if !known && err == nil {
			known, err = writeMoney(ctx, tx, row)
		}
		if err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("store.wallet: nobody writes rows like %T", row)
		}
	}
	return nil
}

// writePeople writes a row of the people half; known is false for a row of another kind.
func (s *Store) writePeople(ctx context.Context, tx *sqldb.Tx, row ledger.Write) (known bool, err error) {
	switch w := row.(type) {
	case wallet.PutHolder:
		return true, s.putHolder(ctx, tx, w)
	case wallet.PutProof:
		return true, s.putProof(ctx, tx, w)
	case wallet.PutDevice:
		return true, putDevice(ctx, tx, w.Device)
	case wallet.PutErrand:
		return true, s.putErrand(ctx, tx, w)
	case wallet.PutCode:
		return true, putCode(ctx, tx, w)
	case wallet.PutAsk:
		return true, s.putAsk(ctx, tx, w)
	case wallet.PutLink:
		return true, putLink(ctx, tx, w)
	case wallet.PutEventsSeen:
		_, err := tx.ExecContext(ctx, `UPDATE hub_events SET seen = $1 WHERE one = 1 AND seen < $1`, w.Seq)
		return true, err
	}
	return false, nil
}

// seal makes a value unreadable in the file, bound to its table and row.
func (s *Store) seal(v any, table, row string) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("store.wallet: seal %s: %w", table, err)
	}
	return s.sealer.Seal(plain, table+"/"+row)
}

// open is seal backwards.
func (s *Store) open(sealed []byte, v any, table, row string) error {
	plain, err := s.sealer.Open(sealed, table+"/"+row)
	if err != nil {
		return fault.New(fault.Internal, "store.wallet.open", fmt.Errorf("%s %s: %w", table, row, err))
	}
	return json.Unmarshal(plain, v)
}
