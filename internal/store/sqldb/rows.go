package sqldb

import (
	"database/sql"
	"errors"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
)

// Micros is a moment as every table keeps it, in microseconds since 1970 in UTC: 0 for never.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return clock.Micros(t)
}

// Moment is Micros backwards.
func Moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return clock.FromMicros(us)
}

// Row is a row to read from.
type Row interface{ Scan(into ...any) error }

// ReadErr gives a failing read its kind: fault.NotFound where there is no such row, fault.Invalid where it was asked with a
// text that PostgreSQL takes from nobody (a zero byte), otherwise fault.Unavailable. A *fault.Error, of a row that could
// not be understood, stays as it is.
func ReadErr(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fault.New(fault.NotFound, op, err)
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if serverTakesNoText(err) {
		return fault.New(fault.Invalid, op, err)
	}
	return fault.New(fault.Unavailable, op, err)
}

// List reads all rows of a query, as QueryContext gave them; its errors are those of ReadErr.
func List[T any](op string, rows *sql.Rows, err error, scan func(Row) (T, error)) ([]T, error) {
	if err != nil {
		return nil, ReadErr(op, err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, ReadErr(op, err)
		}
		out = append(out, v)
	}
	return out, ReadErr(op, rows.Err())
}

// OneRow reads the result of a conditional write: fault.Conflict where it did not change exactly one row. An error of
// the statement itself stays as it is, for who commits to judge.
func OneRow(op string, res sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil || n == 1 {
		return err
	}
	return fault.New(fault.Conflict, op, errors.New("the row has changed meanwhile, or is there already"))
}

// WriteErr gives the error of a role's own commit its kind: fault.Conflict where a key is taken, otherwise as ReadErr.
func WriteErr(op string, err error) error {
	if _, known := errors.AsType[*fault.Error](err); !known && IsDuplicate(err) {
		return fault.New(fault.Conflict, op, err)
	}
	return ReadErr(op, err)
}
