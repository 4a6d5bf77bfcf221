package audit

import "fmt"

// openAccount makes an account.
func (p *replay) openAccount(e *entry) {
	var d accountDetail
	if err := e.read(&d); err != nil || d.Floor > 0 || d.Ceiling < 0 {
		p.wrong(e, "", "the settings of a new account", "a floor not above 0, a ceiling not below", e.detail)
	}
	p.name("a", e)
	p.accounts[e.seq] = &ledgerAccount{account: account{num: e.seq, id: e.id, kind: d.Kind,
		floor: d.Floor, ceiling: d.Ceiling, frozenIn: d.In, frozenOut: d.Out, closed: d.Closed}}
}

// bound changes the settings of an account.
func (p *replay) bound(e *entry) {
	a := p.accounts[e.about]
	var d accountDetail
	if err := e.read(&d); err != nil || a == nil || d.Kind != a.kind || d.Floor > d.Ceiling {
		p.wrong(e, "", "the settings of an account", "an account, and settings of its kind", fmt.Sprint(e.about, " ", e.detail))
		return
	}
	if a.closed || d.Closed && (a.balance != 0 || a.heldIn != 0 || a.heldOut != 0) {
		p.wrong(e, "", "only an empty account is closed, and for ever", "an account that is open, and empty to be closed",
			fmt.Sprintf("closed %t, balance %s", a.closed, a.balance))
	}
	a.floor, a.ceiling, a.frozenIn, a.frozenOut, a.closed = d.Floor, d.Ceiling, d.In, d.Out, d.Closed
}

// setGate makes a gate or changes it.
func (p *replay) setGate(e *entry) {
	g := p.gates[e.about]
	if e.about == 0 {
		p.name("g", e)
		g = &ledgerGate{gate: gate{num: e.seq, id: e.id}}
		p.gates[e.seq] = g
	}
	var d gateDetail
	if err := e.read(&d); err != nil || g == nil {
		p.wrong(e, "", "the settings of a gate", "a gate, and its settings", fmt.Sprint(e.about, " ", e.detail))
		return
	}
	if d.Version != g.version+1 {
		p.wrong(e, "", "the version of the gate", g.version+1, d.Version)
	}
	parent := p.gates[d.Parent]
	if d.Parent != 0 && (parent == nil || parent.parentNum != 0) {
		p.wrong(e, "M13", "the parent of a gate", "a gate without a parent", d.Parent)
	}
	g.gate = gate{num: g.num, id: g.id, parentNum: d.Parent, shut: d.Shut, notBeforeUs: d.NotBefore, untilUs: d.Until,
		limitedUntilUs: d.LimitedUntil, limitedCap: d.LimitedCap, device: d.Device, version: d.Version}
	if parent != nil {
		g.parent = parent.id
	}
}

// setLimit makes a limit or changes it.
func (p *replay) setLimit(e *entry) {
	l := p.limits[e.about]
	if e.about == 0 {
		p.name("l", e)
		l = &ledgerLimit{limit: limit{num: e.seq, id: e.id}}
		p.limits[e.seq] = l
	}
	var d limitDetail
	if err := e.read(&d); err != nil || l == nil || min(d.Each, d.Day, d.Month) < 0 {
		p.wrong(e, "", "the settings of a limit", "a limit, and its settings", fmt.Sprint(e.about, " ", e.detail))
		return
	}
	if d.Version != l.version+1 {
		p.wrong(e, "", "the version of the limit", l.version+1, d.Version)
	}
	l.limit = limit{num: l.num, id: l.id, each: d.Each, day: d.Day, month: d.Month, version: d.Version}
}
