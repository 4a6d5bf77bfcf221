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

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// The crash test of an engine runs its own test binary as a child that does nothing but CrashLoad, kills it
// in the middle with SIGKILL, opens the books again and calls CrashCheck with what the child had said. The
// child may be killed several times, one after the other; round tells them apart.

// crashAccounts share the load of the crash test.
const crashAccounts = 8

// CrashLoad moves money and writes rows until it is killed, and prints the id of each transfer once it is
// acknowledged, a line each.
func CrashLoad(ctx context.Context, b Books, round string, out io.Writer) error {
	l := ledger.New(b, ledger.Options{})
	defer l.Close()
	if _, err := l.Submit(ctx, ledger.Request{At: noon, Do: account("world", -money.Max, money.Max)}); err != nil {
		return err
	}
	for i := range crashAccounts {
		if _, err := l.Submit(ctx, ledger.Request{At: noon, Do: account(crashAccount(i), 0, money.Max)}); err != nil {
			return err
		}
	}
	var mu sync.Mutex // one line at a time
	var failed error
	var wg sync.WaitGroup
	for i := range crashAccounts {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("%s/%d/%d", round, i, n)
				err := crashStep(ctx, l, id, i)
				mu.Lock()
				if err == nil {
					_, err = fmt.Fprintln(out, id)
				}
				if err != nil {
					failed = err
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return failed
}

func crashAccount(i int) ledger.AccountID { return ledger.AccountID(fmt.Sprint("crash ", i)) }

// crashStep is a transfer with a row, and every third time one by way of a hold.
func crashStep(ctx context.Context, l *ledger.Ledger, id string, i int) error {
	m := move(ledger.TransferID(id), "world", crashAccount(i), 7)
	then := func(ledger.Result) []ledger.Write { return []ledger.Write{Row(id)} }
	if len(id)%3 != 0 {
		_, err := l.Submit(ctx, ledger.Request{At: noon, Do: m, Then: then})
		return err
	}
	if _, err := l.Submit(ctx, ledger.Request{At: noon, Do: ledger.Hold{Move: m}}); err != nil {
		return err
	}
	_, err := l.Submit(ctx, ledger.Request{At: noon.Add(time.Second), Do: ledger.Post{ID: m.ID}, Then: then})
	return err
}

// CrashCheck reads what the children printed and checks the books: every acknowledged transfer is there with
// its row, nothing is half there, and all balances sum to zero. It returns how many were acknowledged.
func CrashCheck(t *testing.T, b Books, printed io.Reader) int {
	t.Helper()
	list, err := b.Rows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, r := range list {
		rows[r] = true
	}
	acknowledged := 0
	for lines := bufio.NewScanner(printed); lines.Scan(); {
		id := lines.Text()
		if strings.Count(id, "/") != 2 {
			continue // the line it was killed in
		}
		acknowledged++
		tr, err := b.Transfer(t.Context(), ledger.TransferID(id))
		if err != nil || tr.Open() || tr.Result.Outcome != ledger.Done || !rows[id] {
			t.Errorf("acknowledged %s: %+v, %v, row %v", id, tr, err, rows[id])
		}
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
