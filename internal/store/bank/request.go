package bank

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wire"
)

func putRequest(ctx context.Context, tx *sqldb.Tx, w bank.PutRequest) error {
	r := w.Request
	if w.IfVersion == 0 {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO link_request (id, service, subject, state, ended, client, redirect_uri, oauth_state, challenge, jkt, details,
				request_hash, browser, sealed, uri_hash, uri_until_us, reference, session, account, holder, proof, proved,
				pin_tries, code_hash, link, pushed_us, opened_us, consented_us, redeemed_us, answered_us, ended_us, version)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
				$23, $24, $25, $26, $27, $28, $29, $30, $31, 1)`,
			r.ID, r.Service, r.Subject, r.State, r.Ended, r.Client, r.RedirectURI, r.OAuthState, r.Challenge, r.JKT, r.Details,
			r.RequestHash, r.Browser, r.Sealed, r.URIHash, us(r.URIUntil), r.Reference, r.Session, r.Account, r.Holder, r.Proof, r.Proved,
			r.PINTries, r.CodeHash, r.Link, us(r.PushedAt), us(r.OpenedAt), us(r.ConsentedAt), us(r.RedeemedAt), us(r.AnsweredAt), us(r.EndedAt))
		if sqldb.IsDuplicate(err) {
			return &fault.Error{Kind: fault.Conflict, Op: "store.bank.putRequest", Err: err}
		}
		return err
	}
	res, err := tx.ExecContext(ctx, `
		UPDATE link_request SET state = $3, ended = $4, sealed = $5, session = $6, account = $7, holder = $8, proof = $9, proved = $10,
			pin_tries = $11, code_hash = $12, link = $13, opened_us = $14, consented_us = $15, redeemed_us = $16, answered_us = $17,
			ended_us = $18, version = version + 1
		WHERE id = $1 AND version = $2`,
		r.ID, w.IfVersion, r.State, r.Ended, r.Sealed, r.Session, r.Account, r.Holder, r.Proof, r.Proved,
		r.PINTries, r.CodeHash, r.Link, us(r.OpenedAt), us(r.ConsentedAt), us(r.RedeemedAt), us(r.AnsweredAt), us(r.EndedAt))
	return conditional("putRequest", res, err)
}

const requestColumns = `id, service, subject, state, ended, client, redirect_uri, oauth_state, challenge, jkt, details,
	request_hash, browser, sealed, uri_hash, uri_until_us, reference, session, account, holder, proof, proved,
	pin_tries, code_hash, link, pushed_us, opened_us, consented_us, redeemed_us, answered_us, ended_us, version`

func scanRequest(row scanner) (bank.Request, error) {
	var r bank.Request
	var uriUntil, pushed, opened, consented, redeemed, answered, ended int64
	err := row.Scan(&r.ID, &r.Service, &r.Subject, &r.State, &r.Ended, &r.Client, &r.RedirectURI, &r.OAuthState, &r.Challenge, &r.JKT, &r.Details,
		&r.RequestHash, &r.Browser, &r.Sealed, &r.URIHash, &uriUntil, &r.Reference, &r.Session, &r.Account, &r.Holder, &r.Proof, &r.Proved,
		&r.PINTries, &r.CodeHash, &r.Link, &pushed, &opened, &consented, &redeemed, &answered, &ended, &r.Version)
	r.URIUntil, r.PushedAt, r.OpenedAt = moment(uriUntil), moment(pushed), moment(opened)
	r.ConsentedAt, r.RedeemedAt, r.AnsweredAt, r.EndedAt = moment(consented), moment(redeemed), moment(answered), moment(ended)
	return r, err
}

// Request implements bank.RequestStore.
func (s *Store) Request(ctx context.Context, r id.Request) (bank.Request, error) {
	got, err := scanRequest(s.db.Read().QueryRowContext(ctx, `SELECT `+requestColumns+` FROM link_request WHERE id = $1`, r))
	return got, readErr("Request", err)
}

// RequestByURI implements bank.RequestStore.
func (s *Store) RequestByURI(ctx context.Context, hash string) (bank.Request, error) {
	got, err := scanRequest(s.db.Read().QueryRowContext(ctx, `SELECT `+requestColumns+` FROM link_request WHERE uri_hash = $1`, hash))
	return got, readErr("RequestByURI", err)
}

// RequestByCode implements bank.RequestStore.
func (s *Store) RequestByCode(ctx context.Context, hash string) (bank.Request, error) {
	got, err := scanRequest(s.db.Read().QueryRowContext(ctx,
		`SELECT `+requestColumns+` FROM link_request WHERE code_hash = $1 AND code_hash <> ''`, hash))
	return got, readErr("RequestByCode", err)
}

// RequestsToEnd implements bank.RequestStore.
func (s *Store) RequestsToEnd(ctx context.Context, now time.Time, n int) ([]bank.Request, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT `+requestColumns+` FROM link_request
		WHERE state NOT IN ('done', 'dead') AND CASE
			WHEN state IN ('consented', 'redeemed') THEN consented_us <= $2
			WHEN state = 'waiting' THEN answered_us <= $3
			ELSE pushed_us <= $1 END
		ORDER BY pushed_us LIMIT $4`,
		us(now.Add(-bank.SessionLife)), us(now.Add(-bank.RedeemLife)), us(now.Add(-bank.ReceiptLife)), n)
	return list("RequestsToEnd", rows, err, scanRequest)
}

// RequestsReceived implements bank.RequestStore. Which receipt counts is bank.Received.
func (s *Store) RequestsReceived(ctx context.Context, now time.Time, n int) ([]bank.Request, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT `+requestColumns+` FROM link_request
		WHERE state NOT IN ('done', 'dead') AND state = 'waiting' AND answered_us > $1 AND EXISTS (
			SELECT 1 FROM receipt WHERE receipt.request = link_request.id AND (link_request.proved <> 'code' OR receipt.channel <> 'sms'))
		ORDER BY pushed_us LIMIT $2`, us(now.Add(-bank.ReceiptLife)), n)
	return list("RequestsReceived", rows, err, scanRequest)
}

func putToken(ctx context.Context, tx *sqldb.Tx, t bank.Token) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO token (hash, client, scope, jkt, link, request, until_us, revoked_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0)`, t.Hash, t.Client, t.Scope, t.JKT, t.Link, t.Request, us(t.Until))
	return err
}

func revokeTokens(ctx context.Context, tx *sqldb.Tx, w bank.RevokeTokens) error {
	_, err := tx.ExecContext(ctx, `UPDATE token SET revoked_us = $3
		WHERE link = $1 AND link <> '' AND request <> $2 AND revoked_us = 0`, w.Link, w.Keep, us(w.At))
	return err
}

// TokenByHash reads a token; an unknown or revoked one is fault.NotFound. It implements wire.TokenStore too.
func (s *Store) TokenByHash(ctx context.Context, hash string) (wire.Token, error) {
	var t wire.Token
	var until int64
	err := s.db.Read().QueryRowContext(ctx, `SELECT client, scope, jkt, link, until_us FROM token
		WHERE hash = $1 AND revoked_us = 0`, hash).Scan(&t.Client, &t.Scope, &t.JKT, &t.Link, &until)
	t.Expires = moment(until)
	return t, readErr("TokenByHash", err)
}

// SaveToken implements wire.TokenStore, for tokens that belong to no link; Forget removes them.
func (s *Store) SaveToken(ctx context.Context, hash string, t wire.Token) error {
	return writeErr("SaveToken", s.db.Write(ctx, func(tx *sqldb.Tx) error {
		return putToken(ctx, tx, bank.Token{Hash: hash, Client: t.Client, Scope: t.Scope, JKT: t.JKT, Until: t.Expires})
	}))
}

// Use implements wire.Replay.
func (s *Store) Use(ctx context.Context, space, value string, until time.Time) (first bool, err error) {
	err = s.db.Write(ctx, func(tx *sqldb.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO used_once (space, value, until_us) VALUES ($1, $2, $3)`, space, value, us(until))
		return err
	})
	if sqldb.IsDuplicate(err) {
		return false, nil
	}
	return err == nil, readErr("Use", err)
}
