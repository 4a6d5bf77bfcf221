// Package hub keeps the hub's rules' state: what is suspended is read in the transaction that depends on it.
package hub

import (
	"context"
	"database/sql"
	"embed"
	"errors"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/hub"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Source is the hub's tables.
var Source = sqldb.Source{Name: "hub", FS: migrations}

// Store is hub.Store over one file or schema.
type Store struct{ db *sqldb.DB }

// New makes the store over an open database.
func New(db *sqldb.DB) *Store { return &Store{db: db} }

var _ hub.Store = (*Store)(nil)

// querier is what reads: the reader pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

type scanner = sqldb.Row

func broken(op string, err error) error { return sqldb.ReadErr("store.hub."+op, err) }

// list reads all rows of a query with one scan function.
func list[T any](ctx context.Context, q querier, op string, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	return sqldb.List("store.hub."+op, rows, err, scan)
}

// one reads a row that may not be there.
func one[T any](op string, row *sql.Row, scan func(scanner) (T, error)) (T, bool, error) {
	v, err := scan(row)
	if errors.Is(err, sql.ErrNoRows) {
		var zero T
		return zero, false, nil
	}
	return v, err == nil, broken(op, err)
}

// Change runs f in one transaction of the only writer.
func (s *Store) Change(ctx context.Context, f func(hub.Tx) error) error {
	return s.db.Write(ctx, func(t *sqldb.Tx) error { return f(tx{t}) })
}

// Suspensions lists the matrix's entries.
func (s *Store) Suspensions(ctx context.Context) ([]hub.Suspension, error) {
	return suspensions(ctx, s.db.Read())
}

func suspensions(ctx context.Context, q querier) ([]hub.Suspension, error) {
	return list(ctx, q, "Suspensions", func(r scanner) (e hub.Suspension, err error) {
		var state string
		var at int64
		err = r.Scan(&e.Service, &e.Issuer, &state, &e.By, &e.Why, &at)
		e.State, _ = hub.ParseState(state) // the table's CHECK knows the same names
		e.At = clock.FromMicros(at)
		return e, err
	}, `SELECT service, issuer, state, by_whom, why, at_us FROM suspensions ORDER BY service, issuer`)
}

// Acts lists the staff's acts, newest first.
func (s *Store) Acts(ctx context.Context, n int) ([]hub.Act, error) {
	return list(ctx, s.db.Read(), "Acts", func(r scanner) (a hub.Act, err error) {
		var at int64
		err = r.Scan(&at, &a.By, &a.What, &a.Why)
		a.At = clock.FromMicros(at)
		return a, err
	}, `SELECT at_us, by_whom, what, why FROM acts ORDER BY id DESC LIMIT $1`, n)
}

// Events lists a service's events after seq, oldest first.
func (s *Store) Events(ctx context.Context, service id.Service, after int64, n int) ([]hub.Event, error) {
	return list(ctx, s.db.Read(), "Events", func(r scanner) (e hub.Event, err error) {
		var at int64
		err = r.Scan(&e.Service, &e.Seq, &e.Key, &e.Report, &at)
		e.At = clock.FromMicros(at)
		return e, err
	}, `SELECT service, seq, once, report, at_us FROM events WHERE service = $1 AND seq > $2 ORDER BY seq LIMIT $3`, service, after, n)
}

const linkColumns = `link, service, issuer, request, pseudonym, state, seq, sealed, updated_us`

func scanLink(r scanner) (l hub.Link, err error) {
	var at int64
	err = r.Scan(&l.ID, &l.Service, &l.Issuer, &l.Request, &l.Pseudonym, &l.State, &l.Seq, &l.Sealed, &at)
	l.Updated = clock.FromMicros(at)
	return l, err
}

// LinkByID reads one link.
func (s *Store) LinkByID(ctx context.Context, l id.Link) (hub.Link, bool, error) {
	return link(ctx, s.db.Read(), l)
}

func link(ctx context.Context, q querier, l id.Link) (hub.Link, bool, error) {
	return one("Link", q.QueryRowContext(ctx, `SELECT `+linkColumns+` FROM links WHERE link = $1`, l), scanLink)
}

// LinksOf lists the links of one account of a bank, by a pseudonym.
func (s *Store) LinksOf(ctx context.Context, issuer id.Issuer, p id.Pseudonym) ([]hub.Link, error) {
	return list(ctx, s.db.Read(), "LinksOf", scanLink,
		`SELECT `+linkColumns+` FROM links WHERE issuer = $1 AND pseudonym = $2 ORDER BY link`, issuer, p)
}

// Links lists the links that changed last.
func (s *Store) Links(ctx context.Context, n int) ([]hub.Link, error) {
	return list(ctx, s.db.Read(), "Links", scanLink,
		`SELECT `+linkColumns+` FROM links ORDER BY updated_us DESC, link LIMIT $1`, n)
}

const debitColumns = `service, debit, issuer, link, order_hash, outcome, sent_us, answered_us`

func scanDebit(r scanner) (d hub.Debit, err error) {
	var sent, answered int64
	err = r.Scan(&d.Service, &d.ID, &d.Issuer, &d.Link, &d.OrderHash, &d.Outcome, &sent, &answered)
	d.Sent = clock.FromMicros(sent)
	if answered != 0 {
		d.Answered = clock.FromMicros(answered)
	}
	return d, err
}

// Debits lists the debits routed last.
func (s *Store) Debits(ctx context.Context, n int) ([]hub.Debit, error) {
	return list(ctx, s.db.Read(), "Debits", scanDebit,
		`SELECT `+debitColumns+` FROM debits ORDER BY sent_us DESC, debit LIMIT $1`, n)
}

var micros = sqldb.Micros // a moment as it is stored
