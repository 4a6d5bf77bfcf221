package audit

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/money"
)

// check judges a ledger by itself. most says, for a limit that has been changed, what no configuration of the
// role may ever allow: what it was before is not kept.
func (b *books) check(f *finder, most func(limitID string) limit) {
	for _, o := range b.orphans {
		f.add("ledger_transfers", o, "a row of a transfer that is not there", "a transfer", "none")
	}
	b.checkTransfers(f)
	b.checkBalances(f)
	b.checkLines(f)
	b.checkUses(f)
	b.checkLimits(f, most)
	for _, g := range sorted(b.gates) {
		if p, ok := b.gates[g.parent]; g.parent != "" && (!ok || p.parent != "") {
			f.add("ledger_gates", g.id, "the parent", "a gate without a parent", g.parent)
		}
	}
}

// checkTransfers looks at what stands under each id: what was done has legs and the fingerprint of what was
// asked; a refusal or tombstone moved nothing, ever.
func (b *books) checkTransfers(f *finder) {
	const table = "ledger_transfers"
	for _, t := range sorted(b.transfers) {
		switch {
		case t.done():
			b.checkDone(f, t)
			continue
		case len(t.legs) > 0 || t.end != "":
			f.rule("M12", table, t.id, "what was refused or buried moves nothing", "no legs, no end", t)
		case t.outcome == "buried" && (t.kind != "" || t.gate != "" || len(t.limits) > 0):
			f.rule("M12", table, t.id, "a tombstone is nothing but its id", "nothing", t)
		case t.outcome != "buried" && !t.final:
			f.add(table, t.id, "only final refusals are kept", "final", t.outcome)
		}
	}
}

func (b *books) checkDone(f *finder, t *transfer) {
	const table = "ledger_transfers"
	if len(t.legs) == 0 {
		f.add(table, t.id, "what was done has legs", "legs", "none")
		return
	}
	if want := t.fingerprint(); !bytes.Equal(t.digest, want[:]) {
		f.add(table, t.id, "the fingerprint of what was asked", fmt.Sprintf("%x", want), fmt.Sprintf("%x", t.digest))
	}
	if !t.hold && t.end != "" {
		f.add(table, t.id, "only a hold has an end", "none", t.end)
	}
	for _, l := range t.legs {
		_, from := b.accounts[l.debit]
		_, to := b.accounts[l.credit]
		if l.amount <= 0 || l.debit == l.credit || !from || !to {
			f.add("ledger_legs", t.id, "a leg moves a positive amount between two accounts", "two accounts", t)
		}
	}
	if _, ok := b.gates[t.gate]; t.gate != "" && !ok {
		f.add(table, t.id, "the gate it passed", "a gate", t.gate)
	}
	for _, l := range t.limits {
		if _, ok := b.limits[l]; !ok {
			f.add(table, t.id, "the limit it counts against", "a limit", l)
		}
	}
}

// checkBalances works out every account anew from the legs, and the sum of all.
func (b *books) checkBalances(f *finder) {
	const table = "ledger_accounts"
	type recomputed struct{ balance, out, in money.Yen }
	is := map[string]*recomputed{}
	at := func(id string) *recomputed {
		if is[id] == nil {
			is[id] = &recomputed{}
		}
		return is[id]
	}
	for _, t := range b.transfers {
		for _, l := range t.legs {
			switch {
			case t.posted():
				at(l.debit).balance -= l.amount
				at(l.credit).balance += l.amount
			case t.open():
				at(l.debit).out += l.amount
				at(l.credit).in += l.amount
			}
		}
	}
	var sum, held money.Yen
	for _, a := range sorted(b.accounts) {
		w := at(a.id)
		equal(f, table, a.id, "the balance, from its legs", w.balance, a.balance)
		equal(f, table, a.id, "what holds will take out", w.out, a.heldOut)
		equal(f, table, a.id, "what holds will bring in", w.in, a.heldIn)
		if a.balance-a.heldOut < a.floor {
			f.rule("M2", table, a.id, "the floor", "at least "+a.floor.Digits(), (a.balance - a.heldOut).Digits())
		}
		if a.balance+a.heldIn > a.ceiling {
			f.rule("M2", table, a.id, "the ceiling", "at most "+a.ceiling.Digits(), (a.balance + a.heldIn).Digits())
		}
		sum += a.balance
		held += a.heldOut - a.heldIn
	}
	equal(f, table, "all", "the sum of all balances", 0, sum)
	equal(f, table, "all", "holds on both sides", 0, held)
}

// lineKey is what a line says, apart from its place.
type lineKey struct {
	account, other string
	amount         money.Yen
}

// checkLines looks at the history of each account: two lines for each leg that was posted and no others, and
// an unbroken chain of balances up to the one the account has.
func (b *books) checkLines(f *finder) {
	const table = "ledger_lines"
	want := map[string]map[lineKey]int{} // by transfer: lines still to be found
	for id, t := range b.transfers {
		want[id] = map[lineKey]int{}
		for _, l := range t.legs {
			if t.posted() {
				want[id][lineKey{l.debit, l.credit, -l.amount}]++
				want[id][lineKey{l.credit, l.debit, l.amount}]++
			}
		}
	}
	for _, l := range b.lines {
		id := fmt.Sprintf("%s/%d", l.account, l.n)
		t, key := b.transfers[l.transfer], lineKey{l.account, l.other, l.amount}
		if t == nil || want[l.transfer][key] == 0 {
			f.add(table, id, "a line is of a leg that was posted", t, fmt.Sprintf("%s, %s of %s", l.transfer, l.amount, l.other))
			continue
		}
		want[l.transfer][key]--
		equal(f, table, id, "the kind", t.kind, l.kind)
		equal(f, table, id, "the time", clock.FromMicros(t.bookedUs()), clock.FromMicros(l.atUs))
	}
	for _, id := range sortedKeys(want) {
		for key, n := range want[id] {
			if n != 0 {
				f.add(table, key.account+" "+id, "a posted leg has its line", fmt.Sprintf("%s, %s", key.amount, key.other), "none")
			}
		}
	}
	b.checkChain(f)
}

// checkChain follows each account's balance from line to line. What all legs of one transfer did together must
// never leave an account on the wrong side of nothing.
func (b *books) checkChain(f *finder) {
	const table = "ledger_lines"
	last := map[string]line{}
	for i, l := range b.lines {
		id := fmt.Sprintf("%s/%d", l.account, l.n)
		before := last[l.account]
		equal(f, table, id, "the balance after the line", before.balance+l.amount, l.balance)
		a := b.accounts[l.account]
		whole := i+1 == len(b.lines) || b.lines[i+1].account != l.account || b.lines[i+1].transfer != l.transfer
		if whole && (a.floor == 0 && l.balance < 0 || a.ceiling == 0 && l.balance > 0) {
			f.rule("M2", table, id, "the sign an account may have", "not across 0", l.balance.Digits())
		}
		last[l.account] = l
	}
	for _, a := range sorted(b.accounts) {
		equal(f, "ledger_accounts", a.id, "the balance, from its last line", last[a.id].balance, a.balance)
		if last[a.id].n > a.version {
			f.add("ledger_accounts", a.id, "the version counts every line", fmt.Sprint("at least ", last[a.id].n), a.version)
		}
	}
}

// expectedUses is what counts against limits and gates, from what was done.
func (b *books) expectedUses() map[use]bool {
	want := map[use]bool{}
	for _, t := range b.transfers {
		if !t.done() || t.end == "voided" {
			continue
		}
		for _, l := range slices.Compact(slices.Sorted(slices.Values(t.limits))) {
			want[use{"limit", l, t.atUs, t.id, t.sum()}] = true
		}
		if t.gate != "" {
			want[use{"gate", t.gate, t.atUs, t.id, t.sum()}] = true
		}
	}
	return want
}

// checkUses compares what is stored as used with what was done: a voided hold gives back, nothing else does.
func (b *books) checkUses(f *finder) {
	const table = "ledger_uses"
	want := b.expectedUses()
	for _, u := range b.uses {
		if !want[u] {
			f.rule("M1", table, u.id+" "+u.transfer, "a use is of a transfer that stands", "none", u.amount)
		}
		delete(want, u)
	}
	missing := make([]use, 0, len(want))
	for u := range want {
		missing = append(missing, u)
	}
	slices.SortFunc(missing, func(x, y use) int { return cmp.Or(cmp.Compare(x.id, y.id), cmp.Compare(x.transfer, y.transfer)) })
	for _, u := range missing {
		f.rule("M1", table, u.id+" "+u.transfer, "what was moved counts", u.amount, "none")
	}
}

// checkLimits looks whether any rolling window of any limit was ever passed, by what was done and not by what
// is stored as used.
func (b *books) checkLimits(f *finder, most func(string) limit) {
	by := map[string][]use{}
	for u := range b.expectedUses() {
		if u.meter == "limit" {
			by[u.id] = append(by[u.id], u)
		}
	}
	for _, id := range sortedKeys(by) {
		l, ok := b.limits[id]
		if !ok {
			continue // found where the transfer is looked at
		}
		if l.version > 1 {
			l = most(id)
		}
		for _, u := range by[id] {
			if u.amount > l.each {
				f.rule("M1", "ledger_limits", id, "one transfer: "+u.transfer, "at most "+l.each.Digits(), u.amount.Digits())
			}
		}
		checkWindow(f, id, by[id], 24*time.Hour, l.day)
		checkWindow(f, id, by[id], 30*24*time.Hour, l.month)
	}
}

// checkWindow slides a window over uses and notes the first place where they are more than allowed.
func checkWindow(f *finder, id string, uses []use, window time.Duration, most money.Yen) {
	slices.SortFunc(uses, func(x, y use) int { return cmp.Or(cmp.Compare(x.atUs, y.atUs), cmp.Compare(x.transfer, y.transfer)) })
	var sum money.Yen
	first := 0
	for _, u := range uses {
		sum += u.amount
		for uses[first].atUs <= u.atUs-window.Microseconds() {
			sum -= uses[first].amount
			first++
		}
		if sum > most {
			f.rule("M1", "ledger_limits", id, fmt.Sprintf("any %d hours", int(window.Hours())),
				"at most "+most.Digits(), fmt.Sprintf("%s up to %s, %s", sum.Digits(), u.transfer, clock.FromMicros(u.atUs).Format(time.RFC3339)))
			return
		}
	}
}
