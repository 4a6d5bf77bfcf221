package ledger

import "fmt"

// outcomes is the one table of the outcomes' names, as stored and logged.
var outcomes = [...]string{
	Done: "done", Mismatch: "mismatch", Insufficient: "insufficient", Full: "full", OverLimit: "over_limit",
	Frozen: "frozen", GateShut: "gate_shut", GateLimited: "gate_limited", WrongDevice: "wrong_device",
	Unknown: "unknown", Buried: "buried", Ended: "ended", Stale: "stale", NotEmpty: "not_empty", Closed: "closed", OverRefund: "over_refund", Expired: "expired",
	Overflow: "overflow",
}

// String is the outcome's name ("over_limit").
func (o Outcome) String() string {
	if o < Done || int(o) >= len(outcomes) {
		return fmt.Sprintf("outcome(%d)", uint8(o))
	}
	return outcomes[o]
}

// OutcomeNamed is String backwards.
func OutcomeNamed(name string) (Outcome, error) {
	for o, n := range outcomes {
		if n == name && n != "" {
			return Outcome(o), nil
		}
	}
	return 0, fmt.Errorf("ledger: %.40q is not an outcome", name)
}
