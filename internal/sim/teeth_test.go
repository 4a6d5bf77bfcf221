package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/hub"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

// A role with a mistake in it must not come through. Each of these is one that somebody could make.
func TestTeeth(t *testing.T) {
	whole := openStage(t, Options{})
	for _, c := range []struct {
		name  string
		plant func(w *World, p *process)
		finds string // what some story says; others may fail of what the audit sees
		rare  bool   // it takes many stories
	}{
		{"the service posts without a receipt", onWallet(func(w *World, p *process) { p.wallet.Hub = &hopeful{p.wallet.Hub, p.wallet} }), "is done at the service", false},
		{"the bank debits again when it is asked again", onBank(func(w *World, p *process) { p.handler = debitsAgain(p) }), "holds .* yen, want|sum", false},
		{"the bank forgets what it buried", onBank(func(w *World, p *process) { p.handler = forgetful(w, p) }), "two receipts|is never at the service", false},
		{"the bank gives back as often as it is asked", onBank(func(w *World, p *process) { p.handler = givesBackAgain(p) }), "holds .* yen, want", true},
		{"the bank writes a stop down and leaves the gate open", onBank(func(w *World, p *process) { p.bank.Core = changed{p.bank.Core, openGate} }), "after the stop", true},
		{"the bank has no limit for accounts", onBank(func(w *World, p *process) { p.bank.Core = changed{p.bank.Core, noLimit} }), "the account's", true},
		{"the service answers before its commit", onWallet(func(w *World, p *process) { p.wallet.Ledger = &hasty{Ledger: p.wallet.Ledger} }), "was answered|holds|has .* yen|still", false},
		{"the sweeper asks nobody", onWallet(func(w *World, p *process) { p.wallet.Store = deaf{p.wallet.Store} }), "still sent|no end", false},
		{"the hub's matrix is not looked at", onHub(func(w *World, p *process) { p.hub.Store = open{p.hub.Store} }), "the hub had stopped", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.rare && testing.Short() {
				return
			}
			s := *whole
			s.o.plant = c.plant
			const most = 120
			for seed := range uint64(most) {
				story, err := s.Tell(t.Context(), seed)
				if err != nil {
					t.Fatal(err)
				}
				if story.Failure == "" {
					continue
				}
				t.Logf("seed %d: %s", seed, story.Failure)
				if regexp.MustCompile(c.finds).MatchString(story.Failure) {
					return
				}
			}
			t.Errorf("%d stories see nothing of it", most)
		})
	}
}

func onWallet(plant func(w *World, p *process)) func(w *World, p *process) {
	return func(w *World, p *process) {
		if p.wallet != nil {
			plant(w, p)
		}
	}
}

func onBank(plant func(w *World, p *process)) func(w *World, p *process) {
	return func(w *World, p *process) {
		if p.bank != nil {
			plant(w, p)
		}
	}
}

func onHub(plant func(w *World, p *process)) func(w *World, p *process) {
	return func(w *World, p *process) {
		if p.hub != nil {
			plant(w, p)
		}
	}
}

// hopeful takes silence for yes.
type hopeful struct {
	wallet.HubClient
	w *wallet.Wallet
}

func (h *hopeful) Debit(ctx context.Context, issuer id.Issuer, link id.Link, debit id.Debit, order string) (string, error) {
	receipt, err := h.HubClient.Debit(ctx, issuer, link, debit, order)
	if fault.Of(err) != fault.Unavailable || err == nil {
		return receipt, err
	}
	c, e := h.w.Store.Charge(ctx, debit)
	if e != nil {
		return "", e
	}
	row := wallet.PutCharge{Charge: c, From: c.State, IfVersion: c.Version}
	row.Charge.State, row.Charge.BookedAt, row.Charge.EndedAt = wallet.ChargeDone, h.w.Now(), h.w.Now()
	row.Charge.Receipt = "it will come"
	row.Charge.Version++
	_, e = h.w.Ledger.Submit(ctx, ledger.Request{At: h.w.Now(), Do: ledger.Post{ID: ledger.TransferID(debit)},
		Then: func(ledger.Result) []ledger.Write { return []ledger.Write{row} }})
	if e != nil {
		return "", e
	}
	return "", err
}

// seenBodies serves calls to a path, and does something more for one that came before.
func seenBodies(p *process, path string, again func(ctx context.Context, body []byte)) http.Handler {
	inner, seen := p.handler, map[string]bool{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		inner.ServeHTTP(w, r)
		if r.Method != http.MethodPost || r.URL.Path != path {
			return
		}
		if seen[string(body)] {
			again(r.Context(), body)
		}
		seen[string(body)] = true
	})
}

func message[T any](body []byte, field string) (out T) {
	var in map[string]string
	_ = json.Unmarshal(body, &in)
	_ = readPayload(in[field], &out)
	return out
}

func debitsAgain(p *process) http.Handler {
	return seenBodies(p, "/v1/debits", func(ctx context.Context, body []byte) {
		o := message[wire.DebitOrder](body, "order")
		d, err := p.bank.Store.Debit(ctx, id.Service(o.Issuer), o.Debit)
		if err != nil || d.Outcome != wire.Booked {
			return
		}
		_, _ = p.bank.Core.Submit(ctx, ledger.Request{At: p.bank.Now(), Do: ledger.Move{ID: ledger.TransferID("again/" + o.Debit), Kind: bank.MoveDebit,
			Legs: []ledger.Leg{{Debit: bank.Deposit(d.Account), Credit: bank.Settlement(d.Service), Amount: d.Amount}}}})
	})
}

func givesBackAgain(p *process) http.Handler {
	return seenBodies(p, "/v1/reversals", func(ctx context.Context, body []byte) {
		r := message[wire.Reversal](body, "reversal")
		d, err := p.bank.Store.Debit(ctx, id.Service(r.Issuer), r.Debit)
		if err != nil || d.State() != bank.DebitReversed {
			return
		}
		_, _ = p.bank.Core.Submit(ctx, ledger.Request{At: p.bank.Now(), Do: ledger.Move{ID: ledger.TransferID("again/" + r.Reversal), Kind: bank.MoveReversal,
			Legs: []ledger.Leg{{Debit: bank.Settlement(d.Service), Credit: bank.Deposit(d.Account), Amount: d.Amount}}}})
	})
}

// forgetful signs that it never saw a debit, and writes that down nowhere.
func forgetful(w *World, p *process) http.Handler {
	inner := p.handler
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/resolution") {
			inner.ServeHTTP(rw, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		q := message[wire.Resolve](body, "resolve")
		if _, err := p.bank.Store.Debit(r.Context(), id.Service(q.Issuer), q.Debit); fault.Of(err) != fault.NotFound || err == nil {
			inner.ServeHTTP(rw, r)
			return
		}
		now := p.bank.Now()
		text, err := wire.Sign(p.bank.Keys.Sign, &wire.DebitReceipt{
			Header: wire.Header{Issuer: string(p.bank.Profile.Issuer), Audience: q.Issuer, IssuedAt: now.Unix()},
			Link:   q.Link, Debit: q.Debit, OrderHash: q.OrderHash, Amount: q.Amount, WalletAccount: q.WalletAccount, Outcome: wire.Never, BookedUs: now.UnixMicro()})
		if err != nil {
			w.fail("the planted bank cannot sign: %v", err)
		}
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(map[string]string{"receipt": text})
	})
}

// changed changes what a bank asks its ledger for.
type changed struct {
	bank.Core
	change func(ledger.Action) ledger.Action
}

func (c changed) Submit(ctx context.Context, r ledger.Request) (ledger.Result, error) {
	r.Do = c.change(r.Do)
	return c.Core.Submit(ctx, r)
}

func (c changed) SubmitAll(ctx context.Context, rs []ledger.Request) ([]ledger.Result, error) {
	for i := range rs {
		rs[i].Do = c.change(rs[i].Do)
	}
	return c.Core.SubmitAll(ctx, rs)
}

func openGate(do ledger.Action) ledger.Action {
	if set, ok := do.(ledger.SetGate); ok {
		set.Gate.Shut = ""
		return set
	}
	return do
}

func noLimit(do ledger.Action) ledger.Action {
	if t, ok := do.(ledger.Tighten); ok {
		return ledger.SetLimit{Limit: ledger.Limit{ID: t.Limit.ID, Each: money.Max, Day: money.Max, Month: money.Max}}
	}
	return do
}

// hasty says that a payment is done, and does every second not at all.
type hasty struct {
	wallet.Ledger
	n int
}

func (h *hasty) Submit(ctx context.Context, r ledger.Request) (ledger.Result, error) {
	if m, ok := r.Do.(ledger.Move); ok && strings.HasPrefix(string(m.ID), "pay_") {
		if h.n++; h.n%2 == 0 {
			return ledger.Result{Outcome: ledger.Done, At: r.At}, nil
		}
	}
	return h.Ledger.Submit(ctx, r)
}

// deaf finds no charge that wants an end.
type deaf struct{ wallet.Store }

func (deaf) ChargesToAsk(context.Context, time.Time, int) ([]wallet.Charge, error) { return nil, nil }

// open hides the matrix from who decides about a debit.
type open struct{ hub.Store }

func (o open) Change(ctx context.Context, f func(hub.Tx) error) error {
	return o.Store.Change(ctx, func(tx hub.Tx) error { return f(unseeing{tx}) })
}

type unseeing struct{ hub.Tx }

func (unseeing) Suspensions(context.Context) ([]hub.Suspension, error) { return nil, nil }
