package clock_test

import (
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
)

func TestMovableOnlyGoesForward(t *testing.T) {
	var m clock.Movable
	before := m.Now()
	if m.Forward(12*time.Hour) != 12*time.Hour || m.Forward(-time.Hour) != 12*time.Hour {
		t.Error("a negative step moved the clock")
	}
	if d := m.Now().Sub(before); d < 12*time.Hour || d > 13*time.Hour {
		t.Errorf("moved by %v", d)
	}
}

// TestDayIsJapanese: the day of the books changes at midnight in Japan, at 15:00 UTC.
func TestDayIsJapanese(t *testing.T) {
	for at, want := range map[string]string{
		"2020-08-31T14:59:59Z": "2020-08-31", "2020-08-31T15:00:00Z": "2020-09-01", "2026-12-31T23:00:00+09:00": "2026-12-31",
	} {
		moment, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := clock.Day(moment); got != want {
			t.Errorf("%s is %s", at, got)
		}
		if back := clock.FromMicros(clock.Micros(moment)); !back.Equal(moment) || back.Location() != time.UTC {
			t.Errorf("%v read back as %v", moment, back)
		}
	}
}
