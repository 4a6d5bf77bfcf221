package breaktest

import (
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/journey"
	"github.com/kozamori/kozamori/internal/money"
)

// TestThreeHundredThousandOverAMonthsEnd: 300,000 yen in the last days of a month, and as much again from the
// first of the next. A link takes 100,000 in 24 hours, so that it needs three days here; a whole 300,000 a day is
// tried against the bank's own limits by the bank's tests (TestMonthEnd). In 2020 the second half went through.
func TestThreeHundredThousandOverAMonthsEnd(t *testing.T) {
	s := ownStage(t)
	a := s.active(t, suruga)
	must(t, a.Join(t.Context(), sora))
	must(t, a.Link(t.Context(), sora))
	s.clock.Forward(untilActive)

	// Noon, three days before the end of a month in Japan.
	now := s.clock.Now().In(clock.Tokyo)
	first := time.Date(now.Year(), now.Month()+1, 1, 12, 0, 0, 0, clock.Tokyo)
	if first.AddDate(0, 0, -3).Before(now) {
		first = time.Date(now.Year(), now.Month()+2, 1, 12, 0, 0, 0, clock.Tokyo)
	}
	for day := -3; day <= -1; day++ {
		s.until(first.AddDate(0, 0, day).Add(time.Duration(day) * time.Hour)) // 25 hours apart
		s.hundredThousand(t, a)
	}
	s.left(t, a, suruga, 300_000)

	s.until(first)
	if got := clock.Day(s.clock.Now()); got != clock.Day(first) || first.Day() != 1 {
		t.Fatalf("it is %s", got)
	}
	must(t, a.Refused(t.Context(), maru, 50_000, "M1")) // the service's own limit: not one yen of the second 300,000
	s.left(t, a, suruga, 300_000)

	// Over the other service, which knows nothing of the first, the bank's limit over all services takes hold:
	// 500,000 in 30 days.
	for range 2 {
		s.chargeAt(t, a, 50_000, "booked")
		s.chargeAt(t, a, 50_000, "booked")
		s.clock.Forward(24*time.Hour + time.Minute)
	}
	s.left(t, a, suruga, 500_000)
	d := s.chargeAt(t, a, 50_000, "refused")
	if d.rule != "M1" {
		t.Errorf("refused under %q, want M1", d.rule)
	}
	s.left(t, a, suruga, 500_000)
	// The first days leave the window one after another.
	s.until(first.AddDate(0, 0, -3).Add(30 * 24 * time.Hour))
	s.chargeAt(t, a, 50_000, "booked")
	s.left(t, a, suruga, 550_000)
	s.audited(t)
}

// until moves the clock to a moment.
func (s *stage) until(at time.Time) { s.clock.Forward(at.Sub(s.clock.Now())) }

// hundredThousand charges まるペイ with twice 50,000.
func (s *stage) hundredThousand(t *testing.T, a *journey.Actor) {
	t.Helper()
	for range 2 {
		d, err := a.Charge(t.Context(), maru, 50_000)
		must(t, err)
		eventually(t, time.Minute, "the end of the charge", nil, func() bool { return len(walletBooks(t, s.dir, maru).open()) == 0 })
		if got := state(t, s.dir, suruga, maru, d); got != "done/booked" {
			t.Fatalf("the charge is %s", got)
		}
	}
}

// chargeAt charges そらウォレット and sees how the bank decided.
func (s *stage) chargeAt(t *testing.T, a *journey.Actor, amount money.Yen, outcome string) entry {
	t.Helper()
	d, err := a.Charge(t.Context(), sora, amount)
	must(t, err)
	eventually(t, time.Minute, "the end of the charge", nil, func() bool { return len(walletBooks(t, s.dir, sora).open()) == 0 })
	got := bankBooks(t, s.dir, suruga, sora).entries[d]
	if got.state != outcome {
		t.Fatalf("the charge of %d yen is %s %s at the bank, want %s", amount, got.state, got.rule, outcome)
	}
	return got
}
