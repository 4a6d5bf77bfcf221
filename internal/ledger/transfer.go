package ledger

import (
	"fmt"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/money"
)

// transfer decides a Move or a Hold and, where it is done, books or reserves it.
func (d *decider) transfer(at time.Time, m Move, hold bool) Result {
	if !validID(m.ID) {
		return Result{Outcome: Overflow, At: at}
	}
	m.Limits = distinct(m.Limits)
	digest := digestOf(m, hold)
	if t, known := d.now.Transfers[m.ID]; known {
		return t.again(digest)
	}
	sum, ok := shape(m)
	if !ok {
		return Result{Outcome: Overflow, At: at}
	}
	r := d.judge(at, m, sum, hold)
	r.At = at
	if r.Outcome != Done && (!m.Final || r.Outcome == Unknown) {
		return r
	}
	t := Transfer{Move: m, Hold: hold, Digest: digest, Result: r}
	d.now.Transfers[m.ID] = t
	d.c.Transfers = append(d.c.Transfers, t)
	if r.Outcome != Done {
		return r
	}
	d.spend(t, sum)
	if hold {
		d.reserve(t, 1)
		r.Open = true
	} else {
		d.book(t, at)
	}
	return r
}

// again answers a request whose id is known.
func (t Transfer) again(digest Digest) Result {
	if t.Result.Outcome != Buried && t.Digest != digest {
		return Result{Outcome: Mismatch, At: t.Result.At}
	}
	return t.became()
}

// became is what the id came to, as a repeated result.
func (t Transfer) became() Result {
	r := t.Result
	r.Repeated, r.Open, r.Voided = true, t.Open(), t.End == Voided
	return r
}

// shape says whether a transfer is well formed, and its sum.
func shape(m Move) (sum money.Yen, ok bool) {
	if len(m.Legs) == 0 || len(m.Legs) > MaxLegs || !allValid(m.Limits) {
		return 0, false
	}
	if !isText(m.Kind, MaxID) || !isText(m.Gate, MaxID) || !isText(m.Device, MaxID) || !isText(m.Memo, MaxMemo) {
		return 0, false
	}
	for _, l := range m.Legs {
		if l.Amount <= 0 || l.Amount > MaxAmount || l.Debit == l.Credit || !validID(l.Debit) || !validID(l.Credit) {
			return 0, false
		}
		if sum += l.Amount; sum > MaxAmount {
			return 0, false
		}
	}
	return sum, true
}

func allValid[T ~string](ids []T) bool {
	return !slices.ContainsFunc(ids, func(id T) bool { return !validID(id) })
}

// judge says whether a new transfer may pass; nothing is changed yet. The order is part of the answer: the
// gate, then accounts and freezes, then limits, then money and room.
func (d *decider) judge(at time.Time, m Move, sum money.Yen, hold bool) Result {
	if m.Gate != "" {
		if r := d.pass(at, m, sum); r.Outcome != Done {
			return r
		}
	}
	totals := effects(m.Legs)
	for _, e := range totals {
		a, ok := d.now.Accounts[e.account]
		switch {
		case !ok:
			return Result{Outcome: Unknown, Account: e.account, Reason: "account"}
		case e.out > 0 && a.FrozenOut, e.in > 0 && a.FrozenIn:
			return Result{Outcome: Frozen, Account: e.account}
		}
	}
	for _, id := range m.Limits {
		if r := d.within(at, id, sum); r.Outcome != Done {
			return r
		}
	}
	for _, e := range totals {
		if a := d.now.Accounts[e.account]; e.lacks(a, hold) {
			return Result{Outcome: Insufficient, Account: a.ID, Left: max(0, a.Free())}
		}
	}
	for _, e := range totals {
		if a := d.now.Accounts[e.account]; e.overfills(a, hold) {
			return Result{Outcome: Full, Account: a.ID, Left: max(0, a.Room())}
		}
	}
	return Result{Outcome: Done}
}

// effect is what all legs of a transfer together do to one account.
type effect struct {
	account AccountID
	out, in money.Yen
}

// effects sums the legs per account, in the order in which the legs name them.
func effects(legs []Leg) []effect {
	list := make([]effect, 0, 2*len(legs))
	at := func(id AccountID) *effect {
		i := slices.IndexFunc(list, func(e effect) bool { return e.account == id })
		if i < 0 {
			list = append(list, effect{account: id})
			i = len(list) - 1
		}
		return &list[i]
	}
	for _, l := range legs {
		at(l.Debit).out += l.Amount
		at(l.Credit).in += l.Amount
	}
	return list
}

// lacks says whether the account has too little. What a Move brings in it may pay out again; a Hold may
// not, as the money is not there yet.
func (e effect) lacks(a Account, hold bool) bool {
	if hold {
		return e.out > 0 && e.out > a.Free()
	}
	return e.out > e.in && e.out-e.in > a.Free()
}

// overfills is lacks for the ceiling.
func (e effect) overfills(a Account, hold bool) bool {
	if hold {
		return e.in > 0 && e.in > a.Room()
	}
	return e.in > e.out && e.in-e.out > a.Room()
}

// book posts the legs of a transfer and writes the history.
func (d *decider) book(t Transfer, at time.Time) {
	var sum money.Yen
	side := func(id, other AccountID, amount money.Yen) {
		a := d.now.Accounts[id]
		a.Balance = money.MustAdd(a.Balance, amount)
		d.put(a)
		sum += amount
		d.c.Lines = append(d.c.Lines, Line{
			Account: id, N: a.Version + 1, Transfer: t.ID, Kind: t.Kind, Other: other,
			Amount: amount, Balance: a.Balance, At: at,
		})
	}
	for _, l := range t.Legs {
		side(l.Debit, l.Credit, -l.Amount)
		side(l.Credit, l.Debit, l.Amount)
	}
	if sum != 0 {
		panic(fmt.Sprintf("ledger: transfer %s sums to %d", t.ID, sum))
	}
}

// reserve adds the legs of a hold to what its accounts hold (sign 1), or takes them off (sign -1).
func (d *decider) reserve(t Transfer, sign money.Yen) {
	for _, e := range effects(t.Legs) {
		a, ok := d.now.Accounts[e.account]
		if !ok {
			panic(fmt.Sprintf("ledger: the store did not load %s of hold %s", e.account, t.ID))
		}
		a.HeldOut = money.MustAdd(a.HeldOut, sign*e.out)
		a.HeldIn = money.MustAdd(a.HeldIn, sign*e.in)
		d.put(a)
	}
}

// end posts or voids an open hold.
func (d *decider) end(at time.Time, id TransferID, how End) Result {
	t, ok := d.now.Transfers[id]
	switch {
	case ok && t.Result.Outcome == Buried:
		return t.became()
	case !ok || !t.Hold || t.Result.Outcome != Done:
		return Result{Outcome: Unknown, At: at, Reason: "hold"}
	case t.End == how:
		return Result{Outcome: Done, Repeated: true, At: t.Ended, Voided: how == Voided}
	case t.End != "":
		return Result{Outcome: Ended, At: t.Ended, Voided: t.End == Voided}
	}
	t.End, t.Ended = how, at
	d.now.Transfers[id] = t
	d.c.Ended = append(d.c.Ended, t)
	d.reserve(t, -1)
	if how == Posted {
		d.book(t, at)
	} else {
		d.unspend(t)
	}
	return Result{Outcome: Done, At: at, Voided: how == Voided}
}

// bury puts a tombstone at an id that was never seen.
func (d *decider) bury(at time.Time, id TransferID) Result {
	if !validID(id) {
		return Result{Outcome: Overflow, At: at}
	}
	if t, known := d.now.Transfers[id]; known {
		return t.became()
	}
	t := Transfer{Move: Move{ID: id}, Result: Result{Outcome: Buried, At: at}}
	d.now.Transfers[id] = t
	d.c.Transfers = append(d.c.Transfers, t)
	return t.Result
}
