package ledgersql

import "testing"

// What is remembered is bounded by its weight, and what was put last is there.
func TestShelf(t *testing.T) {
	var s shelf[int, int64]
	for n := range 3 * remembered {
		s.put(n, int64(n), int64(n), 1+n%3)
		s.put(n, int64(n), int64(n), 1+n%3) // again: it weighs as before
		if r, ok := s.get(n); !ok || r != int64(n) {
			t.Fatalf("%d: %d, %v", n, r, ok)
		}
		if s.young.weight+s.old.weight > remembered+6 {
			t.Fatalf("%d is remembered", s.young.weight+s.old.weight)
		}
	}
	last := 3*remembered - 1
	if r, ok := s.of(int64(last - remembered/8)); !ok || r != int64(last-remembered/8) {
		t.Errorf("a young one: %d, %v", r, ok)
	}
	if _, ok := s.of(0); ok {
		t.Error("the oldest is still there")
	}
}
