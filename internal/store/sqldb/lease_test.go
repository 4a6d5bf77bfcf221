package sqldb_test

import (
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

func openLease(t *testing.T, place string) *sqldb.Lease {
	t.Helper()
	l, err := sqldb.OpenLease(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// A lease goes to one, who can be followed by another only if nothing was heard of it since; who has lost it learns so
// by its next beat and frees nothing.
func TestLease(t *testing.T) {
	place := pgtest.URL(t)
	if _, err := sqldb.OpenLease(t.Context(), place); fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), "run migrate first") {
		t.Errorf("without tables: %v", err)
	}
	db := open(t, place, words)
	a, b := openLease(t, place), openLease(t, place)
	read := func(want sqldb.Holder) sqldb.Holder {
		t.Helper()
		h, err := b.Read(t.Context())
		if err != nil || h.ID != want.ID || h.Address != want.Address {
			t.Errorf("%+v, %v, want %+v", h, err, want)
		}
		return h
	}
	did := func(what string, want bool) func(bool, error) {
		return func(got bool, err error) {
			t.Helper()
			if err != nil || got != want {
				t.Errorf("%s: %v, %v", what, got, err)
			}
		}
	}
	nobody, first, second := sqldb.Holder{}, sqldb.Holder{ID: "1", Address: "https://a"}, sqldb.Holder{ID: "2", Address: "https://b"}

	free := read(nobody)
	err := db.Write(t.Context(), func(*sqldb.Tx) error { // a writer holds nobody up
		did("a takes it", true)(a.Take(t.Context(), free, first))
		did("a is there", true)(a.Beat(t.Context(), "1"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	did("b saw it free, too late", false)(b.Take(t.Context(), free, second))
	did("b says it holds it", false)(b.Beat(t.Context(), "2"))
	seen := read(first)
	did("a is there", true)(a.Beat(t.Context(), "1"))
	did("b has seen an earlier beat", false)(b.Take(t.Context(), seen, second))
	did("b has seen the last beat", true)(b.Take(t.Context(), read(first), second))
	did("a wakes up", false)(a.Beat(t.Context(), "1"))
	if err := a.Free(t.Context(), "1"); err != nil {
		t.Error(err)
	}
	read(second)
	if err := b.Free(t.Context(), "2"); err != nil {
		t.Error(err)
	}
	read(nobody)
}
