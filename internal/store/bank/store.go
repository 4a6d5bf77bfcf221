// Package bank keeps one bank in one file or schema: its ledger, deposit accounts, link requests, links, proofs,
// evidence and debits, and the outbox that is written in the same commits.
package bank

import (
	"context"
	"embed"
	"fmt"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/store/ledgersql"
	"github.com/kozamori/kozamori/internal/store/outboxsql"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

//go:embed migrations/*.sql
var files embed.FS

// Store is a bank's tables.
type Store struct {
	db     *sqldb.DB
	chain  bank.Chain
	books  *ledgersql.Store
	outbox *outboxsql.Store
}

var _ bank.Store = (*Store)(nil)

// Open opens or creates a bank's tables, in a file or a schema as sqldb.Open, and applies no migration: Migrate and Pending do and tell. The sealer's
// key must lie outside the file; chain signs the evidence.
func Open(path string, sealer outbox.Sealer, chain bank.Chain) (*Store, error) {
	db, err := sqldb.OpenAsIs(path, ledgersql.Migrations(), outboxsql.Migrations(), sqldb.Source{Name: "bank", FS: files})
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, chain: chain, outbox: outboxsql.New(db, sealer)}
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

// Commit implements bank.Store.
func (s *Store) Commit(ctx context.Context, rows ...ledger.Write) error {
	return writeErr("Commit", s.db.Write(ctx, func(tx *sqldb.Tx) error { return s.apply(ctx, tx, rows) }))
}

// apply writes the rows of both halves of the bank, and outbox messages.
func (s *Store) apply(ctx context.Context, tx *sqldb.Tx, rows []ledger.Write) error {
	for _, row := range rows {
		if m, ok := row.(outbox.Message); ok {
			if err := s.outbox.Insert(ctx, tx, m); err != nil {
				return err
			}
			continue
		}
		known, err := s.writeLinking(ctx, tx, row)
		if !known && err == nil {
			known, err = writeMoney(ctx, tx, row)
		}
		if err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("store.bank: nobody writes rows like %T", row)
		}
	}
	return nil
}

// writeLinking writes a row of the linking half; known is false for a row of another kind.
func (s *Store) writeLinking(ctx context.Context, tx *sqldb.Tx, row ledger.Write) (known bool, err error) {
	switch w := row.(type) {
	case bank.PutRequest:
		return true, putRequest(ctx, tx, w)
	case bank.PutLink:
		return true, putLink(ctx, tx, w)
	case bank.PutProof:
		return true, putProof(ctx, tx, w)
	case bank.PutReceipt:
		return true, putReceipt(ctx, tx, w.Receipt)
	case bank.PutToken:
		return true, putToken(ctx, tx, w.Token)
	case bank.RevokeTokens:
		return true, revokeTokens(ctx, tx, w)
	case bank.PutPasskey:
		return true, putPasskey(ctx, tx, w.Passkey)
	case bank.CodeSent:
		return true, putCodeSent(ctx, tx, w, bank.CodesPerDay)
	case bank.BudgetTold:
		w.Budget = "told " + w.Budget
		return true, putCodeSent(ctx, tx, bank.CodeSent(w), 1)
	case bank.PutATMSession:
		return true, putATMSession(ctx, tx, w.Session)
	case bank.PutEvidence:
		return true, s.putEvidence(ctx, tx, w.Evidence)
	case bank.PutDecision:
		return true, putDecision(ctx, tx, w)
	}
	return false, nil
}
