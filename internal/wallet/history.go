package wallet

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
)

// EntryKind says what a line of a holder's history is.
type EntryKind string

// The kinds of history lines.
const (
	EntryCharge  EntryKind = "charge"
	EntryPayment EntryKind = "payment"
)

// Entry is a line of a holder's history: a charge as it stands, or a payment.
type Entry struct {
	Kind   EntryKind
	ID     string // of the charge or the payment
	At     time.Time
	Amount money.Yen
	State  string // ChargeState or PaymentState
	Reason string
	Bank   fault.Text // of a charge
	Shop   ShopID     // of a payment
}

// Cursor stands between two lines of a history; the zero value is before the newest.
type Cursor struct {
	At time.Time
	ID string
}

// String is the cursor as an address carries it.
func (c Cursor) String() string {
	if c.At.IsZero() {
		return ""
	}
	return strconv.FormatInt(c.At.UnixMicro(), 36) + "." + c.ID
}

// ParseCursor reads a cursor back; "" is the zero value, anything else not made by String is fault.Invalid.
func ParseCursor(s string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	at, rest, ok := strings.Cut(s, ".")
	us, err := strconv.ParseInt(at, 36, 64)
	if !ok || err != nil || us <= 0 || !(id.Valid(rest, "deb") || id.Valid(rest, "pay")) {
		return Cursor{}, fault.New(fault.Invalid, "wallet.ParseCursor", fmt.Errorf("not a cursor: %.60q", s))
	}
	return Cursor{At: clock.FromMicros(us), ID: rest}, nil
}

// HistoryStore reads histories.
type HistoryStore interface {
	// History lists a holder's lines older than a cursor, newest first. Charges never agreed to are left out.
	History(ctx context.Context, sub id.Subject, before Cursor, n int) ([]Entry, error)
}

// HistoryOf is a page of a holder's history, and the cursor of the next one; zero at the end.
func (w *Wallet) HistoryOf(ctx context.Context, sub id.Subject, before Cursor, n int) ([]Entry, Cursor, error) {
	entries, err := w.Store.History(ctx, sub, before, n+1)
	if err != nil || len(entries) <= n {
		return entries, Cursor{}, err
	}
	last := entries[n-1]
	return entries[:n], Cursor{At: last.At, ID: last.ID}, nil
}
