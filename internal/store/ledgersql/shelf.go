package ledgersql

// shelf remembers rows under their ids and numbers, at most so many: when the young ones are half of that, they
// become the old ones, and the old ones that nobody has asked for meanwhile go. The zero shelf is empty.
type shelf[ID comparable, R any] struct {
	young, old stock[ID, R]
}

type stock[ID comparable, R any] struct {
	byID  map[ID]R
	byNum map[int64]ID
}

func (s *shelf[ID, R]) get(id ID) (R, bool) {
	if r, ok := s.young.byID[id]; ok {
		return r, true
	}
	r, ok := s.old.byID[id]
	return r, ok
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

func (s *shelf[ID, R]) put(id ID, num int64, r R) {
	if len(s.young.byID) >= remembered/2 {
		s.old, s.young = s.young, stock[ID, R]{}
	}
	if s.young.byID == nil {
		s.young = stock[ID, R]{byID: map[ID]R{}, byNum: map[int64]ID{}}
	}
	s.young.byID[id], s.young.byNum[num] = r, id
}

// remember puts rows on a shelf.
func remember[ID comparable, R any](s *shelf[ID, R], rows []R, name func(R) (ID, int64)) {
	for _, r := range rows {
		id, num := name(r)
		s.put(id, num, r)
	}
}
