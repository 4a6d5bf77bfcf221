package wallet

import (
	"context"
	"database/sql"

	"github.com/kozamori/kozamori/internal/store/sqlite/sqlitedb"
)

// The package's short names of what the rows of every role share.
var us, moment = sqlitedb.Micros, sqlitedb.Moment

type scanner = sqlitedb.Row

func conditional(op string, res sql.Result, err error) error {
	return sqlitedb.OneRow("store.wallet."+op, res, err)
}

func readErr(op string, err error) error { return sqlitedb.ReadErr("store.wallet."+op, err) }

func writeErr(op string, err error) error { return sqlitedb.WriteErr("store.wallet."+op, err) }

// all reads every row of a query.
func all[T any](ctx context.Context, s *Store, op string, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := s.db.Read().QueryContext(ctx, query, args...)
	return sqlitedb.List("store.wallet."+op, rows, err, scan)
}
