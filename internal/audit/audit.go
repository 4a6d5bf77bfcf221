// Package audit works out every balance and invariant anew, from rows and signatures alone, with code and SQL
// of its own: it shares no rule with what wrote the books, so that a wrong rule cannot vouch for itself. It
// only reads, and may run beside the roles.
package audit

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

const (
	looks     = 6 // how often a difference must be seen to be one
	lookAgain = 700 * time.Millisecond
	atOnce    = 4 // files read at the same time
)

// Run audits what lies under a directory as `kozamori dev` lays it out: data, register and keys of every role.
// now is the roles' clock. A difference that is gone at a second look was a message on its way and is none.
// The error says that something could not be read at all; differences are in the report.
func Run(ctx context.Context, dir string, now clock.Now) (Report, error) {
	report, err := look(ctx, dir, now)
	for range looks - 1 {
		if err != nil || report.Agrees {
			return report, err
		}
		before := report
		select {
		case <-ctx.Done():
			return Report{}, ctx.Err()
		case <-time.After(lookAgain):
		}
		if report, err = look(ctx, dir, now); err == nil {
			report.keep(before.Differences)
		}
	}
	return report, err
}

// RunBooks audits one set of books by itself, in a file or at a postgres URL: what needs no keys and nobody else's
// books. Its memory grows with the accounts and not with the entries.
func RunBooks(ctx context.Context, where string, now clock.Now) (Report, error) {
	var b *books
	var broken []string
	err := readTables(ctx, where, func(r *reader) {
		broken = damage(r)
		b = readBooks(r, limit{}, false)
	})
	if err != nil {
		return Report{}, err
	}
	name := sqldb.Name(where)
	r := Report{Dir: name, AsOf: now()}
	f := finder{role: "books"}
	for _, d := range broken {
		f.add(filepath.Base(name), "file", d, "an undamaged file", "damage")
	}
	b.check(&f)
	r.Books = append(r.Books, b.totals(f.role, 0))
	r.Differences = f.all()
	r.settle()
	return r, nil
}

// company is one role's books as they were read: a wallet, a bank or the hub.
type company interface {
	totals() Books
	check(f *finder, now time.Time)
}

// look reads all files once and judges them. Wallets are read before banks: what a wallet says is done was
// booked at the bank before, so it must stand there.
func look(ctx context.Context, dir string, now clock.Now) (Report, error) {
	d, err := openDirectory(dir)
	if err != nil {
		return Report{}, err
	}
	if err := d.readable(); err != nil {
		return Report{}, err
	}
	wallets, err := read(ctx, d.services(), d.readWallet)
	if err != nil {
		return Report{}, err
	}
	banks, err := read(ctx, d.banks(), d.readBank)
	if err != nil {
		return Report{}, err
	}
	hubs, err := read(ctx, d.hubs(), readHub)
	if err != nil {
		return Report{}, err
	}
	if len(wallets)+len(banks)+len(hubs) == 0 {
		return Report{}, fmt.Errorf("audit: there are no books under %s", dir)
	}
	at := now()
	r := Report{Dir: dir, AsOf: at}
	for _, w := range wallets {
		r.judge(w, w.role, at)
	}
	for _, b := range banks {
		r.judge(b, b.role, at)
	}
	for _, h := range hubs {
		r.judge(h, h.role, at)
	}
	name(banks, wallets)
	pairs := finder{}
	r.Pairs = compareAll(wallets, banks, &pairs, at)
	r.Debits = debitsOf(wallets, banks)
	for _, b := range banks {
		r.Breaks = append(r.Breaks, b.openBreaks...)
	}
	for _, w := range wallets {
		r.Breaks = append(r.Breaks, w.openBreaks...)
	}
	r.Differences = append(r.Differences, pairs.all()...)
	r.settle()
	return r, nil
}

// debitsOf lists all charges, as both sides have them.
func debitsOf(wallets []*walletBooks, banks []*bankBooks) map[string]Debit {
	type order struct{ issuer, service, debit string }
	at := map[order]string{}
	for _, b := range banks {
		for _, d := range b.debits {
			at[order{b.issuer, d.service, string(d.id)}] = string(d.outcome)
		}
	}
	all := map[string]Debit{}
	for _, w := range wallets {
		for _, c := range w.charges {
			all[string(c.debit)] = Debit{Service: w.id, Bank: w.codeOf[c.issuer], Amount: c.amount, AtService: c.state,
				AtBank: at[order{c.issuer, w.id, string(c.debit)}]}
		}
	}
	return all
}

// judge checks one company and notes its totals.
func (r *Report) judge(c company, role string, at time.Time) {
	f := finder{role: role}
	c.check(&f, at)
	t := c.totals()
	r.Books = append(r.Books, t)
	r.Differences = append(r.Differences, f.all()...)
}

// read opens several files at once; the answers are in the order of the names.
func read[T any](ctx context.Context, names []string, one func(context.Context, string) (T, error)) ([]T, error) {
	out := make([]T, len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, n := range names {
		g.Go(func() (err error) {
			out[i], err = one(ctx, n)
			return err
		})
	}
	return out, g.Wait()
}
