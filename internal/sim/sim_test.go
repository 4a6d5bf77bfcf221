package sim

import (
	"flag"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

var (
	seeds = flag.Int("sim.seeds", 0, "how many stories TestStories tells; 0: 200, or 24 with -short")
	from  = flag.Uint64("sim.from", 1, "its first seed")
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // many short lives
	// scs cleans a store in memory for each name of sessions, once for a process.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/alexedwards/scs/v2/memstore.(*MemStore).startCleanup"))
}

func openStage(t *testing.T, o Options) *Stage {
	t.Helper()
	o.Dir = t.TempDir()
	s, err := OpenStage(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Everything happens in them, and nothing of it breaks a promise. A seed that fails is told again by
// `kozamori sim --seed N`.
func TestStories(t *testing.T) {
	n := *seeds
	if n == 0 {
		n = 200
		if testing.Short() {
			n = 24
		}
	}
	sum := map[string]int{}
	err := openStage(t, Options{}).TellAll(t.Context(), *from, n, func(s Story) {
		if s.Failure != "" {
			t.Errorf("seed %d: %s\nrepeat it with: kozamori sim --seed %d", s.Seed, s.Failure, s.Seed)
		}
		for what, times := range s.Counts {
			sum[what] += times
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d stories: %v", n, sum)
	if n < 24 {
		return
	}
	for _, what := range []string{"booked", "done", "refused", "never", "reversed", "stops", "crashes", "requests_lost", "answers_lost", "doubled", "late", "links_made"} {
		if sum[what] == 0 {
			t.Errorf("%q never happened in %d stories", what, n)
		}
	}
}

// What is printed of a seed is enough to see it again: also in another process, whose keys are others.
func TestSameSeedSameStory(t *testing.T) {
	one, other := openStage(t, Options{}), openStage(t, Options{})
	for seed := range uint64(6) {
		a, err := one.Tell(t.Context(), seed)
		if err != nil {
			t.Fatal(err)
		}
		b, err := other.Tell(t.Context(), seed)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(a.Trace, b.Trace) {
			t.Errorf("seed %d: %s", seed, difference(a.Trace, b.Trace))
		}
	}
}

// difference is where two traces part.
func difference(a, b []string) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return fmt.Sprintf("from line %d on:\n%s\n---\n%s", i, strings.Join(a[i:min(len(a), i+3)], "\n"), strings.Join(b[i:min(len(b), i+3)], "\n"))
}
