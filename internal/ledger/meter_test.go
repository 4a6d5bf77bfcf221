package ledger

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kozamori/kozamori/internal/money"
)

var meterStart = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// naive is a meter that forgets nothing.
type naive []use

func (n naive) sum(at time.Time, window time.Duration) (sum money.Yen) {
	for _, u := range n {
		if u.at > micros(at)-window.Microseconds() {
			sum += u.amount
		}
	}
	return sum
}

// A meter counts exactly what the true sliding window counts while there are few uses, and beyond that never less,
// and not more than a window that is longer by the grain.
func TestMeterIsNeverLooser(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Meter
		var all naive
		many := rapid.Bool().Draw(t, "many")
		count := rapid.IntRange(1, 60).Draw(t, "uses")
		step := 24 * 60
		if many {
			count, step = 400, rapid.IntRange(1, 240).Draw(t, "step")
		}
		at := meterStart
		for range count {
			at = at.Add(time.Duration(rapid.IntRange(0, step).Draw(t, "minutes")) * time.Minute)
			amount := money.Yen(rapid.IntRange(1, 1000).Draw(t, "yen"))
			m = m.add(at, amount, MonthWindow)
			all = append(all, use{micros(at), amount})
			if rapid.IntRange(0, 9).Draw(t, "give back") == 0 {
				i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
				m = m.take(time.UnixMicro(all[i].at).UTC(), all[i].amount)
				all = slices.Delete(slices.Clone(all), i, i+1)
			}
			ask := at.Add(time.Duration(rapid.IntRange(0, 40*24*60).Draw(t, "later")) * time.Minute)
			day, month := m.counted(ask, DayWindow), m.counted(ask, MonthWindow)
			switch {
			case day < all.sum(ask, DayWindow) || month < all.sum(ask, MonthWindow):
				t.Fatalf("looser: %d of %d in a day, %d of %d in a month", day, all.sum(ask, DayWindow), month, all.sum(ask, MonthWindow))
			case !many && (day > all.sum(ask, DayWindow) || month > all.sum(ask, MonthWindow)):
				t.Fatal("not exact with few uses")
			}
			// One given back after it was merged may leave a later one of its grain: twice the grain is safe.
			if most := all.sum(ask, DayWindow+2*DayGrain); day > most && at.Sub(meterStart) < DayWindow {
				t.Fatalf("%d in a day, and a window longer by the grain holds %d", day, most)
			}
			if most := all.sum(ask, MonthWindow+2*OldGrain); month > most {
				t.Fatalf("%d in a month, and a window longer by the grain holds %d", month, most)
			}
		}
		if len(m.uses) > ExactUses+2*(24*4*2)+31*4 {
			t.Fatalf("%d uses are kept", len(m.uses))
		}
		again, err := ParseMeter(m.Bytes())
		if err != nil || !slices.Equal(again.uses, m.uses) || again.forgotten != m.forgotten {
			t.Fatalf("read back: %v", err)
		}
	})
}

// A clock that goes back up to a day is judged by what was used since; one that goes back further finds nothing left.
func TestMeterWhenTheClockGoesBack(t *testing.T) {
	var m Meter
	for day := range 40 {
		m = m.add(meterStart.AddDate(0, 0, day), 1, MonthWindow)
	}
	last := meterStart.AddDate(0, 0, 39)
	for back, want := range map[time.Duration]money.Yen{0: 30, 23 * time.Hour: 31, 24 * time.Hour: 31, 25 * time.Hour: money.Max} {
		if got := m.counted(last.Add(-back), MonthWindow); got != want {
			t.Errorf("%v back: %d, want %d", back, got, want)
		}
	}
}

// What was booked while the clock had gone back counts as long as what was booked before: once the clock is right
// again, no true day has let more pass than the limit.
func TestMeterAfterTheClockWasSetRight(t *testing.T) {
	var m Meter
	m = m.add(meterStart, 600, MonthWindow)
	m = m.add(meterStart.Add(-25*time.Hour), 400, MonthWindow)
	for after, want := range map[time.Duration]money.Yen{time.Minute: 1000, 24*time.Hour - time.Second: 1000, 24 * time.Hour: 0} {
		if got := m.counted(meterStart.Add(after), DayWindow); got != want {
			t.Errorf("after %v: %d, want %d", after, got, want)
		}
	}
}

func FuzzParseMeter(f *testing.F) {
	f.Add(Meter{uses: []use{{1, 2}, {3, 4}}, forgotten: 5}.Bytes())
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMeter(b)
		if err != nil {
			return
		}
		again, err := ParseMeter(m.Bytes())
		if err != nil || !slices.Equal(again.uses, m.uses) || !bytes.Equal(again.Bytes(), m.Bytes()) {
			t.Errorf("%v reads as %+v, and that as %+v, %v", b, m, again, err)
		}
		m.counted(meterStart, MonthWindow)
	})
}

func FuzzParseNumbers(f *testing.F) {
	f.Add("12 34")
	f.Fuzz(func(t *testing.T, s string) {
		list, err := ParseNumbers(s)
		if err != nil {
			return
		}
		again, err := ParseNumbers(Numbers(list))
		if err != nil || !slices.Equal(list, again) {
			t.Errorf("%q: %v, %v, %v", s, list, again, err)
		}
	})
}

// Whatever stands in a row, reading it is a transfer or an error, never a panic.
func FuzzJournalTransfer(f *testing.F) {
	f.Add(int64(1), int64(1), `{"device":"x"}`)
	f.Add(int64(6), int64(2), `{"outcome":"frozen"}`)
	f.Fuzz(func(t *testing.T, act, legs int64, detail string) {
		j := Journal(func(seq int64) Entry {
			return Entry{Seq: seq, Act: Act(act), Legs: int(legs % 200), Detail: detail, ID: "x", Debit: 1, Credit: 2, Amount: 1}
		})
		row, err := j.Transfer(5, Fate{})
		if err == nil && row.ID != "x" {
			t.Errorf("%+v", row)
		}
		_, _ = j.Line(1, 5)
	})
}
