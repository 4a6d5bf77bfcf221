package ledger

import (
	"time"

	"github.com/kozamori/kozamori/internal/money"
)

// judgeable says whether a gate can be judged: it has one parent and no more. What cannot be judged stays shut.
func (d *decider) judgeable(g *Gate) bool {
	if g.Parent == "" {
		return true
	}
	p, ok := d.gate(g.Parent)
	return ok && p.Parent == ""
}

// pass decides whether a transfer passes its gate.
func (d *decider) pass(at time.Time, m *Move, sum money.Yen) Result {
	g, _ := d.gate(m.Gate)
	if r := g.shut(at); r.Outcome != Done {
		return r
	}
	if p, ok := d.gate(g.Parent); ok {
		if r := p.shut(at); r.Outcome != Done {
			return r
		}
	}
	if g.Device != "" && g.Device != m.Device {
		return Result{Outcome: WrongDevice}
	}
	if at.Before(g.LimitedUntil) {
		left := max(0, g.LimitedCap-g.counted(at, DayWindow))
		if sum > left {
			return Result{Outcome: GateLimited, Left: left, Until: g.LimitedUntil}
		}
	}
	return Result{Outcome: Done}
}

// shut says whether a gate by itself is shut at a moment, and why.
func (g *Gate) shut(at time.Time) Result {
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
	l, _ := d.limit(id)
	each, day, month := l.windows(l.Usage(at))
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

// spend counts a transfer against its limits and gate.
func (d *decider) spend(t *Transfer, sum money.Yen) {
	for _, id := range t.Limits {
		l := own(d.limits, d.limit, id)
		l.Meter = l.add(t.Result.At, sum, MonthWindow)
	}
	if t.Gate != "" {
		g := own(d.gates, d.gate, t.Gate)
		g.Meter = g.add(t.Result.At, sum, DayWindow)
	}
}

// unspend gives back what a hold counted and did not post.
func (d *decider) unspend(t *Transfer, sum money.Yen) {
	for _, id := range t.Limits {
		l := own(d.limits, d.limit, id)
		l.Meter = l.take(t.Result.At, sum)
	}
	if t.Gate != "" {
		g := own(d.gates, d.gate, t.Gate)
		g.Meter = g.take(t.Result.At, sum)
	}
}

func (d *decider) setGate(at time.Time, s SetGate) Result {
	g := s.Gate
	g.NotBefore, g.Until, g.LimitedUntil = moment(g.NotBefore), moment(g.Until), moment(g.LimitedUntil)
	if !g.wellFormed() {
		return Result{Outcome: Overflow, At: at}
	}
	parent := int64(0)
	if g.Parent != "" {
		p, ok := d.gate(g.Parent)
		if !ok || p.Parent != "" {
			return Result{Outcome: Unknown, At: at, Reason: "gate"}
		}
		parent = p.Num
	}
	have, there := d.gate(g.ID)
	if !there {
		have = &GateRow{}
	}
	g.Version = have.Version // times are in moment's form, so == compares them
	if have.Version != s.IfVersion {
		if have.Version == s.IfVersion+1 && have.Gate == g {
			return Result{Outcome: Done, Repeated: true, At: at}
		}
		return Result{Outcome: Stale, At: at}
	}
	g.Version++
	e := Entry{Act: ActGate, At: at, Of: have.Num, Detail: detail(GateDetail{
		Parent: parent, Shut: g.Shut, NotBefore: micros(g.NotBefore), Until: micros(g.Until),
		LimitedUntil: micros(g.LimitedUntil), LimitedCap: g.LimitedCap, Device: g.Device, Version: g.Version,
	})}
	if there {
		d.enter(e)
		row := own(d.gates, d.gate, g.ID)
		row.Gate, row.ParentNum = g, parent
		return Result{Outcome: Done, At: at}
	}
	e.ID = string(g.ID)
	num := d.enter(e)
	d.name(KeyOf(g.ID), num)
	d.gates[g.ID] = &GateRow{Gate: g, Num: num, ParentNum: parent}
	return Result{Outcome: Done, At: at}
}

func (g *Gate) wellFormed() bool {
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
	have, there := d.limit(l.ID)
	if !there {
		have = &LimitRow{}
	}
	if l.Version = have.Version; there && have.Limit == l {
		return Result{Outcome: Done, At: at}
	}
	l.Version++
	e := Entry{Act: ActLimit, At: at, Of: have.Num, Detail: detail(LimitDetail{l.Each, l.Day, l.Month, l.Version})}
	if there {
		d.enter(e)
		own(d.limits, d.limit, l.ID).Limit = l
		return Result{Outcome: Done, At: at}
	}
	e.ID = string(l.ID)
	num := d.enter(e)
	d.name(KeyOf(l.ID), num)
	d.limits[l.ID] = &LimitRow{Limit: l, Num: num}
	return Result{Outcome: Done, At: at}
}

// AtMost is the limit with each window no wider than that of another.
func (l Limit) AtMost(most Limit) Limit {
	l.Each, l.Day, l.Month = min(l.Each, most.Each), min(l.Day, most.Day), min(l.Month, most.Month)
	return l
}

func (d *decider) tighten(at time.Time, most Limit) Result {
	have, ok := d.limit(most.ID)
	if !ok {
		return Result{Outcome: Unknown, At: at, Limit: most.ID, Reason: "limit"}
	}
	return d.setLimit(at, have.AtMost(most))
}
