package ledgersql

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// view answers a question about one thing: it finds the number of its name and hands it on.
func view[ID ledger.AccountID | ledger.GateID | ledger.LimitID | ledger.TransferID](
	ctx context.Context, s *Store, op string, id ID, answer func(tx *sqldb.Tx, num int64) error,
) error {
	key := ledger.KeyOf(id)
	err := s.db.View(ctx, func(tx *sqldb.Tx) error {
		num := int64(0)
		var b sqldb.Batch
		b.Query("name", `SELECT num FROM ledger_names WHERE name IN (SELECT c0 FROM {set})`, sqldb.Set{[][]byte{key[:]}}, func(r sqldb.Row) error {
			return r.Scan(&num)
		})
		if err := tx.Run(ctx, &b); err != nil {
			return err
		}
		if num == 0 {
			return fault.New(fault.NotFound, "ledgersql."+op, fmt.Errorf("no %q", id))
		}
		return answer(tx, num)
	})
	return readError("ledgersql."+op, err)
}

func readError(op string, err error) error {
	switch {
	case err == nil || fault.Of(err) == fault.NotFound:
		return err
	case sqldb.OutOfOrder(err):
		return fault.New(fault.Unavailable, op, err)
	}
	return fault.New(fault.Internal, op, err)
}

func (s *Store) account(ctx context.Context, op string, id ledger.AccountID, then func(*sqldb.Tx, *ledger.AccountRow) error) error {
	return view(ctx, s, op, id, func(tx *sqldb.Tx, num int64) error {
		var row *ledger.AccountRow
		if err := readAccounts(ctx, tx, []int64{num}, func(a *ledger.AccountRow) { row = a }); err != nil {
			return err
		}
		if row == nil || row.ID != id {
			return fmt.Errorf("entry %d is not account %q", num, id)
		}
		return then(tx, row)
	})
}

// Account implements ledger.Reader.
func (s *Store) Account(ctx context.Context, id ledger.AccountID) (ledger.Account, error) {
	var a ledger.Account
	err := s.account(ctx, "Account", id, func(_ *sqldb.Tx, row *ledger.AccountRow) error {
		a = row.Account
		return nil
	})
	return a, err
}

func (s *Store) gate(ctx context.Context, op string, id ledger.GateID) (*ledger.GateRow, error) {
	var row *ledger.GateRow
	err := view(ctx, s, op, id, func(tx *sqldb.Tx, num int64) error {
		gates, err := readGates(ctx, tx, []int64{num}, func(int64) (*ledger.GateRow, bool) { return nil, false })
		for _, g := range gates {
			if g.ID == id {
				row = g
			}
		}
		return err
	})
	if err == nil && row == nil {
		err = fault.New(fault.Internal, "ledgersql."+op, fmt.Errorf("the name of gate %q names something else", id))
	}
	return row, err
}

// Gate implements ledger.Reader.
func (s *Store) Gate(ctx context.Context, id ledger.GateID) (ledger.Gate, error) {
	row, err := s.gate(ctx, "Gate", id)
	if err != nil {
		return ledger.Gate{}, err
	}
	return row.Gate, nil
}

func (s *Store) limit(ctx context.Context, op string, id ledger.LimitID) (*ledger.LimitRow, error) {
	var row *ledger.LimitRow
	err := view(ctx, s, op, id, func(tx *sqldb.Tx, num int64) error {
		err := readLimits(ctx, tx, []int64{num}, func(l *ledger.LimitRow) { row = l })
		if err == nil && (row == nil || row.ID != id) {
			err = fmt.Errorf("entry %d is not limit %q", num, id)
		}
		return err
	})
	return row, err
}

// Limit implements ledger.Reader.
func (s *Store) Limit(ctx context.Context, id ledger.LimitID) (ledger.Limit, error) {
	row, err := s.limit(ctx, "Limit", id)
	if err != nil {
		return ledger.Limit{}, err
	}
	return row.Limit, nil
}

// Transfer implements ledger.Reader.
func (s *Store) Transfer(ctx context.Context, id ledger.TransferID) (ledger.Transfer, error) {
	var t ledger.Transfer
	err := view(ctx, s, "Transfer", id, func(tx *sqldb.Tx, num int64) error {
		rows, err := readTransfers(ctx, tx, []int64{num})
		if err != nil {
			return err
		}
		if t = rows.list[0].Transfer; t.ID != id {
			return fmt.Errorf("entry %d is not transfer %q", num, id)
		}
		return nil
	})
	return t, err
}

// Usage implements ledger.Reader.
func (s *Store) Usage(ctx context.Context, id ledger.LimitID, at time.Time) (ledger.Usage, error) {
	row, err := s.limit(ctx, "Usage", id)
	if err != nil {
		return ledger.Usage{}, nothingThere(err)
	}
	return row.Usage(at), nil
}

// Passed implements ledger.Reader.
func (s *Store) Passed(ctx context.Context, id ledger.GateID, at time.Time) (money.Yen, error) {
	row, err := s.gate(ctx, "Passed", id)
	if err != nil {
		return 0, nothingThere(err)
	}
	return row.Meter.Usage(at).Day, nil
}

// nothingThere takes the missing for the unused.
func nothingThere(err error) error {
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	return err
}

// History implements ledger.Reader.
func (s *Store) History(ctx context.Context, id ledger.AccountID, before int64, n int) ([]ledger.Line, error) {
	var lines []ledger.Line
	err := s.account(ctx, "History", id, func(tx *sqldb.Tx, a *ledger.AccountRow) error {
		nums, err := newest(ctx, tx, a, before, n)
		if err != nil {
			return err
		}
		lines, err = readLines(ctx, tx, a.Num, nums)
		return err
	})
	return lines, nothingThere(err)
}

// newest lists up to n lines of an account below an entry (0: below none), newest first.
func newest(ctx context.Context, tx *sqldb.Tx, a *ledger.AccountRow, before int64, n int) ([]int64, error) {
	if before <= 0 {
		before = 1 << 62
	}
	var nums []int64
	take := func(list []int64) {
		for _, e := range slices.Backward(list) {
			if e < before && len(nums) < n {
				nums = append(nums, e)
			}
		}
	}
	take(a.Tail)
	for page := before; len(nums) < n && page > 0; {
		first, lines, err := pagesBelow(ctx, tx, a.Num, page, 1+(n-len(nums))/ledger.PageLines)
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			take(l)
		}
		page = first
	}
	return nums, nil
}

// pagesBelow reads up to so many pages of an account that begin below an entry, newest first, and says where the
// oldest of them begins: 0 where there are no more.
func pagesBelow(ctx context.Context, tx *sqldb.Tx, account, before int64, pages int) (first int64, lines [][]int64, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT first, lines FROM ledger_pages WHERE account = $1 AND first < $2 ORDER BY first DESC LIMIT $3`,
		account, before, pages)
	lines, err = sqldb.List("ledgersql.pages", rows, err, func(r sqldb.Row) ([]int64, error) {
		var list []byte
		if err := r.Scan(&first, &list); err != nil {
			return nil, err
		}
		return unpacked(list)
	})
	if len(lines) < pages {
		first = 0
	}
	return first, lines, err
}

// readLines rebuilds lines of an account, in the order of their entries given.
func readLines(ctx context.Context, tx *sqldb.Tx, account int64, nums []int64) ([]ledger.Line, error) {
	entries := map[int64]ledger.Entry{}
	want := append(slices.Clone(nums), account)
	// The entries; what they are about (the first leg, the hold) and the other account; the hold of a first leg.
	for range 3 {
		if err := readEntries(ctx, tx, want, func(e ledger.Entry) { entries[e.Seq] = e }); err != nil {
			return nil, err
		}
		want = nil
		for _, e := range entries {
			for _, n := range []int64{e.Of, e.Debit, e.Credit} {
				if _, there := entries[n]; n != 0 && !there {
					want = append(want, n)
				}
			}
		}
	}
	lines := make([]ledger.Line, 0, len(nums))
	for _, n := range nums {
		l, err := ledger.Journal(func(seq int64) ledger.Entry { return entries[seq] }).Line(account, n)
		if err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// BalanceAt implements ledger.Reader.
func (s *Store) BalanceAt(ctx context.Context, id ledger.AccountID, moment time.Time) (money.Yen, error) {
	var balance money.Yen
	err := s.account(ctx, "BalanceAt", id, func(tx *sqldb.Tx, a *ledger.AccountRow) error {
		last, err := lastEntryAt(ctx, tx, us(moment))
		if err != nil || last == 0 {
			return err
		}
		nums, err := newest(ctx, tx, a, last+1, 1)
		if err != nil || len(nums) == 0 {
			return err
		}
		return readEntries(ctx, tx, nums, func(e ledger.Entry) { balance = e.After(a.Num) })
	})
	return balance, err
}

// lastEntryAt is the last entry of the last commit whose time of the books is not after a moment. That time never
// goes back from commit to commit, so halving finds it.
func lastEntryAt(ctx context.Context, tx *sqldb.Tx, momentUs int64) (last int64, err error) {
	var logged int64
	if err := tx.QueryRowContext(ctx, `SELECT logged FROM ledger_head WHERE one = 1`).Scan(&logged); err != nil {
		return 0, err
	}
	for from, to := int64(0), logged; from < to; {
		middle := (from + to) / 2
		var closed, entry int64
		if err := tx.QueryRowContext(ctx, `SELECT closed_us, last FROM ledger_commits WHERE n = $1`, middle).Scan(&closed, &entry); err != nil {
			return 0, err
		}
		if closed <= momentUs {
			from, last = middle+1, entry
		} else {
			to = middle
		}
	}
	return last, nil
}

// Overdue implements ledger.Reader.
func (s *Store) Overdue(ctx context.Context, moment time.Time, n int) ([]ledger.TransferID, error) {
	var ids []ledger.TransferID
	err := s.db.View(ctx, func(tx *sqldb.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			SELECT e.id FROM ledger_fates AS f JOIN ledger_entries AS e ON e.seq = f.num
			WHERE f.how = '' AND f.until_us > 0 AND f.until_us <= $1 ORDER BY f.until_us, f.num LIMIT $2`, us(moment), n)
		ids, err = sqldb.List("ledgersql.Overdue", rows, err, func(r sqldb.Row) (id ledger.TransferID, err error) {
			return id, r.Scan(&id)
		})
		return err
	})
	return ids, readError("ledgersql.Overdue", err)
}
