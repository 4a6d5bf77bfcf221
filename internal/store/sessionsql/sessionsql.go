// Package sessionsql keeps browser sessions in a file or schema apart from the money, so that no page view waits for a
// commit of money or delays one.
package sessionsql

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Source is the table of sessions.
var Source = sqldb.Source{Name: "sessions", FS: migrations}

// Store implements scs.CtxStore. A session's end is a matter of the machine's clock: scs sets it so.
type Store struct{ db *sqldb.DB }

var (
	_ scs.Store    = (*Store)(nil)
	_ scs.CtxStore = (*Store)(nil)
)

// New makes the store over an open file.
func New(db *sqldb.DB) *Store { return &Store{db: db} }

func broken(op string, err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Unavailable, "sessionsql."+op, err)
}

// FindCtx returns a session's data while it has not expired.
func (s *Store) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	err = s.db.Read().QueryRowContext(ctx, `SELECT data FROM sessions WHERE token = $1 AND expires_us > $2 AND length(data) > 0`,
		token, clock.Micros(clock.System())).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return data, err == nil, broken("Find", err)
}

// CommitCtx writes a session, unless it was ended: a request that began before a sign-out and ends after it
// must not bring the session back.
func (s *Store) CommitCtx(ctx context.Context, token string, data []byte, expires time.Time) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO sessions (token, data, expires_us) VALUES ($1, $2, $3)
			ON CONFLICT (token) DO UPDATE SET data = excluded.data, expires_us = excluded.expires_us WHERE length(sessions.data) > 0`,
			token, data, clock.Micros(expires))
		return broken("Commit", err)
	})
}

// endedFor is how long an ended session is remembered as such: longer than any request takes.
const endedFor = time.Hour

// DeleteCtx ends a session for good: a row without data stands in its place for a while.
func (s *Store) DeleteCtx(ctx context.Context, token string) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO sessions (token, data, expires_us) VALUES ($1, $2, $3)
			ON CONFLICT (token) DO UPDATE SET data = excluded.data, expires_us = excluded.expires_us`,
			token, []byte{}, clock.Micros(clock.System().Add(endedFor)))
		return broken("Delete", err)
	})
}

// Find, Commit and Delete are the same without a context, as scs.Store wants them.
func (s *Store) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit writes a session.
func (s *Store) Commit(token string, data []byte, expires time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expires)
}

// Delete ends a session.
func (s *Store) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// Forget removes what has expired; a role calls it now and then.
func (s *Store) Forget(ctx context.Context) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE expires_us <= $1`, clock.Micros(clock.System()))
		return broken("Forget", err)
	})
}
