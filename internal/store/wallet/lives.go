package wallet

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// ForgetCodes implements wallet.LivesStore.
func (s *Store) ForgetCodes(ctx context.Context, before time.Time, n int) (int, error) {
	return s.forget(ctx, "ForgetCodes", `DELETE FROM codes WHERE id IN (SELECT id FROM codes WHERE sent_us < $1 LIMIT $2)`, before, n)
}

// ForgetErrands implements wallet.LivesStore.
func (s *Store) ForgetErrands(ctx context.Context, before time.Time, n int) (int, error) {
	return s.forget(ctx, "ForgetErrands", `DELETE FROM errands WHERE id IN (SELECT id FROM errands WHERE until_us < $1 LIMIT $2)`, before, n)
}

// ForgetAsks implements wallet.LivesStore.
func (s *Store) ForgetAsks(ctx context.Context, before time.Time, n int) (int, error) {
	return s.forget(ctx, "ForgetAsks", `DELETE FROM asks WHERE request IN (SELECT request FROM asks
		WHERE stage IN ('made', 'pushed', 'dead') AND made_us < $1
		AND NOT EXISTS (SELECT 1 FROM outbox_messages AS m WHERE m.key = asks.request AND m.key <> '')
		ORDER BY made_us LIMIT $2)`, before, n)
}

// ForgetPayCodes implements wallet.LivesStore. It reads an index of the codes that nobody presented: those that were, most
// of them for payments, stay, and are looked at by no forgetting.
func (s *Store) ForgetPayCodes(ctx context.Context, before time.Time, n int) (int, error) {
	return s.forget(ctx, "ForgetPayCodes", `DELETE FROM pay_codes WHERE hash IN (SELECT hash FROM pay_codes 
		WHERE burnt_by = '' AND expires_us < $1 ORDER BY expires_us LIMIT $2)`, before, n)
}

// forget runs one slice.
func (s *Store) forget(ctx context.Context, op, query string, before time.Time, n int) (gone int, err error) {
	err = s.db.Write(ctx, func(tx *sqldb.Tx) error {
		res, err := tx.ExecContext(ctx, query, us(before), n)
		if err != nil {
			return err
		}
		rows, err := res.RowsAffected()
		gone = int(rows)
		return err
	})
	return gone, readErr(op, err)
}
