package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/kozamori/kozamori/internal/journey"
)

// runJourney drives a running dev as people would. Its error says which step failed and why.
func runJourney(ctx context.Context, args []string, stdout io.Writer) error {
	o := journey.Options{Out: stdout}
	flags := flag.NewFlagSet("kozamori journey", flag.ContinueOnError)
	flags.SetOutput(stdout)
	flags.StringVar(&o.URL, "url", "http://localhost:8400/", "the start page of a running kozamori dev")
	flags.BoolVar(&o.JSON, "json", false, "print one JSON object a step and one at the end")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("journey: unexpected %q", flags.Arg(0))
	}
	_, err := journey.Run(ctx, o)
	return err
}
