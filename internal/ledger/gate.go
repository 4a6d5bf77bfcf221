package ledger

import (
	"time"

	"github.com/kozamori/kozamori/internal/money"
)

// The lengths of the rolling windows. A use counts at a moment as long as it is younger than the window,
// one from the future too: a clock that jumps back must not loosen a limit.
const (
	DayWindow   = 24 * time.Hour
	MonthWindow = 30 * 24 * time.Hour
)

// pass decides whether a transfer passes its gate.
func (d *decider) pass(at time.Time, m Move, sum money.Yen) Result {
	g, ok := d.now.Gates[m.Gate]
	if !ok {
		return Result{Outcome: Unknown, Reason: "gate"}
	}
	if r := g.shut(at); r.Outcome != Done {
		return r
	}
	if g.Parent != "" {
		p, ok := d.now.Gates[g.Parent]
		if !ok || p.Parent != "" { // a gate has one parent and no more: what cannot be judged stays shut
			return Result{Outcome: Unknown, Reason: "gate"}
		}
		if r := p.shut(at); r.Outcome != Done {
			return r
		}
	}
	if g.Device != "" && g.Device != m.Device {
		return Result{Outcome: WrongDevice}
	}
	if at.Before(g.LimitedUntil) {
		left := max(0, g.LimitedCap-counted(d.now.GateUses[g.ID], at, DayWindow))
		if sum > left {
			return Result{Outcome: GateLimited, Left: left, Until: g.LimitedUntil}
		}
	}
	return Result{Outcome: Done}
}

// shut says whether a gate by itself is shut at a moment, and why.
func (g Gate) shut(at time.Time) Result {
	switch {
	case g.Shut != "":
		return Result{Outcome: GateShut, Reason: g.Shut}
	case !g.Until.IsZero() && !at.Before(g.Until):
		return Result{Outcome: GateShut, Reason: "expired"}
	case at.Before(g.NotBefore):
		return Result{Outcome: GateShut, Reason: "cooling", Until: g.NotBefore}
	}
	return Result{Outcome: Done}
}

// within decides whether a limit allows an amount. Where several windows refuse, the answer names the one
// that no waiting, then the one that only the longest waiting will open: each, month, day.
func (d *decider) within(at time.Time, id LimitID, sum money.Yen) Result {
	l, ok := d.now.Limits[id]
	if !ok {
		return Result{Outcome: Unknown, Limit: id, Reason: "limit"}
	}
	uses := d.now.LimitUses[id]
	u := Usage{Day: counted(uses, at, DayWindow), Month: counted(uses, at, MonthWindow)}
	each, day, month := l.windows(u)
	r := Result{Outcome: OverLimit, Limit: id, Left: min(each, day, month)}
	switch {
	case sum > each:
		r.Window = Each
	case sum > month:
		r.Window = Month
	case sum > day:
		r.Window = Day
	default:
		return Result{Outcome: Done}
	}
	return r
}

// Left is what a limit would let pass at once, given what counts against it.
func (l Limit) Left(u Usage) money.Yen {
	each, day, month := l.windows(u)
	return min(each, day, month)
}

// windows is what each window by itself would let pass.
func (l Limit) windows(u Usage) (each, day, month money.Yen) {
	rest := func(limit, used money.Yen) money.Yen {
		if limit >= money.Max {
			return money.Max // no limit
		}
		return max(0, limit-used)
	}
	return l.Each, rest(l.Day, u.Day), rest(l.Month, u.Month)
}

// counted sums the uses that count at a moment. The sum stops growing at money.Max, beyond any limit.
func counted(uses []Use, at time.Time, window time.Duration) money.Yen {
	from := at.Add(-window)
	var sum money.Yen
	for _, u := range uses {
		if u.At.After(from) {
			sum = min(money.Max, sum+u.Amount)
		}
	}
	return sum
}

// spend counts a transfer against its limits and gate.
func (d *decider) spend(t Transfer, sum money.Yen) {
	u := Use{At: t.Result.At, Amount: sum}
	for _, id := range t.Limits {
		d.now.LimitUses[id] = append(d.now.LimitUses[id], u)
		d.c.Spent = append(d.c.Spent, Spent{Use: u, Limit: id, Transfer: t.ID})
	}
	if t.Gate != "" {
		d.now.GateUses[t.Gate] = append(d.now.GateUses[t.Gate], u)
		d.c.Spent = append(d.c.Spent, Spent{Use: u, Gate: t.Gate, Transfer: t.ID})
	}
}

// unspend gives back what a voided hold counted; the store removes its rows.
func (d *decider) unspend(t Transfer) {
	back := Use{At: t.Result.At, Amount: -t.Sum()}
	for _, id := range t.Limits {
		d.now.LimitUses[id] = append(d.now.LimitUses[id], back)
	}
	if t.Gate != "" {
		d.now.GateUses[t.Gate] = append(d.now.GateUses[t.Gate], back)
	}
}

func (d *decider) setGate(at time.Time, s SetGate) Result {
	g := s.Gate
	g.NotBefore, g.Until, g.LimitedUntil = moment(g.NotBefore), moment(g.Until), moment(g.LimitedUntil)
	if !g.wellFormed() {
		return Result{Outcome: Overflow, At: at}
	}
	if g.Parent != "" {
		if p, ok := d.now.Gates[g.Parent]; !ok || p.Parent != "" {
			return Result{Outcome: Unknown, At: at, Reason: "gate"}
		}
	}
	have := d.now.Gates[g.ID] // version 0 where there is none; its times are in moment's form, so == compares them
	g.Version = have.Version
	if have.Version != s.IfVersion {
		if have.Version == s.IfVersion+1 && have == g {
			return Result{Outcome: Done, Repeated: true, At: at}
		}
		return Result{Outcome: Stale, At: at}
	}
	g.Version++
	d.now.Gates[g.ID] = g
	return Result{Outcome: Done, At: at}
}

func (g Gate) wellFormed() bool {
	for _, t := range []time.Time{g.NotBefore, g.Until, g.LimitedUntil} {
		if !t.IsZero() && !inRange(t) {
			return false
		}
	}
	return validID(g.ID) && isText(g.Parent, MaxID) && g.Parent != g.ID && isText(g.Shut, MaxID) && isText(g.Device, MaxID) &&
		g.LimitedCap >= 0 && g.LimitedCap <= money.Max
}

func (d *decider) setLimit(at time.Time, l Limit) Result {
	if !validID(l.ID) || l.Each < 0 || l.Day < 0 || l.Month < 0 || max(l.Each, l.Day, l.Month) > money.Max {
		return Result{Outcome: Overflow, At: at, Limit: l.ID}
	}
	have := d.now.Limits[l.ID]
	l.Version = have.Version
	if have.Version == 0 || have != l {
		l.Version++
		d.now.Limits[l.ID] = l
	}
	return Result{Outcome: Done, At: at}
}

// AtMost is the limit with each window no wider than that of another.
func (l Limit) AtMost(most Limit) Limit {
	l.Each, l.Day, l.Month = min(l.Each, most.Each), min(l.Day, most.Day), min(l.Month, most.Month)
	return l
}

func (d *decider) tighten(at time.Time, most Limit) Result {
	have, ok := d.now.Limits[most.ID]
	if !ok {
		return Result{Outcome: Unknown, At: at, Limit: most.ID, Reason: "limit"}
	}
	return d.setLimit(at, have.AtMost(most))
}
