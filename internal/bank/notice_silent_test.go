package bank_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/outbox"
)

// silentGateway takes mail and never answers about an SMS.
type silentGateway struct{ asked, mailed chan string }

func (s silentGateway) SendSMS(ctx context.Context, to, _, _ string) error {
	s.asked <- to
	<-ctx.Done()
	return ctx.Err()
}

func (s silentGateway) SendMail(_ context.Context, to, _, _ string) error {
	s.mailed <- to
	return nil
}

// A gateway that never answers keeps no mail from the depositor, even where each way has a single place (L8).
func TestSilentGatewayKeepsNoMail(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, nil)
	w.deliver()
	carrier := silentGateway{make(chan string, 100), make(chan string, 100)}
	now := w.time.Add(time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	r := outbox.NewRunner(w.store.Outbox(), outbox.Options{
		Clock: func() time.Time { return now }, Poll: 5 * time.Millisecond, Parallel: 1,
		Handlers: map[string]outbox.Handler{
			bank.MessageNotice: func(ctx context.Context, m outbox.Message) error { return w.SendNotice(ctx, carrier, m) },
		},
	})
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	const debits = 3
	for range debits {
		w.debit(l, 1_000)
	}
	<-carrier.asked
	for range debits {
		<-carrier.mailed
	}
	if len(carrier.asked) != 0 {
		t.Errorf("%d more asked of a gateway with one place", len(carrier.asked))
	}
}
