package ledger

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/money"
)

// The lengths of the rolling windows. A use counts at a moment as long as it is younger than the window,
// one from the future too: a clock that jumps back must not loosen a limit.
const (
	DayWindow   = 24 * time.Hour
	MonthWindow = 30 * 24 * time.Hour
)

// How exact a Meter is. Beyond ExactUses uses in memory, those of one quarter of an hour (of six hours, where
// they are older than two days) count as one, as long as the youngest of them: a limit may then open up to
// that much late, and never early.
const (
	ExactUses = 128
	DayGrain  = 15 * time.Minute
	OldGrain  = 6 * time.Hour
	Slack     = 24 * time.Hour // how far a clock may go back before everything is refused
)

// Meter is what was used of a limit or gate: exact, or stricter than the true sliding window, never looser. It
// is a value: its methods leave the one they are called on as it was.
type Meter struct {
	uses      []use // oldest first; the youngest may be of nothing, others not
	forgotten int64 // microseconds: the latest moment of those dropped for their age; 0 for none
}

// use is an amount that counts from a moment (microseconds) on.
type use struct {
	at     int64
	amount money.Yen
}

// Usage is what counts against a limit at a moment.
func (m Meter) Usage(at time.Time) Usage {
	return Usage{Day: m.counted(at, DayWindow), Month: m.counted(at, MonthWindow)}
}

// Uses is how many uses it keeps: what it weighs in memory.
func (m Meter) Uses() int { return len(m.uses) }

// counted sums the uses that count at a moment. Where one that was dropped would count again, because the clock
// went back further than Slack, nothing is left to spend: it is money.Max, where the sum stops growing.
func (m Meter) counted(at time.Time, window time.Duration) money.Yen {
	from := micros(at) - window.Microseconds()
	if m.forgotten > from {
		return money.Max
	}
	var sum money.Yen
	for _, u := range slices.Backward(m.uses) {
		if u.at <= from {
			break
		}
		sum = min(money.Max, sum+u.amount)
	}
	return sum
}

// add counts an amount from a moment on, or from the latest use on where that is later: what a clock that had gone
// back dated too early must not leave the window too early either. It drops what no window up to longest can see any
// more.
func (m Meter) add(at time.Time, amount money.Yen, longest time.Duration) Meter {
	newest, was := micros(at), m.uses
	if n := len(was); n > 0 {
		newest = max(newest, was[n-1].at)
		if was[n-1].amount == 0 {
			was = was[:n-1]
		}
	}
	uses := append(slices.Clip(was), use{newest, amount})
	for end := newest - (longest + Slack).Microseconds(); uses[0].at <= end; uses = uses[1:] {
		m.forgotten = max(m.forgotten, uses[0].at)
	}
	if len(uses) > ExactUses {
		uses = merge(uses, newest)
	}
	m.uses = uses
	return m
}

// merge joins neighbours of one grain into the later of them, in place.
func merge(uses []use, newest int64) []use {
	recent := newest - (DayWindow + Slack).Microseconds()
	grain := func(at int64) int64 {
		if at > recent {
			return at / DayGrain.Microseconds()
		}
		return -1 - at/OldGrain.Microseconds() // apart from every grain of a recent one
	}
	out := uses[:1]
	for _, u := range uses[1:] {
		if last := &out[len(out)-1]; grain(last.at) == grain(u.at) {
			last.at, last.amount = u.at, min(money.Max, last.amount+u.amount)
		} else {
			out = append(out, u)
		}
	}
	return out
}

// take gives back an amount that was added at a moment: from the oldest uses that may hold it, as it may have been
// dated or merged later than that. What was added so early that it may have been dropped is gone with it: what is
// left is somebody else's. The youngest use stays where nothing is left of it, so that its date does.
func (m Meter) take(at time.Time, amount money.Yen) Meter {
	from := micros(at)
	if from <= m.forgotten {
		return m
	}
	uses := make([]use, 0, len(m.uses))
	for i, u := range m.uses {
		if u.at >= from {
			part := min(amount, u.amount)
			amount -= part
			u.amount -= part
		}
		if u.amount > 0 || i == len(m.uses)-1 {
			uses = append(uses, u)
		}
	}
	m.uses = uses
	return m
}

// Bytes is the meter as a column keeps it: varints of the forgotten moment, then of each use, oldest first, the
// microseconds since the one before and the yen. An empty meter is no bytes.
func (m Meter) Bytes() []byte {
	if len(m.uses) == 0 && m.forgotten == 0 {
		return []byte{}
	}
	b := binary.AppendVarint(make([]byte, 0, 10+12*len(m.uses)), m.forgotten)
	was := int64(0)
	for _, u := range m.uses {
		b = binary.AppendVarint(b, u.at-was)
		b = binary.AppendVarint(b, int64(u.amount))
		was = u.at
	}
	return b
}

var errMeter = errors.New("ledger: a meter that cannot be read")

// ParseMeter is Bytes backwards.
func ParseMeter(b []byte) (Meter, error) {
	var m Meter
	if len(b) == 0 {
		return m, nil
	}
	var ok bool
	if m.forgotten, b, ok = nonNegative(b, lastMicros); !ok {
		return Meter{}, errMeter
	}
	for at := int64(0); len(b) > 0; {
		var since, amount int64
		var ok1, ok2 bool
		since, b, ok1 = nonNegative(b, lastMicros-at)
		amount, b, ok2 = nonNegative(b, int64(money.Max))
		if at += since; !ok1 || !ok2 || at == 0 || amount == 0 && len(b) > 0 {
			return Meter{}, errMeter
		}
		m.uses = append(m.uses, use{at, money.Yen(amount)})
	}
	return m, nil
}

// lastMicros is the end of the year 9999.
var lastMicros = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC).UnixMicro()

// nonNegative reads a varint of 0 to most from the front of b.
func nonNegative(b []byte, most int64) (n int64, rest []byte, ok bool) {
	n, size := binary.Varint(b)
	if size <= 0 || n < 0 || n > most {
		return 0, nil, false
	}
	return n, b[size:], true
}
