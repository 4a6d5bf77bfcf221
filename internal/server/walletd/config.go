package walletd

import (
	"time"

	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/observe"
)

// Config is the wallet's configuration file; docs/config/wallet.toml is the annotated example.
type Config struct {
	Dev     bool                 `toml:"dev"` // generated keys, http:// and *.localhost; loopback only
	Server  observe.ServerConfig `toml:"server"`
	Ops     observe.ServerConfig `toml:"ops"`
	Service ServiceConfig        `toml:"service"`
	Data    DataConfig           `toml:"data"`
	Hub     HubConfig            `toml:"hub"`
	Mail    MailConfig           `toml:"mail"`
	SMS     SMSConfig            `toml:"sms"`
	Links   LinkConfig           `toml:"links"`
	Money   MoneyConfig          `toml:"money"`
	Staff   []StaffConfig        `toml:"staff"`
	Banks   []BankConfig         `toml:"bank"`
	Shops   []ShopConfig         `toml:"shop"`
	DevOnly DevConfig            `toml:"clock"`
}

// ServiceConfig says who the service is.
type ServiceConfig struct {
	ID     string `toml:"id"`
	NameJA string `toml:"name_ja"`
	NameEN string `toml:"name_en"`
	Origin string `toml:"origin"` // scheme://host[:port] that browsers see
}

// DataConfig says where data and keys lie.
type DataConfig struct {
	Dir  string `toml:"dir"`  // money.db, web.db, audit.jsonl
	Keys string `toml:"keys"` // signing, client, DPoP and sealing keys
}

// HubConfig is the hub as the service calls it.
type HubConfig struct {
	Issuer string `toml:"issuer"` // the hub's URL
}

// MailConfig is the way out for e-mail.
type MailConfig struct {
	Addr     string         `toml:"addr"`
	From     string         `toml:"from"`
	User     string         `toml:"user"`
	Password observe.Secret `toml:"password"`
}

// SMSConfig is the way out for text messages.
type SMSConfig struct {
	URL   string         `toml:"url"`
	Token observe.Secret `toml:"token"`
}

// LinkConfig is what a new link asks for; never above the compiled ceilings.
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
	BankCap     money.Yen     `toml:"bank_cap"` // M8: receipts of one bank not yet settled
	SweepEvery  time.Duration `toml:"sweep_every"`
}

// StaffConfig is one member of staff.
type StaffConfig struct {
	Name         string   `toml:"name"`
	PasswordHash string   `toml:"password_hash"` // bcrypt
	Roles        []string `toml:"roles"`         // "identity", "money"
}

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

// DevConfig is refused outside dev.
type DevConfig struct {
	File string `toml:"file"` // seconds the clock is ahead, re-read when it changes
}
