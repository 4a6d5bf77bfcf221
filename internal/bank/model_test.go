package bank_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/wire"
)

// asked is an order with everything the bank ever answered about it.
type asked struct {
	link    bank.Link
	text    string
	order   *wire.DebitOrder
	mu      sync.Mutex
	answers map[string]bool
	back    map[string]bool // receipts of its reversal
}

func (a *asked) note(into *map[string]bool, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if *into == nil {
		*into = map[string]bool{}
	}
	(*into)[text] = true
}

// Orders, doubled orders, questions, reversals and stops, in any order and at the same time, over two
// services: each debit has one answer for ever, and the books say exactly what the receipts say.
func TestWhateverComesInWhateverOrder(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newTeller(t)
			acc := w.hanako()
			links := []bank.Link{w.link(acc, maru, nil), w.link(acc, sora, nil)}
			rng := rand.New(rand.NewPCG(seed, 1))
			var all []*asked
			for range 40 {
				l := links[rng.IntN(2)]
				a := &asked{link: l}
				a.text, a.order = w.order(l, money.Yen(1+rng.IntN(40_000)), nil)
				all = append(all, a)
			}
			var wg sync.WaitGroup
			for i := range 200 {
				a, what := all[rng.IntN(len(all))], rng.IntN(10)
				wg.Go(func() {
					switch {
					case i == 150:
						if err := w.StopAll(t.Context(), acc.ID); err != nil {
							t.Error(err)
						}
					case what < 6:
						if text, err := w.Debit(t.Context(), a.link.ID, a.text); err != nil {
							t.Error(err)
						} else {
							a.note(&a.answers, text)
						}
					case what < 8:
						if text, err := w.resolve(a.text, a.order); err != nil {
							t.Error(err)
						} else {
							a.note(&a.answers, text)
						}
					case len(a.text) > 0 && booked(t, w, a):
						if text, err := w.reverse(a.text, a.order, "rev_"+string(a.order.Debit)); err != nil {
							t.Error(err)
						} else {
							a.note(&a.back, text)
						}
					}
				})
			}
			wg.Wait()
			w.agree(t, acc, all)
		})
	}
}

// booked says whether a charge is a booked debit by now: a service reverses nothing else.
func booked(t *testing.T, w *teller, a *asked) bool {
	t.Helper()
	d, err := w.store.Debit(t.Context(), id.Service(a.order.Issuer), a.order.Debit)
	return err == nil && d.Outcome == wire.Booked
}

// agree holds the books against every answer that was given.
func (w *teller) agree(t *testing.T, acc bank.Account, all []*asked) {
	t.Helper()
	var taken, back money.Yen
	owed := map[id.Service]money.Yen{}
	for _, a := range all {
		if len(a.answers) > 1 || len(a.back) > 1 {
			t.Fatalf("%s has %d answers and %d reversals", a.order.Debit, len(a.answers), len(a.back))
		}
		s := id.Service(a.order.Issuer)
		for text := range a.answers {
			if w.receipt(s, text).Outcome == wire.Booked {
				taken += a.order.Amount
				owed[s] += a.order.Amount
			}
		}
		for text := range a.back {
			if w.reversed(s, text).Outcome != bank.Reversed {
				t.Errorf("a booked debit was not given back: %+v", w.reversed(s, text))
			}
			back += a.order.Amount
			owed[s] -= a.order.Amount
		}
	}
	if taken > bank.MaxAccountDay {
		t.Errorf("%v in a day", taken)
	}
	if got := w.balance(acc); got != 1_000_000-taken+back {
		t.Errorf("balance %v, receipts say %v", got, 1_000_000-taken+back)
	}
	for s, want := range owed {
		if a, err := w.Books.Account(t.Context(), bank.Settlement(s)); err != nil || a.Balance != want {
			t.Errorf("owed to %s: %v %v, receipts say %v", s, a.Balance, err, want)
		}
	}
}

// What was signed before a crash is what is said after it.
func TestAnswersOutliveTheProcess(t *testing.T) {
	path := pgtest.Place(t)
	first := newTellerAt(t, path, nil)
	acc := first.hanako()
	l := first.link(acc, maru, nil)
	order, o := first.order(l, 3_000, nil)
	text, err := first.Debit(t.Context(), l.ID, order)
	must(t, err)
	other, p := first.order(l, 1_000, nil)
	never, err := first.resolve(other, p)
	must(t, err)
	first.close()

	second := newTellerAt(t, path, first)
	if again, err := second.Debit(t.Context(), l.ID, order); err != nil || again != text {
		t.Errorf("the debit: %v", err)
	}
	if late, err := second.Debit(t.Context(), l.ID, other); err != nil || late != never {
		t.Errorf("the buried one: %v", err)
	}
	back, err := second.reverse(order, o, "rev_1")
	must(t, err)
	if r := second.reversed(maru, back); r.Outcome != bank.Reversed {
		t.Errorf("reversal: %+v", r)
	}
	if told := second.deliver().said; len(told) != 4 { // of the debit, told by nobody before, and of the reversal
		t.Errorf("%d notices", len(told))
	}
	if got := second.balance(acc); got != 1_000_000 {
		t.Errorf("balance %v", got)
	}
}

// Every notice says in both languages which bank, and what to do; none asks to sign in.
func TestNoticesInWords(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	for _, kind := range []bank.EventKind{
		bank.EventRequest, bank.EventActivated, bank.EventDead, bank.EventConfirmed, bank.EventSuspended, bank.EventEnded, bank.EventCooling,
		bank.EventDebit, bank.EventReversal, bank.EventStopOne, bank.EventStopAll, bank.EventUndone, bank.EventPasskey, bank.EventPIN,
		bank.EventContact, bank.EventDigest,
	} {
		must(t, w.TellNow(t.Context(), bank.Event{Kind: kind, Account: acc.ID, Request: id.Request(id.Random("req")), Service: maru, Amount: 1_234, Count: 2, At: w.time}))
		said := w.deliver().said
		if len(said) != 2 {
			t.Fatalf("%s: told %d times", kind, len(said))
		}
		for _, m := range said {
			if !strings.Contains(m.text, "【静岡銀行】") || strings.ContainsAny(m.text, "{}") || strings.Contains(m.text, "/portal") || strings.Contains(m.text, acc.Number) {
				t.Errorf("%s by %s: %s", kind, m.channel, m.text)
			}
			if m.channel == "email" && (m.subject == "" || !strings.Contains(m.text, "0120-000-000")) {
				t.Errorf("%s: %q %s", kind, m.subject, m.text)
			}
			if wants := kind == bank.EventRequest && m.channel == "email"; strings.Contains(m.text, "確認番号") != wants {
				t.Errorf("%s by %s: a number to type: %v", kind, m.channel, !wants)
			}
		}
	}
}
