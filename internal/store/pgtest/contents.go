package pgtest

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// Contents is all that somebody finds who takes a set of tables away: the bytes of a file and its log, or the values of
// every column of a schema one after the other.
func Contents(t testing.TB, place string) []byte {
	t.Helper()
	var all []byte
	if !sqldb.IsPostgres(place) {
		for _, path := range []string{place, place + "-wal"} {
			text, err := os.ReadFile(path)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			all = append(all, text...)
		}
		return all
	}
	db, err := sqldb.OpenAsIs(place)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	type column struct{ table, name string }
	rows, err := db.Read().QueryContext(t.Context(), `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()`)
	columns, err := sqldb.List("pgtest.Contents", rows, err, func(r sqldb.Row) (c column, err error) { return c, r.Scan(&c.table, &c.name) })
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range columns {
		rows, err := db.Read().QueryContext(t.Context(), `SELECT "`+c.name+`" FROM "`+c.table+`"`)
		values, err := sqldb.List("pgtest.Contents", rows, err, func(r sqldb.Row) (v []byte, err error) { return v, r.Scan(&v) })
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			all = append(append(all, v...), '\n')
		}
	}
	return all
}
