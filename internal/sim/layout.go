package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/notify"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/server/bankd"
	"github.com/kozamori/kozamori/internal/server/hubd"
	"github.com/kozamori/kozamori/internal/server/walletd"
	"github.com/kozamori/kozamori/internal/wire"
)

// service is a payment service of the simulated world.
type service struct {
	id                           id.Service
	nameJA, nameEN, kana, origin string
}

// bankOf is a bank of the simulated world.
type bankOf struct {
	code           id.Bank
	nameJA, nameEN string
	kana           string
	policy         bankd.PolicyConfig
}

// The companies. The second bank allows an account no more than each of its links may move, so that who has two links
// is stopped by the account's own limit.
var (
	services = []service{
		{"maru", "まるペイ", "MaruPay", "ﾏﾙﾍﾟｲ", "http://maru.localhost:8402"},
		{"sora", "そらペイ", "SoraPay", "ｿﾗﾍﾟｲ", "http://sora.localhost:8403"},
	}
	banks = []bankOf{
		{"0149", "静岡銀行", "Shizuoka Bank", "シズオカ", bankd.PolicyConfig{}},
		{"0150", "スルガ銀行", "Suruga Bank", "スルガ", bankd.PolicyConfig{AccountEach: 20_000, AccountDay: 30_000, AccountMonth: 60_000}},
		{"0152", "清水銀行", "Shimizu Bank", "シミズ", bankd.PolicyConfig{}},
	}
)

const (
	hubURL  = "http://hub.localhost:8401"
	hubName = "hub"
	carrier = "http://127.0.0.1:8406/" // takes every short message
	shopID  = "shop_lunch"
	shopKey = "the key of the lunch corner"
)

// What a link asks for, and what a service lets a holder charge.
const (
	linkEach, linkDay, linkMonth money.Yen = 20_000, 30_000, 60_000
	bankCap                      money.Yen = 2_000_000
)

func (b bankOf) issuer() id.Issuer {
	return id.Issuer("http://" + string(b.code) + ".bank.localhost:8404")
}

// layout is where things lie, as `kozamori dev` lays them out, so that the audit finds them.
type layout struct{ root string }

func (l layout) path(parts ...string) string {
	return filepath.Join(append([]string{l.root}, parts...)...)
}
func (l layout) keys(who string) string   { return l.path("keys", who) }
func (l layout) public(who string) string { return l.path("register", who+".json") }

// makeKeys makes everybody's keys and the registers in which they are pinned.
func (l layout) makeKeys(now time.Time) error {
	make := func(who string, names map[string]keyfile.Use) error {
		for name, use := range names {
			if err := keyfile.Open(l.keys(who)).Create(name, use, true, now); err != nil {
				return err
			}
		}
		return nil
	}
	errs := []error{
		os.MkdirAll(l.path("register"), 0o700),
		make(hubName, map[string]keyfile.Use{"client": keyfile.Sign, "dpop": keyfile.Sign, "rows": keyfile.Secret}),
		l.register(hubName+"-client", hubName, "client", ""),
	}
	for _, s := range services {
		who := string(s.id)
		errs = append(errs, make(who, walletd.Keys()), l.register(who+"-client", who, "client", ""), l.register(who+"-sign", who, "sign", ""))
	}
	for _, b := range banks {
		who, dir := string(b.code), "bank/"+string(b.code)
		errs = append(errs, make(dir, bankd.KeyNames()), l.register(who+"-client", dir, "client", ""), l.register(who+"-sign", dir, "sign", "seal"))
	}
	return errors.Join(errs...)
}

// register writes the public halves that others pin.
func (l layout) register(name, who, sign, seal string) error {
	set, err := keyfile.Open(l.keys(who)).Public(sign, seal)
	if err != nil {
		return err
	}
	text, err := json.Marshal(set)
	if err != nil {
		return err
	}
	return os.WriteFile(l.public(name), text, 0o600)
}

// clerk is the hash of a password at the least cost: what a start computes about passwords takes no time.
const clerk = "$2a$04$uml8R1wZIsHdtlfmZG7d2OCoTlbaDb0JC5xVmQ8fB305z.zM2Wtau"

// nobody listens: handlers are called without a socket.
var nowhere = observe.ServerConfig{Listen: "127.0.0.1:8400"}

// post is a mail server that nobody calls: the people of the simulated world have telephones only.
var post = notify.MailConfig{Address: "127.0.0.1:8405", TLS: "none", From: "nobody@example.jp"}

func gateway(who string) notify.GatewayConfig {
	return notify.GatewayConfig{URL: carrier + who, Secret: "secret of " + observe.Secret(who), ReportSecret: "reports"}
}

// wallet is the configuration of a service whose data lie below a directory.
func (l layout) wallet(s service, data string) walletd.Config {
	c := walletd.Default()
	c.Dev, c.Server = true, nowhere
	c.Service = walletd.ServiceConfig{ID: string(s.id), NameJA: s.nameJA, NameEN: s.nameEN, Origin: s.origin}
	c.Data = walletd.DataConfig{Dir: filepath.Join(data, string(s.id)), Keys: l.keys(string(s.id))}
	c.Hub, c.Mail, c.SMS = walletd.HubConfig{Issuer: hubURL}, post, gateway(string(s.id))
	c.Links = walletd.LinkConfig{PerDebit: linkEach, PerDay: linkDay, PerMonth: linkMonth, Years: 5}
	c.Money.BankCap = bankCap
	c.Staff = []walletd.StaffConfig{{Name: "clerk", PasswordHash: clerk, Roles: []string{walletd.RoleMoney}}}
	for _, b := range banks {
		c.Banks = append(c.Banks, walletd.BankConfig{Issuer: string(b.issuer()), Keys: l.public(string(b.code) + "-sign")})
	}
	c.Shops = []walletd.ShopConfig{{ID: shopID, Name: "弁当屋", NameEN: "Lunch Corner", KeyHash: wire.Hash(shopKey)}}
	return c
}

// bank is the configuration of one bank whose data lie below a directory; each is a process of its own.
func (l layout) bank(b bankOf, data string) bankd.Config {
	policy := b.policy
	c := bankd.Config{
		Dev: true, Server: nowhere, Mail: post, SMS: gateway("bank-{bank}"),
		Data: bankd.DataConfig{Dir: filepath.Join(data, "bank"), Keys: l.keys("bank")},
		Hub:  bankd.HubConfig{Issuer: hubURL, Keys: l.public(hubName + "-client")},
		Banks: []bankd.BankConfig{{Code: string(b.code), NameJA: b.nameJA, NameEN: b.nameEN, Issuer: string(b.issuer()),
			HelpLine: "0120-000-000", Policy: &policy}},
	}
	for _, s := range services {
		c.Services = append(c.Services, bankd.ServiceConfig{ID: string(s.id), NameJA: s.nameJA, NameEN: s.nameEN, Narration: s.kana,
			Origin: s.origin, RedirectURIs: []string{s.origin + "/link/return"}, Keys: l.public(string(s.id) + "-sign")})
	}
	return c
}

// hub is the hub's configuration.
func (l layout) hub(data string) hubd.Config {
	c := hubd.Config{Dev: true, Issuer: hubURL, Server: nowhere, Data: hubd.DataConfig{Dir: filepath.Join(data, hubName), Keys: l.keys(hubName)},
		Staff: []hubd.StaffConfig{{Name: "clerk", PasswordHash: clerk}}}
	for _, s := range services {
		c.Services = append(c.Services, hubd.ServiceConfig{ID: string(s.id), NameJA: s.nameJA, NameEN: s.nameEN, Keys: l.public(string(s.id) + "-client")})
	}
	for _, b := range banks {
		c.Banks = append(c.Banks, hubd.BankConfig{Code: string(b.code), Issuer: string(b.issuer()), NameJA: b.nameJA, NameEN: b.nameEN,
			Kana: b.kana, Keys: l.public(string(b.code) + "-client")})
	}
	return c
}

// number names a thing of the trace: the same in every run of a seed, as random ids are not for a reader.
func number(kind string, n int) string { return fmt.Sprintf("%s%d", kind, n) }
