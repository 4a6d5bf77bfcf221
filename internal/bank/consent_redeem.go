package bank

import (
	"context"
	"crypto/subtle"
	"errors"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// Redeem is a token request for an authorization code, of an authenticated client with a DPoP proof.
type Redeem struct {
	Client, Code, RedirectURI, Verifier, JKT string
	TokenHash                                string // the token to store, by its hash
}

// ErrGrant says that a code buys nothing; the token endpoint calls it invalid_grant. Which of the reasons it
// was is in the cause.
var ErrGrant = errors.New("bank: the code buys nothing")

func refuseGrant(why string) error {
	return &fault.Error{Kind: fault.Invalid, Op: "bank.Redeem", Err: errors.Join(ErrGrant, text(why))}
}

// Redeem exchanges a code once, within 60 seconds, for the client and the DPoP key that pushed the request.
// A second use kills the tokens and the link: two parties have the code, and one of them is a thief.
func (b *Bank) Redeem(ctx context.Context, x Redeem) (Token, string, error) {
	now := b.Now()
	r, err := b.Store.RequestByCode(ctx, wire.Hash(x.Code))
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			err = refuseGrant("unknown code")
		}
		return Token{}, "", err
	}
	if why := r.refuses(x, now); why != "" {
		return Token{}, "", refuseGrant(why)
	}
	if r.State != RequestConsented {
		return Token{}, "", either(b.killReused(ctx, r), refuseGrant("used before"))
	}
	d := r.Asked()
	valid, err := validUntil(d.ValidUntil)
	if err != nil {
		return Token{}, "", fault.New(fault.Internal, "bank.Redeem", err)
	}
	version := r.Version
	r.State, r.RedeemedAt, r.Version = RequestRedeemed, now, version+1
	t := Token{Hash: x.TokenHash, Client: x.Client, Scope: ScopeLink, JKT: x.JKT, Link: r.Link, Request: r.ID, Until: valid}
	err = b.Store.Commit(ctx, PutRequest{Request: r, IfVersion: version}, PutToken{t})
	if err != nil && fault.Of(err) == fault.Conflict { // used at the same moment
		again, readErr := b.Store.Request(ctx, r.ID)
		if readErr != nil {
			return Token{}, "", readErr
		}
		return Token{}, "", either(b.killReused(ctx, again), refuseGrant("used at the same moment"))
	}
	return t, r.Details, err
}

// The scopes of access tokens at a bank (docs/protocol.md).
const (
	ScopeLink        = "account_link"
	ScopeParticipant = "participant"
	ScopeATM         = "atm"
)

// refuses says why a code buys nothing for this request, before its single use is looked at: none of these
// kills anything.
func (r Request) refuses(x Redeem, now time.Time) string {
	same := func(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
	switch {
	case !same(r.Client, x.Client):
		return "another client's code"
	case x.RedirectURI != r.RedirectURI:
		return "another redirect_uri"
	case !same(r.JKT, x.JKT):
		return "another DPoP key"
	case wire.CheckPKCE(r.Challenge, x.Verifier) != nil:
		return "wrong code_verifier"
	case r.State == RequestConsented && !now.Before(r.ConsentedAt.Add(AuthCodeLife)):
		return "too late"
	}
	return ""
}

// codeReused is why a request died, or a link was revoked, whose authorization code was used twice.
const codeReused = "code_reused"

// killReused ends what a code used twice made.
func (b *Bank) killReused(ctx context.Context, r Request) error {
	if r.State == RequestDead {
		return nil
	}
	if r.State == RequestDone {
		return b.revokeReused(ctx, r)
	}
	return b.Die(ctx, r, codeReused)
}

// revokeReused ends a link that is live already.
func (b *Bank) revokeReused(ctx context.Context, r Request) error {
	l, err := b.MoveLink(ctx, r.Link, Move{
		To: LinkRevoked, Reason: codeReused, Kind: "revoked", Event: EventEnded,
		More: []ledger.Write{RevokeTokens{Link: r.Link, At: b.Now()}},
	}, func(l Link) error {
		if l.State == LinkRevoked || l.State == LinkExpired || l.Request != r.ID {
			return errNothingToDo
		}
		return nil
	})
	if !errors.Is(err, errNothingToDo) {
		return err
	}
	// Somebody else has ended the link, or proved it anew: the tokens of this code die all the same.
	gone := RevokeTokens{Link: r.Link, At: b.Now()}
	if l.Request != r.ID {
		gone.Keep = l.Request
	}
	return b.Store.Commit(ctx, gone)
}

// errNothingToDo says that a move is not needed any more.
var errNothingToDo = errors.New("bank: nothing to do")
