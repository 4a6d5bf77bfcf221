package ledgersql_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/store/storetest"
)

// partitioning is the SQL of docs/growth.md, with ranges so short that the suite fills several.
func partitioning(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "growth.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(text), "```sql\n")
	script, _, ok2 := strings.Cut(after, "```")
	if !ok || !ok2 || !strings.Contains(script, "PARTITION BY RANGE") {
		t.Fatal("docs/growth.md no longer says how the journal is cut into ranges")
	}
	script = strings.NewReplacer("2000000000", "1000000", "1000000000", "50").Replace(script)
	script = strings.NewReplacer("BEGIN;", "", "COMMIT;", "").Replace(script) // Write does both
	var statements []string
	for s := range strings.SplitSeq(script, ";") {
		if strings.TrimSpace(s) != "" {
			statements = append(statements, s)
		}
	}
	return statements
}

// The journal cut into ranges, by the words of docs/growth.md, with entries already in it, is the same ledger.
func TestPartitionedJournal(t *testing.T) {
	open := func(t testing.TB) storetest.Books {
		b := openAt(t, pgtest.URL(t))
		err := b.db.Write(t.Context(), func(tx *sqldb.Tx) error {
			for _, s := range partitioning(t) {
				if _, err := tx.ExecContext(t.Context(), s); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	storetest.RunLedger(t, open)
}
