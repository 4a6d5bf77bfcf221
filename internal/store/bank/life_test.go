package bank

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/bank"
)

// What is forgotten is found by an index: with millions of rows that live on, forgetting none costs nothing.
func TestForgettingReadsNoWholeTable(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "money.db"), nil, bank.Chain{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, m := range mortals {
		for _, q := range m.deletions() {
			rows, err := s.db.Read().QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+q, 1, 1)
			plan, err := list("plan", rows, err, func(row scanner) (string, error) {
				var id, parent, unused int
				var detail string
				err := row.Scan(&id, &parent, &unused, &detail)
				return detail, err
			})
			if err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(plan, "; "); strings.Contains(all, "SCAN") || strings.Contains(all, "TEMP B-TREE") || !strings.Contains(all, "INDEX") {
				t.Errorf("%s: %s", q, all)
			}
		}
	}
}
