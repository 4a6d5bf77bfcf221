// Package program is what the three role programs have in common: the same four commands, one way to read
// settings, keys made and rotated in files, and a stop that lets running requests finish.
package program

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/config"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/observe"
)

// Server is a running role.
type Server interface {
	Handler() http.Handler
	Ops() http.Handler
	Run(ctx context.Context) error
	Close() error
}

// Setup is what a program reads from its configuration to run a role.
type Setup struct {
	Public, Ops observe.ServerConfig
	DataDir     string // audit.jsonl is written here
	ClockFile   string // dev only: seconds the clock is ahead
	Open        func(ctx context.Context, env Env) (Server, error)
	Migrate     func(ctx context.Context) error
	KeyDirs     map[string]Keys // by directory
	Permanent   []string        // names of keys whose oldest is used for ever, so that a newer one would do nothing
}

// Keys are the keys a directory needs, by name.
type Keys map[string]keyfile.Use

// Env is what a program hands to its role.
type Env struct {
	Now   clock.Now
	Log   *slog.Logger
	Audit io.Writer
}

// Role describes one program.
type Role struct {
	Name    string // "kozamori-hub"
	Short   string // "hub": in logs
	Example string // the annotated example configuration
	// Load reads the configuration at path and the environment.
	Load func(path string, getenv func(string) string) (Setup, error)
	// Tools are commands that this role has besides.
	Tools []Tool
}

// Tool is a command of one role.
type Tool struct {
	Name, Usage string // "evidence", "evidence --config FILE     follow the chain"
	Run         func(ctx context.Context, a Asked, stdout io.Writer) error
}

// Asked is what a tool was called with.
type Asked struct {
	Reference string
	Load      func(into any) error // reads the configuration into a pointer to a struct with its defaults
}

const usage = `%[1]s serve --config FILE      run
%[1]s migrate --config FILE    bring the databases up to date; run it before serve after an update
%[1]s keys new --config FILE   make the keys that are missing
%[1]s keys rotate --config FILE --key NAME [--dir DIR]
                               add a newer key beside an old one; restart to use it
%[1]s keys public --config FILE --key NAME [--dir DIR]
                               print the public half (JWKS) for those who pin it
%[1]s config example           print an annotated configuration
`

const settings = "Every setting can be given in the environment: [server] listen is KOZAMORI_SERVER_LISTEN.\n"

// help says what the program can do.
func (r Role) help() string {
	text := fmt.Sprintf(usage, r.Name)
	for _, tool := range r.Tools {
		text += r.Name + " " + tool.Usage + "\n"
	}
	return text + settings
}

// Main runs a program to its end. The error is for standard error, and exit status 1.
func Main(ctx context.Context, role Role, args []string, getenv func(string) string, stdout io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	command, rest := "", args
	for len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		command, rest = strings.TrimSpace(command+" "+rest[0]), rest[1:]
	}
	flags := flag.NewFlagSet(role.Name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	path := flags.String("config", "", "configuration file")
	key := flags.String("key", "", "name of a key")
	dir := flags.String("dir", "", "directory of keys, where there are several")
	reference := flags.String("reference", "", "reference number, for tools that look something up")
	help := role.help()
	switch err := flags.Parse(rest); {
	case errors.Is(err, flag.ErrHelp):
		_, err := io.WriteString(stdout, help)
		return err
	case err != nil:
		return fmt.Errorf("%w\n\n%s", err, help)
	}
	for _, tool := range role.Tools {
		if tool.Name == command {
			load := func(into any) error { return LoadInto(*path, getenv, into) }
			return tool.Run(ctx, Asked{Reference: *reference, Load: load}, stdout)
		}
	}
	switch command {
	case "config example":
		_, err := io.WriteString(stdout, role.Example)
		return err
	case "serve", "migrate", "keys new", "keys rotate", "keys public":
	case "", "help":
		_, err := io.WriteString(stdout, help)
		return err
	default:
		return fmt.Errorf("no command %q\n\n%s", command, help)
	}
	setup, err := role.Load(*path, getenv)
	if err != nil {
		return err
	}
	switch command {
	case "migrate":
		if err := os.MkdirAll(setup.DataDir, 0o700); err != nil {
			return fmt.Errorf("[data] dir: %w", err)
		}
		return setup.Migrate(ctx)
	case "keys new":
		return newKeys(setup, stdout)
	case "keys rotate":
		return rotate(setup, *dir, *key, stdout)
	case "keys public":
		return public(setup, *dir, *key, stdout)
	}
	return serve(ctx, role, setup, stdout)
}

func newKeys(s Setup, stdout io.Writer) error {
	for dir, keys := range s.KeyDirs {
		for name, use := range keys {
			if err := keyfile.Open(dir).Create(name, use, false, clock.System()); err != nil {
				return err
			}
		}
		fmt.Fprintf(stdout, "%s: ready\n", dir)
	}
	return nil
}

// chosen finds a key by its directory, which may be left out where there is one, and its name.
func chosen(s Setup, command, dir, key string) (string, Keys, error) {
	if dir == "" {
		if len(s.KeyDirs) != 1 {
			return "", nil, fmt.Errorf("%s: several directories of keys; name one with --dir", command)
		}
		for only := range s.KeyDirs {
			dir = only
		}
	}
	keys, ok := s.KeyDirs[dir]
	if !ok {
		return "", nil, fmt.Errorf("%s: %s is not a directory of keys of this configuration", command, dir)
	}
	if _, ok := keys[key]; !ok {
		return "", nil, fmt.Errorf("%s: no key %q in %s", command, key, dir)
	}
	return dir, keys, nil
}

func rotate(s Setup, dir, key string, stdout io.Writer) error {
	dir, _, err := chosen(s, "keys rotate", dir, key)
	if err != nil {
		return err
	}
	if slices.Contains(s.Permanent, key) {
		return fmt.Errorf("keys rotate: %q is permanent: what is stored was made with it and could not be found or checked with another", key)
	}
	if err := keyfile.Open(dir).Rotate(key, clock.System()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s: a newer %q stands beside the old one. Give the new public set to those who pin it, then restart.\n", dir, key)
	return err
}

// public prints the set that other companies pin: all signing keys of a name, old ones too, and with the key
// that signs messages those that others seal for, where the role has such.
func public(s Setup, dir, key string, stdout io.Writer) error {
	dir, keys, err := chosen(s, "keys public", dir, key)
	if err != nil {
		return err
	}
	if keys[key] != keyfile.Sign {
		return fmt.Errorf("keys public: %q has no public half for others", key)
	}
	seal := ""
	if key == "sign" && keys["seal"] == keyfile.Seal {
		seal = "seal"
	}
	set, err := keyfile.Open(dir).Public(key, seal)
	if err != nil {
		return err
	}
	out := json.NewEncoder(stdout)
	out.SetIndent("", "  ")
	return out.Encode(set)
}

// serve runs the role, its public and its operator's listener until a signal.
func serve(ctx context.Context, role Role, s Setup, stdout io.Writer) (err error) {
	log := observe.NewLogger(stdout, role.Short, slog.LevelInfo)
	now := clock.Now(clock.System)
	if s.ClockFile != "" {
		now = FileClock(s.ClockFile)
	}
	audit, err := os.OpenFile(filepath.Join(s.DataDir, "audit.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("[data] dir: %w; has `%s migrate` been run?", err, role.Name)
	}
	defer func() { err = errors.Join(err, audit.Close()) }()
	server, err := s.Open(ctx, Env{Now: now, Log: log, Audit: audit})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return observe.ListenAndServe(ctx, s.Public, server.Handler(), log) })
	if s.Ops.Listen != "" {
		g.Go(func() error { return observe.ListenAndServe(ctx, s.Ops, server.Ops(), log) })
	}
	g.Go(func() error { return server.Run(ctx) })
	return g.Wait()
}

// FileClock is the machine's clock plus the seconds that a file says, looked at again at most every 50 ms.
// A file that is missing or unreadable leaves the clock where it was.
func FileClock(path string) clock.Now {
	var m clock.Movable
	looks := make(chan time.Time, 1)
	looks <- time.Time{}
	return func() time.Time {
		select {
		case last := <-looks:
			if at := time.Now(); at.Sub(last) > 50*time.Millisecond {
				last = at
				if text, err := os.ReadFile(path); err == nil {
					if seconds, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && seconds >= 0 {
						m.Set(time.Duration(seconds) * time.Second)
					}
				}
			}
			looks <- last
		default: // another caller is looking
		}
		return m.Now()
	}
}

// LoadInto fills a configuration, a pointer to a struct with its defaults, for Role.Load.
func LoadInto(path string, getenv func(string) string, into any) error {
	if path == "" {
		return errors.New("--config FILE is needed; `config example` prints one")
	}
	return config.Load(path, getenv, into)
}
