package audit

import (
	"crypto/sha256"
	"fmt"

	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// replay works the books out anew from their journal, entry by entry. What it keeps in memory grows with the accounts,
// gates, limits, open holds and refunded transfers, and not with the entries.
type replay struct {
	r    *reader
	f    *finder
	most limit
	keep func(*transfer) // is handed every transfer, when it begins

	accounts map[int64]*ledgerAccount
	gates    map[int64]*ledgerGate
	limits   map[int64]*ledgerLimit
	open     map[int64]*held
	refunded map[int64]money.Yen // by the entry of the original, where something ever was

	last             int64 // entry
	lines, transfers int
	holds, pages     int64
	names            int64
	refundedMoves    int64

	group []entry // the entries of a transfer, until it is whole
	due   due
}

type ledgerAccount struct {
	account
	tail  []int64
	pages int64
	drift money.Yen // by how much what entries say of the balance is off: told once
}

type ledgerGate struct {
	gate
	meter
}

type ledgerLimit struct {
	limit
	meter
}

// booking is a leg between two accounts that exist.
type booking struct {
	debit, credit *ledgerAccount
	amount        money.Yen
}

// held is what is remembered of a hold until it ends.
type held struct {
	t        *transfer
	legs     []booking
	gate     *ledgerGate
	limits   []*ledgerLimit
	refunds  int64
	untilUs  int64
	refunded money.Yen
}

// due are rows beside the journal that must be there and are looked up together.
type due struct {
	names map[string]*entry // by key
	pages map[[2]int64][]int64
	fates map[int64]fate
}

// fate is a row of ledger_fates.
type fate struct {
	num, untilUs int64
	how          string
	endedUs      int64
	posted       money.Yen
	refunded     money.Yen
}

func newReplay(r *reader, f *finder, most limit) *replay {
	return &replay{r: r, f: f, most: most, keep: func(*transfer) {},
		accounts: map[int64]*ledgerAccount{}, gates: map[int64]*ledgerGate{}, limits: map[int64]*ledgerLimit{},
		open: map[int64]*held{}, refunded: map[int64]money.Yen{}, due: newDue()}
}

func newDue() due {
	return due{names: map[string]*entry{}, pages: map[[2]int64][]int64{}, fates: map[int64]fate{}}
}

const journalTable = "ledger_entries"

// wrong notes that an entry is not as it must be.
func (p *replay) wrong(e *entry, rule, what string, expected, found any) {
	p.f.rule(rule, journalTable, e.key(), what, expected, found)
}

// key is how an entry is named in a report.
func (e *entry) key() string {
	if e.id == "" {
		return fmt.Sprint(e.seq)
	}
	return fmt.Sprintf("%d %s", e.seq, e.id)
}

// run goes through the journal.
func (p *replay) run() {
	log := newLog(p.r, p.f)
	log.follow(p.entry)
	p.wholeGroup()
	p.flush()
	log.end()
	p.last = log.last
}

// entry takes the next entry.
func (p *replay) entry(e *entry) {
	if e.act == actLeg {
		if n := len(p.group); n > 0 && e.about == p.group[0].seq && e.seq == p.group[n-1].seq+1 && e.atUs == p.group[0].atUs {
			p.group = append(p.group, *e)
		} else {
			p.wrong(e, "", "a further leg follows those before it", "the transfer it is of", e.about)
		}
	} else {
		p.wholeGroup()
		p.group = append(p.group, *e)
	}
	if head := &p.group; len(*head) > 0 && int64(len(*head)) >= (*head)[0].legs {
		p.wholeGroup()
	}
}

// wholeGroup does what the entries of one request did.
func (p *replay) wholeGroup() {
	group := p.group
	if len(group) == 0 {
		return
	}
	p.group = nil
	head := &group[0]
	if want := max(1, head.legs); int64(len(group)) != want {
		p.wrong(head, "", "it is as many entries as it says", want, len(group))
	}
	switch head.act {
	case actOpen:
		p.openAccount(head)
	case actBound:
		p.bound(head)
	case actGate:
		p.setGate(head)
	case actLimit:
		p.setLimit(head)
	case actMove, actHold, actRefusal, actNoHold:
		p.transfer(head, group)
	case actPost, actVoid:
		p.endHold(head, group)
	case actBury:
		p.name("t", head)
		p.transfers++
		p.keep(&transfer{num: head.seq, id: head.id, outcome: "buried", atUs: head.atUs})
	default:
		p.wrong(head, "", "an act", "a known number", head.act)
	}
	if len(p.due.names)+len(p.due.pages)+len(p.due.fates) >= atATime {
		p.flush()
	}
}

// name notes where the name that an entry gives must be found.
func (p *replay) name(sort string, e *entry) {
	if e.id == "" {
		p.wrong(e, "", "it gives a name", "a name", "none")
		return
	}
	sum := sha256.Sum256([]byte(sort + e.id))
	key := string(sum[:16])
	p.names++
	if first, twice := p.due.names[key]; twice {
		p.wrong(e, "M12", "a name is given once", "no other than "+first.key(), e.key())
		return
	}
	p.due.names[key] = e
}

// flush looks up what is due.
func (p *replay) flush() {
	p.checkNames()
	p.checkPages()
	p.checkFates()
	p.due = newDue()
}

func (p *replay) checkNames() {
	if len(p.due.names) == 0 {
		return
	}
	keys := make([][]byte, 0, len(p.due.names))
	for k := range p.due.names {
		keys = append(keys, []byte(k))
	}
	type row struct {
		name []byte
		num  int64
	}
	found := map[string]int64{}
	among(p.r, `SELECT name, num FROM ledger_names WHERE name IN (SELECT c0 FROM {set})`, sqldb.Set{keys},
		func(n *row) []any { return []any{&n.name, &n.num} }, func(n row) { found[string(n.name)] = n.num })
	for _, k := range sortedKeys(p.due.names) {
		e := p.due.names[k]
		if num, ok := found[k]; !ok {
			p.f.add("ledger_names", fmt.Sprintf("%x %s", k, e.id), "a name is found", e.seq, "none")
		} else if num != e.seq {
			p.f.add("ledger_names", fmt.Sprintf("%x %s", k, e.id), "a name is found at the entry that gives it", e.seq, num)
		}
	}
}

func (p *replay) checkPages() {
	if len(p.due.pages) == 0 {
		return
	}
	var set [2][]int64
	for k := range p.due.pages {
		set[0], set[1] = append(set[0], k[0]), append(set[1], k[1])
	}
	type row struct {
		key   [2]int64
		lines []byte
	}
	found := map[[2]int64][]byte{}
	among(p.r, `SELECT p.account, p.first, p.lines FROM {set} JOIN ledger_pages AS p ON p.account = c0 AND p.first = c1`, sqldb.Set{set[0], set[1]},
		func(g *row) []any { return []any{&g.key[0], &g.key[1], &g.lines} }, func(g row) { found[g.key] = g.lines })
	for key, lines := range p.due.pages {
		id := fmt.Sprintf("%d/%d %s", key[0], key[1], p.accounts[key[0]].id)
		if got, ok := found[key]; !ok {
			p.f.add("ledger_pages", id, "a page of 32 lines", lines, "none")
		} else if string(got) != string(steps(lines)) {
			p.f.add("ledger_pages", id, "the lines of a page", lines, readable(got))
		}
	}
}

const selectFates = `SELECT num, until_us, how, ended_us, posted, refunded FROM ledger_fates `

func intoFate(f *fate) []any {
	return []any{&f.num, &f.untilUs, &f.how, &f.endedUs, &f.posted, &f.refunded}
}

// checkFates compares holds that have ended; what was refunded of them is compared at the end.
func (p *replay) checkFates() {
	if len(p.due.fates) == 0 {
		return
	}
	nums := make([]int64, 0, len(p.due.fates))
	for n := range p.due.fates {
		nums = append(nums, n)
	}
	found := map[int64]fate{}
	among(p.r, selectFates+`WHERE num IN (SELECT c0 FROM {set})`, sqldb.Set{nums}, intoFate, func(f fate) { found[f.num] = f })
	for n, want := range p.due.fates {
		if got, ok := found[n]; ok {
			p.sameFate(want, got)
		} else {
			p.f.add("ledger_fates", fmt.Sprint(n), "what became of a hold", want.how, "none")
		}
	}
}

func (p *replay) sameFate(want, got fate) {
	id := fmt.Sprint(want.num)
	equal(p.f, "ledger_fates", id, "until when it can be posted", want.untilUs, got.untilUs)
	equal(p.f, "ledger_fates", id, "what ended it", want.how, got.how)
	equal(p.f, "ledger_fates", id, "when it ended", want.endedUs, got.endedUs)
	equal(p.f, "ledger_fates", id, "what was posted of it", want.posted, got.posted)
}
