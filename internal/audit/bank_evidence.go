package audit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// signedEvidence is a link of the chain as the bank signed it (L11).
type signedEvidence struct {
	wire.Header
	Seq     int64           `json:"seq"`
	Prev    string          `json:"prev"`
	Kind    string          `json:"kind"`
	Request string          `json:"request,omitempty"`
	Link    string          `json:"link,omitempty"`
	Account string          `json:"account,omitempty"`
	AtUs    int64           `json:"at_us"`
	Facts   json.RawMessage `json:"facts,omitempty"`
}

// Typ implements wire.Message.
func (*signedEvidence) Typ() string { return "kozamori-evidence+jwt" }

// checkEvidence follows the chain: numbers without a gap, each row signed, holding the hash of the one before,
// and saying what its columns say. What the chain says is then held against the debits.
func (b *bankBooks) checkEvidence(f *finder, now time.Time) {
	const table = "evidence"
	prev := ""
	var chain []signedEvidence
	for i, e := range b.evidence {
		id := fmt.Sprint(e.seq)
		if e.seq != int64(i+1) {
			f.rule("L11", table, id, "numbers without a gap", i+1, e.seq)
		}
		var m signedEvidence
		if !b.verify(f, table, id, &m, e.jws, b.issuer, now) {
			prev = e.hash
			continue
		}
		if e.prev != prev || m.Prev != prev || e.hash != wire.Hash(e.jws) {
			f.rule("L11", table, id, "the hash of the row before", prev, fmt.Sprintf("%s, signed %s", e.prev, m.Prev))
		}
		says := evidence{m.Seq, m.Kind, m.Request, m.Link, m.Account, m.AtUs, e.jws, m.Prev, e.hash}
		if e.prev = m.Prev; says != e {
			f.rule("L11", table, id, "the row says what was signed", fmt.Sprint(m.Seq, m.Kind, m.Request, m.Link, m.Account, m.AtUs),
				fmt.Sprint(e.seq, e.kind, e.request, e.link, e.account, e.atUs))
		}
		prev = e.hash
		chain = append(chain, m)
	}
	for _, m := range chain {
		if s, ok := spellOf(m, nil); ok && s.open && s.coolingUs < m.AtUs+(leastCooling-time.Second).Microseconds() {
			f.rule("L9", table, fmt.Sprint(m.Seq), "the cooling-off of "+m.Link, "at least "+leastCooling.String(), "until "+moment(s.coolingUs))
		}
	}
	b.checkHistory(f, chain)
}

// spell is a time in the life of a gate, from one piece of evidence to the next.
type spell struct {
	fromUs    int64
	open      bool
	coolingUs int64 // while open: nothing passes before
	proved    bool  // by a strong proof: the cap ends a day after the cooling (L9), else never (L13)
}

// The least that every configuration keeps to.
const (
	leastCooling = 12 * time.Hour
	leastLimited = 24 * time.Hour
)

// race is how much later than a change of its gate a debit may say it was decided and still have come first: the
// two were after one commit, and the clock was read before it (D2 allows a stop as long).
const race = 5 * time.Second

// checkHistory holds every booked debit against what the evidence says of its link at that moment: nothing
// while it was shut or cooling off, little while it was limited.
func (b *bankBooks) checkHistory(f *finder, chain []signedEvidence) {
	links, accounts := spells(chain)
	for _, l := range sorted(b.links) {
		if _, ok := links[l.id]; l.activatedUs != 0 && !ok {
			f.rule("L11", "link", l.id, "the evidence that it was activated", "evidence", "none")
		}
	}
	limited := map[string][]use{}
	for _, d := range b.debits {
		if d.outcome != wire.Booked {
			continue
		}
		key, link := d.service+"/"+string(d.id), string(d.link)
		if s := around(accounts[d.account], d.decidedUs, spell{open: true}); !slices.ContainsFunc(s, func(s spell) bool { return s.open }) {
			f.rule("D2", "debit", key, "no debit after everything was stopped", "stopped at "+moment(s[0].fromUs), moment(d.decidedUs))
		}
		s := around(links[link], d.decidedUs, spell{})
		at := func(s spell) bool { return s.open && d.decidedUs >= s.coolingUs }
		if !slices.ContainsFunc(s, at) {
			f.rule("L9", "debit", key, "its link was open and had cooled off when it was decided", "open", moment(d.decidedUs)+", "+fmt.Sprint(s))
		} else if !slices.ContainsFunc(s, func(s spell) bool { return at(s) && !s.limited(d.decidedUs) }) {
			limited[link] = append(limited[link], use{id: link, atUs: d.decidedUs, transfer: key, amount: d.amount})
		}
	}
	for _, link := range sortedKeys(limited) {
		checkLimited(f, link, limited[link])
	}
}

// spells are the lives of all gates as the chain tells them: of links, and of accounts that were stopped whole.
func spells(chain []signedEvidence) (links, accounts map[string][]spell) {
	links, accounts = map[string][]spell{}, map[string][]spell{}
	for _, m := range chain {
		if s, ok := spellOf(m, links[m.Link]); ok && m.Link != "" {
			links[m.Link] = append(links[m.Link], s)
		}
		if m.Link == "" && (m.Kind == "stopped_all" || m.Kind == "undone_all") {
			accounts[m.Account] = append(accounts[m.Account], spell{fromUs: m.AtUs, open: m.Kind == "undone_all"})
		}
	}
	return links, accounts
}

// limited says whether only little passes at a moment.
func (s spell) limited(us int64) bool {
	return !s.proved || us < s.coolingUs+leastLimited.Microseconds()
}

func (s spell) String() string {
	if !s.open {
		return "shut from " + moment(s.fromUs)
	}
	return "open from " + moment(s.fromUs) + ", cooling off until " + moment(s.coolingUs)
}

// around lists the spells that may have ruled at a moment: the one it lies in and, shortly after that began,
// the one before. before is how the gate was made.
func around(spells []spell, us int64, before spell) []spell {
	for i := len(spells) - 1; i >= 0; i-- {
		if us < spells[i].fromUs {
			continue
		}
		if i > 0 {
			before = spells[i-1]
		}
		if us >= spells[i].fromUs+race.Microseconds() {
			return spells[i : i+1]
		}
		return []spell{spells[i], before}
	}
	return []spell{before}
}

func moment(us int64) string { return clock.FromMicros(us).Format(time.RFC3339Nano) }

// spellOf reads what a piece of evidence did to the gate of its link.
func spellOf(m signedEvidence, before []spell) (spell, bool) {
	s := spell{fromUs: m.AtUs}
	if n := len(before); n > 0 {
		s.proved = before[n-1].proved
	}
	var facts struct {
		Proof     string `json:"proof"`
		CoolingUs int64  `json:"cooling_until_us"`
	}
	if len(m.Facts) > 0 && json.Unmarshal(m.Facts, &facts) != nil {
		facts.Proof = ""
	}
	switch m.Kind {
	case "activated":
		s.open, s.proved, s.coolingUs = true, facts.Proof != "code", facts.CoolingUs
		return s, true
	case "cooling", "undone":
		s.open, s.coolingUs = true, m.AtUs+leastCooling.Microseconds()
		return s, true
	case "confirmed":
		if n := len(before); n > 0 {
			s.open, s.coolingUs = before[n-1].open, before[n-1].coolingUs
		}
		s.proved = true
		return s, len(before) > 0
	case "suspended", "stopped", "revoked", "expired":
		return s, true
	}
	return s, false
}

// checkLimited looks whether more than the cap of the limited time passed in any 24 hours.
func checkLimited(f *finder, link string, uses []use) {
	slices.SortFunc(uses, func(x, y use) int { return cmp.Compare(x.atUs, y.atUs) })
	for i, u := range uses {
		var sum money.Yen
		for _, v := range uses[:i+1] {
			if v.atUs > u.atUs-(24*time.Hour).Microseconds() {
				sum += v.amount
			}
		}
		if sum > mostLimited {
			f.rule("L9", "link", link, "any 24 hours while it is limited: "+u.transfer, "at most "+mostLimited.Digits(), sum.Digits())
			return
		}
	}
}
