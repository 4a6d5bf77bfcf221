package hub

import (
	"context"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/hub"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// tx is hub.Tx: there is one writer, so what a transaction reads stays true until it commits.
type tx struct{ t *sqldb.Tx }

func (t tx) Suspensions(ctx context.Context) ([]hub.Suspension, error) { return suspensions(ctx, t.t) }

func (t tx) PutSuspension(ctx context.Context, e hub.Suspension) error {
	if e.State == hub.Open {
		_, err := t.t.ExecContext(ctx, `DELETE FROM suspensions WHERE service = $1 AND issuer = $2`, e.Service, e.Issuer)
		return broken("PutSuspension", err)
	}
	_, err := t.t.ExecContext(ctx, `INSERT INTO suspensions (service, issuer, state, by_whom, why, at_us)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (service, issuer) DO UPDATE SET state = excluded.state, by_whom = excluded.by_whom, why = excluded.why, at_us = excluded.at_us`,
		e.Service, e.Issuer, e.State.String(), e.By, e.Why, micros(e.At))
	return broken("PutSuspension", err)
}

func (t tx) PutAct(ctx context.Context, a hub.Act) error {
	_, err := t.t.ExecContext(ctx, `INSERT INTO acts (at_us, by_whom, what, why) VALUES ($1, $2, $3, $4)`, micros(a.At), a.By, a.What, a.Why)
	return broken("PutAct", err)
}

func (t tx) Request(ctx context.Context, r id.Request) (hub.Request, bool, error) {
	return one("Request", t.t.QueryRowContext(ctx, `SELECT request, service, issuer, stage, digest, redirect_uri, authorization_url,
		expires_us, code_hash, sealed, created_us FROM requests WHERE request = $1`, r), func(row scanner) (q hub.Request, err error) {
		var expires, created int64
		err = row.Scan(&q.ID, &q.Service, &q.Issuer, &q.Stage, &q.Digest, &q.RedirectURI, &q.AuthorizationURL,
			&expires, &q.CodeHash, &q.Sealed, &created)
		q.Expires, q.Created = clock.FromMicros(expires), clock.FromMicros(created)
		return q, err
	})
}

func (t tx) PutRequest(ctx context.Context, q hub.Request) error {
	_, err := t.t.ExecContext(ctx, `INSERT INTO requests (request, service, issuer, stage, digest, redirect_uri, authorization_url,
		expires_us, code_hash, sealed, created_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (request) DO UPDATE SET stage = excluded.stage, authorization_url = excluded.authorization_url,
		expires_us = excluded.expires_us, code_hash = excluded.code_hash, sealed = excluded.sealed`,
		q.ID, q.Service, q.Issuer, q.Stage, q.Digest, q.RedirectURI, q.AuthorizationURL,
		micros(q.Expires), q.CodeHash, notNull(q.Sealed), micros(q.Created))
	return broken("PutRequest", err)
}

func (t tx) Link(ctx context.Context, l id.Link) (hub.Link, bool, error) { return link(ctx, t.t, l) }

func (t tx) PutLink(ctx context.Context, l hub.Link) error {
	_, err := t.t.ExecContext(ctx, `INSERT INTO links (link, service, issuer, request, pseudonym, state, seq, sealed, updated_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (link) DO UPDATE SET request = excluded.request, pseudonym = excluded.pseudonym, state = excluded.state,
		seq = excluded.seq, sealed = excluded.sealed, updated_us = excluded.updated_us`,
		l.ID, l.Service, l.Issuer, l.Request, l.Pseudonym, l.State, l.Seq, notNull(l.Sealed), micros(l.Updated))
	return broken("PutLink", err)
}

func (t tx) Debit(ctx context.Context, s id.Service, c id.Debit) (hub.Debit, bool, error) {
	return one("Debit", t.t.QueryRowContext(ctx, `SELECT `+debitColumns+` FROM debits WHERE service = $1 AND debit = $2`, s, c), scanDebit)
}

func (t tx) PutDebit(ctx context.Context, d hub.Debit) error {
	_, err := t.t.ExecContext(ctx, `INSERT INTO debits (service, debit, issuer, link, order_hash, outcome, sent_us, answered_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (service, debit) DO UPDATE SET outcome = excluded.outcome, answered_us = excluded.answered_us`,
		d.Service, d.ID, d.Issuer, d.Link, d.OrderHash, d.Outcome, micros(d.Sent), micros(d.Answered))
	return broken("PutDebit", err)
}

func (t tx) AddEvent(ctx context.Context, e hub.Event) (bool, error) {
	res, err := t.t.ExecContext(ctx, `INSERT INTO events (service, seq, once, report, at_us)
		SELECT $1, 1 + COALESCE(MAX(n), 0), $2, $3, $4 FROM (
			SELECT MAX(seq) AS n FROM events WHERE service = $1
			UNION ALL SELECT forgotten FROM event_marks WHERE service = $1) AS known
		WHERE true
		ON CONFLICT (service, once) DO NOTHING`, e.Service, e.Key, e.Report, micros(e.At))
	if err != nil {
		return false, broken("AddEvent", err)
	}
	n, err := res.RowsAffected()
	return n == 1, broken("AddEvent", err)
}

// notNull stores no secrets as no bytes.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
