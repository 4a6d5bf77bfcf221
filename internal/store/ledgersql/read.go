package ledgersql

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// Account implements ledger.Reader.
func (s *Store) Account(ctx context.Context, id ledger.AccountID) (ledger.Account, error) {
	return one(ctx, s, "ledgersql.Account", id, func(tx *sqldb.Tx, st *ledger.State) (map[ledger.AccountID]ledger.Account, error) {
		return st.Accounts, loadAccounts(ctx, tx, st, []ledger.AccountID{id})
	})
}

// Gate implements ledger.Reader.
func (s *Store) Gate(ctx context.Context, id ledger.GateID) (ledger.Gate, error) {
	return one(ctx, s, "ledgersql.Gate", id, func(tx *sqldb.Tx, st *ledger.State) (map[ledger.GateID]ledger.Gate, error) {
		return st.Gates, loadGates(ctx, tx, st, []ledger.GateID{id})
	})
}

// Limit implements ledger.Reader.
func (s *Store) Limit(ctx context.Context, id ledger.LimitID) (ledger.Limit, error) {
	return one(ctx, s, "ledgersql.Limit", id, func(tx *sqldb.Tx, st *ledger.State) (map[ledger.LimitID]ledger.Limit, error) {
		return st.Limits, loadLimits(ctx, tx, st, []ledger.LimitID{id})
	})
}

// Transfer implements ledger.Reader.
func (s *Store) Transfer(ctx context.Context, id ledger.TransferID) (ledger.Transfer, error) {
	return one(ctx, s, "ledgersql.Transfer", id, func(tx *sqldb.Tx, st *ledger.State) (map[ledger.TransferID]ledger.Transfer, error) {
		return st.Transfers, loadTransfers(ctx, tx, st, []ledger.TransferID{id})
	})
}

// one loads a single thing.
func one[K ~string, V any](ctx context.Context, s *Store, op string, id K, load func(*sqldb.Tx, *ledger.State) (map[K]V, error)) (V, error) {
	var v V
	var found bool
	err := s.db.View(ctx, func(tx *sqldb.Tx) error {
		all, err := load(tx, ledger.NewState())
		v, found = all[id]
		return err
	})
	switch {
	case err != nil:
		return v, readError(op, err)
	case !found:
		return v, fault.New(fault.NotFound, op, fmt.Errorf("no %q", id))
	}
	return v, nil
}

func readError(op string, err error) error {
	if sqldb.OutOfOrder(err) {
		return fault.New(fault.Unavailable, op, err)
	}
	return fault.New(fault.Internal, op, err)
}

// Usage implements ledger.Reader.
func (s *Store) Usage(ctx context.Context, id ledger.LimitID, now time.Time) (ledger.Usage, error) {
	day, err := s.used(ctx, "limit", string(id), now.Add(-ledger.DayWindow))
	if err != nil {
		return ledger.Usage{}, err
	}
	month, err := s.used(ctx, "limit", string(id), now.Add(-ledger.MonthWindow))
	return ledger.Usage{Day: day, Month: month}, err
}

// Passed implements ledger.Reader.
func (s *Store) Passed(ctx context.Context, id ledger.GateID, now time.Time) (money.Yen, error) {
	return s.used(ctx, "gate", string(id), now.Add(-ledger.DayWindow))
}

func (s *Store) used(ctx context.Context, meter, id string, after time.Time) (money.Yen, error) {
	var sum money.Yen
	err := s.db.Read().QueryRowContext(ctx, `
		SELECT COALESCE(SUM(amount), 0) FROM ledger_uses WHERE id = $1 AND meter = $2 AND at_us > $3`,
		id, meter, clock.Micros(after)).Scan(&sum)
	if err != nil {
		return 0, readError("ledgersql.used", err)
	}
	return sum, nil
}

// History implements ledger.Reader.
func (s *Store) History(ctx context.Context, id ledger.AccountID, before int64, n int) ([]ledger.Line, error) {
	var lines []ledger.Line
	err := s.db.View(ctx, func(tx *sqldb.Tx) error {
		err := query(ctx, tx, `
			SELECT account, n, transfer, kind, other, amount, balance, at_us
			FROM ledger_lines
			WHERE account IN (SELECT value FROM json_each($1)) AND ($2 = 0 OR n < $2)
			ORDER BY n DESC LIMIT $3`, []ledger.AccountID{id}, func(r *sql.Rows) error {
			var l ledger.Line
			var atUs int64
			err := r.Scan(&l.Account, &l.N, &l.Transfer, &l.Kind, &l.Other, &l.Amount, &l.Balance, &atUs)
			l.At = at(atUs)
			lines = append(lines, l)
			return err
		}, before, n)
		if err != nil {
			return err
		}
		return addMemos(ctx, tx, lines)
	})
	if err != nil {
		return nil, readError("ledgersql.History", err)
	}
	return lines, nil
}

// addMemos is a second query and no join: lines lie with their account, transfers by their id.
func addMemos(ctx context.Context, tx *sqldb.Tx, lines []ledger.Line) error {
	ids := make([]ledger.TransferID, 0, len(lines))
	for _, l := range lines {
		ids = append(ids, l.Transfer)
	}
	memos := map[ledger.TransferID]string{}
	err := query(ctx, tx, `SELECT id, memo FROM ledger_transfers WHERE id IN (SELECT value FROM json_each($1))`, ids,
		func(r *sql.Rows) error {
			var id ledger.TransferID
			var memo string
			err := r.Scan(&id, &memo)
			memos[id] = memo
			return err
		})
	for i := range lines {
		lines[i].Memo = memos[lines[i].Transfer]
	}
	return err
}
