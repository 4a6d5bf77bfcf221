package wallet

import (
	"context"
	"errors"
	"fmt"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wire"
)

// Messages signs for the service, and verifies what banks signed against the keys the service pinned itself:
// the hub that carries them is never asked.
type Messages struct {
	Service id.Service
	Key     wire.Key
	Banks   wire.Register
	Now     clock.Now
}

// Sign makes the compact JWS of a message.
func (m Messages) Sign(msg wire.Message) (string, error) { return wire.Sign(m.Key, msg) }

// SealIdentity signs an identity and encrypts it to the bank (L6).
func (m Messages) SealIdentity(ctx context.Context, to id.Issuer, who *wire.Identity) (string, error) {
	key, err := m.sealKey(ctx, to)
	if err != nil {
		return "", err
	}
	return wire.SealIdentity(m.Key, key, who)
}

// SealBrowser encrypts rs to the bank.
func (m Messages) SealBrowser(ctx context.Context, to id.Issuer, rs string) (string, error) {
	key, err := m.sealKey(ctx, to)
	if err != nil {
		return "", err
	}
	return wire.Seal(key, []byte(rs), wire.CtyBrowser)
}

func (m Messages) sealKey(ctx context.Context, to id.Issuer) (wire.PublicSealKey, error) {
	keys, err := m.Banks.Keys(ctx, string(to))
	if err != nil {
		return wire.PublicSealKey{}, err
	}
	key, ok := keys.Seal()
	if !ok {
		return wire.PublicSealKey{}, fault.New(fault.Internal, "wallet.Messages", fmt.Errorf("no encryption key pinned for %s", to))
	}
	return key, nil
}

// Knows says whether the service has pinned keys of this issuer.
func (m Messages) Knows(ctx context.Context, issuer id.Issuer) bool {
	keys, err := m.Banks.Keys(ctx, string(issuer))
	return err == nil && !keys.Empty()
}

// Open verifies that a compact JWS is of into's type, signed by this bank for this service, and decodes it.
// Anything else is fault.Invalid. Its age is not looked at: a bank's answer may come late and count.
func (m Messages) Open(ctx context.Context, compact string, issuer id.Issuer, into wire.Message) error {
	keys, err := m.Banks.Keys(ctx, string(issuer))
	if err != nil {
		return err
	}
	want := wire.Expect{Issuer: string(issuer), Audience: string(m.Service), Now: m.Now(), AnyAge: true}
	switch to := into.(type) {
	case *wire.LinkReport:
		return verify(compact, keys, want, to)
	case *wire.DebitReceipt:
		return verify(compact, keys, want, to)
	case *wire.ReversalReceipt:
		return verify(compact, keys, want, to)
	case *wire.Statement:
		return verify(compact, keys, want, to)
	case *wire.Settlement:
		return verify(compact, keys, want, to)
	default:
		return fault.New(fault.Internal, "wallet.Messages.Open", errors.New("not a message of a bank"))
	}
}

func verify[T any, M interface {
	*T
	wire.Message
}](compact string, keys wire.KeySet, want wire.Expect, into M) error {
	m, err := wire.Verify[T, M](compact, keys, want)
	if err != nil {
		return err
	}
	*into = *m
	return nil
}
