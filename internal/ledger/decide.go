package ledger

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kozamori/kozamori/internal/money"
)

// Decide answers the requests one after the other, each upon what the ones before it changed. It leaves the
// state as it is and reads no clock: the same state and requests always give the same answers.
func Decide(state *State, reqs []Request) ([]Result, *Changes) {
	d := newDecider(state, len(reqs))
	results := make([]Result, len(reqs))
	for i, r := range reqs {
		results[i] = d.decide(moment(r.At), r.Do)
	}
	d.collect()
	return results, d.c
}

// decider is a state while a batch is decided: the old rows, and over them those that are new.
type decider struct {
	old       *State
	up        *decider // the batch, where this is one call of it that may be given up; nil for the batch itself
	accounts  map[AccountID]*AccountRow
	transfers map[TransferID]*TransferRow
	gates     map[GateID]*GateRow
	limits    map[LimitID]*LimitRow
	fates     map[int64]TransferID
	last      int64 // the number of the last entry
	c         *Changes
}

func newDecider(state *State, requests int) *decider {
	return &decider{
		old:      state,
		accounts: make(map[AccountID]*AccountRow, 2*requests), transfers: make(map[TransferID]*TransferRow, requests),
		gates: map[GateID]*GateRow{}, limits: map[LimitID]*LimitRow{}, fates: map[int64]TransferID{},
		last: state.Head.Last,
		c:    &Changes{Entries: make([]Entry, 0, requests), Names: make([]Name, 0, requests), Closed: state.Head.Closed},
	}
}

// apart decides what comes next upon d, and leaves d as it is until join.
func (d *decider) apart() *decider {
	c := newDecider(d.old, 0)
	c.up, c.last, c.c.Closed = d, d.last, d.c.Closed
	return c
}

// join takes over what was decided apart.
func (d *decider) join(c *decider) {
	maps.Copy(d.accounts, c.accounts)
	maps.Copy(d.transfers, c.transfers)
	maps.Copy(d.gates, c.gates)
	maps.Copy(d.limits, c.limits)
	maps.Copy(d.fates, c.fates)
	d.last, d.c.Closed = c.last, c.c.Closed
	d.c.Entries = append(d.c.Entries, c.c.Entries...)
	d.c.Names = append(d.c.Names, c.c.Names...)
	d.c.Pages = append(d.c.Pages, c.c.Pages...)
}

func (d *decider) account(id AccountID) (*AccountRow, bool) {
	if row, ok := d.accounts[id]; ok || d.up == nil {
		return over(row, d.old.Accounts, id)
	}
	return d.up.account(id)
}

func (d *decider) transferOf(id TransferID) (*TransferRow, bool) {
	if row, ok := d.transfers[id]; ok || d.up == nil {
		return over(row, d.old.Transfers, id)
	}
	return d.up.transferOf(id)
}

func (d *decider) gate(id GateID) (*GateRow, bool) {
	if row, ok := d.gates[id]; ok || d.up == nil {
		return over(row, d.old.Gates, id)
	}
	return d.up.gate(id)
}

func (d *decider) limit(id LimitID) (*LimitRow, bool) {
	if row, ok := d.limits[id]; ok || d.up == nil {
		return over(row, d.old.Limits, id)
	}
	return d.up.limit(id)
}

// over is the new row, or the old one where there is none.
func over[K comparable, V any](row *V, old map[K]*V, id K) (*V, bool) {
	if row != nil {
		return row, true
	}
	row, ok := old[id]
	return row, ok
}

// own is a row that may be written into: this decider's copy of it.
func own[K comparable, V any](now map[K]*V, find func(K) (*V, bool), id K) *V {
	v, ok := now[id]
	if !ok {
		have, there := find(id)
		if !there {
			panic(fmt.Sprintf("ledger: the store did not load %v", id))
		}
		row := *have
		v = &row
		now[id] = v
	}
	return v
}

// learn adds rows to the old state. What is there already is newer.
func (d *decider) learn(s *State) {
	add(d.old.Accounts, s.Accounts)
	add(d.old.Transfers, s.Transfers)
	add(d.old.Gates, s.Gates)
	add(d.old.Limits, s.Limits)
}

func add[K comparable, V any](into, rows map[K]*V) {
	for id, row := range rows {
		if _, there := into[id]; !there {
			into[id] = row
		}
	}
}

// putOver puts the new rows over a state, and the parents of the gates among them, which who passes those must find.
func (d *decider) putOver(s *State) {
	maps.Copy(s.Accounts, d.accounts)
	maps.Copy(s.Transfers, d.transfers)
	maps.Copy(s.Gates, d.gates)
	maps.Copy(s.Limits, d.limits)
	for _, g := range d.gates {
		if p, ok := d.gate(g.Parent); ok {
			s.Gates[p.ID] = p
		}
	}
}

// moment is a time as the books keep it.
func moment(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// enter appends an entry to the journal and returns its number.
func (d *decider) enter(e Entry) int64 {
	d.last++
	e.Seq = d.last
	if e.At.After(d.c.Closed) {
		d.c.Closed = e.At
	}
	d.c.Entries = append(d.c.Entries, e)
	return e.Seq
}

// name makes a new name found.
func (d *decider) name(k Key, num int64) { d.c.Names = append(d.c.Names, Name{k, num}) }

func (d *decider) decide(at time.Time, do Action) Result {
	if _, note := do.(Note); note {
		return Result{Outcome: Done, At: at}
	}
	if !inRange(at) {
		return Result{Outcome: Overflow, At: at}
	}
	switch do := do.(type) {
	case Open:
		return d.open(at, do.Account)
	case Bound, Freeze, Close:
		return d.settle(at, do)
	case SetGate:
		return d.setGate(at, do)
	case SetLimit:
		return d.setLimit(at, do.Limit)
	case Tighten:
		return d.tighten(at, do.Limit)
	case Move:
		return d.transfer(at, do, nil)
	case Hold:
		return d.transfer(at, do.Move, &do)
	case Post:
		return d.post(at, do)
	case Void:
		return d.void(at, do.ID)
	case Bury:
		return d.bury(at, do.ID)
	}
	panic(fmt.Sprintf("ledger: no such action: %T", do))
}

func (d *decider) open(at time.Time, a Account) Result {
	if !validID(a.ID) || !isText(a.Kind, MaxID) || !validBounds(a.Floor, a.Ceiling) || a.Floor > 0 || a.Ceiling < 0 {
		return Result{Outcome: Overflow, At: at, Account: a.ID}
	}
	if have, ok := d.account(a.ID); ok {
		if have.Kind == a.Kind && have.Floor == a.Floor && have.Ceiling == a.Ceiling {
			return Result{Outcome: Done, Repeated: true, At: at}
		}
		return Result{Outcome: Mismatch, At: at, Account: a.ID}
	}
	a = Account{ID: a.ID, Kind: a.Kind, Floor: a.Floor, Ceiling: a.Ceiling, FrozenIn: a.FrozenIn, FrozenOut: a.FrozenOut}
	num := d.enter(Entry{Act: ActOpen, At: at, ID: string(a.ID), Detail: a.detail()})
	d.name(KeyOf(a.ID), num)
	d.accounts[a.ID] = &AccountRow{Account: a, Num: num}
	return Result{Outcome: Done, At: at}
}

func (a Account) detail() string {
	return detail(AccountDetail{Kind: a.Kind, Floor: a.Floor, Ceiling: a.Ceiling, In: a.FrozenIn, Out: a.FrozenOut, Closed: a.Closed})
}

// settle changes a setting of an account.
func (d *decider) settle(at time.Time, do Action) Result {
	var id AccountID
	var change func(*Account)
	switch do := do.(type) {
	case Bound:
		if !validBounds(do.Floor, do.Ceiling) {
			return Result{Outcome: Overflow, At: at, Account: do.Account}
		}
		id, change = do.Account, func(a *Account) { a.Floor, a.Ceiling = do.Floor, do.Ceiling }
	case Freeze:
		id, change = do.Account, func(a *Account) { a.FrozenIn, a.FrozenOut = do.In, do.Out }
	case Close:
		id, change = do.Account, func(a *Account) { a.Closed = true }
	}
	row, ok := d.account(id)
	if !ok {
		return Result{Outcome: Unknown, At: at, Account: id, Reason: "account"}
	}
	now := row.Account
	change(&now)
	switch {
	case now == row.Account:
		return Result{Outcome: Done, Repeated: now.Closed, At: at}
	case row.Closed:
		return Result{Outcome: Closed, At: at, Account: id}
	case now.Closed && (now.Balance != 0 || now.HeldIn != 0 || now.HeldOut != 0):
		return Result{Outcome: NotEmpty, At: at, Account: id, Left: now.Balance}
	}
	d.enter(Entry{Act: ActBound, At: at, Of: row.Num, Detail: now.detail()})
	own(d.accounts, d.account, id).Account = now
	return Result{Outcome: Done, At: at}
}

// collect lists the new rows, and stops the program if the books do not balance.
func (d *decider) collect() {
	var moved, held money.Yen
	for id, now := range d.accounts {
		was := Account{}
		if have, ok := d.old.Accounts[id]; ok {
			was = have.Account
		}
		moved += now.Balance - was.Balance
		held += now.HeldIn - was.HeldIn - (now.HeldOut - was.HeldOut)
		if was.Balance = now.Balance; was == now.Account {
			d.c.Balances = append(d.c.Balances, now)
		} else {
			d.c.Accounts = append(d.c.Accounts, now)
		}
	}
	if moved != 0 || held != 0 {
		panic(fmt.Sprintf("ledger: a batch changes the sum of all balances by %d, of holds by %d", moved, held))
	}
	for id, now := range d.gates {
		if have, ok := d.old.Gates[id]; ok && have.Gate == now.Gate {
			d.c.Passed = append(d.c.Passed, now)
		} else {
			d.c.Gates = append(d.c.Gates, now)
		}
	}
	for id, now := range d.limits {
		if have, ok := d.old.Limits[id]; ok && have.Limit == now.Limit {
			d.c.Used = append(d.c.Used, now)
		} else {
			d.c.Limits = append(d.c.Limits, now)
		}
	}
	for num, id := range d.fates {
		t := d.transfers[id]
		d.c.Fates = append(d.c.Fates, Fate{Num: num, Until: t.Until, End: t.End, Ended: t.Ended, Posted: t.Posted, Refunded: t.Refunded})
	}
	byNum(func(a *AccountRow) int64 { return a.Num }, d.c.Accounts, d.c.Balances)
	byNum(func(g *GateRow) int64 { return g.Num }, d.c.Gates, d.c.Passed)
	byNum(func(l *LimitRow) int64 { return l.Num }, d.c.Limits, d.c.Used)
	slices.SortFunc(d.c.Fates, func(a, b Fate) int { return cmp.Compare(a.Num, b.Num) })
}

// byNum sorts lists of rows by their numbers.
func byNum[R any](num func(R) int64, lists ...[]R) {
	for _, rows := range lists {
		slices.SortFunc(rows, func(a, b R) int { return cmp.Compare(num(a), num(b)) })
	}
}

// validID says whether something can be an identifier: not empty, not too long, text.
func validID[T ~string](id T) bool { return id != "" && isText(id, MaxID) }

// isText says whether every database keeps s as it is: UTF-8 without NUL.
func isText[T ~string](s T, limit int) bool {
	return len(s) <= limit && utf8.ValidString(string(s)) && strings.IndexByte(string(s), 0) < 0
}

func validBounds(floor, ceiling money.Yen) bool {
	return floor >= -money.Max && ceiling <= money.Max && floor <= ceiling
}

// inRange bounds times to what every database and the int64 of microseconds can keep.
func inRange(t time.Time) bool { return t.Year() >= 1970 && t.Year() <= 9999 && t.UnixMicro() > 0 }
