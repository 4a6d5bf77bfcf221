package wallet

import (
	"context"
	"crypto/subtle"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

type (
	// ShopID is a shop as registered in the configuration: "shop_…".
	ShopID string
	// PaymentID is a payment in a shop, and the id of its transfer: "pay_…".
	PaymentID string
)

// Shop is a shop that may present payment codes.
type Shop struct {
	ID       ShopID
	Name     fault.Text // as payers see it
	CashLike bool       // sells what is like cash: maturing money buys nothing there (M10)
	KeyHash  string     // ShopKeyHash of its API key
}

// ShopKeyHash is how an API key of a shop is kept: base64url SHA-256. The key is random, not chosen by a person.
func ShopKeyHash(key string) string { return wire.Hash(key) }

// ShopWithKey is the shop an API key belongs to.
func (w *Wallet) ShopWithKey(key string) (Shop, bool) {
	hash := []byte(ShopKeyHash(key))
	var found Shop
	ok := false
	for _, s := range w.Money.Shops {
		if subtle.ConstantTimeCompare(hash, []byte(s.KeyHash)) == 1 {
			found, ok = s, true
		}
	}
	return found, ok
}

// Shop is the registered shop of an id; one no longer registered is shown by its id.
func (w *Wallet) Shop(shop ShopID) Shop {
	for _, s := range w.Money.Shops {
		if s.ID == shop {
			return s
		}
	}
	return Shop{ID: shop, Name: fault.Text{JA: string(shop), EN: string(shop)}}
}

// PaymentState is how a payment ended: it is decided at once.
type PaymentState string

// The states of a payment.
const (
	PaymentDone    PaymentState = "done"
	PaymentRefused PaymentState = "refused"
)

// Payment is a holder's payment in a shop, or the refusal of one whose code was presented.
type Payment struct {
	ID           PaymentID
	Shop         ShopID
	Subject      id.Subject
	Amount       money.Yen
	FromMaturing money.Yen // the rest came from available money
	Terminal     string    // the shop's own words
	Order        string
	State        PaymentState
	Reason       string // refused: "funds", "frozen", "amount", "cash_like"
	At           time.Time
}

// PutPayment writes a payment; one with the same id is fault.Conflict.
type PutPayment struct{ Payment Payment }

// PayCode is a one-time code that lets a shop take one payment (M11). Only its hash is kept.
type PayCode struct {
	Hash      string
	Payment   PaymentID // what presenting it makes, once
	Subject   id.Subject
	MadeAt    time.Time
	ExpiresAt time.Time
	BurntAt   time.Time // first presentation, or a newer code of the holder
	BurntBy   string    // who presented it, under which idempotency key; "" for a newer code
}

// PutPayCode writes a new code and burns the holder's others: a person shows one code at a time.
type PutPayCode struct{ Code PayCode }

// IdemKey is a shop's idempotency key: it belongs to the client and the endpoint, and never expires.
type IdemKey struct {
	Client, Endpoint, Key string
	BodyHash              string // of what was asked under it
}

// PutIdem writes what came of a request under an idempotency key; a known key is fault.Conflict.
type PutIdem struct {
	Key     IdemKey
	Payment PaymentID
	At      time.Time
}

// PaymentStore keeps payments, their codes and the keys of shops' requests.
type PaymentStore interface {
	Payment(ctx context.Context, p PaymentID) (Payment, error)
	PayCode(ctx context.Context, p PaymentID) (PayCode, error)
	// LivePayCode is a holder's code that has not expired and was not presented; fault.NotFound for none.
	LivePayCode(ctx context.Context, sub id.Subject, now time.Time) (PayCode, error)
	// BurnPayCode marks a code as presented, by whom and when, unless it is marked already, and answers how it
	// stands then. Of many at the same time one is first.
	BurnPayCode(ctx context.Context, hash, by string, now time.Time) (PayCode, error)
	// Idem answers what came of a request under a key, and the hash of what was asked.
	Idem(ctx context.Context, client, endpoint, key string) (PaymentID, string, error)
}
