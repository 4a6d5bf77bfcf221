package bank

import (
	"database/sql"

	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// The package's short names of what the rows of every role share.
var us, moment = sqldb.Micros, sqldb.Moment

type scanner = sqldb.Row

func conditional(op string, res sql.Result, err error) error {
	return sqldb.OneRow("store.bank."+op, res, err)
}

func readErr(op string, err error) error { return sqldb.ReadErr("store.bank."+op, err) }

func writeErr(op string, err error) error { return sqldb.WriteErr("store.bank."+op, err) }

// list reads all rows of a query.
func list[T any](op string, rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	return sqldb.List("store.bank."+op, rows, err, scan)
}
