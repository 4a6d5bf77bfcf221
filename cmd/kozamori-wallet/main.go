// Command kozamori-wallet runs a payment service.
package main

import (
	"context"
	"fmt"
	"io"
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
	return program.Main(ctx, program.Role{Name: "kozamori-wallet", Short: "wallet", Example: examples.Wallet, Staff: true, Load: load, Tools: tools}, p)
}

var tools = []program.Tool{
	{Name: "checkpoint", Usage: "checkpoint --config FILE\n                               sign what the books are now, to be kept where nobody here can change it",
		Run: func(ctx context.Context, a program.Asked, stdout io.Writer) error {
			cfg := walletd.Default()
			if err := a.Load(&cfg); err != nil {
				return err
			}
			return walletd.Checkpoint(ctx, cfg, stdout)
		}},
	{Name: "proof", Usage: "proof --config FILE --transfer ID\n                               prove that a transfer stands in the books",
		Run: func(ctx context.Context, a program.Asked, stdout io.Writer) error {
			cfg := walletd.Default()
			if err := a.Load(&cfg); err != nil {
				return err
			}
			return walletd.Proof(ctx, cfg, a.Transfer, stdout)
		}},
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
		KeyDirs: map[string]program.Keys{cfg.Data.Keys: walletd.Keys()}, Origins: map[string]string{cfg.Data.Keys: walletd.Origin(cfg)}, Permanent: []string{"marks"},
		Migrate: func(ctx context.Context) error { return walletd.Migrate(ctx, cfg) },
		Open: func(ctx context.Context, env server.Env) (program.Server, error) {
			return walletd.Open(ctx, cfg, env)
		},
	}, nil
}
