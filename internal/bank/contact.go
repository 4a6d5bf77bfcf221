package bank

import (
	"context"
	"net/mail"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
)

// Channel is a way to reach a depositor.
type Channel string

// The channels of notices.
const (
	SMS   Channel = "sms"
	Email Channel = "email"
)

// Contact is one address the bank has, or had, on file for a depositor.
type Contact struct {
	ID        string // "con_…"
	Account   AccountID
	Channel   Channel
	Address   string    // E.164 or an e-mail address
	ProvedAt  time.Time // when the bank itself proved it; zero: it did not (L14)
	AddedAt   time.Time
	RemovedAt time.Time // zero while on file
}

// KeepTelling is how long a removed contact is still told everything (L8): who takes an account over
// changes the contact first.
const KeepTelling = 30 * 24 * time.Hour

// Told says whether notices go to the contact at a moment.
func (c Contact) Told(now time.Time) bool {
	return c.RemovedAt.IsZero() || now.Before(c.RemovedAt.Add(KeepTelling))
}

// Current says whether the contact is on file now.
func (c Contact) Current() bool { return c.RemovedAt.IsZero() }

// Masked shows enough of an address to recognise it, and not enough to learn it.
func (c Contact) Masked() string {
	if c.Channel == Email {
		local, domain, ok := strings.Cut(c.Address, "@")
		if !ok || local == "" {
			return "***"
		}
		return local[:1] + "***@" + domain
	}
	if len(c.Address) < 6 {
		return "***"
	}
	return strings.Repeat("*", len(c.Address)-4) + c.Address[len(c.Address)-4:]
}

// LastContactChange is the latest moment a contact was added or removed (L14).
func LastContactChange(contacts []Contact) time.Time {
	var last time.Time
	for _, c := range contacts {
		for _, t := range []time.Time{c.AddedAt, c.RemovedAt} {
			if t.After(last) {
				last = t
			}
		}
	}
	return last
}

// CheckContact says what is malformed in an address.
func CheckContact(ch Channel, address string) error {
	bad := func(ja, en string) error {
		return &fault.Error{Kind: fault.Invalid, Op: "bank.CheckContact", Public: fault.Text{JA: ja, EN: en}}
	}
	switch ch {
	case SMS:
		n := strings.TrimPrefix(address, "+")
		if n == address || len(n) < 8 || len(n) > 15 || strings.Trim(n, "0123456789") != "" {
			return bad("電話番号は国番号から入力してください（例 +819012345678）。", "A phone number begins with its country code, such as +819012345678.")
		}
	case Email:
		a, err := mail.ParseAddress(address)
		if err != nil || a.Address != address || len(address) > 254 {
			return bad("メールアドレスの形が正しくありません。", "This is not an e-mail address.")
		}
	default:
		return bad("連絡先の種類がわかりません。", "Unknown kind of contact.")
	}
	return nil
}

// ContactStore keeps contacts with their history.
type ContactStore interface {
	// Contacts lists all there ever were, oldest first.
	Contacts(ctx context.Context, acc AccountID) ([]Contact, error)
}

// AddContact is a Write that puts a contact on file.
type AddContact struct{ Contact Contact }

// RemoveContact is a Write that takes one off; one that is not on file is a fault.Conflict. It is told
// everything for KeepTelling longer.
type RemoveContact struct {
	Account AccountID
	Contact string
	At      time.Time
}
