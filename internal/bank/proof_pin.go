package bank

import (
	"context"

	"github.com/kozamori/kozamori/internal/fault"
)

// VerifyPIN evaluates a PIN for whoever has proved possession, and for nobody else: a Possession can be had
// in no other way (L1). A wrong PIN, a locked account and one without a PIN are the same false; the try is
// counted before it is evaluated.
func (b *Bank) VerifyPIN(ctx context.Context, held Possession, pin PIN) (bool, error) {
	return b.verifyPIN(ctx, held, AtPages, pin)
}

// SignIn is the second factor of signing in to the portal (L16). It spends the proof: who signs out has to prove
// possession anew. ok is false as with VerifyPIN.
func (b *Bank) SignIn(ctx context.Context, held Possession, pin PIN) (ok bool, err error) {
	if held.purpose != ForPortal {
		return false, fault.New(fault.Forbidden, "bank.SignIn", text("possession was proved for something else"))
	}
	if ok, err = b.VerifyPIN(ctx, held, pin); !ok || err != nil {
		return false, err
	}
	err = again(ctx, "bank.SignIn", func() error {
		spent, err := b.spending(ctx, held.proof)
		if err != nil {
			return err
		}
		return b.Store.Commit(ctx, spent)
	})
	return err == nil, err
}

func (b *Bank) verifyPIN(ctx context.Context, held Possession, at PINPlace, pin PIN) (bool, error) {
	if held.account == "" || held.kind == "" || b.Now().Sub(held.at) > SessionLife {
		return false, fault.New(fault.Internal, "bank.VerifyPIN", text("no possession"))
	}
	row, allowed, err := b.Store.TakePINTry(ctx, held.account, at, b.Now())
	if err != nil {
		return false, err
	}
	// A try that is not allowed takes as long as one that is.
	right := b.PIN.Verify(held.account, row.Protected, pin)
	if !allowed || !right {
		return false, nil
	}
	return true, b.Store.ClearPINTries(ctx, held.account, at)
}
