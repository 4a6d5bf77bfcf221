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
	which         string // of the table's rows; "" is all
	life          time.Duration
}

var mortals = []mortal{
	{table: "used_once", moment: "until_us", life: bank.KeepOnce},
	{table: "token", moment: "until_us", life: bank.KeepTokens},
	{table: "token", moment: "revoked_us", which: "revoked_us > 0", life: bank.KeepTokens},
	{table: "atm_session", moment: "until_us", life: bank.KeepTokens},
	{table: "proof", moment: "created_us", life: bank.KeepProofs},
	{table: "code_sent", moment: "at_us", life: bank.KeepCodes},
	{table: "notice", moment: "at_us", life: bank.KeepNotices},
	{table: "link_request", moment: "ended_us", which: "state = 'dead' AND link = ''", life: bank.KeepDead},
	{table: "decision", moment: "at_us", life: bank.KeepDecisions},
}

// slice selects a column of the oldest $2 rows that ended before $1. Its order is that of an index.
func (m mortal) slice(column string) string {
	which := m.moment + ` < $1`
	if m.which != "" {
		which = m.which + ` AND ` + which
	}
	return `SELECT ` + column + ` FROM ` + m.table + ` WHERE ` + which + ` ORDER BY ` + m.moment + `, rowid LIMIT $2`
}

// deletions are the statements of one transaction; the last deletes the rows themselves.
func (m mortal) deletions() []string {
	own := `DELETE FROM ` + m.table + ` WHERE rowid IN (` + m.slice("rowid") + `)`
	if m.table == "link_request" {
		// The receipts of its notices go with a request.
		return []string{`DELETE FROM receipt WHERE request IN (` + m.slice("id") + `)`, own}
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
