package ledgersql_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// BenchmarkTransfers is debits through a gate and a limit, with a row each, asked by many at once.
func BenchmarkTransfers(b *testing.B) {
	for _, parallel := range []int{1, 16, 500} {
		b.Run(fmt.Sprint(parallel), func(b *testing.B) {
			l := ledger.New(openAt(b, engines["sqlite"](b)), ledger.Options{})
			b.Cleanup(l.Close)
			at := time.Date(2020, 8, 20, 0, 0, 0, 0, time.UTC)
			submit := func(do ledger.Action) {
				if r, err := l.Submit(b.Context(), ledger.Request{At: at, Do: do}); err != nil || !r.OK() {
					b.Error(r, err)
				}
			}
			const accounts = 1000
			id := func(i int64) string { return fmt.Sprint("account/", i%accounts) }
			submit(ledger.Open{Account: ledger.Account{ID: "world", Floor: -money.Max, Ceiling: money.Max}})
			for i := range int64(accounts) {
				submit(ledger.Open{Account: ledger.Account{ID: ledger.AccountID(id(i)), Ceiling: money.Max}})
				submit(ledger.SetGate{Gate: ledger.Gate{ID: ledger.GateID(id(i))}})
				submit(ledger.SetLimit{Limit: ledger.Limit{ID: ledger.LimitID(id(i)), Each: 1 << 40, Day: 1 << 40, Month: 1 << 40}})
			}
			var serial atomic.Int64
			b.SetParallelism(parallel / 2)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					n := serial.Add(1)
					submit(ledger.Move{
						ID: ledger.TransferID(fmt.Sprint(n)), Kind: "charge", Gate: ledger.GateID(id(n)), Limits: []ledger.LimitID{ledger.LimitID(id(n))},
						Legs: []ledger.Leg{{Debit: "world", Credit: ledger.AccountID(id(n)), Amount: 1}},
					})
				}
			})
		})
	}
}
