package web

import (
	"errors"
	"fmt"
	"strings"
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

// Staff checks the passwords of a role's staff. It is safe for concurrent use.
type Staff struct {
	hashes  map[string][]byte
	none    []byte // compared where the name is unknown, of the same cost as the others
	sources *Limiter
	names   *Limiter
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
	s := &Staff{hashes: map[string][]byte{}, none: none,
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
// is fault.Unauthorised; too many wrong ones from a source are fault.Busy, before any hash is computed. A right one
// costs nothing of the budget.
func (s *Staff) Check(name, password, source string) error {
	pair := source + " " + name
	if !s.sources.Allow(source) || !s.names.Allow(pair) {
		return fault.New(fault.Busy, "web.Staff", errors.New("too many wrong passwords from this source"))
	}
	hash, known := s.hashes[name]
	if !known {
		hash = s.none
	}
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil || !known {
		return fault.New(fault.Unauthorised, "web.Staff", nil)
	}
	s.sources.giveBack(source)
	s.names.giveBack(pair)
	return nil
}
