// Command kozamori-bank runs one or more banks: their link authorization, their depositors' portal, their books.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	examples "github.com/kozamori/kozamori/docs/config"
	"github.com/kozamori/kozamori/internal/program"
	"github.com/kozamori/kozamori/internal/server"
	"github.com/kozamori/kozamori/internal/server/bankd"
)

func main() {
	if err := run(context.Background(), program.OfMachine()); err != nil {
		fmt.Fprintln(os.Stderr, "kozamori-bank:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, p program.Process) error {
	return program.Main(ctx, program.Role{Name: "kozamori-bank", Short: "bank", Example: examples.Bank, Load: load, Tools: tools}, p)
}

var tools = []program.Tool{
	{Name: "evidence", Usage: "evidence --config FILE   follow the chain of evidence to its last row (L11)",
		Run: func(ctx context.Context, a program.Asked, stdout io.Writer) error {
			var cfg bankd.Config
			if err := a.Load(&cfg); err != nil {
				return err
			}
			return bankd.Evidence(ctx, cfg, stdout)
		}},
	{Name: "decision", Usage: "decision --config FILE --reference K7F3-9QXM\n                               read why a page refused; the audit log notes it (L3)",
		Run: func(ctx context.Context, a program.Asked, stdout io.Writer) error {
			var cfg bankd.Config
			if err := a.Load(&cfg); err != nil {
				return err
			}
			return bankd.Decision(ctx, cfg, a.Reference, stdout)
		}},
	{Name: "checkpoint", Usage: "checkpoint --config FILE [--books CODE]\n                               sign what the books are now, to be kept where nobody here can change it",
		Run: func(ctx context.Context, a program.Asked, stdout io.Writer) error {
			var cfg bankd.Config
			if err := a.Load(&cfg); err != nil {
				return err
			}
			return bankd.Checkpoint(ctx, cfg, a.Books, stdout)
		}},
	{Name: "proof", Usage: "proof --config FILE [--books CODE] --transfer ID\n                               prove that a transfer stands in the books",
		Run: func(ctx context.Context, a program.Asked, stdout io.Writer) error {
			var cfg bankd.Config
			if err := a.Load(&cfg); err != nil {
				return err
			}
			return bankd.Proof(ctx, cfg, a.Books, a.Transfer, stdout)
		}},
}

func load(path string, environ []string) (program.Setup, error) {
	var cfg bankd.Config
	if err := program.LoadInto(path, environ, &cfg); err != nil {
		return program.Setup{}, err
	}
	keys := map[string]program.Keys{}
	for _, dir := range cfg.KeyDirs() {
		keys[dir] = bankd.KeyNames()
	}
	var sites []string
	for _, c := range cfg.Banks {
		sites = append(sites, c.Issuer)
	}
	return program.Setup{
		Dev: cfg.Dev, Sites: sites, Pinned: pinned(cfg),
		Public: cfg.Server, Ops: cfg.Ops, Cluster: cfg.Cluster, DataDir: cfg.Data.Dir, Tables: bankd.Places(cfg), ClockFile: cfg.ClockFile, KeyDirs: keys, Origins: cfg.Origins(), Permanent: bankd.PermanentKeys(),
		Migrate: func(ctx context.Context) error { return bankd.Migrate(ctx, cfg) },
		Open: func(ctx context.Context, env server.Env) (program.Server, error) {
			return bankd.Open(ctx, cfg, bankd.Env{Env: env})
		},
	}, nil
}

// pinned are the files of other companies' keys.
func pinned(cfg bankd.Config) []program.Pinned {
	files := []program.Pinned{{Setting: "[hub] keys", Path: cfg.Hub.Keys}}
	for i, c := range cfg.Services {
		files = append(files, program.Pinned{Setting: fmt.Sprintf("[[service]] %d, %q: keys", i+1, c.ID), Path: c.Keys})
	}
	for i, c := range cfg.ATMs {
		files = append(files, program.Pinned{Setting: fmt.Sprintf("[[atm]] %d, %q: keys", i+1, c.ID), Path: c.Keys})
	}
	return files
}
