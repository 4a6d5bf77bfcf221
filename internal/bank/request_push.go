package bank

import (
	"context"
	"encoding/base64"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wire"
)

// URIPrefix begins every request_uri (RFC 9126).
const URIPrefix = "urn:ietf:params:oauth:request_uri:"

// maxValid bounds how long a link may be asked for.
const maxValid = 5 * 366 * 24 * time.Hour

// Push is a pushed authorization request of an authenticated client, its form checked by wire.
type Push struct {
	Client, RedirectURI, State, Challenge, JKT string
	Details, LinkRequest, Identity             string
}

// Push takes a request for a link (step 3). What a service did not sign itself is refused; the identity stays
// sealed. It returns the request_uri and how long a browser may open it.
func (b *Bank) Push(ctx context.Context, p Push) (uri string, life time.Duration, err error) {
	now := b.Now()
	details, svc, err := b.checkDetails(p.Details, now)
	if err != nil {
		return "", 0, err
	}
	lr, err := b.checkLinkRequest(p, svc, now)
	if err != nil {
		return "", 0, err
	}
	if p.Identity == "" || len(p.Identity) > 16<<10 {
		return "", 0, fault.New(fault.Invalid, "bank.Push", text("identity is missing or too long"))
	}
	secret := b.secret()
	r := Request{
		ID: lr.Request, Service: svc.ID, Subject: details.Subject, State: RequestPushed,
		Client: p.Client, RedirectURI: p.RedirectURI, OAuthState: p.State, Challenge: p.Challenge, JKT: p.JKT,
		Details: p.Details, RequestHash: wire.Hash(p.LinkRequest), Browser: lr.Browser, Sealed: p.Identity,
		URIHash: wire.Hash(URIPrefix + secret), URIUntil: now.Add(RequestURILife),
		Reference: b.newReference(), PushedAt: now, Version: 1,
	}
	err = b.Store.Commit(ctx, PutRequest{Request: r}, PutEvidence{Evidence{
		Kind: "pushed", Request: r.ID, At: now,
		Facts: map[string]string{"link_request": p.LinkRequest, "details": p.Details, "identity_hash": wire.Hash(p.Identity), "client": p.Client},
	}})
	if err != nil {
		return "", 0, err
	}
	return URIPrefix + secret, RequestURILife, nil
}

// checkDetails reads authorization_details against the bank's own register and policy.
func (b *Bank) checkDetails(t string, now time.Time) (wire.AccountLink, Service, error) {
	const op = "bank.Push"
	d, err := wire.ParseDetails(t)
	if err != nil {
		return d, Service{}, err
	}
	svc, err := b.Service(d.Service)
	if err != nil {
		return d, svc, &fault.Error{Kind: fault.Invalid, Op: op, Err: err}
	}
	if svc.Stopped {
		return d, svc, fault.Refuse("R10", op, fault.Text{
			JA: "当行は現在、このサービスからの新しい口座連携を受け付けていません。",
			EN: "The bank takes no new links from this service at present.",
		})
	}
	if d.Device.RPID != svc.RPID || d.Device.Origin != svc.Origin {
		return d, svc, fault.New(fault.Invalid, op, text("the device key is not of the service's host"))
	}
	valid, err := validUntil(d.ValidUntil)
	if err != nil || !valid.After(now) || valid.After(now.Add(maxValid)) {
		return d, svc, fault.New(fault.Invalid, op, text("valid_until is out of range"))
	}
	if d.Limits.PerDebit > b.Policy.LinkEach || d.Limits.Per24h > b.Policy.LinkDay || d.Limits.Per30Days > b.Policy.LinkMonth {
		return d, svc, fault.Refuse("M1", op, fault.Text{
			JA: "当行がお引き受けできる上限を超えています。",
			EN: "The limits are above what the bank allows for a link.",
		})
	}
	return d, svc, nil
}

// validUntil is the first moment after a Japanese date.
func validUntil(day string) (time.Time, error) {
	t, err := time.ParseInLocation(time.DateOnly, day, clock.Tokyo)
	return t.AddDate(0, 0, 1).UTC(), err
}

// checkLinkRequest verifies that the service itself asks for exactly this.
func (b *Bank) checkLinkRequest(p Push, svc Service, now time.Time) (*wire.LinkRequest, error) {
	const op = "bank.Push"
	lr, err := wire.Verify[wire.LinkRequest](p.LinkRequest, svc.Keys, wire.Expect{
		Issuer: string(svc.ID), Audience: string(b.Profile.Issuer), Now: now, MaxAge: IdentityLife,
	})
	switch {
	case err != nil:
		return nil, err
	case lr.DetailsHash != wire.Hash(p.Details):
		return nil, fault.New(fault.Invalid, op, text("the service signed other details"))
	case lr.RedirectURI != p.RedirectURI:
		return nil, fault.New(fault.Invalid, op, text("the service signed another redirect_uri"))
	case !slices.Contains(svc.RedirectURIs, p.RedirectURI):
		return nil, fault.New(fault.Invalid, op, text("the redirect_uri is not in the register"))
	}
	return lr, nil
}

// secret is 256 bits of the bank's randomness in base64url.
func (b *Bank) secret() string {
	var raw [32]byte
	if _, err := io.ReadFull(b.Rand, raw[:]); err != nil {
		panic("bank: no randomness: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// newReference is what a person reads aloud: 40 random bits without letters that look alike.
func (b *Bank) newReference() string {
	const letters = "23456789ABCDEFGHJKMNPQRSTVWXYZ23" // 32 places; 2 and 3 stand twice
	var raw [8]byte
	if _, err := io.ReadFull(b.Rand, raw[:]); err != nil {
		panic("bank: no randomness: " + err.Error())
	}
	for i := range raw {
		raw[i] = letters[raw[i]&31]
	}
	return string(raw[:4]) + "-" + string(raw[4:])
}

// readReference reads a reference as people type it: in small letters, without the stroke, with spaces.
func readReference(typed string) string {
	bare := strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(typed))
	if len(bare) != 8 {
		return bare
	}
	return bare[:4] + "-" + bare[4:]
}

// digits6 is a one-time code: six decimal digits, evenly spread.
func (b *Bank) digits6() string {
	for {
		var raw [4]byte
		if _, err := io.ReadFull(b.Rand, raw[:]); err != nil {
			panic("bank: no randomness: " + err.Error())
		}
		n := uint32(raw[0])<<24 | uint32(raw[1])<<16 | uint32(raw[2])<<8 | uint32(raw[3])
		if n >= 4_294_000_000 { // the last incomplete million would be likelier
			continue
		}
		n %= 1_000_000
		var out [6]byte
		for i := 5; i >= 0; i-- {
			out[i] = '0' + byte(n%10)
			n /= 10
		}
		return string(out[:])
	}
}
