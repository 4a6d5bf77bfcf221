package storetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// Memory is books that are gone when the program ends: an engine of the suite like the others, against which
// the rules are tested quickly, and which can be told to fail.
type Memory struct {
	mu       sync.Mutex
	head     ledger.Head
	entries  []ledger.Entry // entry n is at n-1
	closed   []moment       // per commit
	names    map[ledger.Key]int64
	accounts map[int64]*ledger.AccountRow
	gates    map[int64]*ledger.GateRow
	limits   map[int64]*ledger.LimitRow
	fates    map[int64]ledger.Fate
	pages    map[int64][]int64 // all lines of an account that stand in full pages
	rows     []string

	// Fail, if set, is asked before a commit. It may return an error; whether the commit takes effect
	// nevertheless is committed.
	Fail func(c ledger.Commit) (committed bool, err error)
}

// moment is a commit: the time of the books, and the last entry.
type moment struct {
	at   time.Time
	last int64
}

var _ Books = (*Memory)(nil)

// NewMemory makes empty books.
func NewMemory() *Memory {
	return &Memory{
		names: map[ledger.Key]int64{}, accounts: map[int64]*ledger.AccountRow{}, gates: map[int64]*ledger.GateRow{},
		limits: map[int64]*ledger.LimitRow{}, fates: map[int64]ledger.Fate{}, pages: map[int64][]int64{},
	}
}

// OpenMemory is an Open for the suite.
func OpenMemory(testing.TB) Books { return NewMemory() }

// journal reads entries; there is none with number 0.
func (m *Memory) journal(seq int64) ledger.Entry {
	if seq < 1 || seq > int64(len(m.entries)) {
		return ledger.Entry{}
	}
	return m.entries[seq-1]
}

func (m *Memory) transfer(id ledger.TransferID) *ledger.TransferRow {
	num, ok := m.names[ledger.KeyOf(id)]
	if !ok {
		return nil
	}
	t, err := ledger.Journal(m.journal).Transfer(num, m.fates[num])
	must(err == nil, "a transfer can be read")
	return t
}

// Load implements ledger.Store.
func (m *Memory) Load(_ context.Context, n ledger.Names) (*ledger.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	st := ledger.NewState()
	st.Head = m.head
	for _, id := range n.Transfers {
		t := m.transfer(id)
		if t == nil {
			continue
		}
		st.Transfers[id] = t
		for _, l := range t.Legs {
			n.Accounts = append(n.Accounts, l.Debit, l.Credit)
		}
		n.Gates, n.Limits = append(n.Gates, t.Gate), append(n.Limits, t.Limits...)
		if original := m.transfer(t.Refunds); original != nil {
			st.Transfers[t.Refunds] = original
		}
	}
	pick(m, st.Accounts, m.accounts, n.Accounts)
	pick(m, st.Limits, m.limits, n.Limits)
	pick(m, st.Gates, m.gates, n.Gates)
	for _, id := range n.Gates {
		if g, ok := st.Gates[id]; ok {
			pick(m, st.Gates, m.gates, []ledger.GateID{g.Parent})
		}
	}
	return st, nil
}

func pick[K ledger.AccountID | ledger.GateID | ledger.LimitID, V any](m *Memory, into map[K]*V, from map[int64]*V, ids []K) {
	for _, id := range ids {
		if v, ok := from[m.names[ledger.KeyOf(id)]]; ok {
			into[id] = v
		}
	}
}

// Commit implements ledger.Store. Rows are Row values.
func (m *Memory) Commit(_ context.Context, c ledger.Commit) error {
	if err := m.check(c); err != nil {
		return err
	}
	var fail error
	if m.Fail != nil { // it may take its time: who reads does not wait for it
		committed, err := m.Fail(c)
		if err != nil && !committed {
			return err
		}
		fail = err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.On != m.head {
		return ledger.ErrMoved
	}
	m.commit(c)
	return fail
}

// check says what is wrong with a commit.
func (m *Memory) check(c ledger.Commit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.On != m.head {
		return ledger.ErrMoved
	}
	for _, w := range c.Writes {
		if row, ok := w.(Row); !ok || row == BadRow || slices.Contains(m.rows, string(row)) {
			return fmt.Errorf("storetest: %v cannot be written", w)
		}
	}
	return nil
}

func (m *Memory) commit(c ledger.Commit) {
	was := m.head.Last
	m.head = ledger.Head{
		Seq: m.head.Seq + 1, Token: c.Token, Last: was + int64(len(c.Changes.Entries)), Closed: c.Changes.Closed,
	}
	must(!m.head.Closed.Before(c.On.Closed), "the time of the books does not go back")
	m.closed = append(m.closed, moment{m.head.Closed, m.head.Last})
	for _, w := range c.Writes {
		m.rows = append(m.rows, string(w.(Row)))
	}
	for i, e := range c.Changes.Entries {
		must(e.Seq == was+1+int64(i), "entries are numbered")
		m.entries = append(m.entries, e)
	}
	for _, n := range c.Changes.Names {
		_, there := m.names[n.Key]
		must(!there && n.Num > was, "a name is new")
		m.names[n.Key] = n.Num
	}
	for _, a := range slices.Concat(c.Changes.Accounts, c.Changes.Balances) {
		put(m.accounts, a.Num, a, was)
	}
	for _, g := range slices.Concat(c.Changes.Gates, c.Changes.Passed) {
		put(m.gates, g.Num, g, was)
	}
	for _, l := range slices.Concat(c.Changes.Limits, c.Changes.Used) {
		put(m.limits, l.Num, l, was)
	}
	for _, f := range c.Changes.Fates {
		m.fates[f.Num] = f
	}
	for _, p := range c.Changes.Pages {
		must(len(p.Lines) == ledger.PageLines, "a page is full")
		m.pages[p.Account] = append(m.pages[p.Account], p.Lines...)
	}
}

// put stores a row: a new one above the last entry of the commit before, otherwise one that is there.
func put[V any](rows map[int64]*V, num int64, row *V, was int64) {
	_, there := rows[num]
	must(there == (num <= was), "what is new has a new number")
	rows[num] = row
}

func must(ok bool, what string) {
	if !ok {
		panic("storetest: a commit breaks its promise: " + what)
	}
}

// find answers a reader.
func find[K ledger.AccountID | ledger.GateID | ledger.LimitID, V any](m *Memory, from map[int64]*V, id K) (V, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := from[m.names[ledger.KeyOf(id)]]; ok {
		return *v, nil
	}
	var none V
	return none, fault.New(fault.NotFound, "storetest", fmt.Errorf("no %q", id))
}

// Account implements ledger.Reader.
func (m *Memory) Account(_ context.Context, id ledger.AccountID) (ledger.Account, error) {
	row, err := find(m, m.accounts, id)
	return row.Account, err
}

// Gate implements ledger.Reader.
func (m *Memory) Gate(_ context.Context, id ledger.GateID) (ledger.Gate, error) {
	row, err := find(m, m.gates, id)
	return row.Gate, err
}

// Limit implements ledger.Reader.
func (m *Memory) Limit(_ context.Context, id ledger.LimitID) (ledger.Limit, error) {
	row, err := find(m, m.limits, id)
	return row.Limit, err
}

// Transfer implements ledger.Reader.
func (m *Memory) Transfer(_ context.Context, id ledger.TransferID) (ledger.Transfer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.transfer(id); t != nil {
		return t.Transfer, nil
	}
	return ledger.Transfer{}, fault.New(fault.NotFound, "storetest", fmt.Errorf("no %q", id))
}

// Usage implements ledger.Reader.
func (m *Memory) Usage(_ context.Context, id ledger.LimitID, at time.Time) (ledger.Usage, error) {
	row, err := find(m, m.limits, id)
	if err != nil {
		return ledger.Usage{}, nil //nolint:nilerr // nothing was used of what is not there
	}
	return row.Meter.Usage(at), nil
}

// Passed implements ledger.Reader.
func (m *Memory) Passed(_ context.Context, id ledger.GateID, at time.Time) (money.Yen, error) {
	row, err := find(m, m.gates, id)
	if err != nil {
		return 0, nil //nolint:nilerr // nothing passed what is not there
	}
	return row.Meter.Usage(at).Day, nil
}

// lines are all of an account, oldest first.
func (m *Memory) lines(id ledger.AccountID) (num int64, lines []int64) {
	num = m.names[ledger.KeyOf(id)]
	if a, ok := m.accounts[num]; ok {
		lines = append(slices.Clone(m.pages[num]), a.Tail...)
	}
	return num, lines
}

// History implements ledger.Reader.
func (m *Memory) History(_ context.Context, id ledger.AccountID, before int64, n int) ([]ledger.Line, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []ledger.Line
	num, lines := m.lines(id)
	for _, e := range slices.Backward(lines) {
		if (before == 0 || e < before) && len(list) < n {
			l, err := ledger.Journal(m.journal).Line(num, e)
			must(err == nil, "a line can be read")
			list = append(list, l)
		}
	}
	return list, nil
}

// BalanceAt implements ledger.Reader.
func (m *Memory) BalanceAt(_ context.Context, id ledger.AccountID, at time.Time) (money.Yen, error) {
	if _, err := m.Account(context.Background(), id); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var last int64
	for _, c := range m.closed {
		if !c.at.After(at) {
			last = c.last
		}
	}
	var balance money.Yen
	num, lines := m.lines(id)
	for _, e := range lines {
		if e <= last {
			balance = m.journal(e).After(num)
		}
	}
	return balance, nil
}

// Overdue implements ledger.Reader.
func (m *Memory) Overdue(_ context.Context, at time.Time, n int) ([]ledger.TransferID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var due []ledger.Fate
	for _, f := range m.fates {
		if f.End == "" && !f.Until.IsZero() && !f.Until.After(at) {
			due = append(due, f)
		}
	}
	slices.SortFunc(due, func(a, b ledger.Fate) int { return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.Num, b.Num)) })
	var ids []ledger.TransferID
	for _, f := range due[:min(n, len(due))] {
		ids = append(ids, ledger.TransferID(m.journal(f.Num).ID))
	}
	return ids, nil
}

// Rows implements Books.
func (m *Memory) Rows(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.rows), nil
}
