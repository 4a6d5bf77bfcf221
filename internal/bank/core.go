package bank

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// Core is what links need of a bank's core banking system. The ledger of this project is the one that
// comes with it; a bank that brings its own keeps three promises:
//
//   - A request is decided at one moment against balance, gates and limits together, and the rows that
//     its Then returns are committed with it, or neither is (M1, M2, M13).
//   - A transfer id is done at most once for ever, and a final refusal stays one.
//   - Requests that were submitted together are decided in their order and committed together: where one of
//     their rows is a ledger.Abandon, or cannot be written, nothing of the whole call is done.
type Core interface {
	// Submit decides one request; the error is for back-pressure or a failing store, never a refusal.
	Submit(ctx context.Context, req ledger.Request) (ledger.Result, error)
	// SubmitAll decides several in one commit, in order. Each has its own outcome; an error is that of all.
	SubmitAll(ctx context.Context, reqs []ledger.Request) ([]ledger.Result, error)
}

// The accounts, gates and limits of a bank in its core (docs/accounts of the bank's chart).
const (
	// Vault is the other side of cash in and out, and of opening balances.
	Vault ledger.AccountID = "vault"
	// Nostro is the other side of what is paid out to services, and of what they pay back.
	Nostro ledger.AccountID = "nostro"

	KindDeposit    = "deposit"
	KindSettlement = "settlement"
	KindSuspense   = "suspense"
	KindCash       = "cash"
	KindNostro     = "nostro"
)

// Deposit is the ledger account of a deposit account.
func Deposit(acc AccountID) ledger.AccountID { return ledger.AccountID("deposit/" + string(acc)) }

// Settlement is what the bank owes a service for debits not yet paid out.
func Settlement(s id.Service) ledger.AccountID { return ledger.AccountID("service/" + string(s)) }

// Suspense holds reversals whose account is closed, until a person has found the payee.
func Suspense(s id.Service) ledger.AccountID { return ledger.AccountID("suspense/" + string(s)) }

// AccountGate is the master switch of a deposit account: the parent of the gates of all its links.
func AccountGate(acc AccountID) ledger.GateID { return ledger.GateID("account/" + string(acc)) }

// LinkGate is the gate of one link.
func LinkGate(l id.Link) ledger.GateID { return ledger.GateID("link/" + string(l)) }

// DepositLimit is the account's limit over all links and services (M1); its key outlives links.
func DepositLimit(acc AccountID) ledger.LimitID { return ledger.LimitID("deposit/" + string(acc)) }

// LinkLimit is what the depositor consented to for one link.
func LinkLimit(l id.Link) ledger.LimitID { return ledger.LimitID("link/" + string(l)) }

// DebitTransfer is the ledger's id of a debit: one for ever per service and charge (M8).
func DebitTransfer(s id.Service, c id.Debit) ledger.TransferID {
	return ledger.TransferID(string(s) + "/" + string(c))
}

// ReversalTransfer is the ledger's id of a reversal.
func ReversalTransfer(s id.Service, rev string) ledger.TransferID {
	return ledger.TransferID(string(s) + "/" + rev)
}

// SettlementTransfer is the ledger's id of what is paid out for a day: one for ever per service and day (M8).
func SettlementTransfer(s id.Service, day string) ledger.TransferID {
	return ledger.TransferID("settlement/" + string(s) + "/" + day)
}

// openings are the accounts a bank needs before its first depositor and first debit of a service.
func openings(services []id.Service, now time.Time) []ledger.Request {
	open := func(acc ledger.AccountID, kind string, floor, ceiling money.Yen) ledger.Request {
		return ledger.Request{At: now, Do: ledger.Open{Account: ledger.Account{ID: acc, Kind: kind, Floor: floor, Ceiling: ceiling}}}
	}
	reqs := []ledger.Request{open(Vault, KindCash, -money.Max, 0), open(Nostro, KindNostro, -money.Max, money.Max)}
	for _, s := range services {
		// A reversal after the bank has paid the service out leaves the service owing the bank.
		reqs = append(reqs, open(Settlement(s), KindSettlement, -money.Max, money.Max), open(Suspense(s), KindSuspense, 0, money.Max))
	}
	return reqs
}

// MoneyStore is what the money half of a bank keeps beside the ledger, split by concern.
type MoneyStore interface {
	AccountStore
	ContactStore
	PINStore
	DebitStore
	NoticeStore
	StatementStore
	SettlementStore
	ChangeStore
}
