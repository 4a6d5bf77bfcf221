package ledgersql_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/kozamori/kozamori/internal/audit"
	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/store/ledgersql"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engines are where books can be: each gives a place that no other test has.
var engines = map[string]func(testing.TB) string{
	"sqlite":   func(t testing.TB) string { return filepath.Join(t.TempDir(), "books ?#%.db") },
	"postgres": pgtest.URL,
}

// onEach runs a test on every engine.
func onEach(t *testing.T, f func(*testing.T, storetest.Open)) {
	for name, place := range engines {
		t.Run(name, func(t *testing.T) {
			f(t, func(t testing.TB) storetest.Books { return openAt(t, place(t)) })
		})
	}
}

// audited lets the audit work the books out anew: whatever was asked of the ledger, the two agree.
func audited(t testing.TB, where string) {
	t.Helper()
	r, err := audit.RunBooks(context.Background(), where, clock.System)
	if err != nil || !r.Agrees {
		t.Errorf("audit of %s: %v, %d differences, first %+v", sqldb.Name(where), err, len(r.Differences), r.Books)
		for _, d := range r.Differences[:min(20, len(r.Differences))] {
			t.Logf("%+v", d)
		}
	}
}

func TestLedger(t *testing.T) {
	for name, place := range engines {
		t.Run(name, func(t *testing.T) {
			storetest.RunLedger(t, func(t testing.TB) storetest.Books {
				where := place(t)
				b := openAt(t, where)
				t.Cleanup(func() { audited(t, where) })
				return b
			})
		})
	}
}

// suite is the tables of the suite's rows, as a role has tables of its own.
var suite = sqldb.Source{Name: "suite", FS: fstest.MapFS{"migrations/00001_suite.sql": {Data: []byte(`
-- +goose Up
CREATE TABLE suite_rows (n INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE suite_children (parent INTEGER NOT NULL REFERENCES suite_rows (n) DEFERRABLE INITIALLY DEFERRED) STRICT;
-- +goose Down
DROP TABLE suite_children;
DROP TABLE suite_rows;
`)}}}

// books are the ledger's tables and, as of a role, those of the suite's rows.
type books struct {
	*ledgersql.Store
	db *sqldb.DB
}

func openAt(t testing.TB, where string) *books {
	t.Helper()
	b, err := tryOpen(where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.db.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func tryOpen(where string) (*books, error) {
	db, err := sqldb.Open(where, ledgersql.Migrations(), suite)
	if err != nil {
		return nil, err
	}
	return &books{ledgersql.New(db, apply), db}, nil
}

func apply(ctx context.Context, tx *sqldb.Tx, writes []ledger.Write) error {
	for _, w := range writes {
		if w == orphan {
			if _, err := tx.ExecContext(ctx, `INSERT INTO suite_children (parent) VALUES (-1)`); err != nil {
				return err
			}
			continue
		}
		row, ok := w.(storetest.Row)
		if !ok || row == storetest.BadRow {
			return fmt.Errorf("no row: %v", w)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO suite_rows (word) VALUES ($1)`, string(row)); err != nil {
			return err
		}
	}
	return nil
}

// Rows implements storetest.Books.
func (b *books) Rows(ctx context.Context) ([]string, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT word FROM suite_rows ORDER BY n`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var w string
		if err := rows.Scan(&w); err != nil {
			return nil, err
		}
		list = append(list, w)
	}
	return list, rows.Err()
}

type child struct{}

// orphan is a row that only the COMMIT refuses.
var orphan = child{}

// A row that only the COMMIT refuses is the fault of its request alone, like any other.
func TestRefusedAtCommit(t *testing.T) {
	onEach(t, testRefusedAtCommit)
}

func testRefusedAtCommit(t *testing.T, open storetest.Open) {
	b := open(t)
	l := ledger.New(b, ledger.Options{})
	t.Cleanup(l.Close)
	note := func(w ledger.Write) ledger.Request {
		return ledger.Request{At: time.Unix(1, 0), Do: ledger.Note{}, Then: func(ledger.Result) []ledger.Write { return []ledger.Write{w} }}
	}
	if _, err := l.Submit(t.Context(), note(orphan)); fault.Of(err) != fault.Internal {
		t.Errorf("an orphan: %v", err)
	}
	if _, err := l.Submit(t.Context(), note(storetest.Row("fine"))); err != nil {
		t.Error(err)
	}
}

// What a role calls unavailable while its database is well is the fault of the rows: nobody else waits. So is
// a panic of the role.
func TestRoleFails(t *testing.T) {
	onEach(t, func(t *testing.T, open storetest.Open) { testRoleFails(t, open(t).(*books).db) })
}

func testRoleFails(t *testing.T, db *sqldb.DB) {
	for name, apply := range map[string]ledgersql.Apply{
		"unavailable": func(context.Context, *sqldb.Tx, []ledger.Write) error {
			return fault.New(fault.Unavailable, "role", errors.New("no"))
		},
		"panic":  func(context.Context, *sqldb.Tx, []ledger.Write) error { panic("a bug of the role") },
		"nobody": nil,
	} {
		s := ledgersql.New(db, apply)
		if _, err := s.Load(t.Context(), ledger.Names{}); err != nil {
			t.Fatal(err)
		}
		err := s.Commit(t.Context(), ledger.Commit{Token: "t", Changes: &ledger.Changes{}, Writes: []ledger.Write{1}})
		if err == nil || fault.Of(err) != fault.Internal {
			t.Errorf("%s: %v", name, err)
		}
		if st, err := s.Load(t.Context(), ledger.Names{}); err != nil || st.Head.Seq != 0 {
			t.Errorf("%s: %+v, %v", name, st, err)
		}
	}
}

// A row that this version cannot read fails those who name it, and nobody else.
func TestUnreadableRow(t *testing.T) {
	onEach(t, testUnreadableRow)
}

func testUnreadableRow(t *testing.T, open storetest.Open) {
	b := open(t).(*books)
	l := ledger.New(b, ledger.Options{})
	t.Cleanup(l.Close)
	bury := func(id ledger.TransferID) error {
		_, err := l.Submit(t.Context(), ledger.Request{At: time.Unix(1, 0), Do: ledger.Bury{ID: id}})
		return err
	}
	if err := bury("x"); err != nil {
		t.Fatal(err)
	}
	err := b.db.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE ledger_entries SET act = 99 WHERE id = 'x'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := bury(ledger.TransferID(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := bury("x"); fault.Of(err) != fault.Internal || err == nil {
				t.Errorf("x: %v", err)
			}
		})
	}
	wg.Wait()
}

// The database itself out of order is said so, in loading and in committing.
func TestClosedFile(t *testing.T) {
	onEach(t, testClosedFile)
}

func testClosedFile(t *testing.T, open storetest.Open) {
	b := open(t).(*books)
	if err := b.db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := b.Load(t.Context(), ledger.Names{})
	if fault.Of(err) != fault.Unavailable {
		t.Errorf("load: %v", err)
	}
	if err := b.Commit(t.Context(), ledger.Commit{Changes: &ledger.Changes{}}); fault.Of(err) != fault.Unavailable {
		t.Errorf("commit: %v", err)
	}
	if _, err := b.Account(t.Context(), "a"); fault.Of(err) != fault.Unavailable {
		t.Errorf("account: %v", err)
	}
}
