package audit

import "github.com/kozamori/kozamori/internal/money"

// ruleOf is the rule that a refusal would have kept.
var ruleOf = map[string]string{"insufficient": "M2", "full": "M2", "over_limit": "M1", "gate_shut": "M13", "gate_limited": "L9", "wrong_device": "M9"}

// judge is what the rules said of a transfer at its time, and the rule by which they would have refused it.
func (p *replay) judge(a *asked) (outcome, rule string) {
	outcome = p.outcome(a)
	return outcome, ruleOf[outcome]
}

func (p *replay) outcome(a *asked) string {
	if a.gate != nil {
		if refused := p.pass(a); refused != "" {
			return refused
		}
	}
	for _, e := range a.effects {
		switch {
		case e.account.closed:
			return "closed"
		case e.out > 0 && e.account.frozenOut, e.in > 0 && e.account.frozenIn:
			return "frozen"
		}
	}
	if original := a.head.about; original != 0 {
		_, moved := p.original(original)
		if moved == 0 {
			return "unknown"
		}
		if a.sum > moved-p.refunded[original] {
			return "over_refund"
		}
	}
	for _, l := range a.limits {
		day, month := l.in(dayWindow, a.head.atUs), l.in(monthWindow, a.head.atUs)
		if a.sum > l.each || a.sum > left(l.day, day) || a.sum > left(l.month, month) {
			return "over_limit"
		}
	}
	return fits(a)
}

// pass judges the gate; "" is passed.
func (p *replay) pass(a *asked) string {
	g, us := a.gate, a.head.atUs
	shut := func(g *ledgerGate) bool {
		return g.shut != "" || g.untilUs != 0 && us >= g.untilUs || g.notBeforeUs != 0 && us < g.notBeforeUs
	}
	parent := p.gates[g.parentNum]
	switch {
	case g.parentNum != 0 && (parent == nil || parent.parentNum != 0):
		return "unknown"
	case shut(g), parent != nil && shut(parent):
		return "gate_shut"
	case g.device != "" && g.device != a.detail.Device:
		return "wrong_device"
	case us < g.limitedUntilUs && a.sum > max(0, g.limitedCap-g.in(dayWindow, us)):
		return "gate_limited"
	}
	return ""
}

// fits judges money and room: what a move brings in it may pay out again, a hold may not.
func fits(a *asked) string {
	for _, e := range a.effects {
		out, free := e.out-e.in, e.account.balance-e.account.heldOut-e.account.floor
		if a.hold {
			out = e.out
		}
		if out > 0 && out > free {
			return "insufficient"
		}
	}
	for _, e := range a.effects {
		in, room := e.in-e.out, e.account.ceiling-e.account.balance-e.account.heldIn
		if a.hold {
			in = e.in
		}
		if in > 0 && in > room {
			return "full"
		}
	}
	return "done"
}

// left is what a window of a limit still lets pass; the largest amount there is means no limit.
func left(limit, used money.Yen) money.Yen {
	if limit >= money.Max {
		return money.Max
	}
	return max(0, limit-used)
}
