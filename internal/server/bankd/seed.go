package bankd

import (
	"context"
	"fmt"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
)

// OpenAccount opens a deposit account at one of the banks, as a counter or a core system would. A place or card
// that is taken is fault.Conflict.
func (s *Server) OpenAccount(ctx context.Context, code id.Bank, n bank.NewAccount) (bank.Account, error) {
	for _, t := range s.order {
		if t.bank.Profile.Code == code {
			return t.bank.OpenAccount(ctx, n)
		}
	}
	return bank.Account{}, fault.New(fault.NotFound, "bankd.OpenAccount", fmt.Errorf("no bank %s here", code))
}
