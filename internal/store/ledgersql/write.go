package ledgersql

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// rows is a table of values for one set-based statement: SQLite reads it with json_each.
type rows [][]any

// exec runs a statement over all rows at once and checks that it touched each of them exactly once.
func exec(ctx context.Context, tx *sqldb.Tx, what, query string, r rows) error {
	if len(r) == 0 {
		return nil
	}
	list, err := json.Marshal(r)
	if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, query, string(list))
	if err != nil {
		return fmt.Errorf("ledgersql: %s: %w", what, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	if n != int64(len(r)) {
		return fmt.Errorf("ledgersql: %s: %d rows, want %d", what, n, len(r))
	}
	return nil
}

// write stores what a batch changed. Its guard is the head: nobody else has written since it was decided.
func write(ctx context.Context, tx *sqldb.Tx, c *ledger.Changes) error {
	steps := []func(context.Context, *sqldb.Tx, *ledger.Changes) error{
		writeAccounts, writeGates, writeLimits, writeTransfers, writeLines, writeUses, writeEnds,
	}
	for _, step := range steps {
		if err := step(ctx, tx, c); err != nil {
			return err
		}
	}
	return nil
}

// byVersion splits changed values into those that are new and those that replace a version.
func byVersion[T any](list []ledger.Changed[T], row func(T) []any) (fresh, old rows) {
	for _, c := range list {
		if c.Was == 0 {
			fresh = append(fresh, row(c.Now))
		} else {
			old = append(old, append(row(c.Now), c.Was))
		}
	}
	return fresh, old
}

func writeAccounts(ctx context.Context, tx *sqldb.Tx, c *ledger.Changes) error {
	fresh, old := byVersion(c.Accounts, func(a ledger.Account) []any {
		return []any{a.ID, a.Kind, a.Floor, a.Ceiling, a.Balance, a.HeldOut, a.HeldIn, bit(a.FrozenIn), bit(a.FrozenOut), a.Version}
	})
	err := exec(ctx, tx, "insert accounts", `
		INSERT INTO ledger_accounts (id, kind, floor, ceiling, balance, held_out, held_in, frozen_in, frozen_out, version)
		SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, value->>9
		FROM json_each($1)`, fresh)
	if err != nil {
		return err
	}
	return exec(ctx, tx, "update accounts", `
		UPDATE ledger_accounts AS a
		SET floor = j.value->>2, ceiling = j.value->>3, balance = j.value->>4, held_out = j.value->>5, held_in = j.value->>6,
			frozen_in = j.value->>7, frozen_out = j.value->>8, version = j.value->>9
		FROM json_each($1) AS j
		WHERE a.id = j.value->>0 AND a.version = j.value->>10`, old)
}

func writeGates(ctx context.Context, tx *sqldb.Tx, c *ledger.Changes) error {
	fresh, old := byVersion(c.Gates, func(g ledger.Gate) []any {
		return []any{g.ID, g.Parent, g.Shut, us(g.NotBefore), us(g.Until), us(g.LimitedUntil), g.LimitedCap, g.Device, g.Version}
	})
	err := exec(ctx, tx, "insert gates", `
		INSERT INTO ledger_gates (id, parent, shut, not_before_us, until_us, limited_until_us, limited_cap, device, version)
		SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8
		FROM json_each($1)`, fresh)
	if err != nil {
		return err
	}
	return exec(ctx, tx, "update gates", `
		UPDATE ledger_gates AS g
		SET parent = j.value->>1, shut = j.value->>2, not_before_us = j.value->>3, until_us = j.value->>4,
			limited_until_us = j.value->>5, limited_cap = j.value->>6, device = j.value->>7, version = j.value->>8
		FROM json_each($1) AS j
		WHERE g.id = j.value->>0 AND g.version = j.value->>9`, old)
}

func writeLimits(ctx context.Context, tx *sqldb.Tx, c *ledger.Changes) error {
	fresh, old := byVersion(c.Limits, func(l ledger.Limit) []any {
		return []any{l.ID, l.Each, l.Day, l.Month, l.Version}
	})
	err := exec(ctx, tx, "insert limits", `
		INSERT INTO ledger_limits (id, each, day, month, version)
		SELECT value->>0, value->>1, value->>2, value->>3, value->>4
		FROM json_each($1)`, fresh)
	if err != nil {
		return err
	}
	return exec(ctx, tx, "update limits", `
		UPDATE ledger_limits AS l
		SET each = j.value->>1, day = j.value->>2, month = j.value->>3, version = j.value->>4
		FROM json_each($1) AS j
		WHERE l.id = j.value->>0 AND l.version = j.value->>5`, old)
}

func writeTransfers(ctx context.Context, tx *sqldb.Tx, c *ledger.Changes) error {
	var transfers, legs rows
	for _, t := range c.Transfers {
		limits, err := json.Marshal(append([]ledger.LimitID{}, t.Limits...))
		if err != nil {
			return err
		}
		r := t.Result
		transfers = append(transfers, []any{
			t.ID, bit(t.Hold), t.Kind, t.Gate, t.Device, string(limits), t.Memo, bit(t.Final), hex.EncodeToString(t.Digest[:]),
			us(r.At), r.Outcome.String(), r.Account, r.Limit, r.Window, r.Left, r.Reason, us(r.Until),
		})
		if r.Outcome != ledger.Done {
			continue
		}
		for n, l := range t.Legs {
			legs = append(legs, []any{t.ID, n, l.Debit, l.Credit, l.Amount})
		}
	}
	err := exec(ctx, tx, "insert transfers", `
		INSERT INTO ledger_transfers (id, is_hold, kind, gate, device, limits, memo, is_final, digest,
			at_us, outcome, r_account, r_limit, r_window, r_left, r_reason, r_until_us)
		SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, unhex(value->>8),
			value->>9, value->>10, value->>11, value->>12, value->>13, value->>14, value->>15, value->>16
		FROM json_each($1)`, transfers)
	if err != nil {
		return err
	}
	return exec(ctx, tx, "insert legs", `
		INSERT INTO ledger_legs (transfer, n, debit, credit, amount)
		SELECT value->>0, value->>1, value->>2, value->>3, value->>4
		FROM json_each($1)`, legs)
}

func writeLines(ctx context.Context, tx *sqldb.Tx, c *ledger.Changes) error {
	var lines rows
	for _, l := range c.Lines {
		lines = append(lines, []any{l.Account, l.N, l.Transfer, l.Kind, l.Other, l.Amount, l.Balance, us(l.At)})
	}
	return exec(ctx, tx, "insert lines", `
		INSERT INTO ledger_lines (account, n, transfer, kind, other, amount, balance, at_us)
		SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7
		FROM json_each($1)`, lines)
}

func writeUses(ctx context.Context, tx *sqldb.Tx, c *ledger.Changes) error {
	var uses rows
	for _, u := range c.Spent {
		if u.Limit != "" {
			uses = append(uses, []any{"limit", u.Limit, us(u.At), u.Transfer, u.Amount})
		} else {
			uses = append(uses, []any{"gate", u.Gate, us(u.At), u.Transfer, u.Amount})
		}
	}
	return exec(ctx, tx, "insert uses", `
		INSERT INTO ledger_uses (meter, id, at_us, transfer, amount)
		SELECT value->>0, value->>1, value->>2, value->>3, value->>4
		FROM json_each($1)`, uses)
}

func writeEnds(ctx context.Context, tx *sqldb.Tx, c *ledger.Changes) error {
	var ends, back rows
	for _, t := range c.Ended {
		ends = append(ends, []any{t.ID, t.End, us(t.Ended)})
		if t.End != ledger.Voided {
			continue
		}
		for _, id := range t.Limits {
			back = append(back, []any{"limit", id, us(t.Result.At), t.ID})
		}
		if t.Gate != "" {
			back = append(back, []any{"gate", t.Gate, us(t.Result.At), t.ID})
		}
	}
	err := exec(ctx, tx, "insert ends", `
		INSERT INTO ledger_ends (transfer, how, at_us)
		SELECT value->>0, value->>1, value->>2
		FROM json_each($1)`, ends)
	if err != nil {
		return err
	}
	return exec(ctx, tx, "take uses back", `
		DELETE FROM ledger_uses
		WHERE (meter, id, at_us, transfer) IN (SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each($1))`, back)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
