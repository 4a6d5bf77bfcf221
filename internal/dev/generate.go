package dev

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/server/bankd"
	"github.com/kozamori/kozamori/internal/server/walletd"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wire"
)

// secrets are what dev made up for this directory. The file lies among the keys, because it is one.
type secrets struct {
	PortBase      int                `json:"port_base"`
	Postgres      string             `json:"postgres,omitempty"` // the URL of a database in place of files
	StaffName     string             `json:"staff_name"`
	StaffPassword map[string]string  `json:"staff_password"` // by role
	ShopKey       map[string]string  `json:"shop_key"`       // by shop
	ChannelKey    map[id.Bank]string `json:"channel_key"`    // by bank
	SMS           map[string]string  `json:"sms"`            // bearer secrets, by sender
	SMSReport     string             `json:"sms_report"`
}

// shops are the shops of dev: one sells lunch, the other gift cards.
var shops = []struct {
	ID, NameJA, NameEN string
	CashLike           bool
}{
	{"shop_lunch", "まちの弁当屋", "Lunch Corner", false},
	{"shop_gift", "ギフト券の店", "Gift Card Shop", true},
}

// senders are who has an account at the carrier.
func senders() []string { return []string{"maru", "sora", "banks"} }

// layout is where things lie under the directory of dev.
type layout struct{ root string }

func (l layout) path(parts ...string) string {
	return filepath.Join(append([]string{l.root}, parts...)...)
}

func (l layout) config(role string) string { return l.path("config", role+".toml") }
func (l layout) data(role string) string   { return l.path("data", role) }
func (l layout) keys(role string) string   { return l.path("keys", role) }
func (l layout) public(who string) string  { return l.path("register", who+".json") }
func (l layout) clock() string             { return l.path("clock") }
func (l layout) log(role string) string    { return l.path("log", role+".jsonl") }

// generate makes what a directory lacks: keys, registers of public keys, secrets and the configuration of each
// role, with which its own program runs as well.
func generate(l layout, ports Ports, postgres string, now clock.Now) (secrets, error) {
	s, err := loadSecrets(l, ports, postgres)
	if err != nil {
		return s, err
	}
	banks, err := tenants()
	if err != nil {
		return s, err
	}
	for _, dir := range []string{"config", "data", "register", "log"} {
		if err := os.MkdirAll(l.path(dir), 0o700); err != nil {
			return s, err
		}
	}
	if err := makeKeys(l, banks, now()); err != nil {
		return s, err
	}
	if err := writeRegisters(l, banks); err != nil {
		return s, err
	}
	return s, writeConfigs(l, ports, s, banks)
}

// loadSecrets reads or makes the secrets. A directory belongs to the ports it was made for: issuers, and so
// links, name them; and to its database, of which the keys here open the rows.
func loadSecrets(l layout, ports Ports, postgres string) (secrets, error) {
	path := l.path("keys", "dev.json")
	var s secrets
	text, err := os.ReadFile(path)
	if err == nil {
		if err := json.Unmarshal(text, &s); err != nil {
			return s, fmt.Errorf("%s: %w", path, err)
		}
		if s.PortBase != ports.Base {
			return s, fmt.Errorf("%s was made for --port-base %d; use that, another --dir, or --reset", l.root, s.PortBase)
		}
		if s.Postgres != postgres {
			return s, fmt.Errorf("%s was made for another --postgres; use that, another --dir, or --reset", l.root)
		}
		if len(s.ChannelKey) == 0 {
			return s, fmt.Errorf("%s was made by an older dev; use another --dir, or --reset", l.root)
		}
		return s, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	s = secrets{PortBase: ports.Base, Postgres: postgres, StaffName: "staff", StaffPassword: map[string]string{}, ShopKey: map[string]string{},
		ChannelKey: map[id.Bank]string{}, SMS: map[string]string{}, SMSReport: random(16)}
	for _, role := range []string{"hub", "maru", "sora"} {
		s.StaffPassword[role] = random(6)
	}
	for _, shop := range shops {
		s.ShopKey[shop.ID] = random(16)
	}
	banks, err := tenants()
	if err != nil {
		return s, err
	}
	for _, b := range banks {
		s.ChannelKey[b.Code] = random(16)
	}
	for _, who := range senders() {
		s.SMS[who] = random(16)
	}
	if text, err = json.MarshalIndent(s, "", "  "); err != nil {
		return s, err
	}
	if err := os.MkdirAll(l.path("keys"), 0o700); err != nil {
		return s, err
	}
	return s, os.WriteFile(path, text, 0o600)
}

func random(n int) string {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		panic("dev: no randomness: " + err.Error())
	}
	return hex.EncodeToString(b)
}

// makeKeys makes the keys that are missing, all marked as dev's.
func makeKeys(l layout, banks []tenant, now time.Time) error {
	make := func(dir string, names map[string]keyfile.Use) error {
		for name, use := range names {
			if err := keyfile.Open(dir).Create(name, use, true, now); err != nil {
				return err
			}
		}
		return nil
	}
	hub := map[string]keyfile.Use{"client": keyfile.Sign, "dpop": keyfile.Sign, "rows": keyfile.Secret}
	wallet := walletd.Keys()
	errs := []error{
		make(l.keys("hub"), hub), make(l.keys("maru"), wallet), make(l.keys("sora"), wallet),
		make(l.keys("atm"), map[string]keyfile.Use{"client": keyfile.Sign, "dpop": keyfile.Sign}),
	}
	for _, b := range banks {
		errs = append(errs, make(l.keys("bank/"+string(b.Code)), bankd.KeyNames()))
	}
	return errors.Join(errs...)
}

// writeRegisters writes the public keys that the roles pin: what two people would carry between companies.
func writeRegisters(l layout, banks []tenant) error {
	write := func(name, dir, sign, seal string) error {
		set, err := keyfile.Open(dir).Public(sign, seal)
		if err != nil {
			return err
		}
		return writeSet(l.public(name), set)
	}
	errs := []error{write("hub-client", l.keys("hub"), "client", ""), write("atm-client", l.keys("atm"), "client", "")}
	for _, s := range services {
		errs = append(errs,
			write(string(s.ID)+"-client", l.keys(string(s.ID)), "client", ""),
			write(string(s.ID)+"-sign", l.keys(string(s.ID)), "sign", ""))
	}
	for _, b := range banks {
		dir := l.keys("bank/" + string(b.Code))
		errs = append(errs, write(string(b.Code)+"-client", dir, "client", ""), write(string(b.Code)+"-sign", dir, "sign", "seal"))
	}
	return errors.Join(errs...)
}

func writeSet(path string, set wire.KeySet) error {
	text, err := json.MarshalIndent(set, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o600)
}

// writeConfigs writes each role's configuration anew.
func writeConfigs(l layout, ports Ports, s secrets, banks []tenant) error {
	hash := map[string]string{}
	for role, password := range s.StaffPassword {
		b, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			return err
		}
		hash[role] = string(b)
	}
	shopHash := map[string]string{}
	for shop, key := range s.ShopKey {
		shopHash[shop] = wire.Hash(key)
	}
	v := view{L: l, P: ports, S: s, Hash: hash, ShopHash: shopHash, Services: services, Banks: banks}
	for name, text := range map[string]string{"hub": hubConfig, "bank": bankConfig} {
		if err := writeConfig(l.config(name), text, v); err != nil {
			return err
		}
	}
	for _, service := range services {
		v.Self = service
		if err := writeConfig(l.config(string(service.ID)), walletConfig, v); err != nil {
			return err
		}
	}
	return nil
}

// view is what the templates of configurations see.
type view struct {
	L              layout
	P              Ports
	S              secrets
	Hash, ShopHash map[string]string
	Services       []service
	Self           service
	Banks          []tenant
}

// Methods for the templates.

func (v view) Hub() string              { return v.P.url("hub.localhost", portHub) }
func (v view) Origin(s service) string  { return v.P.url(s.Host, s.Port) }
func (v view) Issuer(t tenant) string   { return v.P.url(t.host(), portBanks) }
func (v view) Address(n int) string     { return v.P.address(n) }
func (v view) Public(who string) string { return v.L.public(who) }
func (v view) Data(role string) string  { return v.L.data(role) }
func (v view) Keys(role string) string  { return v.L.keys(role) }

// ChannelHash is the hash of the key of a bank's channel.
func (v view) ChannelHash(t tenant) string { return wire.Hash(v.S.ChannelKey[t.Code]) }

// Store is the line that puts a role's tables into a schema, where they are in no file.
func (v view) Store(role string) string {
	if v.S.Postgres == "" {
		return ""
	}
	return fmt.Sprintf("store = %q\n", sqldb.Under(v.S.Postgres, role))
}

func (v view) Carrier(sender string) string {
	return "http://" + v.P.address(portSMS) + "/messages/" + sender
}
func (v view) Shops() any { return shops }

func writeConfig(path, text string, v view) error {
	t, err := template.New(path).Funcs(template.FuncMap{"q": func(x any) string { return fmt.Sprintf("%q", fmt.Sprint(x)) }}).Parse(text)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, v); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o600)
}
