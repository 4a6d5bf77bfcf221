package audit

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/money"
)

// Report is what an audit found.
type Report struct {
	Agrees      bool         `json:"agrees"`
	Dir         string       `json:"dir"`
	AsOf        time.Time    `json:"as_of"` // by the roles' clock
	Books       []Books      `json:"books"`
	Pairs       []Pair       `json:"pairs"`
	Breaks      []Break      `json:"open_breaks"` // differences that people of the roles are looking into
	Differences []Difference `json:"differences"`

	// Debits is every charge, by its id: whoever made some can see that it was these books that were
	// looked at. Not part of what is printed.
	Debits map[string]Debit `json:"-"`
}

// Debit is one charge in the words of both companies.
type Debit struct {
	Service   string    `json:"service"`
	Bank      string    `json:"bank"`
	Amount    money.Yen `json:"amount"`
	AtService string    `json:"at_service"` // the state of the charge: "done", "refused", …
	AtBank    string    `json:"at_bank"`    // the outcome there: "booked", "refused", "never"; "" where the bank has none
}

// Books are the totals of one company.
type Books struct {
	Role        string  `json:"role"` // "wallet maru", "bank 0149", "hub"
	Accounts    int     `json:"accounts"`
	Transfers   int     `json:"transfers"`
	Lines       int     `json:"lines"`
	Signatures  int     `json:"signatures"` // verified
	Sums        []Total `json:"sums"`
	Differences int     `json:"differences"`

	// First is the difference that was met first: in the order of the journal, then table by table.
	First *Difference `json:"first,omitempty"`
}

// Total is the sum of the balances of one kind of account.
type Total struct {
	Kind string    `json:"kind"`
	Yen  money.Yen `json:"yen"`
}

// Pair is what a service and a bank say of their business with each other, each under its signature.
type Pair struct {
	Service string    `json:"service"`
	Bank    string    `json:"bank"`
	Issuer  string    `json:"issuer"`
	Days    []Day     `json:"days"`
	Owed    money.Yen `json:"owed"`     // by the bank's statements, settled or not
	Claimed money.Yen `json:"claimed"`  // by the service's
	PaidOut money.Yen `json:"paid_out"` // by the bank's settlements
	Arrived money.Yen `json:"arrived"`  // as the service has recorded
	Open    []Open    `json:"open"`     // charges and reversals without an end, apart
}

// Day is one Japanese day of a pair.
type Day struct {
	Day         string    `json:"day"`
	Provisional bool      `json:"provisional"` // the day is not over
	Debits      int       `json:"debits"`      // by the bank's statement
	Reversals   int       `json:"reversals"`
	Net         money.Yen `json:"net"`
	Agrees      bool      `json:"agrees"` // up to what is open
}

// Open is a charge or reversal that has no end at the service yet.
type Open struct {
	Debit  string    `json:"debit"`
	State  string    `json:"state"`
	Amount money.Yen `json:"amount"`
	AtBank string    `json:"at_bank"` // what the bank's statement has of it: "", "debit", "reversal"
}

// Break is a difference that a role has noted for a person to look into.
type Break struct {
	Role  string `json:"role"`
	Day   string `json:"day"`
	Debit string `json:"debit"`
	Kind  string `json:"kind"`
	Owner string `json:"owner"`
}

// Difference is one thing that is not as it must be.
type Difference struct {
	Role     string `json:"role"`  // whose books, or the pair
	Table    string `json:"table"` // or "statement"
	ID       string `json:"id"`
	What     string `json:"what"`
	Rule     string `json:"rule,omitempty"` // of the requirements
	Expected string `json:"expected"`
	Found    string `json:"found"`

	nth int // in the order of being met
}

// same says whether two looks saw the same difference; what was found may have moved on meanwhile.
func (d Difference) same(o Difference) bool {
	return d.Role == o.Role && d.Table == o.Table && d.ID == o.ID && d.What == o.What
}

// keep drops what an earlier look did not see.
func (r *Report) keep(before []Difference) {
	r.Differences = slices.DeleteFunc(r.Differences, func(d Difference) bool { return !slices.ContainsFunc(before, d.same) })
	r.settle()
}

// settle brings the report's parts into line with its differences.
func (r *Report) settle() {
	slices.SortStableFunc(r.Differences, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Table, b.Table), cmp.Compare(a.ID, b.ID), cmp.Compare(a.What, b.What))
	})
	r.Agrees = len(r.Differences) == 0
	for i := range r.Books {
		r.Books[i].Differences = r.count(r.Books[i].Role, "")
		r.Books[i].First = r.first(r.Books[i].Role)
	}
	for i := range r.Pairs {
		p := &r.Pairs[i]
		for j := range p.Days {
			p.Days[j].Agrees = r.count(p.role(), p.Days[j].Day) == 0
		}
	}
	if r.Differences == nil {
		r.Differences = []Difference{}
	}
}

// first is the difference of a role that was met first.
func (r *Report) first(role string) (first *Difference) {
	for i := range r.Differences {
		if d := &r.Differences[i]; d.Role == role && (first == nil || d.nth < first.nth) {
			first = d
		}
	}
	return first
}

// count counts the differences of a role, of one day where day is not "".
func (r *Report) count(role, day string) (n int) {
	for _, d := range r.Differences {
		if d.Role == role && (day == "" || strings.HasPrefix(d.ID, day+" ") || d.ID == day) {
			n++
		}
	}
	return n
}

func (p Pair) role() string { return p.Service + " ↔ " + p.Bank }

// finder collects what is wrong in one role.
type finder struct {
	role     string
	found    []Difference
	more     int // that are not named
	verified int // signatures
}

// mostNamed bounds the differences that are named of one role.
const mostNamed = 1000

// add notes a difference. expected and found are printed as %v.
func (f *finder) add(table, id, what string, expected, found any) {
	f.rule("", table, id, what, expected, found)
}

// rule is add with the id of the rule that is broken.
func (f *finder) rule(rule, table, id, what string, expected, found any) {
	f.note(Difference{Role: f.role, Table: table, ID: id, What: what, Rule: rule, Expected: short(expected), Found: short(found)})
}

// note is rule of a difference that is made.
func (f *finder) note(d Difference) {
	if len(f.found) >= mostNamed {
		f.more++
		return
	}
	d.nth = len(f.found)
	f.found = append(f.found, d)
}

// all lists what was found; beyond so many it says only how many there are.
func (f *finder) all() []Difference {
	if f.more == 0 {
		return f.found
	}
	return append(f.found, Difference{Role: f.role, Table: "all", ID: "more", What: "differences that are not named",
		Expected: "0", Found: fmt.Sprint(f.more), nth: len(f.found)})
}

// equal notes a difference where two values are not the same.
func equal[T comparable](f *finder, table, id, what string, expected, found T) {
	if expected != found {
		f.add(table, id, what, expected, found)
	}
}

// short keeps a value readable: signed texts are long.
func short(v any) string {
	s := fmt.Sprint(v)
	if len(s) > 200 {
		s = s[:160] + "…" + s[len(s)-30:]
	}
	return s
}

// Text writes the report in plain words.
func (r Report) Text(w io.Writer) error {
	p := printer{w: w}
	p.line("口座守の監査 / Kozamori audit of %s, %s (Japan)", r.Dir, r.AsOf.In(clock.Tokyo).Format("2006-01-02 15:04:05"))
	p.line("")
	p.line("各社の帳簿 / The books of each company, worked out anew")
	r.printBooks(&p)
	p.line("")
	p.line("会社どうし / Between companies, by statements that each signs, by Japanese day")
	r.printPairs(&p)
	for _, b := range r.Breaks {
		p.line("  open break: %s, %s, %s %s, owner %s", b.Role, b.Day, b.Kind, b.Debit, b.Owner)
	}
	p.line("")
	if r.Agrees {
		p.line("帳簿は一致しています。 / The books agree.")
		return p.err
	}
	p.line("一致しないもの %d件 / differences: %d", len(r.Differences), len(r.Differences))
	for _, d := range r.Differences {
		rule := ""
		if d.Rule != "" {
			rule = " (" + d.Rule + ")"
		}
		p.line("  %s, %s %s: %s%s\n      expected %s\n      found    %s", d.Role, d.Table, d.ID, d.What, rule, d.Expected, d.Found)
	}
	return p.err
}

func (r Report) printBooks(p *printer) {
	idle := 0
	for _, b := range r.Books {
		if b.Transfers == 0 && b.Differences == 0 && b.Signatures == 0 && b.Role != "hub" {
			idle++
			continue
		}
		verdict := "✓"
		if b.Differences > 0 {
			verdict = fmt.Sprintf("✗ differences: %d", b.Differences)
		}
		p.line("  %-12s %s  %d accounts, %d transfers, %d lines, %d signatures", b.Role, verdict, b.Accounts, b.Transfers, b.Lines, b.Signatures)
		var sums []string
		for _, t := range b.Sums {
			sums = append(sums, t.Kind+" "+t.Yen.Digits())
		}
		if len(sums) > 0 {
			p.line("               %s yen; together 0", strings.Join(sums, ", "))
		}
		if d := b.First; d != nil {
			p.line("               first %s %s: %s", d.Table, d.ID, d.What)
		}
	}
	if idle > 0 {
		p.line("  %d more without any movement ✓", idle)
	}
}

func (r Report) printPairs(p *printer) {
	if len(r.Pairs) == 0 {
		p.line("  nothing was booked between companies")
	}
	for _, pair := range r.Pairs {
		p.line("  %s: booked at the bank %s, claimed by the service %s; paid out %s, arrived %s", pair.role(), pair.Owed, pair.Claimed, pair.PaidOut, pair.Arrived)
		quiet := 0
		for _, d := range pair.Days {
			if d.Agrees && d.Debits+d.Reversals == 0 {
				quiet++
				continue
			}
			words := "both say the same"
			if !d.Agrees {
				words = "they differ"
			}
			if d.Provisional {
				words += " so far (the day is not over)"
			}
			p.line("    %s  debits %d, reversals %d, net %s: %s", d.Day, d.Debits, d.Reversals, d.Net, words)
		}
		if quiet > 0 {
			p.line("    and %d days on which both say that nothing was booked", quiet)
		}
		for _, o := range pair.Open {
			at := "not booked at the bank"
			if o.AtBank != "" {
				at = "the bank has booked the " + o.AtBank
			}
			p.line("    open, apart: %s %s %s; %s", o.Debit, o.State, o.Amount, at)
		}
	}
}

// printer writes lines and remembers the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
