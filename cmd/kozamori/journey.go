package main

import (
	"context"
	"flag"
	"io"

	"github.com/kozamori/kozamori/internal/journey"
)

// runJourney drives a running dev as people would. Its error says which step failed and why.
func runJourney(ctx context.Context, args []string, stdout io.Writer) error {
	o := journey.Options{Out: stdout}
	flags := flag.NewFlagSet("kozamori journey", flag.ContinueOnError)
	flags.StringVar(&o.URL, "url", "http://localhost:8400/", "the start page of a running kozamori dev")
	flags.BoolVar(&o.JSON, "json", false, "print one JSON object a step and one at the end")
	if asked, err := parse(flags, args, stdout); asked || err != nil {
		return err
	}
	_, err := journey.Run(ctx, o)
	return err
}
