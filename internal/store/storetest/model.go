package storetest

import (
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// model is the ledger as one would write it without a thought for speed: it remembers what happened, and
// works everything else out anew whenever it is asked.
type model struct {
	accounts map[ledger.AccountID]*ledger.Account // balances and holds are not used
	gates    map[ledger.GateID]ledger.Gate
	limits   map[ledger.LimitID]ledger.Limit
	seen     []*event

	used map[string]*usage // by "limit …" and "gate …"
}

// usage is what was used of a limit or gate.
type usage struct {
	uses   []*used
	latest time.Time // the date of the latest there ever was, given back or not
	gone   time.Time // the latest of those that were older than every window, and a day more, when another came
}

type used struct {
	at     time.Time
	amount money.Yen
}

// event is what stands under an id.
type event struct {
	move   ledger.Move
	hold   bool
	until  time.Time
	result ledger.Result
	end    ledger.End
	ended  time.Time
	part   []money.Yen // of each leg, once posted
}

func newModel() *model {
	return &model{
		accounts: map[ledger.AccountID]*ledger.Account{}, gates: map[ledger.GateID]ledger.Gate{}, limits: map[ledger.LimitID]ledger.Limit{},
		used: map[string]*usage{},
	}
}

// moved says whether the event's money has moved, waits whether it is held.
func (e *event) moved() bool {
	return e.result.Outcome == ledger.Done && (!e.hold || e.end == ledger.Posted)
}
func (e *event) waits() bool { return e.result.Outcome == ledger.Done && e.hold && e.end == "" }

// book returns the account with its balance and holds worked out.
func (m *model) book(id ledger.AccountID) (ledger.Account, bool) {
	open, ok := m.accounts[id]
	if !ok {
		return ledger.Account{}, false
	}
	a := *open
	for _, e := range m.seen {
		for i, l := range e.move.Legs {
			if e.moved() && l.Credit == id {
				a.Balance += e.amount(i)
			}
			if e.moved() && l.Debit == id {
				a.Balance -= e.amount(i)
			}
			if e.waits() && l.Credit == id {
				a.HeldIn += l.Amount
			}
			if e.waits() && l.Debit == id {
				a.HeldOut += l.Amount
			}
		}
	}
	return a, true
}

// amount is what leg i has moved, or holds.
func (e *event) amount(i int) money.Yen {
	if e.part != nil {
		return e.part[i]
	}
	return e.move.Legs[i].Amount
}

func (e *event) sum() (sum money.Yen) {
	for i := range e.move.Legs {
		sum += e.amount(i)
	}
	return sum
}

// counts says whether the event counts against its limits, its gate and what it refunds.
func (e *event) counts() bool { return e.moved() || e.waits() }

// meters are what a transfer uses, and how long each looks back.
func meters(mv ledger.Move) map[string]time.Duration {
	list := map[string]time.Duration{}
	for _, l := range mv.Limits {
		list["limit "+string(l)] = 30 * 24 * time.Hour
	}
	if mv.Gate != "" {
		list["gate "+string(mv.Gate)] = 24 * time.Hour
	}
	return list
}

// sumOf is what counts at a moment. Where one that is gone would count again, everything does.
func (m *model) sumOf(meter string, at time.Time, window time.Duration) (sum money.Yen) {
	u := m.used[meter]
	if u == nil {
		return 0
	}
	if u.gone.After(at.Add(-window)) {
		return money.Max
	}
	for _, one := range u.uses {
		if one.at.After(at.Add(-window)) {
			sum += one.amount
		}
	}
	return sum
}

// spend counts an amount, not before the latest that counts already.
func (m *model) spend(mv ledger.Move, at time.Time) {
	for meter, longest := range meters(mv) {
		u := m.used[meter]
		if u == nil {
			u = &usage{}
			m.used[meter] = u
		}
		date := at
		if u.latest.After(date) {
			date = u.latest
		}
		u.uses = append(u.uses, &used{date, mv.Sum()})
		u.latest = date
		for _, one := range u.uses {
			if !one.at.After(date.Add(-longest-24*time.Hour)) && one.amount > 0 {
				one.amount = 0
				if one.at.After(u.gone) {
					u.gone = one.at
				}
			}
		}
		u.uses = slices.DeleteFunc(u.uses, func(one *used) bool { return one.amount == 0 })
	}
}

// giveBack takes an amount from the oldest uses that may hold it; what may be gone already is given back to nobody.
func (m *model) giveBack(mv ledger.Move, at time.Time, amount money.Yen) {
	for meter := range meters(mv) {
		if !at.After(m.used[meter].gone) {
			continue
		}
		rest := amount
		for _, one := range m.used[meter].uses {
			if !one.at.Before(at) {
				part := min(rest, one.amount)
				one.amount, rest = one.amount-part, rest-part
			}
		}
		m.used[meter].uses = slices.DeleteFunc(m.used[meter].uses, func(one *used) bool { return one.amount == 0 })
	}
}

func (m *model) find(id ledger.TransferID) *event {
	i := slices.IndexFunc(m.seen, func(e *event) bool { return e.move.ID == id })
	if i < 0 {
		return nil
	}
	return m.seen[i]
}

func (m *model) decide(at time.Time, do ledger.Action) ledger.Result {
	r := ledger.Result{Outcome: ledger.Done, At: at}
	switch do := do.(type) {
	case ledger.Open:
		a := do.Account
		m.accounts[a.ID] = &a
	case ledger.Bound:
		a := m.accounts[do.Account]
		if a.Closed && (a.Floor != do.Floor || a.Ceiling != do.Ceiling) {
			return ledger.Result{Outcome: ledger.Closed, At: at, Account: a.ID}
		}
		a.Floor, a.Ceiling = do.Floor, do.Ceiling
		r.Repeated = a.Closed
	case ledger.Freeze:
		a := m.accounts[do.Account]
		if a.Closed && (a.FrozenIn != do.In || a.FrozenOut != do.Out) {
			return ledger.Result{Outcome: ledger.Closed, At: at, Account: a.ID}
		}
		a.FrozenIn, a.FrozenOut = do.In, do.Out
		r.Repeated = a.Closed
	case ledger.Close:
		a, _ := m.book(do.Account)
		if a.Balance != 0 || a.HeldIn != 0 || a.HeldOut != 0 {
			return ledger.Result{Outcome: ledger.NotEmpty, At: at, Account: a.ID, Left: a.Balance}
		}
		r.Repeated = a.Closed
		m.accounts[do.Account].Closed = true
	case ledger.SetLimit:
		m.limits[do.Limit.ID] = do.Limit
	case ledger.Tighten:
		have, ok := m.limits[do.Limit.ID]
		if !ok {
			return ledger.Result{Outcome: ledger.Unknown, At: at, Limit: do.Limit.ID, Reason: "limit"}
		}
		for _, w := range []struct{ have, most *money.Yen }{
			{&have.Each, &do.Limit.Each}, {&have.Day, &do.Limit.Day}, {&have.Month, &do.Limit.Month},
		} {
			if *w.most < *w.have {
				*w.have = *w.most
			}
		}
		m.limits[have.ID] = have
	case ledger.SetGate:
		g := do.Gate
		g.Version = do.IfVersion + 1 // the test always knows the version
		m.gates[g.ID] = g
	case ledger.Bury:
		if e := m.find(do.ID); e != nil {
			return e.again()
		}
		r.Outcome = ledger.Buried
		m.seen = append(m.seen, &event{move: ledger.Move{ID: do.ID}, result: r})
	case ledger.Post:
		return m.end(at, do.ID, ledger.Posted, do.Part)
	case ledger.Void:
		return m.end(at, do.ID, ledger.Voided, nil)
	case ledger.Hold:
		return m.transfer(at, do.Move, true, do.Until)
	case ledger.Move:
		return m.transfer(at, do, false, time.Time{})
	}
	return r
}

func (e *event) again() ledger.Result {
	r := e.result
	r.Repeated, r.Open, r.Voided = true, e.waits(), e.end == ledger.Voided
	return r
}

func (m *model) end(at time.Time, id ledger.TransferID, how ledger.End, part []money.Yen) ledger.Result {
	e := m.find(id)
	if e != nil && e.result.Outcome == ledger.Buried {
		return e.again()
	}
	if e == nil || !e.hold || e.result.Outcome != ledger.Done {
		return ledger.Result{Outcome: ledger.Unknown, Reason: "hold", At: at}
	}
	r := ledger.Result{Outcome: ledger.Done, At: at, Voided: how == ledger.Voided}
	if e.end != "" && e.end != how {
		return ledger.Result{Outcome: ledger.Ended, At: e.ended, Voided: e.end == ledger.Voided}
	}
	if how == ledger.Posted {
		if part == nil {
			for _, l := range e.move.Legs {
				part = append(part, l.Amount)
			}
		}
		sum := money.Yen(0)
		for i, p := range part {
			if len(part) != len(e.move.Legs) || p < 0 || p > e.move.Legs[i].Amount {
				return ledger.Result{Outcome: ledger.Overflow, At: at}
			}
			sum += p
		}
		switch {
		case sum == 0:
			return ledger.Result{Outcome: ledger.Overflow, At: at}
		case e.end == how && sum != e.sum():
			return ledger.Result{Outcome: ledger.Mismatch, At: e.ended}
		case e.end == "" && !e.until.IsZero() && at.UnixMicro() >= e.until.UnixMicro():
			return ledger.Result{Outcome: ledger.Expired, At: at, Until: e.until}
		}
	}
	if e.end == how {
		r.Repeated, r.At = true, e.ended
		return r
	}
	e.end, e.ended, e.part = how, at, part
	if back := e.move.Sum() - e.sum(); how == ledger.Posted && back > 0 {
		m.giveBack(e.move, e.result.At, back)
	} else if how == ledger.Voided {
		m.giveBack(e.move, e.result.At, e.move.Sum())
	}
	return r
}

func (m *model) transfer(at time.Time, mv ledger.Move, hold bool, until time.Time) ledger.Result {
	if e := m.find(mv.ID); e != nil {
		if e.result.Outcome != ledger.Buried && !(e.hold == hold && e.until.Equal(until) && sameMove(e.move, mv)) {
			return ledger.Result{Outcome: ledger.Mismatch, At: e.result.At}
		}
		return e.again()
	}
	if mv.Refunds == mv.ID {
		return ledger.Result{Outcome: ledger.Overflow, At: at}
	}
	r := m.judge(at, mv, hold)
	r.At = at
	if r.Outcome == ledger.Done || mv.Final && r.Outcome != ledger.Unknown {
		m.seen = append(m.seen, &event{move: mv, hold: hold, until: until, result: r})
	}
	if r.Outcome == ledger.Done {
		m.spend(mv, at)
	}
	r.Open = r.Outcome == ledger.Done && hold
	return r
}

func sameMove(a, b ledger.Move) bool {
	set := func(ids []ledger.LimitID) []ledger.LimitID {
		return slices.Compact(slices.Sorted(slices.Values(ids)))
	}
	return a.Kind == b.Kind && a.Gate == b.Gate && a.Memo == b.Memo && a.Refunds == b.Refunds && slices.Equal(a.Legs, b.Legs) && slices.Equal(set(a.Limits), set(b.Limits))
}

func (m *model) judge(at time.Time, mv ledger.Move, hold bool) ledger.Result {
	if r := m.exists(mv); r.Outcome != 0 {
		return r
	}
	if r := m.gate(at, mv); r.Outcome != 0 {
		return r
	}
	for _, l := range mv.Legs {
		for _, side := range []ledger.AccountID{l.Debit, l.Credit} {
			a := m.accounts[side]
			switch {
			case a.Closed:
				return ledger.Result{Outcome: ledger.Closed, Account: side}
			case debits(mv, side) && a.FrozenOut, credits(mv, side) && a.FrozenIn:
				return ledger.Result{Outcome: ledger.Frozen, Account: side}
			}
		}
	}
	if r := m.refundable(mv); r.Outcome != 0 {
		return r
	}
	for _, id := range slices.Sorted(slices.Values(mv.Limits)) {
		if r := m.limit(at, id, mv.Sum()); r.Outcome != 0 {
			return r
		}
	}
	return m.funds(mv, hold)
}

// exists says what a transfer names that is not there.
func (m *model) exists(mv ledger.Move) ledger.Result {
	if _, ok := m.gates[mv.Gate]; mv.Gate != "" && !ok {
		return ledger.Result{Outcome: ledger.Unknown, Reason: "gate"}
	}
	for _, l := range mv.Legs {
		for _, side := range []ledger.AccountID{l.Debit, l.Credit} {
			if _, ok := m.accounts[side]; !ok {
				return ledger.Result{Outcome: ledger.Unknown, Reason: "account", Account: side}
			}
		}
	}
	if original := m.find(mv.Refunds); mv.Refunds != "" && (original == nil || !original.moved()) {
		return ledger.Result{Outcome: ledger.Unknown, Reason: "refunded"}
	}
	for _, id := range slices.Sorted(slices.Values(mv.Limits)) {
		if _, ok := m.limits[id]; !ok {
			return ledger.Result{Outcome: ledger.Unknown, Reason: "limit", Limit: id}
		}
	}
	return ledger.Result{}
}

// refundable judges a refund by all that were made of the same original, whether posted or held.
func (m *model) refundable(mv ledger.Move) ledger.Result {
	if mv.Refunds == "" {
		return ledger.Result{}
	}
	left := m.find(mv.Refunds).sum()
	for _, e := range m.seen {
		if e.move.Refunds == mv.Refunds && e.counts() {
			left -= e.sum()
		}
	}
	if mv.Sum() > left {
		return ledger.Result{Outcome: ledger.OverRefund, Left: left}
	}
	return ledger.Result{}
}

func debits(mv ledger.Move, a ledger.AccountID) bool {
	return slices.ContainsFunc(mv.Legs, func(l ledger.Leg) bool { return l.Debit == a })
}

func credits(mv ledger.Move, a ledger.AccountID) bool {
	return slices.ContainsFunc(mv.Legs, func(l ledger.Leg) bool { return l.Credit == a })
}

func (m *model) gate(at time.Time, mv ledger.Move) ledger.Result {
	if mv.Gate == "" {
		return ledger.Result{}
	}
	g := m.gates[mv.Gate]
	for _, g := range []ledger.Gate{g, m.gates[g.Parent]} { // no parent is an open gate
		switch {
		case g.Shut != "":
			return ledger.Result{Outcome: ledger.GateShut, Reason: g.Shut}
		case !g.Until.IsZero() && at.UnixMicro() >= g.Until.UnixMicro():
			return ledger.Result{Outcome: ledger.GateShut, Reason: "expired"}
		case !g.NotBefore.IsZero() && at.UnixMicro() < g.NotBefore.UnixMicro():
			return ledger.Result{Outcome: ledger.GateShut, Reason: "cooling", Until: g.NotBefore}
		}
	}
	if g.Device != "" && mv.Device != g.Device {
		return ledger.Result{Outcome: ledger.WrongDevice}
	}
	passed := m.sumOf("gate "+string(g.ID), at, 24*time.Hour)
	if !g.LimitedUntil.IsZero() && at.UnixMicro() < g.LimitedUntil.UnixMicro() && passed+mv.Sum() > g.LimitedCap {
		return ledger.Result{Outcome: ledger.GateLimited, Until: g.LimitedUntil, Left: max(0, g.LimitedCap-passed)}
	}
	return ledger.Result{}
}

func (m *model) limit(at time.Time, id ledger.LimitID, sum money.Yen) ledger.Result {
	l := m.limits[id]
	day := max(0, l.Day-m.sumOf("limit "+string(id), at, 24*time.Hour))
	month := max(0, l.Month-m.sumOf("limit "+string(id), at, 30*24*time.Hour))
	r := ledger.Result{Outcome: ledger.OverLimit, Limit: id, Left: min(l.Each, day, month)}
	switch {
	case sum > l.Each:
		r.Window = ledger.Each
	case sum > month:
		r.Window = ledger.Month
	case sum > day:
		r.Window = ledger.Day
	default:
		return ledger.Result{}
	}
	return r
}

// funds judges by what the books would be afterwards: first everybody's floor, then everybody's ceiling.
func (m *model) funds(mv ledger.Move, hold bool) ledger.Result {
	after := &model{accounts: m.accounts, seen: append(slices.Clone(m.seen), &event{move: mv, hold: hold, result: ledger.Result{Outcome: ledger.Done}})}
	for _, floor := range []bool{true, false} {
		for _, l := range mv.Legs {
			for _, side := range []ledger.AccountID{l.Debit, l.Credit} {
				was, _ := m.book(side)
				is, _ := after.book(side)
				free, room := is.Balance-is.HeldOut-is.Floor, is.Ceiling-is.Balance-is.HeldIn
				worse := free < was.Free()
				if floor && free < 0 && worse {
					return ledger.Result{Outcome: ledger.Insufficient, Account: side, Left: max(0, was.Free())}
				}
				worse = room < was.Room()
				if !floor && room < 0 && worse {
					return ledger.Result{Outcome: ledger.Full, Account: side, Left: max(0, was.Room())}
				}
			}
		}
	}
	return ledger.Result{Outcome: ledger.Done}
}
