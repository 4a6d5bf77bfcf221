package sqldb

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/kozamori/kozamori/internal/fault"
)

// OpenToRead opens tables that are there, for reading alone: it makes no file, applies nothing, and what it opens
// cannot write. A transaction may take as long as it needs.
func OpenToRead(where string) (*DB, error) {
	db := &DB{engine: SQLite}
	if IsPostgres(where) {
		cfg, err := serverConfig(where)
		if err != nil {
			return nil, fault.New(fault.Invalid, "sqldb.OpenToRead", err)
		}
		db.engine, db.postgres = PostgreSQL, cfg
		db.readers = db.pool(readers, map[string]string{
			"default_transaction_read_only": "on", "statement_timeout": "0", "idle_in_transaction_session_timeout": "0",
		})
	} else {
		db.readers = sql.OpenDB(&fileConnector{dsn: fileDSN(where, "mode=ro"), then: "PRAGMA query_only(ON)"})
		db.readers.SetMaxOpenConns(readers)
	}
	db.writer = db.readers
	if err := db.readers.Ping(); err != nil {
		return nil, fault.New(fault.Unavailable, "sqldb.OpenToRead", fmt.Errorf("%s: %w", Name(where), errors.Join(err, db.readers.Close())))
	}
	return db, nil
}
