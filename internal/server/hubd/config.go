package hubd

import (
	"fmt"

	"github.com/kozamori/kozamori/internal/config"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/zengin"
)

// Config is the hub's configuration file; docs/config/hub.toml is the annotated example.
type Config struct {
	Dev       bool                 `toml:"dev"`    // generated keys, http:// and *.localhost; loopback only
	Issuer    string               `toml:"issuer"` // the hub's URL as services and banks know it
	Server    observe.ServerConfig `toml:"server"`
	Ops       observe.ServerConfig `toml:"ops"`
	Data      DataConfig           `toml:"data"`
	Cluster   config.Cluster       `toml:"cluster"`
	Services  []ServiceConfig      `toml:"service"`
	Banks     []BankConfig         `toml:"bank"`
	Staff     []StaffConfig        `toml:"staff"`
	ClockFile string               `toml:"clock_file"` // dev only: seconds the clock is ahead
}

// DataConfig says where data and keys lie.
type DataConfig struct {
	Dir   string         `toml:"dir"`   // hub.db, web.db, audit.jsonl
	Store observe.Secret `toml:"store"` // the URL of a PostgreSQL database in place of the files; it may hold a password
	Keys  string         `toml:"keys"`  // client, dpop and rows keys
}

// ServiceConfig registers a service.
type ServiceConfig struct {
	ID     string `toml:"id"`
	NameJA string `toml:"name_ja"`
	NameEN string `toml:"name_en"`
	Keys   string `toml:"keys"` // JWKS file of its client keys
}

// BankConfig registers a bank.
type BankConfig struct {
	Code   string `toml:"code"`
	Issuer string `toml:"issuer"`
	NameJA string `toml:"name_ja"`
	NameEN string `toml:"name_en"`
	Kana   string `toml:"kana"`
	Keys   string `toml:"keys"` // JWKS file of its client keys
}

// StaffConfig is one member of the hub's staff.
type StaffConfig struct {
	Name         string `toml:"name"`
	PasswordHash string `toml:"password_hash"` // bcrypt
}

func (c *Config) members() []web.StaffMember {
	var out []web.StaffMember
	for _, m := range c.Staff {
		out = append(out, web.StaffMember(m))
	}
	return out
}

// Check says what is missing or unsafe: everything at once, each by the name of its setting.
func (c *Config) Check() error {
	p := &config.Problems{}
	p.Origin("issuer", c.Issuer, c.Dev)
	p.Listeners(c.Server, c.Ops, c.Dev)
	p.Needed("[data] dir", c.Data.Dir)
	p.Join("[data] store:", sqldb.CheckURL(c.Data.Store.Reveal()))
	p.Cluster(c.Cluster, c.Server, c.Data.Store)
	p.Needed("[data] keys", c.Data.Keys)
	p.DevOnly("clock_file", c.ClockFile, c.Dev)
	c.checkServices(p)
	c.checkBanks(p)
	_, err := web.StaffCost(c.members())
	p.Join("[[staff]]", err)
	return p.Err()
}

func (c *Config) checkServices(p *config.Problems) {
	seen := map[string]bool{}
	for i, s := range c.Services {
		at := fmt.Sprintf("[[service]] %d, %q:", i+1, s.ID)
		p.Word(at+" id", s.ID)
		if seen[s.ID] {
			p.Add(at+" id", "stands twice")
		}
		seen[s.ID] = true
		p.Needed(at+" name_ja", s.NameJA)
		p.Needed(at+" name_en", s.NameEN)
		p.Needed(at+" keys", s.Keys)
	}
}

func (c *Config) checkBanks(p *config.Problems) {
	codes, issuers := map[string]bool{}, map[string]bool{}
	for i, b := range c.Banks {
		at := fmt.Sprintf("[[bank]] %d, %q:", i+1, b.Code)
		if err := zengin.CheckBank(id.Bank(b.Code)); err != nil {
			p.Add(at+" code", "%w", err)
		}
		p.Origin(at+" issuer", b.Issuer, c.Dev)
		if codes[b.Code] {
			p.Add(at+" code", "stands twice")
		}
		if issuers[b.Issuer] {
			p.Add(at+" issuer", "stands twice")
		}
		codes[b.Code], issuers[b.Issuer] = true, true
		p.Needed(at+" name_ja", b.NameJA)
		p.Needed(at+" name_en", b.NameEN)
		p.Needed(at+" kana", b.Kana)
		p.Needed(at+" keys", b.Keys)
	}
}
