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
	t, err := s.tenantOf(code)
	if err != nil {
		return bank.Account{}, err
	}
	return t.bank.OpenAccount(ctx, n)
}

// Rules is one of the banks itself, for who drives it without its pages.
func (s *Server) Rules(code id.Bank) (*bank.Bank, error) {
	t, err := s.tenantOf(code)
	if err != nil {
		return nil, err
	}
	return t.bank, nil
}

// Deliver sends what a bank's outbox holds and is due, one message after the other: a turn of what Run does.
func (s *Server) Deliver(ctx context.Context, code id.Bank) (tried int, err error) {
	t, err := s.tenantOf(code)
	if err != nil {
		return 0, err
	}
	return t.runner().Once(ctx)
}

func (s *Server) tenantOf(code id.Bank) (*tenant, error) {
	for _, t := range s.order {
		if t.bank.Profile.Code == code {
			return t, nil
		}
	}
	return nil, fault.New(fault.NotFound, "bankd.tenantOf", fmt.Errorf("no bank %s here", code))
}
