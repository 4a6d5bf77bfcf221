package ledgersql_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/store/faultfs"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/store/storetest"
)

// said is what a load printed, and after how many operations of the disk each line.
type said struct {
	mu    sync.Mutex
	fs    *faultfs.FS
	lines []string
	at    []int
	each  func(said int) // if set, called after each line
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	s.lines, s.at = append(s.lines, string(p)), append(s.at, s.fs.Now())
	n := len(s.lines)
	s.mu.Unlock()
	if s.each != nil {
		s.each(n)
	}
	return len(p), nil
}

// by is what had been printed when the disk had done so many operations.
func (s *said) by(operations int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for i, line := range s.lines {
		if s.at[i] <= operations {
			b.WriteString(line)
		}
	}
	return b.String()
}

// watch makes a folder with a disk under it, and a name for books in it.
func watch(t *testing.T) (*faultfs.FS, string) {
	t.Helper()
	dir := t.TempDir()
	fs, err := faultfs.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	return fs, filepath.Join(dir, "books.db")
}

// loadFor loads new books until the disk has done so many operations.
func loadFor(t *testing.T, fs *faultfs.FS, b storetest.Books, round string, operations int) *said {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out := &said{fs: fs, each: func(int) {
		if fs.Now() >= operations {
			stop()
		}
	}}
	if err := storetest.CrashLoad(ctx, b, round, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// imageOf lays down what a disk may hold that lost power after so many operations.
func imageOf(t *testing.T, fs *faultfs.FS, operations int, rng *rand.Rand) (path string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range fs.Image(operations, rng) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "books.db")
}

// whole asks SQLite whether a file is in order.
func whole(t *testing.T, b *books) {
	t.Helper()
	var answer string
	if err := b.db.Read().QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&answer); err != nil || answer != "ok" {
		t.Errorf("integrity: %s, %v", answer, err)
	}
}

// goesOn checks the books that a lost power left: SQLite finds them in order, they take new transfers, nothing that
// was acknowledged is lost and nothing is half there. The round of before asks for all of it again, with the same ids.
func goesOn(t *testing.T, b *books, round, printed string) {
	t.Helper()
	whole(t, b)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	enough := 4
	if strings.HasPrefix(printed, round+"/") {
		enough += strings.Count(printed, "\n")
	}
	var more bytes.Buffer
	out := writer(func(p []byte) (int, error) {
		if enough--; enough == 0 {
			stop()
		}
		return more.Write(p)
	})
	if err := storetest.CrashLoad(ctx, b, round, out); err != nil {
		t.Error(err)
	}
	printed += more.String()
	if n := storetest.CrashCheck(t, b, strings.NewReader(printed)); n != strings.Count(printed, "\n") {
		t.Errorf("%d acknowledgements were looked for of %d", n, strings.Count(printed, "\n"))
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// few is n, or a tenth of it in a short test, and at least 1.
func few(n int) int {
	if testing.Short() {
		return max(1, n/10)
	}
	return n
}

// fromEnv is a number of the environment, or another.
func fromEnv(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// Power is lost at random moments under load, every third time while a checkpoint writes to the file itself, and
// again while the books recover from it. POWER_POINTS=1000 tries so many moments of each of the loads instead of 30,
// POWER_SEED=n begins with that seed: what led to a failure is in the name of its subtest.
func TestPowerLoss(t *testing.T) {
	first := fromEnv("POWER_SEED", 1)
	for seed := first; seed < first+few(10); seed++ {
		rng := rand.New(rand.NewPCG(uint64(seed), 0))
		fs, path := watch(t)
		long := []int{500, 5000, 8000}[seed%3] // 5,000 operations bring the first checkpoint
		out := loadFor(t, fs, oftenChecked(t, openAt(t, path)), "load", long)
		checkpoints := fs.Writes("books.db")
		for point := range fromEnv("POWER_POINTS", few(30)) {
			at, chance := rng.IntN(fs.Now()+1), rng.Uint64()
			if point%3 == 0 {
				at = min(fs.Now(), checkpoints[rng.IntN(len(checkpoints))]+rng.IntN(3))
			}
			t.Run(fmt.Sprintf("seed %d after %d operations by chance %d", seed, at, chance), func(t *testing.T) {
				losePower(t, fs, at, rand.New(rand.NewPCG(chance, 1)), out.by(at))
			})
		}
	}
}

// oftenChecked makes checkpoints eight times as often as usual: they are what is tested, too.
func oftenChecked(t *testing.T, b *books) *books {
	t.Helper()
	err := b.db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.ExecContext(t.Context(), `PRAGMA wal_autocheckpoint(1000)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// losePower opens what is left, and every fourth time loses power again while that goes on.
func losePower(t *testing.T, fs *faultfs.FS, at int, rng *rand.Rand, printed string) {
	path := imageOf(t, fs, at, rng)
	if rng.IntN(4) > 0 {
		goesOn(t, openAt(t, path), "again", printed)
		return
	}
	second, err := faultfs.New(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	out := &said{fs: second}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out.each = func(said int) {
		if said > 10 {
			stop()
		}
	}
	if err := storetest.CrashLoad(ctx, openAt(t, path), "recovering", out); err != nil {
		t.Error(err)
	}
	at = rng.IntN(second.Now() + 1)
	goesOn(t, openAt(t, imageOf(t, second, at, rng)), "again", printed+out.by(at))
}

// The test of lost power would find it if commits were not synced: with synchronous=NORMAL and OFF the same load
// loses what it acknowledged, and with OFF files are destroyed.
func TestPowerLossIsNoticed(t *testing.T) {
	for _, level := range []struct {
		name, level string
		operations  int // only checkpoints can destroy a file
	}{{"OFF", "0", 8000}, {"NORMAL", "1", 2000}} {
		t.Run(level.name, func(t *testing.T) {
			fs, path := watch(t)
			fs.Synchronous(level.level)
			b := oftenChecked(t, openAt(t, path))
			ready := fs.Now()
			out := loadFor(t, fs, b, "load", ready+level.operations)
			rng := rand.New(rand.NewPCG(1, 2))
			lost, destroyed := 0, 0
			for try := 0; lost == 0 || destroyed == 0 && level.name == "OFF"; try++ {
				if try == 200 {
					t.Fatalf("%d transfers lost, %d files destroyed: the test of lost power has no teeth", lost, destroyed)
				}
				at := ready + rng.IntN(fs.Now()-ready)
				got, err := reopened(t, imageOf(t, fs, at, rng), out.by(at))
				lost += len(got)
				if err != nil {
					destroyed++
				}
			}
			if destroyed > 0 && level.name == "NORMAL" {
				t.Errorf("%d files were destroyed", destroyed)
			}
		})
	}
}

// reopened looks for what was acknowledged in what is left; an error is that of a file that cannot be opened or read.
func reopened(t *testing.T, path, printed string) (lost []string, err error) {
	b, err := tryOpen(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = b.db.Close() }()
	_, lost, err = storetest.CrashLost(t.Context(), b, strings.NewReader(printed))
	return lost, err
}

// counted counts, of the rows that were committed, those whose commit was on the disk when it was acknowledged: that
// had been written and then synced, with the names of the files.
type counted struct {
	storetest.Books
	fs     *faultfs.FS
	mu     sync.Mutex
	synced map[string]bool
}

func (c *counted) Commit(ctx context.Context, commit ledger.Commit) error {
	began := c.fs.Now()
	if err := c.Books.Commit(ctx, commit); err != nil {
		return err
	}
	writes, durable := c.fs.Since(began, "books.db-wal") // a checkpoint may be writing to the file itself
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range commit.Writes {
		if row, ok := w.(storetest.Row); ok {
			c.synced[string(row)] = writes > 0 && durable
		}
	}
	return nil
}

// Every acknowledgement had its sync: between the last write of its commit and the answer the file that was written
// to was synced. With synchronous=NORMAL few have: those
// whose commit happened to be followed by a checkpoint.
func TestEveryAcknowledgementHadItsSync(t *testing.T) {
	for level, want := range map[string]bool{"": true, "1": false} {
		fs, path := watch(t)
		fs.Synchronous(level)
		b := &counted{Books: openAt(t, path), fs: fs, synced: map[string]bool{}}
		out := loadFor(t, fs, b, "load", max(3000, few(10_000)))
		had := 0
		for _, line := range out.lines {
			if b.synced[strings.TrimSuffix(line, "\n")] {
				had++
			}
		}
		if all := len(out.lines); all < 100 || want && had != all || !want && had > all/2 {
			t.Errorf("synchronous=%q: of %d acknowledgements %d had their sync", level, all, had)
		}
	}
}
