package sqlitedb_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/store/sqlite/sqlitedb"
)

func source(name string, files ...string) sqlitedb.Source {
	fs := fstest.MapFS{}
	for i, up := range files {
		fs[fmt.Sprintf("migrations/%05d_%s.sql", i+1, name)] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + up + "\n")}
	}
	return sqlitedb.Source{Name: name, FS: fs}
}

var words = source("words", `CREATE TABLE words (w TEXT NOT NULL PRIMARY KEY, n INTEGER NOT NULL CHECK (n > 0)) STRICT;`)

// oddPath holds what would mean something in a URL.
func oddPath(t *testing.T) string { return filepath.Join(t.TempDir(), "a b?c#d%20&é銀.db") }

func open(t *testing.T, path string, sources ...sqlitedb.Source) *sqlitedb.DB {
	t.Helper()
	db, err := sqlitedb.Open(path, sources...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func add(ctx context.Context, db *sqlitedb.DB, w string, n int) error {
	return db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO words (w, n) VALUES (?1, ?2)`, w, n)
		return err
	})
}

func count(t *testing.T, db *sqlitedb.DB) (n int) {
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
	err := db.Write(t.Context(), func(tx *sql.Tx) error {
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
	path := oddPath(t)
	one := source("one", `CREATE TABLE one (x INTEGER);`)
	db, err := sqlitedb.OpenAsIs(path, one, words)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"one/00001_one.sql", "words/00001_words.sql"}
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
	if _, err := sqlitedb.Open(oddPath(t), source("bad", `CREATE TABEL bad;`)); err == nil {
		t.Error("a migration that is no SQL was applied")
	}
	if _, err := sqlitedb.Open(filepath.Join(t.TempDir(), "no", "such", "folder.db")); fault.Of(err) != fault.Unavailable {
		t.Errorf("no folder: %v", err)
	}
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
	db := open(t, oddPath(t), words)
	cause := errors.New("enough")
	err := db.Write(t.Context(), func(tx *sql.Tx) error {
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
		_ = db.Write(t.Context(), func(tx *sql.Tx) error {
			_, _ = tx.Exec(`INSERT INTO words (w, n) VALUES ('lost', 1)`)
			panic("a bug")
		})
	}()
	if err := add(t.Context(), db, "kept", 1); err != nil || count(t, db) != 1 {
		t.Errorf("after a panic: %v, %d rows", err, count(t, db))
	}
}

// Many writers wait for each other instead of failing, and a reader neither waits nor sees half a commit.
func TestConcurrency(t *testing.T) {
	db := open(t, oddPath(t), words)
	err := db.View(t.Context(), func(tx *sql.Tx) error {
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
}

func TestErrors(t *testing.T) {
	db := open(t, oddPath(t), words)
	if err := db.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if err := add(t.Context(), db, "a", 1); err != nil {
		t.Fatal(err)
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	closed := open(t, oddPath(t), words)
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
		{"a closed file", add(t.Context(), closed, "d", 1), true, false},
		{"a closed file, read", closed.View(t.Context(), func(*sql.Tx) error { return nil }), true, false},
	}
	for _, tt := range tests {
		if tt.err == nil || sqlitedb.OutOfOrder(tt.err) != tt.outOfOrder || sqlitedb.IsDuplicate(tt.err) != tt.duplicate {
			t.Errorf("%s: %v: out of order %v, duplicate %v", tt.name, tt.err, sqlitedb.OutOfOrder(tt.err), sqlitedb.IsDuplicate(tt.err))
		}
	}
	if err := closed.Ready(t.Context()); err == nil {
		t.Error("a closed file is ready")
	}
}

// A commit that a deferred constraint refuses is told apart from a statement that fails.
func TestFailingCommit(t *testing.T) {
	db := open(t, oddPath(t), source("family", `
		CREATE TABLE parents (id INTEGER PRIMARY KEY);
		CREATE TABLE children (parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED);`))
	err := db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO children (parent) VALUES (1)`)
		return err
	})
	if _, ok := errors.AsType[*sqlitedb.CommitError](err); !ok {
		t.Errorf("%v is no CommitError", err)
	}
	if err := db.Ready(t.Context()); err != nil {
		t.Errorf("after a failing commit: %v", err)
	}
}
