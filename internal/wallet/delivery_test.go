package wallet_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

// A bank that never answers keeps neither mail from people nor changes from other banks, even where each
// destination has a single place.
func TestSilentBankHoldsUpNobodyElse(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	_, one := p.linked(h, bankA, lnk1)
	_, two := p.linked(h, bankB, lnk2)
	asks := map[id.Link]wallet.Ask{}
	for _, l := range []wallet.Link{one, two} {
		a, err := p.Store.Ask(t.Context(), l.Request)
		asks[l.ID] = must(t, a, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	p.hub.onChange = func(link id.Link, c wire.LinkChange) (string, error) {
		if link == lnk1 {
			close(asked)
			<-ctx.Done()
			return "", ctx.Err()
		}
		return p.answerTo(bankB, asks[link], link, c.Change), nil
	}
	letters := make(chan wallet.Letter, 10)
	mail := func(_ context.Context, m outbox.Message) error {
		var l wallet.Letter
		if err := json.Unmarshal(m.Payload, &l); err != nil {
			t.Error(err)
		}
		letters <- l
		return nil
	}
	p.changed(h, 0)
	r := outbox.NewRunner(p.store.Outbox(), outbox.Options{
		Clock: p.clock.Now, Poll: 5 * time.Millisecond, Parallel: 1,
		Handlers: map[string]outbox.Handler{wallet.KindChange: p.DeliverChange, wallet.KindMail: mail, wallet.KindSMS: mail},
	})
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	<-asked // and from now on bank A says nothing
	if _, err := p.StartChange(t.Context(), h, wallet.Email, "new@example.jp"); err != nil {
		t.Fatal(err)
	}
	r.Wake()
	for l := range letters {
		if l.To == "new@example.jp" {
			break
		}
	}
	for len(p.openChanges(lnk2)) > 0 {
		time.Sleep(time.Millisecond)
	}
	if open := p.openChanges(lnk1); len(open) != 1 {
		t.Errorf("the silent bank has answered: %v", open)
	}
}
