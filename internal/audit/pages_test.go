package audit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kozamori/kozamori/internal/audit"
	"github.com/kozamori/kozamori/internal/clock"
)

// busyDay lets people charge many times on one day, the rules as they are, and lets the day end.
func (w *world) busyDay(people, each int) (day string) {
	w.t.Helper()
	var all []person
	for i := range people {
		all = append(all, w.person(fmt.Sprintf("33333%02d", i), 1_000_000))
	}
	w.forward(40 * time.Hour)
	day = clock.Day(w.now())
	var g errgroup.Group
	for i, p := range all {
		g.Go(func() error {
			for range each {
				a, err := w.wallet.AskCharge(w.t.Context(), p.sub, p.link, 10)
				if err != nil {
					return err
				}
				_, err = w.wallet.Agreed(w.t.Context(), p.sub, a.Charge.Debit, p.device.Sign(a.Challenge))
				if err = errors.Join(err, w.wallet.DeliverDebit(w.t.Context(), a.Charge.Debit)); err != nil {
					return err
				}
				if i > 0 { // of the first person every charge is given back
					continue
				}
				v, err := w.wallet.ReverseCharge(w.t.Context(), a.Charge.Debit, "staff", "asked for")
				if err = errors.Join(err, w.wallet.DeliverReversal(w.t.Context(), v.ID)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(w.t, g.Wait())
	w.forward(34 * time.Hour)
	begun := time.Now()
	must(w.t, w.wallet.SweepStatements(w.t.Context()))
	w.t.Logf("the sweep took %s", time.Since(begun).Round(time.Millisecond))
	return day
}

// More than 3,000 debits in a day, by the rules of both companies: exchanged whole, and true of the books.
func TestBusyDayIsExchangedWhole(t *testing.T) {
	w := newWorld(t)
	day := w.busyDay(16, 190)
	const debits, back = 16 * 190, 190
	last, err := w.store.StatementPage(t.Context(), issuer, day, 0)
	must(t, err)
	if last.N != 7 || !last.Last() || last.Provisional || last.OurTotal.Lines != debits+back || last.OurTotal.Net() != 10*(debits-back) || last.OurTotal != last.TheirTotal {
		t.Errorf("%d pages, last %t, %+v, %+v", last.N, last.Last(), last.OurTotal, last.TheirTotal)
	}
	for n := range last.N {
		p, err := w.store.StatementPage(t.Context(), issuer, day, n+1)
		if must(t, err); len(p.Ours) > 180<<10 || len(p.Theirs) > 180<<10 {
			t.Errorf("page %d has %d and %d bytes", p.N, len(p.Ours), len(p.Theirs))
		}
	}
	breaks, err := w.store.Breaks(t.Context(), false, 1)
	must(t, err)
	if atBank, err := w.banks.Breaks(t.Context()); err != nil || len(breaks)+len(atBank) != 0 {
		t.Errorf("%+v, %+v, %v", breaks, atBank, err)
	}
	w.agrees(t, true)
	t.Run("a page doctored on both sides", func(t *testing.T) { // one line less on the third page, signed by nobody
		for _, c := range []struct{ file, table, text string }{{atWallet, "statement_pages", "theirs_jws"}, {atBank, "statement_page", "ours"}} {
			dir := copied(t, w.dir)
			alter(t, dir+"/"+c.file, `UPDATE `+c.table+` SET `+c.text+` = (SELECT `+c.text+` FROM `+c.table+` WHERE n = 2) WHERE n = 3`)
			r, err := audit.Look(t.Context(), dir, w.now)
			must(t, err)
			found := false
			for _, d := range r.Differences {
				found = found || d.Table == c.table && d.ID == day+" page 3" && strings.Contains(d.What, "is of that page")
			}
			if !found {
				t.Errorf("not found: %+v", r.Differences)
			}
		}
	})
}
