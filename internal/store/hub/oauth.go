package hub

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wire"
)

var (
	_ wire.TokenStore = (*Store)(nil)
	_ wire.Replay     = (*Store)(nil)
)

// SaveToken keeps a token by its hash.
func (s *Store) SaveToken(ctx context.Context, hash string, t wire.Token) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO tokens (hash, client, scope, jkt, expires_us) VALUES ($1, $2, $3, $4, $5)`,
			hash, t.Client, t.Scope, t.JKT, micros(t.Expires))
		return broken("SaveToken", err)
	})
}

// TokenByHash finds a token; fault.NotFound where there is none.
func (s *Store) TokenByHash(ctx context.Context, hash string) (wire.Token, error) {
	var t wire.Token
	var expires int64
	err := s.db.Read().QueryRowContext(ctx, `SELECT client, scope, jkt, expires_us FROM tokens WHERE hash = $1`, hash).
		Scan(&t.Client, &t.Scope, &t.JKT, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return wire.Token{}, fault.New(fault.NotFound, "store.hub.TokenByHash", nil)
	}
	t.Expires = clock.FromMicros(expires)
	return t, broken("TokenByHash", err)
}

// Use remembers a jti and says whether it is the first time.
func (s *Store) Use(ctx context.Context, space, jti string, until time.Time) (first bool, err error) {
	err = s.db.Write(ctx, func(tx *sqldb.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO used (space, jti, until_us) VALUES ($1, $2, $3) ON CONFLICT (space, jti) DO NOTHING`,
			space, jti, micros(until))
		if err != nil {
			return broken("Use", err)
		}
		n, err := res.RowsAffected()
		first = n == 1
		return broken("Use", err)
	})
	return first, err
}

// Forget removes tokens and jti that have expired.
func (s *Store) Forget(ctx context.Context, now time.Time) error {
	return s.db.Write(ctx, func(tx *sqldb.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM tokens WHERE expires_us < $1`, micros(now)); err != nil {
			return broken("Forget", err)
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM used WHERE until_us < $1`, micros(now))
		return broken("Forget", err)
	})
}
