package web

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/kozamori/kozamori/internal/fault"
)

func hashed(t *testing.T, password string, cost int) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func newTestStaff(t *testing.T) *Staff {
	t.Helper()
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	s, err := NewStaff([]StaffMember{{"hanako", hashed(t, "open sesame", bcrypt.MinCost)}}, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Nobody is locked out by strangers: wrong passwords count against the source they came from.
func TestStaffIsNotLockedOut(t *testing.T) {
	s := newTestStaff(t)
	for i := range 200 {
		if err := s.Check("hanako", "wrong", fmt.Sprintf("10.0.%d.1", i%20)); err == nil {
			t.Fatal("a wrong password stands")
		}
	}
	for range 100 {
		if err := s.Check("hanako", "open sesame", "192.0.2.7"); err != nil {
			t.Fatalf("the right one from its own source: %v", err)
		}
	}
}

func TestStaffGuessesAreHeldBack(t *testing.T) {
	s := newTestStaff(t)
	count := func(n int, name func(i int) string) (tried int) {
		for i := range n {
			switch err := s.Check(name(i), "wrong", "192.0.2.7"); fault.Of(err) {
			case fault.Unauthorised:
				tried++
			case fault.Busy:
			default:
				t.Fatal(err)
			}
		}
		return tried
	}
	if n := count(20, func(int) string { return "hanako" }); n != staffEachName {
		t.Errorf("%d guesses at one name", n)
	}
	s = newTestStaff(t)
	if n := count(100, func(i int) string { return fmt.Sprint("name", i) }); n != staffEachSource {
		t.Errorf("%d guesses by changing the name", n)
	}
	if err := s.Check("hanako", "open sesame", "192.0.2.7"); fault.Of(err) != fault.Busy {
		t.Errorf("past the budget of the source: %v", err)
	}
}

// However many sources guess at the same moment, few hashes are computed, nobody waits for long, and who was right
// lately is looked at before them all.
func TestStaffGuessesFloodNoProcessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStaff(t)
		s.now = time.Now
		const cost = 300 * time.Millisecond
		var running, most, hashed, busy atomic.Int32
		s.compare = func(hash, password []byte) error {
			hashed.Add(1)
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer running.Add(-1)
			time.Sleep(cost)
			return bcrypt.CompareHashAndPassword(hash, password)
		}
		const desk = "192.0.2.7"
		if err := s.Check("hanako", "open sesame", desk); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var all sync.WaitGroup
		for i := range 600 {
			all.Go(func() {
				switch err := s.Check("hanako", "wrong", fmt.Sprintf("10.0.%d.1", i%60)); fault.Of(err) {
				case fault.Busy:
					busy.Add(1)
				case fault.Unauthorised:
				default:
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		for range 3 {
			asked := time.Now()
			if err := s.Check("hanako", "open sesame", desk); err != nil || time.Since(asked) > cost {
				t.Errorf("from her desk: %v after %v", err, time.Since(asked))
			}
		}
		all.Wait()
		if took := time.Since(began); took > staffHashWait+cost {
			t.Errorf("somebody waited %v", took)
		}
		if most.Load() > staffHashes+1 || busy.Load() < 500 || busy.Load()+hashed.Load() != 604 {
			t.Errorf("%d hashes at the same moment, %d in all, %d were told to wait", most.Load(), hashed.Load(), busy.Load())
		}
		if err := s.Check("hanako", "open sesame", "10.0.59.1"); err != nil {
			t.Errorf("a right one after the flood, from a source whose guesses nobody looked at: %v", err)
		}
	})
}

// A name that is nobody's costs as much time as one that is somebody's.
func TestStaffCosts(t *testing.T) {
	for _, cost := range []int{bcrypt.MinCost, bcrypt.MinCost + 2} {
		s, err := NewStaff([]StaffMember{{"hanako", hashed(t, "x", cost)}}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := bcrypt.Cost(s.none); err != nil || got != cost {
			t.Errorf("a wrong name costs %d, a right one %d, %v", got, cost, err)
		}
		if err := s.Check("taro", "nobody", "192.0.2.7"); fault.Of(err) != fault.Unauthorised || s.Known("taro") || !s.Known("hanako") {
			t.Errorf("nobody signed in: %v", err)
		}
	}
	low, high := hashed(t, "x", bcrypt.MinCost), hashed(t, "x", bcrypt.MinCost+1)
	for what, members := range map[string][]StaffMember{
		"mixed costs":  {{"a", low}, {"b", high}},
		"a name twice": {{"a", low}, {"a", low}},
		"no name":      {{"", low}},
		"no hash":      {{"a", "secret"}},
		"a colon":      {{"a:b", low}},
	} {
		if _, err := NewStaff(members, time.Now); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}
