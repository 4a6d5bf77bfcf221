package bank

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
)

// Kind is the sort of a deposit account.
type Kind string

// The kinds that can be linked.
const (
	Ordinary Kind = "ordinary" // 普通
	Current  Kind = "current"  // 当座
)

// Name is the kind as a person reads it.
func (k Kind) Name() fault.Text {
	if k == Current {
		return fault.Text{JA: "当座", EN: "Current"}
	}
	return fault.Text{JA: "普通", EN: "Ordinary"}
}

// Place is where an account stands in the directory of banks. A merger moves an account to another
// place; everything else hangs on its AccountID, which never changes.
type Place struct {
	Bank   id.Bank // four digits
	Branch string  // three digits
	Kind   Kind
	Number string // seven digits
}

// Check says what is malformed in a place, as a person who typed it may read.
func (p Place) Check() error {
	switch {
	case !digits(string(p.Bank), 4):
		return badPlace(fault.Text{JA: "銀行コードは4桁の数字です。", EN: "A bank code is four digits."})
	case !digits(p.Branch, 3):
		return badPlace(fault.Text{JA: "支店コードは3桁の数字です。", EN: "A branch code is three digits."})
	case p.Kind != Ordinary && p.Kind != Current:
		return badPlace(fault.Text{JA: "口座の種類を選んでください。", EN: "Please choose the kind of account."})
	case !digits(p.Number, 7):
		return badPlace(fault.Text{JA: "口座番号は7桁の数字です。", EN: "An account number is seven digits."})
	}
	return nil
}

func badPlace(public fault.Text) error {
	return &fault.Error{Kind: fault.Invalid, Op: "bank.Place", Public: public}
}

// digits says whether s is exactly n ASCII digits.
func digits(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// Account is a deposit account. Its balance is in the ledger, its secrets are elsewhere.
type Account struct {
	ID AccountID
	Place
	HolderKana string // full-width katakana, one space between family and given name
	HolderName string // as written: kanji
	BirthDate  string // "1985-04-01"
	CardID     string // the cash card, as an ATM reads it; "" for none
	OpenedAt   time.Time
	ClosedAt   time.Time // zero while open
	Closed     bool
}

// Masked is the account number as a page shows it before anybody needs all of it: "***4567".
func (a Account) Masked() string { return "***" + a.Number[len(a.Number)-4:] }

// NewAccount is what is needed to open a deposit account.
type NewAccount struct {
	Place      // Bank empty: this bank's own code
	HolderKana string
	HolderName string
	BirthDate  string
	CardID     string
	PIN        PIN // "" for none yet
	Phone      string
	Email      string
	Opening    money.Yen // paid in at once
	// Since is when the holder became a customer and gave contacts and PIN; zero: now. What was given
	// less than 7 days ago proves nothing (L14).
	Since time.Time
}

// Renumbering moves one account to another place (a merger).
type Renumbering struct {
	Account AccountID
	To      Place
}

// AccountStore keeps deposit accounts. What is not there is a fault.NotFound.
type AccountStore interface {
	// Account finds an account by its permanent id.
	Account(ctx context.Context, acc AccountID) (Account, error)
	// AccountAt finds an account by where it stands today.
	AccountAt(ctx context.Context, at Place) (Account, error)
	// AccountByCard finds the account of a cash card.
	AccountByCard(ctx context.Context, card string) (Account, error)
	// AccountsAtBank lists all accounts that stand under a bank code.
	AccountsAtBank(ctx context.Context, bank id.Bank) ([]Account, error)
	// Renumber moves all or none, and keeps where each stood before.
	Renumber(ctx context.Context, moves []Renumbering, at time.Time) error
}

// AddAccount is the ledger's Write of a new account with its contacts and PIN.
type AddAccount struct {
	Account  Account
	Contacts []Contact
	PIN      *PINRow // nil for none
}

// CloseAccount is the ledger's Write that closes an account.
type CloseAccount struct {
	Account AccountID
	At      time.Time
}
