package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Comparisons are what can be compared with the plain run, and what is changed for it.
var Comparisons = map[string]func(*Ledger){
	"hot":      func(l *Ledger) { l.Hot = true },
	"limits":   func(l *Ledger) { l.Limits = true },
	"gates":    func(l *Ledger) { l.Limits, l.Gates = true, true },
	"no-log":   func(l *Ledger) { l.NoLog = true },
	"accounts": func(l *Ledger) { l.Accounts = 1_000_000 },
}

// Compared is the medians of five runs each, one of the one kind after one of the other, so that what else the machine
// does falls on both.
type Compared struct {
	What  string  `json:"what"`
	Plain float64 `json:"plain_per_second"`
	With  float64 `json:"with_per_second"`
	Ratio float64 `json:"ratio"` // of the medians: with to plain
	Runs  []Pair  `json:"runs"`
}

// Pair is one run of each kind.
type Pair struct {
	Plain Report `json:"plain"`
	With  Report `json:"with"`
}

// Compare runs the plain measurement and the changed one, five times each.
func (l Ledger) Compare(ctx context.Context, what string) (Compared, error) {
	c := Compared{What: what}
	var plain, with []float64
	for n := range 5 {
		var pair Pair
		for i, rep := range []*Report{&pair.Plain, &pair.With} {
			one := l
			if i == 1 {
				Comparisons[what](&one)
			}
			one.Dir = filepath.Join(l.Dir, fmt.Sprint(n, "-", i))
			if err := os.Mkdir(one.Dir, 0o700); err != nil {
				return c, err
			}
			var err error
			if *rep, err = one.Run(ctx); err != nil {
				return c, err
			}
			if err := os.RemoveAll(one.Dir); err != nil {
				return c, err
			}
		}
		c.Runs = append(c.Runs, pair)
		plain, with = append(plain, pair.Plain.TransfersPerSecond), append(with, pair.With.TransfersPerSecond)
	}
	slices.Sort(plain)
	slices.Sort(with)
	c.Plain, c.With = plain[2], with[2]
	c.Ratio = c.With / c.Plain
	return c, nil
}
