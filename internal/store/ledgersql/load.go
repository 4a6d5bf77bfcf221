package ledgersql

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// Load implements ledger.Store.
func (s *Store) Load(ctx context.Context, names ledger.Names) (*ledger.State, error) {
	st := ledger.NewState()
	err := s.db.View(ctx, func(tx *sqldb.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT seq, token FROM ledger_head WHERE one = 1`).Scan(&st.Head.Seq, &st.Head.Token)
		if err != nil {
			return err
		}
		if err := loadTransfers(ctx, tx, st, names.Transfers); err != nil {
			return err
		}
		if err := loadAccounts(ctx, tx, st, append(heldAccounts(st), names.Accounts...)); err != nil {
			return err
		}
		if err := loadGates(ctx, tx, st, names.Gates); err != nil {
			return err
		}
		if err := loadLimits(ctx, tx, st, names.Limits); err != nil {
			return err
		}
		return loadUses(ctx, tx, st, names)
	})
	if err != nil {
		kind := fault.Internal
		if sqldb.OutOfOrder(err) {
			kind = fault.Unavailable
		}
		return nil, fault.New(kind, "ledgersql.Load", err)
	}
	return st, nil
}

// heldAccounts are those that a Post or Void of an open hold will change.
func heldAccounts(st *ledger.State) []ledger.AccountID {
	var ids []ledger.AccountID
	for _, t := range st.Transfers {
		if t.Open() {
			for _, l := range t.Legs {
				ids = append(ids, l.Debit, l.Credit)
			}
		}
	}
	return ids
}

// query runs a statement over a list of ids and scans every row.
func query[ID ~string](ctx context.Context, tx *sqldb.Tx, text string, ids []ID, scan func(*sql.Rows) error, args ...any) error {
	if len(ids) == 0 {
		return nil
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	rows, err := tx.QueryContext(ctx, text, append([]any{string(list)}, args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func loadAccounts(ctx context.Context, tx *sqldb.Tx, st *ledger.State, ids []ledger.AccountID) error {
	return query(ctx, tx, `
		SELECT id, kind, floor, ceiling, balance, held_out, held_in, frozen_in, frozen_out, version
		FROM ledger_accounts WHERE id IN (SELECT value FROM json_each($1))`, ids, func(r *sql.Rows) error {
		var a ledger.Account
		err := r.Scan(&a.ID, &a.Kind, &a.Floor, &a.Ceiling, &a.Balance, &a.HeldOut, &a.HeldIn, &a.FrozenIn, &a.FrozenOut, &a.Version)
		st.Accounts[a.ID] = a
		return err
	})
}

func loadTransfers(ctx context.Context, tx *sqldb.Tx, st *ledger.State, ids []ledger.TransferID) error {
	err := query(ctx, tx, `
		SELECT t.id, t.is_hold, t.kind, t.gate, t.device, t.limits, t.memo, t.is_final, t.digest,
			t.at_us, t.outcome, t.r_account, t.r_limit, t.r_window, t.r_left, t.r_reason, t.r_until_us,
			COALESCE(e.how, ''), COALESCE(e.at_us, 0)
		FROM ledger_transfers AS t LEFT JOIN ledger_ends AS e ON e.transfer = t.id
		WHERE t.id IN (SELECT value FROM json_each($1))`, ids, func(r *sql.Rows) error {
		t, err := scanTransfer(r)
		st.Transfers[t.ID] = t
		return err
	})
	if err != nil {
		return err
	}
	return query(ctx, tx, `
		SELECT transfer, debit, credit, amount FROM ledger_legs
		WHERE transfer IN (SELECT value FROM json_each($1)) ORDER BY transfer, n`, ids, func(r *sql.Rows) error {
		var id ledger.TransferID
		var l ledger.Leg
		err := r.Scan(&id, &l.Debit, &l.Credit, &l.Amount)
		t := st.Transfers[id]
		t.Legs = append(t.Legs, l)
		st.Transfers[id] = t
		return err
	})
}

func scanTransfer(r *sql.Rows) (ledger.Transfer, error) {
	var t ledger.Transfer
	var limits, outcome string
	var digest []byte
	var atUs, untilUs, endedUs int64
	err := r.Scan(&t.ID, &t.Hold, &t.Kind, &t.Gate, &t.Device, &limits, &t.Memo, &t.Final, &digest,
		&atUs, &outcome, &t.Result.Account, &t.Result.Limit, &t.Result.Window, &t.Result.Left, &t.Result.Reason, &untilUs,
		&t.End, &endedUs)
	if err != nil {
		return t, err
	}
	if t.Result.Outcome, err = ledger.OutcomeNamed(outcome); err != nil {
		return t, err
	}
	if len(digest) != len(t.Digest) {
		return t, fmt.Errorf("ledgersql: transfer %s has a digest of %d bytes", t.ID, len(digest))
	}
	t.Digest = ledger.Digest(digest)
	t.Result.At, t.Result.Until, t.Ended = at(atUs), at(untilUs), at(endedUs)
	if limits == "[]" {
		return t, nil
	}
	return t, json.Unmarshal([]byte(limits), &t.Limits)
}

// loadGates reads gates and their parents.
func loadGates(ctx context.Context, tx *sqldb.Tx, st *ledger.State, ids []ledger.GateID) error {
	return query(ctx, tx, `
		SELECT id, parent, shut, not_before_us, until_us, limited_until_us, limited_cap, device, version
		FROM ledger_gates
		WHERE id IN (
			SELECT value FROM json_each($1)
			UNION SELECT parent FROM ledger_gates WHERE id IN (SELECT value FROM json_each($1)))`, ids, func(r *sql.Rows) error {
		var g ledger.Gate
		var notBefore, until, limited int64
		err := r.Scan(&g.ID, &g.Parent, &g.Shut, &notBefore, &until, &limited, &g.LimitedCap, &g.Device, &g.Version)
		g.NotBefore, g.Until, g.LimitedUntil = at(notBefore), at(until), at(limited)
		st.Gates[g.ID] = g
		return err
	})
}

func loadLimits(ctx context.Context, tx *sqldb.Tx, st *ledger.State, ids []ledger.LimitID) error {
	return query(ctx, tx, `
		SELECT id, each, day, month, version
		FROM ledger_limits WHERE id IN (SELECT value FROM json_each($1))`, ids, func(r *sql.Rows) error {
		var l ledger.Limit
		err := r.Scan(&l.ID, &l.Each, &l.Day, &l.Month, &l.Version)
		st.Limits[l.ID] = l
		return err
	})
}

// usesQuery merges uses that no moment of the batch tells apart: those in every moment's day into one, those
// in every moment's month but in nobody's day into another. $2 month of From, $3 month of To, $4 day of
// From, $5 day of To: the ends of the windows, of which the uses lie strictly after.
const usesQuery = `
	SELECT id, meter, max(at_us), sum(amount)
	FROM ledger_uses
	WHERE id IN (SELECT value FROM json_each($1)) AND meter = $6 AND at_us > $2
	GROUP BY id, meter, CASE WHEN at_us > $5 THEN -1 WHEN at_us > $3 AND at_us <= $4 THEN -2 ELSE at_us END`

func loadUses(ctx context.Context, tx *sqldb.Tx, st *ledger.State, n ledger.Names) error {
	if n.From.IsZero() {
		return nil
	}
	end := func(t time.Time, window time.Duration) int64 { return clock.Micros(t.Add(-window)) }
	dayFrom, dayTo := end(n.From, ledger.DayWindow), end(n.To, ledger.DayWindow)
	monthFrom, monthTo := end(n.From, ledger.MonthWindow), end(n.To, ledger.MonthWindow)
	err := query(ctx, tx, usesQuery, n.Limits, func(r *sql.Rows) error {
		id, u, err := scanUse[ledger.LimitID](r)
		st.LimitUses[id] = append(st.LimitUses[id], u)
		return err
	}, monthFrom, monthTo, dayFrom, dayTo, "limit")
	if err != nil {
		return err
	}
	return query(ctx, tx, usesQuery, n.Gates, func(r *sql.Rows) error {
		id, u, err := scanUse[ledger.GateID](r)
		st.GateUses[id] = append(st.GateUses[id], u)
		return err
	}, dayFrom, monthTo, dayFrom, dayTo, "gate")
}

func scanUse[ID ~string](r *sql.Rows) (id ID, u ledger.Use, err error) {
	var meter string
	var atUs int64
	var sum money.Yen
	err = r.Scan(&id, &meter, &atUs, &sum)
	u.At, u.Amount = at(atUs), sum
	return id, u, err
}
