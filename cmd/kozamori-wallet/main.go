// Command kozamori-wallet runs a payment service.
package main

import (
	"context"
	"fmt"
	"os"

	examples "github.com/kozamori/kozamori/docs/config"
	"github.com/kozamori/kozamori/internal/program"
	"github.com/kozamori/kozamori/internal/server"
	"github.com/kozamori/kozamori/internal/server/walletd"
)

func main() {
	if err := run(context.Background(), program.OfMachine()); err != nil {
		fmt.Fprintln(os.Stderr, "kozamori-wallet:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, p program.Process) error {
	return program.Main(ctx, program.Role{Name: "kozamori-wallet", Short: "wallet", Example: examples.Wallet, Staff: true, Load: load}, p)
}

func load(path string, environ []string) (program.Setup, error) {
	cfg := walletd.Default()
	if err := program.LoadInto(path, environ, &cfg); err != nil {
		return program.Setup{}, err
	}
	var pinned []program.Pinned
	for i, c := range cfg.Banks {
		pinned = append(pinned, program.Pinned{Setting: fmt.Sprintf("[[bank]] %d, %s: keys", i+1, c.Issuer), Path: c.Keys, Seal: true})
	}
	return program.Setup{
		Dev: cfg.Dev, Sites: []string{cfg.Service.Origin}, Pinned: pinned,
		Public: cfg.Server, Ops: cfg.Ops, Cluster: cfg.Cluster, DataDir: cfg.Data.Dir, Tables: walletd.Places(cfg), ClockFile: cfg.ClockFile,
		KeyDirs: map[string]program.Keys{cfg.Data.Keys: walletd.Keys()}, Permanent: []string{"marks"},
		Migrate: func(ctx context.Context) error { return walletd.Migrate(ctx, cfg) },
		Open: func(ctx context.Context, env server.Env) (program.Server, error) {
			return walletd.Open(ctx, cfg, env)
		},
	}, nil
}
