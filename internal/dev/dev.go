// Package dev runs the whole of Kozamori on one machine: the three roles as they are, with generated keys and
// configurations, sample people, their phones and letter boxes, an ATM, and a clock that can be moved. It
// listens on loopback only.
package dev

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/sync/errgroup"

	"github.com/kozamori/kozamori/internal/audit"
	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/config"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/server"
	"github.com/kozamori/kozamori/internal/server/bankd"
	"github.com/kozamori/kozamori/internal/server/hubd"
	"github.com/kozamori/kozamori/internal/server/walletd"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/zengin"
)

// Auditor recomputes the books under a directory and says whether they agree.
type Auditor func(ctx context.Context, dir string) (Report, error)

// Report is what an audit found, in words and as data.
type Report struct {
	Agrees bool
	Text   string
	Data   any
	Debits map[string]audit.Debit // by id; told of where somebody asks for them
}

// Options say where and how dev runs.
type Options struct {
	Dir      string
	PortBase int // 0: the one the directory was made for, or DefaultPorts
	Reset    bool
	Postgres string // the URL of a database in which each role has schemas; "": the one of the directory, or files
	Audit    Auditor
	Ready    func(Info)
	Started  time.Time // for how long the start took
	Out      io.Writer // where the roles' logs go besides DIR/log; nil: nowhere

	// WithoutRoles leaves the roles out: a test runs them as programs of their own.
	WithoutRoles bool
	// Line is what a role ("hub", "maru", "sora", "bank") makes its calls to others through; nil: a line that
	// loses nothing.
	Line func(role string) http.RoundTripper
	// Clock is the world's clock, for who moves it by less than an hour; nil: one of its own.
	Clock *clock.Movable
}

// line is the way of a role to the others; nil lets it take its own.
func (o Options) line(role string) http.RoundTripper {
	if o.Line == nil {
		return nil
	}
	return o.Line(role)
}

// world is dev, running.
type world struct {
	o        Options
	l        layout
	ports    Ports
	secrets  secrets
	clock    *clock.Movable
	inbox    *Inbox
	people   *register
	carrier  *carrier
	mail     *smtp.Server
	banks    []tenant
	bankd    *bankd.Server
	machines machines
	opening  sync.Mutex // of files: the roles open beside each other
	files    []io.Closer
	start    http.Handler
	readyMs  atomic.Int64 // 0 until all is ready
}

// Run runs dev until ctx ends.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	// Directory and ports come first: while another dev holds them, nothing is made, and nothing reset.
	unlock, err := lock(o.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := o.asBefore(); err != nil {
		return err
	}
	listeners, err := listen(Ports{o.PortBase}, o.WithoutRoles)
	if err != nil {
		return err
	}
	w, err := prepare(ctx, o)
	if err != nil {
		return errors.Join(err, closeAll(listeners))
	}
	defer func() { err = errors.Join(err, w.close()) }()
	g, ctx := errgroup.WithContext(ctx)
	if err := w.serveOutside(ctx, g, listeners); err != nil {
		return errors.Join(err, closeAll(listeners))
	}
	if !o.WithoutRoles {
		if err := w.serveRoles(ctx, g, listeners); err != nil {
			return errors.Join(err, closeAll(listeners))
		}
		if err := w.seed(ctx); err != nil {
			return errors.Join(err, closeAll(listeners))
		}
	}
	w.readyMs.Store(max(1, time.Since(o.Started).Milliseconds()))
	if o.Ready != nil {
		o.Ready(w.info())
	}
	return g.Wait()
}

// DefaultPorts is where dev begins unless told otherwise.
const DefaultPorts = 8400

// check says what no directory and no machine could run with.
func (o Options) check() error {
	if o.Dir == "" {
		return errors.New("--dir is empty; want a directory, such as .dev")
	}
	if last := 65535 - portCount + 1; o.PortBase != 0 && (o.PortBase < 1 || o.PortBase > last) {
		return fmt.Errorf("--port-base %d: want 1 to %d, for %d ports from it on", o.PortBase, last, portCount)
	}
	return nil
}

// asBefore fills in ports and database where none are asked for: those the directory was made for, else the default.
func (o *Options) asBefore() error {
	s := &secrets{PortBase: DefaultPorts}
	if !o.Reset {
		before, err := secretsOf(layout{o.Dir})
		if err != nil {
			return err
		}
		if before != nil {
			s = before
		}
	}
	o.PortBase, o.Postgres = cmp.Or(o.PortBase, s.PortBase), cmp.Or(o.Postgres, s.Postgres)
	return nil
}

// secretsOf reads what an earlier run left; nil where there was none.
func secretsOf(l layout) (*secrets, error) {
	text, err := os.ReadFile(l.path("keys", "dev.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var s secrets
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	return &s, err
}

// lock takes the directory itself for this process, leaving nothing in it; the operating system gives it back when the
// process ends, however.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("kozamori dev is already running in %s; stop it first, or choose another --dir and --port-base", dir)
		} else {
			err = fmt.Errorf("%s cannot be locked: %w", dir, err)
		}
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// prepare makes or reads everything that lies in the directory.
func prepare(ctx context.Context, o Options) (*world, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	w := &world{o: o, l: layout{dir}, ports: Ports{o.PortBase}, clock: o.Clock}
	if w.clock == nil {
		w.clock = &clock.Movable{}
	}
	if o.Reset {
		if err := reset(ctx, w.l); err != nil {
			return nil, err
		}
	}
	if w.banks, err = tenants(); err != nil {
		return nil, err
	}
	if err := unused(ctx, w.l, o.Postgres, w.banks); err != nil {
		return nil, err
	}
	if err := w.readClock(); err != nil {
		return nil, err
	}
	if w.secrets, err = generate(w.l, w.ports, o.Postgres, w.clock.Now); err != nil {
		return nil, err
	}
	if w.inbox, err = OpenInbox(w.l.path("inbox")); err != nil {
		return nil, err
	}
	w.files = append(w.files, w.inbox)
	w.people, err = openRegister(w.l.path("inbox"))
	return w, err
}

// reset removes what dev made, and only in a directory that dev made.
func reset(ctx context.Context, l layout) error {
	s, _ := secretsOf(l) // of a file that cannot be read, that it is there is enough
	if s == nil {
		entries, readErr := os.ReadDir(l.root)
		if readErr != nil || len(entries) == 0 {
			return nil
		}
		return fmt.Errorf("%s was not made by kozamori dev: not removed", l.root)
	}
	errs := []error{dropTables(ctx, s.Postgres)}
	for _, name := range []string{"config", "data", "register", "log", "inbox", "clock", "keys"} {
		errs = append(errs, os.RemoveAll(l.path(name)))
	}
	return errors.Join(errs...)
}

// readClock takes up the clock's offset where it was.
func (w *world) readClock() error {
	text, err := os.ReadFile(w.l.clock())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || seconds < 0 {
		return fmt.Errorf("%s does not hold the seconds the clock is ahead", w.l.clock())
	}
	w.clock.Set(time.Duration(seconds) * time.Second)
	return nil
}

// forward moves everybody's clock, and keeps the offset for the next start.
func (w *world) forward(d time.Duration) error {
	ahead := w.clock.Forward(d.Truncate(time.Second))
	text := strconv.FormatInt(int64(ahead/time.Second), 10) + "\n"
	tmp := w.l.clock() + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, w.l.clock())
}

// listen opens all ports first, so that a busy one is named before anything starts.
func listen(p Ports, withoutRoles bool) (map[int]net.Listener, error) {
	out := map[int]net.Listener{}
	for n := range portCount {
		if withoutRoles && (n == portHub || n == portMaru || n == portSora || n == portBanks) {
			continue
		}
		ln, err := net.Listen("tcp", p.address(n))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("port %d is busy (%w); choose others with --port-base", p.Base+n, err), closeAll(out))
		}
		out[n] = ln
	}
	return out, nil
}

func closeAll(listeners map[int]net.Listener) error {
	var errs []error
	for _, ln := range listeners {
		if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// serveOutside serves what the roles find around them: carrier, post office, and the start page.
func (w *world) serveOutside(ctx context.Context, g *errgroup.Group, ln map[int]net.Listener) error {
	log, err := w.logger("dev")
	if err != nil {
		return err
	}
	w.carrier = newCarrier(ctx, w, log)
	w.mail = newMailServer(w.inbox, w.clock.Now)
	if w.start, err = w.site(log); err != nil {
		return err
	}
	grace := observe.ServerConfig{Listen: "127.0.0.1:0", Grace: 2 * time.Second}
	g.Go(func() error { return observe.Serve(ctx, ln[portStart], grace, w.start, log) })
	g.Go(func() error { return observe.Serve(ctx, ln[portSMS], grace, w.carrier, log) })
	g.Go(func() error { return serveMail(w.mail, ln[portMail]) })
	g.Go(func() error {
		<-ctx.Done()
		w.carrier.reports.Wait()
		return w.mail.Close()
	})
	return nil
}

// role is a server of any of the three kinds.
type role interface {
	Handler() http.Handler
	Run(ctx context.Context) error
	Close() error
}

// serveRoles opens and serves the roles with the configurations on the disk, banks beside the others.
func (w *world) serveRoles(ctx context.Context, g *errgroup.Group, ln map[int]net.Listener) error {
	opened := make([]role, 4)
	var open errgroup.Group
	open.Go(func() (err error) { opened[0], err = w.openHub(ctx); return err })
	open.Go(func() (err error) { opened[1], err = w.openWallet(ctx, services[0]); return err })
	open.Go(func() (err error) { opened[2], err = w.openWallet(ctx, services[1]); return err })
	open.Go(func() (err error) { opened[3], err = w.openBanks(ctx); return err })
	err := open.Wait()
	for _, r := range opened {
		if r != nil {
			w.files = append(w.files, r)
		}
	}
	if err != nil {
		return err
	}
	for i, port := range []int{portHub, portMaru, portSora, portBanks} {
		g.Go(func() error {
			return observe.Serve(ctx, ln[port], observe.ServerConfig{Listen: w.ports.address(port), Grace: 3 * time.Second}, opened[i].Handler(), observe.Discard())
		})
		g.Go(func() error { return opened[i].Run(ctx) })
	}
	return nil
}

// logger writes a role's log to its file.
func (w *world) logger(name string) (*slog.Logger, error) {
	f, err := w.append(w.l.log(name))
	if err != nil {
		return nil, err
	}
	out := io.Writer(f)
	if w.o.Out != nil {
		out = io.MultiWriter(f, w.o.Out)
	}
	return observe.NewLogger(out, name, slog.LevelInfo), nil
}

// append opens a file for appending, and closes it when dev ends.
func (w *world) append(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		w.opening.Lock()
		defer w.opening.Unlock()
		w.files = append(w.files, f)
	}
	return f, err
}

// load reads a role's configuration as its own program does.
func (w *world) load(name string, into any) error {
	return config.Load(w.l.config(name), nil, into)
}

func (w *world) openHub(ctx context.Context) (role, error) {
	var cfg hubd.Config
	if err := errors.Join(w.load("hub", &cfg), os.MkdirAll(cfg.Data.Dir, 0o700)); err != nil {
		return nil, err
	}
	log, audit, err := w.logs("hub")
	if err != nil {
		return nil, err
	}
	if err := hubd.Migrate(ctx, cfg); err != nil {
		return nil, err
	}
	s, err := hubd.Open(ctx, cfg, hubd.Env{Now: w.clock.Now, Log: log, Audit: audit, Transport: w.o.line("hub")})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (w *world) openWallet(ctx context.Context, service service) (role, error) {
	name := string(service.ID)
	cfg := walletd.Default()
	if err := errors.Join(w.load(name, &cfg), os.MkdirAll(cfg.Data.Dir, 0o700)); err != nil {
		return nil, err
	}
	log, audit, err := w.logs(name)
	if err != nil {
		return nil, err
	}
	if err := walletd.Migrate(ctx, cfg); err != nil {
		return nil, err
	}
	s, err := walletd.Open(ctx, cfg, walletd.Env{Now: w.clock.Now, Log: log, Audit: audit, Transport: w.o.line(name)})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (w *world) openBanks(ctx context.Context) (role, error) {
	var cfg bankd.Config
	if err := errors.Join(w.load("bank", &cfg), os.MkdirAll(cfg.Data.Dir, 0o700)); err != nil {
		return nil, err
	}
	log, audit, err := w.logs("bank")
	if err != nil {
		return nil, err
	}
	if err := bankd.Migrate(ctx, cfg); err != nil {
		return nil, err
	}
	s, err := bankd.Open(ctx, cfg, bankd.Env{Env: server.Env{Now: w.clock.Now, Log: log, Audit: audit, Transport: w.o.line("bank")}})
	if err != nil {
		return nil, err
	}
	w.bankd = s
	return s, nil
}

func (w *world) logs(name string) (*slog.Logger, io.Writer, error) {
	log, err := w.logger(name)
	if err != nil {
		return nil, nil, err
	}
	audit, err := w.append(w.l.log(name + "-audit"))
	return log, audit, err
}

// seed opens the sample people's accounts, once.
func (w *world) seed(ctx context.Context) error {
	for _, p := range samplePeople {
		if err := w.openFor(ctx, p); err != nil && fault.Of(err) != fault.Conflict {
			return fmt.Errorf("account of %s: %w", p.Name.EN, err)
		}
	}
	return nil
}

// newPerson makes a person with an account at a bank, for a check that needs somebody new.
func (w *world) newPerson(ctx context.Context, code id.Bank, branch string, withPhone bool) (Person, error) {
	if w.readyMs.Load() == 0 {
		return Person{}, fault.New(fault.Unavailable, "dev.newPerson", errors.New("dev is still starting"))
	}
	if w.bankd == nil {
		return Person{}, fault.New(fault.Unavailable, "dev.newPerson", errors.New("the banks run elsewhere"))
	}
	if branch == "" {
		if all := zengin.Today().Branches(code); len(all) > 0 {
			branch = all[0].Code
		}
	}
	p := w.people.next(code, branch, withPhone)
	if err := w.openFor(ctx, p); err != nil {
		return Person{}, err
	}
	return p, w.people.add(p)
}

// openFor opens a person's account. She has been a customer for years, so that her phone proves possession.
func (w *world) openFor(ctx context.Context, p Person) error {
	_, err := w.bankd.OpenAccount(ctx, p.Bank, bank.NewAccount{
		Place:      bank.Place{Bank: p.Bank, Branch: p.Branch, Kind: bank.Ordinary, Number: p.Number},
		HolderKana: p.Kana, HolderName: p.Name.JA, BirthDate: p.BirthDate, CardID: p.Card, PIN: bank.PIN(p.PIN),
		Phone: p.Phone, Email: p.Email, Opening: p.Opening, Since: w.clock.Now().AddDate(-3, 0, 0)})
	return err
}

// close closes files, the roles' among them, last opened first.
func (w *world) close() error {
	var errs []error
	for i := len(w.files) - 1; i >= 0; i-- {
		errs = append(errs, w.files[i].Close())
	}
	return errors.Join(errs...)
}

// transport reaches the roles of this machine by their names.
func (w *world) transport() http.RoundTripper { return wire.LocalhostTransport() }
