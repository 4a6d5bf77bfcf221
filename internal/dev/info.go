package dev

import (
	"strings"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/zengin"
)

// Info is what `kozamori dev --json` prints when all is ready, and /api/info answers.
type Info struct {
	URL      string                 `json:"url"` // the start page
	Wallets  map[id.Service]string  `json:"wallets"`
	Banks    map[id.Bank]string     `json:"banks"`
	Hub      string                 `json:"hub"`
	Inbox    string                 `json:"inbox"`
	ATM      string                 `json:"atm"`
	Clock    string                 `json:"clock"`
	Till     map[id.Service]string  `json:"till"`
	Audit    string                 `json:"audit"`
	Dir      string                 `json:"dir"`
	Staff    map[string]Credentials `json:"staff"`    // by role: "hub", "maru", "sora"
	Shops    map[string]string      `json:"shops"`    // API keys, by shop
	Channels map[id.Bank]string     `json:"channels"` // API keys of the banks' own systems
	People   []Person               `json:"people"`
	ReadyMs  int64                  `json:"ready_ms"` // from the start of the program; 0 while it is starting
}

// Credentials are a staff member's. They open nothing outside this machine.
type Credentials struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

func (w *world) info() Info {
	home := w.ports.url("localhost", portStart)
	i := Info{URL: home + "/", Hub: w.ports.url("hub.localhost", portHub), Inbox: home + "/inbox", ATM: home + "/atm",
		Clock: home + "/clock", Audit: home + "/audit", Dir: w.l.root, Wallets: map[id.Service]string{}, Banks: map[id.Bank]string{},
		Till: map[id.Service]string{}, Staff: map[string]Credentials{}, Shops: w.secrets.ShopKey, Channels: w.secrets.ChannelKey, People: w.people.all()}
	for _, s := range services {
		i.Wallets[s.ID] = w.ports.url(s.Host, s.Port)
		i.Till[s.ID] = i.Wallets[s.ID] + "/till"
	}
	for _, b := range w.banks {
		i.Banks[b.Code] = w.ports.url(b.host(), portBanks)
	}
	for role, password := range w.secrets.StaffPassword {
		i.Staff[role] = Credentials{w.secrets.StaffName, password}
	}
	i.ReadyMs = w.readyMs.Load()
	return i
}

// place is a link on the start page.
type place struct {
	URL  string
	Name fault.Text
	Code id.Bank
	What fault.Text
}

// shownPerson is a person with what her page says beside.
type shownPerson struct {
	Person
	Portal     string
	BankName   fault.Text
	BranchName string
	Local      string // the phone number as a form takes it
}

// shownStaff is one staff sign-in.
type shownStaff struct {
	URL  string
	What fault.Text
	Credentials
}

func (w *world) shown(p Person) shownPerson {
	s := shownPerson{Person: p, Portal: w.ports.url(tenant{Code: p.Bank}.host(), portBanks) + "/",
		Local: "0" + strings.TrimPrefix(p.Phone, "+81")}
	for _, b := range w.banks {
		if b.Code == p.Bank {
			s.BankName = b.Name
		}
	}
	if b, ok := zengin.Today().Branch(p.Bank, p.Branch); ok {
		s.BranchName = b.Title()
	}
	return s
}
