package ledgersql_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/store/ledgersql"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/store/storetest"
)

func (b *books) lead(t *testing.T) {
	t.Helper()
	if err := b.db.Lead(t.Context()); err != nil {
		t.Fatal(err)
	}
}

var day = time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)

// payment is a yen from one to two, with a row.
func payment(id string) ledger.Request {
	return ledger.Request{
		At:   time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC),
		Do:   ledger.Move{ID: ledger.TransferID(id), Legs: []ledger.Leg{{Debit: "one", Credit: "two", Amount: 1}}},
		Then: func(ledger.Result) []ledger.Write { return []ledger.Write{storetest.Row(id)} },
	}
}

// opened opens the two accounts.
func opened(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	for _, id := range []ledger.AccountID{"one", "two"} {
		r, err := l.Submit(t.Context(), ledger.Request{At: day, Do: ledger.Open{Account: ledger.Account{ID: id, Floor: -money.Max, Ceiling: money.Max}}})
		if err != nil || !r.OK() {
			t.Fatal(r, err)
		}
	}
}

// agree sees that the books hold n payments, each with its row, and sum to zero.
func agree(t *testing.T, b *books, n int) {
	t.Helper()
	one, err := b.Account(t.Context(), "one")
	two, failed := b.Account(t.Context(), "two")
	rows, unread := b.Rows(t.Context())
	if err := errors.Join(err, failed, unread); err != nil || one.Balance != money.Yen(-n) || two.Balance != money.Yen(n) || len(rows) != n {
		t.Errorf("balances %d and %d, %d rows, %v; want %d", one.Balance, two.Balance, len(rows), err, n)
	}
}

// A ledger that stands still in the middle of its commit, rows written, head moved, until another process has taken
// the books over and written: whose commit that was hears that its outcome is not known, for its connection is gone, and
// all behind it that nothing was done. There it is done under the same ids, once.
func TestLateCommitOfALedger(t *testing.T) {
	place := pgtest.URL(t)
	inside, wake := make(chan struct{}), make(chan struct{})
	db, err := sqldb.Open(place, ledgersql.Migrations(), suite)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	pause := sync.OnceFunc(func() { close(inside); <-wake })
	paused := &books{ledgersql.New(db, func(ctx context.Context, tx *sqldb.Tx, writes []ledger.Write) error {
		err := apply(ctx, tx, writes)
		if writes[0] == storetest.Row("0") {
			pause()
		}
		return err
	}), db}
	next := openAt(t, place)

	paused.lead(t)
	old := ledger.New(paused, ledger.Options{})
	opened(t, old)
	var asked sync.WaitGroup
	ask := func(i int, known bool) {
		asked.Go(func() {
			_, err := old.Submit(t.Context(), payment(fmt.Sprint(i)))
			if fault.Of(err) != fault.Unavailable || !errors.Is(err, ledger.ErrFenced) || known && errors.Is(err, ledger.ErrUnknown) {
				t.Errorf("payment %d: %v", i, err)
			}
		})
	}
	ask(0, false)
	<-inside
	for i := range 10 {
		ask(i, true) // the first of them again, and what waits behind it
	}
	next.lead(t)
	now := ledger.New(next, ledger.Options{})
	defer now.Close()
	submit := func(from, to int) {
		for i := from; i < to; i++ {
			if r, err := now.Submit(t.Context(), payment(fmt.Sprint(i))); err != nil || !r.OK() || r.Repeated {
				t.Errorf("payment %d at the other process: %+v, %v", i, r, err)
			}
		}
	}
	submit(10, 15)
	close(wake)
	asked.Wait()
	old.Close()
	agree(t, next, 5)
	submit(0, 10)
	agree(t, next, 15)
}

// Processes take the books over from each other in the middle of load, again and again, and are asked again with the
// same ids: each payment is there once, and the log is whole.
func TestBooksAreTakenOverUnderLoad(t *testing.T) {
	const payers, each, terms = 8, 40, 6
	place := pgtest.URL(t)
	first := openAt(t, place)
	first.lead(t)
	leader := make(chan *ledger.Ledger, 1) // the ledger of the process that leads, for whoever takes it to look
	leader <- ledger.New(first, ledger.Options{})
	current := func() *ledger.Ledger { l := <-leader; leader <- l; return l }
	opened(t, current())
	var load sync.WaitGroup
	fencedCalls := make([]int, payers)
	for p := range payers {
		load.Go(func() {
			for i := range each {
				for {
					r, err := current().Submit(t.Context(), payment(fmt.Sprint(p, "/", i)))
					if err == nil && r.OK() {
						break
					}
					if fault.Of(err) != fault.Unavailable {
						t.Errorf("%+v, %v", r, err)
						return
					}
					if errors.Is(err, ledger.ErrFenced) {
						fencedCalls[p]++
					}
				}
			}
		})
	}
	var all []*ledger.Ledger
	for range terms {
		time.Sleep(20 * time.Millisecond)
		b := openAt(t, place)
		b.lead(t)
		all = append(all, <-leader)
		leader <- ledger.New(b, ledger.Options{})
	}
	load.Wait()
	for _, l := range append(all, current()) {
		l.Close()
	}
	agree(t, first, payers*each)
	t.Logf("refused by the fence, per payer: %v", fencedCalls)
}
