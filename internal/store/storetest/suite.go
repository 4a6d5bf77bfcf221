package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// testMonthEnd is what happened in 2020: a calendar month let 300,000 yen go on its last day and 300,000
// again on the next (M1).
func testMonthEnd(t *testing.T, open Open) {
	b, l := start(t, open)
	mustDo(t, l, account("deposit", 0, money.Max), account("world", -money.Max, money.Max),
		ledger.SetLimit{Limit: ledger.Limit{ID: "deposit", Each: 300_000, Day: money.Max, Month: 300_000}},
		move("salary", "world", "deposit", 900_000))
	debit := func(id ledger.TransferID, at time.Time) ledger.Result {
		m := with(move(id, "deposit", "world", 300_000), func(m *ledger.Move) { m.Limits = []ledger.LimitID{"deposit"} })
		r, err := l.Submit(t.Context(), ledger.Request{At: at, Do: m})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	august := time.Date(2020, 8, 31, 23, 59, 0, 0, clock.Tokyo)
	september := time.Date(2020, 9, 1, 0, 1, 0, 0, clock.Tokyo)
	if r := debit("first", august); !r.OK() {
		t.Fatalf("31 August: %+v", r)
	}
	want := overLimit("deposit", ledger.Month, 0)
	want.At = september.UTC()
	if r := debit("second", september); r != want {
		t.Errorf("1 September: %+v, want %+v", r, want)
	}
	if r := debit("third", august.Add(30*24*time.Hour)); !r.OK() {
		t.Errorf("30 days later: %+v", r)
	}
	same(t, "what is left", balance(t, b, "deposit"), money.Yen(300_000))
}

func testReader(t *testing.T, open Open) {
	b, l := start(t, open)
	ctx := t.Context()
	gate := ledger.Gate{
		ID: "g", Parent: "p", NotBefore: noon.Add(-time.Hour), Until: noon.Add(time.Hour),
		LimitedUntil: noon.Add(2 * time.Hour), LimitedCap: 7000, Device: "key",
	}
	limit := ledger.Limit{ID: "l", Each: 1000, Day: 2000, Month: 3000}
	m := ledger.Move{
		ID: "m", Kind: "charge", Legs: []ledger.Leg{{Debit: "a", Credit: "b", Amount: 300}, {Debit: "b", Credit: "a", Amount: 100}},
		Gate: "g", Device: "key", Limits: []ledger.LimitID{"l"}, Memo: "ﾄﾞｺﾓｺｳｻﾞ", Final: true,
	}
	mustDo(t, l, account("a", -1000, 1000), account("b", 0, 1000), ledger.SetGate{Gate: ledger.Gate{ID: "p"}},
		ledger.SetGate{Gate: gate}, ledger.SetLimit{Limit: limit}, ledger.Freeze{Account: "b", Out: true}, ledger.Freeze{Account: "b"},
		m, ledger.Hold{Move: move("h", "a", "b", 5)})

	a, err := b.Account(ctx, "b")
	same(t, "account", a, ledger.Account{ID: "b", Kind: "test", Ceiling: 1000, Balance: 200, HeldIn: 5})
	same(t, "account error", err, nil)
	gate.Version = 1
	g, err := b.Gate(ctx, "g")
	same(t, "gate", g, gate)
	same(t, "gate error", err, nil)
	limit.Version = 1
	lim, err := b.Limit(ctx, "l")
	same(t, "limit", lim, limit)
	same(t, "limit error", err, nil)

	tr, err := b.Transfer(ctx, "m")
	same(t, "transfer", tr.Move, m)
	same(t, "transfer's result", tr.Result, firstAt(done, 0))
	same(t, "transfer error", err, nil)
	h, err := b.Transfer(ctx, "h")
	if err != nil || !h.Open() || h.Sum() != 5 {
		t.Errorf("hold: %+v, %v", h, err)
	}
	mustDo(t, l, ledger.Post{ID: "h"})
	h, err = b.Transfer(ctx, "h")
	if err != nil || h.Open() || h.End != ledger.Posted || !h.Ended.Equal(noon) {
		t.Errorf("posted hold: %+v, %v", h, err)
	}

	testUsage(t, b, l)
	testHistory(t, b)
	for what, err := range map[string]error{
		"account": second(b.Account(ctx, "none")), "gate": second(b.Gate(ctx, "none")),
		"limit": second(b.Limit(ctx, "none")), "transfer": second(b.Transfer(ctx, "none")),
	} {
		if fault.Of(err) != fault.NotFound {
			t.Errorf("no such %s: %v", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func testUsage(t *testing.T, b Books, l *ledger.Ledger) {
	t.Helper()
	later := with(move("later", "a", "b", 60), func(m *ledger.Move) { m.Gate, m.Device, m.Limits = "g", "key", []ledger.LimitID{"l"} })
	r, err := l.Submit(t.Context(), ledger.Request{At: noon.Add(time.Minute), Do: later})
	if err != nil || !r.OK() {
		t.Fatal(r, err)
	}
	for after, want := range map[time.Duration]ledger.Usage{
		0:                             {Day: 460, Month: 460},
		24*time.Hour - 1000:           {Day: 460, Month: 460},
		24 * time.Hour:                {Day: 60, Month: 460},
		24*time.Hour + time.Minute:    {Day: 0, Month: 460},
		30 * 24 * time.Hour:           {Day: 0, Month: 60},
		30*24*time.Hour + time.Minute: {},
	} {
		got, err := b.Usage(t.Context(), "l", noon.Add(after))
		if err != nil || got != want {
			t.Errorf("usage after %v: %+v, %v, want %+v", after, got, err, want)
		}
		passed, err := b.Passed(t.Context(), "g", noon.Add(after))
		if err != nil || passed != want.Day {
			t.Errorf("passed after %v: %d, %v, want %d", after, passed, err, want.Day)
		}
		lim, err := b.Limit(t.Context(), "l")
		if err != nil {
			t.Fatal(err)
		}
		same(t, "left", lim.Left(got), min(1000, 2000-want.Day, 3000-want.Month))
	}
}

// testHistory pages through the lines of account b as testReader left them.
func testHistory(t *testing.T, b Books) {
	t.Helper()
	line := func(n int64, tr ledger.TransferID, kind string, amount, balance money.Yen, after time.Duration, memo string) ledger.Line {
		return ledger.Line{
			Account: "b", N: n, Transfer: tr, Kind: kind, Other: "a", Amount: amount, Balance: balance, At: noon.Add(after), Memo: memo,
		}
	}
	want := []ledger.Line{
		line(12, "later", "test", 60, 265, time.Minute, ""),
		line(11, "h", "test", 5, 205, 0, ""),
		line(9, "m", "charge", -100, 200, 0, "ﾄﾞｺﾓｺｳｻﾞ"),
		line(8, "m", "charge", 300, 300, 0, "ﾄﾞｺﾓｺｳｻﾞ"),
	}
	all, err := b.History(t.Context(), "b", 0, 10)
	same(t, "history", all, want)
	same(t, "history error", err, nil)
	page, err := b.History(t.Context(), "b", 11, 1)
	same(t, "a page of history", page, want[2:3])
	same(t, "page error", err, nil)
}

// testText says that what people write comes back as it was written.
func testText(t *testing.T, open Open) {
	b, l := start(t, open)
	odd := `<&'"\>` + "\u2028\n\té𠮷 %s $1 \x01\x7f"
	mustDo(t, l, account("a", -1000, 1000), account(ledger.AccountID(odd), 0, 1000))
	m := ledger.Move{ID: ledger.TransferID(odd), Kind: odd, Memo: odd, Legs: []ledger.Leg{{Debit: "a", Credit: ledger.AccountID(odd), Amount: 1}}}
	mustDo(t, l, m)
	if r := do(t, l, m); !r.OK() || !r.Repeated {
		t.Errorf("again: %+v", r)
	}
	got, err := b.Transfer(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "move", got.Move, m)
	same(t, "balance", balance(t, b, ledger.AccountID(odd)), money.Yen(1))
}

// testRows says that rows stand in the commit of their request, in order, and that who brings a row that
// cannot be stored, or panics, is refused alone.
func testRows(t *testing.T, open Open) {
	b, l := start(t, open)
	mustDo(t, l, account("world", -money.Max, money.Max), account("a", 0, 1000))
	req := func(id ledger.TransferID, then func(ledger.Result) []ledger.Write) ledger.Request {
		return ledger.Request{At: noon, Do: move(id, "world", "a", 1), Then: then}
	}
	writes := func(rows ...ledger.Write) func(ledger.Result) []ledger.Write {
		return func(r ledger.Result) []ledger.Write {
			if r.Repeated {
				t.Error("Then was called for a repeat")
			}
			return rows
		}
	}
	gate, inside := make(chan struct{}), make(chan struct{}) // hold the committer until everything below waits: one batch
	var wg sync.WaitGroup
	waiting := 0
	send := func(want func([]ledger.Result, error) bool, reqs ...ledger.Request) {
		wg.Go(func() {
			if got, err := l.SubmitAll(t.Context(), reqs); !want(got, err) {
				t.Errorf("%v: %+v, %v", reqs[0].Do, got, err)
			}
		})
		for waiting += len(reqs); l.Waiting() < waiting; { // the order of arrival is what is tested
			time.Sleep(100 * time.Microsecond)
		}
	}
	fine := func(rs []ledger.Result, err error) bool { return err == nil && rs[0].OK() }
	broken := func(_ []ledger.Result, err error) bool { return fault.Of(err) == fault.Internal }

	wg.Go(func() {
		if _, err := l.Submit(t.Context(), ledger.Request{At: noon, Do: ledger.Note{}, Then: func(ledger.Result) []ledger.Write {
			close(inside)
			<-gate
			return nil
		}}); err != nil {
			t.Error(err)
		}
	})
	<-inside
	send(fine, req("1", writes(Row("1"), Row("1b"))))
	send(broken, req("2", writes(Row("2"), BadRow)))
	send(fine, req("3", writes(Row("3"))))
	send(broken, req("4", func(ledger.Result) []ledger.Write { panic("a bug of the role") }))
	send(fine, ledger.Request{At: noon, Do: ledger.Note{}, Then: writes(Row("note"))})
	send(broken, req("5", writes(Row("5"))), req("6", writes(Row("3")))) // one call: neither is done
	send(fine, req("7", writes(Row("7"))))
	send(fine, req("1", writes(Row("again"))))
	send(func(rs []ledger.Result, err error) bool { return err == nil && rs[0].Outcome == ledger.Insufficient },
		ledger.Request{At: noon, Do: move("8", "a", "world", 1000), Then: writes(Row("refusal"))})
	close(gate)
	wg.Wait()

	rows, err := b.Rows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "rows", rows, []string{"1", "1b", "3", "note", "7", "refusal"})
	same(t, "balance", balance(t, b, "a"), money.Yen(3))
	for _, id := range []ledger.TransferID{"2", "4", "5", "6"} {
		if _, err := b.Transfer(t.Context(), id); fault.Of(err) != fault.NotFound {
			t.Errorf("transfer %s: %v", id, err)
		}
	}
	mustDo(t, l, move("2", "world", "a", 1)) // what failed may be tried again
}

// testLimitConcurrently says that no number of requests at once passes a limit (M2).
func testLimitConcurrently(t *testing.T, open Open) {
	b, l := start(t, open)
	mustDo(t, l, account("deposit", 0, money.Max), account("world", -money.Max, money.Max),
		ledger.SetLimit{Limit: ledger.Limit{ID: "l", Each: 5_000, Day: 100_000, Month: 300_000}},
		move("salary", "world", "deposit", 10_000_000))
	var passed, refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 1000 {
		wg.Go(func() {
			m := with(move(ledger.TransferID(fmt.Sprint("debit ", i)), "deposit", "world", money.Yen(1000+i)), func(m *ledger.Move) {
				m.Limits = []ledger.LimitID{"l"}
			})
			r, err := l.Submit(t.Context(), ledger.Request{At: noon.Add(time.Duration(i) * time.Second), Do: m})
			switch {
			case err != nil:
				t.Error(err)
			case r.OK():
				passed.Add(1000 + int64(i))
			case r.Outcome == ledger.OverLimit && r.Window == ledger.Day:
				refused.Add(1)
			default:
				t.Errorf("%+v", r)
			}
		})
	}
	wg.Wait()
	gone := 10_000_000 - balance(t, b, "deposit")
	if gone != money.Yen(passed.Load()) || gone > 100_000 || gone < 100_000-2_000 || refused.Load() == 0 {
		t.Errorf("%d left the account, %d acknowledged, %d refused", gone, passed.Load(), refused.Load())
	}
	checkSum(t, b, "deposit", "world")
}

// testSameID says that what is asked fifty times at once is done once.
func testSameID(t *testing.T, open Open) {
	b, l := start(t, open)
	mustDo(t, l, account("a", 0, 1000), account("world", -money.Max, money.Max), move("fund", "world", "a", 1000))
	var first atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			r, err := l.Submit(t.Context(), ledger.Request{
				At: noon, Do: move("m", "a", "world", 10),
				Then: func(ledger.Result) []ledger.Write { return []ledger.Write{Row("receipt of m")} },
			})
			if err != nil || !r.OK() {
				t.Errorf("%+v, %v", r, err)
			}
			if !r.Repeated {
				first.Add(1)
			}
		})
	}
	wg.Wait()
	same(t, "answered as the first", first.Load(), int64(1))
	same(t, "balance", balance(t, b, "a"), money.Yen(990))
	rows, err := b.Rows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "rows", rows, []string{"receipt of m"})
}

// testTwoLedgers says that a second committer on the same books, as of a process started twice by mistake,
// breaks nothing.
func testTwoLedgers(t *testing.T, open Open) {
	b, l := start(t, open)
	other := ledger.New(b, ledger.Options{})
	t.Cleanup(other.Close)
	mustDo(t, l, account("a", 0, 100_000), account("world", -money.Max, money.Max), move("fund", "world", "a", 50))
	var passed atomic.Int64
	var wg sync.WaitGroup
	for i := range 100 {
		for _, l := range []*ledger.Ledger{l, other} {
			wg.Go(func() {
				r, err := l.Submit(t.Context(), ledger.Request{At: noon, Do: move(ledger.TransferID(fmt.Sprint(i)), "a", "world", 1)})
				switch {
				case fault.Of(err) == fault.Unavailable: // the other one was always first
				case err != nil:
					t.Error(err)
				case r.OK() && !r.Repeated:
					passed.Add(1)
				}
			})
		}
	}
	wg.Wait()
	same(t, "balance", balance(t, b, "a"), 50-money.Yen(passed.Load()))
	if passed.Load() > 50 {
		t.Errorf("%d yen of 50", passed.Load())
	}
	checkSum(t, b, "a", "world")
	if _, err := b.Transfer(t.Context(), "none"); err == nil || errors.Is(err, ledger.ErrMoved) {
		t.Error(err)
	}
}
