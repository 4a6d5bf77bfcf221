package audit

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kozamori/kozamori/internal/money"
)

// The rows of a ledger, as they are stored.
type (
	account struct {
		id, kind            string
		floor, ceiling      money.Yen
		balance             money.Yen
		heldOut, heldIn     money.Yen
		frozenIn, frozenOut bool
		version             int64
	}

	transfer struct {
		id, kind, gate, device, memo, outcome string
		hold, final                           bool
		limits                                []string
		digest                                []byte
		atUs                                  int64
		legs                                  []leg
		end                                   string // "", "posted", "voided"
		endUs                                 int64
	}

	leg struct {
		debit, credit string
		amount        money.Yen
	}

	line struct {
		account               string
		n                     int64
		transfer, kind, other string
		amount, balance       money.Yen
		atUs                  int64
	}

	gate struct {
		id, parent, shut                     string
		notBeforeUs, untilUs, limitedUntilUs int64
		limitedCap                           money.Yen
		device                               string
		version                              int64
	}

	limit struct {
		id               string
		each, day, month money.Yen
		version          int64
	}

	use struct {
		meter, id string
		atUs      int64
		transfer  string
		amount    money.Yen
	}
)

// books is one ledger in memory.
type books struct {
	accounts  map[string]account
	transfers map[string]*transfer
	lines     []line // by account, then n
	gates     map[string]gate
	limits    map[string]limit
	uses      []use
	orphans   []string // legs and ends of no transfer
}

// done says that the transfer stands: it moved money, or holds it.
func (t *transfer) done() bool { return t.outcome == "done" }

// posted says that the transfer moved its legs.
func (t *transfer) posted() bool { return t.done() && (!t.hold || t.end == "posted") }

// open says that the transfer is a hold without an end.
func (t *transfer) open() bool { return t.done() && t.hold && t.end == "" }

// bookedUs is when the legs were moved.
func (t *transfer) bookedUs() int64 {
	if t.hold {
		return t.endUs
	}
	return t.atUs
}

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

// readBooks reads the ledger's tables of a file.
func readBooks(r *reader) *books {
	b := &books{accounts: map[string]account{}, transfers: map[string]*transfer{}, gates: map[string]gate{}, limits: map[string]limit{}}
	each(r, `SELECT id, kind, floor, ceiling, balance, held_out, held_in, frozen_in, frozen_out, version FROM ledger_accounts`,
		func(a *account) []any {
			return []any{&a.id, &a.kind, &a.floor, &a.ceiling, &a.balance, &a.heldOut, &a.heldIn, &a.frozenIn, &a.frozenOut, &a.version}
		}, func(a account) { b.accounts[a.id] = a })
	readTransfers(r, b)
	b.lines = list(r, `SELECT account, n, transfer, kind, other, amount, balance, at_us FROM ledger_lines ORDER BY account, n`,
		func(l *line) []any {
			return []any{&l.account, &l.n, &l.transfer, &l.kind, &l.other, &l.amount, &l.balance, &l.atUs}
		})
	each(r, `SELECT id, parent, shut, not_before_us, until_us, limited_until_us, limited_cap, device, version FROM ledger_gates`,
		func(g *gate) []any {
			return []any{&g.id, &g.parent, &g.shut, &g.notBeforeUs, &g.untilUs, &g.limitedUntilUs, &g.limitedCap, &g.device, &g.version}
		}, func(g gate) { b.gates[g.id] = g })
	each(r, `SELECT id, each, day, month, version FROM ledger_limits`,
		func(l *limit) []any { return []any{&l.id, &l.each, &l.day, &l.month, &l.version} },
		func(l limit) { b.limits[l.id] = l })
	b.uses = list(r, `SELECT meter, id, at_us, transfer, amount FROM ledger_uses`,
		func(u *use) []any { return []any{&u.meter, &u.id, &u.atUs, &u.transfer, &u.amount} })
	return b
}

func readTransfers(r *reader, b *books) {
	type row struct {
		transfer
		limits string
	}
	each(r, `SELECT id, is_hold, kind, gate, device, limits, memo, is_final, digest, at_us, outcome FROM ledger_transfers`,
		func(t *row) []any {
			return []any{&t.id, &t.hold, &t.kind, &t.gate, &t.device, &t.limits, &t.memo, &t.final, &t.digest, &t.atUs, &t.outcome}
		}, func(t row) {
			if err := json.Unmarshal([]byte(t.limits), &t.transfer.limits); err != nil && r.err == nil {
				r.err = fmt.Errorf("limits of transfer %s: %w", t.id, err)
			}
			b.transfers[t.id] = &t.transfer
		})
	type legRow struct {
		leg
		of string
	}
	each(r, `SELECT transfer, debit, credit, amount FROM ledger_legs ORDER BY transfer, n`,
		func(l *legRow) []any { return []any{&l.of, &l.debit, &l.credit, &l.amount} }, func(l legRow) {
			if t := b.transfers[l.of]; t != nil {
				t.legs = append(t.legs, l.leg)
			} else {
				b.orphans = append(b.orphans, "ledger_legs "+l.of)
			}
		})
	type endRow struct {
		of, how string
		atUs    int64
	}
	each(r, `SELECT transfer, how, at_us FROM ledger_ends`,
		func(e *endRow) []any { return []any{&e.of, &e.how, &e.atUs} }, func(e endRow) {
			if t := b.transfers[e.of]; t != nil {
				t.end, t.endUs = e.how, e.atUs
			} else {
				b.orphans = append(b.orphans, "ledger_ends "+e.of)
			}
		})
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
	return Books{Role: role, Accounts: len(b.accounts), Transfers: len(b.transfers), Lines: len(b.lines), Signatures: signatures, Sums: b.sums()}
}

// fingerprint is the digest of what was asked for, as the ledger stores it beside a transfer: SHA-256 over
// words with their lengths and numbers, all lengths and numbers as 8 bytes, big endian.
func (t *transfer) fingerprint() [sha256.Size]byte {
	var text []byte
	number := func(n uint64) { text = binary.BigEndian.AppendUint64(text, n) }
	word := func(s string) { number(uint64(len(s))); text = append(text, s...) }
	word("kozamori ledger 1")
	if t.hold {
		word("hold")
	} else {
		word("move")
	}
	word(t.kind)
	word(t.gate)
	word(t.memo)
	number(uint64(len(t.legs)))
	for _, l := range t.legs {
		word(l.debit)
		word(l.credit)
		number(uint64(l.amount))
	}
	for _, l := range slices.Compact(slices.Sorted(slices.Values(t.limits))) {
		word(l)
	}
	return sha256.Sum256(text)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
