package dev

import (
	"embed"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/web"
)

//go:embed pages/*.html
var pageFiles embed.FS

func newSite() (*web.Site, error) {
	pages, err := fs.Sub(pageFiles, "pages")
	if err != nil {
		return nil, err
	}
	return web.NewSite(web.Options{Theme: web.Dev, Name: siteName, Pages: pages, Texts: texts, API: []string{"/api/"}, Nav: nav})
}

func nav(r *http.Request) []web.Link {
	links := []web.Link{
		{URL: "/", Icon: "home", Text: fault.Text{JA: "はじめ", EN: "Start"}},
		{URL: "/inbox", Icon: "mail", Text: fault.Text{JA: "受信箱", EN: "Inbox"}},
		{URL: "/atm", Icon: "atm", Text: fault.Text{JA: "ATMの画面", EN: "ATM"}},
		{URL: "/clock", Icon: "clock", Text: fault.Text{JA: "時計", EN: "Clock"}},
		{URL: "/audit", Icon: "check", Text: fault.Text{JA: "監査", EN: "Audit"}},
	}
	for i := range links {
		links[i].Current = r.URL.Path == links[i].URL
	}
	return links
}

// pages serves the start page and what belongs to it.
type pages struct {
	*world
	site     *web.Site
	sessions *scs.SessionManager
}

// site is the handler of the start page.
func (w *world) site(log *slog.Logger) (http.Handler, error) {
	site, err := newSite()
	if err != nil {
		return nil, err
	}
	p := &pages{world: w, site: site, sessions: web.NewSessions(memstore.New(), "dev", time.Hour, 12*time.Hour)}
	mux := http.NewServeMux()
	for pattern, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /{$}": p.home, "GET /inbox": p.showInbox, "GET /clock": p.showClock, "POST /clock": p.moveClock, "GET /audit": p.showAudit,
		"GET /atm": p.showATM, "POST /atm": p.insertCard, "POST /atm/window": p.openWindow, "POST /atm/acknowledge": p.acknowledge, "POST /atm/stop": p.stopEverything,
		"POST /atm/eject": p.eject,
	} {
		mux.HandleFunc(pattern, site.Handle(h))
	}
	for pattern, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /api/info": p.apiInfo, "GET /api/inbox": p.apiInbox, "GET /api/clock": p.apiClock, "POST /api/clock": p.apiMove,
		"POST /api/people": p.apiPeople, "GET /api/audit": p.apiAudit, "POST /api/atm/sessions": p.apiInsert,
		"GET /api/atm/{session}": p.apiScreen, "GET /api/atm/{session}/requests/{reference}": p.apiFind, "POST /api/atm/{session}/{what}": p.apiAct,
	} {
		mux.HandleFunc(pattern, web.HandleAPI(h))
	}
	return observe.Wide(loopbackOnly(site.Wrap(mux, p.sessions)), observe.Wiring{Role: "dev", Log: log, OnError: site.Error}), nil
}

// loopbackOnly refuses whoever is not on this machine, and other names than our own (DNS rebinding: a page of a
// stranger must not read the inbox).
func loopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, _, err := net.SplitHostPort(r.RemoteAddr)
		host := r.Host
		if h, _, splitErr := net.SplitHostPort(r.Host); splitErr == nil {
			host = h
		}
		local := host == "localhost" || host == "127.0.0.1" || host == "[::1]"
		if err != nil || !net.ParseIP(from).IsLoopback() || !local {
			http.Error(w, "for this machine only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

type homePage struct {
	Wallets, Banks, References []place
	Inbox, ATM, Clock, Audit   string
	Now                        time.Time
	People                     []shownPerson
	Staff                      []shownStaff
	Tills                      []place
	Shops                      []shownShop
}

// shownShop is a shop with the key that opens its till.
type shownShop struct {
	Name fault.Text
	Key  string
}

func (homePage) Template() string { return "home.html" }

func (p *pages) home(w http.ResponseWriter, r *http.Request) error {
	page := homePage{Inbox: "/inbox", ATM: "/atm", Clock: "/clock", Audit: "/audit", Now: p.clock.Now()}
	hub := p.ports.url("hub.localhost", portHub)
	page.Staff = append(page.Staff, shownStaff{hub + "/staff", fault.Text{JA: "ハブの職員", EN: "Hub staff"}, Credentials{p.secrets.StaffName, p.secrets.StaffPassword["hub"]}})
	for _, s := range services {
		url := p.ports.url(s.Host, s.Port)
		page.Wallets = append(page.Wallets, place{URL: url + "/", Name: s.Name})
		page.Staff = append(page.Staff, shownStaff{url + "/staff", fault.Text{JA: s.Name.JA + "の職員", EN: s.Name.EN + " staff"}, Credentials{p.secrets.StaffName, p.secrets.StaffPassword[string(s.ID)]}})
		page.References = append(page.References, place{URL: url + "/reference/", What: fault.Text{JA: s.Name.JA + "（店舗向け）", EN: s.Name.EN + " (for shops)"}})
		page.Tills = append(page.Tills, place{URL: url + "/till", What: fault.Text{JA: s.Name.JA + "のレジ", EN: s.Name.EN + " till"}})
	}
	for _, shop := range shops {
		page.Shops = append(page.Shops, shownShop{fault.Text{JA: shop.NameJA, EN: shop.NameEN}, p.secrets.ShopKey[shop.ID]})
	}
	page.References = append(page.References, place{URL: hub + "/reference/", What: fault.Text{JA: "ハブ", EN: "Hub"}},
		place{URL: p.ports.url(p.banks[0].host(), portBanks) + "/reference/", What: fault.Text{JA: "銀行", EN: "Bank"}})
	for _, b := range p.banks {
		page.Banks = append(page.Banks, place{URL: p.ports.url(b.host(), portBanks) + "/", Name: b.Name, Code: b.Code})
	}
	for _, one := range p.people.all() {
		page.People = append(page.People, p.shown(one))
	}
	p.site.Render(w, r, page)
	return nil
}

// piece is a part of a letter's line: words, or an address to open.
type piece struct{ URL, Text string }

type shownLetter struct {
	Letter
	Lines [][]piece
}

type inboxPage struct {
	Form    *web.Form
	Letters []shownLetter
	Poll    string
}

func (inboxPage) Template() string { return "inbox.html" }

var address = regexp.MustCompile(`https?://[^\s」）)]+`)

// pieces makes the addresses of a letter something to click; only those of our own pages.
func pieces(text string) (lines [][]piece) {
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		var out []piece
		at := 0
		for _, m := range address.FindAllStringIndex(line, -1) {
			out = append(out, piece{Text: line[at:m[0]]}, piece{URL: line[m[0]:m[1]], Text: line[m[0]:m[1]]})
			at = m[1]
		}
		lines = append(lines, append(out, piece{Text: line[at:]}))
	}
	return lines
}

func (p *pages) showInbox(w http.ResponseWriter, r *http.Request) error {
	options := []web.Option{}
	for _, one := range p.people.all() {
		for _, to := range []string{one.Phone, one.Email} {
			if to != "" {
				options = append(options, web.Option{Value: to, Text: fault.Text{JA: one.Name.JA + " " + to, EN: one.Name.EN + " " + to}})
			}
		}
	}
	form := web.NewForm(web.Field{Name: "to", Kind: web.SelectField, Optional: true, Options: options, Label: fault.Text{JA: "宛先", EN: "To"}})
	to := r.URL.Query().Get("to")
	form.Set("to", to)
	page := inboxPage{Form: form, Poll: r.URL.RequestURI()}
	for _, l := range p.inbox.Latest(200) {
		if (to == "" || l.To == to) && len(page.Letters) < 50 {
			page.Letters = append(page.Letters, shownLetter{l, pieces(l.Text)})
		}
	}
	p.site.Render(w, r, page)
	return nil
}

type clockStep struct {
	Hours int
	Text  fault.Text
}

type clockPage struct {
	Now   time.Time
	Ahead time.Duration
	Steps []clockStep
	Form  *web.Form
}

func (clockPage) Template() string { return "clock.html" }

func clockForm() *web.Form {
	return web.NewForm(web.Field{Name: "hours", Kind: web.DigitsField, Max: 5, Min: 1, Label: fault.Text{JA: "何時間進めますか", EN: "How many hours"},
		Unit: fault.Text{JA: "時間", EN: "hours"}})
}

func (p *pages) showClock(w http.ResponseWriter, r *http.Request) error {
	p.site.Render(w, r, p.clockPage(clockForm()))
	return nil
}

func (p *pages) clockPage(form *web.Form) clockPage {
	return clockPage{Now: p.clock.Now(), Ahead: p.ahead(), Form: form, Steps: []clockStep{
		{1, fault.Text{JA: "1時間", EN: "1 hour"}}, {12, fault.Text{JA: "12時間", EN: "12 hours"}},
		{24, fault.Text{JA: "24時間", EN: "24 hours"}}, {168, fault.Text{JA: "7日", EN: "7 days"}}}}
}

// ahead is how far the clock was moved.
func (w *world) ahead() time.Duration { return w.clock.Forward(0) }

func (p *pages) moveClock(w http.ResponseWriter, r *http.Request) error {
	form := clockForm()
	if !form.Read(w, r) {
		p.site.RenderStatus(w, r, http.StatusUnprocessableEntity, p.clockPage(form))
		return nil
	}
	hours, err := strconv.Atoi(form.Value("hours"))
	if err != nil || hours < 1 {
		return fault.New(fault.Invalid, "dev.clock", err)
	}
	if err := p.forward(time.Duration(hours) * time.Hour); err != nil {
		return err
	}
	http.Redirect(w, r, "/clock", http.StatusSeeOther)
	return nil
}

type auditPage struct {
	Agrees bool
	Text   string
}

func (auditPage) Template() string { return "audit.html" }

func (p *pages) showAudit(w http.ResponseWriter, r *http.Request) error {
	report, err := p.o.Audit(r.Context(), p.l.root)
	if err != nil {
		return err
	}
	p.site.Render(w, r, auditPage{report.Agrees, report.Text})
	return nil
}
