package ledgersql

import "github.com/kozamori/kozamori/internal/ledger"

// remembered is how much is remembered at most of each sort of row: rows, and of meters every few uses like a row. That
// is about 100 MB a sort.
const remembered = 200_000

// shelf remembers rows under their ids and numbers: when the young ones are half of what may be, they become the old
// ones, and the old ones go that nobody has changed or read anew meanwhile. The zero shelf is empty.
type shelf[ID comparable, R any] struct {
	young, old stock[ID, R]
}

type stock[ID comparable, R any] struct {
	byID   map[ID]weighed[R]
	byNum  map[int64]ID
	weight int // of all
}

type weighed[R any] struct {
	row    R
	weight int
}

func (s *shelf[ID, R]) get(id ID) (R, bool) {
	w, ok := s.young.byID[id]
	if !ok {
		w, ok = s.old.byID[id]
	}
	return w.row, ok
}

// of is get by the number.
func (s *shelf[ID, R]) of(num int64) (R, bool) {
	id, ok := s.young.byNum[num]
	if !ok {
		if id, ok = s.old.byNum[num]; !ok {
			var none R
			return none, false
		}
	}
	return s.get(id)
}

func (s *shelf[ID, R]) put(id ID, num int64, r R, weight int) {
	if s.young.weight >= remembered/2 {
		s.old, s.young = s.young, stock[ID, R]{}
	}
	if s.young.byID == nil {
		s.young = stock[ID, R]{byID: map[ID]weighed[R]{}, byNum: map[int64]ID{}}
	}
	s.young.weight += weight - s.young.byID[id].weight
	s.young.byID[id], s.young.byNum[num] = weighed[R]{r, weight}, id
}

// remember puts rows that are as of the head on their shelves.
func (s *Store) remember(accounts []*ledger.AccountRow, gates []*ledger.GateRow, limits []*ledger.LimitRow) {
	for _, a := range accounts {
		s.accounts.put(a.ID, a.Num, a, 1)
	}
	for _, g := range gates {
		s.gates.put(g.ID, g.Num, g, 1+g.Uses()/8)
	}
	for _, l := range limits {
		s.limits.put(l.ID, l.Num, l, 1+l.Uses()/8)
	}
}
