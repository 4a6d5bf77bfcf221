package walletd

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/notify"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/web"
)

// Config is the wallet's configuration file; docs/config/wallet.toml is the annotated example.
type Config struct {
	Dev       bool                 `toml:"dev"` // keys made by `kozamori dev`, http:// and *.localhost; loopback only
	Server    observe.ServerConfig `toml:"server"`
	Ops       observe.ServerConfig `toml:"ops"`
	Service   ServiceConfig        `toml:"service"`
	Data      DataConfig           `toml:"data"`
	Hub       HubConfig            `toml:"hub"`
	Mail      notify.MailConfig    `toml:"mail"`
	SMS       notify.GatewayConfig `toml:"sms"`
	Links     LinkConfig           `toml:"links"`
	Money     MoneyConfig          `toml:"money"`
	Staff     []StaffConfig        `toml:"staff"`
	Banks     []BankConfig         `toml:"bank"`
	Shops     []ShopConfig         `toml:"shop"`
	ClockFile string               `toml:"clock_file"` // dev only: seconds the clock is ahead
}

// ServiceConfig says who the service is.
type ServiceConfig struct {
	ID     string `toml:"id"`
	NameJA string `toml:"name_ja"`
	NameEN string `toml:"name_en"`
	Origin string `toml:"origin"` // scheme://host[:port] that browsers see; its host is the passkeys' RP id
	Accent int    `toml:"accent"` // 0 to 7: the hue of its pages
}

// DataConfig says where data and keys lie.
type DataConfig struct {
	Dir  string `toml:"dir"`  // money.db, web.db, audit.jsonl
	Keys string `toml:"keys"` // sign, client, dpop, rows and marks keys
}

// HubConfig is the hub as the service calls it.
type HubConfig struct {
	Issuer string `toml:"issuer"` // the hub's URL
}

// LinkConfig is what a new link asks for; never above the compiled bounds.
type LinkConfig struct {
	PerDebit money.Yen `toml:"per_debit"`
	PerDay   money.Yen `toml:"per_24_hours"`
	PerMonth money.Yen `toml:"per_30_days"`
	Years    int       `toml:"years"`
}

// MoneyConfig bounds what a holder may do and hold.
type MoneyConfig struct {
	ChargeEach  money.Yen     `toml:"charge_each"`
	ChargeDay   money.Yen     `toml:"charge_24_hours"`
	ChargeMonth money.Yen     `toml:"charge_30_days"`
	HolderCap   money.Yen     `toml:"holder_cap"`
	BankCap     money.Yen     `toml:"bank_cap"`    // M8: receipts of one bank not yet settled
	SweepEvery  time.Duration `toml:"sweep_every"` // open charges, matured money
	BreakOwner  string        `toml:"break_owner"` // who looks into new differences with a bank's books
}

// StaffConfig is one member of staff.
type StaffConfig struct {
	Name         string   `toml:"name"`
	PasswordHash string   `toml:"password_hash"` // bcrypt
	Roles        []string `toml:"roles"`         // "identity", "money"
}

// The roles of staff.
const (
	RoleIdentity = "identity" // examines documents
	RoleMoney    = "money"    // reverses charges, owns breaks, records what banks have paid
)

// BankConfig pins a bank: its issuer and public keys, exchanged outside the hub.
type BankConfig struct {
	Issuer string `toml:"issuer"`
	Keys   string `toml:"keys"` // file: JWKS with signing and encryption keys
}

// ShopConfig is a shop that may present payment codes.
type ShopConfig struct {
	ID       string `toml:"id"`
	Name     string `toml:"name"`
	NameEN   string `toml:"name_en"`
	CashLike bool   `toml:"cash_like"` // takes available money only (M10)
	KeyHash  string `toml:"key_hash"`  // base64url SHA-256 of the API key
}

// Default is what a configuration that says nothing means.
func Default() Config {
	return Config{
		Links: LinkConfig{PerDebit: 50_000, PerDay: 100_000, PerMonth: 300_000, Years: 5},
		Money: MoneyConfig{SweepEvery: 2 * time.Second, BreakOwner: "books"},
	}
}

func (c *Config) members() []web.StaffMember {
	var out []web.StaffMember
	for _, m := range c.Staff {
		out = append(out, web.StaffMember{Name: m.Name, PasswordHash: m.PasswordHash})
	}
	return out
}

// Check says what is missing or unsafe.
func (c *Config) Check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	c.checkURL("[service] origin", c.Service.Origin, fail)
	c.checkURL("[hub] issuer", c.Hub.Issuer, fail)
	if c.Service.ID == "" || c.Service.NameJA == "" || c.Service.NameEN == "" {
		fail("[service] id, name_ja and name_en are needed")
	}
	if c.Data.Dir == "" || c.Data.Keys == "" {
		fail("[data] dir and keys are needed")
	}
	seen := map[string]bool{}
	for _, b := range c.Banks {
		c.checkURL("[[bank]] issuer", b.Issuer, fail)
		if b.Keys == "" || seen[b.Issuer] {
			fail("[[bank]] %q needs keys, and stands once", b.Issuer)
		}
		seen[b.Issuer] = true
	}
	for _, s := range c.Staff {
		if strings.Contains(s.Name, ":") {
			fail("[[staff]] %q needs a name without colon", s.Name)
		}
	}
	if _, err := web.StaffCost(c.members()); err != nil {
		fail("[[staff]] %w", err)
	}
	if c.ClockFile != "" && !c.Dev {
		fail("clock_file is for dev only")
	}
	if c.Dev && (c.Server.TLSCert != "" || c.Server.BehindProxy) {
		fail("dev = true listens on this machine only, without TLS or proxy")
	}
	return errors.Join(append(errs, c.Server.Check(), c.Mail.Check(), c.SMS.Check(), c.checkMoney())...)
}

// checkURL asks for an origin: https, or http to this machine in dev.
func (c *Config) checkURL(name, text string, fail func(string, ...any)) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" {
		fail("%s %q is not an origin like https://wallet.example.jp", name, text)
		return
	}
	local := u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".localhost")
	if u.Scheme != "https" && (u.Scheme != "http" || !c.Dev || !local) {
		fail("%s %q must begin with https://", name, text)
	}
}
