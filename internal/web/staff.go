package web

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
)

// StaffMember is somebody who may sign in with a password.
type StaffMember struct {
	Name         string
	PasswordHash string // bcrypt
}

// The bounds of wrong passwords. They hold for a source alone, and for a name from one source: were they kept
// for a name from everywhere, anybody could lock a member of staff out.
const (
	staffEachSource = 30
	staffSourceWait = 5 * time.Second
	staffEachName   = 10
	staffNameWait   = 20 * time.Second
)

// However many sources ask, few passwords are hashed at the same moment, for a hash is made to cost time. A name from a
// source where it was right lately has a place of its own, so that a flood does not keep staff from the stop.
const (
	staffHashes   = 2
	staffHashWait = 2 * time.Second // for a place; then fault.Busy
	staffLately   = 12 * time.Hour
)

// Staff checks the passwords of a role's staff. It is safe for concurrent use.
type Staff struct {
	hashes  map[string][]byte
	none    []byte // compared where the name is unknown, of the same cost as the others
	sources *Limiter
	names   *Limiter
	now     clock.Now
	compare func(hash, password []byte) error // bcrypt's

	places chan struct{} // taken while a hash is computed
	known  chan struct{} // the same, for who was right lately
	mu     sync.Mutex
	right  map[string]time.Time // by source and name, when it was right last: as few as staff's own desks
}

// StaffCost is the bcrypt cost of all the hashes. Costs that differ are an error, for the time of an answer would
// tell names apart; so are a name that stands twice or that no sign-in can carry, no name, and what is no hash. The
// error names all of them.
func StaffCost(members []StaffMember) (int, error) {
	cost := 0
	seen := map[string]bool{}
	var errs []error
	for i, m := range members {
		wrong := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("%d, %q: "+format, append([]any{i + 1, m.Name}, args...)...))
		}
		c, err := bcrypt.Cost([]byte(m.PasswordHash))
		switch {
		case err != nil:
			wrong("password_hash is not bcrypt; `password hash` makes one")
		case cost != 0 && c != cost:
			wrong("password_hash has cost %d, others have %d: make them all of one cost", c, cost)
		default:
			cost = c
		}
		if m.Name == "" || seen[m.Name] || strings.Contains(m.Name, ":") {
			wrong("each needs a name of its own, without colon")
		}
		seen[m.Name] = true
	}
	if cost == 0 {
		cost = bcrypt.DefaultCost
	}
	return cost, errors.Join(errs...)
}

// NewStaff takes the members of the configuration; what StaffCost refuses is an error.
func NewStaff(members []StaffMember, now clock.Now) (*Staff, error) {
	cost, err := StaffCost(members)
	if err != nil {
		return nil, fmt.Errorf("staff: %w", err)
	}
	none, err := bcrypt.GenerateFromPassword([]byte("nobody"), cost)
	if err != nil {
		return nil, fmt.Errorf("staff: %w", err)
	}
	s := &Staff{hashes: map[string][]byte{}, none: none, now: now, compare: bcrypt.CompareHashAndPassword,
		places: make(chan struct{}, staffHashes), known: make(chan struct{}, 1), right: map[string]time.Time{},
		sources: NewLimiter(staffSourceWait, staffEachSource, 10_000, now),
		names:   NewLimiter(staffNameWait, staffEachName, 10_000, now)}
	for _, m := range members {
		s.hashes[m.Name] = []byte(m.PasswordHash)
	}
	return s, nil
}

// Known says whether a name is a member of staff's.
func (s *Staff) Known(name string) bool {
	_, ok := s.hashes[name]
	return ok
}

// Check says whether a password is the name's; source is the Source of the request. A wrong one, or a wrong name,
// is fault.Unauthorised; too many wrong ones from a source, or too many at the same moment from all, are fault.Busy,
// before any hash is computed. A right one costs nothing of the budget, nor does one that nobody looked at.
func (s *Staff) Check(name, password, source string) error {
	pair := source + " " + name
	if !s.sources.Allow(source) || !s.names.Allow(pair) {
		return fault.New(fault.Busy, "web.Staff", errors.New("too many wrong passwords from this source"))
	}
	place := s.place(pair)
	if place == nil {
		s.giveBack(source, pair)
		return fault.New(fault.Busy, "web.Staff", errors.New("too many passwords at the same moment"))
	}
	defer func() { <-place }()
	hash, known := s.hashes[name]
	if !known {
		hash = s.none
	}
	if s.compare(hash, []byte(password)) != nil || !known {
		return fault.New(fault.Unauthorised, "web.Staff", nil)
	}
	s.giveBack(source, pair)
	s.remember(pair)
	return nil
}

func (s *Staff) giveBack(source, pair string) {
	s.sources.giveBack(source)
	s.names.giveBack(pair)
}

// place waits for a place where a hash may be computed: the channel to take it back from, nil for none in time.
func (s *Staff) place(pair string) chan struct{} {
	var known chan struct{} // nil: nobody ever gets a place there
	if s.rightLately(pair) {
		known = s.known
	}
	late := time.NewTimer(staffHashWait)
	defer late.Stop()
	select {
	case known <- struct{}{}:
		return known
	case s.places <- struct{}{}:
		return s.places
	case <-late.C:
		return nil
	}
}

func (s *Staff) rightLately(pair string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.right[pair]
	return ok && s.now().Before(at.Add(staffLately))
}

// remember keeps that a password was right, and forgets those of long ago.
func (s *Staff) remember(pair string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	maps.DeleteFunc(s.right, func(_ string, at time.Time) bool { return !now.Before(at.Add(staffLately)) })
	s.right[pair] = now
}
