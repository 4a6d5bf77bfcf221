package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kozamori/kozamori/internal/fault"
)

// Backup copies a file as of one commit, while whoever writes goes on, to a path where nothing is yet, and has SQLite
// check the copy. The copy is on the disk when it returns. A server's tables are fault.Invalid: its own tools copy them.
func Backup(ctx context.Context, from, to string) (err error) {
	if IsPostgres(from) {
		return fault.New(fault.Invalid, "sqldb.Backup", fmt.Errorf("%s: a server is copied by its own tools (pg_basebackup, pg_dump)", Name(from)))
	}
	if _, err := os.Stat(from); err != nil { // opening would make an empty one
		return fault.New(fault.Unavailable, "sqldb.Backup", err)
	}
	if _, err := os.Lstat(to); err == nil {
		return fault.New(fault.Invalid, "sqldb.Backup", fmt.Errorf("%s is there already", to))
	}
	db := sql.OpenDB(&fileConnector{dsn: fileDSN(from)})
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := private(to); err != nil { // of mode 0600 before there is anything in it
		return fault.New(fault.Unavailable, "sqldb.Backup", err)
	}
	if _, err := db.ExecContext(ctx, `VACUUM INTO $1`, to); err != nil {
		return fault.New(fault.Unavailable, "sqldb.Backup", errors.Join(fmt.Errorf("%s: %w", from, err), os.Remove(to)))
	}
	if err := checked(ctx, to); err != nil {
		return fault.New(fault.Unavailable, "sqldb.Backup", fmt.Errorf("the copy %s: %w", to, err))
	}
	for _, path := range []string{to, filepath.Dir(to)} {
		if err := flush(path); err != nil {
			return fault.New(fault.Unavailable, "sqldb.Backup", err)
		}
	}
	return nil
}

// checked has SQLite look through a whole file.
func checked(ctx context.Context, path string) (err error) {
	db := sql.OpenDB(&fileConnector{dsn: fileDSN(path), then: "PRAGMA query_only(ON)"})
	defer func() { err = errors.Join(err, db.Close()) }()
	var answer string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check`).Scan(&answer); err != nil {
		return err
	}
	if answer != "ok" {
		return errors.New(answer)
	}
	return nil
}

// flush has the system write a file, or the names in a folder, to the disk.
func flush(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
