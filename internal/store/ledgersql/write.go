package ledgersql

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// write stores what a batch changed; last is the last entry before it. Its guard is the head: nobody else has
// written since it was decided.
func write(b *sqldb.Batch, last int64, c *ledger.Changes) {
	writeEntries(b, c.Entries)
	writeNames(b, c.Names)
	writeAccounts(b, last, c.Accounts)
	writeBalances(b, c.Balances)
	writePages(b, c.Pages)
	writeGates(b, last, c.Gates)
	writeLimits(b, last, c.Limits)
	writeMeters(b, c.Passed, c.Used)
	writeFates(b, c.Fates)
}

func writeEntries(b *sqldb.Batch, entries []ledger.Entry) {
	n := len(entries)
	integers := func() []int64 { return make([]int64, n) }
	texts := func() []string { return make([]string, n) }
	seq, act, atUs, about, legs := integers(), integers(), integers(), integers(), integers()
	debit, credit, amount, debitAfter, creditAfter, gate := integers(), integers(), integers(), integers(), integers(), integers()
	id, kind, limits, memo, detail := texts(), texts(), texts(), texts(), texts()
	for i := range entries {
		e := &entries[i]
		seq[i], act[i], atUs[i], about[i], legs[i] = e.Seq, int64(e.Act), us(e.At), e.Of, int64(e.Legs)
		debit[i], credit[i], amount[i] = e.Debit, e.Credit, int64(e.Amount)
		debitAfter[i], creditAfter[i], gate[i] = int64(e.DebitAfter), int64(e.CreditAfter), e.Gate
		id[i], kind[i], limits[i], memo[i], detail[i] = e.ID, e.Kind, ledger.Numbers(e.Limits), e.Memo, e.Detail
	}
	b.Exec("insert entries", `
		INSERT INTO ledger_entries (seq, act, at_us, id, about, legs, kind, debit, credit, amount, debit_after, credit_after, gate, limits, memo, detail)
		SELECT c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15 FROM {set}`,
		sqldb.Set{seq, act, atUs, id, about, legs, kind, debit, credit, amount, debitAfter, creditAfter, gate, limits, memo, detail})
}

// writeNames writes them in their order, which is that of the index: neighbours share its pages.
func writeNames(b *sqldb.Batch, names []ledger.Name) {
	names = slices.Clone(names)
	slices.SortFunc(names, func(a, b ledger.Name) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	keys, nums := make([][]byte, len(names)), make([]int64, len(names))
	for i := range names {
		keys[i], nums[i] = names[i].Key[:], names[i].Num
	}
	b.Exec("insert names", `INSERT INTO ledger_names (name, num) SELECT c0, c1 FROM {set}`, sqldb.Set{keys, nums})
}

// fresh splits rows, which stand in the order of their numbers, into those that are there and those that are new.
func fresh[R any](rows []R, last int64, num func(R) int64) (old, added []R) {
	i := slices.IndexFunc(rows, func(r R) bool { return num(r) > last })
	if i < 0 {
		return rows, nil
	}
	return rows[:i], rows[i:]
}

func writeAccounts(b *sqldb.Batch, last int64, rows []*ledger.AccountRow) {
	old, added := fresh(rows, last, func(a *ledger.AccountRow) int64 { return a.Num })
	b.Exec("insert accounts", `
		INSERT INTO ledger_accounts (num, id, kind, floor, ceiling, balance, held_out, held_in, frozen_in, frozen_out, closed, tail)
		SELECT c0, c10, c11, c1, c2, c3, c4, c5, c6, c7, c8, c9 FROM {set}`, append(accountSet(added), columnOf(added, func(a *ledger.AccountRow) string {
		return string(a.ID)
	}), columnOf(added, func(a *ledger.AccountRow) string { return a.Kind })))
	b.Exec("update accounts", `
		UPDATE ledger_accounts AS a SET floor = c1, ceiling = c2, balance = c3, held_out = c4, held_in = c5,
			frozen_in = c6, frozen_out = c7, closed = c8, tail = c9
		FROM {set} WHERE a.num = c0`, accountSet(old))
}

func writeBalances(b *sqldb.Batch, rows []*ledger.AccountRow) {
	b.Exec("update balances", `UPDATE ledger_accounts AS a SET balance = c1, tail = c2 FROM {set} WHERE a.num = c0`, sqldb.Set{
		columnOf(rows, func(a *ledger.AccountRow) int64 { return a.Num }),
		columnOf(rows, func(a *ledger.AccountRow) int64 { return int64(a.Balance) }),
		columnOf(rows, func(a *ledger.AccountRow) []byte { return packed(a.Tail) }),
	})
}

// accountSet is what may change of accounts.
func accountSet(rows []*ledger.AccountRow) sqldb.Set {
	integers := func(of func(*ledger.AccountRow) int64) []int64 { return columnOf(rows, of) }
	return sqldb.Set{
		integers(func(a *ledger.AccountRow) int64 { return a.Num }),
		integers(func(a *ledger.AccountRow) int64 { return int64(a.Floor) }),
		integers(func(a *ledger.AccountRow) int64 { return int64(a.Ceiling) }),
		integers(func(a *ledger.AccountRow) int64 { return int64(a.Balance) }),
		integers(func(a *ledger.AccountRow) int64 { return int64(a.HeldOut) }),
		integers(func(a *ledger.AccountRow) int64 { return int64(a.HeldIn) }),
		integers(func(a *ledger.AccountRow) int64 { return bit(a.FrozenIn) }),
		integers(func(a *ledger.AccountRow) int64 { return bit(a.FrozenOut) }),
		integers(func(a *ledger.AccountRow) int64 { return bit(a.Closed) }),
		columnOf(rows, func(a *ledger.AccountRow) []byte { return packed(a.Tail) }),
	}
}

// columnOf is a column of a set of rows.
func columnOf[R, V any](rows []R, of func(R) V) []V {
	column := make([]V, len(rows))
	for i, r := range rows {
		column[i] = of(r)
	}
	return column
}

func writePages(b *sqldb.Batch, pages []ledger.Page) {
	b.Exec("insert pages", `INSERT INTO ledger_pages (account, first, lines) SELECT c0, c1, c2 FROM {set}`, sqldb.Set{
		columnOf(pages, func(p ledger.Page) int64 { return p.Account }),
		columnOf(pages, func(p ledger.Page) int64 { return p.Lines[0] }),
		columnOf(pages, func(p ledger.Page) []byte { return packed(p.Lines) }),
	})
}

func writeGates(b *sqldb.Batch, last int64, rows []*ledger.GateRow) {
	old, added := fresh(rows, last, func(g *ledger.GateRow) int64 { return g.Num })
	b.Exec("insert gates", `
		INSERT INTO ledger_gates (num, id, parent, shut, not_before_us, until_us, limited_until_us, limited_cap, device, version, meter)
		SELECT c0, c10, c1, c2, c3, c4, c5, c6, c7, c8, c9 FROM {set}`,
		append(gateSet(added), columnOf(added, func(g *ledger.GateRow) string { return string(g.ID) })))
	b.Exec("update gates", `
		UPDATE ledger_gates AS g SET parent = c1, shut = c2, not_before_us = c3, until_us = c4, limited_until_us = c5,
			limited_cap = c6, device = c7, version = c8, meter = c9
		FROM {set} WHERE g.num = c0`, gateSet(old))
}

func gateSet(rows []*ledger.GateRow) sqldb.Set {
	return sqldb.Set{
		columnOf(rows, func(g *ledger.GateRow) int64 { return g.Num }),
		columnOf(rows, func(g *ledger.GateRow) int64 { return g.ParentNum }),
		columnOf(rows, func(g *ledger.GateRow) string { return g.Shut }),
		columnOf(rows, func(g *ledger.GateRow) int64 { return us(g.NotBefore) }),
		columnOf(rows, func(g *ledger.GateRow) int64 { return us(g.Until) }),
		columnOf(rows, func(g *ledger.GateRow) int64 { return us(g.LimitedUntil) }),
		columnOf(rows, func(g *ledger.GateRow) int64 { return int64(g.LimitedCap) }),
		columnOf(rows, func(g *ledger.GateRow) string { return g.Device }),
		columnOf(rows, func(g *ledger.GateRow) int64 { return g.Version }),
		columnOf(rows, func(g *ledger.GateRow) []byte { return g.Bytes() }),
	}
}

func writeLimits(b *sqldb.Batch, last int64, rows []*ledger.LimitRow) {
	old, added := fresh(rows, last, func(l *ledger.LimitRow) int64 { return l.Num })
	b.Exec("insert limits", `
		INSERT INTO ledger_limits (num, id, each, day, month, version, meter) SELECT c0, c6, c1, c2, c3, c4, c5 FROM {set}`,
		append(limitSet(added), columnOf(added, func(l *ledger.LimitRow) string { return string(l.ID) })))
	b.Exec("update limits", `
		UPDATE ledger_limits AS l SET each = c1, day = c2, month = c3, version = c4, meter = c5 FROM {set} WHERE l.num = c0`, limitSet(old))
}

func limitSet(rows []*ledger.LimitRow) sqldb.Set {
	return sqldb.Set{
		columnOf(rows, func(l *ledger.LimitRow) int64 { return l.Num }),
		columnOf(rows, func(l *ledger.LimitRow) int64 { return int64(l.Each) }),
		columnOf(rows, func(l *ledger.LimitRow) int64 { return int64(l.Day) }),
		columnOf(rows, func(l *ledger.LimitRow) int64 { return int64(l.Month) }),
		columnOf(rows, func(l *ledger.LimitRow) int64 { return l.Version }),
		columnOf(rows, func(l *ledger.LimitRow) []byte { return l.Bytes() }),
	}
}

func writeMeters(b *sqldb.Batch, passed []*ledger.GateRow, used []*ledger.LimitRow) {
	b.Exec("update meters of gates", `UPDATE ledger_gates AS g SET meter = c1 FROM {set} WHERE g.num = c0`, sqldb.Set{
		columnOf(passed, func(g *ledger.GateRow) int64 { return g.Num }),
		columnOf(passed, func(g *ledger.GateRow) []byte { return g.Bytes() }),
	})
	b.Exec("update meters of limits", `UPDATE ledger_limits AS l SET meter = c1 FROM {set} WHERE l.num = c0`, sqldb.Set{
		columnOf(used, func(l *ledger.LimitRow) int64 { return l.Num }),
		columnOf(used, func(l *ledger.LimitRow) []byte { return l.Bytes() }),
	})
}

func writeFates(b *sqldb.Batch, fates []ledger.Fate) {
	b.Exec("write fates", `
		INSERT INTO ledger_fates (num, until_us, how, ended_us, posted, refunded) SELECT c0, c1, c2, c3, c4, c5 FROM {set} WHERE true
		ON CONFLICT (num) DO UPDATE SET how = excluded.how, ended_us = excluded.ended_us, posted = excluded.posted, refunded = excluded.refunded`,
		sqldb.Set{
			columnOf(fates, func(f ledger.Fate) int64 { return f.Num }),
			columnOf(fates, func(f ledger.Fate) int64 { return us(f.Until) }),
			columnOf(fates, func(f ledger.Fate) string { return string(f.End) }),
			columnOf(fates, func(f ledger.Fate) int64 { return us(f.Ended) }),
			columnOf(fates, func(f ledger.Fate) int64 { return int64(f.Posted) }),
			columnOf(fates, func(f ledger.Fate) int64 { return int64(f.Refunded) }),
		})
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// packed is a growing list of entries as a column keeps it: varints of the first and of each step.
func packed(list []int64) []byte {
	b := make([]byte, 0, 8+2*len(list))
	was := int64(0)
	for _, n := range list {
		b = binary.AppendUvarint(b, uint64(n-was))
		was = n
	}
	return b
}

// unpacked is packed backwards.
func unpacked(b []byte) ([]int64, error) {
	var list []int64
	for was := int64(0); len(b) > 0; {
		step, size := binary.Uvarint(b)
		if size <= 0 || step == 0 || step > 1<<62 || was > 1<<62 {
			return nil, fmt.Errorf("ledgersql: %w", errList)
		}
		b = b[size:]
		was += int64(step)
		list = append(list, was)
	}
	return list, nil
}

var errList = errors.New("a list of entries that cannot be read")
