package audit

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/money"
)

// meter is what was used of a limit or passed a gate, by the rule of docs/books.md: every use that a window may still
// see, and beyond a number of them those of one stretch of time as one, as young as the youngest.
type meter struct {
	uses        []counted // oldest first
	forgottenUs int64
}

type counted struct {
	atUs   int64
	amount money.Yen
}

// The figures of the rule.
const (
	dayWindow, monthWindow = 24 * time.Hour, 30 * 24 * time.Hour
	exactUses              = 128
	dayGrain, oldGrain     = 15 * time.Minute, 6 * time.Hour
	slack                  = 24 * time.Hour
)

// in is what counts in the window that ends at a moment.
func (m *meter) in(window time.Duration, us int64) (sum money.Yen) {
	begin := us - window.Microseconds()
	if m.forgottenUs > begin {
		return money.Max
	}
	for _, u := range m.uses {
		if u.atUs > begin {
			sum = min(money.Max, sum+u.amount)
		}
	}
	return sum
}

// count adds a use at a moment, or at that of the latest use where that is later; no window of this meter is longer
// than longest.
func (m *meter) count(us int64, amount money.Yen, longest time.Duration) {
	newest := us
	if n := len(m.uses); n > 0 {
		newest = max(newest, m.uses[n-1].atUs)
		if m.uses[n-1].amount == 0 {
			m.uses = m.uses[:n-1]
		}
	}
	m.uses = append(m.uses, counted{newest, amount})
	gone := 0
	for m.uses[gone].atUs <= newest-(longest+slack).Microseconds() {
		m.forgottenUs = max(m.forgottenUs, m.uses[gone].atUs)
		gone++
	}
	m.uses = slices.Delete(m.uses, 0, gone)
	if len(m.uses) > exactUses {
		m.join(newest - (dayWindow + slack).Microseconds())
	}
}

// join makes the uses of one stretch one: of a quarter of an hour after a moment, of six hours up to it.
func (m *meter) join(recentUs int64) {
	stretch := func(u counted) [2]int64 {
		if u.atUs > recentUs {
			return [2]int64{1, u.atUs / dayGrain.Microseconds()}
		}
		return [2]int64{0, u.atUs / oldGrain.Microseconds()}
	}
	joined := []counted{m.uses[0]}
	for _, u := range m.uses[1:] {
		if last := &joined[len(joined)-1]; stretch(*last) == stretch(u) {
			last.atUs, last.amount = u.atUs, min(money.Max, last.amount+u.amount)
		} else {
			joined = append(joined, u)
		}
	}
	m.uses = joined
}

// giveBack takes an amount off the first uses from a moment on, unless uses of that moment are forgotten. The last use
// stays, of nothing if need be.
func (m *meter) giveBack(us int64, amount money.Yen) {
	if us <= m.forgottenUs {
		return
	}
	for i := range m.uses {
		if u := &m.uses[i]; u.atUs >= us {
			part := min(amount, u.amount)
			u.amount, amount = u.amount-part, amount-part
		}
	}
	last := len(m.uses) - 1
	m.uses = append(slices.DeleteFunc(slices.Clone(m.uses[:max(0, last)]), func(u counted) bool { return u.amount == 0 }), m.uses[max(0, last):]...)
}

// stored is the meter as a column keeps it.
func (m *meter) stored() []byte {
	if len(m.uses) == 0 && m.forgottenUs == 0 {
		return []byte{}
	}
	b := binary.AppendVarint(nil, m.forgottenUs)
	was := int64(0)
	for _, u := range m.uses {
		b = binary.AppendVarint(binary.AppendVarint(b, u.atUs-was), int64(u.amount))
		was = u.atUs
	}
	return b
}

// meterText shows a meter that a column keeps.
func meterText(b []byte) string {
	if len(b) == 0 {
		return "nothing"
	}
	var n []int64
	for len(b) > 0 {
		v, size := binary.Varint(b)
		if size <= 0 {
			return "what is no meter"
		}
		n, b = append(n, v), b[size:]
	}
	var sum, last int64
	for i := 1; i+1 < len(n); i += 2 {
		last += n[i]
		sum = min(math.MaxInt64/2, sum+n[i+1])
	}
	return fmt.Sprintf("%d uses, together %d yen, the last %s, forgotten up to %d", len(n)/2, sum, clock.FromMicros(last).Format(time.RFC3339Nano), n[0])
}
