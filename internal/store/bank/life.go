package bank

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// mortal is a sort of row that goes once its life after a moment, a column of it, is over.
type mortal struct {
	table, moment string
	key           string // the columns that tell its rows apart
	which         string // of the table's rows; "" is all
	life          time.Duration
}

var mortals = []mortal{
	{table: "used_once", moment: "until_us", key: "space, value", life: bank.KeepOnce},
	{table: "token", moment: "until_us", key: "hash", life: bank.KeepTokens},
	{table: "token", moment: "revoked_us", key: "hash", which: "revoked_us > 0", life: bank.KeepTokens},
	{table: "atm_session", moment: "until_us", key: "hash", life: bank.KeepTokens},
	{table: "proof", moment: "created_us", key: "id", life: bank.KeepProofs},
	{table: "code_sent", moment: "at_us", key: "account, at_us, proof, budget", life: bank.KeepCodes},
	{table: "notice", moment: "at_us", key: "id", life: bank.KeepNotices},
	{table: "link_request", moment: "ended_us", key: "id", which: "state = 'dead' AND link = ''", life: bank.KeepDead},
	{table: "decision", moment: "at_us", key: "reference, at_us", life: bank.KeepDecisions},
}

// slice selects the keys of the oldest $2 rows that ended before $1. Its order is that of an index.
func (m mortal) slice() string {
	which := m.moment + ` < $1`
	if m.which != "" {
		which = m.which + ` AND ` + which
	}
	return `SELECT ` + m.key + ` FROM ` + m.table + ` WHERE ` + which + ` ORDER BY ` + m.moment + ` LIMIT $2`
}

// deletions are the statements of one transaction; the last deletes the rows themselves.
func (m mortal) deletions() []string {
	own := `DELETE FROM ` + m.table + ` WHERE (` + m.key + `) IN (` + m.slice() + `)`
	if m.table == "link_request" {
		// The receipts of its notices go with a request. Of requests that ended in the same moment the two statements need
		// not choose the same: one that has receipts yet goes the next time.
		return []string{
			`DELETE FROM receipt WHERE request IN (` + m.slice() + `)`,
			own + ` AND NOT EXISTS (SELECT 1 FROM receipt WHERE receipt.request = link_request.id)`,
		}
	}
	return []string{own}
}

// Forget implements bank.Store.
func (s *Store) Forget(ctx context.Context, now time.Time, most int) (deleted int, err error) {
	for _, m := range mortals {
		err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
			var n int64
			for _, q := range m.deletions() {
				res, err := tx.ExecContext(ctx, q, us(now.Add(-m.life)), most)
				if err != nil {
					return err
				}
				if n, err = res.RowsAffected(); err != nil {
					return err
				}
			}
			deleted += int(n)
			return nil
		})
		if err != nil {
			return deleted, writeErr("Forget "+m.table, err)
		}
	}
	return deleted, nil
}
