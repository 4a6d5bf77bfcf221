package bank

import (
	"context"
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// MoveSettlement is the ledger's kind of transfer that pays a day out.
const MoveSettlement = "settlement"

// PaidDay is a day that a service and we agree on, paid out (M8). The text is the wire.Settlement that was signed
// then, and is repeated for ever.
type PaidDay struct {
	Service id.Service
	Day     string
	Total   wire.StatementTotal
	At      time.Time
	Text    string // compact JWS
}

// AddPaidDay is the ledger's Write of a day that is paid out. It is a fault.Conflict where the day is paid out already,
// has an open break, or its pages do not reach its end.
type AddPaidDay struct{ Day PaidDay }

// SettlementStore keeps what was paid out. What is not there is a fault.NotFound.
type SettlementStore interface {
	// PaidDay finds a service's day that was paid out.
	PaidDay(ctx context.Context, s id.Service, day string) (PaidDay, error)
	// OpenBreaksUpto counts the open breaks of a service's day up to and with a debit; "" is none.
	OpenBreaksUpto(ctx context.Context, s id.Service, day string, upto id.Debit) (int, error)
}

// agreed says whether the page ends a day on which both sides say the same: this page is equal line by line, no break
// of an earlier one is open, and so are number and sum of all lines.
func (b *Bank) agreed(ctx context.Context, d statementDay, ours, theirs *wire.Statement, put PutPage) (bool, error) {
	if !ours.Last() || len(put.Found) > 0 || *ours.Total != *theirs.Total {
		return false, nil
	}
	open, err := b.Store.OpenBreaksUpto(ctx, d.service, d.day, ours.After)
	return open == 0, err
}

// settle pays a day out: the transfer of its net, the signed settlement and the last page are one commit, once for
// ever. Coming second is a fault.Conflict.
func (b *Bank) settle(ctx context.Context, d statementDay, ours *wire.Statement, put PutPage) (string, error) {
	s := PaidDay{Service: d.service, Day: d.day, Total: *ours.Total, At: d.now}
	var err error
	if s.Text, err = wire.Sign(b.Keys.Sign, &wire.Settlement{Header: b.header(d.service, d.now), Day: d.day, Total: s.Total}); err != nil {
		return "", err
	}
	ours.Settlement = s.Text
	if put.Page.Ours, err = wire.Sign(b.Keys.Sign, ours); err != nil {
		return "", err
	}
	return put.Page.Ours, b.payOut(ctx, s, put)
}

// payOut commits a settlement. A day on which nothing is owed moves nothing.
func (b *Bank) payOut(ctx context.Context, s PaidDay, put PutPage) error {
	rows := []ledger.Write{put, AddPaidDay{s}}
	move := ledger.Move{ID: SettlementTransfer(s.Service, s.Day), Kind: MoveSettlement, Memo: s.Day}
	switch net := s.Total.Net(); {
	case net > 0:
		move.Legs = []ledger.Leg{{Debit: Settlement(s.Service), Credit: Nostro, Amount: net}}
	case net < 0: // more was given back than debited: the service owes us
		move.Legs = []ledger.Leg{{Debit: Nostro, Credit: Settlement(s.Service), Amount: -net}}
	default:
		return b.Store.Commit(ctx, rows...)
	}
	res, err := b.Core.Submit(ctx, ledger.Request{At: s.At, Do: move, Then: func(res ledger.Result) []ledger.Write {
		if !res.OK() || res.Repeated {
			return nil
		}
		return rows
	}})
	switch {
	case err != nil:
		return err
	case !res.OK():
		return fault.New(fault.Internal, "bank.settle", fmt.Errorf("%s of %s: outcome %d", s.Day, s.Service, res.Outcome))
	case res.Repeated:
		return fault.New(fault.Conflict, "bank.settle", errMoved)
	}
	return nil
}

// answerSettled answers a page of a day that is settled. What differs now is a break; nothing else changes.
func (b *Bank) answerSettled(ctx context.Context, s PaidDay, put PutPage, ours *wire.Statement) (string, error) {
	if ours.Settlement = ""; ours.Last() {
		ours.Settlement = s.Text
	}
	text, err := wire.Sign(b.Keys.Sign, ours)
	if err != nil {
		return "", err
	}
	return text, b.Store.Commit(ctx, put)
}
