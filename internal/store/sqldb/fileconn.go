package sqldb

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
	"sync/atomic"

	"modernc.org/sqlite"
	"modernc.org/sqlite/vtab"
)

// withSets makes sets known to SQLite's driver, once.
var withSets = sync.OnceValue(func() error { return vtab.RegisterModule(nil, "kozamori_sets", setsModule{}) })

// fileConnector opens connections to a file.
type fileConnector struct {
	dsn  string
	then string // a statement to run last; "" for none
}

// Driver implements driver.Connector.
func (c *fileConnector) Driver() driver.Driver { return &sqlite.Driver{} }

// Connect implements driver.Connector.
func (c *fileConnector) Connect(ctx context.Context) (driver.Conn, error) {
	connector, err := sqlite.NewConnector(c.dsn)
	if err := errors.Join(err, withSets()); err != nil {
		return nil, err
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	f := &fileConn{fileDriverConn: conn.(fileDriverConn), kept: map[string]*keptStmt{}}
	for _, statement := range []string{`CREATE VIRTUAL TABLE temp.sets USING kozamori_sets`, c.then} {
		if statement == "" {
			continue
		}
		if _, err := f.fileDriverConn.ExecContext(ctx, statement, nil); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, nil
}

// fileDriverConn is what the driver's connections are.
type fileDriverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// fileConn is a connection that keeps its statements compiled. Compiling takes SQLite longer than most of our
// statements run.
type fileConn struct {
	fileDriverConn
	kept map[string]*keptStmt
}

// mostKept bounds the statements of a connection; our programs have fewer.
const mostKept = 500

// keptStmt is a compiled statement; it is busy while its rows are being read.
type keptStmt struct {
	driver.Stmt
	busy bool
}

// keep finds a statement that is not busy, or compiles one.
func (c *fileConn) keep(ctx context.Context, query string) (*keptStmt, error) {
	have := c.kept[query]
	if have != nil && !have.busy {
		return have, nil
	}
	fresh, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s := &keptStmt{Stmt: fresh}
	if have == nil && len(c.kept) < mostKept {
		c.kept[query] = s
	}
	return s, nil
}

// done says that a statement may be used again, or is not needed any more.
func (c *fileConn) done(query string, s *keptStmt) error {
	s.busy = false
	if c.kept[query] == s {
		return nil
	}
	return s.Close()
}

// ExecContext implements driver.ExecerContext.
func (c *fileConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.keep(ctx, query)
	if err != nil {
		return nil, err
	}
	res, err := s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	return res, errors.Join(err, c.done(query, s))
}

// QueryContext implements driver.QueryerContext.
func (c *fileConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.keep(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		return nil, errors.Join(err, c.done(query, s))
	}
	s.busy = true
	return &keptRows{rows, func() error { return c.done(query, s) }}, nil
}

// Close implements driver.Conn.
func (c *fileConn) Close() error {
	var failed error
	for _, s := range c.kept {
		failed = errors.Join(failed, s.Close())
	}
	return errors.Join(failed, c.fileDriverConn.Close())
}

// keptRows are the rows of a kept statement.
type keptRows struct {
	driver.Rows
	done func() error
}

// Close implements driver.Rows.
func (r *keptRows) Close() error { return errors.Join(r.Rows.Close(), r.done()) }

// The sets of statements that run just now, by the numbers that stand for them in the statements.
var (
	lastSet atomic.Int64
	sets    sync.Map // int64 → Set
)

// hand makes a set readable under a number until it is taken back.
func hand(s Set) int64 {
	n := lastSet.Add(1)
	sets.Store(n, s)
	return n
}

func takeBack(n int64) { sets.Delete(n) }

// setsModule is the table-valued function sets(n): the rows of set n, in columns c0 to c19.
type setsModule struct{}

// Create implements vtab.Module.
func (setsModule) Create(ctx vtab.Context, _ []string) (vtab.Table, error) {
	return setsTable{}, ctx.Declare(`CREATE TABLE sets (c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18, c19, n HIDDEN)`)
}

// Connect implements vtab.Module.
func (m setsModule) Connect(ctx vtab.Context, args []string) (vtab.Table, error) {
	return m.Create(ctx, args)
}

type setsTable struct{}

// BestIndex implements vtab.Table: the set's number comes first, and there is no plan without it.
func (setsTable) BestIndex(info *vtab.IndexInfo) error {
	for i, c := range info.Constraints {
		if c.Column == MaxColumns && c.Op == vtab.OpEQ && c.Usable {
			info.Constraints[i].ArgIndex, info.Constraints[i].Omit = 0, true
			info.EstimatedCost, info.EstimatedRows = 10, 100
			return nil
		}
	}
	info.EstimatedCost, info.EstimatedRows = 1e12, 1e9
	return nil
}

// Open implements vtab.Table.
func (setsTable) Open() (vtab.Cursor, error) { return &setsCursor{}, nil }

// Disconnect implements vtab.Table.
func (setsTable) Disconnect() error { return nil }

// Destroy implements vtab.Table.
func (setsTable) Destroy() error { return nil }

type setsCursor struct {
	set  Set
	row  int
	rows int
}

// Filter implements vtab.Cursor.
func (c *setsCursor) Filter(_ int, _ string, args []vtab.Value) error {
	if len(args) != 1 {
		return errors.New("sets: which?")
	}
	n, _ := args[0].(int64)
	have, ok := sets.Load(n)
	if !ok {
		return errors.New("sets: there is no such set")
	}
	c.set, c.row = have.(Set), 0
	c.rows = c.set.rows()
	return nil
}

// Next implements vtab.Cursor.
func (c *setsCursor) Next() error {
	c.row++
	return nil
}

// Eof implements vtab.Cursor.
func (c *setsCursor) Eof() bool { return c.row >= c.rows }

// Column implements vtab.Cursor.
func (c *setsCursor) Column(i int) (vtab.Value, error) {
	if i >= len(c.set) {
		return nil, nil
	}
	switch column := c.set[i].(type) {
	case []int64:
		return column[c.row], nil
	case []string:
		return column[c.row], nil
	case [][]byte:
		return column[c.row], nil
	}
	return nil, nil
}

// Rowid implements vtab.Cursor.
func (c *setsCursor) Rowid() (int64, error) { return int64(c.row), nil }

// Close implements vtab.Cursor.
func (c *setsCursor) Close() error { return nil }
