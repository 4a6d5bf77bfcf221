package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/audit"
	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/dev"
)

// errDiffer makes the program end with 1 where books differ; the report has named what.
var errDiffer = errors.New("the books differ")

// runAudit recomputes the books under a directory, or one set of them, or looks at what was signed of books.
func runAudit(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("kozamori audit", flag.ContinueOnError)
	dir := flags.String("dir", ".dev", "the directory of kozamori dev, which may be running")
	books := flags.String("books", "", "one set of books instead: a money.db or a postgres URL")
	checkpoint := flags.String("checkpoint", "", "say whether books still begin as a signed checkpoint in this file says")
	proof := flags.String("proof", "", "say what the proof in this file shows; it needs no books")
	key := flags.String("key", "", "with --checkpoint or --proof: the public key, as `keys public --key books` prints it")
	asJSON := flags.Bool("json", false, "print the report as JSON")
	if asked, err := parse(flags, args, stdout); asked || err != nil {
		return err
	}
	switch {
	case *proof != "":
		return showProof(*proof, *key, stdout)
	case *checkpoint != "":
		return begins(ctx, *checkpoint, *key, *dir, *books, stdout)
	}
	run := func() (audit.Report, error) { return audit.Run(ctx, *dir, clockOf(*dir)) }
	if *books != "" {
		run = func() (audit.Report, error) { return audit.RunBooks(ctx, *books, clock.System) }
	}
	report, err := run()
	if err != nil {
		return err
	}
	if *asJSON {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		err = out.Encode(report)
	} else {
		err = report.Text(stdout)
	}
	if err == nil && !report.Agrees {
		err = errDiffer
	}
	return err
}

// begins holds books against a checkpoint that somebody has kept.
func begins(ctx context.Context, file, key, dir, books string, stdout io.Writer) error {
	signed, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	c, err := audit.OpenCheckpoint(string(signed), key)
	if err != nil {
		return err
	}
	if books == "" {
		if books, err = c.Place(dir); err != nil {
			return err
		}
	}
	found, err := c.Begins(ctx, books)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		_, err := fmt.Fprintf(stdout, "%s still begins with the %d commits that were signed\n", c.Origin, c.Size)
		return err
	}
	for _, d := range found {
		fmt.Fprintf(stdout, "%s, %s %s: %s\n    expected %s\n    found    %s\n", d.Role, d.Table, d.ID, d.What, d.Expected, d.Found)
	}
	return errDiffer
}

// showProof says what a proof shows.
func showProof(file, key string, stdout io.Writer) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	p, err := audit.CheckProof(text, key)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s: %s of kind %q over %s, decided %s, stood in the books as entry %d of commit %d, when %s had signed %d commits\n",
		p.ID, p.Act, p.Kind, p.Amount, p.At.In(clock.Tokyo).Format("2006-01-02 15:04:05 (Japan)"), p.Entries[0], p.Commit, p.Origin, p.Size)
	return err
}

// clockOf is the clock of the roles under a directory: the machine's, and what dev has moved it ahead.
func clockOf(dir string) clock.Now {
	return func() time.Time {
		text, err := os.ReadFile(filepath.Join(dir, "clock"))
		if err != nil {
			return clock.System() // never moved
		}
		seconds, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			return clock.System()
		}
		return clock.System().Add(time.Duration(seconds) * time.Second)
	}
}

// auditor is the audit as dev's pages show it.
func auditor(ctx context.Context, dir string) (dev.Report, error) {
	report, err := audit.Run(ctx, dir, clockOf(dir))
	if err != nil {
		return dev.Report{}, err
	}
	var text strings.Builder
	if err := report.Text(&text); err != nil {
		return dev.Report{}, err
	}
	return dev.Report{Agrees: report.Agrees, Text: text.String(), Data: report, Debits: report.Debits}, nil
}
