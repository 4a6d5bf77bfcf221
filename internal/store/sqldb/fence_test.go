package sqldb_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

func lead(t *testing.T, db *sqldb.DB) {
	t.Helper()
	if err := db.Lead(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// lost says whether a DB has met the epoch of another.
func lost(db *sqldb.DB) bool {
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer stop()
	return errors.Is(db.Lost(ctx), sqldb.ErrFenced)
}

// Of several processes on the same tables the last that took them over writes; who never did (a tool) writes as ever.
func TestLastLeaderWrites(t *testing.T) {
	place := pgtest.URL(t)
	first, second, tool := open(t, place, words), open(t, place, words), open(t, place, words)
	lead(t, first)
	if err := add(t.Context(), first, "first", 1); err != nil {
		t.Fatal(err)
	}
	lead(t, second)
	for _, w := range []string{"late", "later"} {
		err := add(t.Context(), first, w, 1)
		if !errors.Is(err, sqldb.ErrFenced) || fault.Of(err) != fault.Unavailable || sqldb.OutOfOrder(err) {
			t.Errorf("the first writes on: %v", err)
		}
	}
	if err := first.Ready(t.Context()); !errors.Is(err, sqldb.ErrFenced) {
		t.Errorf("the first is ready: %v", err)
	}
	if !lost(first) || lost(second) || lost(tool) {
		t.Errorf("lost: first %v, second %v, tool %v", lost(first), lost(second), lost(tool))
	}
	for _, db := range []*sqldb.DB{second, tool, second} {
		if err := add(t.Context(), db, t.Name()+time.Now().String(), 1); err != nil {
			t.Error(err)
		}
	}
	lead(t, first) // as a process does that is started anew
	if err := add(t.Context(), second, "late", 1); !errors.Is(err, sqldb.ErrFenced) {
		t.Errorf("the second writes on: %v", err)
	}
	if n := count(t, tool); n != 4 {
		t.Errorf("%d rows", n)
	}
}

// A process that stands still in the middle of a transaction holds the others up for five seconds at most; when it
// wakes up its commit is refused, and so is all it tries afterwards. Before that, it is waited for.
func TestLateCommitIsRefused(t *testing.T) {
	place := pgtest.URL(t)
	paused, next := open(t, place, words), open(t, place, words)
	lead(t, paused)
	err := paused.Write(t.Context(), func(tx *sqldb.Tx) error {
		if _, err := tx.Exec(`INSERT INTO words (w, n) VALUES ('late', 1)`); err != nil {
			return err
		}
		lead(t, next) // waits until the server has ended the transaction
		return add(t.Context(), next, "next", 1)
	})
	if _, ok := errors.AsType[*sqldb.CommitError](err); !ok || !sqldb.OutOfOrder(err) {
		t.Errorf("the late commit: %v", err)
	}
	if err := add(t.Context(), paused, "later", 1); !errors.Is(err, sqldb.ErrFenced) {
		t.Errorf("a later one: %v", err)
	}
	if n := count(t, next); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// A SQLite file belongs to one process: to lead it is to open it.
func TestLeadOfAFile(t *testing.T) {
	db := open(t, oddPath(t), words)
	lead(t, db)
	if err := add(t.Context(), db, "a", 1); err != nil || lost(db) {
		t.Error(err)
	}
}
