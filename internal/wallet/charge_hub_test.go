package wallet_test

import (
	"context"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wallet"
)

// stoppedHub routes no new debits to a stopped bank, and everything else.
type stoppedHub struct{ *scriptedHub }

func (*stoppedHub) Debit(context.Context, id.Issuer, id.Link, id.Debit, string) (string, error) {
	return "", fault.Refuse("R5", "hub", fault.Text{JA: "停止中", EN: "stopped"})
}

// deadLedger is what a wallet meets when it dies at its next commit.
type deadLedger struct{}

func (deadLedger) Submit(context.Context, ledger.Request) (ledger.Result, error) {
	return ledger.Result{}, errLost
}

func (deadLedger) SubmitAll(context.Context, []ledger.Request) ([]ledger.Result, error) {
	return nil, errLost
}

// forgetfulLedger commits, and then cannot say whether it did.
type forgetfulLedger struct {
	wallet.Ledger
	armed bool
}

func (l *forgetfulLedger) Submit(ctx context.Context, r ledger.Request) (ledger.Result, error) {
	result, err := l.Ledger.Submit(ctx, r)
	if l.armed && err == nil {
		l.armed = false
		return ledger.Result{}, errLost
	}
	return result, err
}
