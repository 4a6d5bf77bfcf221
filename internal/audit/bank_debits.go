package audit

import (
	"fmt"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// checkDebits holds every debit against the ledger and its receipt, and every transfer of that kind against the
// debits: a booked one has moved its amount once, another one has moved nothing.
func (b *bankBooks) checkDebits(f *finder, now time.Time) {
	of := map[string]bool{}
	for _, d := range b.debits {
		key := d.service + "/" + string(d.id)
		t := b.transfers[key]
		if d.outcome == wire.Booked {
			of[key] = true
			b.checkBooked(f, d, t)
		} else if t == nil || t.done() || d.outcome == wire.Never && t.outcome != "buried" {
			f.rule("M12", "debit", key, "what was "+string(d.outcome)+" can never be booked", "a refusal or tombstone in the ledger", t)
		}
		if d.reversedUs != 0 && d.outcome != wire.Booked {
			f.add("debit", key, "only a booked debit can be reversed", "booked", d.outcome)
		}
		if l, ok := b.links[string(d.link)]; !ok || l.account != d.account || l.service != d.service {
			f.add("debit", key, "its link", "a link of "+d.service+" to "+d.account, fmt.Sprintf("%s to %s", l.service, l.account))
		}
		b.checkReceipt(f, d, key, now)
	}
	for _, t := range b.ofKind("debit") {
		if !of[t.id] {
			f.rule("M8", journalTable, t.key(), "a debit has a booked row with its receipt", "a row of debit", "none")
		}
	}
}

func (b *bankBooks) checkBooked(f *finder, d bankDebit, t *transfer) {
	key := d.service + "/" + string(d.id)
	if t == nil || t.hold || !t.is("debit", "deposit/"+d.account, "service/"+d.service, d.amount) {
		f.add("debit", key, "its transfer", fmt.Sprintf("debit, done, deposit/%s → service/%s %s", d.account, d.service, d.amount), t)
		return
	}
	equal(f, "debit", key, "when it was decided", t.atUs, d.decidedUs)
	if t.gate != "link/"+string(d.link) {
		f.rule("M13", "debit", key, "the gate it passed", "link/"+string(d.link), t.gate)
	}
	for _, l := range []string{"deposit/" + d.account, "link/" + string(d.link)} {
		if !slices.Contains(t.limits, l) {
			f.rule("M1", "debit", key, "the limits it counts against", l, t.limits)
		}
	}
}

// checkReceipt verifies what the bank signed and that it says what the row says.
func (b *bankBooks) checkReceipt(f *finder, d bankDebit, key string, now time.Time) {
	var r wire.DebitReceipt
	if !b.verify(f, "debit", key, &r, d.receipt, d.service, now) {
		return
	}
	says := bankDebit{service: d.service, id: r.Debit, link: r.Link, account: d.account, orderHash: r.OrderHash, amount: r.Amount,
		walletAccount: r.WalletAccount, outcome: r.Outcome, rule: r.Rule, reason: r.Reason, decidedUs: r.BookedUs,
		receipt: d.receipt, reversedUs: d.reversedUs}
	if says != d {
		f.rule("M8", "debit", key, "the receipt says what the row says", d.String(), says.String())
	}
}

func (d bankDebit) String() string {
	return fmt.Sprintf("%s %s over %s, %s for %s, order %.12s, %s %s at %d", d.id, d.outcome, d.link, d.amount, d.walletAccount, d.orderHash, d.rule, d.reason, d.decidedUs)
}

// checkReversals holds every reversal against its debit, the ledger and its receipt: each debit is given back
// at most once and whole.
func (b *bankBooks) checkReversals(f *finder, now time.Time) {
	debits := map[string]bankDebit{}
	for _, d := range b.debits {
		debits[d.service+"/"+string(d.id)] = d
	}
	back, of := map[string]int{}, map[string]bool{}
	for _, v := range b.reversals {
		key := v.service + "/" + v.id
		b.checkReversalReceipt(f, v, key, now)
		t := b.transfers[key]
		if v.outcome != "reversed" {
			if t != nil && t.done() {
				f.add("reversal", key, "what was refused moved nothing", "no transfer", t)
			}
			continue
		}
		of[key] = true
		debit := v.service + "/" + string(v.debit)
		d := debits[debit]
		back[debit]++
		if d.outcome != wire.Booked || d.amount != v.amount || d.link != v.link || d.reversedUs != v.atUs || back[debit] > 1 {
			f.add("reversal", key, "it gives one booked debit back, whole and once", fmt.Sprintf("%s of %s reversed at %d", v.amount, v.link, v.atUs),
				fmt.Sprintf("%s, reversed at %d, %d times", d, d.reversedUs, back[debit]))
		}
		to := "deposit/" + d.account
		if v.suspense {
			to = "suspense/" + v.service
		}
		if t == nil || t.hold || t.atUs != v.atUs || !t.is("reversal", "service/"+v.service, to, v.amount) {
			f.add("reversal", key, "its transfer", fmt.Sprintf("reversal, done, service/%s → %s %s", v.service, to, v.amount), t)
		}
	}
	for _, d := range b.debits {
		if key := d.service + "/" + string(d.id); d.reversedUs != 0 && back[key] == 0 {
			f.add("debit", key, "marked as reversed", "a reversal", "none")
		}
	}
	for _, t := range b.ofKind("reversal") {
		if !of[t.id] {
			f.rule("M8", journalTable, t.key(), "a reversal has its row with a receipt", "a row of reversal", "none")
		}
	}
}

func (b *bankBooks) checkReversalReceipt(f *finder, v bankReversal, key string, now time.Time) {
	var r wire.ReversalReceipt
	if !b.verify(f, "reversal", key, &r, v.receipt, v.service, now) {
		return
	}
	says := bankReversal{v.service, r.Reversal, r.Debit, r.Link, r.Amount, r.Outcome, r.Suspense, r.BookedUs, v.receipt}
	if says != v {
		f.rule("M8", "reversal", key, "the receipt says what the row says",
			fmt.Sprint(v.debit, v.link, v.amount, v.outcome, v.suspense, v.atUs), fmt.Sprint(r.Debit, r.Link, r.Amount, r.Outcome, r.Suspense, r.BookedUs))
	}
}

// checkLinks works out L7 anew and looks whether each gate is what its link's row says: a link that is over or
// not begun must not let anything through.
func (b *bankBooks) checkLinks(f *finder) {
	place, name, whose := map[string]string{}, map[string]string{}, map[string]string{}
	for _, l := range sorted(b.links) {
		at := l.account + " " + l.service
		if l.state == "authenticated" || l.state == "live" || l.state == "suspended" {
			if other := place[at]; other != "" {
				f.rule("L7", "link", l.id, "one wallet of a service at an account", "no other than "+other, l.id)
			}
			place[at] = l.id
		}
		if other, ok := name[at]; ok && other != l.pseudonym {
			f.rule("L7", "link", l.id, "an account's one name for a service", other, l.pseudonym)
		}
		if other, ok := whose[l.service+" "+l.pseudonym]; ok && other != l.account {
			f.rule("L7", "link", l.id, "a name is of one account", other, l.account)
		}
		name[at], whose[l.service+" "+l.pseudonym] = l.pseudonym, l.account
		if _, ok := b.depositors[l.account]; !ok {
			f.add("link", l.id, "its account", "an account", l.account)
		}
		b.checkGate(f, l)
	}
}

// mostLimited is what passes a link in its limited time in any 24 hours, whatever a configuration says (L9).
const mostLimited money.Yen = 5_000

func (b *bankBooks) checkGate(f *finder, l bankLink) {
	g, ok := b.gates["link/"+l.id]
	if !ok || g.parent != "account/"+l.account {
		f.rule("M13", "link", l.id, "its gate below the account's", "link/"+l.id+" below account/"+l.account, g.parent)
		return
	}
	account := b.gates[g.parent]
	switch {
	case l.state == "live" && g.shut != "":
		f.rule("M13", "ledger_gates", g.id, "the gate of a live link", "open", g.shut)
	case l.state != "live" && g.shut == "" && account.shut == "":
		f.rule("M13", "ledger_gates", g.id, "the gate of a link that is "+l.state, "shut", "open")
	}
	if g.limitedCap > mostLimited {
		f.rule("L9", "ledger_gates", g.id, "the cap of the limited time", "at most "+mostLimited.Digits(), g.limitedCap.Digits())
	}
	d, err := deviceOf(l.device)
	if err != nil || g.device != d.Thumbprint() {
		f.rule("M9", "ledger_gates", g.id, "the device that must sign", d.Thumbprint(), g.device)
	}
}
