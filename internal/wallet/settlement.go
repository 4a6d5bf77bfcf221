package wallet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// SettlementState is how far a day of one bank has come until its money is here (M8).
type SettlementState string

// The states of a settlement. The receivable shrinks at the last one only: a bank's promise is no money.
const (
	SettlementOpen      SettlementState = "open"      // not agreed on, or the bank has not said so
	SettlementAnnounced SettlementState = "announced" // the bank's signed settlement of exactly our net
	SettlementArrived   SettlementState = "arrived"   // a member of staff has seen the money; or nothing was owed
)

// settlementNext is the whole life of a settlement; docs/states.md draws it.
var settlementNext = map[SettlementState][]SettlementState{
	SettlementOpen:      {SettlementAnnounced, SettlementArrived},
	SettlementAnnounced: {SettlementArrived},
	SettlementArrived:   {},
}

// SettlementStates lists every state with those that may follow it.
func SettlementStates() map[SettlementState][]SettlementState {
	out := make(map[SettlementState][]SettlementState, len(settlementNext))
	for s, next := range settlementNext {
		out[s] = slices.Clone(next)
	}
	return out
}

// Settlement is a day of one bank that both sides agree on. The zero value is one that is open.
type Settlement struct {
	Issuer      id.Issuer
	Day         string
	Total       wire.StatementTotal // ours, and the bank's
	Text        string              // the bank's compact JWS
	AnnouncedAt time.Time
	ArrivedAt   time.Time // zero: not yet
	RecordedBy  string    // the member of staff who has seen the money; "" where nothing was owed
}

// State is the settlement's state.
func (s Settlement) State() SettlementState {
	switch {
	case s.AnnouncedAt.IsZero():
		return SettlementOpen
	case s.ArrivedAt.IsZero():
		return SettlementAnnounced
	}
	return SettlementArrived
}

// May says whether the settlement may go to a state.
func (s Settlement) May(next SettlementState) bool {
	return slices.Contains(settlementNext[s.State()], next)
}

// Amount is what has to move; ToBank says that it is the service that pays.
func (s Settlement) Amount() money.Yen { return max(s.Total.Net(), -s.Total.Net()) }

// ToBank says that more was given back than debited: the service pays the bank.
func (s Settlement) ToBank() bool { return s.Total.Net() < 0 }

// PutSettlement writes what a bank has announced; a second one of the same issuer and day is fault.Conflict.
type PutSettlement struct{ Settlement Settlement }

// EndSettlement writes who has recorded the arrival, and when; one that has arrived already is fault.Conflict.
type EndSettlement struct{ Settlement Settlement }

// SettlementStore keeps what banks have announced. What is not there is fault.NotFound.
type SettlementStore interface {
	// Settlement is what a bank has announced for a day.
	Settlement(ctx context.Context, issuer id.Issuer, day string) (Settlement, error)
	// Settlements lists at most n settlements of a bank by which money moves: those under way first, then by
	// day, newest first.
	Settlements(ctx context.Context, issuer id.Issuer, n int) ([]Settlement, error)
}

func settlementTransfer(issuer id.Issuer, day string) ledger.TransferID {
	return ledger.TransferID("settled/" + host(issuer) + "/" + day)
}

// announced takes the settlement that came with a bank's last page. It counts only if the bank settles exactly what
// our own day comes to, and only the first one counts; anything else is a break.
func (w *Wallet) announced(ctx context.Context, d statementDay, ours wire.StatementTotal, text string) ([]ledger.Write, []Break, error) {
	var m wire.Settlement
	if err := w.Messages.Open(ctx, text, d.issuer, &m); err != nil {
		return nil, nil, err
	}
	if m.Day != d.day {
		return nil, nil, fault.New(fault.Invalid, "wallet.announced", fmt.Errorf("a settlement of %s instead of %s", m.Day, d.day))
	}
	differs := func(kind BreakKind, ours string) []Break {
		return []Break{{Issuer: d.issuer, Day: d.day, Line: "settlement", Kind: kind, Ours: ours, Theirs: describeTotal(m.Total)}}
	}
	known, err := w.Store.Settlement(ctx, d.issuer, d.day)
	switch {
	case err == nil && known.Text == text:
		return nil, nil, nil
	case err == nil:
		return nil, differs(BreakContradiction, describeTotal(known.Total)), nil
	case fault.Of(err) != fault.NotFound:
		return nil, nil, err
	case m.Total != ours:
		return nil, differs(BreakDiffers, describeTotal(ours)), nil
	}
	s := Settlement{Issuer: d.issuer, Day: d.day, Total: ours, Text: text, AnnouncedAt: w.Now()}
	if s.Amount() == 0 {
		s.ArrivedAt = s.AnnouncedAt
	}
	return []ledger.Write{PutSettlement{s}}, nil, nil
}

// RecordArrival books the money of a day that a bank has announced, once a member of staff has seen it on the
// service's own account: what the bank owes shrinks by it, and its cap (M8) has that much room again. Where the
// service had to pay, the record says that it has. The amount is what moved, whoever paid.
func (w *Wallet) RecordArrival(ctx context.Context, issuer id.Issuer, day string, amount money.Yen, by string) (Settlement, error) {
	const op = "wallet.RecordArrival"
	if by == "" {
		return Settlement{}, fault.New(fault.Forbidden, op, errors.New("nobody records it"))
	}
	s, err := w.Store.Settlement(ctx, issuer, day)
	switch {
	case fault.Of(err) == fault.NotFound:
		return s, &fault.Error{Kind: fault.NotFound, Op: op, Rule: "M8", Err: err, Public: textNotAnnounced(day)}
	case err != nil:
		return s, err
	case !s.May(SettlementArrived):
		return s, &fault.Error{Kind: fault.Conflict, Op: op, Rule: "M8", Public: textArrived(s)}
	case amount != s.Amount():
		return s, fault.Refuse("M8", op, textWrongAmount(s))
	}
	if err := w.openAll(ctx, []ledger.Request{
		{At: w.Now(), Do: ledger.Open{Account: w.Money.Policy.receivableAccount(issuer)}},
		{At: w.Now(), Do: ledger.Open{Account: ledger.Account{ID: Settled(issuer), Kind: kindSettled, Floor: -money.Max, Ceiling: money.Max}}},
	}); err != nil {
		return s, err
	}
	return w.bookArrival(ctx, s, by)
}

// bookArrival moves what has arrived, with the row that says who has seen it.
func (w *Wallet) bookArrival(ctx context.Context, s Settlement, by string) (Settlement, error) {
	const op = "wallet.RecordArrival"
	leg := ledger.Leg{Debit: Settled(s.Issuer), Credit: Receivable(s.Issuer), Amount: s.Amount()}
	if s.ToBank() {
		leg.Debit, leg.Credit = leg.Credit, leg.Debit
	}
	s.ArrivedAt, s.RecordedBy = w.Now(), by
	r, err := w.Ledger.Submit(ctx, ledger.Request{
		At: s.ArrivedAt,
		Do: ledger.Move{ID: settlementTransfer(s.Issuer, s.Day), Kind: kindSettled, Memo: s.Day, Legs: []ledger.Leg{leg}},
		Then: func(r ledger.Result) []ledger.Write {
			if !r.OK() || r.Repeated {
				return nil
			}
			return []ledger.Write{EndSettlement{s}}
		},
	})
	switch {
	case err != nil:
		return s, err
	case r.Repeated && r.OK():
		if s, err = w.Store.Settlement(ctx, s.Issuer, s.Day); err != nil {
			return s, err
		}
		return s, &fault.Error{Kind: fault.Conflict, Op: op, Rule: "M8", Public: textArrived(s)}
	case r.Outcome == ledger.Insufficient: // paying the bank back would let it owe more than its cap
		return s, fault.Refuse("M8", op, textPaidPastCap(w.Money.Policy.BankCap))
	case !r.OK():
		return s, fault.New(fault.Internal, op, fmt.Errorf("outcome %d", r.Outcome))
	}
	return s, nil
}

// Owing is how the service stands with one bank.
type Owing struct {
	Issuer      id.Issuer
	Owed        money.Yen // booked and not arrived; negative where the service owes the bank
	MayCome     money.Yen // of charges without an end
	Cap         money.Yen // on both together (M8)
	Settlements []Settlement
	NotAgreed   []FinalDay // exchanged after they were over, without the bank's settlement
}

// Room is what may still be charged before the cap stops it.
func (o Owing) Room() money.Yen { return max(0, o.Cap-o.Owed-o.MayCome) }

// OwingOf says how the service stands with a bank, with at most n settlements and days.
func (w *Wallet) OwingOf(ctx context.Context, issuer id.Issuer, n int) (Owing, error) {
	o := Owing{Issuer: issuer, Cap: w.Money.Policy.BankCap}
	acc, err := w.account(ctx, Receivable(issuer))
	if err != nil {
		return o, err
	}
	o.Owed, o.MayCome = -acc.Balance, acc.HeldOut
	if o.Settlements, err = w.Store.Settlements(ctx, issuer, n); err != nil {
		return o, err
	}
	days, err := w.Store.FinalDays(ctx, issuer)
	for _, d := range days {
		if !d.Announced && len(o.NotAgreed) < n {
			o.NotAgreed = append(o.NotAgreed, d)
		}
	}
	return o, err
}
