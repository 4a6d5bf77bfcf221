package walletd

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/wallet"
)

// sweepEvery is how often open charges and maturing money are looked at where the configuration does not say.
const sweepEvery = 2 * time.Second

// policy is what the configuration says of limits and caps; what it leaves out is the default.
func (m MoneyConfig) policy() wallet.MoneyPolicy {
	return wallet.MoneyPolicy{
		Each: m.ChargeEach, Day: m.ChargeDay, Month: m.ChargeMonth, HolderCap: m.HolderCap, BankCap: m.BankCap,
	}.Or(wallet.DefaultMoney())
}

// checkMoney says what is wrong with limits and shops.
func (c *Config) checkMoney() error {
	errs := []error{c.Money.policy().Check()}
	seen := map[string]bool{}
	for _, shop := range c.Shops {
		hash, err := base64.RawURLEncoding.DecodeString(shop.KeyHash)
		if err != nil || len(hash) != sha256.Size || shop.ID == "" || shop.Name == "" || shop.NameEN == "" || seen[shop.ID] || seen[shop.KeyHash] {
			errs = append(errs, fmt.Errorf("[[shop]] %q needs an id, both names, and the base64url SHA-256 of a key of its own", shop.ID))
		}
		seen[shop.ID], seen[shop.KeyHash] = true, true
	}
	return errors.Join(errs...)
}

// moneyDeps is the money half of the wallet as configured.
func (s *Server) moneyDeps() wallet.MoneyDeps {
	m := s.cfg.Money
	d := wallet.MoneyDeps{
		Books: s.store.Books(), BreakOwner: m.BreakOwner,
		Policy: m.policy(),
	}
	for _, c := range s.cfg.Shops {
		d.Shops = append(d.Shops, wallet.Shop{
			ID: wallet.ShopID(c.ID), Name: fault.Text{JA: c.Name, EN: c.NameEN}, CashLike: c.CashLike, KeyHash: c.KeyHash,
		})
	}
	return d
}

// moneyHandlers deliver what the money half puts into the outbox.
func (s *Server) moneyHandlers() map[string]outbox.Handler { return s.wallet.MoneyHandlers() }

// moneyWork is the money's background work until ctx ends.
func (s *Server) moneyWork(ctx context.Context) error {
	every := s.cfg.Money.SweepEvery
	if every <= 0 {
		every = sweepEvery
	}
	return s.wallet.RunMoney(ctx, every)
}
