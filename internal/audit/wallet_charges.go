package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// outcomes says which receipt of a bank each ended state of a charge stands on, and what has become of its hold.
var outcomes = map[string]struct {
	receipt wire.Outcome
	end     string
}{
	"sent": {"", ""}, "pending": {wire.Pending, ""},
	"done": {wire.Booked, "posted"}, "reversing": {wire.Booked, "posted"}, "reversed": {wire.Booked, "posted"},
	"refused": {wire.Refused, "voided"}, "never": {wire.Never, "voided"},
}

// checkCharges holds every charge against its hold in the ledger, the order it sent and the bank's receipt.
func (w *walletBooks) checkCharges(f *finder, now time.Time) {
	known := map[string]bool{}
	for _, c := range w.charges {
		id := string(c.debit)
		known[id] = true
		t := w.transfers[id]
		if c.order == "" {
			if t != nil && t.outcome != "buried" || c.state != "asked" && c.state != "never" {
				f.add("charges", id, "nothing is held that nobody has agreed to", "no hold", t)
			}
		} else {
			w.checkHold(f, c, t)
			w.checkOrder(f, c, now)
		}
		if c.account != "available/"+c.subject && c.account != "maturing/"+c.subject+"/"+string(c.link) {
			f.add("charges", id, "where it lands", "an account of "+c.subject, c.account)
		}
		if l, ok := w.links[string(c.link)]; !ok || l.subject != c.subject || l.issuer != c.issuer {
			f.add("charges", id, "its link", fmt.Sprintf("a link of %s at %s", c.subject, c.issuer), fmt.Sprintf("%s at %s", l.subject, l.issuer))
		}
		w.checkChargeReceipt(f, c, now)
	}
	for _, t := range w.ofKind("charge") {
		if !known[t.id] {
			f.rule("M12", journalTable, t.key(), "a charge's hold has its row", "a row of charges", "none")
		}
	}
}

// checkHold looks whether what the ledger holds or has booked is what the state of the charge says.
func (w *walletBooks) checkHold(f *finder, c charge, t *transfer) {
	want, known := outcomes[c.state]
	if !known || t == nil || !t.hold || t.end != want.end || !t.is("charge", receivable(c.issuer), c.account, c.amount) {
		f.rule("M12", "charges", string(c.debit), "the hold of a charge that is "+c.state,
			fmt.Sprintf("charge, done hold %s, %s → %s %s", want.end, receivable(c.issuer), c.account, c.amount), t)
		return
	}
	if !slices.Equal(t.limits, []string{"charge/" + c.subject}) {
		f.rule("M1", "charges", string(c.debit), "the limit it counts against", "charge/"+c.subject, t.limits)
	}
}

// checkOrder verifies the order that was sent: our signature, the row's content, and the holder's own device.
func (w *walletBooks) checkOrder(f *finder, c charge, now time.Time) {
	id := string(c.debit)
	equal(f, "charges", id, "the hash of the order", wire.Hash(c.order), c.orderHash)
	var o wire.DebitOrder
	if !w.own(f, "charges", id, &o, c.order, c.issuer, now) {
		return
	}
	if o.Debit != c.debit || o.Link != c.link || o.Amount != c.amount || string(o.Subject) != c.subject || o.WalletAccount != c.account || o.AgreedUs != c.agreedUs {
		f.rule("M8", "charges", id, "the order says what the row says", fmt.Sprint(c.debit, c.link, c.amount, c.account), fmt.Sprint(o.Debit, o.Link, o.Amount, o.WalletAccount))
	}
	d, ok := w.device(o.Device.CredentialID)
	challenge := wire.DebitChallenge(issuerID(c.issuer), o.Link, o.Debit, o.Amount, o.AgreedUs)
	if err := wire.VerifyDevice(d, o.Device, challenge); !ok || err != nil {
		f.rule("M9", "charges", id, "the holder's device signed exactly this", "a device proof that stands", err)
		return
	}
	f.verified++
}

func issuerID(s string) id.Issuer { return id.Issuer(s) }

// checkChargeReceipt verifies the bank's last word on a charge, and that it says what the state says.
func (w *walletBooks) checkChargeReceipt(f *finder, c charge, now time.Time) {
	id := string(c.debit)
	if c.receipt == "" {
		if c.state != "asked" && c.state != "sent" {
			f.rule("M8", "charges", id, "the receipt of a charge that is "+c.state, "a receipt", "none")
		}
		return
	}
	equal(f, "charges", id, "the hash of the receipt", wire.Hash(c.receipt), c.receiptHash)
	var r wire.DebitReceipt
	if !w.verify(f, "charges", id, &r, c.receipt, c.issuer, now) {
		return
	}
	order := c.orderHash
	if order == "" {
		order = wire.Hash("")
	}
	if r.Debit != c.debit || r.Link != c.link || r.Amount != c.amount || r.WalletAccount != c.account || r.OrderHash != order ||
		r.Outcome != outcomes[c.state].receipt || r.Outcome == wire.Booked && r.BookedUs != c.bookedUs {
		f.rule("M8", "charges", id, "the receipt says what the row says",
			fmt.Sprint(c.debit, " ", c.link, " ", c.amount, " ", c.account, " ", c.state, " at ", c.bookedUs),
			fmt.Sprint(r.Debit, " ", r.Link, " ", r.Amount, " ", r.WalletAccount, " ", r.Outcome, " at ", r.BookedUs))
	}
}

// checkReceivables works out what each bank owes, and what may still come, from the charges and what has arrived.
func (w *walletBooks) checkReceivables(f *finder) {
	owed, open := map[string]money.Yen{}, map[string]money.Yen{}
	for _, c := range w.charges {
		switch c.state {
		case "done", "reversing":
			owed[receivable(c.issuer)] += c.amount
		case "sent", "pending":
			open[receivable(c.issuer)] += c.amount
		}
	}
	for _, s := range w.settlements {
		if s.arrivedUs != 0 {
			owed[receivable(s.issuer)] -= s.net()
		}
	}
	for _, a := range sorted(w.accounts) {
		if a.kind == "receivable" {
			equal(f, "ledger_accounts", a.id, "what the bank owes, from charges and what has arrived", -owed[a.id], a.balance)
			equal(f, "ledger_accounts", a.id, "what may still come, from open charges", open[a.id], a.heldOut)
		}
	}
}

// checkReversals holds every reversal against the money put aside and given back, and the bank's receipt.
func (w *walletBooks) checkReversals(f *finder, now time.Time) {
	known, aside := map[string]bool{}, map[string]money.Yen{}
	for _, c := range w.charges {
		v, ok := w.reversals[c.debit]
		if ok != (c.state == "reversing" || c.state == "reversed") || ok && (v.receipt != "") != (c.state == "reversed") {
			f.add("charges", string(c.debit), "the reversal of a charge that is "+c.state, "a reversal where one runs, a receipt once it ended", v.id)
		}
		if !ok {
			continue
		}
		known[v.id] = true
		if c.state == "reversing" {
			aside["reversing/"+c.subject] += c.amount
		}
		w.checkReversal(f, c, v, now)
	}
	for _, v := range w.reversals {
		if !known[v.id] {
			f.add("reversals", v.id, "a reversal is of a charge", "a row of charges", v.debit)
		}
	}
	for _, a := range sorted(w.accounts) {
		if a.kind == "reversing" {
			equal(f, "ledger_accounts", a.id, "what is put aside, from reversals that run", aside[a.id], a.balance)
		}
	}
	for _, t := range append(w.ofKind("reversing"), w.ofKind("reversal")...) {
		if !known[strings.TrimPrefix(t.id, "reverse/")] {
			f.add(journalTable, t.key(), "a reversal has its row", "a row of reversals", "none")
		}
	}
}

func (w *walletBooks) checkReversal(f *finder, c charge, v walletReversal, now time.Time) {
	aside, back := w.transfers[v.id], w.transfers["reverse/"+v.id]
	if aside == nil || !aside.posted() || aside.kind != "reversing" || aside.sum() != c.amount ||
		slices.ContainsFunc(aside.legs, func(l leg) bool {
			return l.credit != "reversing/"+c.subject || l.debit != c.account && l.debit != "available/"+c.subject
		}) {
		f.add("reversals", v.id, "the money is put aside", fmt.Sprintf("reversing, %s → reversing/%s %s", c.account, c.subject, c.amount), aside)
	}
	if c.state == "reversed" && (back == nil || back.hold || !back.is("reversal", "reversing/"+c.subject, receivable(c.issuer), c.amount)) ||
		c.state == "reversing" && back != nil {
		f.add("reversals", v.id, "the money is given back, once the bank has said so", "reversal, reversing → "+receivable(c.issuer), back)
	}
	var m wire.Reversal
	if w.own(f, "reversals", v.id, &m, v.text, c.issuer, now) &&
		(m.Reversal != v.id || m.Debit != c.debit || m.Link != c.link || m.Amount != c.amount || m.OrderHash != c.orderHash) {
		f.rule("M8", "reversals", v.id, "what was signed is of this charge", fmt.Sprint(c.debit, c.amount), fmt.Sprint(m.Debit, m.Amount))
	}
	if v.receipt == "" {
		return
	}
	equal(f, "reversals", v.id, "the hash of the receipt", wire.Hash(v.receipt), v.receiptHash)
	var r wire.ReversalReceipt
	if w.verify(f, "reversals", v.id, &r, v.receipt, c.issuer, now) && (r.Reversal != v.id || r.Debit != c.debit || r.Link != c.link ||
		r.Amount != c.amount || r.Outcome != "reversed" || r.BookedUs != v.bookedUs || r.Suspense != v.suspense) {
		f.rule("M8", "reversals", v.id, "the receipt says what the row says", fmt.Sprint(c.debit, " ", c.amount, " at ", v.bookedUs),
			fmt.Sprint(r.Debit, " ", r.Amount, " ", r.Outcome, " at ", r.BookedUs))
	}
}

// checkPayments holds every payment against its transfer, the shop's takings and the code that made it.
func (w *walletBooks) checkPayments(f *finder) {
	known, takings := map[string]bool{}, map[string]money.Yen{}
	for _, p := range w.payments {
		t, code := w.transfers[p.id], w.codes[p.id]
		if code.subject != p.subject || code.burntUs == 0 || code.burntBy == "" {
			f.rule("M11", "payments", p.id, "the code it came of, burnt", p.subject, fmt.Sprintf("%s, burnt at %d", code.subject, code.burntUs))
		}
		if !w.replies[p.id] {
			f.add("payments", p.id, "the answer under the shop's idempotency key", "a row of idempotency", "none")
		}
		if p.state != "done" {
			if t != nil && t.done() {
				f.add("payments", p.id, "what was refused moved nothing", "no transfer", t)
			}
			continue
		}
		known[p.id] = true
		takings["shop/"+p.shop] += p.amount
		w.checkPayment(f, p, t)
	}
	for _, t := range w.ofKind("payment") {
		if !known[t.id] {
			f.add(journalTable, t.key(), "a payment has its row", "a row of payments", "none")
		}
	}
	for _, a := range sorted(w.accounts) {
		if a.kind == "shop" {
			equal(f, "ledger_accounts", a.id, "the shop's takings, from payments", takings[a.id], a.balance)
		}
	}
}

func (w *walletBooks) checkPayment(f *finder, p payment, t *transfer) {
	ok := t != nil && t.posted() && !t.hold && t.kind == "payment" && t.sum() == p.amount
	var maturing money.Yen
	for i := 0; ok && i < len(t.legs); i++ {
		l := t.legs[i]
		young := strings.HasPrefix(l.debit, "maturing/"+p.subject+"/")
		ok = l.credit == "shop/"+p.shop && (young || l.debit == "available/"+p.subject)
		if young {
			maturing += l.amount
		}
	}
	if !ok || maturing != p.fromMaturing {
		f.add("payments", p.id, "its transfer", fmt.Sprintf("payment, money of %s → shop/%s %s, %s of it maturing", p.subject, p.shop, p.amount, p.fromMaturing), t)
	}
}

// checkKinds looks at what no row stands for: maturing money becomes the same holder's available money, and
// there is nothing else that moves.
func (w *walletBooks) checkKinds(f *finder) {
	for _, t := range sorted(w.transfers) {
		if !t.done() {
			continue
		}
		switch t.kind {
		case "charge", "payment", "reversing", "reversal", "settled":
		case "matured":
			sub, _, _ := strings.Cut(strings.TrimPrefix(t.legs0().debit, "maturing/"), "/")
			if t.hold || len(t.legs) != 1 || !strings.HasPrefix(t.legs[0].debit, "maturing/") || t.legs[0].credit != "available/"+sub {
				f.rule("M10", journalTable, t.key(), "maturing money becomes available to its holder", "maturing → available of one holder", t)
			}
		default:
			f.add(journalTable, t.key(), "a kind of transfer that a wallet makes", "charge, payment, matured, reversing, reversal, settled", t)
		}
	}
}

// legs0 is the first leg, or an empty one.
func (t *transfer) legs0() leg {
	if len(t.legs) == 0 {
		return leg{}
	}
	return t.legs[0]
}
