package pgtest

import (
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// Plan says how the engine would run a statement without parameters over tables too large to be read as a whole, for
// tests that a statement reads no more than it must: lines in which INDEX stands for one that is used, SCAN for a table
// read from its beginning to its end, and SORT for rows that come in no order.
func Plan(t testing.TB, db *sqldb.DB, statement string) string {
	t.Helper()
	explain, words := `EXPLAIN QUERY PLAN `, strings.NewReplacer("TEMP B-TREE", "SORT")
	if db.Engine() == sqldb.PostgreSQL {
		explain, words = `EXPLAIN `, strings.NewReplacer("Seq Scan", "SCAN", "Index Scan", "INDEX", "Index Only Scan", "INDEX", "Sort", "SORT")
	}
	var lines []string
	err := db.View(t.Context(), func(tx *sqldb.Tx) error {
		if db.Engine() == sqldb.PostgreSQL { // of small tables it reads the whole, which is what nobody asks here
			if _, err := tx.ExecContext(t.Context(), `SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off`); err != nil {
				return err
			}
		}
		rows, err := tx.QueryContext(t.Context(), explain+statement)
		if err != nil {
			return err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		row := make([]any, len(columns))
		for i := range row {
			row[i] = new(any)
		}
		for rows.Next() {
			if err := rows.Scan(row...); err != nil {
				return err
			}
			line, _ := (*row[len(row)-1].(*any)).(string) // the last column is the text
			lines = append(lines, line)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return words.Replace(strings.Join(lines, "; "))
}
