package ledger

import (
	"fmt"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/money"
)

// transfer decides a Move, or the Hold it is part of, and where it is done, books or reserves it.
func (d *decider) transfer(at time.Time, m Move, hold *Hold) Result {
	if !validID(m.ID) {
		return Result{Outcome: Overflow, At: at}
	}
	m.Limits = distinct(m.Limits)
	t := &TransferRow{Transfer: Transfer{Move: m, Hold: hold != nil}}
	if hold != nil {
		t.Until = moment(hold.Until)
	}
	if known, ok := d.transferOf(m.ID); ok {
		return known.again(&t.Transfer)
	}
	sum, ok := t.shape()
	if !ok {
		return Result{Outcome: Overflow, At: at}
	}
	r := d.judge(at, &t.Transfer, sum)
	r.At = at
	if r.Outcome != Done && (!m.Final || r.Outcome == Unknown) {
		return r
	}
	t.Result = r
	switch {
	case r.Outcome != Done:
		d.record(t, map[bool]Act{false: ActRefusal, true: ActNoHold}[t.Hold])
		return r
	case t.Hold:
		d.record(t, ActHold)
		d.reserve(&t.Transfer, 1)
		d.fates[t.Num] = t.ID
		r.Open = true
	default:
		d.record(t, ActMove)
		d.book(t.Legs, len(d.c.Entries)-len(t.Legs))
	}
	d.spend(&t.Transfer, sum)
	d.refund(t.Refunds, sum)
	return r
}

// record enters a new transfer, a leg an entry, and makes its id found.
func (d *decider) record(t *TransferRow, act Act) {
	r := t.Result
	det := TransferDetail{Device: t.Device, Final: t.Final, Until: micros(t.Until)}
	if r.Outcome != Done {
		det.Outcome, det.Account, det.Limit, det.Window = r.Outcome.String(), r.Account, r.Limit, r.Window
		det.Left, det.Reason, det.Shut = r.Left, r.Reason, micros(r.Until)
	}
	e := Entry{Act: act, At: r.At, ID: string(t.ID), Kind: t.Kind, Memo: t.Memo, Detail: detail(det)}
	if t.Refunds != "" {
		original, _ := d.transferOf(t.Refunds)
		e.Of = original.Num
	}
	if t.Gate != "" {
		g, _ := d.gate(t.Gate)
		e.Gate = g.Num
	}
	for _, id := range t.Limits {
		l, _ := d.limit(id)
		e.Limits = append(e.Limits, l.Num)
	}
	t.Num = d.enterLegs(e, t.Legs)
	d.name(KeyOf(t.ID), t.Num)
	d.transfers[t.ID] = t
}

// enterLegs enters legs under a first entry and returns its number.
func (d *decider) enterLegs(e Entry, legs []Leg) int64 {
	first := d.last + 1
	e.Legs = len(legs)
	for i, l := range legs {
		if i > 0 {
			e = Entry{Act: ActLeg, At: e.At, Of: first}
		}
		debit, _ := d.account(l.Debit)
		credit, _ := d.account(l.Credit)
		e.Debit, e.Credit, e.Amount = debit.Num, credit.Num, l.Amount
		d.enter(e)
	}
	return first
}

// again answers a request whose id is known.
func (t *Transfer) again(asked *Transfer) Result {
	if t.Result.Outcome != Buried && !t.same(asked) {
		return Result{Outcome: Mismatch, At: t.Result.At}
	}
	return t.became()
}

// same says whether two requests are the same one. The device is left out: a repeat may be proved anew.
func (t *Transfer) same(o *Transfer) bool {
	return t.Hold == o.Hold && t.Until.Equal(o.Until) && t.Kind == o.Kind && t.Gate == o.Gate && t.Memo == o.Memo &&
		t.Refunds == o.Refunds && slices.Equal(t.Legs, o.Legs) && slices.Equal(t.Limits, o.Limits)
}

// became is what the id came to, as a repeated result.
func (t *Transfer) became() Result {
	r := t.Result
	r.Repeated, r.Open, r.Voided = true, t.Open(), t.End == Voided
	return r
}

// shape says whether a transfer is well formed, and its sum.
func (t *Transfer) shape() (sum money.Yen, ok bool) {
	if len(t.Legs) == 0 || len(t.Legs) > MaxLegs || len(t.Limits) > MaxLimits || !allValid(t.Limits) {
		return 0, false
	}
	if !isText(t.Kind, MaxID) || !isText(t.Gate, MaxID) || !isText(t.Device, MaxID) || !isText(t.Memo, MaxMemo) {
		return 0, false
	}
	if !isText(t.Refunds, MaxID) || t.Refunds == t.ID || !t.Until.IsZero() && !inRange(t.Until) {
		return 0, false
	}
	for _, l := range t.Legs {
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

// judge says whether a new transfer may pass; nothing is changed yet. The order is part of the answer: first
// whether all exists that it names, then the gate, the accounts' freezes, what is refunded, the limits, and
// last money and room.
func (d *decider) judge(at time.Time, t *Transfer, sum money.Yen) Result {
	var few [4]effect
	totals := effects(few[:0], t.Legs)
	if r := d.exists(t, totals); r.Outcome != Done {
		return r
	}
	if t.Gate != "" {
		if r := d.pass(at, &t.Move, sum); r.Outcome != Done {
			return r
		}
	}
	for _, e := range totals {
		switch {
		case e.row.Closed:
			return Result{Outcome: Closed, Account: e.account}
		case e.out > 0 && e.row.FrozenOut, e.in > 0 && e.row.FrozenIn:
			return Result{Outcome: Frozen, Account: e.account}
		}
	}
	if t.Refunds != "" {
		original, _ := d.transferOf(t.Refunds)
		if left := original.Moved() - original.Refunded; sum > left {
			return Result{Outcome: OverRefund, Left: left}
		}
	}
	for _, id := range t.Limits {
		if r := d.within(at, id, sum); r.Outcome != Done {
			return r
		}
	}
	return fits(totals, t.Hold)
}

// exists says whether the books have all that a transfer names, and finds the accounts.
func (d *decider) exists(t *Transfer, totals []effect) Result {
	if t.Gate != "" {
		if g, ok := d.gate(t.Gate); !ok || !d.judgeable(&g.Gate) {
			return Result{Outcome: Unknown, Reason: "gate"}
		}
	}
	for i := range totals {
		row, ok := d.account(totals[i].account)
		if !ok {
			return Result{Outcome: Unknown, Account: totals[i].account, Reason: "account"}
		}
		totals[i].row = row
	}
	if t.Refunds != "" {
		if original, ok := d.transferOf(t.Refunds); !ok || original.Moved() == 0 {
			return Result{Outcome: Unknown, Reason: "refunded"}
		}
	}
	for _, id := range t.Limits {
		if _, ok := d.limit(id); !ok {
			return Result{Outcome: Unknown, Limit: id, Reason: "limit"}
		}
	}
	return Result{Outcome: Done}
}

// fits says whether everybody has enough, and then whether everybody has room.
func fits(totals []effect, hold bool) Result {
	for _, e := range totals {
		if e.lacks(hold) {
			return Result{Outcome: Insufficient, Account: e.account, Left: max(0, e.row.Free())}
		}
	}
	for _, e := range totals {
		if e.overfills(hold) {
			return Result{Outcome: Full, Account: e.account, Left: max(0, e.row.Room())}
		}
	}
	return Result{Outcome: Done}
}

// effect is what all legs of a transfer together do to one account.
type effect struct {
	account AccountID
	row     *AccountRow
	out, in money.Yen
}

// effects appends the sums of the legs per account, in the order in which the legs name them.
func effects(list []effect, legs []Leg) []effect {
	at := func(id AccountID) *effect {
		for i := range list {
			if list[i].account == id {
				return &list[i]
			}
		}
		list = append(list, effect{account: id})
		return &list[len(list)-1]
	}
	for _, l := range legs {
		at(l.Debit).out += l.Amount
		at(l.Credit).in += l.Amount
	}
	return list
}

// lacks says whether the account has too little. What a Move brings in it may pay out again; a Hold may
// not, as the money is not there yet.
func (e effect) lacks(hold bool) bool {
	if hold {
		return e.out > 0 && e.out > e.row.Free()
	}
	return e.out > e.in && e.out-e.in > e.row.Free()
}

// overfills is lacks for the ceiling.
func (e effect) overfills(hold bool) bool {
	if hold {
		return e.in > 0 && e.in > e.row.Room()
	}
	return e.in > e.out && e.in-e.out > e.row.Room()
}

// book posts legs whose entries stand in the journal from an index on.
func (d *decider) book(legs []Leg, first int) {
	for i, l := range legs {
		e := &d.c.Entries[first+i]
		e.DebitAfter = d.line(l.Debit, -l.Amount, e.Seq)
		e.CreditAfter = d.line(l.Credit, l.Amount, e.Seq)
	}
}

// line changes a balance, notes the entry as a line of the account, and returns the new balance.
func (d *decider) line(id AccountID, amount money.Yen, entry int64) money.Yen {
	a := own(d.accounts, d.account, id)
	a.Balance = money.MustAdd(a.Balance, amount)
	if len(a.Tail)+1 < PageLines {
		a.Tail = append(a.Tail[:len(a.Tail):len(a.Tail)], entry)
		return a.Balance
	}
	d.c.Pages = append(d.c.Pages, Page{Account: a.Num, Lines: append(slices.Clone(a.Tail), entry)})
	a.Tail = nil
	return a.Balance
}

// reserve adds the legs of a hold to what its accounts hold (sign 1), or takes them off (sign -1).
func (d *decider) reserve(t *Transfer, sign money.Yen) {
	for _, e := range effects(nil, t.Legs) {
		a := own(d.accounts, d.account, e.account)
		a.HeldOut = money.MustAdd(a.HeldOut, sign*e.out)
		a.HeldIn = money.MustAdd(a.HeldIn, sign*e.in)
		if a.HeldIn < 0 || a.HeldOut < 0 {
			panic(fmt.Sprintf("ledger: %s holds less than nothing", a.ID))
		}
	}
}

// refund counts an amount as given back of an original, or no longer (negative).
func (d *decider) refund(id TransferID, sum money.Yen) {
	if id == "" || sum == 0 {
		return
	}
	t := own(d.transfers, d.transferOf, id)
	t.Refunded = money.MustAdd(t.Refunded, sum)
	d.fates[t.Num] = id
}

// post books an open hold, or a part of it.
func (d *decider) post(at time.Time, p Post) Result {
	t, r := d.openHold(at, p.ID, Posted)
	if t == nil {
		return r
	}
	legs, sum, ok := t.part(p.Part)
	switch {
	case !ok:
		return Result{Outcome: Overflow, At: at}
	case r.Repeated:
		if sum != t.Posted {
			return Result{Outcome: Mismatch, At: t.Ended}
		}
		return r
	case !t.Until.IsZero() && !at.Before(t.Until):
		return Result{Outcome: Expired, At: at, Until: t.Until}
	}
	t = d.endHold(p.ID, Posted, at)
	t.Posted = sum
	first := len(d.c.Entries)
	d.enterLegs(Entry{Act: ActPost, At: at, Of: t.Num}, legs)
	d.book(legs, first)
	if back := t.Sum() - sum; back > 0 {
		d.unspend(&t.Transfer, back)
		d.refund(t.Refunds, -back)
	}
	return Result{Outcome: Done, At: at}
}

// part is what a Post moves of a hold: all of it, or so much of each leg.
func (t *Transfer) part(amounts []money.Yen) (legs []Leg, sum money.Yen, ok bool) {
	if amounts == nil {
		return t.Legs, t.Sum(), true
	}
	if len(amounts) != len(t.Legs) {
		return nil, 0, false
	}
	for i, l := range t.Legs {
		if amounts[i] < 0 || amounts[i] > l.Amount {
			return nil, 0, false
		}
		if l.Amount = amounts[i]; l.Amount > 0 {
			legs, sum = append(legs, l), sum+l.Amount
		}
	}
	return legs, sum, sum > 0
}

func (d *decider) void(at time.Time, id TransferID) Result {
	t, r := d.openHold(at, id, Voided)
	if t == nil || r.Repeated {
		return r
	}
	t = d.endHold(id, Voided, at)
	d.enter(Entry{Act: ActVoid, At: at, Of: t.Num})
	d.unspend(&t.Transfer, t.Sum())
	d.refund(t.Refunds, -t.Sum())
	return Result{Outcome: Done, At: at, Voided: true}
}

// openHold finds a hold that is open or ended as it is to be ended now; otherwise the result says what is wrong.
func (d *decider) openHold(at time.Time, id TransferID, how End) (*TransferRow, Result) {
	t, ok := d.transferOf(id)
	switch {
	case ok && t.Result.Outcome == Buried:
		return nil, t.became()
	case !ok || !t.Hold || t.Result.Outcome != Done:
		return nil, Result{Outcome: Unknown, At: at, Reason: "hold"}
	case t.End == how:
		return t, Result{Outcome: Done, Repeated: true, At: t.Ended, Voided: how == Voided}
	case t.End != "":
		return nil, Result{Outcome: Ended, At: t.Ended, Voided: t.End == Voided}
	}
	return t, Result{}
}

// endHold ends a hold and gives back what it reserved.
func (d *decider) endHold(id TransferID, how End, at time.Time) *TransferRow {
	t := own(d.transfers, d.transferOf, id)
	t.End, t.Ended = how, at
	d.fates[t.Num] = id
	d.reserve(&t.Transfer, -1)
	return t
}

// bury puts a tombstone at an id that was never seen.
func (d *decider) bury(at time.Time, id TransferID) Result {
	if !validID(id) {
		return Result{Outcome: Overflow, At: at}
	}
	if t, known := d.transferOf(id); known {
		return t.became()
	}
	t := &TransferRow{Transfer: Transfer{Move: Move{ID: id}, Result: Result{Outcome: Buried, At: at}}}
	t.Num = d.enter(Entry{Act: ActBury, At: at, ID: string(id)})
	d.name(KeyOf(id), t.Num)
	d.transfers[id] = t
	return t.Result
}
