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
	"maps"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/config"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/server"
	"github.com/kozamori/kozamori/internal/store/sqldb"
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
	Dev         bool     // keys that `kozamori dev` made are taken
	Sites       []string // the URLs that browsers and peers reach it by
	Public, Ops observe.ServerConfig
	DataDir     string   // audit.jsonl is written here
	Tables      []string // where they are, as sqldb.Open takes it
	Cluster     config.Cluster
	ClockFile   string // dev only: seconds the clock is ahead
	Open        func(ctx context.Context, env server.Env) (Server, error)
	Migrate     func(ctx context.Context) error
	KeyDirs     map[string]Keys   // by directory
	Origins     map[string]string // of the books whose checkpoints the key "books" of a directory signs
	Permanent   []string          // names of keys whose oldest is used for ever, so that a newer one would do nothing
	Pinned      []Pinned
}

// Pinned is a setting that names a file of another company's public keys.
type Pinned struct {
	Setting, Path string
	Seal          bool // it must hold a key to seal for, too
}

// Keys are the keys a directory needs, by name.
type Keys map[string]keyfile.Use

// Role describes one program.
type Role struct {
	Name    string // "kozamori-hub"
	Short   string // "hub": in logs
	Example string // the annotated example configuration
	Staff   bool   // it has staff with passwords
	// Load reads the configuration at path and the environment.
	Load func(path string, environ []string) (Setup, error)
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
	Books     string               // whose: the code of a bank; "" where there is one
	Transfer  string               // an id
	Load      func(into any) error // reads the configuration into a pointer to a struct with its defaults
}

// Process is what a program is given by whoever started it.
type Process struct {
	Args, Environ []string
	In            *os.File
	Out, Err      io.Writer
}

// OfMachine is the process of a main.
func OfMachine() Process {
	return Process{Args: os.Args[1:], Environ: os.Environ(), In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
}

const usage = `%[1]s serve --config FILE      run until SIGTERM or SIGINT
%[1]s migrate --config FILE    bring the databases up to date; run it before serve after an update
%[1]s backup --config FILE --to DIR
                               copy the database files as of now, while it runs
%[1]s keys new --config FILE   make the keys that are missing
%[1]s keys rotate --config FILE --key NAME [--dir DIR]
                               add a newer key beside an old one; restart to use it
%[1]s keys public --config FILE --key NAME [--dir DIR]
                               print the public half (JWKS; of the key books a line) for those who pin it
%[1]s config example           print an annotated configuration
%[2]sEvery setting outside [[…]] can be given in the environment: [server] listen is KOZAMORI_SERVER_LISTEN.
`

const staffUsage = `%[1]s password hash            read a password, print its hash for [[staff]] password_hash
`

// usage says what the program can do.
func (r Role) usage() string {
	more := ""
	if r.Staff {
		more = fmt.Sprintf(staffUsage, r.Name)
	}
	for _, tool := range r.Tools {
		more += r.Name + " " + tool.Usage + "\n"
	}
	return fmt.Sprintf(usage, r.Name, more)
}

// Main runs a program to its end. The error is for standard error, and exit status 1.
func Main(ctx context.Context, role Role, p Process) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	command, rest := "", p.Args
	for len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		command, rest = strings.TrimSpace(command+" "+rest[0]), rest[1:]
	}
	flags := flag.NewFlagSet(role.Name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	path := flags.String("config", "", "configuration file")
	key := flags.String("key", "", "name of a key")
	dir := flags.String("dir", "", "directory of keys, where there are several")
	to := flags.String("to", "", "directory for the copies of a backup")
	var asked Asked
	flags.StringVar(&asked.Reference, "reference", "", "reference number, for tools that look something up")
	flags.StringVar(&asked.Books, "books", "", "whose books, where there are several")
	flags.StringVar(&asked.Transfer, "transfer", "", "id of a transfer")
	err := flags.Parse(rest)
	switch {
	case errors.Is(err, flag.ErrHelp), err == nil && len(p.Args) == 0, command == "help":
		_, err := io.WriteString(p.Out, role.usage())
		return err
	case err != nil:
		return fmt.Errorf("%w\n\n%s", err, role.usage())
	case flags.NArg() > 0:
		return fmt.Errorf("what is %q? A command stands before its flags\n\n%s", flags.Arg(0), role.usage())
	}
	for _, tool := range role.Tools {
		if tool.Name == command {
			asked.Load = func(into any) error { return LoadInto(*path, p.Environ, into) }
			return tool.Run(ctx, asked, p.Out)
		}
	}
	switch command {
	case "config example":
		_, err := io.WriteString(p.Out, role.Example)
		return err
	case "password hash":
		if role.Staff {
			return hashPassword(ctx, p)
		}
	case "serve", "migrate", "backup", "keys new", "keys rotate", "keys public":
		setup, err := role.Load(*path, p.Environ)
		if err != nil {
			return err
		}
		return role.do(ctx, command, setup, options{dir: *dir, key: *key, to: *to}, p.Out)
	}
	return fmt.Errorf("no command %q\n\n%s", command, role.usage())
}

// options are what commands take besides the configuration.
type options struct{ dir, key, to string }

// do runs a command upon a configuration.
func (r Role) do(ctx context.Context, command string, setup Setup, o options, stdout io.Writer) error {
	switch command {
	case "migrate":
		return migrate(ctx, setup, stdout)
	case "backup":
		return backup(ctx, setup, o.to, stdout)
	case "keys new":
		return newKeys(setup, stdout)
	case "keys rotate":
		return rotate(setup, o.dir, o.key, stdout)
	case "keys public":
		return public(setup, o.dir, o.key, stdout)
	}
	return serve(ctx, r, setup, stdout)
}

// migrate brings the databases up to date, and says of each what was applied.
func migrate(ctx context.Context, s Setup, stdout io.Writer) error {
	if err := os.MkdirAll(s.DataDir, 0o700); err != nil {
		return fmt.Errorf("[data] dir: %w", err)
	}
	before, err := applied(ctx, s.Tables)
	if err != nil {
		return err
	}
	if err := s.Migrate(ctx); err != nil {
		return err
	}
	after, err := applied(ctx, s.Tables)
	if err != nil {
		return err
	}
	said := "up to date"
	for _, place := range slices.Sorted(maps.Keys(after)) {
		made := slices.DeleteFunc(after[place], func(name string) bool { return slices.Contains(before[place], name) })
		if len(made) > 0 {
			fmt.Fprintf(stdout, "%s: applied %s\n", sqldb.Name(place), strings.Join(made, ", "))
			said = "now up to date"
		}
	}
	_, err = fmt.Fprintf(stdout, "%s: %s\n", s.DataDir, said)
	return err
}

// backup copies every file of tables to a directory, under the path that it has in the directory of the data. What is
// on a server is named and left to the server's own tools.
func backup(ctx context.Context, s Setup, to string, stdout io.Writer) error {
	if to == "" {
		return errors.New("backup: --to DIR is needed")
	}
	var failed error
	for _, place := range s.Tables {
		name, err := filepath.Rel(s.DataDir, place)
		if err != nil || !filepath.IsLocal(name) {
			name = filepath.Base(place)
		}
		copied := filepath.Join(to, name)
		if !sqldb.IsPostgres(place) {
			if err := os.MkdirAll(filepath.Dir(copied), 0o700); err != nil {
				return fmt.Errorf("--to: %w", err)
			}
		}
		if err := sqldb.Backup(ctx, place, copied); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		fmt.Fprintf(stdout, "%s: copied to %s, and checked\n", place, copied)
	}
	return failed
}

// applied lists the migrations of every set of tables, by place.
func applied(ctx context.Context, places []string) (map[string][]string, error) {
	all := map[string][]string{}
	for _, place := range places {
		var err error
		if all[place], err = sqldb.Applied(ctx, place); err != nil {
			return nil, err
		}
	}
	return all, nil
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
// that signs messages those that others seal for, where the role has such. Of a key that signs notes it prints a line
// each.
func public(s Setup, dir, key string, stdout io.Writer) error {
	if key == "" {
		return fmt.Errorf("keys public: which one? --key is one of %s", strings.Join(s.publicNames(), ", "))
	}
	dir, keys, err := chosen(s, "keys public", dir, key)
	if err != nil {
		return err
	}
	if keys[key] == keyfile.Note {
		notes, err := keyfile.Open(dir).Notes(key, s.Origins[dir])
		for _, n := range notes {
			fmt.Fprintln(stdout, n.Public)
		}
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

// publicNames are the keys with a half for others, over all directories.
func (s Setup) publicNames() (names []string) {
	for _, keys := range s.KeyDirs {
		for name, use := range keys {
			if (use == keyfile.Sign || use == keyfile.Note) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// LoadInto fills a configuration, a pointer to a struct with its defaults, for Role.Load.
func LoadInto(path string, environ []string, into any) error {
	if path == "" {
		return errors.New("--config FILE is needed; `config example` prints one")
	}
	return config.Load(path, environ, into)
}
