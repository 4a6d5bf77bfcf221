package storetest

import (
	"context"
	"fmt"
	"maps"
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
	mu    sync.Mutex
	state *ledger.State // LimitUses and GateUses are not used: spent is
	spent []ledger.Spent
	lines []ledger.Line
	rows  []string

	// Fail, if set, is asked before a commit. It may return an error; whether the commit takes effect
	// nevertheless is committed.
	Fail func(c ledger.Commit) (committed bool, err error)
}

var _ Books = (*Memory)(nil)

// NewMemory makes empty books.
func NewMemory() *Memory { return &Memory{state: ledger.NewState()} }

// OpenMemory is an Open for the suite.
func OpenMemory(testing.TB) Books { return NewMemory() }

// Load implements ledger.Store.
func (m *Memory) Load(_ context.Context, n ledger.Names) (*ledger.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	st := ledger.NewState()
	st.Head = m.state.Head
	pick(st.Transfers, m.state.Transfers, n.Transfers)
	for _, t := range st.Transfers {
		for _, l := range t.Legs {
			pick(st.Accounts, m.state.Accounts, []ledger.AccountID{l.Debit, l.Credit})
		}
	}
	pick(st.Accounts, m.state.Accounts, n.Accounts)
	pick(st.Limits, m.state.Limits, n.Limits)
	pick(st.Gates, m.state.Gates, n.Gates)
	for _, g := range slices.Collect(maps.Values(st.Gates)) {
		pick(st.Gates, m.state.Gates, []ledger.GateID{g.Parent})
	}
	for _, s := range m.spent {
		if slices.Contains(n.Limits, s.Limit) && s.At.After(n.From.Add(-ledger.MonthWindow)) {
			st.LimitUses[s.Limit] = append(st.LimitUses[s.Limit], s.Use)
		}
		if slices.Contains(n.Gates, s.Gate) && s.At.After(n.From.Add(-ledger.DayWindow)) {
			st.GateUses[s.Gate] = append(st.GateUses[s.Gate], s.Use)
		}
	}
	return st, nil
}

func pick[K comparable, V any](into, from map[K]V, ids []K) {
	for _, id := range ids {
		if v, ok := from[id]; ok {
			into[id] = v
		}
	}
}

// Commit implements ledger.Store. Rows are Row values.
func (m *Memory) Commit(_ context.Context, c ledger.Commit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.On != m.state.Head {
		return ledger.ErrMoved
	}
	for i, w := range c.Writes {
		row, ok := w.(Row)
		if !ok || row == BadRow || slices.Contains(m.rows, string(row)) || slices.Contains(c.Writes[:i], w) {
			return fmt.Errorf("storetest: row %v cannot be written", w)
		}
	}
	var fail error
	if m.Fail != nil {
		committed, err := m.Fail(c)
		if err != nil && !committed {
			return err
		}
		fail = err
	}
	m.commit(c)
	return fail
}

func (m *Memory) commit(c ledger.Commit) {
	m.state.Head = ledger.Head{Seq: m.state.Head.Seq + 1, Token: c.Token}
	for _, w := range c.Writes {
		m.rows = append(m.rows, string(w.(Row)))
	}
	for _, a := range c.Changes.Accounts {
		must(m.state.Accounts[a.Now.ID].Version == a.Was, "account version")
		m.state.Accounts[a.Now.ID] = a.Now
	}
	for _, g := range c.Changes.Gates {
		must(m.state.Gates[g.Now.ID].Version == g.Was, "gate version")
		m.state.Gates[g.Now.ID] = g.Now
	}
	for _, l := range c.Changes.Limits {
		must(m.state.Limits[l.Now.ID].Version == l.Was, "limit version")
		m.state.Limits[l.Now.ID] = l.Now
	}
	for _, t := range c.Changes.Transfers {
		_, there := m.state.Transfers[t.ID]
		must(!there, "transfer is new")
		if t.Result.Outcome != ledger.Done {
			t.Legs = nil
		}
		m.state.Transfers[t.ID] = t
	}
	m.lines = append(m.lines, c.Changes.Lines...)
	m.spent = append(m.spent, c.Changes.Spent...)
	for _, t := range c.Changes.Ended {
		must(m.state.Transfers[t.ID].Open(), "hold is open")
		m.state.Transfers[t.ID] = t
		if t.End == ledger.Voided {
			m.spent = slices.DeleteFunc(m.spent, func(s ledger.Spent) bool { return s.Transfer == t.ID })
		}
	}
}

func must(ok bool, what string) {
	if !ok {
		panic("storetest: a commit breaks its promise: " + what)
	}
}

// find answers a reader.
func find[K ~string, V any](m *Memory, from map[K]V, id K) (V, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := from[id]
	if !ok {
		return v, fault.New(fault.NotFound, "storetest", fmt.Errorf("no %q", id))
	}
	return v, nil
}

// Account implements ledger.Reader.
func (m *Memory) Account(_ context.Context, id ledger.AccountID) (ledger.Account, error) {
	return find(m, m.state.Accounts, id)
}

// Gate implements ledger.Reader.
func (m *Memory) Gate(_ context.Context, id ledger.GateID) (ledger.Gate, error) {
	return find(m, m.state.Gates, id)
}

// Limit implements ledger.Reader.
func (m *Memory) Limit(_ context.Context, id ledger.LimitID) (ledger.Limit, error) {
	return find(m, m.state.Limits, id)
}

// Transfer implements ledger.Reader.
func (m *Memory) Transfer(_ context.Context, id ledger.TransferID) (ledger.Transfer, error) {
	return find(m, m.state.Transfers, id)
}

// Usage implements ledger.Reader.
func (m *Memory) Usage(_ context.Context, id ledger.LimitID, at time.Time) (ledger.Usage, error) {
	of := func(s ledger.Spent) bool { return s.Limit == id }
	return ledger.Usage{
		Day:   m.sum(of, at.Add(-ledger.DayWindow)),
		Month: m.sum(of, at.Add(-ledger.MonthWindow)),
	}, nil
}

// Passed implements ledger.Reader.
func (m *Memory) Passed(_ context.Context, id ledger.GateID, at time.Time) (money.Yen, error) {
	return m.sum(func(s ledger.Spent) bool { return s.Gate == id }, at.Add(-ledger.DayWindow)), nil
}

func (m *Memory) sum(of func(ledger.Spent) bool, after time.Time) (sum money.Yen) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.spent {
		if of(s) && s.At.After(after) {
			sum += s.Amount
		}
	}
	return sum
}

// History implements ledger.Reader.
func (m *Memory) History(_ context.Context, id ledger.AccountID, before int64, n int) ([]ledger.Line, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []ledger.Line
	for _, l := range slices.Backward(m.lines) {
		if l.Account == id && (before == 0 || l.N < before) && len(list) < n {
			l.Memo = m.state.Transfers[l.Transfer].Memo
			list = append(list, l)
		}
	}
	return list, nil
}

// Rows implements Books.
func (m *Memory) Rows(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.rows), nil
}
