package audit

import "github.com/kozamori/kozamori/internal/money"

// Look is one look, without the second that tells a difference from a message on its way.
var Look = look

// Unreadable is what is said of a path that could not be read: to root, who runs some tests, nothing is forbidden.
var Unreadable = unreadable

// Meter is what the audit counts uses with.
type Meter = meter

// Count counts a use in windows of up to 30 days.
func (m *meter) Count(us int64, amount money.Yen) { m.count(us, amount, monthWindow) }

// GiveBack takes an amount back that was counted at a moment.
func (m *meter) GiveBack(us int64, amount money.Yen) { m.giveBack(us, amount) }

// In is what counts in the 24 hours and in the 30 days up to a moment.
func (m *meter) In(us int64) (day, month money.Yen) {
	return m.in(dayWindow, us), m.in(monthWindow, us)
}

// Stored is the meter as a column keeps it.
func (m *meter) Stored() []byte { return m.stored() }
