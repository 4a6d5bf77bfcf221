// Command kozamori-wallet runs a payment service.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	examples "github.com/kozamori/kozamori/docs/config"
	"github.com/kozamori/kozamori/internal/program"
	"github.com/kozamori/kozamori/internal/server/walletd"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kozamori-wallet:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	return program.Main(ctx, program.Role{Name: "kozamori-wallet", Short: "wallet", Example: examples.Wallet, Load: load}, args, getenv, stdout)
}

func load(path string, getenv func(string) string) (program.Setup, error) {
	cfg := walletd.Default()
	if err := program.LoadInto(path, getenv, &cfg); err != nil {
		return program.Setup{}, err
	}
	return program.Setup{
		Public: cfg.Server, Ops: cfg.Ops, DataDir: cfg.Data.Dir, ClockFile: cfg.ClockFile,
		KeyDirs: map[string]program.Keys{cfg.Data.Keys: walletd.Keys()}, Permanent: []string{"marks"},
		Migrate: func(ctx context.Context) error { return walletd.Migrate(ctx, cfg) },
		Open: func(ctx context.Context, env program.Env) (program.Server, error) {
			return walletd.Open(ctx, cfg, walletd.Env{Now: env.Now, Log: env.Log, Audit: env.Audit})
		},
	}, nil
}
