package dev

import (
	"slices"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/store/hub"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// Every role of a world has schemas of its own, and every world has, where its URL names it.
func TestSchemasOfAWorld(t *testing.T) {
	banks, err := tenants()
	if err != nil {
		t.Fatal(err)
	}
	all := schemas("postgres://db/dev", banks)
	for _, want := range []string{"hub", "hub_web", "wallet_maru", "wallet_sora_web", "bank_0149", "bank_0149_web"} {
		if !slices.Contains(all, "postgres://db/dev?search_path="+want) {
			t.Errorf("no %s", want)
		}
	}
	mine := schemas("postgres://db/dev?search_path=mine", banks)
	if !slices.Contains(mine, "postgres://db/dev?search_path=mine_bank_0149_web") {
		t.Errorf("%q", mine)
	}
	slices.Sort(all)
	if n := len(slices.Compact(append(all, mine...))); n != 2*2*(3+len(banks)) {
		t.Errorf("%d schemas", n)
	}
	v := view{S: secrets{Postgres: "postgres://db/dev"}}
	if line := v.Store("hub"); line != "store = \"postgres://db/dev?search_path=hub\"\n" || (view{}).Store("hub") != "" {
		t.Errorf("%q", line)
	}
}

// A new directory does not take up the tables of another world; --reset of that one removes them.
func TestADatabaseBelongsToItsDirectory(t *testing.T) {
	postgres, banks := pgtest.URL(t), []tenant{{Code: "0149"}}
	if err := unused(t.Context(), layout{t.TempDir()}, postgres, banks); err != nil {
		t.Fatal(err)
	}
	db, err := sqldb.Open(sqldb.Under(postgres, "hub"), hub.Source)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unused(t.Context(), layout{t.TempDir()}, postgres, banks); err == nil || !strings.Contains(err.Error(), "another world") {
		t.Errorf("%v", err)
	}
	old := layout{t.TempDir()}
	if _, err := loadSecrets(old, Ports{8400}, postgres); err != nil {
		t.Fatal(err)
	}
	if err := unused(t.Context(), old, postgres, banks); err != nil {
		t.Errorf("its own directory: %v", err)
	}
	if err := reset(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if err := unused(t.Context(), layout{t.TempDir()}, postgres, banks); err != nil {
		t.Errorf("after --reset: %v", err)
	}
	if err := unused(t.Context(), layout{t.TempDir()}, "mysql://db/dev", banks); err == nil {
		t.Error("another database's URL was taken")
	}
}
