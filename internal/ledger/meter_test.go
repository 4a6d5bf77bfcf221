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

// A meter counts exactly what the true sliding window counts while there are few uses and the clock only goes on, and
// beyond that never less, and not more than a window that is longer by the grain. Holds are given back at any age, also
// when their use was dropped long ago.
func TestMeterIsNeverLooser(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		longest := rapid.SampledFrom([]time.Duration{DayWindow, MonthWindow}).Draw(t, "longest window")
		var m Meter
		var all naive
		many := rapid.Bool().Draw(t, "many")
		backwards := rapid.IntRange(0, 2).Draw(t, "clock goes back") == 0
		count, step := rapid.IntRange(1, 100).Draw(t, "uses"), 24*60
		if many {
			count, step = 400, rapid.IntRange(1, 240).Draw(t, "step")
		}
		at, oldGivenBack := meterStart, false
		for range count {
			at = at.Add(time.Duration(rapid.IntRange(0, step).Draw(t, "minutes")) * time.Minute)
			now := at
			if backwards && rapid.IntRange(0, 9).Draw(t, "back") == 0 {
				now = at.Add(-time.Duration(rapid.IntRange(0, 40*24*60).Draw(t, "by")) * time.Minute)
			}
			amount := money.Yen(rapid.IntRange(1, 1000).Draw(t, "yen"))
			m = m.add(now, amount, longest)
			all = append(all, use{micros(now), amount})
			if rapid.IntRange(0, 4).Draw(t, "give back") == 0 {
				i := rapid.IntRange(0, len(all)-1).Draw(t, "which")
				oldGivenBack = oldGivenBack || all[i].at <= m.forgotten
				m = m.take(time.UnixMicro(all[i].at).UTC(), all[i].amount)
				all = slices.Delete(slices.Clone(all), i, i+1)
			}
			ask := at.Add(time.Duration(rapid.IntRange(0, 40*24*60).Draw(t, "later")) * time.Minute)
			for _, window := range []time.Duration{DayWindow, longest} {
				got, true1 := m.counted(ask, window), all.sum(ask, window)
				grain := 2 * OldGrain // one given back after it was merged may leave a later one of its grain
				switch {
				case got < true1:
					t.Fatalf("looser: %d of %d in %v", got, true1, window)
				case backwards || oldGivenBack:
				case !many && got > true1:
					t.Fatalf("not exact with few uses: %d of %d in %v", got, true1, window)
				case got > all.sum(ask, window+grain):
					t.Fatalf("%d in %v, and a window longer by the grain holds %d", got, window, all.sum(ask, window+grain))
				}
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

// A hold is voided long after its use was dropped for its age: what somebody used meanwhile stays used.
func TestLateVoidLoosensNothing(t *testing.T) {
	hold := func(id TransferID) Hold {
		return Hold{Move: Move{ID: id, Gate: "g", Limits: []LimitID{"l"}, Legs: []Leg{{"a", "b", 100}}}}
	}
	later := meterStart.Add(32 * 24 * time.Hour)
	open := func(id AccountID) Open { return Open{Account{ID: id, Floor: -10_000, Ceiling: 10_000}} }
	for _, end := range []Action{Void{"1"}, Post{"1", []money.Yen{1}}} {
		got, _ := Decide(NewState(), []Request{
			{At: meterStart, Do: open("a")}, {At: meterStart, Do: open("b")},
			{At: meterStart, Do: SetGate{Gate: Gate{ID: "g", LimitedUntil: later.AddDate(0, 1, 0), LimitedCap: 100}}},
			{At: meterStart, Do: SetLimit{Limit{ID: "l", Each: 100, Day: 100, Month: 100}}},
			{At: meterStart, Do: hold("1")},
			{At: later, Do: hold("2").Move},
			{At: later.Add(time.Minute), Do: end},
			{At: later.Add(2 * time.Minute), Do: with(hold("3").Move, func(m *Move) { m.Gate = "" })},
			{At: later.Add(2 * time.Minute), Do: with(hold("4").Move, func(m *Move) { m.Limits = nil })},
		})
		if got[6].Outcome != Done || got[7].Outcome != OverLimit || got[8].Outcome != GateLimited {
			t.Errorf("%+v: %+v, then %+v and %+v", end, got[6], got[7], got[8])
		}
	}
}

func with(m Move, change func(*Move)) Move {
	change(&m)
	return m
}

// The latest use is given back, the clock goes back by a day, and is set right: what was used meanwhile counts.
func TestGivenBackAndTheClockGoesBack(t *testing.T) {
	m := Meter{}.add(meterStart, 1, MonthWindow).take(meterStart, 1).add(meterStart.Add(-25*time.Hour), 400, MonthWindow)
	if got := m.counted(meterStart, DayWindow); got != 400 {
		t.Errorf("%d counted", got)
	}
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
