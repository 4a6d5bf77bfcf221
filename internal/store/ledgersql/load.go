package ledgersql

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// Load implements ledger.Store. In a settled process it costs one or two round trips: the head and the ids of the
// batch, and what is neither remembered nor new.
func (s *Store) Load(ctx context.Context, names ledger.Names) (*ledger.State, error) {
	l := s.loader(names)
	err := s.db.View(ctx, func(tx *sqldb.Tx) error {
		if err := l.find(ctx, tx); err != nil {
			return err
		}
		if l.moved() {
			if err := s.follow(ctx, tx, l.head, l.logged); err != nil {
				return err
			}
			l = s.loader(names)
			if err := l.find(ctx, tx); err != nil {
				return err
			}
		}
		return l.load(ctx, tx)
	})
	if err != nil {
		kind := fault.Internal
		if sqldb.OutOfOrder(err) {
			kind = fault.Unavailable
		}
		return nil, fault.New(kind, "ledgersql.Load", err)
	}
	l.keep()
	l.st.Head = l.head
	return l.st, nil
}

// follow forgets everything and begins anew at a head that somebody else has moved.
func (s *Store) follow(ctx context.Context, tx *sqldb.Tx, head ledger.Head, logged int64) error {
	tree := ledger.Tree{Size: logged}
	heights := map[int64]int{}
	var index []int64
	for height, n := range ledger.EdgeIndexes(logged) {
		if n >= 0 {
			heights[n], index = height, append(index, n)
		}
	}
	found := 0
	var b sqldb.Batch
	b.Query("log", `SELECT n, hash FROM ledger_hashes WHERE n IN (SELECT c0 FROM {set})`, sqldb.Set{index}, func(r sqldb.Row) error {
		var n int64
		var hash []byte
		err := r.Scan(&n, &hash)
		if err == nil && len(hash) != tlog.HashSize {
			err = fmt.Errorf("ledgersql: hash %d of the log has %d bytes", n, len(hash))
		}
		if err == nil {
			tree.Edge[heights[n]] = ledger.Hash(hash)
			found++
		}
		return err
	})
	if err := tx.Run(ctx, &b); err != nil {
		return err
	}
	if found != len(index) {
		return fmt.Errorf("ledgersql: the log has lost %d of %d hashes of its edge", len(index)-found, len(index))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts, s.gates, s.limits = shelf[ledger.AccountID, *ledger.AccountRow]{}, shelf[ledger.GateID, *ledger.GateRow]{}, shelf[ledger.LimitID, *ledger.LimitRow]{}
	s.head, s.tree = head, tree
	return nil
}

// loader reads what a batch names.
type loader struct {
	s      *Store
	st     *ledger.State
	known  ledger.Head // as of which rows were remembered
	head   ledger.Head // as of which rows are read
	logged int64

	asked     map[ledger.Key]func(num int64) // what is not remembered, and where its number goes
	transfers []int64                        // the first entries of those that are known
	accounts  []int64
	gates     []int64
	limits    []int64

	// What was read, to be remembered.
	readAccounts []*ledger.AccountRow
	readGates    []*ledger.GateRow
	readLimits   []*ledger.LimitRow
}

// loader begins with what is remembered.
func (s *Store) loader(names ledger.Names) *loader {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &loader{s: s, st: ledger.NewState(), known: s.head, asked: make(map[ledger.Key]func(int64), len(names.Transfers))}
	for _, id := range names.Transfers {
		l.asked[ledger.KeyOf(id)] = func(num int64) { l.transfers = append(l.transfers, num) }
	}
	recall(names.Accounts, &s.accounts, l.st.Accounts, l.asked, &l.accounts)
	recall(names.Gates, &s.gates, l.st.Gates, l.asked, &l.gates)
	recall(names.Limits, &s.limits, l.st.Limits, l.asked, &l.limits)
	return l
}

func recall[ID ledger.AccountID | ledger.GateID | ledger.LimitID, R any](ids []ID, from *shelf[ID, *R], into map[ID]*R, ask map[ledger.Key]func(int64), nums *[]int64) {
	for _, id := range ids {
		if r, ok := from.get(id); ok {
			into[id] = r
		} else {
			ask[ledger.KeyOf(id)] = func(num int64) { *nums = append(*nums, num) }
		}
	}
}

// moved says whether somebody else has committed. What this process commits beside is no such thing: what it changes is
// known to who asks.
func (l *loader) moved() bool {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	return l.head.Token != l.known.Token && l.head.Token != l.s.storing && l.head.Token != l.s.head.Token
}

// keep remembers what was read, unless a commit has been made meanwhile: it may be of before.
func (l *loader) keep() {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if l.head.Token != l.known.Token || l.s.head.Token != l.known.Token {
		return
	}
	l.s.remember(l.readAccounts, l.readGates, l.readLimits)
}

// find reads the head and the numbers of names.
func (l *loader) find(ctx context.Context, tx *sqldb.Tx) error {
	var b sqldb.Batch
	b.Query("head", `SELECT seq, token, last, closed_us, logged FROM ledger_head WHERE one IN (SELECT c0 FROM {set})`, sqldb.Set{[]int64{1}},
		func(r sqldb.Row) error {
			var closed int64
			err := r.Scan(&l.head.Seq, &l.head.Token, &l.head.Last, &closed, &l.logged)
			l.head.Closed = at(closed)
			return err
		})
	keys := make([][]byte, 0, len(l.asked))
	for k := range l.asked {
		keys = append(keys, k[:])
	}
	b.Query("names", `SELECT name, num FROM ledger_names WHERE name IN (SELECT c0 FROM {set})`, sqldb.Set{keys}, func(r sqldb.Row) error {
		var key []byte
		var num int64
		if err := r.Scan(&key, &num); err != nil {
			return err
		}
		if len(key) != len(ledger.Key{}) {
			return fmt.Errorf("ledgersql: a name of %d bytes", len(key))
		}
		l.asked[ledger.Key(key)](num)
		return nil
	})
	return tx.Run(ctx, &b)
}

// load reads the rows.
func (l *loader) load(ctx context.Context, tx *sqldb.Tx) error {
	if err := l.loadTransfers(ctx, tx); err != nil {
		return err
	}
	var err error
	if l.readGates, err = readGates(ctx, tx, l.gates, l.gateOf); err != nil {
		return err
	}
	for _, g := range l.readGates {
		l.st.Gates[g.ID] = g
	}
	if err := readAccounts(ctx, tx, l.accounts, func(a *ledger.AccountRow) { l.readAccounts = append(l.readAccounts, a) }); err != nil {
		return err
	}
	for _, a := range l.readAccounts {
		l.st.Accounts[a.ID] = a
	}
	if err := readLimits(ctx, tx, l.limits, func(m *ledger.LimitRow) { l.readLimits = append(l.readLimits, m) }); err != nil {
		return err
	}
	for _, m := range l.readLimits {
		l.st.Limits[m.ID] = m
	}
	return l.addParents(ctx, tx)
}

func (l *loader) gateOf(num int64) (*ledger.GateRow, bool) { return recallByNum(l.s, &l.s.gates, num) }

// recallByNum finds a row by its number.
func recallByNum[ID comparable, R any](s *Store, shelf *shelf[ID, R], num int64) (R, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return shelf.of(num)
}

// addParents adds the parents of gates that were remembered.
func (l *loader) addParents(ctx context.Context, tx *sqldb.Tx) error {
	var missing []int64
	for _, g := range l.st.Gates {
		if _, there := l.st.Gates[g.Parent]; g.ParentNum == 0 || there {
			continue
		}
		if p, ok := l.gateOf(g.ParentNum); ok {
			l.st.Gates[p.ID] = p
		} else {
			missing = append(missing, g.ParentNum)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	parents, err := readGates(ctx, tx, missing, l.gateOf)
	for _, p := range parents {
		l.st.Gates[p.ID] = p
	}
	l.readGates = append(l.readGates, parents...)
	return err
}

// loadTransfers reads transfers with what a post, void or refund of them will change: their accounts, gates and
// limits, and what they refund.
func (l *loader) loadTransfers(ctx context.Context, tx *sqldb.Tx) error {
	if len(l.transfers) == 0 {
		return nil
	}
	rows, err := readTransfers(ctx, tx, l.transfers)
	if err != nil {
		return err
	}
	for _, t := range rows.list {
		l.st.Transfers[t.ID] = t
		for i := range int64(len(t.Legs)) {
			leg := rows.journal(t.Num + i)
			l.need(leg.Debit, leg.Credit)
		}
		e := rows.journal(t.Num)
		l.addGate(e.Gate)
		for _, n := range e.Limits {
			l.addLimit(n)
		}
	}
	return nil
}

// need adds accounts by their numbers.
func (l *loader) need(nums ...int64) {
	for _, n := range nums {
		if a, ok := recallByNum(l.s, &l.s.accounts, n); ok {
			l.st.Accounts[a.ID] = a
		} else if n != 0 && !slices.Contains(l.accounts, n) {
			l.accounts = append(l.accounts, n)
		}
	}
}

func (l *loader) addGate(n int64) {
	if g, ok := l.gateOf(n); ok {
		l.st.Gates[g.ID] = g
	} else if n != 0 && !slices.Contains(l.gates, n) {
		l.gates = append(l.gates, n)
	}
}

func (l *loader) addLimit(n int64) {
	if m, ok := recallByNum(l.s, &l.s.limits, n); ok {
		l.st.Limits[m.ID] = m
	} else if n != 0 && !slices.Contains(l.limits, n) {
		l.limits = append(l.limits, n)
	}
}

// transfers are read together with the entries that they are made of.
type transfers struct {
	list    []*ledger.TransferRow
	entries map[int64]ledger.Entry
}

func (t transfers) journal(seq int64) ledger.Entry { return t.entries[seq] }

// readTransfers rebuilds transfers from their first entries, and those that they refund.
func readTransfers(ctx context.Context, tx *sqldb.Tx, nums []int64) (transfers, error) {
	out := transfers{entries: map[int64]ledger.Entry{}}
	keep := func(e ledger.Entry) { out.entries[e.Seq] = e }
	fates := map[int64]ledger.Fate{}
	if err := readEntries(ctx, tx, nums, keep); err != nil {
		return out, err
	}
	for _, n := range nums { // originals of refunds, and theirs are only named
		if of := out.entries[n].Of; of != 0 && !slices.Contains(nums, of) {
			nums = append(nums[:len(nums):len(nums)], of)
		}
	}
	for range 2 { // the originals themselves, then all that they and the others are made of
		var missing []int64
		for _, n := range nums {
			e, there := out.entries[n]
			if !there {
				missing = append(missing, n)
			}
			for _, p := range e.Parts() {
				if _, there := out.entries[p]; !there {
					missing = append(missing, p)
				}
			}
		}
		if err := readEntries(ctx, tx, missing, keep); err != nil {
			return out, err
		}
	}
	legs, err := out.legAccounts(nums)
	if err != nil {
		return out, err
	}
	if err := readEntries(ctx, tx, legs, keep); err != nil {
		return out, err
	}
	if err := readFates(ctx, tx, nums, func(f ledger.Fate) { fates[f.Num] = f }); err != nil {
		return out, err
	}
	for _, n := range nums {
		t, err := ledger.Journal(out.journal).Transfer(n, fates[n])
		if err != nil {
			return out, err
		}
		out.list = append(out.list, t)
	}
	return out, nil
}

// legAccounts lists the accounts of further legs that are not read yet.
func (t transfers) legAccounts(nums []int64) (missing []int64, err error) {
	for _, n := range nums {
		for i := range int64(t.entries[n].Legs) {
			leg, there := t.entries[n+i]
			if !there {
				return nil, fmt.Errorf("ledgersql: entry %d, a leg of %d, is missing", n+i, n)
			}
			for _, a := range []int64{leg.Debit, leg.Credit} {
				if _, there := t.entries[a]; !there {
					missing = append(missing, a)
				}
			}
		}
	}
	return missing, nil
}

// distinct is the sorted set of numbers.
func distinct(nums []int64) []int64 {
	nums = slices.Clone(nums)
	slices.Sort(nums)
	return slices.Compact(nums)
}

const selectEntries = `SELECT seq, act, at_us, id, about, legs, kind, debit, credit, amount, debit_after, credit_after, gate, limits, memo, detail
	FROM ledger_entries `

// readEntries reads entries by their numbers; those that are not there are left out.
func readEntries(ctx context.Context, tx *sqldb.Tx, nums []int64, each func(ledger.Entry)) error {
	var b sqldb.Batch
	b.Query("entries", selectEntries+`WHERE seq IN (SELECT c0 FROM {set})`, sqldb.Set{distinct(nums)}, func(r sqldb.Row) error {
		e, err := scanEntry(r)
		if err == nil {
			each(e)
		}
		return err
	})
	return tx.Run(ctx, &b)
}

func scanEntry(r sqldb.Row) (ledger.Entry, error) {
	var e ledger.Entry
	var act, atUs, legs, amount, debitAfter, creditAfter int64
	var limits string
	err := r.Scan(&e.Seq, &act, &atUs, &e.ID, &e.Of, &legs, &e.Kind, &e.Debit, &e.Credit, &amount, &debitAfter, &creditAfter,
		&e.Gate, &limits, &e.Memo, &e.Detail)
	if err != nil {
		return e, err
	}
	e.Act, e.At, e.Legs = ledger.Act(act), at(atUs), int(legs)
	e.Amount, e.DebitAfter, e.CreditAfter = money.Yen(amount), money.Yen(debitAfter), money.Yen(creditAfter)
	e.Limits, err = ledger.ParseNumbers(limits)
	return e, err
}

func readFates(ctx context.Context, tx *sqldb.Tx, nums []int64, each func(ledger.Fate)) error {
	var b sqldb.Batch
	b.Query("fates", `SELECT num, until_us, how, ended_us, posted, refunded FROM ledger_fates WHERE num IN (SELECT c0 FROM {set})`,
		sqldb.Set{distinct(nums)}, func(r sqldb.Row) error {
			var f ledger.Fate
			var how string
			var until, ended, posted, refunded int64
			err := r.Scan(&f.Num, &until, &how, &ended, &posted, &refunded)
			f.Until, f.End, f.Ended, f.Posted, f.Refunded = at(until), ledger.End(how), at(ended), money.Yen(posted), money.Yen(refunded)
			each(f)
			return err
		})
	return tx.Run(ctx, &b)
}

func readAccounts(ctx context.Context, tx *sqldb.Tx, nums []int64, each func(*ledger.AccountRow)) error {
	var b sqldb.Batch
	b.Query("accounts", `
		SELECT num, id, kind, floor, ceiling, balance, held_out, held_in, frozen_in, frozen_out, closed, tail
		FROM ledger_accounts WHERE num IN (SELECT c0 FROM {set})`, sqldb.Set{distinct(nums)}, func(r sqldb.Row) error {
		var a ledger.AccountRow
		var id string
		var floor, ceiling, balance, out, in, frozenIn, frozenOut, closed int64
		var tail []byte
		err := r.Scan(&a.Num, &id, &a.Kind, &floor, &ceiling, &balance, &out, &in, &frozenIn, &frozenOut, &closed, &tail)
		if err != nil {
			return err
		}
		a.ID = ledger.AccountID(id)
		a.Floor, a.Ceiling, a.Balance = money.Yen(floor), money.Yen(ceiling), money.Yen(balance)
		a.HeldOut, a.HeldIn = money.Yen(out), money.Yen(in)
		a.FrozenIn, a.FrozenOut, a.Closed = frozenIn == 1, frozenOut == 1, closed == 1
		a.Tail, err = unpacked(tail)
		each(&a)
		return err
	})
	return tx.Run(ctx, &b)
}

// readGates reads gates and their parents; of finds those that are known already.
func readGates(ctx context.Context, tx *sqldb.Tx, nums []int64, of func(int64) (*ledger.GateRow, bool)) ([]*ledger.GateRow, error) {
	read := map[int64]*ledger.GateRow{}
	parent := func(g *ledger.GateRow) (*ledger.GateRow, bool) {
		if p, ok := read[g.ParentNum]; ok {
			return p, true
		}
		return of(g.ParentNum)
	}
	for wanted := distinct(nums); len(wanted) > 0; { // twice: a gate has one parent and no more, but the tables may say otherwise
		if err := readGateRows(ctx, tx, wanted, func(g *ledger.GateRow) { read[g.Num] = g }); err != nil {
			return nil, err
		}
		wanted = nil
		for _, g := range read {
			if _, there := parent(g); g.ParentNum != 0 && !there {
				wanted = append(wanted, g.ParentNum)
			}
		}
	}
	var list []*ledger.GateRow
	for _, g := range read {
		if g.ParentNum != 0 {
			p, _ := parent(g)
			g.Parent = p.ID
		}
		list = append(list, g)
	}
	return list, nil
}

func readGateRows(ctx context.Context, tx *sqldb.Tx, nums []int64, each func(*ledger.GateRow)) error {
	found := 0
	var b sqldb.Batch
	b.Query("gates", `
		SELECT num, id, parent, shut, not_before_us, until_us, limited_until_us, limited_cap, device, version, meter
		FROM ledger_gates WHERE num IN (SELECT c0 FROM {set})`, sqldb.Set{nums}, func(r sqldb.Row) error {
		var g ledger.GateRow
		var id string
		var notBefore, until, limited, limitedCap int64
		var meter []byte
		err := r.Scan(&g.Num, &id, &g.ParentNum, &g.Shut, &notBefore, &until, &limited, &limitedCap, &g.Device, &g.Version, &meter)
		if err != nil {
			return err
		}
		g.ID, g.LimitedCap = ledger.GateID(id), money.Yen(limitedCap)
		g.NotBefore, g.Until, g.LimitedUntil = at(notBefore), at(until), at(limited)
		g.Meter, err = ledger.ParseMeter(meter)
		found++
		each(&g)
		return err
	})
	if err := tx.Run(ctx, &b); err != nil {
		return err
	}
	if found != len(nums) {
		return fmt.Errorf("ledgersql: %d of %d gates are missing", len(nums)-found, len(nums))
	}
	return nil
}

func readLimits(ctx context.Context, tx *sqldb.Tx, nums []int64, each func(*ledger.LimitRow)) error {
	var b sqldb.Batch
	b.Query("limits", `SELECT num, id, each, day, month, version, meter FROM ledger_limits WHERE num IN (SELECT c0 FROM {set})`,
		sqldb.Set{distinct(nums)}, func(r sqldb.Row) error {
			var l ledger.LimitRow
			var id string
			var most, day, month int64
			var meter []byte
			if err := r.Scan(&l.Num, &id, &most, &day, &month, &l.Version, &meter); err != nil {
				return err
			}
			l.ID, l.Each, l.Day, l.Month = ledger.LimitID(id), money.Yen(most), money.Yen(day), money.Yen(month)
			var err error
			l.Meter, err = ledger.ParseMeter(meter)
			each(&l)
			return err
		})
	return tx.Run(ctx, &b)
}
