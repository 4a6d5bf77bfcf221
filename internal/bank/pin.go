package bank

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
)

// PIN is the four digits of a cash card. It cannot print itself.
type PIN string

const hiddenPIN = "[secret]"

// String hides the PIN.
func (PIN) String() string { return hiddenPIN }

// GoString hides the PIN.
func (PIN) GoString() string { return hiddenPIN }

// Format hides the PIN from every verb.
func (PIN) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hiddenPIN) }

// LogValue hides the PIN.
func (PIN) LogValue() slog.Value { return slog.StringValue(hiddenPIN) }

// MarshalText hides the PIN.
func (PIN) MarshalText() ([]byte, error) { return []byte(hiddenPIN), nil }

// PINVerifier keeps and compares PINs: a bank puts its security module here. What it returns for storage
// must be useless to whoever reads the database.
type PINVerifier interface {
	// Protect makes what is stored for an account's PIN.
	Protect(acc AccountID, pin PIN) ([]byte, error)
	// Verify compares in constant time; stored may be nil (an account without a PIN), and takes as long.
	Verify(acc AccountID, stored []byte, pin PIN) bool
}

// hmacPIN is salt || HMAC-SHA256(key, account, salt, pin).
type hmacPIN struct {
	key  []byte
	rand io.Reader
}

const pinSalt = 16

// NewPINVerifier keeps PINs as HMAC-SHA256 with a salt of the account's own, under a key that is in no
// database: whoever steals the database cannot try 10,000 PINs. The key has at least 32 bytes.
func NewPINVerifier(key []byte, rand io.Reader) (PINVerifier, error) {
	if len(key) < 32 {
		return nil, errors.New("bank: the PIN key is shorter than 32 bytes")
	}
	return &hmacPIN{key: slices.Clone(key), rand: rand}, nil
}

func (v *hmacPIN) Protect(acc AccountID, pin PIN) ([]byte, error) {
	salt := make([]byte, pinSalt)
	if _, err := io.ReadFull(v.rand, salt); err != nil {
		return nil, fmt.Errorf("bank: no randomness for a salt: %w", err)
	}
	return append(salt, v.mac(acc, salt, pin)...), nil
}

func (v *hmacPIN) Verify(acc AccountID, stored []byte, pin PIN) bool {
	known := len(stored) == pinSalt+sha256.Size
	if !known {
		stored = make([]byte, pinSalt+sha256.Size)
	}
	return hmac.Equal(v.mac(acc, stored[:pinSalt], pin), stored[pinSalt:]) && known
}

func (v *hmacPIN) mac(acc AccountID, salt []byte, pin PIN) []byte {
	m := hmac.New(sha256.New, v.key)
	for _, part := range [][]byte{[]byte("kozamori pin 1"), []byte(acc), salt, []byte(string(pin))} {
		m.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		m.Write(part)
	}
	return m.Sum(nil)
}

// PINRow is what the database has of an account's PIN.
type PINRow struct {
	Account     AccountID
	Protected   []byte
	ChangedAt   time.Time
	Pages, Card PINCount
}

// PINPlace is where a PIN is typed.
type PINPlace string

// The places. Three wrong PINs in a row lock the place where they were typed, for a day, and no other: nobody
// locks from afar the card in its owner's hand, nor with it the stop at an ATM (R5, D2); and whoever found the
// card keeps her from no page of the bank.
const (
	AtPages   PINPlace = "pages"   // linking and the portal
	AtMachine PINPlace = "machine" // the card in an ATM
)

// Wrong PINs in a row that lock, and for how long.
const (
	PINTries = 3
	PINLock  = 24 * time.Hour
)

// PINCount counts the wrong PINs of one place.
type PINCount struct {
	Tries       int // wrong ones, or under way, since the last right one
	LockedUntil time.Time
}

// Take counts a try at a place before it is evaluated, so that tries in parallel cannot be more than PINTries.
// It says whether the try may be evaluated.
func (r PINRow) Take(at PINPlace, now time.Time) (PINRow, bool) {
	c := &r.Pages
	if at == AtMachine {
		c = &r.Card
	}
	if now.Before(c.LockedUntil) {
		return r, false
	}
	if !c.LockedUntil.IsZero() {
		*c = PINCount{}
	}
	c.Tries++
	if c.Tries >= PINTries {
		c.LockedUntil = now.Add(PINLock)
	}
	return r, true
}

// Cleared forgets the wrong tries of a place.
func (r PINRow) Cleared(at PINPlace) PINRow {
	if at == AtMachine {
		r.Card = PINCount{}
	} else {
		r.Pages = PINCount{}
	}
	return r
}

// PINStore keeps PIN rows.
type PINStore interface {
	// PINOf reads the row; fault.NotFound where the account has no PIN.
	PINOf(ctx context.Context, acc AccountID) (PINRow, error)
	// TakePINTry applies PINRow.Take in one transaction. An account without a PIN is never allowed.
	TakePINTry(ctx context.Context, acc AccountID, at PINPlace, now time.Time) (row PINRow, allowed bool, err error)
	// ClearPINTries applies PINRow.Cleared, after a right one.
	ClearPINTries(ctx context.Context, acc AccountID, at PINPlace) error
}

// PutPIN is a Write of a new PIN; tries and lock are those of its row.
type PutPIN struct{ Row PINRow }

// commonPINs are the most used of a public count (R6).
var commonPINs = []string{
	"1234", "1212", "7777", "1004", "2000", "4321", "6969", "1122", "1313", "2001", "1010", "2580", "0852", "1357", "2468", "1230", "0123",
}

// WeakPIN says why a PIN may not be set (D8): it is what a thief tries first, or what he knows of the
// person. It is asked only where a PIN is chosen, never where one is checked.
func WeakPIN(pin PIN, a Account, contacts []Contact) error {
	p := string(pin)
	weak := func(ja, en string) error {
		return fault.Refuse("D8", "bank.WeakPIN", fault.Text{JA: ja, EN: en})
	}
	if !digits(p, 4) {
		return &fault.Error{Kind: fault.Invalid, Op: "bank.WeakPIN", Public: fault.Text{JA: "暗証番号は4桁の数字です。", EN: "A PIN is four digits."}}
	}
	if slices.Contains(commonPINs, p) || strings.Count(p, p[:1]) == 4 || isRun(p) {
		return weak("だれでも最初に試す番号です。別の番号にしてください。", "Everybody tries this number first. Please choose another.")
	}
	if birth := strings.ReplaceAll(a.BirthDate, "-", ""); len(birth) == 8 {
		year, month, day := birth[:4], birth[4:6], birth[6:]
		if slices.Contains([]string{year, month + day, day + month, year[2:] + month, month + year[2:], year[2:] + day}, p) {
			return weak("生年月日から推測できる番号です。別の番号にしてください。", "This follows from your date of birth. Please choose another.")
		}
	}
	if strings.Contains(a.Number, p) {
		return weak("口座番号に含まれる番号です。別の番号にしてください。", "This is part of your account number. Please choose another.")
	}
	for _, c := range contacts {
		if c.Channel == SMS && strings.Contains(c.Address, p) {
			return weak("電話番号に含まれる番号です。別の番号にしてください。", "This is part of your phone number. Please choose another.")
		}
	}
	return nil
}

// isRun says whether the digits go up or down by one: 3456, 8765, 9012.
func isRun(p string) bool {
	up, down := true, true
	for i := 1; i < len(p); i++ {
		up = up && (p[i]-'0') == (p[i-1]-'0'+1)%10
		down = down && (p[i]-'0') == (p[i-1]-'0'+9)%10
	}
	return up || down
}
