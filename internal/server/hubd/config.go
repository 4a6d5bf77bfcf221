package hubd

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/web"
)

// Config is the hub's configuration file; docs/config/hub.toml is the annotated example.
type Config struct {
	Dev       bool                 `toml:"dev"`    // generated keys, http:// and *.localhost; loopback only
	Issuer    string               `toml:"issuer"` // the hub's URL as services and banks know it
	Server    observe.ServerConfig `toml:"server"`
	Ops       observe.ServerConfig `toml:"ops"`
	Data      DataConfig           `toml:"data"`
	Services  []ServiceConfig      `toml:"service"`
	Banks     []BankConfig         `toml:"bank"`
	Staff     []StaffConfig        `toml:"staff"`
	ClockFile string               `toml:"clock_file"` // dev only: seconds the clock is ahead
}

// DataConfig says where data and keys lie.
type DataConfig struct {
	Dir  string `toml:"dir"`  // hub.db, web.db, audit.jsonl
	Keys string `toml:"keys"` // client, dpop and rows keys
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

// Check says what is missing or unsafe.
func (c *Config) Check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	c.checkURL("issuer", c.Issuer, fail)
	if c.Data.Dir == "" || c.Data.Keys == "" {
		fail("[data] dir and keys are needed")
	}
	seen := map[string]bool{}
	for _, s := range c.Services {
		if s.ID == "" || s.NameJA == "" || s.NameEN == "" || s.Keys == "" {
			fail("[[service]] %q needs id, name_ja, name_en and keys", s.ID)
		}
		if seen[s.ID] {
			fail("[[service]] %q stands twice", s.ID)
		}
		seen[s.ID] = true
	}
	for _, b := range c.Banks {
		if len(b.Code) != 4 || b.NameJA == "" || b.NameEN == "" || b.Keys == "" {
			fail("[[bank]] %q needs a four-digit code, name_ja, name_en and keys", b.Code)
		}
		c.checkURL("[[bank]] issuer", b.Issuer, fail)
		if seen[b.Issuer] {
			fail("[[bank]] issuer %q stands twice", b.Issuer)
		}
		seen[b.Issuer] = true
	}
	if _, err := web.StaffCost(c.members()); err != nil {
		fail("[[staff]] %w", err)
	}
	if c.ClockFile != "" && !c.Dev {
		fail("clock_file is for dev only")
	}
	if err := c.Server.Check(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// checkURL asks for an origin: https, or http to this machine in dev.
func (c *Config) checkURL(name, text string, fail func(string, ...any)) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" {
		fail("%s %q is not an origin like https://hub.example.jp", name, text)
		return
	}
	local := u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".localhost")
	if u.Scheme != "https" && (u.Scheme != "http" || !c.Dev || !local) {
		fail("%s %q must begin with https://", name, text)
	}
}
