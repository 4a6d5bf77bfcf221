package ledgersql_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/store/sqlite/ledgersql"
	"github.com/kozamori/kozamori/internal/store/sqlite/sqlitedb"
	"github.com/kozamori/kozamori/internal/store/storetest"
)

func TestLedger(t *testing.T) { storetest.RunLedger(t, open) }

// suite is the tables of the suite's rows, as a role has tables of its own.
var suite = sqlitedb.Source{Name: "suite", FS: fstest.MapFS{"migrations/00001_suite.sql": {Data: []byte(`
-- +goose Up
CREATE TABLE suite_rows (n INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE) STRICT;
-- +goose Down
DROP TABLE suite_rows;
`)}}}

// books are the ledger's tables and, as of a role, those of the suite's rows.
type books struct {
	*ledgersql.Store
	db *sqlitedb.DB
}

func open(t testing.TB) storetest.Books {
	return openFile(t, filepath.Join(t.TempDir(), "books ?#%.db"))
}

func openFile(t testing.TB, path string) *books {
	t.Helper()
	db, err := sqlitedb.Open(path, ledgersql.Migrations(), suite)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &books{ledgersql.New(db, apply), db}
}

func apply(ctx context.Context, tx *sql.Tx, writes []ledger.Write) error {
	for _, w := range writes {
		row, ok := w.(storetest.Row)
		if !ok || row == storetest.BadRow {
			return fmt.Errorf("no row: %v", w)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO suite_rows (word) VALUES (?1)`, string(row)); err != nil {
			return err
		}
	}
	return nil
}

// Rows implements storetest.Books.
func (b *books) Rows(ctx context.Context) ([]string, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT word FROM suite_rows ORDER BY n`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var w string
		if err := rows.Scan(&w); err != nil {
			return nil, err
		}
		list = append(list, w)
	}
	return list, rows.Err()
}
