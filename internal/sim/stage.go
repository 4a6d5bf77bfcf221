package sim

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Stage is where every story begins: keys, accounts and links, made once by the roles themselves.
type Stage struct {
	o       Options
	l       layout
	people  []*person
	at      time.Time
	removed *sync.WaitGroup // of the directories of stories that are over
}

// began is the moment at which the world begins.
var began = time.Date(2027, 1, 4, 1, 0, 0, 0, time.UTC)

// OpenStage makes the stage below o.Dir.
func OpenStage(ctx context.Context, o Options) (*Stage, error) {
	hookOnce()
	s := &Stage{o: o, l: layout{filepath.Join(o.Dir, "stage")}, removed: &sync.WaitGroup{}}
	if err := s.l.makeKeys(began); err != nil {
		return nil, err
	}
	if err := s.l.migrate(ctx); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.l.path("process"), 0o700); err != nil {
		return nil, err
	}
	o.Keep, o.plant = true, nil
	w := newWorld(o, s.l, 0, sha256.Sum256([]byte("the stage")), began)
	w.startAll()
	if err := w.settle(); err != nil {
		return nil, fmt.Errorf("sim: the stage: %w", err)
	}
	if w.failure != "" {
		return nil, fmt.Errorf("sim: the stage: %s", w.failure)
	}
	s.people, s.at = w.people, w.now
	w.close(s.removed)
	s.removed.Wait()
	return s, nil
}

// TellAll tells the stories of n seeds from one on, a few beside each other, and hands each to done as it ends, never
// two at once.
func (s *Stage) TellAll(ctx context.Context, from uint64, n int, done func(Story)) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	var one sync.Mutex
	for seed := from; seed < from+uint64(n); seed++ {
		g.Go(func() error {
			story, err := s.Tell(ctx, seed)
			if err != nil {
				return err
			}
			one.Lock()
			defer one.Unlock()
			done(story)
			return nil
		})
	}
	return g.Wait()
}

// Close waits until the directories of the stories are gone, and removes the stage. Where stories are kept, so is it:
// their keys lie there.
func (s *Stage) Close() error {
	s.removed.Wait()
	if s.o.Keep {
		return nil
	}
	return os.RemoveAll(s.l.root)
}

// world is a copy of the stage for one story.
func (s *Stage) world(seed uint64) (*World, error) {
	l := layout{filepath.Join(s.o.Dir, fmt.Sprintf("seed-%d-%d", seed, nextCopy()))}
	if err := os.MkdirAll(l.path("process"), 0o700); err != nil {
		return nil, err
	}
	for _, dir := range []string{"keys", "register"} {
		if err := os.Symlink(s.l.path(dir), l.path(dir)); err != nil {
			return nil, err
		}
	}
	if err := os.CopyFS(l.path("data"), os.DirFS(s.l.path("data"))); err != nil {
		return nil, err
	}
	w := newWorld(s.o, l, seed, sha256.Sum256(fmt.Append(nil, "story ", seed)), s.at)
	w.adopt(s.people)
	return w, nil
}

// copies tells one copy of the stage from another of the same seed.
var copies struct {
	sync.Mutex
	n int
}

func nextCopy() int {
	copies.Lock()
	defer copies.Unlock()
	copies.n++
	return copies.n
}

// adopt lets the people of the stage live in a world, where their banks and services are this world's.
func (w *World) adopt(people []*person) {
	for _, was := range people {
		p := *was
		p.bank, p.purses = w.role(was.bank.name), nil
		for _, u := range was.purses {
			mine := *u
			mine.owner, mine.service, mine.links = &p, w.role(u.service.name), slices.Clone(u.links)
			p.purses = append(p.purses, &mine)
		}
		w.people = append(w.people, &p)
	}
}
