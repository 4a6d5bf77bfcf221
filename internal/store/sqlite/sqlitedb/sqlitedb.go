// Package sqlitedb opens a SQLite file so that what was committed is on the disk, one writer at a time and
// readers beside it, and brings its tables up to date.
package sqlitedb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/kozamori/kozamori/internal/fault"
)

// DB is one SQLite file.
type DB struct {
	writer  *sql.DB // one connection: SQLite has one writer anyway, and so nobody waits inside it
	readers *sql.DB
	sources []Source
}

// readers bounds the pool of reading connections.
const readers = 8

// Open opens or creates a file and applies the migrations it lacks, source by source in the order given.
func Open(path string, sources ...Source) (*DB, error) {
	db, err := OpenAsIs(path, sources...)
	if err != nil {
		return nil, err
	}
	if _, err := db.Migrate(context.Background()); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// OpenAsIs opens or creates a file, of mode 0600, and applies nothing; Pending and Migrate do the rest.
func OpenAsIs(path string, sources ...Source) (*DB, error) {
	if err := private(path); err != nil {
		return nil, fault.New(fault.Unavailable, "sqlitedb.Open", err)
	}
	w, err := sql.Open("sqlite", dsn(path, "_txlock=immediate", "_pragma=journal_mode(WAL)", "_pragma=synchronous(FULL)"))
	if err != nil {
		return nil, fault.New(fault.Unavailable, "sqlitedb.Open", err)
	}
	w.SetMaxOpenConns(1)
	if err := w.Ping(); err != nil { // creates the file and sets WAL before a reader looks
		return nil, fault.New(fault.Unavailable, "sqlitedb.Open", fmt.Errorf("%s: %w", path, errors.Join(err, w.Close())))
	}
	r, err := sql.Open("sqlite", dsn(path, "_pragma=query_only(ON)"))
	if err != nil {
		return nil, fault.New(fault.Unavailable, "sqlitedb.Open", errors.Join(err, w.Close()))
	}
	r.SetMaxOpenConns(readers)
	r.SetMaxIdleConns(readers)
	return &DB{writer: w, readers: r, sources: sources}, nil
}

// private makes the file, where there is none, for its owner alone; SQLite gives its -wal and -shm the mode of the
// file itself. The mode of one that is there is the operator's affair.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// dsn is the address of a file for the driver; the path may hold any character.
func dsn(path string, params ...string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	s := u.String() + "?_pragma=busy_timeout(10000)&_pragma=foreign_keys(ON)"
	for _, p := range params {
		s += "&" + p
	}
	return s
}

// Write runs f in a transaction that holds the write lock from its beginning, and commits what f did unless
// f fails. f's own error is returned as it is. A failing COMMIT is a *CommitError.
func (db *DB) Write(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return fault.New(fault.Unavailable, "sqlitedb.Write", &beginError{err})
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing; otherwise the cause is being returned
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return &CommitError{err}
	}
	return nil
}

// CommitError says that a COMMIT failed: whether it took effect is to be looked up.
type CommitError struct{ Err error }

func (e *CommitError) Error() string { return "sqlitedb: commit: " + e.Err.Error() }

// Unwrap gives the driver's error.
func (e *CommitError) Unwrap() error { return e.Err }

// Read is a pool of connections that cannot write. Several queries that must see the same commit belong in
// one View.
func (db *DB) Read() *sql.DB { return db.readers }

// View runs f in a transaction that sees the file as of one commit.
func (db *DB) View(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := db.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fault.New(fault.Unavailable, "sqlitedb.View", &beginError{err})
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return f(tx)
}

// Ready says whether the file can be read and written: for a role's readiness check.
func (db *DB) Ready(ctx context.Context) error {
	if err := db.Write(ctx, func(*sql.Tx) error { return nil }); err != nil {
		return err
	}
	return db.readers.PingContext(ctx)
}

// Close waits for what runs and closes the file.
func (db *DB) Close() error { return errors.Join(db.readers.Close(), db.writer.Close()) }

// beginError says that not even a transaction could be begun: the file is locked, or closed.
type beginError struct{ error }

func (e *beginError) Unwrap() error { return e.error }

// OutOfOrder says whether an error is the database's trouble (locked, full, unreadable, interrupted) and not
// that of the rows it was given.
func OutOfOrder(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return outOfOrder[e.Code()&0xff] // the low byte is the primary code
	}
	if _, ok := errors.AsType[*beginError](err); ok {
		return true
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, sql.ErrTxDone)
}

// outOfOrder lists the primary result codes that say nothing about the statement that met them.
var outOfOrder = map[int]bool{
	sqlite3.SQLITE_BUSY: true, sqlite3.SQLITE_LOCKED: true, sqlite3.SQLITE_NOMEM: true, sqlite3.SQLITE_READONLY: true,
	sqlite3.SQLITE_INTERRUPT: true, sqlite3.SQLITE_IOERR: true, sqlite3.SQLITE_CORRUPT: true, sqlite3.SQLITE_FULL: true,
	sqlite3.SQLITE_CANTOPEN: true, sqlite3.SQLITE_PROTOCOL: true, sqlite3.SQLITE_NOTADB: true, sqlite3.SQLITE_PERM: true,
	sqlite3.SQLITE_AUTH: true,
}

// IsDuplicate says whether a row was refused because its key exists: a PRIMARY KEY or UNIQUE constraint.
func IsDuplicate(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}
