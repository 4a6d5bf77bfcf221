package bank

import (
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/store/pgtest"
)

// What is forgotten is found by an index: with millions of rows that live on, forgetting none costs nothing.
func TestForgettingReadsNoWholeTable(t *testing.T) { pgtest.Both(t, testForgettingReadsNoWholeTable) }

func testForgettingReadsNoWholeTable(t *testing.T, place func() string) {
	s, err := Open(place(), nil, bank.Chain{})
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
			plan := pgtest.Plan(t, s.db, strings.NewReplacer("$1", "1", "$2", "1").Replace(q))
			if strings.Contains(plan, "SCAN") || strings.Contains(plan, "SORT") || !strings.Contains(plan, "INDEX") {
				t.Errorf("%s: %s", q, plan)
			}
		}
	}
}
