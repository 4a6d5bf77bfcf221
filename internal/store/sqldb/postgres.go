package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/kozamori/kozamori/internal/fault"
)

// schemaName is what a search_path may be: one schema, written without quotes.
var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,50}$`) // what Places adds fits into the 63 that a name may have

// serverConfig reads a URL. Its errors tell nothing of it: it may hold a password.
func serverConfig(where string) (*pgx.ConnConfig, error) {
	cfg, err := pgx.ParseConfig(where)
	if err != nil {
		return nil, errors.New("not a usable URL of a PostgreSQL database")
	}
	if schema := cfg.RuntimeParams["search_path"]; schema != "" && !schemaName.MatchString(schema) {
		return nil, fmt.Errorf("%s: search_path must be the name of one schema", Name(where))
	}
	for name, value := range map[string]string{
		"application_name":                    "kozamori",
		"statement_timeout":                   "30000", // milliseconds, as all of these
		"lock_timeout":                        "10000",
		"idle_in_transaction_session_timeout": "5000", // a process that stands still must not hold the lock of the writer
	} {
		if cfg.RuntimeParams[name] == "" {
			cfg.RuntimeParams[name] = value
		}
	}
	cfg.RuntimeParams["client_encoding"] = "UTF8"
	cfg.RuntimeParams["default_transaction_isolation"] = "read committed" // who has waited for the lock of the writer sees what was written
	cfg.RuntimeParams["synchronous_commit"] = "on"                        // what was committed is on the disk, whatever the server's default is
	return cfg, nil
}

// openPostgres opens a schema of a database, which must exist; the schema need not.
func openPostgres(where string, sources []Source) (*DB, error) {
	cfg, err := serverConfig(where)
	if err != nil {
		return nil, fault.New(fault.Invalid, "sqldb.Open", err)
	}
	db := &DB{engine: PostgreSQL, postgres: cfg, sources: append([]Source{fenceSource}, sources...), lead: lead{lost: make(chan struct{})}}
	db.writer = db.pool(1, nil)
	if err := db.writer.Ping(); err != nil {
		return nil, fault.New(fault.Unavailable, "sqldb.Open", fmt.Errorf("%s: %w", Name(where), errors.Join(err, db.writer.Close())))
	}
	db.readers = db.pool(readers, map[string]string{"default_transaction_read_only": "on"})
	return db, nil
}

// pool opens at most so many connections, with settings of their own.
func (db *DB) pool(most int, settings map[string]string) *sql.DB {
	return db.poolOf(places, most, settings)
}

// poolOf is pool among others that share places.
func (db *DB) poolOf(places *slots, most int, settings map[string]string) *sql.DB {
	cfg := db.postgres.Copy()
	for name, value := range settings {
		cfg.RuntimeParams[name] = value
	}
	cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary // what a standby shows may be of before
	pool := sql.OpenDB(connector{slots: places, Connector: stdlib.GetConnector(*cfg, stdlib.OptionAfterConnect(func(_ context.Context, c *pgx.Conn) error {
		types := c.TypeMap()
		types.TryWrapEncodePlanFuncs = append(types.TryWrapEncodePlanFuncs, boolAsInteger)
		return nil
	}))})
	pool.SetMaxOpenConns(most)
	pool.SetMaxIdleConns(most)
	pool.SetConnMaxIdleTime(5 * time.Second) // others may want its place
	return pool
}

// boolAsInteger writes a bool as 0 or 1 where the column is an integer, as SQLite's driver does.
func boolAsInteger(value any) (plan pgtype.WrappedEncodePlanNextSetter, next any, ok bool) {
	b, ok := value.(bool)
	return &boolPlan{}, integer(b), ok
}

type boolPlan struct{ next pgtype.EncodePlan }

func (p *boolPlan) SetNext(next pgtype.EncodePlan) { p.next = next }

func (p *boolPlan) Encode(value any, buf []byte) ([]byte, error) {
	return p.next.Encode(integer(value.(bool)), buf)
}

func integer(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// migrator is a connection without limits of time: a migration may take long. It is closed after use.
func (db *DB) migrator() *sql.DB {
	return db.pool(1, map[string]string{"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "0"})
}

// hasSchema says whether the schema of search_path exists.
func hasSchema(ctx context.Context, pool *sql.DB) (there bool, err error) {
	err = pool.QueryRowContext(ctx, `SELECT current_schema() IS NOT NULL`).Scan(&there)
	return there, err
}

// Drop removes a schema with all its tables and what they hold. No program of a role does.
func Drop(ctx context.Context, where string) error {
	cfg, err := serverConfig(where)
	if err != nil {
		return fault.New(fault.Invalid, "sqldb.Drop", err)
	}
	db := &DB{engine: PostgreSQL, postgres: cfg}
	pool := db.migrator()
	_, err = pool.ExecContext(ctx, `DROP SCHEMA IF EXISTS "`+cfg.RuntimeParams["search_path"]+`" CASCADE`)
	if err = errors.Join(err, pool.Close()); err != nil {
		return fault.New(fault.Unavailable, "sqldb.Drop", fmt.Errorf("%s: %w", Name(where), err))
	}
	return nil
}

// makeSchema makes the schema of search_path where there is none.
func (db *DB) makeSchema(ctx context.Context, pool *sql.DB) error {
	there, err := hasSchema(ctx, pool)
	if err != nil || there {
		return err
	}
	_, err = pool.ExecContext(ctx, `CREATE SCHEMA IF NOT EXISTS "`+db.postgres.RuntimeParams["search_path"]+`"`)
	if IsDuplicate(err) { // somebody else made it at the same moment, which IF NOT EXISTS does not see
		return nil
	}
	return err
}

// appliedToServer lists the migrations of a schema, which may not be there yet.
func appliedToServer(ctx context.Context, where string) (applied []string, err error) {
	cfg, err := serverConfig(where)
	if err != nil {
		return nil, err
	}
	pool := (&DB{postgres: cfg}).pool(1, map[string]string{"default_transaction_read_only": "on"})
	defer func() { err = errors.Join(err, pool.Close()) }()
	return appliedIn(ctx, pool, `SELECT tablename FROM pg_tables
		WHERE schemaname = current_schema() AND substr(tablename, 1, 9) = 'migrated_' ORDER BY tablename`)
}

// serverOutOfOrder is OutOfOrder for PostgreSQL: what the server says of itself, and what is said of a connection.
func serverOutOfOrder(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return len(e.Code) == 5 && (classesOutOfOrder[e.Code[:2]] || statesOutOfOrder[e.Code])
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	for _, lost := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, driver.ErrBadConn} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return pgconn.SafeToRetry(err)
}

// classesOutOfOrder lists the classes of SQLSTATE that say nothing about the statement that met them.
var classesOutOfOrder = map[string]bool{
	"08": true, // connection
	"28": true, // authorisation
	"53": true, // insufficient resources
	"57": true, // operator intervention: shut down, cancelled, out of time
	"58": true, // the system's own trouble
	"XX": true, // internal, corrupted; a sharded server also says it of a key that is there: the batch is tried again, and finds it
}

// statesOutOfOrder lists those of other classes.
var statesOutOfOrder = map[string]bool{
	"25006": true, // a server that takes no writes now
	"25P03": true, // idle in a transaction for too long
	"25P04": true, // a transaction that took too long
	"3D000": true, // no such database
	"40001": true, // serialization failure
	"40003": true, // completion unknown
	"40P01": true, // deadlock
	"42501": true, // insufficient privilege
	"55P03": true, // lock not available in time
}

// serverTakesNoText says whether a text was refused for the bytes it holds.
func serverTakesNoText(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "22021"
}

// serverDuplicate is IsDuplicate for PostgreSQL.
func serverDuplicate(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23505"
}

// undefined says whether a table is not there, nor perhaps its schema.
func undefined(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "42P01"
}
