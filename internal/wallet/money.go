package wallet

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// The wallet's chart of accounts. What the service owes is positive: e-money of holders, takings of shops.
// What banks owe the service for booked debits is negative, and bounded by the cap of M8.
const (
	kindAvailable  = "available"
	kindMaturing   = "maturing"
	kindReversing  = "reversing"
	kindReceivable = "receivable"
	kindSettled    = "settled"
	kindShop       = "shop"
)

// Available holds e-money that may be used for everything.
func Available(sub id.Subject) ledger.AccountID { return ledger.AccountID("available/" + sub) }

// Maturing holds e-money charged over a link that was cooling or limited (M10): one account a link, so that
// the day it becomes available is exact.
func Maturing(sub id.Subject, link id.Link) ledger.AccountID {
	return ledger.AccountID("maturing/" + string(sub) + "/" + string(link))
}

// Reversing holds e-money that goes back to a bank whose answer is still to come.
func Reversing(sub id.Subject) ledger.AccountID { return ledger.AccountID("reversing/" + sub) }

// Receivable is what a bank owes for debits it booked; its floor is the cap on unsettled receipts (M8).
func Receivable(issuer id.Issuer) ledger.AccountID {
	return ledger.AccountID("receivable/" + host(issuer))
}

// Settled is what has arrived from a bank: money of the service at a bank of its own, so negative like all that
// others owe it.
func Settled(issuer id.Issuer) ledger.AccountID { return ledger.AccountID("settled/" + host(issuer)) }

func host(issuer id.Issuer) string {
	host := string(issuer)
	if _, rest, ok := strings.Cut(host, "://"); ok {
		host = rest
	}
	host, _, _ = strings.Cut(host, "/")
	return host
}

// receivableAccount is how a bank's receivable is opened. Where more is given back after the bank has settled, the
// service owes the bank: only the floor bounds it.
func (p MoneyPolicy) receivableAccount(issuer id.Issuer) ledger.Account {
	return ledger.Account{ID: Receivable(issuer), Kind: kindReceivable, Floor: -p.BankCap, Ceiling: money.Max}
}

// matureID is another one after each line of the maturing account.
func matureID(link id.Link, line int64) ledger.TransferID {
	return ledger.TransferID(fmt.Sprintf("mature/%s/%d", link, line))
}

// ShopAccount is what the service owes a shop.
func ShopAccount(shop ShopID) ledger.AccountID { return ledger.AccountID("shop/" + shop) }

// ChargeLimit is the rolling limit of a holder's charges over all links (M1).
func ChargeLimit(sub id.Subject) ledger.LimitID { return ledger.LimitID("charge/" + sub) }

// MoneyPolicy is what configuration may decide about money, within compiled bounds.
type MoneyPolicy struct {
	Each, Day, Month money.Yen // a holder's charges: one, in any 24 hours, in any 30 days (M1)
	HolderCap        money.Yen // all e-money of one holder
	BankCap          money.Yen // booked and possible debits of one bank that it has not settled (M8)
}

// The bounds no configuration passes: the figures of the incident for charges, and what the law allows a
// holder of a type 2 operator to keep without a purpose (M6).
const (
	MaxCharge    money.Yen = 300_000
	MaxHolderCap money.Yen = 1_000_000
	MaxBankCap   money.Yen = 1_000_000_000
)

// DefaultMoney is the policy where configuration says nothing.
func DefaultMoney() MoneyPolicy {
	return MoneyPolicy{Each: 100_000, Day: 100_000, Month: 300_000, HolderCap: MaxHolderCap, BankCap: 100_000_000}
}

// Or fills what is zero from another policy.
func (p MoneyPolicy) Or(other MoneyPolicy) MoneyPolicy {
	for _, f := range []struct{ to, from *money.Yen }{
		{&p.Each, &other.Each}, {&p.Day, &other.Day}, {&p.Month, &other.Month},
		{&p.HolderCap, &other.HolderCap}, {&p.BankCap, &other.BankCap},
	} {
		if *f.to == 0 {
			*f.to = *f.from
		}
	}
	return p
}

// Check refuses a policy outside the compiled bounds, naming the field.
func (p MoneyPolicy) Check() error {
	for _, f := range []struct {
		name     string
		have, to money.Yen
	}{
		{"charge_each", p.Each, MaxCharge}, {"charge_24_hours", p.Day, MaxCharge}, {"charge_30_days", p.Month, MaxCharge},
		{"holder_cap", p.HolderCap, MaxHolderCap}, {"bank_cap", p.BankCap, MaxBankCap},
	} {
		if f.have < 1 || f.have > f.to {
			return fmt.Errorf("wallet: %s is %d, but must be 1 to %d yen", f.name, f.have, f.to)
		}
	}
	return nil
}

// limit is a holder's rolling limit as the policy sets it.
func (p MoneyPolicy) limit(sub id.Subject) ledger.Limit {
	return ledger.Limit{ID: ChargeLimit(sub), Each: p.Each, Day: p.Day, Month: p.Month}
}

// MoneyDeps is what the money half of a wallet is made of.
type MoneyDeps struct {
	Policy     MoneyPolicy
	Shops      []Shop
	Books      Books
	BreakOwner string // who looks into new breaks until somebody takes them
	AskAtOnce  int    // charges whose banks are asked at the same time; 0: 16
}

// Books reads what the ledger has committed: part of ledger.Reader. What is not there is fault.NotFound.
type Books interface {
	Account(ctx context.Context, id ledger.AccountID) (ledger.Account, error)
	Usage(ctx context.Context, id ledger.LimitID, now time.Time) (ledger.Usage, error)
	History(ctx context.Context, id ledger.AccountID, before int64, n int) ([]ledger.Line, error)
}

// account reads an account that need not exist: one never opened is empty.
func (w *Wallet) account(ctx context.Context, id ledger.AccountID) (ledger.Account, error) {
	a, err := w.Money.Books.Account(ctx, id)
	if err != nil && fault.Of(err) == fault.NotFound {
		return ledger.Account{ID: id}, nil
	}
	return a, err
}

// MoneyStore is what the wallet keeps about money beside the ledger. What is not there is fault.NotFound.
type MoneyStore interface {
	ChargeStore
	PaymentStore
	HistoryStore
	StatementStore
	SettlementStore
}

// HolderAccounts opens what a new holder needs: her e-money accounts and the limit of her charges. The
// requests may stand in one batch with the one that writes the holder; repeated, they change nothing.
func (w *Wallet) HolderAccounts(sub id.Subject) []ledger.Request {
	now, p := w.Now(), w.Money.Policy
	return []ledger.Request{
		{At: now, Do: ledger.Open{Account: ledger.Account{ID: Available(sub), Kind: kindAvailable, Ceiling: p.HolderCap}}},
		{At: now, Do: ledger.Open{Account: ledger.Account{ID: Reversing(sub), Kind: kindReversing, Ceiling: p.HolderCap}}},
		{At: now, Do: ledger.SetLimit{Limit: p.limit(sub)}},
	}
}

// OpenShops gives every configured shop its account.
func (w *Wallet) OpenShops(ctx context.Context) error {
	rs := make([]ledger.Request, 0, len(w.Money.Shops))
	for _, s := range w.Money.Shops {
		a := ledger.Account{ID: ShopAccount(s.ID), Kind: kindShop, Ceiling: money.Max}
		rs = append(rs, ledger.Request{At: w.Now(), Do: ledger.Open{Account: a}})
	}
	return w.openAll(ctx, rs)
}

// openAll opens accounts that may be there already; one that is takes the bounds the policy has now.
func (w *Wallet) openAll(ctx context.Context, rs []ledger.Request) error {
	if len(rs) == 0 {
		return nil
	}
	results, err := w.Ledger.SubmitAll(ctx, rs)
	if err != nil {
		return err
	}
	var rebound []ledger.Request
	for i, r := range results {
		open, ok := rs[i].Do.(ledger.Open)
		switch {
		case ok && r.Outcome == ledger.Mismatch:
			a := open.Account
			rebound = append(rebound, ledger.Request{At: rs[i].At, Do: ledger.Bound{Account: a.ID, Floor: a.Floor, Ceiling: a.Ceiling}})
		case !r.OK():
			return fault.New(fault.Internal, "wallet.openAll", fmt.Errorf("%T: outcome %d", rs[i].Do, r.Outcome))
		}
	}
	if len(rebound) == 0 {
		return nil
	}
	_, err = w.Ledger.SubmitAll(ctx, rebound)
	return err
}

// holdings is a holder's e-money in all, with what may still arrive.
func (w *Wallet) holdings(ctx context.Context, sub id.Subject, links []Link) (money.Yen, error) {
	var sum money.Yen
	for _, a := range append(maturingOf(sub, links), Available(sub), Reversing(sub)) {
		acc, err := w.account(ctx, a)
		if err != nil {
			return 0, err
		}
		sum = money.MustAdd(sum, money.MustAdd(acc.Balance, acc.HeldIn))
	}
	return sum, nil
}

func maturingOf(sub id.Subject, links []Link) []ledger.AccountID {
	var out []ledger.AccountID
	for _, l := range links {
		out = append(out, Maturing(sub, l.ID))
	}
	return out
}

// turns makes what is decided about one key happen one after the other. About a holder where more than one account
// counts: the cap on all her e-money, and the choice of the accounts a payment takes.
type turns[K comparable] struct {
	mu   sync.Mutex
	held map[K]*turn
}

type turn struct {
	mu    sync.Mutex
	users int
}

// lock waits for the key's turn and returns what ends it.
func (s *turns[K]) lock(key K) func() {
	s.mu.Lock()
	if s.held == nil {
		s.held = map[K]*turn{}
	}
	l := s.held[key]
	if l == nil {
		l = &turn{}
		s.held[key] = l
	}
	l.users++
	s.mu.Unlock()
	l.mu.Lock()
	return func() {
		l.mu.Unlock()
		s.mu.Lock()
		if l.users--; l.users == 0 {
			delete(s.held, key)
		}
		s.mu.Unlock()
	}
}
