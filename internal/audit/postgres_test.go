package audit_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/audit"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// The same audit reads a PostgreSQL server: clean books agree, whatever column is changed is named, and a checkpoint is
// held against them.
func TestAuditOnPostgreSQL(t *testing.T) {
	w := newWorldIn(t, pgtest.URL(t))
	h := w.live()
	r, err := audit.Run(t.Context(), w.dir, w.now)
	must(t, err)
	if !r.Agrees || len(r.Pairs) != 1 || r.Pairs[0].Owed != 30_000 || len(r.Books) != 3 {
		t.Fatalf("%+v", r)
	}
	key := w.booksKey(t)
	signed, err := w.banks.Books().Checkpoint(t.Context(), key)
	must(t, err)
	c, err := audit.OpenCheckpoint(signed, key.Public)
	must(t, err)
	place, err := c.Place(w.dir)
	must(t, err)
	if found, err := c.Begins(t.Context(), place); err != nil || len(found) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
	p, err := w.banks.Books().Proof(t.Context(), ledger.TransferID("maru/"+string(h.done)), key)
	must(t, err)
	text, err := json.Marshal(p)
	must(t, err)
	if shown, err := audit.CheckProof(text, key.Public); err != nil || shown.Amount != 20_000 {
		t.Errorf("%+v, %v", shown, err)
	}
	atBankNow, atWalletNow := w.place(atBank, "bank", "0149"), w.place(atWallet, "wallet_maru")
	file := newWorld(t) // of which the columns are
	for _, c := range columns(t, file.dir+"/"+atBank) {
		set := strings.NewReplacer("CAST(", "(", " AS BLOB)", ")", "|| x'01'", `|| '\x01'::bytea`).Replace(changeOf(c))
		if set == "" || c.table == "ledger_pages" || c.table == "ledger_head" && c.name == "one" {
			continue // no page is full, and the head's key can be nothing else
		}
		place := atBankNow
		if c.table == "ledger_fates" { // a bank holds nothing
			place = atWalletNow
		}
		t.Run(c.table+"."+c.name, func(t *testing.T) {
			key := keyOf(c.table)
			alterServer(t, place, c, fmt.Sprintf(`UPDATE %s SET %s = %s WHERE %s = (SELECT %s FROM %s ORDER BY %s LIMIT 1)`, c.table, c.name, set, key, key, c.table, key), func() {
				r, err := audit.RunBooks(t.Context(), place, w.now)
				must(t, err)
				if r.Agrees || !slices.ContainsFunc(r.Differences, func(d audit.Difference) bool { return d.Table == c.table }) {
					t.Errorf("%+v", r.Differences)
				}
			})
		})
	}
}

// alterServer changes a table behind everybody's back, and puts it back as it was.
func alterServer(t *testing.T, place string, c column, change string, look func()) {
	t.Helper()
	db, err := sqldb.OpenAsIs(place)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	run := func(statements ...string) {
		t.Helper()
		must(t, db.Write(t.Context(), func(tx *sqldb.Tx) error {
			for _, s := range statements {
				if _, err := tx.ExecContext(t.Context(), s); err != nil {
					return fmt.Errorf("%s: %w", s, err)
				}
			}
			return nil
		}))
	}
	run(`CREATE TABLE kept AS TABLE `+c.table, change)
	look()
	run(`DELETE FROM `+c.table, `INSERT INTO `+c.table+` TABLE kept`, `DROP TABLE kept`)
}
