package walletd

import (
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/config"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/notify"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/web"
)

// Config is the wallet's configuration file; docs/config/wallet.toml is the annotated example.
type Config struct {
	Dev       bool                 `toml:"dev"` // keys made by `kozamori dev`, http:// and *.localhost; loopback only
	Server    observe.ServerConfig `toml:"server"`
	Ops       observe.ServerConfig `toml:"ops"`
	Service   ServiceConfig        `toml:"service"`
	Data      DataConfig           `toml:"data"`
	Cluster   config.Cluster       `toml:"cluster"`
	Hub       HubConfig            `toml:"hub"`
	Mail      notify.MailConfig    `toml:"mail"`
	SMS       notify.GatewayConfig `toml:"sms"`
	People    PeopleConfig         `toml:"people"`
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
	Dir   string         `toml:"dir"`   // money.db, web.db, audit.jsonl
	Store observe.Secret `toml:"store"` // the URL of a PostgreSQL database in place of the files; it may hold a password
	Keys  string         `toml:"keys"`  // sign, client, dpop, rows and marks keys
}

// HubConfig is the hub as the service calls it.
type HubConfig struct {
	Issuer string `toml:"issuer"` // the hub's URL
}

// PeopleConfig is who may sign up.
type PeopleConfig struct {
	PhonePrefixes []string `toml:"phone_prefixes"` // of numbers that codes are sent to, as E.164 begins
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
		People: PeopleConfig{PhonePrefixes: []string{"+81"}},
		Links:  LinkConfig{PerDebit: 50_000, PerDay: 100_000, PerMonth: 300_000, Years: 5},
		Money:  MoneyConfig{SweepEvery: 2 * time.Second, BreakOwner: "books"},
	}
}

func (c *Config) members() []web.StaffMember {
	var out []web.StaffMember
	for _, m := range c.Staff {
		out = append(out, web.StaffMember{Name: m.Name, PasswordHash: m.PasswordHash})
	}
	return out
}

// Check says what is missing or unsafe: everything at once, each by the name of its setting.
func (c *Config) Check() error {
	p := &config.Problems{}
	p.Listeners(c.Server, c.Ops, c.Dev)
	p.Word("[service] id", c.Service.ID)
	p.Needed("[service] name_ja", c.Service.NameJA)
	p.Needed("[service] name_en", c.Service.NameEN)
	p.Origin("[service] origin", c.Service.Origin, c.Dev)
	if c.Service.Accent < 0 || c.Service.Accent > maxAccent {
		p.Add("[service] accent", "is %d, want 0 to %d", c.Service.Accent, maxAccent)
	}
	p.Origin("[hub] issuer", c.Hub.Issuer, c.Dev)
	p.Needed("[data] dir", c.Data.Dir)
	p.Join("[data] store:", sqldb.CheckURL(c.Data.Store.Reveal()))
	p.Cluster(c.Cluster, c.Server, c.Data.Store)
	p.Needed("[data] keys", c.Data.Keys)
	p.DevOnly("clock_file", c.ClockFile, c.Dev)
	p.Join("[mail]", c.Mail.Check())
	p.Join("[sms]", c.SMS.Check())
	p.Join("[people] phone_prefixes", wallet.CheckPhonePrefixes(c.People.PhonePrefixes))
	c.checkLinks(p)
	c.checkMoney(p)
	c.checkBanks(p)
	c.checkStaff(p)
	return p.Err()
}

// maxAccent is the last hue of pages.
const maxAccent = 7

func (c *Config) checkBanks(p *config.Problems) {
	seen := map[string]bool{}
	for i, b := range c.Banks {
		at := fmt.Sprintf("[[bank]] %d:", i+1)
		p.Origin(at+" issuer", b.Issuer, c.Dev)
		p.Needed(at+" keys", b.Keys)
		if seen[b.Issuer] {
			p.Add(at+" issuer", "%q stands twice", b.Issuer)
		}
		seen[b.Issuer] = true
	}
}

func (c *Config) checkStaff(p *config.Problems) {
	_, err := web.StaffCost(c.members())
	p.Join("[[staff]]", err)
	for i, m := range c.Staff {
		if len(m.Roles) == 0 {
			p.Add(fmt.Sprintf("[[staff]] %d, %q: roles", i+1, m.Name), "want at least one of %q and %q", RoleIdentity, RoleMoney)
		}
		for _, role := range m.Roles {
			if role != RoleIdentity && role != RoleMoney {
				p.Add(fmt.Sprintf("[[staff]] %d, %q: roles", i+1, m.Name), "%q is none of %q and %q", role, RoleIdentity, RoleMoney)
			}
		}
	}
}
