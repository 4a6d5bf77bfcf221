package bankd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"golang.org/x/sync/errgroup"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/notify"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/server"
	bankstore "github.com/kozamori/kozamori/internal/store/bank"
	"github.com/kozamori/kozamori/internal/store/sessionsql"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
)

// tenant is one bank of the process.
type tenant struct {
	s        *Server
	host     string
	bank     *bank.Bank
	store    *bankstore.Store
	ledger   *ledger.Ledger
	web      *sqldb.DB
	sessions *scs.SessionManager
	site     *web.Site
	public   wire.KeySet
	tokens   *wire.TokenServer
	guard    wire.Guard
	hub      *wire.Client
	carrier  carrier
	turns    turns
	handler  http.Handler
}

// registers are what all banks of a process have pinned.
type registers struct {
	services map[id.Service]bank.Service
	clients  wire.Keyring
}

func (s *Server) registers() (registers, error) {
	reg := registers{services: map[id.Service]bank.Service{}, clients: wire.Keyring{}}
	for _, c := range s.cfg.Services {
		keys, err := keyfile.ReadSet(c.Keys)
		if err != nil {
			return reg, err
		}
		origin, err := url.Parse(c.Origin)
		if err != nil {
			return reg, err
		}
		reg.services[id.Service(c.ID)] = bank.Service{
			ID: id.Service(c.ID), Name: fault.Text{JA: c.NameJA, EN: c.NameEN}, Narration: c.Narration,
			RedirectURIs: c.RedirectURIs, RPID: origin.Hostname(), Origin: c.Origin, Keys: keys, Stopped: c.Stopped,
		}
	}
	var err error
	if reg.clients[s.cfg.Hub.Issuer], err = keyfile.ReadSet(s.cfg.Hub.Keys); err != nil {
		return reg, err
	}
	for _, a := range s.cfg.ATMs {
		if reg.clients[a.ID], err = keyfile.ReadSet(a.Keys); err != nil {
			return reg, err
		}
	}
	return reg, nil
}

// scopeOf is what a client may do with a token of its own.
func (s *Server) scopeOf(client string) string {
	if client == s.cfg.Hub.Issuer {
		return bank.ScopeParticipant
	}
	for _, a := range s.cfg.ATMs {
		if a.ID == client {
			return bank.ScopeATM
		}
	}
	return ""
}

// secrets are a bank's keys as loaded.
type secrets struct {
	keys   bank.Keys
	pin    []byte
	sealer outbox.Sealer
	client wire.Key
	proof  wire.Key
	public wire.KeySet
}

func loadSecrets(cfg Config, code string) (x secrets, err error) {
	dir := keyfile.Open(cfg.keys(code))
	if err := dir.Check(cfg.Dev); err != nil {
		return x, err
	}
	sign, err := dir.Signing("sign")
	if err != nil {
		return x, err
	}
	seal, err := dir.Sealing("seal")
	if err != nil {
		return x, err
	}
	if x.public, err = dir.Public("sign", "seal"); err != nil {
		return x, err
	}
	for name, into := range map[string]*wire.Key{"client": &x.client, "dpop": &x.proof} {
		keys, err := dir.Signing(name)
		if err != nil {
			return x, err
		}
		*into = keys[0]
	}
	// They are never rotated: the oldest stays the one.
	one := map[string][]byte{}
	for _, name := range PermanentKeys() {
		all, err := dir.Secrets(name)
		if err != nil {
			return x, err
		}
		one[name] = all[len(all)-1]
	}
	rows, err := dir.Secrets("rows")
	if err != nil {
		return x, err
	}
	if x.sealer, err = outbox.NewSealer(rows...); err != nil {
		return x, err
	}
	x.pin = one["pin"]
	x.keys = bank.Keys{Sign: sign[0], Seal: seal, Pseudonym: one["pseudonym"], Code: one["code"]}
	return x, nil
}

func migrateTenant(ctx context.Context, cfg Config, b BankConfig) error {
	x, err := loadSecrets(cfg, b.Code)
	if err != nil {
		return err
	}
	money, sessions := cfg.places(b.Code)
	if !sqldb.IsPostgres(money) {
		if err := os.MkdirAll(filepath.Dir(money), 0o700); err != nil {
			return err
		}
	}
	store, err := bankstore.Open(money, x.sealer, bank.NewChain(x.keys.Sign, id.Issuer(b.Issuer)))
	if err != nil {
		return err
	}
	_, err = store.Migrate(ctx)
	if err := errors.Join(err, store.Close()); err != nil {
		return err
	}
	db, err := sqldb.Open(sessions, sessionsql.Source)
	if err != nil {
		return err
	}
	return db.Close()
}

// openTenant opens one bank. What was opened before a failure is closed.
func (s *Server) openTenant(ctx context.Context, c BankConfig, reg registers, site *web.Site) (t *tenant, err error) {
	x, err := loadSecrets(s.cfg, c.Code)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(c.Issuer)
	if err != nil {
		return nil, err
	}
	t = &tenant{s: s, host: u.Host, site: site, public: x.public}
	opened := t // a failing return clears t
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.close())
		}
	}()
	if err := t.openTables(ctx, c, x); err != nil {
		return nil, err
	}
	policy, err := s.cfg.policyOf(c)
	if err != nil {
		return nil, err
	}
	pins, err := bank.NewPINVerifier(x.pin, s.env.Rand)
	if err != nil {
		return nil, err
	}
	t.bank, err = bank.New(bank.Deps{
		Profile: bank.Profile{Code: id.Bank(c.Code), Issuer: id.Issuer(c.Issuer), Name: c.name(), RPID: u.Hostname(), HelpLine: c.HelpLine},
		Policy:  policy, Services: reg.services, Channels: c.channels(), Keys: x.keys, Store: t.store, Core: t.ledger, Books: t.store.Books(),
		PIN: pins, Sealer: x.sealer, Now: s.env.Now, Rand: s.env.Rand, Log: s.env.Log,
	})
	if err != nil {
		return nil, err
	}
	if err := t.bank.Prepare(ctx); err != nil {
		return nil, err
	}
	clients := wire.Clients{Issuer: c.Issuer, Keys: reg.clients, Replay: t.store, Now: s.env.Now}
	t.tokens = &wire.TokenServer{Clients: clients, URL: c.Issuer + "/token", Store: t.store, ScopeOf: s.scopeOf,
		Grants: map[string]wire.GrantFunc{"authorization_code": t.grantCode}}
	t.guard = wire.Guard{Base: c.Issuer, Tokens: t.store, Replay: t.store, Now: s.env.Now}
	t.hub = wire.NewClient(wire.ClientConfig{ID: c.Issuer, Key: x.client, Proof: x.proof, Issuer: s.cfg.Hub.Issuer,
		Transport: s.env.Transport, Now: s.env.Now})
	if t.carrier, err = newCarrier(s.cfg, c, s.env.Transport); err != nil {
		return nil, err
	}
	if t.handler, err = t.routes(); err != nil {
		return nil, err
	}
	return t, nil
}

// openTables opens the books and the sessions, whose migrations must all be applied.
func (t *tenant) openTables(ctx context.Context, c BankConfig, x secrets) (err error) {
	money, sessions := t.s.cfg.places(c.Code)
	applied, err := sqldb.Applied(ctx, money)
	if err != nil {
		return err
	}
	if len(applied) == 0 {
		return fmt.Errorf("%s: there are no tables: run migrate first", sqldb.Name(money))
	}
	if t.store, err = bankstore.Open(money, x.sealer, bank.NewChain(x.keys.Sign, id.Issuer(c.Issuer))); err != nil {
		return err
	}
	if t.web, err = sqldb.OpenAsIs(sessions, sessionsql.Source); err != nil {
		return err
	}
	if err := errors.Join(server.UpToDate(ctx, sqldb.Name(money), t.store), server.UpToDate(ctx, sqldb.Name(sessions), t.web)); err != nil {
		return err
	}
	t.ledger = ledger.New(t.store.Books(), ledger.Options{})
	t.sessions = web.NewSessions(sessionsql.New(t.web), "bank", 15*time.Minute, bank.SessionLife)
	return nil
}

// run sends what the outbox holds and ends what has run out of time, until ctx ends.
func (t *tenant) run(ctx context.Context) error {
	runner := outbox.NewRunner(t.store.Outbox(), outbox.Options{
		Clock: t.s.env.Now, Handlers: t.deliveries(), Parallel: 4, Poll: time.Second, // new messages wake it
		Failed: func(m outbox.Message, err error) {
			t.s.env.Log.Warn("outbox", "bank", string(t.bank.Profile.Code), "kind", m.Kind, "attempts", m.Attempts, "error", err.Error())
		},
	})
	var g errgroup.Group
	g.Go(func() error { runner.Run(ctx); return nil })
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-t.bank.Woken():
				runner.Wake()
			}
		}
	})
	g.Go(func() error { t.sweep(ctx); return nil })
	return g.Wait()
}

// deliveries are the handlers of what the outbox holds.
func (t *tenant) deliveries() map[string]outbox.Handler {
	return map[string]outbox.Handler{
		bank.MessageNotice: func(ctx context.Context, m outbox.Message) error { return t.bank.SendNotice(ctx, t.carrier, m) },
		bank.MessageDigest: t.bank.SendDigest,
		bank.MessageCode:   func(ctx context.Context, m outbox.Message) error { return t.bank.SendCodeMessage(ctx, t.carrier, m) },
		bank.MessageReport: func(ctx context.Context, m outbox.Message) error {
			return t.bank.SendReport(ctx, reporter{t.hub, t.s.cfg.Hub.Issuer}, m)
		},
	}
}

// sweepEvery is how often what has run out of time is looked for; every decision looks at the clock itself.
const sweepEvery = 2 * time.Second

func (t *tenant) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	forget := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_, err := t.bank.Sweep(ctx)
		if time.Since(forget) > time.Minute {
			forget = time.Now()
			err = errors.Join(err, t.bank.Forget(ctx), sessionsql.New(t.web).Forget(ctx))
		}
		if err != nil && ctx.Err() == nil {
			t.s.env.Log.Warn("sweep", "bank", string(t.bank.Profile.Code), "error", err.Error())
		}
	}
}

func (t *tenant) close() error {
	var errs []error
	if t.ledger != nil {
		t.ledger.Close()
	}
	if t.store != nil {
		errs = append(errs, t.store.Close())
	}
	if t.web != nil {
		errs = append(errs, t.web.Close())
	}
	return errors.Join(errs...)
}

// carrier is the bank's mail server and SMS gateway.
type carrier struct {
	mail notify.Mailer
	sms  notify.SMS
}

func newCarrier(cfg Config, c BankConfig, transport http.RoundTripper) (carrier, error) {
	from := cfg.Mail
	if from.FromName == "" {
		from.FromName = c.NameJA
	}
	mailer, err := notify.NewSMTP(from)
	if err != nil {
		return carrier{}, err
	}
	sms := cfg.SMS
	sms.URL = strings.ReplaceAll(sms.URL, "{bank}", c.Code) // each bank has an address of its own at the carrier
	gateway, err := notify.NewGateway(sms, transport)
	return carrier{mail: mailer, sms: gateway}, err
}

// SendSMS implements bank.Carrier.
func (c carrier) SendSMS(ctx context.Context, to, text, ref string) error {
	_, err := c.sms.SendSMS(ctx, notify.ShortMessage{To: to, Text: text, Ref: ref})
	return err
}

// SendMail implements bank.Carrier.
func (c carrier) SendMail(ctx context.Context, to, subject, text string) error {
	return c.mail.SendMail(ctx, notify.Mail{To: to, Subject: subject, Text: text})
}

// reporter carries reports to services through the hub.
type reporter struct {
	hub  *wire.Client
	base string
}

// Report implements bank.Reporter.
func (r reporter) Report(ctx context.Context, service id.Service, link id.Link, report string) error {
	return r.hub.Do(ctx, wire.Call{Method: http.MethodPost, URL: r.base + "/v1/reports",
		In: map[string]string{"service": string(service), "link": string(link), "report": report}})
}
