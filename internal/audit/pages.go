package audit

import (
	"fmt"
	"slices"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wire"
)

// keptPage is a page of statements that was exchanged while the day went by, as one side keeps it.
type keptPage struct {
	other       string // the bank's issuer, or the service
	day         string
	n           int
	after, upto id.Debit
	provisional bool
	fromService string // compact JWS
	fromBank    string
	// What the lines of each come to up to the end of the page; -1 lines were not counted.
	serviceTotal, bankTotal wire.StatementTotal
}

func (k keptPage) id() string { return fmt.Sprintf("%s page %d", k.day, k.n) }

// covers says whether a line lies on the page.
func (k keptPage) covers(l wire.StatementLine) bool {
	return l.Debit > k.after && (k.upto == "" || l.Debit <= k.upto)
}

// on lists the lines of a statement that lie on the page.
func (k keptPage) on(st *wire.Statement) *wire.Statement {
	out := *st
	out.Lines = nil
	for _, l := range st.Lines {
		if k.covers(l) {
			out.Lines = append(out.Lines, l)
		}
	}
	return &out
}

// ofWallet lists what the service keeps of exchanges with the bank.
func (s *statements) ofWallet() []keptPage { return pagesWith(s.wallet.pages, s.bank.issuer) }

// ofBank lists what the bank keeps of exchanges with the service.
func (s *statements) ofBank() []keptPage { return pagesWith(s.bank.pages, s.wallet.id) }

func pagesWith(pages []keptPage, other string) (out []keptPage) {
	for _, k := range pages {
		if k.other == other {
			out = append(out, k)
		}
	}
	return out
}

// kept holds the pages of a day that one side keeps against what both sides say today: nobody may have changed a day
// that is over. The pages follow each other, so that no line can have fallen between two.
func (s *statements) kept(table string, pages []keptPage, serviceNow, bankNow *wire.Statement) {
	before := keptPage{}
	for _, k := range pages {
		if k.day != serviceNow.Day {
			continue
		}
		if k.n != before.n+1 || k.after != before.upto || k.n > 1 && (k.after == "" || k.provisional != before.provisional) {
			s.f.add(table, k.id(), "a page begins where the one before ends", fmt.Sprintf("page %d after %q", before.n+1, before.upto), fmt.Sprintf("page %d after %q", k.n, k.after))
		}
		if ours, theirs, ok := s.page(table, k); ok {
			s.pageTotals(table, k, before, ours, theirs, bankNow)
			s.grown(table, k, "the bank", k.on(theirs), k.on(bankNow), nil)
			late := map[id.Debit]bool{} // what the service had not heard of then
			for _, d := range ours.Open {
				late[d] = true
			}
			for _, l := range theirs.Lines {
				late[l.Debit] = true
			}
			s.grown(table, k, "the service", k.on(ours), k.on(serviceNow), late)
		}
		before = k
	}
}

// page reads the two statements of a page and looks whether they are of it.
func (s *statements) page(table string, k keptPage) (ours, theirs *wire.Statement, ok bool) {
	ours, theirs = &wire.Statement{}, &wire.Statement{}
	ok = verify(s.f, table, k.id(), ours, k.fromService, s.wallet.public, s.wallet.id, s.bank.issuer, s.now)
	ok = verify(s.f, table, k.id(), theirs, k.fromBank, s.bank.public, s.bank.issuer, s.wallet.id, s.now) && ok
	if !ok {
		return nil, nil, false
	}
	if ours.Day != k.day || theirs.Day != k.day || ours.Provisional != k.provisional || !k.provisional && theirs.Provisional {
		s.f.add(table, k.id(), "what was exchanged is of that day", fmt.Sprint(k.day, k.provisional), fmt.Sprint(ours.Day, ours.Provisional, theirs.Day, theirs.Provisional))
		return nil, nil, false
	}
	reaches := ours.Upto == "" || k.upto != "" && k.upto <= ours.Upto
	if ours.After != k.after || theirs.After != k.after || theirs.Upto != k.upto || !reaches {
		s.f.add(table, k.id(), "what was exchanged is of that page", fmt.Sprintf("%q to %q", k.after, k.upto),
			fmt.Sprintf("%q to %q, %q to %q", ours.After, ours.Upto, theirs.After, theirs.Upto))
		return nil, nil, false
	}
	return ours, theirs, true
}

// pageTotals counts the pages: what each side has signed up to here, and on the last page of the whole day.
func (s *statements) pageTotals(table string, k, before keptPage, ours, theirs, bankNow *wire.Statement) {
	if table == "statement_pages" && k.serviceTotal.Lines >= 0 {
		equal(s.f, table, k.id(), "what the service's lines come to up to here", total(before.serviceTotal, k.on(ours).Lines), k.serviceTotal)
		equal(s.f, table, k.id(), "what the bank's lines come to up to here", total(before.bankTotal, theirs.Lines), k.bankTotal)
		if ours.Total != nil && k.upto == "" {
			equal(s.f, table, k.id(), "the total that the service signed", k.serviceTotal, *ours.Total)
		}
	}
	if theirs.Total != nil && !theirs.Provisional {
		equal(s.f, table, k.id(), "the total that the bank signed", total(wire.StatementTotal{}, bankNow.Lines), *theirs.Total)
	}
}

// total counts lines in.
func total(t wire.StatementTotal, lines []wire.StatementLine) wire.StatementTotal {
	for _, l := range lines {
		t.Lines++
		switch l.Kind {
		case "debit":
			t.Debits += l.Amount
		case "reversal":
			t.Reversals += l.Amount
		}
	}
	return t
}

// grown looks whether a page still says what was signed of it. A day that was not over may have grown; one that was
// over only by what is late.
func (s *statements) grown(table string, k keptPage, who string, then, now *wire.Statement, late map[id.Debit]bool) {
	before, today := s.byLine(table, then), s.byLine(table, now)
	for _, l := range then.Lines {
		key := lineOf{l.Debit, l.Kind}
		if is, ok := today[key]; !ok || is != l {
			s.f.add(table, s.lineID(k.day, key), who+" has changed what it had signed", describe(l), describe(is))
		}
	}
	if k.provisional {
		return
	}
	for _, l := range now.Lines {
		if key := (lineOf{l.Debit, l.Kind}); before[key].Debit == "" && !late[l.Debit] {
			s.f.add(table, s.lineID(k.day, key), who+" has added to a day that was over", "in the statement of then", describe(l))
		}
	}
}

// pageDebits is how many debits we put on a page.
const pageDebits = 200

// inPages cuts the statement of a day.
func inPages(st *wire.Statement) (pages []*wire.Statement) {
	var debits []id.Debit
	for _, l := range st.Lines {
		debits = append(debits, l.Debit)
	}
	debits = append(debits, st.Open...)
	slices.Sort(debits)
	debits = slices.Compact(debits)
	after := id.Debit("")
	for {
		k := keptPage{after: after}
		if len(debits) > pageDebits {
			k.upto = debits[pageDebits-1]
			debits = debits[pageDebits:]
		}
		page := k.on(st)
		page.After, page.Upto, page.Open = k.after, k.upto, []id.Debit{}
		for _, d := range st.Open {
			if k.covers(wire.StatementLine{Debit: d}) {
				page.Open = append(page.Open, d)
			}
		}
		if page.Lines == nil {
			page.Lines = []wire.StatementLine{}
		}
		if pages = append(pages, page); k.upto == "" {
			return pages
		}
		after = k.upto
	}
}
