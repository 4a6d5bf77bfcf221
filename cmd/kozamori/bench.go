package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/bench"
)

// runBench measures. Its first argument says what.
func runBench(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "ledger":
			return benchLedger(ctx, args[1:], stdout)
		case "http":
			return benchHTTP(ctx, args[1:], stdout)
		}
	}
	flags := flag.NewFlagSet("kozamori bench", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), `kozamori bench ledger [--help]   the ledger in process
kozamori bench http [--help]     a bank's program over HTTP
`)
	}
	if asked, err := parse(flags, args, stdout); asked || err != nil {
		return err
	}
	return errors.New("what is to be measured? See kozamori bench --help")
}

func benchLedger(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("kozamori bench ledger", flag.ContinueOnError)
	l := bench.Ledger{}
	flags.StringVar(&l.Store, "store", "sqlite", "sqlite, or the URL of a PostgreSQL database (a schema is made in it, and dropped)")
	flags.StringVar(&l.Dir, "dir", "", "folder for the SQLite file, on the disk to be measured (default: a temporary one)")
	flags.IntVar(&l.Clients, "clients", 256, "how many ask at once")
	flags.IntVar(&l.Accounts, "accounts", 10_000, "accounts among which transfers go")
	flags.BoolVar(&l.Hot, "hot", false, "every transfer goes to one merchant")
	flags.BoolVar(&l.Limits, "limits", false, "every transfer counts against a limit")
	flags.BoolVar(&l.Gates, "gates", false, "every transfer passes a gate")
	flags.BoolVar(&l.NoLog, "no-log", false, "without the Merkle log, to compare")
	mix := flags.String("mix", "send", "kinds of transfers: "+strings.Join(bench.Kinds, ","))
	seconds := flags.Int("seconds", 10, "how long to measure, and how long the ceiling")
	flags.Int64Var(&l.Upto, "transfers", 0, "how many transfers, instead of --seconds")
	compare := flags.String("compare", "", "five runs each of the plain measurement and one that is hot, has limits, has limits and gates, no-log, or a million accounts")
	asJSON := flags.Bool("json", false, "print one line of JSON")
	profile := flags.String("cpuprofile", "", "file for a CPU profile (go tool pprof)")
	if asked, err := parse(flags, args, stdout); asked || err != nil {
		return err
	}
	l.For = time.Duration(*seconds) * time.Second
	l.Mix = strings.Split(*mix, ",")
	for _, kind := range l.Mix {
		if !slices.Contains(bench.Kinds, kind) {
			return fmt.Errorf("--mix: %q is none of %s", kind, strings.Join(bench.Kinds, ", "))
		}
	}
	if _, ok := bench.Comparisons[*compare]; *compare != "" && !ok {
		return fmt.Errorf("--compare: %q is none of accounts, gates, hot, limits, no-log", *compare)
	}
	if l.Clients < 1 || l.Accounts < 2 || *seconds < 1 {
		return errors.New("--clients and --seconds must be at least 1, --accounts at least 2")
	}
	return inFolder(&l.Dir, *profile, func() error { return printLedger(ctx, l, *compare, *asJSON, stdout) })
}

// inFolder runs a measurement with a folder of its own, which is removed afterwards, and a profile where one is wanted.
func inFolder(dir *string, profile string, run func() error) (err error) {
	if *dir, err = os.MkdirTemp(*dir, "kozamori-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(*dir)) }()
	if profile == "" {
		return run()
	}
	stop, err := startProfile(profile)
	if err != nil {
		return err
	}
	return errors.Join(run(), stop())
}

// printLedger measures and prints.
func printLedger(ctx context.Context, l bench.Ledger, compare string, asJSON bool, stdout io.Writer) error {
	if compare != "" {
		c, err := l.Compare(ctx, compare)
		if err != nil || asJSON {
			return errors.Join(err, json.NewEncoder(stdout).Encode(c))
		}
		_, err = fmt.Fprintf(stdout, "medians of five: plain %.0f transfers a second, %s %.0f: %.2f of it\n", c.Plain, c.What, c.With, c.Ratio)
		return err
	}
	rep, err := l.Run(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(stdout).Encode(rep)
	}
	_, err = fmt.Fprintf(stdout, `%s, %d clients, %d accounts, mix %s%s
  %.0f transfers a second; the ceiling here is %.0f: %.2f of it
  p50 %d µs, p99 %d µs, p99.9 %d µs; %.1f transfers a commit
  %.0f bytes a transfer on disk, %.1f µs of CPU, %d MiB of memory at most; %.0f ms to open it again and move a yen%s
`, rep.Store, rep.Clients, rep.Accounts, rep.Mix, map[bool]string{true: ", to one merchant"}[rep.Hot],
		rep.TransfersPerSecond, rep.CeilingPerSecond, rep.Ratio, rep.P50, rep.P99, rep.P999, rep.PerCommit,
		rep.BytesPerTransfer, rep.CPUPerTransfer, rep.MaxRSS>>20, float64(rep.Startup)/1000,
		map[bool]string{true: fmt.Sprintf("\n  the disk alone syncs a page in %d µs", rep.FsyncP50)}[rep.FsyncP50 > 0])
	return err
}

func startProfile(path string) (stop func() error, err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
