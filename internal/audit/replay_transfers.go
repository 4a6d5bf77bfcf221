package audit

import (
	"fmt"

	"github.com/kozamori/kozamori/internal/money"
)

const (
	pageLines = 32  // of an account make a page
	mostLegs  = 100 // of a transfer
)

// asked is a transfer with all that it names, found.
type asked struct {
	head    *entry
	detail  transferDetail
	legs    []booking
	gate    *ledgerGate
	limits  []*ledgerLimit
	sum     money.Yen
	hold    bool
	effects []effect
}

// effect is what all legs together do to one account.
type effect struct {
	account *ledgerAccount
	out, in money.Yen
}

// transfer does what a move, a hold or a final refusal of one did, and looks whether the rules said so at the time.
func (p *replay) transfer(head *entry, group []entry) {
	p.name("t", head)
	p.transfers++
	a := asked{head: head, hold: head.act == actHold || head.act == actNoHold}
	t := &transfer{num: head.seq, id: head.id, kind: head.kind, memo: head.memo, hold: a.hold, atUs: head.atUs, outcome: "done"}
	if err := head.read(&a.detail); err != nil {
		p.wrong(head, "", "the detail of a transfer", "JSON", err)
	}
	done := head.act == actMove || head.act == actHold
	if !done {
		t.outcome = a.detail.Outcome
		if !a.detail.Final || t.outcome == "" || t.outcome == "done" || t.outcome == "unknown" {
			p.wrong(head, "", "only final refusals that were judged are kept", "a final refusal", head.detail)
		}
	} else if a.detail.Outcome != "" {
		p.wrong(head, "M12", "what was done was not refused", "done", a.detail.Outcome)
	}
	if !p.resolve(&a, group) {
		p.keep(t)
		return
	}
	for _, l := range a.legs {
		t.legs = append(t.legs, leg{l.debit.id, l.credit.id, l.amount})
	}
	if a.gate != nil {
		t.gate = a.gate.id
	}
	for _, l := range a.limits {
		t.limits = append(t.limits, l.id)
	}
	if judged, rule := p.judge(&a); judged != t.outcome {
		p.wrong(head, rule, "what the rules said of it at the time", judged, t.outcome)
	}
	p.keep(t)
	if !done {
		return
	}
	p.count(&a)
	if a.hold {
		p.holds++
		p.reserve(a.legs, 1)
		p.open[head.seq] = &held{t: t, legs: a.legs, gate: a.gate, limits: a.limits, refunds: head.about, untilUs: a.detail.UntilUs}
	} else {
		p.book(a.legs, group)
	}
	p.refund(head.about, a.sum)
}

// resolve finds what a transfer names; what it cannot find it has noted.
func (p *replay) resolve(a *asked, group []entry) (ok bool) {
	a.legs, ok = p.bookings(group)
	for _, l := range a.legs {
		a.sum += l.amount
	}
	a.effects = effects(a.legs)
	if a.head.gate != 0 {
		if a.gate = p.gates[a.head.gate]; a.gate == nil {
			p.wrong(a.head, "M13", "the gate it passed", "a gate", a.head.gate)
			ok = false
		}
	}
	nums, err := numbers(a.head.limits)
	if err != nil {
		p.wrong(a.head, "M1", "the limits it counts against", "numbers", err)
		return false
	}
	for _, n := range nums {
		l := p.limits[n]
		if l == nil {
			p.wrong(a.head, "M1", "the limit it counts against", "a limit", n)
			ok = false
			continue
		}
		a.limits = append(a.limits, l)
	}
	return ok
}

// bookings finds the accounts of legs.
func (p *replay) bookings(group []entry) (legs []booking, ok bool) {
	ok = group[0].legs > 0
	if !ok {
		p.wrong(&group[0], "", "it has legs", "legs", "none")
	}
	for i := range group {
		e := &group[i]
		from, to := p.accounts[e.debit], p.accounts[e.credit]
		if e.amount <= 0 || from == nil || to == nil || from == to {
			p.wrong(e, "", "a leg moves a positive amount between two accounts", "two accounts", fmt.Sprintf("%d → %d %s", e.debit, e.credit, e.amount))
			ok = false
			continue
		}
		legs = append(legs, booking{from, to, e.amount})
	}
	return legs, ok
}

// effects are the sums of legs by account, in the order in which the legs name them.
func effects(legs []booking) (list []effect) {
	at := func(a *ledgerAccount) *effect {
		for i := range list {
			if list[i].account == a {
				return &list[i]
			}
		}
		list = append(list, effect{account: a})
		return &list[len(list)-1]
	}
	for _, l := range legs {
		at(l.debit).out += l.amount
		at(l.credit).in += l.amount
	}
	return list
}

// reserve adds legs to what their accounts hold, or takes them off.
func (p *replay) reserve(legs []booking, sign money.Yen) {
	for _, l := range legs {
		l.debit.heldOut += sign * l.amount
		l.credit.heldIn += sign * l.amount
	}
}

// book moves the money of legs, each of which is a line of two accounts, and follows the balances that entries note.
func (p *replay) book(legs []booking, group []entry) {
	for i, l := range legs {
		e := &group[i]
		p.line(l.debit, e, -l.amount, e.debitAfter)
		p.line(l.credit, e, l.amount, e.creditAfter)
	}
}

func (p *replay) line(a *ledgerAccount, e *entry, amount, after money.Yen) {
	a.balance += amount
	if drift := after - a.balance; drift != a.drift {
		p.wrong(e, "", "the balance of "+a.id+" after it", a.balance+a.drift, after)
		a.drift = drift
	}
	p.lines++
	a.tail = append(a.tail, e.seq)
	if len(a.tail) == pageLines {
		p.due.pages[[2]int64{a.num, a.tail[0]}] = a.tail
		a.tail = nil
		a.pages++
		p.pages++
	}
}

// count counts a transfer against its limits and gate.
func (p *replay) count(a *asked) {
	for _, l := range a.limits {
		l.count(a.head.atUs, a.sum, monthWindow)
		for _, w := range []struct {
			window, most money.Yen
			what         string
		}{{a.sum, p.most.each, "one transfer"}, {l.in(dayWindow, a.head.atUs), p.most.day, "any 24 hours"}, {l.in(monthWindow, a.head.atUs), p.most.month, "any 720 hours"}} {
			if w.window > w.most && w.most > 0 {
				p.wrong(a.head, "M1", w.what+" of "+l.id+", whatever is configured", "at most "+w.most.Digits(), w.window.Digits())
			}
		}
	}
	if a.gate != nil {
		a.gate.count(a.head.atUs, a.sum, dayWindow)
	}
}

// refund counts an amount as given back of an original, or no longer.
func (p *replay) refund(original int64, sum money.Yen) {
	if original == 0 || sum == 0 {
		return
	}
	if _, before := p.refunded[original]; !before {
		p.refunded[original] = 0
		if e, _ := p.original(original); e != nil && e.act == actMove {
			p.refundedMoves++
		}
	}
	p.refunded[original] += sum
}

// original reads the entries of a transfer from the journal and says what it has moved.
func (p *replay) original(num int64) (head *entry, moved money.Yen) {
	group := list(p.r, selectEntries+`WHERE seq >= $1 AND seq < $2 ORDER BY seq`, intoEntry, num, num+mostLegs)
	if len(group) == 0 || group[0].seq != num {
		return nil, 0
	}
	head = &group[0]
	switch {
	case head.act == actMove:
		for i := range min(head.legs, int64(len(group))) {
			moved += group[i].amount
		}
	case head.act == actHold && p.open[num] == nil:
		moved = p.posted(num)
	}
	return head, moved
}

// posted is what was posted of a hold that has ended, as its row says: the row is compared for itself.
func (p *replay) posted(num int64) money.Yen {
	if f, ok := p.due.fates[num]; ok {
		return f.posted
	}
	return one(p.r, selectFates+`WHERE num = $1`, intoFate, num).posted
}

// endHold posts a hold or gives it back.
func (p *replay) endHold(head *entry, group []entry) {
	h := p.open[head.about]
	if h == nil {
		p.wrong(head, "M12", "it ends an open hold", "a hold without an end", head.about)
		return
	}
	delete(p.open, head.about)
	p.reserve(h.legs, -1)
	was := h.t.sum()
	ended := fate{num: h.t.num, untilUs: h.untilUs, how: "voided", endedUs: head.atUs}
	h.t.end, h.t.endUs = "voided", head.atUs
	if head.act == actPost {
		ended.how, h.t.end = "posted", "posted"
		ended.posted = p.post(h, head, group)
	}
	p.due.fates[h.t.num] = ended
	if back := was - ended.posted; back > 0 {
		for _, l := range h.limits {
			l.giveBack(h.t.atUs, back)
		}
		if h.gate != nil {
			h.gate.giveBack(h.t.atUs, back)
		}
		p.refund(h.refunds, -back)
	}
}

// post books what an entry posts of a hold: of its legs, in their order, not more than was held.
func (p *replay) post(h *held, head *entry, group []entry) (sum money.Yen) {
	if h.untilUs != 0 && head.atUs >= h.untilUs {
		p.wrong(head, "", "a hold is posted in time", "before "+moment(h.untilUs), moment(head.atUs))
	}
	legs, ok := p.bookings(group)
	if !ok {
		return 0
	}
	rest := h.legs
	var moved []leg
	for _, l := range legs {
		for len(rest) > 0 && (rest[0].debit != l.debit || rest[0].credit != l.credit || rest[0].amount < l.amount) {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			p.wrong(head, "M12", "what is posted was held", h.t, fmt.Sprintf("%s → %s %s", l.debit.id, l.credit.id, l.amount))
			break
		}
		rest = rest[1:]
		sum += l.amount
		moved = append(moved, leg{l.debit.id, l.credit.id, l.amount})
	}
	h.t.legs = moved
	p.book(legs, group)
	return sum
}
