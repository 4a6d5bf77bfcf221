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
	"github.com/kozamori/kozamori/internal/store/rolesql"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wallet"
)

//go:embed migrations/*.sql
var files embed.FS

// Store is a wallet's tables.
type Store struct {
	*rolesql.Store
	db     *sqldb.DB
	sealer outbox.Sealer
}

var _ wallet.Store = (*Store)(nil)

// Open opens or creates a wallet's tables, as rolesql.Open.
func Open(where string, sealer outbox.Sealer) (*Store, error) {
	s := &Store{sealer: sealer}
	var err error
	if s.Store, err = rolesql.Open(where, "wallet", files, sealer, s.write); err != nil {
		return nil, err
	}
	s.db = s.DB()
	return s, nil
}

// write writes a row of either half of the wallet.
func (s *Store) write(ctx context.Context, tx *sqldb.Tx, row ledger.Write) (known bool, err error) {
	if known, err := s.writePeople(ctx, tx, row); known || err != nil {
		return known, err
	}
	return writeMoney(ctx, tx, row)
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
