// Command kozamori runs the three roles together on one machine, drives them, and checks their books.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// command is one subcommand, in a file of its own.
type command struct {
	name, what string
	run        func(ctx context.Context, args []string, stdout io.Writer) error
}

func commands() []command {
	return []command{
		{"dev", "run wallets, hub and banks on this machine", runDev},
		{"audit", "recompute the books of every role and compare them", runAudit},
		{"bench", "measure, and compare with what the disk can do", runBench},
		{"journey", "drive a running dev as people would, and check the books", runJourney},
		{"sim", "tell seeded stories of all roles over a bad network, with crashes, and check every promise", runSim},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kozamori:", err)
		stop()
		os.Exit(1)
	}
}

// parse reads a command's flags. asked says that help was asked for, which is printed then. Whoever prints the error
// prints it once: the flags themselves say nothing.
func parse(flags *flag.FlagSet, args []string, stdout io.Writer) (asked bool, err error) {
	flags.SetOutput(io.Discard)
	err = flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(stdout)
		flags.Usage()
		return true, nil
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("unexpected %q", flags.Arg(0))
	}
	if err != nil {
		return false, fmt.Errorf("%w; see %s --help", err, flags.Name())
	}
	return false, nil
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) > 0 {
		for _, c := range commands() {
			if c.name == args[0] {
				return c.run(ctx, args[1:], stdout)
			}
		}
	}
	fmt.Fprintln(stdout, "usage: kozamori COMMAND [--help]")
	for _, c := range commands() {
		fmt.Fprintf(stdout, "  %-8s %s\n", c.name, c.what)
	}
	if len(args) > 0 && args[0] != "help" && args[0] != "--help" && args[0] != "-h" {
		return fmt.Errorf("no command %q", args[0])
	}
	return nil
}
