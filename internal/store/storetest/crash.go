package storetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// Whatever happens to a database, its books are tested by the same load and the same check: CrashLoad moves money
// and says what was acknowledged; then the process is killed (KillNine), or its disk loses power, and CrashCheck
// compares the books as they are opened again with what had been said. A load may be broken off several times, one
// after the other; round tells them apart.

// crashAccounts share the load.
const crashAccounts = 8

// CrashLoad moves money and writes rows until ctx ends, or it is killed, and prints the id of each transfer once it
// is acknowledged, a line each. It returns the first failure of the books.
func CrashLoad(ctx context.Context, b Books, round string, out io.Writer) error {
	return load(ctx, b, round, out, func(err error) error { return err })
}

// OutageLoad is CrashLoad for books that may be out of order for a while: what fails is told to heard and asked
// again, with the same id, until it is done. It returns the first failure that is none of a database out of order.
func OutageLoad(ctx context.Context, b Books, round string, out io.Writer, heard func(error)) error {
	return load(ctx, b, round, out, func(err error) error {
		if fault.Of(err) != fault.Unavailable {
			return err
		}
		heard(err)
		return nil
	})
}

// load is both loads; failed is told each failure, and returns nil where the same is to be asked again.
func load(ctx context.Context, b Books, round string, out io.Writer, failed func(error) error) error {
	l := ledger.New(b, ledger.Options{})
	defer l.Close()
	ask := func(r ledger.Request) error {
		for {
			answer, err := l.Submit(ctx, r)
			switch {
			case err == nil && answer.OK():
				return nil
			case err == nil:
				return fmt.Errorf("%+v: %+v", r.Do, answer)
			case ctx.Err() != nil:
				return ctx.Err()
			}
			if err := failed(err); err != nil {
				return err
			}
		}
	}
	opens := []ledger.Action{account("world", -money.Max, money.Max)}
	for i := range crashAccounts {
		opens = append(opens, account(crashAccount(i), 0, money.Max))
	}
	for _, o := range opens {
		if err := ask(ledger.Request{At: noon, Do: o}); err != nil {
			return unless(ctx, err)
		}
	}
	var mu sync.Mutex // one line at a time
	var first error
	var wg sync.WaitGroup
	for i := range crashAccounts {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("%s/%d/%d", round, i, n)
				err := crashStep(ask, id, i)
				mu.Lock()
				if err == nil {
					_, err = fmt.Fprintln(out, id)
				}
				if err != nil && first == nil {
					first = err
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return unless(ctx, first)
}

// unless is err where ctx goes on: one that has ended is no failure of the books.
func unless(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func crashAccount(i int) ledger.AccountID { return ledger.AccountID(fmt.Sprint("crash ", i)) }

// crashStep is a transfer with a row, and every third time one by way of a hold.
func crashStep(ask func(ledger.Request) error, id string, i int) error {
	m := move(ledger.TransferID(id), "world", crashAccount(i), 7)
	then := func(ledger.Result) []ledger.Write { return []ledger.Write{Row(id)} }
	if len(id)%3 != 0 {
		return ask(ledger.Request{At: noon, Do: m, Then: then})
	}
	if err := ask(ledger.Request{At: noon, Do: ledger.Hold{Move: m}}); err != nil {
		return err
	}
	return ask(ledger.Request{At: noon.Add(time.Second), Do: ledger.Post{ID: m.ID}, Then: then})
}

// CrashLost reads what loads printed and counts the acknowledged transfers, and those of them that are not in the
// books, ended and with their row. A line without its end is what the load was killed in.
func CrashLost(ctx context.Context, b Books, printed io.Reader) (acknowledged int, lost []string, err error) {
	list, err := b.Rows(ctx)
	if err != nil {
		return 0, nil, err
	}
	rows := map[string]bool{}
	for _, r := range list {
		rows[r] = true
	}
	for in := bufio.NewReader(printed); ; {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			return acknowledged, lost, nil
		}
		if err != nil {
			return 0, nil, err
		}
		id := strings.TrimSuffix(line, "\n")
		if strings.Count(id, "/") != 2 {
			continue // of the test's own output
		}
		acknowledged++
		tr, err := b.Transfer(ctx, ledger.TransferID(id))
		if err != nil && fault.Of(err) != fault.NotFound {
			return 0, nil, err
		}
		if err != nil || tr.Open() || tr.Result.Outcome != ledger.Done || !rows[id] {
			lost = append(lost, fmt.Sprintf("%s: %+v, %v, row %v", id, tr, err, rows[id]))
		}
	}
}

// CrashCheck reads what loads printed and checks the books: every acknowledged transfer is there with its row,
// nothing is half there, and all balances sum to zero. It returns how many were acknowledged.
func CrashCheck(t *testing.T, b Books, printed io.Reader) int {
	t.Helper()
	acknowledged, lost, err := CrashLost(t.Context(), b, printed)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lost {
		t.Errorf("acknowledged and not there: %s", l)
	}
	list, err := b.Rows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, r := range list {
		rows[r] = true
	}
	ids := []ledger.AccountID{"world"}
	var moved int
	for i := range crashAccounts {
		ids = append(ids, crashAccount(i))
		lines, err := b.History(t.Context(), crashAccount(i), 0, 1_000_000)
		if err != nil {
			t.Fatal(err)
		}
		moved += len(lines)
		for _, line := range lines {
			if !rows[string(line.Transfer)] {
				t.Errorf("%s moved without its row", line.Transfer)
			}
		}
	}
	if moved != len(rows) {
		t.Errorf("%d transfers moved, %d rows", moved, len(rows))
	}
	checkSum(t, b, ids...)
	return acknowledged
}
