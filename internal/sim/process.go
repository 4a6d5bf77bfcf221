package sim

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"

	"modernc.org/sqlite"
)

// errEnded is what a process that has ended hears of everything, and what a step in it comes to.
var errEnded = errors.New("sim: the process has ended")

// frame is something under way in a process: a step of the world, or a call that another role made. Only the frame on
// top runs; those below wait for it, in a call.
type frame struct {
	p    *process
	died chan struct{}
	once sync.Once
}

func (f *frame) die() { f.once.Do(func() { close(f.died) }) }

// top is the frame that runs.
func (w *World) top() *frame { return w.frames[len(w.frames)-1] }

// in runs something in a process until it returns or the process ends in the midst of it.
func (w *World) in(p *process, what func(ctx context.Context) error) error {
	f := &frame{p: p, died: make(chan struct{})}
	w.frames = append(w.frames, f)
	returned := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				returned <- fmt.Errorf("panic in %s: %v\n%s", p.role.name, r, debug.Stack())
			}
		}()
		returned <- what(p.ctx)
	}()
	var err error
	select {
	case err = <-returned:
	case <-f.died:
	}
	w.frames = w.frames[:len(w.frames)-1]
	if p.doomed {
		w.end(p, "after its commit")
	}
	if p.ended.Load() {
		return errEnded
	}
	if err != nil && strings.HasPrefix(err.Error(), "panic in ") {
		w.fail("%v", err)
	}
	return err
}

// end is kill -9: the process does nothing more, whatever it has in hand. Its files are as the last commit left them.
func (w *World) end(p *process, when string) {
	if p.ended.Swap(true) {
		return
	}
	p.cancel()
	if p.role.up == p {
		p.role.up = nil
	}
	w.note("  %s dies %s", p.role.name, when)
	w.count("crashes", 1)
	w.bury(p)
}

// bury closes the files of a process that has ended, beside what goes on: its ledger may still wait for them.
func (w *World) bury(p *process) {
	if p.close == nil {
		return
	}
	w.graves.Go(func() { _ = p.close() }) // it cannot commit, so it has nothing to lose
}

// endTop ends the process of the frame that runs, from within it.
func (w *World) endTop(p *process, when string) {
	w.end(p, when)
	w.top().die()
}

// committing is asked before each commit of a process, and says whether it may be. It may end the process before the
// commit, or doom it to end after: at whatever comes next that anybody could tell it by.
func (w *World) committing(p *process) bool {
	switch {
	case p.ended.Load():
		return false
	case p.doomed:
		w.endTop(p, "between two commits")
		return false
	}
	p.role.dirty = true
	if w.weather.crash == 0 || w.dice.Float64() >= w.weather.crash {
		return true
	}
	if w.dice.IntN(2) == 0 {
		w.endTop(p, "before a commit")
		return false
	}
	p.doomed = true
	return true
}

// rands is a process's randomness: the seed's, so that ids are the same again.
type rands struct {
	p *process
	w *World
}

func (r rands) Read(b []byte) (int, error) {
	if r.p.ended.Load() {
		return crand.Read(b)
	}
	return r.w.ids.Read(b)
}

// ways are the processes by the way on which they reach their files: DIR/process/7.
var ways sync.Map

// hookOnce lets every commit in a file of the simulation ask first. The hook is the driver's own, so it stands before
// each COMMIT that any role ever makes, and no role knows of it.
var hookOnce = sync.OnceFunc(func() {
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, dsn string) error {
		u, err := url.Parse(dsn)
		if err != nil {
			return nil // not an address of ours
		}
		path := u.Path
		w, p, ok := wayOf(path)
		if !ok {
			return nil
		}
		// Power loss is another test's: here a file need not outlive the machine.
		if _, err := conn.ExecContext(context.Background(), "PRAGMA synchronous = OFF", nil); err != nil {
			return err
		}
		if strings.HasSuffix(path, "/web.db") || u.Query().Get("_txlock") == "" {
			return nil // sessions: nothing that a step reads; or a connection that only reads
		}
		conn.(interface{ RegisterCommitHook(sqlite.CommitHookFn) }).RegisterCommitHook(func() int32 {
			if w.committing(p) {
				return 0
			}
			return 1
		})
		return nil
	})
})

// owner is a process in its world.
type owner struct {
	w *World
	p *process
}

func wayOf(path string) (*World, *process, bool) {
	i := strings.LastIndex(path, "/process/")
	if i < 0 {
		return nil, nil, false
	}
	n := strings.IndexByte(path[i+len("/process/"):], '/')
	if n < 0 {
		return nil, nil, false
	}
	o, ok := ways.Load(path[:i+len("/process/")+n])
	if !ok {
		return nil, nil, false
	}
	return o.(owner).w, o.(owner).p, true
}
