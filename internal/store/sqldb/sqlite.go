package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/kozamori/kozamori/internal/fault"
)

// openFile opens or creates a SQLite file.
func openFile(path string, sources []Source) (*DB, error) {
	if err := private(path); err != nil {
		return nil, fault.New(fault.Unavailable, "sqldb.Open", err)
	}
	w := sql.OpenDB(&fileConnector{dsn: fileDSN(path, "_txlock=immediate", "_pragma=journal_mode(WAL)", "_pragma=synchronous(FULL)",
		"_pragma=cache_size(-65536)", "_pragma=wal_autocheckpoint("+longestLog+")")}) // 64 MiB of pages
	w.SetMaxOpenConns(1)
	if err := w.Ping(); err != nil { // creates the file and sets WAL before a reader looks
		return nil, fault.New(fault.Unavailable, "sqldb.Open", fmt.Errorf("%s: %w", path, errors.Join(err, w.Close())))
	}
	r := sql.OpenDB(&fileConnector{dsn: fileDSN(path), then: "PRAGMA query_only(ON)"})
	r.SetMaxOpenConns(readers)
	r.SetMaxIdleConns(readers)
	return &DB{engine: SQLite, writer: w, readers: r, sources: sources, checkpoints: newCheckpointer(sql.OpenDB(&fileConnector{dsn: fileDSN(path)}))}, nil
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

// fileDSN is the address of a file for the driver; the path may hold any character.
func fileDSN(path string, params ...string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	s := u.String() + "?_pragma=busy_timeout(10000)&_pragma=foreign_keys(ON)"
	for _, p := range params {
		s += "&" + p
	}
	return s
}

// appliedToFile lists the migrations of a file, which may not be there yet.
func appliedToFile(ctx context.Context, path string) (applied []string, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	db, err := sql.Open("sqlite", fileDSN(path, "_pragma=query_only(ON)"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return appliedIn(ctx, db, `SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 9) = 'migrated_' ORDER BY name`)
}

// fileOutOfOrder is OutOfOrder for SQLite.
func fileOutOfOrder(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && resultsOutOfOrder[e.Code()&0xff] // the low byte is the primary code
}

// resultsOutOfOrder lists the primary result codes that say nothing about the statement that met them.
var resultsOutOfOrder = map[int]bool{
	sqlite3.SQLITE_BUSY: true, sqlite3.SQLITE_LOCKED: true, sqlite3.SQLITE_NOMEM: true, sqlite3.SQLITE_READONLY: true,
	sqlite3.SQLITE_INTERRUPT: true, sqlite3.SQLITE_IOERR: true, sqlite3.SQLITE_CORRUPT: true, sqlite3.SQLITE_FULL: true,
	sqlite3.SQLITE_CANTOPEN: true, sqlite3.SQLITE_PROTOCOL: true, sqlite3.SQLITE_NOTADB: true, sqlite3.SQLITE_PERM: true,
	sqlite3.SQLITE_AUTH: true,
}

// fileDuplicate is IsDuplicate for SQLite.
func fileDuplicate(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}
