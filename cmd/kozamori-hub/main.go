// Command kozamori-hub runs the network between payment services and banks.
package main

import (
	"context"
	"fmt"
	"os"

	examples "github.com/kozamori/kozamori/docs/config"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/program"
	"github.com/kozamori/kozamori/internal/server"
	"github.com/kozamori/kozamori/internal/server/hubd"
)

func main() {
	if err := run(context.Background(), program.OfMachine()); err != nil {
		fmt.Fprintln(os.Stderr, "kozamori-hub:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, p program.Process) error {
	return program.Main(ctx, program.Role{Name: "kozamori-hub", Short: "hub", Example: examples.Hub, Staff: true, Load: load}, p)
}

func load(path string, environ []string) (program.Setup, error) {
	var cfg hubd.Config
	if err := program.LoadInto(path, environ, &cfg); err != nil {
		return program.Setup{}, err
	}
	var pinned []program.Pinned
	for i, c := range cfg.Services {
		pinned = append(pinned, program.Pinned{Setting: fmt.Sprintf("[[service]] %d, %q: keys", i+1, c.ID), Path: c.Keys})
	}
	for i, c := range cfg.Banks {
		pinned = append(pinned, program.Pinned{Setting: fmt.Sprintf("[[bank]] %d, %q: keys", i+1, c.Code), Path: c.Keys})
	}
	return program.Setup{
		Dev: cfg.Dev, Sites: []string{cfg.Issuer}, Pinned: pinned,
		Public: cfg.Server, Ops: cfg.Ops, Cluster: cfg.Cluster, DataDir: cfg.Data.Dir, Tables: hubd.Places(cfg), ClockFile: cfg.ClockFile,
		KeyDirs: map[string]program.Keys{cfg.Data.Keys: {"client": keyfile.Sign, "dpop": keyfile.Sign, "rows": keyfile.Secret}},
		Migrate: func(ctx context.Context) error { return hubd.Migrate(ctx, cfg) },
		Open: func(ctx context.Context, env server.Env) (program.Server, error) {
			return hubd.Open(ctx, cfg, env)
		},
	}, nil
}
