package storetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// purses are the balances of three accounts, each 0 to 100: the whole model of the linearizability test.
type purses [3]money.Yen

type transferAsk struct {
	from, to int
	amount   money.Yen
}

// testLinearizable lets several people move money between three accounts, records when each asked and was
// answered, and has porcupine look for an order of the transfers that explains all answers.
func testLinearizable(t *testing.T, open Open) {
	_, l := start(t, open)
	name := func(i int) ledger.AccountID { return ledger.AccountID(fmt.Sprint("purse ", i)) }
	mustDo(t, l, account("world", -money.Max, money.Max))
	for i := range 3 {
		mustDo(t, l, account(name(i), 0, 100), move(ledger.TransferID(fmt.Sprint("fund ", i)), "world", name(i), 50))
	}
	var mu sync.Mutex
	var history []porcupine.Operation
	var tick atomic.Int64 // what time is here: only the order counts
	var wg sync.WaitGroup
	for client := range 6 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(client)))
			for range 40 {
				ask := transferAsk{from: rng.IntN(3), amount: money.Yen(1 + rng.IntN(60))}
				ask.to = (ask.from + 1 + rng.IntN(2)) % 3
				called := tick.Add(1)
				r, err := l.Submit(t.Context(), ledger.Request{
					At: noon, Do: move(ledger.TransferID(fmt.Sprint(called)), name(ask.from), name(ask.to), ask.amount),
				})
				returned := tick.Add(1)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				history = append(history, porcupine.Operation{
					ClientId: client, Input: ask, Call: called, Output: r.Outcome, Return: returned,
				})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	model := porcupine.Model{
		Init: func() any { return purses{50, 50, 50} },
		Step: func(state, input, output any) (bool, any) {
			p, ask := state.(purses), input.(transferAsk)
			switch {
			case p[ask.from] < ask.amount:
				return output == ledger.Insufficient, p
			case p[ask.to]+ask.amount > 100:
				return output == ledger.Full, p
			}
			p[ask.from] -= ask.amount
			p[ask.to] += ask.amount
			return output == ledger.Done, p
		},
	}
	if got := porcupine.CheckOperationsTimeout(model, history, 30*time.Second); got != porcupine.Ok {
		t.Errorf("%d operations: %s", len(history), got)
	}
}
