package audit_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/audit"
)

// column is one column of a table of the books.
type column struct {
	table, name, kind string
	key               bool
}

// columns lists all of the tables of a ledger that a file has.
func columns(t *testing.T, path string) (all []column) {
	t.Helper()
	db := opened(t, path)
	rows, err := db.Query(`SELECT m.name, c.name, c.type, c.pk > 0 FROM sqlite_schema AS m, pragma_table_info(m.name) AS c
		WHERE m.type = 'table' AND m.name LIKE 'ledger\_%' ESCAPE '\' ORDER BY m.name, c.cid`)
	must(t, err)
	for rows.Next() {
		var c column
		must(t, rows.Scan(&c.table, &c.name, &c.kind, &c.key))
		all = append(all, c)
	}
	must(t, rows.Err())
	must(t, db.Close())
	return all
}

// changeOf is what a column is set to, in SQL. The head's token is chance ("", nothing to find), and how many commits
// there were nothing else tells: the audit looks that they are not fewer than the log has.
func changeOf(c column) string {
	set := map[string]string{
		"INTEGER": c.name + " + 1", "TEXT": c.name + " || 'x'", "BLOB": "CAST(" + c.name + " || x'01' AS BLOB)",
	}[c.kind]
	switch c.table + "." + c.name {
	case "ledger_head.token":
		return ""
	case "ledger_head.seq":
		set = "0"
	case "ledger_fates.how":
		set = "CASE how WHEN 'voided' THEN 'posted' ELSE 'voided' END"
	case "ledger_entries.limits":
		set = "'7'"
	case "ledger_accounts.frozen_in", "ledger_accounts.frozen_out", "ledger_accounts.closed":
		set = "1 - " + c.name
	}
	if c.key && c.kind == "INTEGER" {
		set = c.name + " + 1000000"
	}
	return set
}

// withPages is a world whose books have rows in every table.
func withPages(t *testing.T) (*world, history) {
	t.Helper()
	w := newWorld(t)
	h := w.live()
	for i := range 40 {
		must(t, w.bank.Cash(t.Context(), h.rich.account, 1_000, fmt.Sprint("atm_more_", i)))
	}
	w.agrees(t, true)
	return w, h
}

// Whatever column of whatever table of the books is changed, in the first row or the last, the audit names its table.
func TestEveryColumnOfTheBooksIsLookedAt(t *testing.T) {
	w, _ := withPages(t)
	for _, c := range columns(t, filepath.Join(w.dir, atBank)) {
		set := changeOf(c)
		for _, which := range []string{"min", "max"} {
			if set == "" {
				continue
			}
			t.Run(c.table+"."+c.name+" "+which, func(t *testing.T) {
				key := keyOf(c.table)
				w.breaks(t, c.table, fmt.Sprintf(`UPDATE %s SET %s = %s WHERE %s = (SELECT %s(%s) FROM %s)`, c.table, c.name, set, key, which, key, c.table))
			})
		}
	}
}

func keyOf(table string) string {
	return map[string]string{"ledger_head": "one", "ledger_entries": "seq", "ledger_names": "name", "ledger_pages": "first",
		"ledger_commits": "n", "ledger_hashes": "n"}[table] + map[string]string{"ledger_accounts": "num", "ledger_gates": "num",
		"ledger_limits": "num", "ledger_fates": "num"}[table]
}

// breaks changes a copy of a company's books and wants the audit to name a table, first of all.
func (w *world) breaks(t *testing.T, table string, sql ...string) {
	t.Helper()
	dir, file, role := copied(t, w.dir), atBank, "bank 0149"
	if table == "ledger_fates" { // a bank holds nothing
		file, role = atWallet, "wallet maru"
	}
	alter(t, filepath.Join(dir, file), sql...)
	r, err := audit.Look(t.Context(), dir, w.now)
	must(t, err)
	i := slices.IndexFunc(r.Books, func(b audit.Books) bool { return b.Role == role })
	first := r.Books[i].First
	if r.Agrees || first == nil || first.Table != table || first.ID == "" || first.Expected == first.Found {
		t.Errorf("%s\nfirst %+v\n%+v", strings.Join(sql, "; "), first, r.Differences)
	}
}

// A row that is taken out or put in is named as well.
func TestEveryRowOfTheBooksIsCounted(t *testing.T) {
	w, _ := withPages(t)
	all := map[string][]column{}
	for _, c := range columns(t, filepath.Join(w.dir, atBank)) {
		all[c.table] = append(all[c.table], c)
	}
	for table, cols := range all {
		for _, which := range []string{"min", "max"} {
			t.Run("without the "+which+" of "+table, func(t *testing.T) {
				key := keyOf(table)
				w.breaks(t, table, fmt.Sprintf(`DELETE FROM %s WHERE %s = (SELECT %s(%s) FROM %s)`, table, key, which, key, table))
			})
		}
		if table == "ledger_head" { // its key lets it have one row
			continue
		}
		t.Run("one more in "+table, func(t *testing.T) {
			var values []string
			for _, c := range cols {
				v := c.name
				if c.key && c.name != "account" {
					v = map[string]string{"INTEGER": c.name + " + 1000000", "BLOB": "x'00112233445566778899aabbccddeeff'"}[c.kind]
				}
				values = append(values, v)
			}
			w.breaks(t, table, fmt.Sprintf(`INSERT INTO %s SELECT %s FROM %s LIMIT 1`, table, strings.Join(values, ", "), table))
		})
	}
}
