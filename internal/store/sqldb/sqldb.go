// Package sqldb opens a role's tables, in a SQLite file or on a PostgreSQL server, so that what was committed is on
// the disk, one writer at a time and readers beside it, and brings its tables up to date. One SQL text serves both
// engines; what differs between them is in this package.
package sqldb

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/kozamori/kozamori/internal/fault"
)

// Engine is what keeps the tables.
type Engine uint8

// The engines.
const (
	SQLite Engine = iota
	PostgreSQL
)

// DB is one set of tables: a SQLite file, or a schema of a PostgreSQL database.
type DB struct {
	engine   Engine
	writer   *sql.DB // one connection: who writes waits here, in the order of coming, and not inside the engine
	readers  *sql.DB
	postgres *pgx.ConnConfig // of the server; nil for SQLite
	sources  []Source
	lead     lead

	checkpoints *checkpointer // of a file
}

// readers bounds the pool of reading connections.
const readers = 8

// Tx is a transaction. Its statements number their parameters $1, $2, … on both engines.
type Tx struct {
	*sql.Tx
	conn   *sql.Conn
	engine Engine
}

// Open opens or creates a set of tables and applies the migrations it lacks, source by source in the order given. Where
// they are is a path, of a file, or a URL ("postgres://user@host/database?search_path=schema").
func Open(where string, sources ...Source) (*DB, error) {
	db, err := OpenAsIs(where, sources...)
	if err != nil {
		return nil, err
	}
	if _, err := db.Migrate(context.Background()); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// OpenAsIs is Open, and applies nothing; Pending and Migrate do the rest. A file that is made has mode 0600.
func OpenAsIs(where string, sources ...Source) (*DB, error) {
	if IsPostgres(where) {
		return openPostgres(where, sources)
	}
	return openFile(where, sources)
}

// Engine is what keeps the tables.
func (db *DB) Engine() Engine { return db.engine }

// Write runs f in a transaction that is the only writing one from its beginning, in this process and every other: what
// f reads stays true until it commits. It commits what f did unless f fails. f's own error is returned as it is. A
// failing COMMIT is a *CommitError. After another process has taken the tables over (Lead), it is ErrFenced.
func (db *DB) Write(ctx context.Context, f func(tx *Tx) error) error {
	tx, err := db.begin(ctx, db.writer, nil)
	if err != nil {
		return fault.New(fault.Unavailable, "sqldb.Write", &beginError{err})
	}
	defer tx.end()
	if err := db.begun(ctx, tx); err != nil {
		return fault.New(fault.Unavailable, "sqldb.Write", err)
	}
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return &CommitError{err}
	}
	db.wrote()
	return nil
}

// begun makes a transaction that has just begun the only writing one, and sees that it may write. SQLite's BEGIN has
// done so; on PostgreSQL other programs (a tool, an older process, a COMMIT whose connection was lost) wait for the row.
func (db *DB) begun(ctx context.Context, tx *Tx) error {
	if db.engine != PostgreSQL {
		return nil
	}
	var epoch string
	if err := tx.QueryRowContext(ctx, `SELECT epoch FROM fence WHERE one = 1 FOR UPDATE`).Scan(&epoch); err != nil {
		return &beginError{err}
	}
	return db.lead.check(epoch)
}

// View runs f in a transaction that sees the tables as of one commit.
func (db *DB) View(ctx context.Context, f func(tx *Tx) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if db.engine == PostgreSQL {
		opts.Isolation = sql.LevelRepeatableRead
	}
	tx, err := db.begin(ctx, db.readers, opts)
	if err != nil {
		return fault.New(fault.Unavailable, "sqldb.View", &beginError{err})
	}
	defer tx.end()
	return f(tx)
}

// begin tries twice: a server that was started again leaves connections behind that are noticed by their first use.
func (db *DB) begin(ctx context.Context, pool *sql.DB, opts *sql.TxOptions) (*Tx, error) {
	var failed error
	for range 2 {
		conn, err := pool.Conn(ctx)
		if err != nil {
			return nil, errors.Join(failed, err)
		}
		tx, err := conn.BeginTx(ctx, opts)
		if err == nil {
			return &Tx{Tx: tx, conn: conn, engine: db.engine}, nil
		}
		failed = errors.Join(err, conn.Close())
		if db.engine != PostgreSQL || ctx.Err() != nil {
			break
		}
	}
	return nil, failed
}

// end gives the connection back. After a Commit the Rollback does nothing; otherwise the cause is being returned.
func (tx *Tx) end() {
	_ = tx.Rollback()
	_ = tx.conn.Close()
}

// Postgres hands out the connection of a transaction on PostgreSQL, for statements that go out together (pgx.Batch). f
// must neither keep the connection nor end the transaction. On SQLite it is a *fault.Error of kind Internal.
func (tx *Tx) Postgres(f func(*pgx.Conn) error) error {
	return tx.conn.Raw(func(c any) error {
		if c, ok := c.(*placed); ok {
			return f(c.Conn.Conn())
		}
		return fault.New(fault.Internal, "sqldb.Postgres", errors.New("this is a SQLite file"))
	})
}

// CommitError says that a COMMIT failed. Where it is OutOfOrder, whether it took effect is to be looked up; where not,
// a deferred constraint refused it and nothing was written.
type CommitError struct{ Err error }

func (e *CommitError) Error() string { return "sqldb: commit: " + e.Err.Error() }

// Unwrap gives the driver's error.
func (e *CommitError) Unwrap() error { return e.Err }

// Read is a pool of connections that cannot write. Several queries that must see the same commit belong in
// one View.
func (db *DB) Read() *sql.DB { return db.readers }

// Ready says whether the tables can be read and written: for a role's readiness check.
func (db *DB) Ready(ctx context.Context) error {
	if err := db.Write(ctx, func(*Tx) error { return nil }); err != nil {
		return err
	}
	return db.readers.PingContext(ctx)
}

// Close waits for what runs and closes all connections.
func (db *DB) Close() error {
	return errors.Join(db.checkpoints.close(), db.readers.Close(), db.writer.Close())
}

// beginError says that not even a transaction could be begun: the tables are locked, closed or out of reach.
type beginError struct{ error }

func (e *beginError) Unwrap() error { return e.error }

// OutOfOrder says whether an error is the database's trouble (locked, full, unreadable, interrupted, out of reach) and
// not that of the rows it was given.
func OutOfOrder(err error) bool {
	if _, ok := errors.AsType[*beginError](err); ok {
		return true
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, sql.ErrTxDone) {
		return true
	}
	return fileOutOfOrder(err) || serverOutOfOrder(err)
}

// IsDuplicate says whether a row was refused because its key exists: a PRIMARY KEY or UNIQUE constraint.
func IsDuplicate(err error) bool { return fileDuplicate(err) || serverDuplicate(err) }
