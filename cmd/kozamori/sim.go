package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/sim"
)

// errStories makes the program end with 1 where a story breaks a promise; the report has named the seeds.
var errStories = errors.New("the simulation found a broken promise")

// simReport is what many seeds came to.
type simReport struct {
	Seeds    int            `json:"seeds"`
	From     uint64         `json:"from"`
	Seconds  float64        `json:"seconds"`
	Counts   map[string]int `json:"counts"`
	Failures []sim.Story    `json:"failures"`
}

// runSim tells the stories of many seeds, or one with every line of it.
func runSim(ctx context.Context, args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("kozamori sim", flag.ContinueOnError)
	seeds := flags.Int("seeds", 100, "how many seeds")
	from := flags.Uint64("from", 1, "the first of them")
	one := flags.Int64("seed", -1, "tell the story of this seed alone, line by line")
	steps := flags.Int("steps", sim.DefaultSteps, "how much happens in a story: a seed is the same story with the same number only")
	keep := flags.String("keep", "", "with --seed: a directory that keeps the databases, for kozamori audit --dir")
	asJSON := flags.Bool("json", false, "print the report as JSON")
	if asked, err := parse(flags, args, stdout); asked || err != nil {
		return err
	}
	if *seeds < 1 || *steps < 1 || *keep != "" && *one < 0 {
		return errors.New("--seeds and --steps want 1 or more, --keep belongs to --seed; see kozamori sim --help")
	}
	dir := *keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "kozamori-sim"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	debug.SetGCPercent(400) // roles come and go: memory is cheaper than looking for it
	stage, err := sim.OpenStage(ctx, sim.Options{Dir: dir, Steps: *steps, Keep: *keep != ""})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.Close()) }()
	if *one >= 0 {
		return tellOne(ctx, stage, uint64(*one), *asJSON, stdout)
	}
	return tellMany(ctx, stage, *from, *seeds, *asJSON, stdout)
}

func tellOne(ctx context.Context, stage *sim.Stage, seed uint64, asJSON bool, stdout io.Writer) error {
	story, err := stage.Tell(ctx, seed)
	if err != nil {
		return err
	}
	if asJSON {
		err = json.NewEncoder(stdout).Encode(story)
	} else {
		_, err = fmt.Fprintf(stdout, "%s\n\n%s", strings.Join(story.Trace, "\n"), counted(story.Counts))
	}
	if err == nil && story.Dir != "" {
		err = keepClock(story)
	}
	if err == nil && story.Dir != "" && !asJSON {
		_, err = fmt.Fprintf(stdout, "kept; look at it with: kozamori audit --dir %s\n", story.Dir)
	}
	if err == nil && story.Failure != "" {
		err = fmt.Errorf("%w: seed %d: %s", errStories, seed, story.Failure)
	}
	return err
}

// keepClock leaves beside the databases how far the story's clock is ahead, where the audit looks for it.
func keepClock(story sim.Story) error {
	ahead := int64(story.At.Sub(clock.System()) / time.Second)
	return os.WriteFile(filepath.Join(story.Dir, "clock"), fmt.Append(nil, ahead, "\n"), 0o600)
}

func tellMany(ctx context.Context, stage *sim.Stage, from uint64, seeds int, asJSON bool, stdout io.Writer) error {
	began := time.Now()
	r := simReport{Seeds: seeds, From: from, Counts: map[string]int{}, Failures: []sim.Story{}}
	err := stage.TellAll(ctx, from, seeds, func(s sim.Story) {
		for what, n := range s.Counts {
			r.Counts[what] += n
		}
		if s.Failure == "" {
			return
		}
		if !asJSON {
			fmt.Fprintf(stdout, "seed %d: %s\n  repeat it with: kozamori sim --seed %d\n", s.Seed, s.Failure, s.Seed)
		}
		s.Trace = nil
		r.Failures = append(r.Failures, s)
	})
	if err != nil {
		return err
	}
	r.Seconds = time.Since(began).Seconds()
	if asJSON {
		err = json.NewEncoder(stdout).Encode(r)
	} else {
		_, err = fmt.Fprintf(stdout, "%d seeds from %d on in %.0f s: %d failed\n%s", seeds, from, r.Seconds, len(r.Failures), counted(r.Counts))
	}
	if err == nil && len(r.Failures) > 0 {
		err = errStories
	}
	return err
}

// counted lists what happened how often.
func counted(counts map[string]int) string {
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "  %-14s %d\n", what, counts[what])
	}
	return b.String()
}
