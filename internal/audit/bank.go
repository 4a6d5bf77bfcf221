package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// The rows of a bank beside its ledger.
type (
	depositor struct {
		id       string
		closedUs int64
	}

	bankLink struct {
		id, account, service, pseudonym, state, device string
		confirmed                                      bool
		activatedUs                                    int64
	}

	bankDebit struct {
		service            string
		id                 id.Debit
		link               id.Link
		account, orderHash string
		amount             money.Yen
		walletAccount      string
		outcome            wire.Outcome
		rule, reason       string
		decidedUs          int64
		receipt            string
		reversedUs         int64
	}

	bankReversal struct {
		service, id string
		debit       id.Debit
		link        id.Link
		amount      money.Yen
		outcome     string
		suspense    bool
		atUs        int64
		receipt     string
	}

	paidDay struct {
		service, day string
		total        wire.StatementTotal
		atUs         int64
		text         string
	}

	bankBreak struct {
		service, day, debit string
		foundUs, clearedUs  int64
	}

	evidence struct {
		seq                          int64
		kind, request, link, account string
		atUs                         int64
		jws, prev, hash              string
	}
)

// bankBooks is one bank as it was read.
type bankBooks struct {
	code, role, issuer string
	*books
	damage     []string
	depositors map[string]depositor
	links      map[string]bankLink
	debits     []bankDebit
	reversals  []bankReversal
	evidence   []evidence
	changes    []string // signed answers to link changes, by service
	pages      []keptPage
	paid       []paidDay
	breaks     []bankBreak
	openBreaks []Break
	signer
	signatures int
}

func (d directory) readBank(ctx context.Context, code string) (*bankBooks, error) {
	b := &bankBooks{code: code, role: "bank " + code, depositors: map[string]depositor{}, links: map[string]bankLink{}}
	var err error
	if b.signer, err = d.signer(filepath.Join("bank", code), code); err != nil {
		return nil, err
	}
	err = readTables(ctx, d.place("bank", code), b.read)
	b.issuer = b.claimedIssuer()
	return b, err
}

func (b *bankBooks) read(r *reader) {
	b.damage = damage(r)
	b.books = readBooks(r, mostAtBank, true)
	each(r, `SELECT id, closed_us FROM account`, func(a *depositor) []any { return []any{&a.id, &a.closedUs} },
		func(a depositor) { b.depositors[a.id] = a })
	each(r, `SELECT id, account, service, pseudonym, state, device, confirmed, activated_us FROM link`,
		func(l *bankLink) []any {
			return []any{&l.id, &l.account, &l.service, &l.pseudonym, &l.state, &l.device, &l.confirmed, &l.activatedUs}
		}, func(l bankLink) { b.links[l.id] = l })
	b.debits = list(r, `SELECT service, id, link, account, order_hash, amount, wallet_account, outcome, rule, reason, decided_us, receipt, reversed_us
		FROM debit ORDER BY service, id`, func(d *bankDebit) []any {
		return []any{&d.service, &d.id, &d.link, &d.account, &d.orderHash, &d.amount, &d.walletAccount, &d.outcome, &d.rule, &d.reason,
			&d.decidedUs, &d.receipt, &d.reversedUs}
	})
	b.reversals = list(r, `SELECT service, id, debit, link, amount, outcome, suspense, at_us, receipt FROM reversal ORDER BY service, id`,
		func(v *bankReversal) []any {
			return []any{&v.service, &v.id, &v.debit, &v.link, &v.amount, &v.outcome, &v.suspense, &v.atUs, &v.receipt}
		})
	b.evidence = list(r, `SELECT seq, kind, request, link, account, at_us, jws, prev, hash FROM evidence ORDER BY seq`,
		func(e *evidence) []any {
			return []any{&e.seq, &e.kind, &e.request, &e.link, &e.account, &e.atUs, &e.jws, &e.prev, &e.hash}
		})
	b.pages = list(r, `SELECT service, day, n, after_debit, upto_debit, theirs, ours FROM statement_page ORDER BY service, day, n`,
		func(p *keptPage) []any {
			return []any{&p.other, &p.day, &p.n, &p.after, &p.upto, &p.fromService, &p.fromBank}
		})
	b.paid = list(r, `SELECT service, day, lines, debits, reversals, at_us, signed FROM settlement ORDER BY service, day`, func(p *paidDay) []any {
		return []any{&p.service, &p.day, &p.total.Lines, &p.total.Debits, &p.total.Reversals, &p.atUs, &p.text}
	})
	b.breaks = list(r, `SELECT service, day, debit, found_us, cleared_us FROM break`, func(k *bankBreak) []any {
		return []any{&k.service, &k.day, &k.debit, &k.foundUs, &k.clearedUs}
	})
	b.openBreaks = list(r, `SELECT day, debit, what, owner FROM break WHERE cleared_us = 0 ORDER BY day, debit`,
		func(k *Break) []any { k.Role = b.role; return []any{&k.Day, &k.Debit, &k.Kind, &k.Owner} })
}

// claimedIssuer is who the bank says it is in the first thing it signed; every other must say the same.
func (b *bankBooks) claimedIssuer() string {
	var first string
	switch {
	case len(b.evidence) > 0:
		first = b.evidence[0].jws
	case len(b.debits) > 0:
		first = b.debits[0].receipt
	default:
		return ""
	}
	iss, err := wire.Peek(first)
	if err != nil {
		return ""
	}
	return iss
}

func (b *bankBooks) totals() Books { return b.books.totals(b.role, b.signatures) }

// What no configuration of a bank allows (M1).
var mostAtBank = limit{each: 300_000, day: 300_000, month: 500_000}

func (b *bankBooks) check(f *finder, now time.Time) {
	for _, d := range b.damage {
		f.add("money.db", "file", d, "an undamaged file", "damage")
	}
	b.books.check(f)
	b.checkDepositors(f)
	b.checkDebits(f, now)
	b.checkReversals(f, now)
	b.checkCash(f)
	b.checkServices(f)
	b.checkPaid(f, now)
	b.checkLinks(f)
	b.checkEvidence(f, now)
	b.signatures = f.verified
}

// checkDepositors looks whether every deposit account has its place in the ledger, and no ledger account of
// that kind lies beside them.
func (b *bankBooks) checkDepositors(f *finder) {
	for _, a := range sorted(b.depositors) {
		la, ok := b.accounts["deposit/"+a.id]
		if !ok || la.kind != "deposit" || la.floor != 0 {
			f.add("account", a.id, "its ledger account", "a deposit that cannot go below 0", la)
			continue
		}
		if _, ok := b.gates["account/"+a.id]; !ok {
			f.rule("D2", "account", a.id, "its master switch", "gate account/"+a.id, "none")
		}
		if _, ok := b.limits["deposit/"+a.id]; !ok {
			f.rule("M1", "account", a.id, "its limit over all links", "limit deposit/"+a.id, "none")
		}
		if a.closedUs != 0 && (la.balance != 0 || !la.frozenIn || !la.frozenOut) {
			f.add("account", a.id, "a closed account is empty and frozen", "0, frozen both ways", fmt.Sprintf("%d, %t, %t", la.balance, la.frozenIn, la.frozenOut))
		}
	}
	for _, a := range sorted(b.accounts) {
		if _, ok := b.depositors[unprefixed(a.id, "deposit/")]; a.kind == "deposit" && !ok {
			f.add("ledger_accounts", a.id, "a deposit belongs to an account", "a row of account", "none")
		}
	}
}

// unprefixed is what follows a prefix; "" where it is not there.
func unprefixed(s, prefix string) string {
	if len(s) < len(prefix) || s[:len(prefix)] != prefix {
		return ""
	}
	return s[len(prefix):]
}

// checkCash looks at what neither a debit nor a reversal is: only cash goes in and out of the vault.
func (b *bankBooks) checkCash(f *finder) {
	for _, t := range sorted(b.transfers) {
		if !t.done() {
			continue
		}
		var from, to string
		switch t.kind {
		case "debit", "reversal", "settlement":
			continue // judged with their rows
		case "opening", "cash_in":
			from, to = "cash", "deposit"
		case "closing", "cash_out":
			from, to = "deposit", "cash"
		case "transfer":
			from, to = "deposit", "deposit"
		}
		if len(t.legs) != 1 || t.hold || b.accounts[t.legs[0].debit].kind != from || b.accounts[t.legs[0].credit].kind != to || from == "" {
			f.add(journalTable, t.key(), "a kind of transfer that a bank makes", "cash, a transfer between deposits, a debit, a reversal or a settlement", t)
		}
	}
}

// checkServices works out what the bank owes each service, and what waits for a payee, from the rows.
func (b *bankBooks) checkServices(f *finder) {
	owed, waits := map[string]money.Yen{}, map[string]money.Yen{}
	for _, d := range b.debits {
		if d.outcome == wire.Booked {
			owed[d.service] += d.amount
		}
	}
	for _, v := range b.reversals {
		if v.outcome == "reversed" {
			owed[v.service] -= v.amount
			if v.suspense {
				waits[v.service] += v.amount
			}
		}
	}
	var out money.Yen
	for _, p := range b.paid {
		owed[p.service] -= p.net()
		out += p.net()
	}
	for s := range owed {
		if _, ok := b.accounts["service/"+s]; !ok {
			f.add("ledger_accounts", "service/"+s, "the account of a service that has debits", "an account", "none")
		}
	}
	for _, a := range sorted(b.accounts) {
		switch a.kind {
		case "settlement":
			equal(f, "ledger_accounts", a.id, "what the bank owes, from debits, reversals and settlements", owed[unprefixed(a.id, "service/")], a.balance)
		case "nostro":
			equal(f, "ledger_accounts", a.id, "what was paid out, from settlements", out, a.balance)
		case "suspense":
			equal(f, "ledger_accounts", a.id, "what waits for its payee, from reversals", waits[unprefixed(a.id, "suspense/")], a.balance)
		}
	}
}

// verify reads a message of the bank to a service.
func (b *bankBooks) verify(f *finder, table, id string, m wire.Message, text, to string, now time.Time) bool {
	return verify(f, table, id, m, text, b.public, b.issuer, to, now)
}

// verify reads a signed message and notes where its signature, signer or receiver is another than it must be.
func verify(f *finder, table, id string, m wire.Message, text string, keys wire.KeySet, from, to string, now time.Time) bool {
	err := wire.VerifyInto(m, text, keys, wire.Expect{Issuer: from, Audience: to, Now: now, AnyAge: true})
	if err != nil {
		f.rule("M8", table, id, "a "+m.Typ()+" signed by "+from+" for "+to, "a signature that stands", err)
		return false
	}
	f.verified++
	return true
}

// deviceOf reads a device as a link keeps it.
func deviceOf(text string) (wire.Device, error) {
	var d wire.Device
	return d, json.Unmarshal([]byte(text), &d)
}
