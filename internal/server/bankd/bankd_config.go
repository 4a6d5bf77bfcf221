package bankd

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/config"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/kana"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/notify"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/zengin"
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
	Dir   string         `toml:"dir"`   // CODE/money.db, CODE/web.db
	Store observe.Secret `toml:"store"` // the URL of a PostgreSQL database in place of the files; it may hold a password
	Keys  string         `toml:"keys"`  // CODE/sign.001.json, …
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
	Code     string          `toml:"code"`
	NameJA   string          `toml:"name_ja"`
	NameEN   string          `toml:"name_en"`
	Issuer   string          `toml:"issuer"` // its URL: host of its pages and passkeys
	HelpLine string          `toml:"help_line"`
	Policy   *PolicyConfig   `toml:"policy"`
	Channels []ChannelConfig `toml:"channel"`
}

// ChannelConfig registers one of a bank's own other systems that post to its deposit accounts.
type ChannelConfig struct {
	ID      string   `toml:"id"`
	KeyHash string   `toml:"key_hash"` // base64url SHA-256 of its API key
	May     []string `toml:"may"`      // "transfers", "cash", "accounts"
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
	var errs []error
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
			errs = append(errs, fmt.Errorf("proofs: %q is none of code, passkey, atm", kind))
		}
	}
	for _, set := range []func(to *bank.Policy) bool{
		func(to *bank.Policy) bool { return given(&to.Cooling, c.Cooling) },
		func(to *bank.Policy) bool { return given(&to.Limited, c.Limited) },
		func(to *bank.Policy) bool { return given(&to.ContactAge, c.ContactAge) },
		func(to *bank.Policy) bool { return given(&to.Deadline, c.Deadline) },
		func(to *bank.Policy) bool { return given(&to.LimitedCap, c.LimitedCap) },
		func(to *bank.Policy) bool { return given(&to.AccountEach, c.AccountEach) },
		func(to *bank.Policy) bool { return given(&to.AccountDay, c.AccountDay) },
		func(to *bank.Policy) bool { return given(&to.AccountMonth, c.AccountMonth) },
	} {
		alone := bank.DefaultPolicy() // so that each setting under its floor is named, not the first
		if set(&alone) {
			set(&p)
			if err := withLinks(alone).Check(); err != nil {
				errs = append(errs, errors.Unwrap(err)) // the cause says all: "cooling is …, the floor is …"
			}
		}
	}
	p = withLinks(p)
	if err := errors.Join(errs...); err != nil {
		return p, err
	}
	return p, p.Check()
}

// given puts a setting of the file in the place of its default.
func given[T comparable](to *T, value T) bool {
	var nothing T
	if value == nothing {
		return false
	}
	*to = value
	return true
}

// withLinks lets a link ask for as much as its account may move.
func withLinks(p bank.Policy) bank.Policy {
	p.LinkEach, p.LinkDay, p.LinkMonth = p.AccountEach, p.AccountDay, p.AccountMonth
	return p
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
		"books": keyfile.Note,
	}
}

// PermanentKeys are the names of keys that cannot be rotated: pseudonyms, PINs and what was sent out are known
// by them for ever.
func PermanentKeys() []string { return []string{"pseudonym", "code", "pin"} }

// Origins are the names of the logs of all banks' books, by directory of keys.
func (c Config) Origins() map[string]string {
	all := map[string]string{}
	for _, b := range c.Banks {
		all[c.keys(b.Code)] = ledger.Origin("bank", b.Code)
	}
	return all
}

// KeyDirs are the directories of keys of all banks.
func (c Config) KeyDirs() []string {
	var dirs []string
	for _, b := range c.Banks {
		dirs = append(dirs, c.keys(b.Code))
	}
	return dirs
}

// Check says what is missing or unsafe: everything at once, each by the name of its setting.
func (c *Config) Check() error {
	p := &config.Problems{}
	p.Listeners(c.Server, c.Ops, c.Dev)
	p.Origin("[hub] issuer", c.Hub.Issuer, c.Dev)
	p.Needed("[hub] keys", c.Hub.Keys)
	p.Needed("[data] dir", c.Data.Dir)
	p.Join("[data] store:", sqldb.CheckURL(c.Data.Store.Reveal()))
	p.Needed("[data] keys", c.Data.Keys)
	p.DevOnly("clock_file", c.ClockFile, c.Dev)
	p.Join("[mail]", c.Mail.Check())
	p.Join("[sms]", c.SMS.Check())
	_, err := c.Policy.policy()
	p.Join("[policy]", err)
	c.checkServices(p)
	c.checkBanks(p)
	c.checkATMs(p)
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
		p.Origin(at+" origin", s.Origin, c.Dev)
		if len(s.RedirectURIs) == 0 {
			p.Add(at+" redirect_uris", "at least one is needed")
		}
		for _, u := range s.RedirectURIs {
			if !strings.HasPrefix(u, s.Origin+"/") {
				p.Add(at+" redirect_uris", "%q is not below its origin", u)
			}
		}
		if n, err := kana.Narrow(s.Narration); err != nil || n != s.Narration || s.Narration == "" {
			p.Add(at+" narration", "%q is not half-width as a passbook prints it, such as ﾏﾙﾍﾟｲ", s.Narration)
		}
	}
}

func (c *Config) checkBanks(p *config.Problems) {
	if len(c.Banks) == 0 {
		p.Add("[[bank]]", "at least one is needed")
	}
	codes, issuers := map[string]bool{}, map[string]bool{}
	for i, b := range c.Banks {
		at := fmt.Sprintf("[[bank]] %d, %q:", i+1, b.Code)
		if err := zengin.CheckBank(id.Bank(b.Code)); err != nil {
			p.Add(at+" code", "%w", err)
		}
		if codes[b.Code] {
			p.Add(at+" code", "stands twice")
		}
		p.Needed(at+" name_ja", b.NameJA)
		p.Needed(at+" name_en", b.NameEN)
		p.Origin(at+" issuer", b.Issuer, c.Dev)
		if issuers[b.Issuer] {
			p.Add(at+" issuer", "stands twice")
		}
		codes[b.Code], issuers[b.Issuer] = true, true
		if b.Policy != nil {
			_, err := b.Policy.policy()
			p.Join(at+" [bank.policy]", err)
		}
		checkChannels(p, at, b.Channels)
	}
}

// maxChannel bounds a channel's id, which stands before each of its transfers' ids in the ledger.
const maxChannel = 40

func checkChannels(p *config.Problems, where string, channels []ChannelConfig) {
	ids, keys := map[string]bool{}, map[string]bool{}
	for i, c := range channels {
		at := fmt.Sprintf("%s [[bank.channel]] %d, %q:", where, i+1, c.ID)
		p.Word(at+" id", c.ID)
		if ids[c.ID] || len(c.ID) > maxChannel {
			p.Add(at+" id", "each needs one of its own, of at most %d letters", maxChannel)
		}
		if hash, err := base64.RawURLEncoding.DecodeString(c.KeyHash); err != nil || len(hash) != sha256.Size {
			p.Add(at+" key_hash", "want the SHA-256 of the channel's key in base64url, 43 letters")
		}
		if keys[c.KeyHash] {
			p.Add(at+" key_hash", "another channel has the same key")
		}
		if len(c.May) == 0 {
			p.Add(at+" may", "at least one right is needed")
		}
		for _, right := range c.May {
			if !slices.Contains(bank.ChannelRights, bank.ChannelRight(right)) {
				p.Add(at+" may", "%q is none of transfers, cash, accounts", right)
			}
		}
		ids[c.ID], keys[c.KeyHash] = true, true
	}
}

// channels are a bank's own systems as its rules know them.
func (b BankConfig) channels() (all []bank.ChannelSystem) {
	for _, c := range b.Channels {
		s := bank.ChannelSystem{ID: c.ID, KeyHash: c.KeyHash}
		for _, right := range c.May {
			s.May = append(s.May, bank.ChannelRight(right))
		}
		all = append(all, s)
	}
	return all
}

func (c *Config) checkATMs(p *config.Problems) {
	seen := map[string]bool{c.Hub.Issuer: true} // client ids of one bank are one's own
	for i, a := range c.ATMs {
		at := fmt.Sprintf("[[atm]] %d, %q:", i+1, a.ID)
		if a.ID == "" || seen[a.ID] {
			p.Add(at+" id", "each needs one of its own")
		}
		seen[a.ID] = true
		p.Needed(at+" keys", a.Keys)
	}
}
