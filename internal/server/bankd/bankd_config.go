package bankd

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/kana"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/notify"
	"github.com/kozamori/kozamori/internal/observe"
)

// Config is the configuration file of a process that serves banks; docs/config/bank.toml is the annotated
// example.
type Config struct {
	Dev       bool                 `toml:"dev"` // generated keys, http:// and *.localhost; loopback only
	Server    observe.ServerConfig `toml:"server"`
	Ops       observe.ServerConfig `toml:"ops"`
	Data      DataConfig           `toml:"data"`
	Hub       HubConfig            `toml:"hub"`
	Mail      notify.MailConfig    `toml:"mail"`
	SMS       notify.GatewayConfig `toml:"sms"`
	Policy    PolicyConfig         `toml:"policy"` // of every bank that has none of its own
	Services  []ServiceConfig      `toml:"service"`
	ATMs      []ATMConfig          `toml:"atm"`
	Banks     []BankConfig         `toml:"bank"`
	ClockFile string               `toml:"clock_file"` // dev only: seconds the clock is ahead
}

// DataConfig says where data and keys lie: a directory per bank code below each.
type DataConfig struct {
	Dir  string `toml:"dir"`  // CODE/money.db, CODE/web.db
	Keys string `toml:"keys"` // CODE/sign.001.json, …
}

// HubConfig is the hub, which calls the banks and is called with reports.
type HubConfig struct {
	Issuer string `toml:"issuer"` // its URL, and its client id
	Keys   string `toml:"keys"`   // JWKS file of its client keys
}

// ServiceConfig registers a payment service: the bank's own pinned register.
type ServiceConfig struct {
	ID           string   `toml:"id"`
	NameJA       string   `toml:"name_ja"`
	NameEN       string   `toml:"name_en"`
	Narration    string   `toml:"narration"` // in the passbook, half-width
	Origin       string   `toml:"origin"`    // its site: where its holders' device keys live
	RedirectURIs []string `toml:"redirect_uris"`
	Keys         string   `toml:"keys"` // JWKS file of its message keys
	Stopped      bool     `toml:"stopped"`
}

// ATMConfig registers an operator of ATMs.
type ATMConfig struct {
	ID   string `toml:"id"`
	Keys string `toml:"keys"` // JWKS file of its client keys
}

// BankConfig is one bank.
type BankConfig struct {
	Code     string        `toml:"code"`
	NameJA   string        `toml:"name_ja"`
	NameEN   string        `toml:"name_en"`
	Issuer   string        `toml:"issuer"` // its URL: host of its pages and passkeys
	HelpLine string        `toml:"help_line"`
	Policy   *PolicyConfig `toml:"policy"`
}

// PolicyConfig is bank.Policy in a file; what is left out is the default. A setting under a compiled floor is
// refused.
type PolicyConfig struct {
	Proofs       []string      `toml:"proofs"` // "code", "passkey", "atm"
	Cooling      time.Duration `toml:"cooling"`
	Limited      time.Duration `toml:"limited"`
	LimitedCap   money.Yen     `toml:"limited_cap"`
	AccountEach  money.Yen     `toml:"account_each"`
	AccountDay   money.Yen     `toml:"account_day"`
	AccountMonth money.Yen     `toml:"account_month"`
	ContactAge   time.Duration `toml:"contact_age"`
	Deadline     time.Duration `toml:"deadline"`
}

// policy is the bank's policy with the defaults filled in.
func (c PolicyConfig) policy() (bank.Policy, error) {
	p := bank.DefaultPolicy()
	if len(c.Proofs) > 0 {
		p.Code, p.Passkey, p.ATM = false, false, false
	}
	for _, kind := range c.Proofs {
		switch bank.ProofKind(kind) {
		case bank.ProofCode:
			p.Code = true
		case bank.ProofPasskey:
			p.Passkey = true
		case bank.ProofATM:
			p.ATM = true
		default:
			return p, fmt.Errorf("policy.proofs: %q is none of code, passkey, atm", kind)
		}
	}
	for _, s := range []struct {
		into *time.Duration
		set  time.Duration
	}{{&p.Cooling, c.Cooling}, {&p.Limited, c.Limited}, {&p.ContactAge, c.ContactAge}, {&p.Deadline, c.Deadline}} {
		if s.set != 0 {
			*s.into = s.set
		}
	}
	for _, s := range []struct {
		into *money.Yen
		set  money.Yen
	}{{&p.LimitedCap, c.LimitedCap}, {&p.AccountEach, c.AccountEach}, {&p.AccountDay, c.AccountDay}, {&p.AccountMonth, c.AccountMonth}} {
		if s.set != 0 {
			*s.into = s.set
		}
	}
	p.LinkEach, p.LinkDay, p.LinkMonth = p.AccountEach, p.AccountDay, p.AccountMonth
	return p, p.Check()
}

func (c Config) policyOf(b BankConfig) (bank.Policy, error) {
	if b.Policy != nil {
		return b.Policy.policy()
	}
	return c.Policy.policy()
}

func (b BankConfig) name() fault.Text { return fault.Text{JA: b.NameJA, EN: b.NameEN} }

// keys is the directory of a bank's keys.
func (c Config) keys(code string) string { return filepath.Join(c.Data.Keys, code) }

// KeyNames are the keys each bank needs in its directory.
func KeyNames() map[string]keyfile.Use {
	return map[string]keyfile.Use{
		"sign": keyfile.Sign, "seal": keyfile.Seal, "client": keyfile.Sign, "dpop": keyfile.Sign,
		"pseudonym": keyfile.Secret, "code": keyfile.Secret, "pin": keyfile.Secret, "rows": keyfile.Secret,
	}
}

// PermanentKeys are the names of keys that cannot be rotated: pseudonyms, PINs and what was sent out are known
// by them for ever.
func PermanentKeys() []string { return []string{"pseudonym", "code", "pin"} }

// KeyDirs are the directories of keys of all banks.
func (c Config) KeyDirs() []string {
	var dirs []string
	for _, b := range c.Banks {
		dirs = append(dirs, c.keys(b.Code))
	}
	return dirs
}

// Check says what is missing or unsafe.
func (c *Config) Check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	c.checkOrigin("[hub] issuer", c.Hub.Issuer, fail)
	if c.Data.Dir == "" || c.Data.Keys == "" || c.Hub.Keys == "" {
		fail("[data] dir and keys, and [hub] keys are needed")
	}
	c.checkServices(fail)
	c.checkBanks(fail)
	for _, a := range c.ATMs {
		if a.ID == "" || a.Keys == "" || a.ID == c.Hub.Issuer {
			fail("[[atm]] %q needs an id of its own and keys", a.ID)
		}
	}
	if c.ClockFile != "" && !c.Dev {
		fail("clock_file is for dev only")
	}
	return errors.Join(append(errs, c.Server.Check(), c.Mail.Check(), c.SMS.Check())...)
}

func (c *Config) checkServices(fail func(string, ...any)) {
	seen := map[string]bool{}
	for _, s := range c.Services {
		if s.ID == "" || s.NameJA == "" || s.NameEN == "" || s.Keys == "" || len(s.RedirectURIs) == 0 {
			fail("[[service]] %q needs id, name_ja, name_en, redirect_uris and keys", s.ID)
		}
		if seen[s.ID] {
			fail("[[service]] %q stands twice", s.ID)
		}
		seen[s.ID] = true
		c.checkOrigin("[[service]] origin", s.Origin, fail)
		for _, u := range s.RedirectURIs {
			if !strings.HasPrefix(u, s.Origin+"/") {
				fail("[[service]] %q: redirect_uri %q is not below its origin", s.ID, u)
			}
		}
		if n, err := kana.Narrow(s.Narration); err != nil || n != s.Narration || s.Narration == "" {
			fail("[[service]] %q: narration %q is not half-width as a passbook prints it", s.ID, s.Narration)
		}
	}
}

func (c *Config) checkBanks(fail func(string, ...any)) {
	if len(c.Banks) == 0 {
		fail("no [[bank]]")
	}
	seen := map[string]bool{}
	for _, b := range c.Banks {
		if len(b.Code) != 4 || strings.Trim(b.Code, "0123456789") != "" || b.NameJA == "" || b.NameEN == "" {
			fail("[[bank]] %q needs a four-digit code, name_ja and name_en", b.Code)
		}
		c.checkOrigin("[[bank]] issuer", b.Issuer, fail)
		if seen[b.Issuer] || seen[b.Code] {
			fail("[[bank]] %q stands twice", b.Code)
		}
		seen[b.Issuer], seen[b.Code] = true, true
		if _, err := c.policyOf(b); err != nil {
			fail("[[bank]] %q: %w", b.Code, err)
		}
	}
}

// checkOrigin asks for an origin: https, or http to this machine in dev.
func (c *Config) checkOrigin(name, text string, fail func(string, ...any)) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Scheme+"://"+u.Host != text || text != strings.ToLower(text) {
		fail("%s %q is not an origin like https://bank.example.jp", name, text)
		return
	}
	local := u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".localhost")
	if u.Scheme != "https" && (u.Scheme != "http" || !c.Dev || !local) {
		fail("%s %q must begin with https://", name, text)
	}
}
