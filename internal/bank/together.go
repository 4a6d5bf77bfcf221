package bank

import (
	"context"
	"errors"
	"fmt"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
)

// attempts is how often a change is decided again because somebody else changed the same meanwhile.
const attempts = 20

// errMoved says that a gate, a row or a balance changed between reading and writing it.
var errMoved = errors.New("changed meanwhile")

// raced says whether an error means no more than that somebody else was quicker. A conflict that names a
// rule is no race: it stays one.
func raced(err error) bool {
	return err != nil && (errors.Is(err, errMoved) || fault.Of(err) == fault.Conflict && fault.RuleOf(err) == "")
}

// again repeats what lost a race.
func again(ctx context.Context, op string, try func() error) error {
	var err error
	for range attempts {
		if err = try(); !raced(err) {
			return err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return fault.New(fault.Busy, op, err)
}

// submit has the core do all requests in one commit, or nothing: where one is refused, none of them is done
// and no row is written. Losing a race is errMoved. So is finding that somebody else has just done the same: the core
// asks a repeat for no rows, and ours (evidence, notices, a kept answer) would be lost with nobody knowing.
func (b *Bank) submit(ctx context.Context, op string, reqs ...ledger.Request) error {
	whole := make([]ledger.Request, len(reqs), len(reqs)+1)
	want, asked := 0, 0 // how many requests have rows, and how many of them the core asked for theirs
	for i, r := range reqs {
		if r.Then != nil {
			want++
		}
		whole[i] = r
		whole[i].Then = func(res ledger.Result) []ledger.Write {
			if why := refused(op, res); why != nil {
				return []ledger.Write{ledger.Abandon{Why: why}}
			}
			if r.Then == nil {
				return nil
			}
			asked++
			return r.Then(res)
		}
	}
	if want > 0 {
		whole = append(whole, ledger.Request{At: reqs[0].At, Do: ledger.Note{}, Then: func(ledger.Result) []ledger.Write {
			all := asked == want
			if asked = 0; all { // a core may decide the call anew
				return nil
			}
			return []ledger.Write{ledger.Abandon{Why: fault.New(fault.Conflict, op, errMoved)}}
		}})
	}
	results, err := b.Core.SubmitAll(ctx, whole)
	if err != nil {
		return err
	}
	for _, res := range results { // a repeat is not asked for rows
		if why := refused(op, res); why != nil {
			return why
		}
	}
	b.Wake()
	return nil
}

// refused is why a call is given up in which the core answered this to one request; nil where it is done.
func refused(op string, res ledger.Result) error {
	switch {
	case res.OK():
		return nil
	case res.Outcome == ledger.Stale, res.Outcome == ledger.Insufficient:
		return fault.New(fault.Conflict, op, errMoved)
	}
	return fault.New(fault.Internal, op, fmt.Errorf("the core refused: outcome %d %s", res.Outcome, res.Reason))
}

// same asks that a gate still is what was read: the commit it stands in comes before whoever changes the
// gate, or not at all.
func same(g ledger.Gate) ledger.SetGate { return ledger.SetGate{Gate: g, IfVersion: g.Version} }
