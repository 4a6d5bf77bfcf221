package audit

import (
	"crypto/sha256"
	"fmt"

	"github.com/kozamori/kozamori/internal/money"
)

// compare holds the tables beside the journal against what was worked out, and keeps them for what else is looked at.
func (p *replay) compare(b *books) {
	p.compareAccounts(b)
	p.compareGates(b)
	p.compareLimits(b)
	p.compareFates()
	p.comparePages()
	p.compareNames()
}

// rowID is how a row that has a number and a name is named in a report.
func rowID(num int64, id string) string { return fmt.Sprintf("%d %s", num, id) }

// missing notes the rows that a table lacks.
func missing[V any](p *replay, table string, all map[int64]V, seen map[int64]bool, id func(V) string) {
	for num, v := range all {
		if !seen[num] {
			p.f.add(table, rowID(num, id(v)), "a row, from the journal", "a row", "none")
		}
	}
}

func (p *replay) compareAccounts(b *books) {
	const table = "ledger_accounts"
	type row struct {
		account
		tail []byte
	}
	seen := map[int64]bool{}
	var sum, held money.Yen
	each(p.r, `SELECT num, id, kind, floor, ceiling, balance, held_out, held_in, frozen_in, frozen_out, closed, tail FROM ledger_accounts ORDER BY num`,
		func(a *row) []any {
			return []any{&a.num, &a.id, &a.kind, &a.floor, &a.ceiling, &a.balance, &a.heldOut, &a.heldIn, &a.frozenIn, &a.frozenOut, &a.closed, &a.tail}
		}, func(a row) {
			b.accounts[a.id] = a.account
			seen[a.num] = true
			sum += a.balance
			held += a.heldOut - a.heldIn
			if w := p.accounts[a.num]; w != nil {
				p.sameAccount(w, a.account, a.tail)
			} else {
				p.f.add(table, rowID(a.num, a.id), "a row is of an entry that opens an account", "none", "a row")
			}
		})
	missing(p, table, p.accounts, seen, func(a *ledgerAccount) string { return a.id })
	equal(p.f, table, "all", "the sum of all balances", 0, sum)
	equal(p.f, table, "all", "holds on both sides", 0, held)
}

func (p *replay) sameAccount(want *ledgerAccount, got account, tail []byte) {
	const table = "ledger_accounts"
	id := rowID(want.num, want.id)
	equal(p.f, table, id, "the name, from the journal", want.id, got.id)
	equal(p.f, table, id, "the kind, from the journal", want.kind, got.kind)
	equal(p.f, table, id, "the floor, from the journal", want.floor, got.floor)
	equal(p.f, table, id, "the ceiling, from the journal", want.ceiling, got.ceiling)
	equal(p.f, table, id, "the balance, from its legs", want.balance, got.balance)
	equal(p.f, table, id, "what holds will take out", want.heldOut, got.heldOut)
	equal(p.f, table, id, "what holds will bring in", want.heldIn, got.heldIn)
	equal(p.f, table, id, "frozen for credits, from the journal", want.frozenIn, got.frozenIn)
	equal(p.f, table, id, "frozen for debits, from the journal", want.frozenOut, got.frozenOut)
	equal(p.f, table, id, "closed, from the journal", want.closed, got.closed)
	if string(tail) != string(steps(want.tail)) {
		p.f.add(table, id, "the lines since its last page", want.tail, readable(tail))
	}
}

func (p *replay) compareGates(b *books) {
	const table = "ledger_gates"
	type row struct {
		gate
		meter []byte
	}
	seen := map[int64]bool{}
	each(p.r, `SELECT num, id, parent, shut, not_before_us, until_us, limited_until_us, limited_cap, device, version, meter FROM ledger_gates ORDER BY num`,
		func(g *row) []any {
			return []any{&g.num, &g.id, &g.parentNum, &g.shut, &g.notBeforeUs, &g.untilUs, &g.limitedUntilUs, &g.limitedCap, &g.device, &g.version, &g.meter}
		}, func(g row) {
			seen[g.num] = true
			if parent := p.gates[g.parentNum]; parent != nil {
				g.parent = parent.id
			}
			b.gates[g.id] = g.gate
			w := p.gates[g.num]
			if w == nil {
				p.f.add(table, rowID(g.num, g.id), "a row is of an entry that makes a gate", "none", "a row")
				return
			}
			id := rowID(w.num, w.id)
			equal(p.f, table, id, "the name, from the journal", w.id, g.id)
			equal(p.f, table, id, "the parent, from the journal", w.parentNum, g.parentNum)
			equal(p.f, table, id, "why it is shut, from the journal", w.shut, g.shut)
			equal(p.f, table, id, "before when it is shut, from the journal", w.notBeforeUs, g.notBeforeUs)
			equal(p.f, table, id, "from when on it is shut, from the journal", w.untilUs, g.untilUs)
			equal(p.f, table, id, "until when it is limited, from the journal", w.limitedUntilUs, g.limitedUntilUs)
			equal(p.f, table, id, "the cap of the limited time, from the journal", w.limitedCap, g.limitedCap)
			equal(p.f, table, id, "the device that must sign, from the journal", w.device, g.device)
			equal(p.f, table, id, "the version, from the journal", w.version, g.version)
			p.sameMeter(table, id, "what passed it", &w.meter, g.meter)
		})
	missing(p, table, p.gates, seen, func(g *ledgerGate) string { return g.id })
}

func (p *replay) sameMeter(table, id, what string, want *meter, got []byte) {
	if w := want.stored(); string(w) != string(got) {
		p.f.rule("M1", table, id, what, meterText(w), meterText(got))
	}
}

func (p *replay) compareLimits(b *books) {
	const table = "ledger_limits"
	type row struct {
		limit
		meter []byte
	}
	seen := map[int64]bool{}
	each(p.r, `SELECT num, id, each, day, month, version, meter FROM ledger_limits ORDER BY num`,
		func(l *row) []any { return []any{&l.num, &l.id, &l.each, &l.day, &l.month, &l.version, &l.meter} }, func(l row) {
			b.limits[l.id] = l.limit
			seen[l.num] = true
			w := p.limits[l.num]
			if w == nil {
				p.f.add(table, rowID(l.num, l.id), "a row is of an entry that makes a limit", "none", "a row")
				return
			}
			id := rowID(w.num, w.id)
			equal(p.f, table, id, "the name, from the journal", w.id, l.id)
			equal(p.f, table, id, "one transfer, from the journal", w.each, l.each)
			equal(p.f, table, id, "any 24 hours, from the journal", w.day, l.day)
			equal(p.f, table, id, "any 30 days, from the journal", w.month, l.month)
			equal(p.f, table, id, "the version, from the journal", w.version, l.version)
			p.sameMeter(table, id, "what was used of it", &w.meter, l.meter)
		})
	missing(p, table, p.limits, seen, func(l *ledgerLimit) string { return l.id })
}

// compareFates looks at holds that are open and at what was refunded of anything; holds that ended were looked at
// when they did.
func (p *replay) compareFates() {
	const table = "ledger_fates"
	rows := one(p.r, `SELECT count(*) FROM ledger_fates`, func(n *int64) []any { return []any{n} })
	seen := map[int64]bool{}
	each(p.r, selectFates+`WHERE how = '' OR refunded <> 0 ORDER BY num`, intoFate, func(got fate) {
		seen[got.num] = true
		id := fmt.Sprint(got.num)
		refunded, original := p.refunded[got.num]
		h := p.open[got.num]
		equal(p.f, table, id, "what was refunded of it", refunded, got.refunded)
		switch {
		case h != nil:
			p.sameFate(fate{num: got.num, untilUs: h.untilUs}, got)
		case got.how == "" && original:
			p.sameFate(fate{num: got.num}, got)
		case got.how == "":
			p.f.add(table, id, "a row is of a hold or of what was refunded", "none", "a row")
		}
	})
	for num, h := range p.open {
		if !seen[num] {
			p.f.add(table, h.t.key(), "an open hold has its row", "a row", "none, or one that has ended")
		}
	}
	for num, sum := range p.refunded {
		if !seen[num] && sum != 0 {
			p.f.add(table, fmt.Sprint(num), "what was refunded of it", sum, "nothing")
		}
	}
	if want := p.holds + p.refundedMoves; rows != want {
		p.f.add(table, "all", "a row for each hold and each transfer that something was refunded of", want, rows)
	}
}

// comparePages counts them by account: what a page says was compared when it was full.
func (p *replay) comparePages() {
	type count struct{ account, n, first int64 }
	each(p.r, `SELECT account, count(*), max(first) FROM ledger_pages GROUP BY account ORDER BY account`,
		func(c *count) []any { return []any{&c.account, &c.n, &c.first} }, func(c count) {
			var want int64
			if a := p.accounts[c.account]; a != nil {
				want = a.pages
			}
			equal(p.f, "ledger_pages", fmt.Sprintf("%d/%d", c.account, c.first), "the pages of the account", want, c.n)
		})
}

// compareNames looks for names that nothing has given: those that something has were found when it did.
func (p *replay) compareNames() {
	if one(p.r, `SELECT count(*) FROM ledger_names`, func(n *int64) []any { return []any{n} }) == p.names {
		return
	}
	type row struct {
		name     []byte
		num, act int64
		id       string
	}
	each(p.r, `SELECT n.name, n.num, coalesce(e.act, -1), coalesce(e.id, '') FROM ledger_names AS n LEFT JOIN ledger_entries AS e ON e.seq = n.num ORDER BY n.num`,
		func(n *row) []any { return []any{&n.name, &n.num, &n.act, &n.id} }, func(n row) {
			sort := map[int64]string{actOpen: "a", actGate: "g", actLimit: "l", actMove: "t", actHold: "t", actRefusal: "t", actNoHold: "t", actBury: "t"}[n.act]
			sum := sha256.Sum256([]byte(sort + n.id))
			if n.id == "" || string(n.name) != string(sum[:16]) {
				p.f.add("ledger_names", fmt.Sprintf("%x", n.name), "a name that an entry gives", "none", n.num)
			}
		})
}
