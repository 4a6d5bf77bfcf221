package walletd

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/config"
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

// checkLinks says what is wrong with what a new link asks for.
func (c *Config) checkLinks(p *config.Problems) {
	l := c.Links
	if l.PerDebit < 1 || l.PerDay < l.PerDebit || l.PerMonth < l.PerDay || l.PerMonth > wallet.MaxCharge {
		p.Add("[links] per_debit, per_24_hours, per_30_days", "are %d, %d, %d: want 1 yen or more, none below the one before it, at most %d",
			l.PerDebit, l.PerDay, l.PerMonth, wallet.MaxCharge)
	}
	if l.Years < 1 || l.Years > 10 {
		p.Add("[links] years", "is %d, want 1 to 10", l.Years)
	}
}

// checkMoney says what is wrong with limits and shops.
func (c *Config) checkMoney(p *config.Problems) {
	m := c.Money
	for _, only := range []MoneyConfig{{ChargeEach: m.ChargeEach}, {ChargeDay: m.ChargeDay}, {ChargeMonth: m.ChargeMonth}, {HolderCap: m.HolderCap}, {BankCap: m.BankCap}} {
		if err := only.policy().Check(); err != nil { // each by itself, so that all are named
			p.Join("[money]", errors.New(strings.TrimPrefix(err.Error(), "wallet: ")))
		}
	}
	p.Needed("[money] break_owner", c.Money.BreakOwner)
	seen := map[string]bool{}
	for i, shop := range c.Shops {
		at := fmt.Sprintf("[[shop]] %d, %q:", i+1, shop.ID)
		p.Needed(at+" id", shop.ID)
		p.Needed(at+" name", shop.Name)
		p.Needed(at+" name_en", shop.NameEN)
		if hash, err := base64.RawURLEncoding.DecodeString(shop.KeyHash); err != nil || len(hash) != sha256.Size {
			p.Add(at+" key_hash", "want the SHA-256 of the shop's key in base64url, 43 letters")
		}
		if seen[shop.ID] {
			p.Add(at+" id", "stands twice")
		}
		if seen[shop.KeyHash] {
			p.Add(at+" key_hash", "another shop has the same key")
		}
		seen[shop.ID], seen[shop.KeyHash] = true, true
	}
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
