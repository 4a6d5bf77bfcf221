package sqldb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

func source(name string, files ...string) sqldb.Source {
	fs := fstest.MapFS{}
	for i, up := range files {
		fs[fmt.Sprintf("migrations/%05d_%s.sql", i+1, name)] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + up + "\n")}
	}
	return sqldb.Source{Name: name, FS: fs}
}

var words = source("words", `CREATE TABLE words (w TEXT NOT NULL PRIMARY KEY, n INTEGER NOT NULL CHECK (n > 0)) STRICT;`)

// oddPath holds what would mean something in a URL.
func oddPath(t *testing.T) string { return filepath.Join(t.TempDir(), "a b?c#d%20&é銀.db") }

func open(t *testing.T, path string, sources ...sqldb.Source) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(path, sources...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func add(ctx context.Context, db *sqldb.DB, w string, n int) error {
	return db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO words (w, n) VALUES ($1, $2)`, w, n)
		return err
	})
}

func count(t *testing.T, db *sqldb.DB) (n int) {
	t.Helper()
	if err := db.Read().QueryRowContext(t.Context(), `SELECT COUNT(*) FROM words`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// The promises of durability are settings of each connection.
func TestSettings(t *testing.T) {
	db := open(t, oddPath(t), words)
	got := map[string]string{}
	pragmas := []string{"journal_mode", "synchronous", "foreign_keys", "busy_timeout"}
	err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
		for _, p := range pragmas {
			var v string
			if err := tx.QueryRow(`PRAGMA ` + p).Scan(&v); err != nil {
				return err
			}
			got[p] = v
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMigrations(t *testing.T) {
	pgtest.Both(t, func(t *testing.T, place func() string) {
		path := place()
		if applied, err := sqldb.Applied(t.Context(), path); err != nil || len(applied) > 0 {
			t.Errorf("applied before: %v, %v", applied, err)
		}
		one := source("one", `CREATE TABLE one (x INTEGER);`)
		db, err := sqldb.OpenAsIs(path, one, words)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"one/00001_one.sql", "words/00001_words.sql"}
		if sqldb.IsPostgres(path) {
			want = append([]string{"fence/00001_fence.sql"}, want...)
		}
		pending, err := db.Pending(t.Context())
		if err != nil || !cmp.Equal(pending, want) {
			t.Errorf("pending: %v, %v", pending, err)
		}
		applied, err := db.Migrate(t.Context())
		if err != nil || !cmp.Equal(applied, want) {
			t.Errorf("applied: %v, %v", applied, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}

		// Each source counts by itself: one may grow while the other stays, whatever their order is now.
		db = open(t, path, words, source("one", `CREATE TABLE one (x INTEGER);`, `ALTER TABLE one ADD COLUMN y INTEGER;`))
		if pending, err := db.Pending(t.Context()); err != nil || len(pending) != 0 {
			t.Errorf("pending: %v, %v", pending, err)
		}
		if _, err := db.Read().Exec(`SELECT x, y FROM one`); err != nil {
			t.Error(err)
		}
		list, err := sqldb.Applied(t.Context(), path)
		want = []string{"one 1", "one 2", "words 1"}
		if sqldb.IsPostgres(path) {
			want = append([]string{"fence 1"}, want...)
		}
		if err != nil || !cmp.Equal(list, want) {
			t.Errorf("applied: %v, %v", list, err)
		}
		if _, err := sqldb.Open(place(), source("bad", `CREATE TABLET bad;`)); err == nil {
			t.Error("a migration that is no SQL was applied")
		}
	})
}

// Whoever else has an account on the machine reads no books: the file and what SQLite lays beside it are private,
// whatever the umask lets through.
func TestFilesArePrivate(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	path := oddPath(t)
	db := open(t, path, words)
	if err := add(t.Context(), db, "a", 1); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", filepath.Base(file), info, err)
		}
	}
}

func TestAllOrNothing(t *testing.T) {
	pgtest.Both(t, func(t *testing.T, place func() string) {
		db := open(t, place(), words)
		cause := errors.New("enough")
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			if _, err := tx.Exec(`INSERT INTO words (w, n) VALUES ('lost', 1)`); err != nil {
				return err
			}
			return cause
		})
		if !errors.Is(err, cause) || count(t, db) != 0 {
			t.Errorf("%v, %d rows", err, count(t, db))
		}
		func() {
			defer func() { _ = recover() }()
			_ = db.Write(t.Context(), func(tx *sqldb.Tx) error {
				_, _ = tx.Exec(`INSERT INTO words (w, n) VALUES ('lost', 1)`)
				panic("a bug")
			})
		}()
		if err := add(t.Context(), db, "kept", 1); err != nil || count(t, db) != 1 {
			t.Errorf("after a panic: %v, %d rows", err, count(t, db))
		}
	})
}

// Many writers wait for each other instead of failing, and a reader neither waits nor sees half a commit.
func TestConcurrency(t *testing.T) {
	pgtest.Both(t, func(t *testing.T, place func() string) {
		db := open(t, place(), words)
		err := db.View(t.Context(), func(tx *sqldb.Tx) error {
			var before, after int
			if err := tx.QueryRow(`SELECT COUNT(*) FROM words`).Scan(&before); err != nil {
				return err
			}
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Go(func() {
					if err := add(t.Context(), db, fmt.Sprint(i), 1); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if err := tx.QueryRow(`SELECT COUNT(*) FROM words`).Scan(&after); err != nil {
				return err
			}
			if before != 0 || after != 0 {
				t.Errorf("a view saw %d and then %d rows", before, after)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := count(t, db); n != 50 {
			t.Errorf("%d rows", n)
		}
		if _, err := db.Read().Exec(`DELETE FROM words`); err == nil {
			t.Error("a reading connection wrote")
		}
	})
}

func TestErrors(t *testing.T) {
	pgtest.Both(t, func(t *testing.T, place func() string) {
		db := open(t, place(), words)
		if err := db.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		if err := add(t.Context(), db, "a", 1); err != nil {
			t.Fatal(err)
		}
		ended, stop := context.WithCancel(t.Context())
		stop()
		closed := open(t, place(), words)
		if err := closed.Close(); err != nil {
			t.Fatal(err)
		}
		tests := []struct {
			name                  string
			err                   error
			outOfOrder, duplicate bool
		}{
			{"a key twice", add(t.Context(), db, "a", 1), false, true},
			{"a check", add(t.Context(), db, "b", 0), false, false},
			{"an ended context", add(ended, db, "c", 1), true, false},
			{"closed", add(t.Context(), closed, "d", 1), true, false},
			{"closed, read", closed.View(t.Context(), func(*sqldb.Tx) error { return nil }), true, false},
		}
		for _, tt := range tests {
			if tt.err == nil || sqldb.OutOfOrder(tt.err) != tt.outOfOrder || sqldb.IsDuplicate(tt.err) != tt.duplicate {
				t.Errorf("%s: %v: out of order %v, duplicate %v", tt.name, tt.err, sqldb.OutOfOrder(tt.err), sqldb.IsDuplicate(tt.err))
			}
		}
		if err := closed.Ready(t.Context()); err == nil {
			t.Error("closed is ready")
		}
	})
}

// A commit that a deferred constraint refuses is told apart from a statement that fails.
func TestFailingCommit(t *testing.T) {
	pgtest.Both(t, func(t *testing.T, place func() string) {
		db := open(t, place(), source("family", `
			CREATE TABLE parents (id INTEGER PRIMARY KEY);
			CREATE TABLE children (parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED);`))
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`INSERT INTO children (parent) VALUES (1)`)
			return err
		})
		if _, ok := errors.AsType[*sqldb.CommitError](err); !ok {
			t.Errorf("%v is no CommitError", err)
		}
		if err := db.Ready(t.Context()); err != nil {
			t.Errorf("after a failing commit: %v", err)
		}
	})
}

func TestNoFolder(t *testing.T) {
	if _, err := sqldb.Open(filepath.Join(t.TempDir(), "no", "such", "folder.db")); fault.Of(err) != fault.Unavailable {
		t.Errorf("no folder: %v", err)
	}
}

// The driver of one engine knows what the other's does not: every kind of argument and column that a role has means
// the same on both.
func TestValues(t *testing.T) {
	type named string
	type flag bool
	pgtest.Both(t, func(t *testing.T, place func() string) {
		db := open(t, place(), source("kinds", `CREATE TABLE kinds (
			id INTEGER PRIMARY KEY, yes INTEGER NOT NULL CHECK (yes IN (0, 1)), no INTEGER NOT NULL, word TEXT NOT NULL, raw BLOB, empty BLOB NOT NULL DEFAULT x'') STRICT;
			INSERT INTO kinds (yes, no, word, raw) VALUES (1, 0, 'x''INTEGER, TEXT', x'00ff');`))
		big := int64(1) << 60
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`INSERT INTO kinds (id, yes, no, word, raw, empty) VALUES ($6, $1, $2, $3, $4, $5)`,
				true, flag(false), named("銀行"), nil, []byte{}, big)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		type row struct {
			ID    int64
			Yes   bool
			No    bool
			Word  named
			Raw   []byte
			Empty int
		}
		rows, err := db.Read().Query(`SELECT id, yes, no, word, raw, length(empty) FROM kinds WHERE (yes > 0) = $1 ORDER BY id`, true)
		got, err := sqldb.List("kinds", rows, err, func(r sqldb.Row) (v row, err error) {
			return v, r.Scan(&v.ID, &v.Yes, &v.No, &v.Word, &v.Raw, &v.Empty)
		})
		want := []row{{1, true, false, "x'INTEGER, TEXT", []byte{0, 255}, 0}, {big, true, false, "銀行", nil, 0}}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v, %s", err, diff)
		}
		// Texts sort by their bytes.
		var first string
		if err := db.Read().QueryRow(`SELECT MIN(w) FROM (SELECT word AS w FROM kinds UNION ALL SELECT 'B' UNION ALL SELECT 'a') AS words`).Scan(&first); err != nil || first != "B" {
			t.Errorf("%q, %v", first, err)
		}
	})
}

// Two programs on the same tables write one after the other: what one has read stays true until it commits.
func TestOneWriter(t *testing.T) {
	pgtest.Both(t, func(t *testing.T, place func() string) {
		where := place()
		both := []*sqldb.DB{open(t, where, words), open(t, where, words)}
		if err := add(t.Context(), both[0], "n", 1); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				err := both[i%2].Write(t.Context(), func(tx *sqldb.Tx) error {
					var n int
					if err := tx.QueryRow(`SELECT n FROM words WHERE w = 'n'`).Scan(&n); err != nil {
						return err
					}
					_, err := tx.Exec(`UPDATE words SET n = $1 WHERE w = 'n'`, n+1)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		var n int
		if err := both[0].Read().QueryRow(`SELECT n FROM words`).Scan(&n); err != nil || n != 41 {
			t.Errorf("%d, %v", n, err)
		}
	})
}

// However much is written, the log of a file is brought into it and begins anew: it does not grow with what was written.
func TestLogDoesNotGrow(t *testing.T) {
	path := oddPath(t)
	db := open(t, path, words)
	long := strings.Repeat("x", 100_000)
	for n := range 2000 { // 200 MB in all
		err := db.Write(t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.Exec(`INSERT INTO words (w, n) VALUES ($1, 1) ON CONFLICT (w) DO UPDATE SET n = excluded.n`, fmt.Sprint(n%50, long))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path + "-wal")
	if err != nil || info.Size() > 100<<20 {
		t.Errorf("the log has %d MB, %v", info.Size()>>20, err)
	}
}
