package ledgersql_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/store/faultfs"
	"github.com/kozamori/kozamori/internal/store/storetest"
)

// outage is a load of books whose disk breaks meanwhile, and whose callers ask again with the same ids.
type outage struct {
	fs   *faultfs.FS
	b    *books
	said *said
	stop context.CancelFunc
	done chan error

	heard chan error // what callers hear
	lines chan int   // how many transfers were acknowledged, after each
}

func startOutage(t *testing.T) *outage {
	t.Helper()
	fs, path := watch(t)
	ctx, stop := context.WithCancel(t.Context())
	o := &outage{
		fs: fs, b: openAt(t, path), said: &said{fs: fs}, stop: stop,
		done: make(chan error, 1), heard: make(chan error), lines: make(chan int),
	}
	o.said.each = func(n int) { tell(ctx, o.lines, n) }
	go func() {
		o.done <- storetest.OutageLoad(ctx, o.b, "load", o.said, func(err error) { tell(ctx, o.heard, err) })
	}()
	return o
}

func tell[T any](ctx context.Context, to chan<- T, what T) {
	select {
	case to <- what:
	case <-ctx.Done():
	}
}

// acknowledged waits for so many further acknowledgements; nobody must hear an error meanwhile, unless some may.
func (o *outage) acknowledged(t *testing.T, n int, errorsToo bool) {
	t.Helper()
	for n > 0 {
		select {
		case <-o.lines:
			n--
		case err := <-o.heard:
			if !errorsToo {
				t.Errorf("a caller heard %v", err)
			}
		case err := <-o.done:
			t.Fatalf("the load has ended: %v", err)
		}
	}
}

// refused waits until so many callers have heard an error, and gives the last.
func (o *outage) refused(t *testing.T, n int) (last error) {
	t.Helper()
	for n > 0 {
		select {
		case <-o.lines:
		case last = <-o.heard:
			n--
		case err := <-o.done:
			t.Fatalf("the load has ended: %v", err)
		}
	}
	return last
}

// end stops the load and checks the books, as they are and as they would be if power were lost at any moment: a commit
// of which SQLite said that it failed may be there then, and its callers ask again.
func (o *outage) end(t *testing.T, rng *rand.Rand) {
	t.Helper()
	o.stop()
	if err := <-o.done; err != nil {
		t.Error(err)
	}
	goesOn(t, o.b, "after", o.said.by(o.fs.Now()))
	for range few(10) {
		at := rng.IntN(o.fs.Now() + 1)
		t.Run(fmt.Sprint("power lost after ", at), func(t *testing.T) {
			goesOn(t, openAt(t, imageOf(t, o.fs, at, rng)), "load", o.said.by(at))
		})
	}
}

// The disk is full, or mounted read-only, or answers nothing, in the middle of a commit. Callers hear that the books
// are unavailable and why; what they ask again with the same id is done once when the disk is well again, without a
// restart. What only reads goes on where the disk can be read.
func TestDiskBreaksUnderLoad(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  faultfs.Fault
		reason string
	}{
		{"full", faultfs.DiskFull, "disk is full"},
		{"read-only", faultfs.ReadOnly, "I/O error"}, // of a file that was opened for writing before
		{"failing", faultfs.IOError, "I/O error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(tt.fault)))
			o := startOutage(t)
			for range 2 { // twice: it may happen again
				o.acknowledged(t, 60, false)
				o.fs.Break(tt.fault, o.fs.Now()+rng.IntN(30))
				err := o.refused(t, 10)
				if fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), tt.reason) {
					t.Errorf("a caller heard %v", err)
				}
				if _, err := o.b.Account(t.Context(), "world"); err != nil && tt.fault != faultfs.IOError {
					t.Errorf("an account read meanwhile: %v", err)
				}
				o.fs.Mend()
				o.acknowledged(t, 60, true) // errors that were on their way
			}
			o.end(t, rng)
		})
	}
}

// Single reads, writes and syncs fail by chance, for a long time. Most are not even noticed: the ledger looks what
// became of its commit and tries again.
func TestDiskFailsByChance(t *testing.T) {
	for seed := range uint64(few(4)) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 0))
			o := startOutage(t)
			o.acknowledged(t, 20, false)
			o.fs.Flaky(rand.New(rand.NewPCG(seed, 1)), 150)
			for o.fs.Failed() < 20 {
				o.acknowledged(t, 10, true)
			}
			o.fs.Mend()
			o.acknowledged(t, 60, true)
			o.end(t, rng)
		})
	}
}

// Books that cannot be opened say so, and open once the disk is well: those that exist and new ones.
func TestDiskIsBrokenWhenBooksAreOpened(t *testing.T) {
	for name, broken := range map[string]faultfs.Fault{"full": faultfs.DiskFull, "read-only": faultfs.ReadOnly, "failing": faultfs.IOError} {
		t.Run(name, func(t *testing.T) {
			fs, path := watch(t)
			b, err := tryOpen(path)
			if err != nil {
				t.Fatal(err)
			}
			out := loadFor(t, fs, b, "load", fs.Now()+1000)
			if err := b.db.Close(); err != nil {
				t.Fatal(err)
			}
			for file, printed := range map[string]string{path: out.by(fs.Now()), filepath.Join(filepath.Dir(path), "new.db"): ""} {
				fs.Break(broken, fs.Now())
				b, err := tryOpen(file)
				if err == nil {
					err = b.db.Ready(t.Context()) // nothing had to be written yet
					err = errors.Join(err, b.db.Close())
				}
				if fault.Of(err) != fault.Unavailable {
					t.Errorf("%s: %v", filepath.Base(file), err)
				}
				fs.Mend()
				goesOn(t, openAt(t, file), "after", printed)
			}
		})
	}
}
