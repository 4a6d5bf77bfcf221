package wallet_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/wallet"
)

// A hundred charges over a network that loses and doubles at random, with the real outbox, and the wallet
// killed in the middle: no yen is lost or made.
func TestHundredChargesOverABadNetwork(t *testing.T) {
	for seed := range uint64(3) {
		w := newWorld(t)
		var people []person
		for range 5 {
			p := w.person(bankA, 30_000) // some run out of money
			w.update(&p.link, func(l *wallet.Link) { l.Limits.Per30Days = money.Max })
			people = append(people, p)
		}
		dice := rand.New(rand.NewPCG(seed, 7))
		var mu sync.Mutex
		w.banks.script = func(string, id.Debit) do {
			mu.Lock()
			defer mu.Unlock()
			return do{loseRequest: dice.IntN(4) == 0, loseAnswer: dice.IntN(4) == 0, twice: dice.IntN(4) == 0}
		}
		var wg sync.WaitGroup
		stop := w.runOutbox(&wg)
		for i := range 100 {
			p := people[i%len(people)]
			_, err := w.agree(p, money.Yen(500+10*i))
			_ = err // over a limit, at the end
			if i == 50 {
				stop()
				wg.Wait()
				w.crash()
				stop = w.runOutbox(&wg)
			}
			if i%10 == 9 {
				w.clock.forward(20 * time.Second)
			}
		}
		time.Sleep(50 * time.Millisecond)
		stop()
		wg.Wait()
		w.sweepUntilEnded()
		w.booksAgree(people[0])
		var sum money.Yen
		for _, p := range people {
			acc := w.account(wallet.Available(p.sub))
			sum += acc.Balance
			if acc.HeldIn != 0 {
				t.Errorf("seed %d: %d is still held", seed, acc.HeldIn)
			}
		}
		if booked := w.banks.booked(bankA); sum != booked || sum == 0 {
			t.Errorf("seed %d: the bank booked %d, the holders have %d", seed, booked, sum)
		}
		breaks, err := w.ExchangeStatement(t.Context(), bankA, "2026-11-23")
		for err != nil { // the statement may be lost as well
			breaks, err = w.ExchangeStatement(t.Context(), bankA, "2026-11-23")
		}
		if len(breaks) != 0 {
			t.Errorf("seed %d: %+v", seed, breaks)
		}
	}
}

// runOutbox delivers as the program does.
func (w *world) runOutbox(wg *sync.WaitGroup) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	r := outbox.NewRunner(w.store.Outbox(), outbox.Options{
		Clock: w.clock.Now, Poll: 5 * time.Millisecond, Handlers: w.MoneyHandlers(),
	})
	wg.Go(func() { r.Run(ctx) })
	return cancel
}
