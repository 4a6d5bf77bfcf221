package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/store/ledgersql"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// An outsider with the file of some books, a checkpoint and a proof: what the commands say of them.
func TestAuditOfBooksAlone(t *testing.T) {
	dir, at := t.TempDir(), time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	place := filepath.Join(dir, "money.db")
	db, err := sqldb.Open(place, ledgersql.Migrations())
	must(t, err)
	store := ledgersql.New(db, nil)
	books := ledger.New(store, ledger.Options{})
	do := func(do ledger.Action) {
		t.Helper()
		r, err := books.Submit(t.Context(), ledger.Request{At: at, Do: do})
		if must(t, err); !r.OK() {
			t.Fatalf("%+v", r)
		}
	}
	for _, id := range []ledger.AccountID{"from", "to"} {
		do(ledger.Open{Account: ledger.Account{ID: id, Kind: "k", Floor: -1000, Ceiling: 1000}})
	}
	do(ledger.Move{ID: "t1", Kind: "gift", Legs: []ledger.Leg{{Debit: "from", Credit: "to", Amount: 300}}})
	keys := keyfile.Open(filepath.Join(dir, "keys"))
	must(t, keys.Create("books", keyfile.Note, false, at))
	key, err := keys.Notes("books", ledger.Origin("bank", "0149"))
	must(t, err)
	signed, err := store.Checkpoint(t.Context(), key[0])
	must(t, err)
	proof, err := store.Proof(t.Context(), "t1", key[0])
	must(t, err)
	text, err := json.Marshal(proof)
	must(t, err)
	checkpoint, proofFile := filepath.Join(dir, "checkpoint"), filepath.Join(dir, "proof.json")
	must(t, os.WriteFile(checkpoint, []byte(signed), 0o600))
	must(t, os.WriteFile(proofFile, text, 0o600))
	do(ledger.Move{ID: "t2", Kind: "gift", Legs: []ledger.Leg{{Debit: "from", Credit: "to", Amount: 10}}})
	books.Close()
	must(t, db.Close())

	says := func(want string, fails bool, args ...string) {
		t.Helper()
		var out strings.Builder
		err := run(t.Context(), append([]string{"audit"}, args...), &out)
		if said := out.String(); (err != nil) != fails || !strings.Contains(said, want) {
			t.Errorf("audit %v: %v\n%s", args, err, said)
		}
	}
	says("帳簿は一致しています", false, "--books", place)
	says("still begins with the 3 commits", false, "--books", place, "--checkpoint", checkpoint, "--key", key[0].Public)
	says(`t1: move of kind "gift" over 300円`, false, "--proof", proofFile, "--key", key[0].Public)
	says("", true, "--proof", proofFile, "--key", "")
	change, err := sqldb.OpenAsIs(place)
	must(t, err)
	must(t, change.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.ExecContext(t.Context(), `UPDATE ledger_entries SET kind = 'loan' WHERE id = 't1'`)
		return err
	}))
	must(t, change.Close())
	says("first ledger_entries 3–3", true, "--books", place)
	says("rewritten", true, "--books", place, "--checkpoint", checkpoint, "--key", key[0].Public)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
