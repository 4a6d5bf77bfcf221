package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// The rows of a wallet beside its ledger.
type (
	walletLink struct {
		link, subject, issuer, bank, report, reported string
		seq                                           int64
	}

	charge struct {
		debit                                  id.Debit
		subject                                string
		link                                   id.Link
		issuer                                 string
		amount                                 money.Yen
		account, state                         string
		agreedUs                               int64
		order, orderHash, receipt, receiptHash string
		rule, reason                           string
		bookedUs                               int64
	}

	walletReversal struct {
		id                         string
		debit                      id.Debit
		text, receipt, receiptHash string
		bookedUs                   int64
		suspense                   bool
	}

	payment struct {
		id, shop, subject    string
		amount, fromMaturing money.Yen
		state                string
	}

	payCode struct {
		payment, subject string
		burntUs          int64
		burntBy          string
	}
)

// walletBooks is one service as it was read.
type walletBooks struct {
	id, role string
	*books
	damage      []string
	holders     map[string]int // level by subject
	proofs      map[string]bool
	devices     map[string]string // by credential
	links       map[string]walletLink
	charges     []charge
	reversals   map[id.Debit]walletReversal
	payments    []payment
	codes       map[string]payCode // by payment
	replies     map[string]bool    // payments that an idempotency key answers
	pages       []keptPage
	settlements []settlement
	openBreaks  []Break
	signer
	banks      map[string]wire.KeySet // by issuer
	codeOf     map[string]string      // of banks, by issuer
	signatures int
}

func (d directory) readWallet(ctx context.Context, service string) (*walletBooks, error) {
	w := &walletBooks{id: service, role: "wallet " + service, holders: map[string]int{}, proofs: map[string]bool{}, devices: map[string]string{},
		links: map[string]walletLink{}, reversals: map[id.Debit]walletReversal{}, codes: map[string]payCode{}, replies: map[string]bool{},
		banks: map[string]wire.KeySet{}, codeOf: map[string]string{}}
	var err error
	if w.signer, err = d.signer(service, service); err != nil {
		return nil, err
	}
	if err := readTables(ctx, d.place("wallet_"+service), w.read); err != nil {
		return nil, err
	}
	for issuer, code := range w.codeOf {
		s, err := d.public(code)
		if err != nil {
			return nil, err
		}
		w.banks[issuer] = s
	}
	return w, nil
}

func (w *walletBooks) read(r *reader) {
	w.damage = damage(r)
	w.books = readBooks(r, mostAtWallet, true)
	w.readPeople(r)
	w.charges = list(r, `SELECT debit, subject, link, issuer, amount, account, state, agreed_us, order_jws, order_hash, receipt_jws, receipt_hash,
		rule, reason, booked_us FROM charges ORDER BY debit`, func(c *charge) []any {
		return []any{&c.debit, &c.subject, &c.link, &c.issuer, &c.amount, &c.account, &c.state, &c.agreedUs, &c.order, &c.orderHash,
			&c.receipt, &c.receiptHash, &c.rule, &c.reason, &c.bookedUs}
	})
	each(r, `SELECT id, debit, reversal_jws, receipt_jws, receipt_hash, booked_us, suspense FROM reversals`, func(v *walletReversal) []any {
		return []any{&v.id, &v.debit, &v.text, &v.receipt, &v.receiptHash, &v.bookedUs, &v.suspense}
	}, func(v walletReversal) { w.reversals[v.debit] = v })
	w.payments = list(r, `SELECT id, shop, subject, amount, from_maturing, state FROM payments ORDER BY id`, func(p *payment) []any {
		return []any{&p.id, &p.shop, &p.subject, &p.amount, &p.fromMaturing, &p.state}
	})
	each(r, `SELECT payment, subject, burnt_us, burnt_by FROM pay_codes`, func(c *payCode) []any {
		return []any{&c.payment, &c.subject, &c.burntUs, &c.burntBy}
	}, func(c payCode) { w.codes[c.payment] = c })
	each(r, `SELECT payment FROM idempotency`, func(p *string) []any { return []any{p} }, func(p string) { w.replies[p] = true })
	w.pages = list(r, `SELECT issuer, day, n, after_debit, upto_debit, provisional, ours_jws, theirs_jws, our_lines, our_debits, our_reversals,
		their_lines, their_debits, their_reversals FROM statement_pages ORDER BY issuer, day, n`, func(p *keptPage) []any {
		o, t := &p.serviceTotal, &p.bankTotal
		return []any{&p.other, &p.day, &p.n, &p.after, &p.upto, &p.provisional, &p.fromService, &p.fromBank,
			&o.Lines, &o.Debits, &o.Reversals, &t.Lines, &t.Debits, &t.Reversals}
	})
	w.settlements = list(r, `SELECT issuer, day, lines, debits, reversals, settlement_jws, announced_us, arrived_us, recorded_by
		FROM settlements ORDER BY issuer, day`, func(s *settlement) []any {
		return []any{&s.issuer, &s.day, &s.total.Lines, &s.total.Debits, &s.total.Reversals, &s.text, &s.announced, &s.arrivedUs, &s.by}
	})
	w.openBreaks = list(r, `SELECT day, debit, kind, owner FROM breaks WHERE closed_us = 0 ORDER BY day, debit`, func(k *Break) []any {
		k.Role = w.role
		return []any{&k.Day, &k.Debit, &k.Kind, &k.Owner}
	})
}

func (w *walletBooks) readPeople(r *reader) {
	type holder struct {
		subject string
		level   int
	}
	each(r, `SELECT subject, level FROM holders`, func(h *holder) []any { return []any{&h.subject, &h.level} },
		func(h holder) { w.holders[h.subject] = h.level })
	each(r, `SELECT DISTINCT subject FROM proofs`, func(s *string) []any { return []any{s} }, func(s string) { w.proofs[s] = true })
	type device struct{ credential, keys string }
	each(r, `SELECT credential, keys FROM devices`, func(d *device) []any { return []any{&d.credential, &d.keys} },
		func(d device) { w.devices[d.credential] = d.keys })
	each(r, `SELECT link, subject, issuer, bank, report_jws, reported, seq FROM links`, func(l *walletLink) []any {
		return []any{&l.link, &l.subject, &l.issuer, &l.bank, &l.report, &l.reported, &l.seq}
	}, func(l walletLink) { w.links[l.link], w.codeOf[l.issuer] = l, l.bank })
}

func (w *walletBooks) totals() Books { return w.books.totals(w.role, w.signatures) }

// What no configuration of a service allows: one charge, any 24 hours, any 30 days (M1), and all e-money of one
// holder (M6).
var mostAtWallet = limit{each: 300_000, day: 300_000, month: 300_000}

const mostHeld money.Yen = 1_000_000

func (w *walletBooks) check(f *finder, now time.Time) {
	for _, d := range w.damage {
		f.add("money.db", "file", d, "an undamaged file", "damage")
	}
	w.books.check(f)
	w.checkHolders(f)
	w.checkLinks(f, now)
	w.checkCharges(f, now)
	w.checkReceivables(f)
	w.checkSettlements(f, now)
	w.checkReversals(f, now)
	w.checkPayments(f)
	w.checkKinds(f)
	w.signatures = f.verified
}

// checkHolders looks whether every holder can be paid and nobody holds what is nobody's or more than the law
// lets her.
func (w *walletBooks) checkHolders(f *finder) {
	holds := map[string]money.Yen{}
	for _, a := range sorted(w.accounts) {
		sub, _, _ := strings.Cut(unprefixed(a.id, a.kind+"/"), "/")
		switch a.kind {
		case "available", "maturing", "reversing":
			holds[sub] += a.balance + a.heldIn
			if _, ok := w.holders[sub]; !ok && a.balance != 0 {
				f.add("ledger_accounts", a.id, "e-money belongs to a holder", "a row of holders", "none")
			}
		case "shop", "receivable", "settled":
		default:
			f.add("ledger_accounts", a.id, "a kind of account that a wallet has", "available, maturing, reversing, shop, receivable, settled", a.kind)
		}
	}
	for _, sub := range sortedKeys(w.holders) {
		for _, id := range []string{"available/" + sub, "reversing/" + sub} {
			if _, ok := w.accounts[id]; !ok {
				f.add("holders", sub, "her account", id, "none")
			}
		}
		if _, ok := w.limits["charge/"+sub]; !ok {
			f.rule("M1", "holders", sub, "the limit of her charges", "charge/"+sub, "none")
		}
		if holds[sub] > mostHeld {
			f.rule("M6", "holders", sub, "all her e-money", "at most "+mostHeld.Digits(), holds[sub].Digits())
		}
	}
}

// checkLinks verifies what banks last reported; only a proved person has a link (L4).
func (w *walletBooks) checkLinks(f *finder, now time.Time) {
	for _, l := range sorted(w.links) {
		if !w.proofs[l.subject] || w.holders[l.subject] < 2 {
			f.rule("L4", "links", l.link, "its holder is proved", "level 2", w.holders[l.subject])
		}
		var r wire.LinkReport
		if w.verify(f, "links", l.link, &r, l.report, l.issuer, now) &&
			(string(r.Subject) != l.subject || r.Seq != l.seq || string(r.State) != l.reported || r.State != wire.LinkDead && string(r.Link) != l.link) {
			f.add("links", l.link, "the row says what the bank reported", fmt.Sprint(l.subject, l.seq, l.reported), fmt.Sprint(r.Subject, r.Seq, r.State))
		}
	}
}

// verify reads a message of a bank to the service.
func (w *walletBooks) verify(f *finder, table, id string, m wire.Message, text, issuer string, now time.Time) bool {
	return verify(f, table, id, m, text, w.banks[issuer], issuer, w.id, now)
}

// own reads a message of the service to a bank.
func (w *walletBooks) own(f *finder, table, id string, m wire.Message, text, issuer string, now time.Time) bool {
	return verify(f, table, id, m, text, w.public, w.id, issuer, now)
}

// receivable is the account of what a bank owes.
func receivable(issuer string) string {
	_, host, _ := strings.Cut(issuer, "://")
	return "receivable/" + strings.TrimSuffix(host, "/")
}

// device reads the device of a credential.
func (w *walletBooks) device(credential string) (wire.Device, bool) {
	var d wire.Device
	text, ok := w.devices[credential]
	return d, ok && json.Unmarshal([]byte(text), &d) == nil
}
