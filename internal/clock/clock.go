// Package clock tells the time to programs; rules are handed times and never read a clock.
package clock

import (
	"sync/atomic"
	"time"
)

// Now returns the present moment in UTC, to the microsecond.
type Now func() time.Time

// System is the machine's clock.
func System() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Movable is the machine's clock plus an offset that only grows: for dev and tests.
type Movable struct{ offset atomic.Int64 }

// Now is the machine's time plus the offset.
func (m *Movable) Now() time.Time { return System().Add(time.Duration(m.offset.Load())) }

// Forward moves the clock ahead and returns the whole offset; negative steps are ignored.
func (m *Movable) Forward(d time.Duration) time.Duration {
	if d < 0 {
		d = 0
	}
	return time.Duration(m.offset.Add(int64(d)))
}

// Set puts the offset, as read back after a restart.
func (m *Movable) Set(d time.Duration) { m.offset.Store(int64(d)) }

// Tokyo is the time zone of bank days and of dates that people read (UTC+9, no summer time).
var Tokyo = time.FixedZone("JST", 9*60*60)

// Day is the Japanese calendar date of a moment: "2020-08-31".
func Day(t time.Time) string { return t.In(Tokyo).Format(time.DateOnly) }

// Micros is a moment as microseconds since 1970 in UTC: the unit of every stored and sent time.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// FromMicros is the moment of a stored or sent time.
func FromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }
