package bank_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
)

// without is a file in which the rows of one request or link cannot be written.
type without struct {
	bank.Store
	request id.Request
}

func (w without) Commit(ctx context.Context, rows ...ledger.Write) error {
	for _, row := range rows {
		if p, ok := row.(bank.PutRequest); ok && p.Request.ID == w.request {
			return fault.New(fault.Unavailable, "test", errCrashed)
		}
	}
	return w.Store.Commit(ctx, rows...)
}

// stuckGate is a core that cannot change the gate of one link.
type stuckGate struct {
	bank.Core
	link id.Link
}

func (c stuckGate) SubmitAll(ctx context.Context, rs []ledger.Request) ([]ledger.Result, error) {
	for _, r := range rs {
		if set, ok := r.Do.(ledger.SetGate); ok && set.Gate.ID == bank.LinkGate(c.link) {
			return nil, errCrashed
		}
	}
	return c.Core.SubmitAll(ctx, rs)
}

// One request and one link that cannot be swept keep no other from it, and both are told.
func TestOneBadRowKeepsNothingFromBeingSwept(t *testing.T) {
	w := newTeller(t)
	s := newStory(w, 1)
	past := func(l *bank.Link, _ *ledger.Gate) { l.Valid = w.time }
	bad, good := w.link(s.acc, maru, past), w.link(s.acc, sora, past)
	var asked []id.Request
	for range 3 {
		asked = append(asked, s.prepared(maru, bank.ProofPasskey).request)
		w.time = w.time.Add(time.Second) // the bad one is the first of all
	}
	w.time = w.time.Add(bank.SessionLife)
	w.Store, w.Core = without{w.Store, asked[0]}, stuckGate{w.Core, bad.ID}
	n, err := w.Sweep(t.Context())
	if err == nil || !strings.Contains(err.Error(), string(asked[0])) || !strings.Contains(err.Error(), string(bad.ID)) {
		t.Errorf("the error names not both: %v", err)
	}
	if n != 3 {
		t.Errorf("%d ended", n)
	}
	for i, r := range asked {
		got, err := w.store.Request(t.Context(), r)
		must(t, err)
		if dead := got.State == bank.RequestDead; dead != (i > 0) {
			t.Errorf("request %d is %s", i, got.State)
		}
	}
	if l, err := w.store.Link(t.Context(), good.ID); err != nil || l.State != bank.LinkExpired {
		t.Errorf("the good link: %s %v", l.State, err)
	}
}

// A receipt that nobody acted upon lets its link begin all the same; one by the channel of the proof does not (L8).
func TestSweepLetsBeginWhatWasReceived(t *testing.T) {
	for _, c := range []struct {
		proof   bank.ProofKind
		channel bank.Channel
		begins  bool
	}{
		{bank.ProofCode, bank.SMS, false},
		{bank.ProofCode, bank.Email, true},
		{bank.ProofCode, bank.ReceiptATM, true},
		{bank.ProofPasskey, bank.SMS, true},
	} {
		w := newTeller(t)
		s := newStory(w, 1)
		must(t, s.consentTo(maru, c.proof))
		a := s.consented[0]
		must(t, s.redeemOf(a))
		must(t, s.activateOf(a, a.rs))
		if r, err := w.store.Request(t.Context(), a.request); err != nil || r.State != bank.RequestWaiting {
			t.Fatalf("it is %s: %v", r.State, err)
		}
		must(t, w.store.Commit(t.Context(), bank.PutReceipt{Receipt: bank.Receipt{Request: a.request, Channel: c.channel, At: w.time}})) // and a crash
		_, err := w.Sweep(t.Context())
		must(t, err)
		l, err := w.store.Link(t.Context(), a.link)
		must(t, err)
		if begun := l.State == bank.LinkLive; begun != c.begins {
			t.Errorf("%s after a receipt by %s: %s", c.proof, c.channel, l.State)
		}
		must(t, s.settled())
	}
}
