package hub

import (
	"time"

	"github.com/kozamori/kozamori/internal/id"
)

// State says what a service may do at a bank. The order is strictness: a later state forbids more.
type State int

// The states of a pair of service and bank.
const (
	Open       State = iota // everything
	NoNewLinks              // existing links go on; every request and activation is refused
	Stopped                 // new debits are refused besides
)

var stateNames = [...]string{"open", "no_new_links", "stopped"}

// String is the state's name in the API and the database.
func (s State) String() string { return stateNames[s] }

// ParseState reads a state's name.
func ParseState(name string) (State, bool) {
	for s, n := range stateNames {
		if n == name {
			return State(s), true
		}
	}
	return Open, false
}

// Every stands for all services or all banks in a suspension.
const Every = "*"

// Suspension is one entry of the matrix: who closed what, how far, when and why. Service or Issuer may be Every.
type Suspension struct {
	Service id.Service
	Issuer  id.Issuer
	State   State
	By      string // the staff member
	Why     string
	At      time.Time
}

// covers says whether the entry speaks of this pair.
func (s Suspension) covers(service id.Service, issuer id.Issuer) bool {
	return (s.Service == Every || s.Service == service) && (s.Issuer == Every || s.Issuer == issuer)
}

// Effective is the strictest state that any entry gives a pair, and that entry; the zero Suspension where it is open.
func Effective(entries []Suspension, service id.Service, issuer id.Issuer) Suspension {
	worst := Suspension{Service: service, Issuer: issuer}
	for _, e := range entries {
		if e.covers(service, issuer) && e.State > worst.State {
			worst = e
		}
	}
	return worst
}
