package sqldb

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Set is a table of values handed to a statement: its columns, each a []int64, []string or [][]byte, all of one
// length and at most MaxColumns. In the statement it stands as {set}, which reads like a table v with the columns
// c0, c1, …: PostgreSQL unnests arrays, SQLite reads the slices themselves.
type Set []any

// MaxColumns is how many columns a Set may have.
const MaxColumns = 20

// rows is the length of the set.
func (s Set) rows() int { return columnLen(s[0]) }

func columnLen(column any) int {
	switch c := column.(type) {
	case []int64:
		return len(c)
	case []string:
		return len(c)
	case [][]byte:
		return len(c)
	}
	panic(fmt.Sprintf("sqldb: no column of a set: %T", column))
}

// arrays are PostgreSQL's names of the columns' types.
func (s Set) arrays() string {
	types := make([]string, len(s))
	names := make([]string, len(s))
	for i, column := range s {
		kind := "bigint[]"
		switch column.(type) {
		case []string:
			kind = "text[]"
		case [][]byte:
			kind = "bytea[]"
		}
		types[i], names[i] = fmt.Sprintf("$%d::%s", i+1, kind), fmt.Sprintf("c%d", i)
	}
	return "unnest(" + strings.Join(types, ", ") + ") AS v(" + strings.Join(names, ", ") + ")"
}

// Batch is statements over sets that go to the database together: one round trip on PostgreSQL, whatever the sets'
// sizes. A statement over an empty set is left out.
type Batch struct{ statements []statement }

type statement struct {
	what, query string
	set         Set
	each        func(Row) error // of a query
	untouched   error           // in place of another number of rows; nil for none of its own
}

// Exec adds a statement that must touch exactly one row for each row of the set; what names it in the error.
func (b *Batch) Exec(what, query string, set Set) {
	if set.rows() > 0 {
		b.statements = append(b.statements, statement{what: what, query: query, set: set})
	}
}

// First puts a statement before all others that must change exactly one row for each row of the set; otherwise the
// error is failed, whatever became of the others: the transaction must be given up.
func (b *Batch) First(failed error, query string, set Set) {
	b.statements = append([]statement{{what: failed.Error(), query: query, set: set, untouched: failed}}, b.statements...)
}

// Query adds a query whose rows are handed to each, one by one.
func (b *Batch) Query(what, query string, set Set, each func(Row) error) {
	if set.rows() > 0 {
		b.statements = append(b.statements, statement{what: what, query: query, set: set, each: each})
	}
}

// Run runs the statements in their order, up to the first that fails.
func (tx *Tx) Run(ctx context.Context, b *Batch) error {
	if len(b.statements) == 0 {
		return nil
	}
	run := tx.runOnFile
	if tx.engine == PostgreSQL {
		run = tx.runOnServer
	}
	if err := run(ctx, b); err != nil {
		return fmt.Errorf("sqldb: %w", err)
	}
	return nil
}

// touched checks how many rows a statement changed.
func (s statement) touched(n int64) error {
	switch {
	case n == int64(s.set.rows()):
		return nil
	case s.untouched != nil:
		return s.untouched
	}
	return fmt.Errorf("%s: %d rows, want %d", s.what, n, s.set.rows())
}

func (tx *Tx) runOnServer(ctx context.Context, b *Batch) error {
	var batch pgx.Batch
	for _, s := range b.statements {
		batch.Queue(strings.ReplaceAll(s.query, "{set}", s.set.arrays()), s.set...)
	}
	return tx.Postgres(func(c *pgx.Conn) error {
		answers := c.SendBatch(ctx, &batch)
		for _, s := range b.statements {
			if err := s.answer(answers); err != nil {
				_ = answers.Close() // says the same again
				return fmt.Errorf("%s: %w", s.what, err)
			}
		}
		return answers.Close()
	})
}

func (s statement) answer(answers pgx.BatchResults) error {
	if s.each == nil {
		tag, err := answers.Exec()
		if err != nil {
			return err
		}
		return s.touched(tag.RowsAffected())
	}
	rows, err := answers.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := s.each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (tx *Tx) runOnFile(ctx context.Context, b *Batch) error {
	for _, s := range b.statements {
		if err := tx.runOne(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return nil
}

// orFail spares SQLite the copies of pages with which it could undo this statement alone: where one fails, the
// transaction is given up.
func orFail(query string) string {
	query = strings.TrimSpace(query)
	for _, verb := range []string{"INSERT ", "UPDATE "} {
		if rest, ok := strings.CutPrefix(query, verb); ok {
			return verb + "OR FAIL " + rest
		}
	}
	return query
}

func (tx *Tx) runOne(ctx context.Context, s statement) error {
	handle := hand(s.set)
	defer takeBack(handle)
	query := strings.ReplaceAll(s.query, "{set}", "sets($1) AS v")
	if s.each == nil {
		res, err := tx.ExecContext(ctx, orFail(query), handle)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		return s.touched(n)
	}
	rows, err := tx.QueryContext(ctx, query, handle)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := s.each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
