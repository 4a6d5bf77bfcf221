package audit

import (
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

func (p paidDay) net() money.Yen { return p.total.Debits - p.total.Reversals }

// legOf is the one leg of what a net moves: from one account to another, or back where it is negative.
func legOf(from, to string, net money.Yen) leg {
	if net < 0 {
		return leg{to, from, -net}
	}
	return leg{from, to, net}
}

// moves looks whether a transfer is exactly what a net moves; a net of 0 moves nothing.
func moves(t *transfer, kind, from, to string, net money.Yen) bool {
	if net == 0 {
		return t == nil
	}
	l := legOf(from, to, net)
	return t != nil && !t.hold && t.is(kind, l.debit, l.credit, l.amount)
}

// checkPaid holds every day that was paid out against its lines, the ledger, its pages and what was signed: the net of
// a day, after it was over, with no break open then, once.
func (b *bankBooks) checkPaid(f *finder, now time.Time) {
	of := map[string]bool{}
	lines := map[string]map[string][]wire.StatementLine{}
	for _, p := range b.paid {
		if lines[p.service] == nil {
			lines[p.service] = b.linesFor(p.service)
		}
		key, id := p.service+" "+p.day, "settlement/"+p.service+"/"+p.day
		of[id] = true
		equal(f, "settlement", key, "what was settled, from the lines of the day", total(wire.StatementTotal{}, lines[p.service][p.day]), p.total)
		t := b.transfers[id]
		if !moves(t, "settlement", "service/"+p.service, "nostro", p.net()) || t != nil && t.atUs != p.atUs {
			f.rule("M8", "settlement", key, "its transfer", fmt.Sprintf("settlement, done, %v", legOf("service/"+p.service, "nostro", p.net())), t)
		}
		b.checkPaidWhen(f, key, p)
		var m wire.Settlement
		if b.verify(f, "settlement", key, &m, p.text, p.service, now) && (m.Day != p.day || m.Total != p.total) {
			f.rule("M8", "settlement", key, "what was signed says what the row says", fmt.Sprint(p.day, p.total), fmt.Sprint(m.Day, m.Total))
		}
	}
	for _, t := range b.ofKind("settlement") {
		if !of[t.id] {
			f.rule("M8", journalTable, t.key(), "a settlement has its row", "a row of settlement", "none")
		}
	}
}

// checkPaidWhen looks whether the day was over, whole and without an open break when it was paid out.
func (b *bankBooks) checkPaidWhen(f *finder, key string, p paidDay) {
	from, err := time.ParseInLocation(time.DateOnly, p.day, clock.Tokyo)
	if err != nil || !clock.FromMicros(p.atUs).After(from.AddDate(0, 0, 1)) {
		f.rule("M8", "settlement", key, "no day is paid out before it is over", "after "+p.day, clock.FromMicros(p.atUs))
	}
	whole := false
	for _, k := range b.pages {
		whole = whole || k.other == p.service && k.day == p.day && k.upto == ""
	}
	if !whole {
		f.rule("M8", "settlement", key, "a day that is paid out was compared to its end", "its last page", "none")
	}
	for _, k := range b.breaks {
		if k.service == p.service && k.day == p.day && k.foundUs <= p.atUs && (k.clearedUs == 0 || k.clearedUs > p.atUs) {
			f.rule("M8", "settlement", key, "no day with a break is paid out", "no open break", k.debit)
		}
	}
}

// settlement is what a service keeps of a day that a bank has announced.
type settlement struct {
	issuer, day          string
	total                wire.StatementTotal
	text                 string
	announced, arrivedUs int64
	by                   string
}

func (s settlement) net() money.Yen { return s.total.Debits - s.total.Reversals }

// settledAccount is where the money of a bank arrives.
func settledAccount(issuer string) string {
	return "settled/" + unprefixed(receivable(issuer), "receivable/")
}

// checkSettlements holds every settlement against the lines of its day, the bank's signature, and the transfer that
// somebody recorded.
func (w *walletBooks) checkSettlements(f *finder, now time.Time) {
	of := map[string]bool{}
	lines := map[string]map[string][]wire.StatementLine{}
	arrived := map[string]money.Yen{}
	for _, s := range w.settlements {
		if lines[s.issuer] == nil {
			lines[s.issuer] = w.linesFor(s.issuer)
		}
		key, acc := s.issuer+" "+s.day, settledAccount(s.issuer)
		id := acc + "/" + s.day
		equal(f, "settlements", key, "what was settled, from the lines of the day", total(wire.StatementTotal{}, lines[s.issuer][s.day]), s.total)
		var m wire.Settlement
		if w.verify(f, "settlements", key, &m, s.text, s.issuer, now) && (m.Day != s.day || m.Total != s.total) {
			f.rule("M8", "settlements", key, "what the bank signed says what the row says", fmt.Sprint(s.day, s.total), fmt.Sprint(m.Day, m.Total))
		}
		net := s.net()
		if s.arrivedUs == 0 {
			net = 0
		}
		if t := w.transfers[id]; !moves(t, "settled", acc, receivable(s.issuer), net) {
			f.rule("M8", "settlements", key, "its transfer, once the money has arrived", fmt.Sprintf("settled, done, %v", legOf(acc, receivable(s.issuer), net)), t)
		}
		if (net != 0) != (s.by != "") || s.net() == 0 && s.arrivedUs == 0 {
			f.rule("M8", "settlements", key, "who has seen the money", "a member of staff, where money moved", s.by)
		}
		of[id] = net != 0
		arrived[acc] += net
	}
	for _, t := range w.ofKind("settled") {
		if !of[t.id] {
			f.rule("M8", journalTable, t.key(), "an arrival has its row", "a row of settlements", "none")
		}
	}
	for _, a := range sorted(w.accounts) {
		if a.kind == "settled" {
			equal(f, "ledger_accounts", a.id, "what has arrived, from settlements", -arrived[a.id], a.balance)
		}
	}
}

// arrivedFrom is what has arrived from a bank.
func (w *walletBooks) arrivedFrom(issuer string) (sum money.Yen) {
	for _, s := range w.settlements {
		if s.issuer == issuer && s.arrivedUs != 0 {
			sum += s.net()
		}
	}
	return sum
}

// settlements holds what the service was told against what the bank has signed and both sides' lines of the day.
func (s *statements) settlements(ours map[string][]wire.StatementLine) {
	signed := map[string]string{}
	for _, p := range s.bank.paid {
		if p.service != s.wallet.id {
			continue
		}
		signed[p.day] = p.text
		s.pair.PaidOut += p.net()
		equal(s.f, "settlement", p.day, "what the bank settled and the service has of the day", total(wire.StatementTotal{}, ours[p.day]), p.total)
	}
	for _, k := range s.wallet.settlements {
		if k.issuer == s.bank.issuer && k.text != signed[k.day] {
			s.f.rule("M8", "settlements", k.day, "the settlement is the bank's own", short(signed[k.day]), short(k.text))
		}
	}
	s.pair.Arrived = s.wallet.arrivedFrom(s.bank.issuer)
}
