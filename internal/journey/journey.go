// Package journey walks the whole way of people with the product, from opening an account to stopping
// everything, over nothing but the public interfaces of a running dev, and fails at the first thing that is not
// as promised. At the end the books of all companies must agree.
package journey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
)

// Options say which dev to drive and how to tell of it.
type Options struct {
	URL  string // the start page: "http://localhost:8400/"
	Out  io.Writer
	JSON bool // one object a step, and one at the end

	// Saw is told of every secret that passes through people's hands, by its kind: what they type, what their
	// browsers keep, their devices' private keys. nil: nobody is.
	Saw func(kind, secret string)
}

// Step is one step of the journey as it went.
type Step struct {
	Name  string `json:"step"`
	JA    string `json:"ja"`
	EN    string `json:"en"`
	Ms    int64  `json:"ms"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"` // what was expected, and what came instead
}

// Summary is the end of a journey.
type Summary struct {
	OK    bool  `json:"ok"`
	Steps int   `json:"steps"` // that were walked
	Of    int   `json:"of"`
	Ms    int64 `json:"ms"`
}

// step is a step before it is walked.
type step struct {
	name string
	says fault.Text
	run  func(ctx context.Context) error
}

// Run walks all steps, telling of each as it ends. The error is that of the first step that failed.
func Run(ctx context.Context, o Options) (Summary, error) {
	began := time.Now()
	w, err := find(ctx, o.URL)
	if err != nil {
		return Summary{}, err
	}
	if o.Saw != nil {
		w.saw = o.Saw
	}
	s := &story{w: w}
	if s.ahead, err = w.ahead(ctx); err != nil {
		return Summary{}, err
	}
	steps := s.steps()
	sum := Summary{Of: len(steps)}
	for _, st := range steps {
		at := time.Now()
		failed := st.run(ctx)
		if moved := s.undisturbed(ctx); moved != nil && (failed == nil || errors.Is(moved, errDisturbed)) {
			failed = errors.Join(moved, failed)
		}
		done := Step{Name: st.name, JA: st.says.JA, EN: st.says.EN, Ms: time.Since(at).Milliseconds(), OK: failed == nil}
		if failed != nil {
			done.Error = failed.Error()
			err = fmt.Errorf("journey: step %s: %w", st.name, failed)
		} else {
			sum.Steps++
		}
		if told := o.tell(done); err == nil {
			err = told
		}
		if err != nil {
			break
		}
	}
	sum.OK, sum.Ms = err == nil, time.Since(began).Milliseconds()
	if told := o.sum(sum); err == nil {
		err = told
	}
	return sum, err
}

func (o Options) tell(s Step) error {
	if o.JSON {
		return json.NewEncoder(o.Out).Encode(s)
	}
	mark := "✓"
	if !s.OK {
		mark = "✗"
	}
	_, err := fmt.Fprintf(o.Out, "%s %6.2f s  %s / %s\n", mark, float64(s.Ms)/1000, s.JA, s.EN)
	if err == nil && s.Error != "" {
		_, err = fmt.Fprintf(o.Out, "           %s\n", s.Error)
	}
	return err
}

func (o Options) sum(s Summary) error {
	if o.JSON {
		return json.NewEncoder(o.Out).Encode(s)
	}
	said := fault.Text{JA: "すべての手順が終わり、全社の帳簿が一致しました", EN: "every step passed and all books agree"}
	if !s.OK {
		said = fault.Text{JA: "ここで止まりました", EN: "stopped here"}
	}
	_, err := fmt.Fprintf(o.Out, "\n%d/%d, %.2f s: %s / %s\n", s.Steps, s.Of, float64(s.Ms)/1000, said.JA, said.EN)
	return err
}
