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
}

// event is what stands under an id.
type event struct {
	move   ledger.Move
	hold   bool
	result ledger.Result
	end    ledger.End
	ended  time.Time
}

func newModel() *model {
	return &model{
		accounts: map[ledger.AccountID]*ledger.Account{}, gates: map[ledger.GateID]ledger.Gate{}, limits: map[ledger.LimitID]ledger.Limit{},
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
		for _, l := range e.move.Legs {
			if e.moved() && l.Credit == id {
				a.Balance += l.Amount
			}
			if e.moved() && l.Debit == id {
				a.Balance -= l.Amount
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

// used sums what counts at a moment of the events that meet a condition.
func (m *model) used(at time.Time, window time.Duration, of func(ledger.Move) bool) (sum money.Yen) {
	for _, e := range m.seen {
		if (e.moved() || e.waits()) && of(e.move) && e.result.At.After(at.Add(-window)) {
			sum += e.move.Sum()
		}
	}
	return sum
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
		m.accounts[do.Account].Floor, m.accounts[do.Account].Ceiling = do.Floor, do.Ceiling
	case ledger.Freeze:
		m.accounts[do.Account].FrozenIn, m.accounts[do.Account].FrozenOut = do.In, do.Out
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
		return m.end(at, do.ID, ledger.Posted)
	case ledger.Void:
		return m.end(at, do.ID, ledger.Voided)
	case ledger.Hold:
		return m.transfer(at, do.Move, true)
	case ledger.Move:
		return m.transfer(at, do, false)
	}
	return r
}

func (e *event) again() ledger.Result {
	r := e.result
	r.Repeated, r.Open, r.Voided = true, e.waits(), e.end == ledger.Voided
	return r
}

func (m *model) end(at time.Time, id ledger.TransferID, how ledger.End) ledger.Result {
	e := m.find(id)
	if e != nil && e.result.Outcome == ledger.Buried {
		return e.again()
	}
	if e == nil || !e.hold || e.result.Outcome != ledger.Done {
		return ledger.Result{Outcome: ledger.Unknown, Reason: "hold", At: at}
	}
	r := ledger.Result{Outcome: ledger.Done, At: at, Voided: how == ledger.Voided}
	switch e.end {
	case "":
		e.end, e.ended = how, at
	case how:
		r.Repeated, r.At = true, e.ended
	default:
		r.Outcome, r.At, r.Voided = ledger.Ended, e.ended, e.end == ledger.Voided
	}
	return r
}

func (m *model) transfer(at time.Time, mv ledger.Move, hold bool) ledger.Result {
	if e := m.find(mv.ID); e != nil {
		if e.result.Outcome != ledger.Buried && !(e.hold == hold && sameMove(e.move, mv)) {
			return ledger.Result{Outcome: ledger.Mismatch, At: e.result.At}
		}
		return e.again()
	}
	r := m.judge(at, mv, hold)
	r.At = at
	if r.Outcome == ledger.Done || mv.Final && r.Outcome != ledger.Unknown {
		m.seen = append(m.seen, &event{move: mv, hold: hold, result: r})
	}
	r.Open = r.Outcome == ledger.Done && hold
	return r
}

func sameMove(a, b ledger.Move) bool {
	set := func(ids []ledger.LimitID) []ledger.LimitID {
		return slices.Compact(slices.Sorted(slices.Values(ids)))
	}
	return a.Kind == b.Kind && a.Gate == b.Gate && a.Memo == b.Memo && slices.Equal(a.Legs, b.Legs) && slices.Equal(set(a.Limits), set(b.Limits))
}

func (m *model) judge(at time.Time, mv ledger.Move, hold bool) ledger.Result {
	if r := m.gate(at, mv); r.Outcome != 0 {
		return r
	}
	for _, l := range mv.Legs {
		for _, side := range []ledger.AccountID{l.Debit, l.Credit} {
			a, ok := m.book(side)
			switch {
			case !ok:
				return ledger.Result{Outcome: ledger.Unknown, Reason: "account", Account: side}
			case debits(mv, side) && a.FrozenOut, credits(mv, side) && a.FrozenIn:
				return ledger.Result{Outcome: ledger.Frozen, Account: side}
			}
		}
	}
	for _, id := range slices.Sorted(slices.Values(mv.Limits)) {
		if r := m.limit(at, id, mv.Sum()); r.Outcome != 0 {
			return r
		}
	}
	return m.funds(mv, hold)
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
	g, ok := m.gates[mv.Gate]
	if !ok {
		return ledger.Result{Outcome: ledger.Unknown, Reason: "gate"}
	}
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
	passed := m.used(at, 24*time.Hour, func(o ledger.Move) bool { return o.Gate == g.ID })
	if !g.LimitedUntil.IsZero() && at.UnixMicro() < g.LimitedUntil.UnixMicro() && passed+mv.Sum() > g.LimitedCap {
		return ledger.Result{Outcome: ledger.GateLimited, Until: g.LimitedUntil, Left: max(0, g.LimitedCap-passed)}
	}
	return ledger.Result{}
}

func (m *model) limit(at time.Time, id ledger.LimitID, sum money.Yen) ledger.Result {
	l, ok := m.limits[id]
	if !ok {
		return ledger.Result{Outcome: ledger.Unknown, Reason: "limit", Limit: id}
	}
	of := func(o ledger.Move) bool { return slices.Contains(o.Limits, id) }
	day := max(0, l.Day-m.used(at, 24*time.Hour, of))
	month := max(0, l.Month-m.used(at, 30*24*time.Hour, of))
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
