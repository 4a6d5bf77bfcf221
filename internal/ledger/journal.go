package ledger

import (
	"encoding/json"
	"fmt"

	"github.com/kozamori/kozamori/internal/money"
)

// Journal reads entries by their numbers, for who rebuilds something from them: an entry that is not there is
// the zero Entry.
type Journal func(seq int64) Entry

// Transfer rebuilds what stands under the id of entry num, with what became of it: fate is the zero Fate where
// nothing did. The journal must hold the entries of the transfer, and those that made its accounts, gate,
// limits and the transfer that it refunds.
func (j Journal) Transfer(num int64, fate Fate) (*TransferRow, error) {
	e := j(num)
	t := &TransferRow{Num: num}
	t.ID, t.Result.At = TransferID(e.ID), e.At
	t.Until, t.End, t.Ended, t.Posted, t.Refunded = fate.Until, fate.End, fate.Ended, fate.Posted, fate.Refunded
	var det TransferDetail
	if err := e.read(&det); err != nil {
		return nil, err
	}
	switch e.Act {
	case ActMove, ActHold:
		t.Result.Outcome = Done
	case ActBury:
		t.Result.Outcome = Buried
		return t, nil
	case ActRefusal, ActNoHold:
		if err := t.Result.refused(det); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("ledger: entry %d is no transfer", num)
	}
	t.Hold = e.Act == ActHold || e.Act == ActNoHold
	t.Until = fromMicros(det.Until)
	t.Kind, t.Memo, t.Device, t.Final = e.Kind, e.Memo, det.Device, det.Final
	t.Gate = GateID(j(e.Gate).ID)
	t.Refunds = TransferID(j(e.Of).ID)
	for _, l := range e.Limits {
		t.Limits = append(t.Limits, LimitID(j(l).ID))
	}
	for i := range int64(e.Legs) {
		leg := j(num + i)
		t.Legs = append(t.Legs, Leg{Debit: AccountID(j(leg.Debit).ID), Credit: AccountID(j(leg.Credit).ID), Amount: leg.Amount})
	}
	return t, nil
}

// refused reads a refusal as it was answered.
func (r *Result) refused(det TransferDetail) (err error) {
	r.Outcome, err = OutcomeNamed(det.Outcome)
	r.Account, r.Limit, r.Window, r.Left, r.Reason, r.Until = det.Account, det.Limit, det.Window, det.Left, det.Reason, fromMicros(det.Shut)
	return err
}

// read reads the entry's Detail.
func (e Entry) read(into any) error {
	if e.Detail == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(e.Detail), into); err != nil {
		return fmt.Errorf("ledger: detail of entry %d: %w", e.Seq, err)
	}
	return nil
}

// Parts lists the numbers of the entries that Transfer needs besides num itself.
func (e Entry) Parts() []int64 {
	var nums []int64
	for i := int64(1); i < int64(e.Legs); i++ {
		nums = append(nums, e.Seq+i)
	}
	for _, n := range append([]int64{e.Debit, e.Credit, e.Gate, e.Of}, e.Limits...) {
		if n != 0 {
			nums = append(nums, n)
		}
	}
	return nums
}

// Line rebuilds the line that entry n made in an account. The journal must hold n, the entry Of that n names,
// the one Of that one, and the account on the other side.
func (j Journal) Line(account int64, n int64) (Line, error) {
	e := j(n)
	head := e
	if e.Act == ActLeg {
		head = j(e.Of)
	}
	named := head
	if head.Act == ActPost {
		named = j(head.Of)
	}
	l := Line{N: n, Account: AccountID(j(account).ID), Transfer: TransferID(named.ID), Kind: named.Kind, At: e.At, Memo: named.Memo}
	switch {
	case head.Act != ActMove && head.Act != ActPost:
		return l, fmt.Errorf("ledger: entry %d booked nothing", n)
	case e.Debit == account:
		l.Amount, l.Balance, l.Other = -e.Amount, e.DebitAfter, AccountID(j(e.Credit).ID)
	case e.Credit == account:
		l.Amount, l.Balance, l.Other = e.Amount, e.CreditAfter, AccountID(j(e.Debit).ID)
	default:
		return l, fmt.Errorf("ledger: entry %d is not of account %d", n, account)
	}
	return l, nil
}

// After is the balance of an account after its line in this entry.
func (e Entry) After(account int64) money.Yen {
	if e.Debit == account {
		return e.DebitAfter
	}
	return e.CreditAfter
}
