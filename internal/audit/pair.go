package audit

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// Companies never share files. What is compared here is only what each side signed: both work their statements
// of each day out of their own books, sign them with their own keys, and the other side verifies them with the
// keys it has pinned. The statements that were exchanged while the days went by are held against them as well.

// name gives an issuer to a bank that has never signed anything, as the services know it by their links.
func name(banks []*bankBooks, wallets []*walletBooks) {
	for _, b := range banks {
		for _, w := range wallets {
			for issuer, code := range w.codeOf {
				if b.issuer == "" && code == b.code {
					b.issuer = issuer
				}
			}
		}
	}
}

// compareAll compares every service with every bank that it has business with.
func compareAll(wallets []*walletBooks, banks []*bankBooks, f *finder, now time.Time) (pairs []Pair) {
	for _, w := range wallets {
		for _, b := range banks {
			s := statements{wallet: w, bank: b, f: f, now: now}
			if s.any() {
				pairs = append(pairs, s.compare())
			}
		}
		for _, c := range w.charges {
			if !slices.ContainsFunc(banks, func(b *bankBooks) bool { return b.issuer == c.issuer }) {
				f.role = w.role
				f.add("charges", string(c.debit), "the books of its bank", c.issuer, "no such bank here")
			}
		}
	}
	return pairs
}

// statements is the comparison of one service with one bank.
type statements struct {
	wallet *walletBooks
	bank   *bankBooks
	f      *finder
	now    time.Time
	pair   Pair
	open   map[id.Debit]Open
	unsaid money.Yen // net of the lines that only the bank has: each is a difference of its own
}

// any says whether the two have anything to compare.
func (s *statements) any() bool {
	if s.bank.issuer == "" {
		return false
	}
	return slices.ContainsFunc(s.wallet.charges, func(c charge) bool { return c.issuer == s.bank.issuer }) ||
		slices.ContainsFunc(s.bank.debits, func(d bankDebit) bool { return d.service == s.wallet.id }) ||
		len(s.ofWallet()) > 0 || len(s.ofBank()) > 0
}

func (s *statements) compare() Pair {
	s.pair = Pair{Service: s.wallet.id, Bank: s.bank.code, Issuer: s.bank.issuer, Days: []Day{}, Open: []Open{}}
	s.f.role = s.pair.role()
	ours, theirs := s.wallet.linesFor(s.bank.issuer), s.bank.linesFor(s.wallet.id)
	s.open = s.wallet.openAt(s.bank.issuer)
	days := map[string]bool{}
	for day := range ours {
		days[day] = true
	}
	for day := range theirs {
		days[day] = true
	}
	for _, k := range append(s.ofWallet(), s.ofBank()...) {
		days[k.day] = true
	}
	for _, day := range sortedKeys(days) {
		if days[day] {
			s.day(day, ours[day], theirs[day])
		}
	}
	for _, debit := range sortedDebits(s.open) {
		s.pair.Open = append(s.pair.Open, s.open[debit])
	}
	s.settlements(ours)
	s.sums()
	return s.pair
}

// day lets both sides sign their statement of a day, and compares the two as each has received it.
func (s *statements) day(day string, ours, theirs []wire.StatementLine) {
	provisional := day >= clock.Day(s.now)
	var open []id.Debit
	for _, d := range sortedDebits(s.open) {
		open = append(open, d)
	}
	fromService, ok1 := s.exchange(s.wallet.signer, s.wallet.id, s.bank.issuer, &wire.Statement{Day: day, Provisional: provisional, Lines: ours, Open: open})
	fromBank, ok2 := s.exchange(s.bank.signer, s.bank.issuer, s.wallet.id, &wire.Statement{Day: day, Provisional: provisional, Lines: theirs, Open: []id.Debit{}})
	if !ok1 || !ok2 {
		return
	}
	d := Day{Day: day, Provisional: provisional}
	for _, l := range fromBank.Lines {
		if l.Kind == "debit" {
			d.Debits++
			d.Net += l.Amount
		} else {
			d.Reversals++
			d.Net -= l.Amount
		}
	}
	for _, l := range fromService.Lines {
		s.pair.Claimed += net(l)
	}
	s.pair.Owed += d.Net
	s.pair.Days = append(s.pair.Days, d)
	s.differ("statement", fromService, fromBank)
	s.kept("statement_pages", s.ofWallet(), fromService, fromBank)
	s.kept("statement_page", s.ofBank(), fromService, fromBank)
}

func net(l wire.StatementLine) money.Yen {
	if l.Kind == "reversal" {
		return -l.Amount
	}
	return l.Amount
}

// exchange signs the statement of a day as one side and takes it as the other, in pages as the two do.
func (s *statements) exchange(from signer, iss, aud string, st *wire.Statement) (*wire.Statement, bool) {
	whole := &wire.Statement{Header: wire.Header{Issuer: iss, Audience: aud}, Day: st.Day, Provisional: st.Provisional}
	sum := total(wire.StatementTotal{}, st.Lines)
	for _, page := range inPages(st) {
		page.Header = wire.Header{Issuer: iss, Audience: aud, IssuedAt: s.now.Unix()}
		if page.Upto == "" {
			page.Total = &sum
		}
		text, err := wire.Sign(from.private, page)
		if err != nil {
			s.f.add("statement", st.Day, "a statement that "+iss+" can sign", "a signature", err)
			return nil, false
		}
		var got wire.Statement
		if !verify(s.f, "statement", st.Day, &got, text, from.public, iss, aud, s.now) {
			return nil, false
		}
		whole.Lines, whole.Open = append(whole.Lines, got.Lines...), append(whole.Open, got.Open...)
	}
	return whole, true
}

type lineOf struct {
	debit id.Debit
	kind  string
}

// byLine indexes a statement; a line that stands twice is noted.
func (s *statements) byLine(table string, st *wire.Statement) map[lineOf]wire.StatementLine {
	m := map[lineOf]wire.StatementLine{}
	for _, l := range st.Lines {
		key := lineOf{l.Debit, l.Kind}
		if _, twice := m[key]; twice {
			s.f.rule("M12", table, s.lineID(st.Day, key), "once in the statement of "+st.Issuer, 1, "more than once")
		}
		m[key] = l
	}
	return m
}

func (s *statements) lineID(day string, l lineOf) string {
	return fmt.Sprintf("%s %s %s", day, l.kind, l.debit)
}

// differ compares two statements of a day line by line. A line that only the bank has is no difference while
// the service lists its debit as open: it stands apart until the service has heard.
func (s *statements) differ(table string, ours, theirs *wire.Statement) {
	have, got := s.byLine(table, ours), s.byLine(table, theirs)
	open := map[id.Debit]bool{}
	for _, d := range ours.Open {
		open[d] = true
	}
	for _, l := range theirs.Lines {
		key := lineOf{l.Debit, l.Kind}
		mine, ok := have[key]
		switch {
		case !ok && open[l.Debit]:
			o := s.open[l.Debit]
			o.AtBank = l.Kind
			s.open[l.Debit] = o
		case !ok:
			s.unsaid += net(l)
			s.f.rule("M12", table, s.lineID(ours.Day, key), "the bank has it, the service has not", "in both statements", describe(l))
		case mine != l:
			s.f.rule("M8", table, s.lineID(ours.Day, key), "the service says other than the bank", describe(l), describe(mine))
		}
	}
	for _, l := range ours.Lines {
		if key := (lineOf{l.Debit, l.Kind}); got[key].Debit == "" {
			s.f.rule("M12", table, s.lineID(ours.Day, key), "the service has it, the bank has not", "in both statements", describe(l))
		}
	}
}

func describe(l wire.StatementLine) string {
	return fmt.Sprintf("%s %s over %s at %s, receipt %.12s", l.Kind, l.Amount, l.Link, clock.FromMicros(l.BookedUs).Format(time.RFC3339Nano), l.Receipt)
}

// sums compares what the bank says it owes with what the service claims: equal, up to what is open. A line that
// only the bank has stands apart too: it has been named by its id, and while roles work each look finds another.
func (s *statements) sums() {
	apart := s.unsaid
	for _, o := range s.pair.Open {
		switch o.AtBank {
		case "debit":
			apart += o.Amount
		case "reversal":
			apart -= o.Amount
		}
	}
	equal(s.f, "statement", "all days", "what the bank owes and the service claims, open charges apart", s.pair.Owed, s.pair.Claimed+apart)
	receivable := -s.wallet.accounts[receivable(s.bank.issuer)].balance
	onTheWay := s.pair.PaidOut - s.pair.Arrived
	equal(s.f, "settlement", "all days", "the service's receivable: what the bank owes, and what it paid out and has not arrived",
		s.bank.accounts["service/"+s.wallet.id].balance+onTheWay, receivable+apart)
}

func sortedDebits(m map[id.Debit]Open) []id.Debit {
	out := make([]id.Debit, 0, len(m))
	for d := range m {
		out = append(out, d)
	}
	slices.Sort(out)
	return out
}

// linesFor lists what a bank has booked for a service, by Japanese day.
func (b *bankBooks) linesFor(service string) map[string][]wire.StatementLine {
	var all []wire.StatementLine
	for _, d := range b.debits {
		if d.service == service && d.outcome == wire.Booked {
			all = append(all, wire.StatementLine{Kind: "debit", Debit: d.id, Link: d.link, Amount: d.amount, BookedUs: d.decidedUs, Receipt: wire.Hash(d.receipt)})
		}
	}
	for _, v := range b.reversals {
		if v.service == service && v.outcome == "reversed" {
			all = append(all, wire.StatementLine{Kind: "reversal", Debit: v.debit, Link: v.link, Amount: v.amount, BookedUs: v.atUs, Receipt: wire.Hash(v.receipt)})
		}
	}
	return byDay(all)
}

// linesFor lists what a service has of a bank's debits and reversals, by the day of the bank's receipts.
func (w *walletBooks) linesFor(issuer string) map[string][]wire.StatementLine {
	var all []wire.StatementLine
	for _, c := range w.charges {
		if c.issuer != issuer || c.state != "done" && c.state != "reversing" && c.state != "reversed" {
			continue
		}
		all = append(all, wire.StatementLine{Kind: "debit", Debit: c.debit, Link: c.link, Amount: c.amount, BookedUs: c.bookedUs, Receipt: wire.Hash(c.receipt)})
		if v := w.reversals[c.debit]; v.receipt != "" {
			all = append(all, wire.StatementLine{Kind: "reversal", Debit: c.debit, Link: c.link, Amount: c.amount, BookedUs: v.bookedUs, Receipt: wire.Hash(v.receipt)})
		}
	}
	return byDay(all)
}

// byDay sorts lines into Japanese days, in the order of a statement.
func byDay(all []wire.StatementLine) map[string][]wire.StatementLine {
	slices.SortFunc(all, func(a, b wire.StatementLine) int {
		return cmp.Or(cmp.Compare(a.Debit, b.Debit), cmp.Compare(a.Kind, b.Kind))
	})
	days := map[string][]wire.StatementLine{}
	for _, l := range all {
		day := clock.Day(clock.FromMicros(l.BookedUs))
		days[day] = append(days[day], l)
	}
	return days
}

// openAt lists what has no end yet at the service: charges the bank was asked for, reversals under way.
func (w *walletBooks) openAt(issuer string) map[id.Debit]Open {
	open := map[id.Debit]Open{}
	for _, c := range w.charges {
		if c.issuer == issuer && (c.state == "sent" || c.state == "pending" || c.state == "reversing") {
			open[c.debit] = Open{Debit: string(c.debit), State: c.state, Amount: c.amount}
		}
	}
	return open
}
