// Package audit works out every balance and invariant anew, from rows and signatures alone, with code and SQL
// of its own: it shares no rule with what wrote the books, so that a wrong rule cannot vouch for itself. It
// only reads, and may run beside the roles.
package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/wire"
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

// company is one role's books as they were read: a wallet, a bank or the hub.
type company interface {
	totals() Books
	check(f *finder, now time.Time)
}

// look reads all files once and judges them. Wallets are read before banks: what a wallet says is done was
// booked at the bank before, so it must stand there.
func look(ctx context.Context, dir string, now clock.Now) (Report, error) {
	d := directory{dir}
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

// directory is where things lie.
type directory struct{ root string }

// find lists what fits a pattern below the directory, sorted.
func (d directory) find(pattern ...string) []string {
	found, err := filepath.Glob(filepath.Join(append([]string{escape(d.root)}, pattern...)...))
	if err != nil {
		panic("audit: a pattern of ours is malformed: " + err.Error())
	}
	slices.Sort(found)
	return found
}

// readable looks whether every folder and file of books may be read. find passes over what it may not enter, and
// books that nobody looked at would agree.
func (d directory) readable() error {
	folders := []string{d.root, filepath.Join(d.root, "data")}
	folders = slices.Concat(folders, d.find("data", "*"), d.find("data", "bank", "*"))
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			continue
		case err != nil:
			return unreadable(folder, err)
		}
		for _, e := range entries {
			if filepath.Ext(e.Name()) != ".db" {
				continue
			}
			path := filepath.Join(folder, e.Name())
			f, err := os.Open(path)
			if err != nil {
				return unreadable(path, err)
			}
			if err := f.Close(); err != nil {
				return unreadable(path, err)
			}
		}
	}
	return nil
}

func unreadable(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("audit: %s may not be read by this user: run the audit as the user whose books they are", path)
	}
	return fmt.Errorf("audit: %s cannot be read: %w", path, err)
}

// escape keeps the letters of a path from being read as a pattern.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func (d directory) services() (ids []string) {
	for _, f := range d.find("data", "*", "money.db") {
		ids = append(ids, filepath.Base(filepath.Dir(f)))
	}
	return ids
}

func (d directory) banks() (codes []string) {
	for _, f := range d.find("data", "bank", "*", "money.db") {
		codes = append(codes, filepath.Base(filepath.Dir(f)))
	}
	return codes
}

func (d directory) hubs() []string { return d.find("data", "*", "hub.db") }

// signer is how a company signs its statements, and the key set that the others have pinned for it.
type signer struct {
	private wire.Key
	public  wire.KeySet
}

// public reads the keys that everybody has pinned for a service or bank.
func (d directory) public(name string) (wire.KeySet, error) {
	return keyfile.ReadSet(filepath.Join(d.root, "register", name+"-sign.json"))
}

// signer reads the keys of a service or bank: keys is its folder of private keys, name its register file.
func (d directory) signer(keys, name string) (s signer, err error) {
	if s.public, err = d.public(name); err != nil {
		return s, err
	}
	all, err := keyfile.Open(filepath.Join(d.root, "keys", keys)).Signing("sign")
	if err != nil {
		return s, err
	}
	s.private = all[0]
	return s, nil
}
