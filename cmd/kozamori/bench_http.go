package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kozamori/kozamori/internal/bench"
	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/program"
	"github.com/kozamori/kozamori/internal/server"
	"github.com/kozamori/kozamori/internal/server/bankd"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wire"
)

// httpFlags are those of `kozamori bench http`.
type httpFlags struct {
	bench.HTTP
	dir, profile string
	seconds      int
	asJSON       bool

	serve, idle string // in a child
}

func benchHTTP(ctx context.Context, args []string, stdout io.Writer) error {
	f := httpFlags{}
	flags := flag.NewFlagSet("kozamori bench http", flag.ContinueOnError)
	flags.StringVar(&f.Store, "store", "sqlite", "of the bank that is started: sqlite, or the URL of a PostgreSQL database (schemas are made in it, and dropped)")
	flags.StringVar(&f.dir, "dir", "", "folder for the SQLite files, on the disk to be measured (default: a temporary one)")
	flags.StringVar(&f.Bank, "url", "", "a running bank in place of one that is started: http://HOST:PORT")
	flags.StringVar(&f.Key, "key", "", "the key of its channel that may do everything, with --url")
	flags.IntVar(&f.Connections, "connections", 256, "each with one request under way")
	flags.IntVar(&f.PerRequest, "per-request", 1, "transfers in a request, up to 100")
	flags.Float64Var(&f.Rate, "rate", 0, "requests a second that leave on schedule, each timed from then (default: each connection as soon as it can)")
	flags.IntVar(&f.Accounts, "accounts", 10_000, "accounts among which transfers go")
	flags.BoolVar(&f.Hot, "hot", false, "every transfer goes to one account")
	flags.IntVar(&f.seconds, "seconds", 10, "how long to measure, and how long the ceiling")
	flags.BoolVar(&f.asJSON, "json", false, "print one line of JSON")
	flags.StringVar(&f.profile, "cpuprofile", "", "file for a CPU profile of the server (go tool pprof)")
	flags.StringVar(&f.serve, "serve", "", "")
	flags.StringVar(&f.idle, "idle", "", "")
	if asked, err := parse(flags, args, stdout); asked || err != nil {
		return err
	}
	switch {
	case f.serve != "":
		return serveBank(ctx, f.serve, f.profile)
	case f.idle != "":
		return serveNothing(ctx, f.idle)
	case f.Connections < 1 || f.Accounts < 2 || f.seconds < 1 || f.PerRequest < 1 || f.PerRequest > 100 || f.Rate < 0:
		return errors.New("--connections and --seconds must be at least 1, --accounts at least 2, --per-request 1 to 100")
	case (f.Bank == "") != (f.Key == ""):
		return errors.New("--url and --key belong together")
	}
	f.For = time.Duration(f.seconds) * time.Second
	rep, err := f.measure(ctx)
	if err != nil {
		return err
	}
	return f.tell(stdout, rep)
}

func (f *httpFlags) tell(stdout io.Writer, rep bench.HTTPReport) error {
	if f.asJSON {
		return json.NewEncoder(stdout).Encode(rep)
	}
	loop := "closed loop"
	if rep.Rate > 0 {
		loop = fmt.Sprintf("%.0f requests a second on schedule, %d of them unsent", rep.Rate, rep.Unsent)
	}
	if rep.Busy > 0 {
		loop += fmt.Sprintf(", %d answered busy", rep.Busy)
	}
	server := "what the server uses is not known here"
	if f.Usage != nil {
		server = fmt.Sprintf("%.1f µs of the server's CPU a transfer, %d MiB of its memory at most", rep.CPUPerTransfer, rep.MaxRSS>>20)
	}
	_, err := fmt.Fprintf(stdout, `%s over HTTP, %d connections, %d transfers a request, %d accounts%s, %s
  %.0f transfers a second; a handler that does nothing does %.0f here: %.2f of it
  p50 %d µs, p99 %d µs, p99.9 %d µs a request
  %s
`, rep.Store, rep.Connections, rep.PerRequest, rep.Accounts, map[bool]string{true: ", to one of them"}[rep.Hot], loop,
		rep.TransfersPerSecond, rep.CeilingPerSecond, rep.Ratio, rep.P50, rep.P99, rep.P999, server)
	return err
}

// measure starts what is needed, each in a process of its own, and measures.
func (f *httpFlags) measure(ctx context.Context) (rep bench.HTTPReport, err error) {
	dir, err := os.MkdirTemp(f.dir, "kozamori-bench-")
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	idle, err := freeAddress()
	if err != nil {
		return rep, err
	}
	nothing, err := startChild(ctx, filepath.Join(dir, "idle.log"), idle, "--idle", idle)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, nothing.stop()) }()
	f.Idle = "http://" + idle
	if f.Bank != "" {
		f.Store = "a running bank"
		return f.Run(ctx)
	}
	bank, err := f.startBank(ctx, dir)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, bank.stop(), f.dropSchemas(ctx)) }()
	f.Usage = bank.usage
	if f.profile != "" {
		f.Begin = func() error { return bank.cmd.Process.Signal(syscall.SIGUSR1) }
	}
	shown := f.HTTP
	if shown.Store != "sqlite" {
		shown.Store = "postgres"
	}
	return shown.Run(ctx)
}

// The bank that is measured.
const benchBank = "0149"

// startBank makes a bank with one channel and runs it.
func (f *httpFlags) startBank(ctx context.Context, dir string) (*child, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	store := ""
	if f.Store != "sqlite" {
		if f.Store, err = bench.OwnSchema(f.Store); err != nil {
			return nil, fmt.Errorf("--store: %w", err)
		}
		store = f.Store
	}
	_, port, _ := net.SplitHostPort(address)
	f.Bank, f.Key = "http://"+benchBank+".bank.localhost:"+port, wire.NewSecret()
	config := filepath.Join(dir, "bank.toml")
	if err := writeBank(dir, config, address, f.Bank, store, wire.Hash(f.Key)); err != nil {
		return nil, err
	}
	args := []string{"--serve", config}
	if f.profile != "" {
		args = append(args, "--cpuprofile", f.profile)
	}
	return startChild(ctx, filepath.Join(dir, "bank.log"), address, args...)
}

// writeBank makes the keys and the configuration of a bank.
func writeBank(dir, config, address, issuer, store, keyHash string) error {
	for name, use := range bankd.KeyNames() {
		if err := keyfile.Open(filepath.Join(dir, "keys", benchBank)).Create(name, use, true, clock.System()); err != nil {
			return err
		}
	}
	hub, err := json.Marshal(wire.NewKeySet(wire.GenerateKey().Public()))
	if err != nil {
		return err
	}
	text := fmt.Sprintf(`dev = true
[server]
listen = %q
[data]
dir = %q
store = %q
keys = %q
[hub]
issuer = "http://hub.localhost:1"
keys = %q
[mail]
address = "127.0.0.1:1"
tls = "none"
from = "notice@bank.example"
[sms]
url = "http://127.0.0.1:1/"
secret = "-"
report_secret = "-"
[[bank]]
code = %q
name_ja = "静岡銀行"
name_en = "The Shizuoka Bank"
issuer = %q
[[bank.channel]]
id = "bench"
key_hash = %q
may = ["transfers", "cash", "accounts"]
`, address, filepath.Join(dir, "data"), store, filepath.Join(dir, "keys"), filepath.Join(dir, "hub.json"), benchBank, issuer, keyHash)
	return errors.Join(os.WriteFile(filepath.Join(dir, "hub.json"), hub, 0o600), os.WriteFile(config, []byte(text), 0o600))
}

// dropSchemas removes what a bank on PostgreSQL has left.
func (f *httpFlags) dropSchemas(ctx context.Context) error {
	if f.Store == "sqlite" {
		return nil
	}
	cfg := bankd.Config{Data: bankd.DataConfig{Store: observe.Secret(f.Store)}, Banks: []bankd.BankConfig{{Code: benchBank}}}
	var errs []error
	for _, place := range bankd.Places(cfg) {
		errs = append(errs, sqldb.Drop(context.WithoutCancel(ctx), place))
	}
	return errors.Join(errs...)
}

// serveBank is a child: the bank's program, with the same listener, log and audit as kozamori-bank.
func serveBank(ctx context.Context, config, profile string) error {
	ctx, stop := withParent(ctx)
	defer stop()
	if profile != "" {
		begin := make(chan os.Signal, 1)
		signal.Notify(begin, syscall.SIGUSR1)
		end := make(chan error, 1)
		go func() { end <- profileFrom(ctx, begin, profile) }()
		defer func() { stop(); <-end }()
	}
	role := program.Role{Name: "kozamori bench http", Short: "bank", Load: func(path string, environ []string) (program.Setup, error) {
		var cfg bankd.Config
		if err := program.LoadInto(path, environ, &cfg); err != nil {
			return program.Setup{}, err
		}
		return program.Setup{
			Dev: cfg.Dev, Sites: []string{cfg.Banks[0].Issuer}, Public: cfg.Server, Ops: cfg.Ops, DataDir: cfg.Data.Dir, Tables: bankd.Places(cfg),
			Migrate: func(ctx context.Context) error { return bankd.Migrate(ctx, cfg) },
			Open: func(ctx context.Context, env server.Env) (program.Server, error) {
				return bankd.Open(ctx, cfg, bankd.Env{Env: env})
			},
		}, nil
	}}
	for _, command := range []string{"migrate", "serve"} {
		p := program.Process{Args: []string{command, "--config", config}, In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
		if err := program.Main(ctx, role, p); err != nil {
			return err
		}
	}
	return nil
}

// profileFrom profiles this process from a signal on until ctx ends.
func profileFrom(ctx context.Context, begin <-chan os.Signal, path string) error {
	select {
	case <-begin:
	case <-ctx.Done():
		return nil
	}
	end, err := startProfile(path)
	if err != nil {
		return err
	}
	<-ctx.Done()
	return end()
}

// serveNothing is a child: the handler of the ceiling.
func serveNothing(ctx context.Context, address string) error {
	ctx, stop := withParent(ctx)
	defer stop()
	s := &http.Server{Addr: address, Handler: bench.Nothing(), ReadHeaderTimeout: time.Minute}
	go func() {
		<-ctx.Done()
		_ = s.Close()
	}()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// withParent ends with the process that started this one: it holds the other end of our input.
func withParent(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	return ctx, stop
}

// child is this program in another process.
type child struct {
	cmd  *exec.Cmd
	line io.Closer
	log  *os.File
}

// startChild runs `kozamori bench http` with arguments of a child, and waits until it listens.
func startChild(ctx context.Context, log, address string, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(self, append([]string{"bench", "http"}, args...)...)}
	if c.log, err = os.Create(log); err != nil {
		return nil, err
	}
	c.cmd.Stdout, c.cmd.Stderr = c.log, c.log
	if c.line, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	for range 600 {
		if conn, err := net.Dial("tcp", address); err == nil {
			return c, conn.Close()
		}
		if err := ctx.Err(); err != nil {
			return nil, errors.Join(err, c.stop())
		}
		time.Sleep(50 * time.Millisecond)
	}
	err = c.stop()
	said, _ := os.ReadFile(log)
	return nil, fmt.Errorf("the server does not listen: %w\n%s", err, said)
}

// stop lets the process end, and waits for it.
func (c *child) stop() error { return errors.Join(c.line.Close(), c.cmd.Wait(), c.log.Close()) }

// usage is what the process has used so far, where the system tells it in /proc.
func (c *child) usage() (cpu time.Duration, maxRSS int64, err error) {
	proc := fmt.Sprintf("/proc/%d/", c.cmd.Process.Pid)
	stat, err := os.ReadFile(proc + "stat")
	if err != nil {
		return 0, 0, nil
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // its name may hold spaces
	fields := strings.Fields(rest)
	var ticks int64
	for _, at := range []int{11, 12} { // utime and stime, in hundredths of a second
		if at < len(fields) {
			n, err := strconv.ParseInt(fields[at], 10, 64)
			if err != nil {
				return 0, 0, err
			}
			ticks += n
		}
	}
	status, err := os.ReadFile(proc + "status")
	if err != nil {
		return 0, 0, err
	}
	if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
		_, err = fmt.Sscanf(rest, "%d kB", &maxRSS)
	}
	return time.Duration(ticks) * 10 * time.Millisecond, maxRSS << 10, err
}

// freeAddress is one on this machine at which nobody listens now.
func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}
