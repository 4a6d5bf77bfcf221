// Package bank keeps one bank in one file or schema: its ledger, deposit accounts, link requests, links, proofs,
// evidence and debits, and the outbox that is written in the same commits.
package bank

import (
	"context"
	"embed"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/store/rolesql"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

//go:embed migrations/*.sql
var files embed.FS

// Store is a bank's tables.
type Store struct {
	*rolesql.Store
	db    *sqldb.DB
	chain bank.Chain
}

var _ bank.Store = (*Store)(nil)

// Open opens or creates a bank's tables, as rolesql.Open; chain signs the evidence.
func Open(where string, sealer outbox.Sealer, chain bank.Chain) (*Store, error) {
	s := &Store{chain: chain}
	var err error
	if s.Store, err = rolesql.Open(where, "bank", files, sealer, s.write); err != nil {
		return nil, err
	}
	s.db = s.DB()
	return s, nil
}

// write writes a row of either half of the bank.
func (s *Store) write(ctx context.Context, tx *sqldb.Tx, row ledger.Write) (known bool, err error) {
	if known, err := s.writeLinking(ctx, tx, row); known || err != nil {
		return known, err
	}
	return writeMoney(ctx, tx, row)
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
