package wallet_test

import (
	"context"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
)

// stoppedHub routes no new debits to a stopped bank, and everything else.
type stoppedHub struct{ *scriptedHub }

func (*stoppedHub) Debit(context.Context, id.Issuer, id.Link, id.Debit, string) (string, error) {
	return "", fault.Refuse("R5", "hub", fault.Text{JA: "停止中", EN: "stopped"})
}
