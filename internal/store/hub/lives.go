package hub

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// MarkRead implements hub.Store. A number that no event has yet marks those there are.
func (s *Store) MarkRead(ctx context.Context, service id.Service, seq int64) (read int64, err error) {
	err = s.db.Write(ctx, func(tx *sqldb.Tx) error {
		return broken("MarkRead", tx.QueryRowContext(ctx, `INSERT INTO event_marks (service, read, forgotten)
			SELECT $1, CASE WHEN $2 < last THEN $2 ELSE last END, 0 FROM (
				SELECT COALESCE(MAX(seq), 0) AS last FROM events WHERE service = $1) AS known
			WHERE true
			ON CONFLICT (service) DO UPDATE SET read = CASE WHEN event_marks.read < excluded.read THEN excluded.read ELSE event_marks.read END
			RETURNING read`, service, seq).Scan(&read))
	})
	return read, err
}

// ForgetRequests implements hub.Store.
func (s *Store) ForgetRequests(ctx context.Context, before time.Time, n int) (int, error) {
	return s.remove(ctx, "ForgetRequests", `UPDATE requests SET redirect_uri = '', authorization_url = '', sealed = $3,
		stage = CASE stage WHEN 'linked' THEN 'linked' ELSE 'ended' END
		WHERE request IN (SELECT request FROM requests WHERE redirect_uri <> '' AND created_us < $1 ORDER BY created_us LIMIT $2)`,
		micros(before), n, []byte{})
}

// ForgetActs implements hub.Store.
func (s *Store) ForgetActs(ctx context.Context, before time.Time, n int) (int, error) {
	return s.remove(ctx, "ForgetActs", `DELETE FROM acts WHERE id IN (SELECT id FROM acts
		WHERE at_us < $1 AND at_us NOT IN (SELECT at_us FROM suspensions) ORDER BY id LIMIT $2)`, micros(before), n)
}

func (s *Store) remove(ctx context.Context, op, query string, args ...any) (n int, err error) {
	err = s.db.Write(ctx, func(tx *sqldb.Tx) error {
		res, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return broken(op, err)
		}
		rows, err := res.RowsAffected()
		n = int(rows)
		return broken(op, err)
	})
	return n, err
}

// ForgetEvents implements hub.Store. The oldest of a service go first, so that the rest has no gap.
func (s *Store) ForgetEvents(ctx context.Context, before time.Time, n int) (gone int, err error) {
	err = s.db.Write(ctx, func(tx *sqldb.Tx) error {
		gone = 0
		marks, err := list(ctx, tx, "ForgetEvents", func(r scanner) (m mark, err error) {
			return m, r.Scan(&m.service, &m.read)
		}, `SELECT service, read FROM event_marks WHERE forgotten < read`)
		if err != nil {
			return err
		}
		for _, m := range marks {
			took, err := m.forget(ctx, tx, micros(before), n-gone)
			if err != nil {
				return err
			}
			gone += took
		}
		return nil
	})
	return gone, err
}

// mark is how far a service has read.
type mark struct {
	service id.Service
	read    int64
}

// forget removes the service's oldest events that are old and read, at most n.
func (m mark) forget(ctx context.Context, tx *sqldb.Tx, before int64, n int) (took int, err error) {
	type event struct{ seq, at int64 }
	oldest, err := list(ctx, tx, "ForgetEvents", func(r scanner) (e event, err error) { return e, r.Scan(&e.seq, &e.at) },
		`SELECT seq, at_us FROM events WHERE service = $1 AND seq <= $2 ORDER BY seq LIMIT $3`, m.service, m.read, n)
	if err != nil {
		return 0, err
	}
	for took < len(oldest) && oldest[took].at < before {
		took++
	}
	if took == 0 {
		return 0, nil
	}
	last := oldest[took-1].seq
	if _, err := tx.ExecContext(ctx, `DELETE FROM events WHERE service = $1 AND seq <= $2`, m.service, last); err != nil {
		return 0, broken("ForgetEvents", err)
	}
	_, err = tx.ExecContext(ctx, `UPDATE event_marks SET forgotten = $1 WHERE service = $2`, last, m.service)
	return took, broken("ForgetEvents", err)
}
