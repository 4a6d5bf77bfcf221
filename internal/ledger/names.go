package ledger

// NamesOf lists what the requests name: what Decide must find in its State, if it exists.
func NamesOf(reqs []Request) Names {
	var n Names
	for _, r := range reqs {
		n.add(r.Do)
	}
	n.Accounts, n.Transfers = distinct(n.Accounts), distinct(n.Transfers)
	n.Gates, n.Limits = distinct(n.Gates), distinct(n.Limits)
	return n
}

func (n *Names) add(do Action) {
	switch do := do.(type) {
	case Open:
		n.Accounts = append(n.Accounts, do.Account.ID)
	case Bound:
		n.Accounts = append(n.Accounts, do.Account)
	case Freeze:
		n.Accounts = append(n.Accounts, do.Account)
	case Close:
		n.Accounts = append(n.Accounts, do.Account)
	case SetGate:
		n.Gates = append(n.Gates, do.Gate.ID)
		if do.Gate.Parent != "" {
			n.Gates = append(n.Gates, do.Gate.Parent)
		}
	case Tighten:
		n.Limits = append(n.Limits, do.Limit.ID)
	case SetLimit:
		n.Limits = append(n.Limits, do.Limit.ID)
	case Move:
		n.addMove(&do)
	case Hold:
		n.addMove(&do.Move)
	case Post:
		n.Transfers = append(n.Transfers, do.ID)
	case Void:
		n.Transfers = append(n.Transfers, do.ID)
	case Bury:
		n.Transfers = append(n.Transfers, do.ID)
	}
}

func (n *Names) addMove(m *Move) {
	n.Transfers = append(n.Transfers, m.ID)
	if m.Refunds != "" {
		n.Transfers = append(n.Transfers, m.Refunds)
	}
	for _, l := range m.Legs {
		n.Accounts = append(n.Accounts, l.Debit, l.Credit)
	}
	if m.Gate != "" {
		n.Gates = append(n.Gates, m.Gate)
	}
	n.Limits = append(n.Limits, m.Limits...)
}
