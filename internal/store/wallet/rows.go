package wallet

import (
	"context"
	"database/sql"

	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// The package's short names of what the rows of every role share.
var us, moment = sqldb.Micros, sqldb.Moment

type scanner = sqldb.Row

func conditional(op string, res sql.Result, err error) error {
	return sqldb.OneRow("store.wallet."+op, res, err)
}

func readErr(op string, err error) error { return sqldb.ReadErr("store.wallet."+op, err) }

func writeErr(op string, err error) error { return sqldb.WriteErr("store.wallet."+op, err) }

// all reads every row of a query.
func all[T any](ctx context.Context, s *Store, op string, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := s.db.Read().QueryContext(ctx, query, args...)
	return sqldb.List("store.wallet."+op, rows, err, scan)
}
