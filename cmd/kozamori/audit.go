package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
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

// runAudit recomputes the books under a directory.
func runAudit(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("kozamori audit", flag.ContinueOnError)
	dir := flags.String("dir", ".dev", "the directory of kozamori dev, which may be running")
	asJSON := flags.Bool("json", false, "print the report as JSON")
	if asked, err := parse(flags, args, stdout); asked || err != nil {
		return err
	}
	report, err := audit.Run(ctx, *dir, clockOf(*dir))
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
