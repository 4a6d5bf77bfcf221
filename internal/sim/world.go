package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
)

// World is the three roles in one story: a clock that only the story moves, dice, a network, people.
type World struct {
	o     Options
	l     layout
	dice  *rand.Rand    // what happens
	ids   *rand.ChaCha8 // what the roles draw
	clock sync.Mutex
	now   time.Time

	roles     []*role
	people    []*person
	busy      *person // who does most of what happens, so that limits are met and things meet each other
	processes int
	frames    []*frame
	weather   weather
	parted    *role   // a bank that nobody reaches
	late      []*call // on the line, though their senders have given up
	graves    sync.WaitGroup

	depth   int // of what happens while something else is under way
	trace   []string
	counts  map[string]int
	failure string
	model   model
}

// Options say how stories are told.
type Options struct {
	Dir   string       // where worlds are made and removed again
	Steps int          // of each story; 0: DefaultSteps
	Keep  bool         // leaves the directory of a story for who wants to look
	Log   *slog.Logger // of the roles; nil: nowhere
	plant func(w *World, p *process)
}

// newWorld makes a world for one story. ids name the things in it: those of the stage are others than any story's.
func newWorld(o Options, l layout, seed uint64, ids [32]byte, at time.Time) *World {
	return &World{
		o: o, l: l, dice: rand.New(rand.NewPCG(seed, 0)), ids: rand.NewChaCha8(ids), now: at,
		roles: newRoles(), counts: map[string]int{}, model: newModel(),
	}
}

// tick is the time: a microsecond later at each look, so that what follows has a later time.
func (w *World) tick() time.Time {
	w.clock.Lock()
	defer w.clock.Unlock()
	w.now = w.now.Add(time.Microsecond)
	return w.now
}

// pass lets time go by.
func (w *World) pass(d time.Duration) {
	w.clock.Lock()
	defer w.clock.Unlock()
	w.now = w.now.Add(d)
}

func (w *World) time() time.Time {
	w.clock.Lock()
	defer w.clock.Unlock()
	return w.now
}

// note writes a line of the story.
func (w *World) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

func (w *World) count(what string, n int) { w.counts[what] += n }

// fail ends the story: something is not as it must be. The first failure stands.
func (w *World) fail(format string, args ...any) {
	if w.failure == "" {
		w.failure = fmt.Sprintf(format, args...)
		w.note("FAILED: %s", w.failure)
	}
}

// start starts a role's program. It may die at that, too.
func (w *World) start(r *role) error {
	p, way, err := w.newProcess(r)
	if err != nil {
		return err
	}
	ways.Store(way, owner{w, p})
	err = w.in(p, func(ctx context.Context) error { return w.openProcess(ctx, p, way) })
	switch {
	case errors.Is(err, errEnded):
		return nil
	case err != nil:
		return fmt.Errorf("%s does not start: %w", r.name, err)
	}
	r.up = p
	w.openMoments(p)
	if w.o.plant != nil {
		w.o.plant(w, p)
	}
	return nil
}

// startAll starts whoever is down.
func (w *World) startAll() {
	for _, r := range w.roles {
		for r.up == nil && w.failure == "" {
			if err := w.start(r); err != nil {
				w.fail("%v", err)
			}
		}
	}
}

// close ends all processes and removes what lies on the disk, when their ledgers have let go of it. It does not wait.
func (w *World) close(removed *sync.WaitGroup) {
	for _, r := range w.roles {
		if r.up != nil {
			r.up.ended.Store(true)
			r.up.cancel()
			w.bury(r.up)
		}
	}
	removed.Go(func() {
		w.graves.Wait()
		for n := 1; n <= w.processes; n++ {
			ways.Delete(w.l.path("process", fmt.Sprint(n)))
		}
		if !w.o.Keep {
			_ = os.RemoveAll(w.l.root)
		}
	})
}

// refusedOrLost says whether an error is one that a customer can be shown: the step is over, and the world goes on.
func refusedOrLost(err error) bool {
	switch fault.Of(err) {
	case fault.Internal:
		return false
	default:
		return true
	}
}
