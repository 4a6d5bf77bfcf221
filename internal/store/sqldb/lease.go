package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/kozamori/kozamori/internal/fault"
)

// Lease is a row in a role's first schema that says which of its processes serves. It only tells who should open the
// tables; that no other one writes is the fence's. It has a connection of its own, so that no writer keeps a holder
// from saying that it is there, and it asks no clock: who wants the lease sees for itself that nobody says anything.
type Lease struct{ pool *sql.DB }

// Holder is what the row says.
type Holder struct {
	ID      string // new with every process; "" is nobody
	Address string // where the others reach it, as a URL
	Beat    int64  // higher each time it says that it is there
}

// OpenLease opens the lease in the schema of a server, whose migrations must be applied.
func OpenLease(ctx context.Context, where string) (*Lease, error) {
	cfg, err := serverConfig(where)
	if err != nil {
		return nil, fault.New(fault.Invalid, "sqldb.OpenLease", err)
	}
	own := &slots{free: make(chan struct{}, 1)}
	l := &Lease{(&DB{engine: PostgreSQL, postgres: cfg}).poolOf(own, 1, nil)}
	if _, err := l.Read(ctx); err != nil {
		if undefined(err) {
			err = fmt.Errorf("%s: there are no tables: run migrate first", Name(where))
		}
		return nil, fault.New(fault.Unavailable, "sqldb.OpenLease", errors.Join(err, l.Close()))
	}
	return l, nil
}

// Read says who holds the lease.
func (l *Lease) Read(ctx context.Context) (h Holder, err error) {
	err = l.pool.QueryRowContext(ctx, `SELECT holder, address, beat FROM lease WHERE one = 1`).Scan(&h.ID, &h.Address, &h.Beat)
	return h, ReadErr("sqldb.Lease.Read", err)
}

// Take makes me the holder if the row still says what was seen of another.
func (l *Lease) Take(ctx context.Context, seen, me Holder) (taken bool, err error) {
	return l.change(ctx, "Take", `UPDATE lease SET holder = $1, address = $2, beat = beat + 1 WHERE one = 1 AND holder = $3 AND beat = $4`,
		me.ID, me.Address, seen.ID, seen.Beat)
}

// Beat says that the holder is there. held is false once it is another's.
func (l *Lease) Beat(ctx context.Context, id string) (held bool, err error) {
	return l.change(ctx, "Beat", `UPDATE lease SET beat = beat + 1 WHERE one = 1 AND holder = $1`, id)
}

// Free gives the lease back, if it is still that of id.
func (l *Lease) Free(ctx context.Context, id string) error {
	_, err := l.change(ctx, "Free", `UPDATE lease SET holder = '', address = '', beat = beat + 1 WHERE one = 1 AND holder = $1`, id)
	return err
}

// change says whether a conditional write found its row.
func (l *Lease) change(ctx context.Context, op, update string, args ...any) (bool, error) {
	res, err := l.pool.ExecContext(ctx, update, args...)
	if err != nil {
		return false, fault.New(fault.Unavailable, "sqldb.Lease."+op, err)
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// Close closes its connection; it does not free the lease.
func (l *Lease) Close() error { return l.pool.Close() }
