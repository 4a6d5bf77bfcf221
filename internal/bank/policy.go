package bank

import (
	"fmt"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// Policy is what one bank decides for itself. Every number has a compiled floor below: a configuration may
// be stricter, never weaker.
type Policy struct {
	Code, Passkey, ATM bool // the proofs of possession the bank offers; at least one

	Cooling    time.Duration // no debit after activation (L9)
	Limited    time.Duration // at most LimitedCap in 24 h after cooling (L9)
	LimitedCap money.Yen

	AccountEach, AccountDay, AccountMonth money.Yen // per deposit account over all services and links (M1)
	LinkEach, LinkDay, LinkMonth          money.Yen // the most a link may be asked for

	ContactAge time.Duration // a changed contact, PIN or passkey makes no link for so long (L14)
	Deadline   time.Duration // answers before full proof leave at this time (L3)
}

// The compiled floors. Times are at least, amounts at most.
const (
	MinCooling  = 12 * time.Hour
	MinLimited  = 24 * time.Hour
	MaxLimited  = money.Yen(5_000)
	MinAge      = 7 * 24 * time.Hour
	MinDeadline = 300 * time.Millisecond

	MaxAccountEach  = money.Yen(300_000)
	MaxAccountDay   = money.Yen(300_000)
	MaxAccountMonth = money.Yen(500_000)
)

// Lifetimes that no configuration changes.
const (
	RequestURILife  = 5 * time.Minute  // of a pushed request until a browser opens it (FAPI 2.0: under 600 s)
	IdentityLife    = 10 * time.Minute // the oldest identity taken (L6)
	SessionLife     = 30 * time.Minute // of the browser's session at the bank, and of an unconsented request (L12, L18)
	RedeemLife      = 10 * time.Minute // from consent to activation (L12)
	AuthCodeLife    = 60 * time.Second // of an authorization code
	ReceiptLife     = 24 * time.Hour   // how long a link waits for a notice's receipt (L8)
	ConfirmAfter    = 24 * time.Hour   // a typed code's link may be confirmed so long after activation (L13)
	CodeLife        = 5 * time.Minute
	CodeTries       = 3
	CodesPerDay     = 5
	WindowLife      = 10 * time.Minute // of an ATM link window (L18)
	ATMSessionLife  = 5 * time.Minute
	ParticipantLife = 10 * time.Minute // of a participant's or ATM operator's token
)

// DefaultPolicy offers every proof at the floors.
func DefaultPolicy() Policy {
	return Policy{
		Code: true, Passkey: true, ATM: true,
		Cooling: MinCooling, Limited: MinLimited, LimitedCap: MaxLimited,
		AccountEach: MaxAccountEach, AccountDay: MaxAccountDay, AccountMonth: MaxAccountMonth,
		LinkEach: MaxAccountEach, LinkDay: MaxAccountDay, LinkMonth: MaxAccountMonth,
		ContactAge: MinAge, Deadline: time.Second,
	}
}

// Check refuses a policy that is weaker than a compiled floor, and names the setting.
func (p Policy) Check() error {
	least := []struct {
		name       string
		value, min time.Duration
	}{
		{"cooling", p.Cooling, MinCooling},
		{"limited", p.Limited, MinLimited},
		{"contact_age", p.ContactAge, MinAge},
		{"deadline", p.Deadline, MinDeadline},
	}
	for _, s := range least {
		if s.value < s.min {
			return weak("%s is %v, the floor is %v", s.name, s.value, s.min)
		}
	}
	most := []struct {
		name       string
		value, max money.Yen
	}{
		{"limited_cap", p.LimitedCap, MaxLimited},
		{"account_each", p.AccountEach, MaxAccountEach},
		{"account_day", p.AccountDay, MaxAccountDay},
		{"account_month", p.AccountMonth, MaxAccountMonth},
		{"link_each", p.LinkEach, p.AccountEach},
		{"link_day", p.LinkDay, p.AccountDay},
		{"link_month", p.LinkMonth, p.AccountMonth},
	}
	for _, s := range most {
		if s.value > s.max || s.value < 0 {
			return weak("%s is %v, the most is %v", s.name, s.value, s.max)
		}
	}
	if !p.Code && !p.Passkey && !p.ATM {
		return weak("no proof of possession is offered")
	}
	return nil
}

// accountLimit is what the bank allows an account over all services and links (M1).
func (p Policy) accountLimit(acc AccountID) ledger.Limit {
	return ledger.Limit{ID: DepositLimit(acc), Each: p.AccountEach, Day: p.AccountDay, Month: p.AccountMonth}
}

func weak(format string, args ...any) error {
	return &fault.Error{Kind: fault.Invalid, Op: "bank.Policy", Err: fmt.Errorf(format, args...)}
}
