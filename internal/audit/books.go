package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kozamori/kozamori/internal/money"
)

// What a ledger holds.
type (
	account struct {
		num                 int64
		id, kind            string
		floor, ceiling      money.Yen
		balance             money.Yen
		heldOut, heldIn     money.Yen
		frozenIn, frozenOut bool
		closed              bool
	}

	transfer struct {
		num                           int64
		id, kind, gate, memo, outcome string
		hold                          bool
		limits                        []string
		atUs                          int64
		legs                          []leg
		end                           string // "", "posted", "voided"
		endUs                         int64
	}

	leg struct {
		debit, credit string
		amount        money.Yen
	}

	gate struct {
		num, parentNum                       int64
		id, parent, shut                     string
		notBeforeUs, untilUs, limitedUntilUs int64
		limitedCap                           money.Yen
		device                               string
		version                              int64
	}

	limit struct {
		num              int64
		id               string
		each, day, month money.Yen
		version          int64
	}

	use struct {
		id       string
		atUs     int64
		transfer string
		amount   money.Yen
	}
)

// books is one ledger: what its tables say, and what was found when they were worked out anew from its journal.
type books struct {
	accounts  map[string]account
	gates     map[string]gate
	limits    map[string]limit
	transfers map[string]*transfer // from the journal
	lines     int
	entries   int64
	named     int // transfers, refusals and tombstones
	found     finder
}

// done says that the transfer stands: it moved money, or holds it.
func (t *transfer) done() bool { return t.outcome == "done" }

// posted says that the transfer moved its legs.
func (t *transfer) posted() bool { return t.done() && (!t.hold || t.end == "posted") }

// key is the row of the journal that a transfer begins with.
func (t *transfer) key() string { return fmt.Sprintf("%d %s", t.num, t.id) }

func (t *transfer) sum() (sum money.Yen) {
	for _, l := range t.legs {
		sum += l.amount
	}
	return sum
}

// is says whether the transfer is exactly one leg of a kind.
func (t *transfer) is(kind, debit, credit string, amount money.Yen) bool {
	return t.done() && t.kind == kind && len(t.legs) == 1 && t.legs[0] == leg{debit, credit, amount}
}

func (t *transfer) String() string {
	if t == nil {
		return "none"
	}
	state := t.outcome
	if t.hold {
		state += " hold " + t.end
	}
	words := []string{t.kind, state}
	for _, l := range t.legs {
		words = append(words, fmt.Sprintf("%s → %s %s", l.debit, l.credit, l.amount))
	}
	return strings.Join(words, ", ")
}

// readBooks works a ledger out anew from its journal and compares its tables with that. most is what no
// configuration of the role may ever allow, where it is not zero; keep says whether transfers stay in memory.
func readBooks(r *reader, most limit, keep bool) *books {
	b := &books{accounts: map[string]account{}, transfers: map[string]*transfer{}, gates: map[string]gate{}, limits: map[string]limit{}}
	p := newReplay(r, &b.found, most)
	if keep {
		p.keep = func(t *transfer) { b.transfers[t.id] = t }
	}
	p.run()
	b.lines, b.entries, b.named = p.lines, p.last, p.transfers
	p.compare(b)
	return b
}

// check tells what was found.
func (b *books) check(f *finder) {
	for _, d := range b.found.found {
		d.Role = f.role
		f.note(d)
	}
	f.more += b.found.more
}

// sorted lists a map's values by their keys.
func sorted[V any](m map[string]V) []V {
	out := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}

// ofKind lists the transfers of a kind that were done, by id.
func (b *books) ofKind(kind string) []*transfer {
	return slices.DeleteFunc(sorted(b.transfers), func(t *transfer) bool { return t.kind != kind || !t.done() })
}

// sums are the balances by kind of account, largest first.
func (b *books) sums() []Total {
	by := map[string]money.Yen{}
	for _, a := range b.accounts {
		by[a.kind] += a.balance
	}
	var out []Total
	for kind, yen := range by {
		if yen != 0 {
			out = append(out, Total{kind, yen})
		}
	}
	slices.SortFunc(out, func(x, y Total) int { return cmp.Or(cmp.Compare(y.Yen, x.Yen), cmp.Compare(x.Kind, y.Kind)) })
	return out
}

// totals is what a report says of a ledger.
func (b *books) totals(role string, signatures int) Books {
	return Books{Role: role, Accounts: len(b.accounts), Transfers: b.named, Lines: b.lines, Signatures: signatures, Sums: b.sums()}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
