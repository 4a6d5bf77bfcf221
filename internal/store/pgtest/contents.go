package pgtest

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// Contents is all that somebody finds who takes a set of tables away: the bytes of a file and its log, or the values of
// every row of a schema one after the other.
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
	rows, err := db.Read().QueryContext(t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`)
	tables, err := sqldb.List("pgtest.Contents", rows, err, func(r sqldb.Row) (name string, err error) { return name, r.Scan(&name) })
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		rows, err := db.Read().QueryContext(t.Context(), `TABLE "`+table+`"`)
		values, err := sqldb.List("pgtest.Contents", rows, err, func(r sqldb.Row) ([]byte, error) {
			columns, err := rows.Columns()
			if err != nil {
				return nil, err
			}
			row := make([]any, len(columns))
			for i := range row {
				row[i] = new(sql.RawBytes)
			}
			err = r.Scan(row...)
			var text []byte
			for _, v := range row {
				text = append(append(text, *v.(*sql.RawBytes)...), '\n')
			}
			return text, err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			all = append(all, v...)
		}
	}
	return all
}
