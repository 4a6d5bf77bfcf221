package hubd

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/hub"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wire"
)

// bridge is hub.Bridge over HTTP: one OAuth client per bank.
type bridge struct {
	clients map[id.Issuer]*wire.Client
}

// newBridge makes a client for each bank. The hub's client id is its own URL.
func newBridge(self string, banks []hub.Bank, key, proof wire.Key, transport http.RoundTripper, now clock.Now) *bridge {
	b := &bridge{clients: map[id.Issuer]*wire.Client{}}
	for _, bank := range banks {
		b.clients[bank.Issuer] = wire.NewClient(wire.ClientConfig{ID: self, Key: key, Proof: proof,
			Issuer: string(bank.Issuer), Transport: transport, Now: now})
	}
	return b
}

func (b *bridge) client(issuer id.Issuer) (*wire.Client, error) {
	c, ok := b.clients[issuer]
	if !ok {
		return nil, fault.New(fault.NotFound, "hubd.bridge", fmt.Errorf("no bank %q", issuer))
	}
	return c, nil
}

func (b *bridge) NewKey() ([]byte, error) { return wire.GenerateKey().PrivateJWK(), nil }

func (b *bridge) NewVerifier() string { return wire.NewSecret() }

func (b *bridge) Push(ctx context.Context, issuer id.Issuer, in hub.Pushed) (string, time.Duration, error) {
	c, err := b.client(issuer)
	if err != nil {
		return "", 0, err
	}
	key, err := wire.ParseKey(in.Key)
	if err != nil {
		return "", 0, fault.New(fault.Internal, "hubd.Push", err)
	}
	out, err := c.PushAuthorization(ctx, wire.Push{RedirectURI: in.RedirectURI, State: in.State, Verifier: in.Verifier, Proof: key,
		Details: in.Details, LinkRequest: in.LinkRequest, Identity: in.Identity})
	return out.AuthorizationURL, out.ExpiresIn, err
}

func (b *bridge) Exchange(ctx context.Context, issuer id.Issuer, in hub.Exchanged) (hub.LinkToken, error) {
	c, err := b.client(issuer)
	if err != nil {
		return hub.LinkToken{}, err
	}
	key, err := wire.ParseKey(in.Key)
	if err != nil {
		return hub.LinkToken{}, fault.New(fault.Internal, "hubd.Exchange", err)
	}
	grant, err := c.ExchangeCode(ctx, in.Code, in.Verifier, in.RedirectURI, key)
	return hub.LinkToken{Token: grant.Token, Key: in.Key}, err
}

// call posts one field to a path of a bank, with the link's token or, without one, with the hub's own.
func (b *bridge) call(ctx context.Context, issuer id.Issuer, token *hub.LinkToken, path, field, message, answer string) (string, error) {
	c, err := b.client(issuer)
	if err != nil {
		return "", err
	}
	out := map[string]string{}
	call := wire.Call{Method: http.MethodPost, URL: string(issuer) + path, In: map[string]string{field: message}, Out: &out, MaxBody: 8 << 20}
	if token != nil {
		key, err := wire.ParseKey(token.Key)
		if err != nil {
			return "", fault.New(fault.Internal, "hubd.call", err)
		}
		call.Link = &wire.LinkToken{Token: token.Token, Proof: key}
	}
	if err := c.Do(ctx, call); err != nil {
		return "", err
	}
	if out[answer] == "" {
		return "", fault.New(fault.Unavailable, "hubd.call", fmt.Errorf("%s of %s answered without %q", path, issuer, answer))
	}
	return out[answer], nil
}

func (b *bridge) Activate(ctx context.Context, issuer id.Issuer, token hub.LinkToken, activation string) (hub.Report, error) {
	raw, err := b.call(ctx, issuer, &token, "/v1/activations", "activation", activation, "report")
	if err != nil {
		return hub.Report{}, err
	}
	r, err := b.ReadReport(raw)
	if err != nil {
		return hub.Report{}, fault.New(fault.Unavailable, "hubd.Activate", err)
	}
	return r, nil
}

func (b *bridge) Debit(ctx context.Context, issuer id.Issuer, token hub.LinkToken, order string) (hub.Receipt, error) {
	raw, err := b.call(ctx, issuer, &token, "/v1/debits", "order", order, "receipt")
	if err != nil {
		return hub.Receipt{}, err
	}
	r, err := b.ReadReceipt(raw)
	if err != nil {
		return hub.Receipt{}, fault.New(fault.Unavailable, "hubd.Debit", err)
	}
	return r, nil
}

func (b *bridge) Forward(ctx context.Context, issuer id.Issuer, path, field, message, answer string) (string, error) {
	return b.call(ctx, issuer, nil, path, field, message, answer)
}

func (b *bridge) ReadReport(raw string) (hub.Report, error) {
	var m wire.LinkReport
	if err := read(raw, &m); err != nil {
		return hub.Report{}, err
	}
	return hub.Report{Raw: raw, Issuer: id.Issuer(m.Issuer), Service: id.Service(m.Audience), Request: m.Request,
		Link: m.Link, Pseudonym: m.Pseudonym, State: string(m.State), Seq: m.Seq}, nil
}

func (b *bridge) ReadReceipt(raw string) (hub.Receipt, error) {
	var m wire.DebitReceipt
	if err := read(raw, &m); err != nil {
		return hub.Receipt{}, err
	}
	return hub.Receipt{Raw: raw, Debit: m.Debit, Outcome: string(m.Outcome)}, nil
}

// read decodes the payload of a compact JWS without looking at its signature: what it says only routes it,
// and whoever acts on it verifies it.
func read(raw string, into any) error {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || len(raw) > 64<<10 {
		return fault.New(fault.Invalid, "hubd.read", errors.New("not a compact JWS"))
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return fault.New(fault.Invalid, "hubd.read", errors.New("the payload is not base64url"))
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fault.New(fault.Invalid, "hubd.read", errors.New("the payload is not such a message"))
	}
	return nil
}
