// Package outbox delivers what a commit decided to say: a message is written in the transaction that makes
// it true, and is then tried until it is delivered. Messages of one key are delivered in the order in which
// they were written, each at least once; who receives one must take it twice.
package outbox

import (
	"errors"
	"fmt"
	"time"
)

// Message is something to be said to another party.
type Message struct {
	ID       string    // unique; "" lets the store give one
	Kind     string    // which handler delivers it: "debit", "notice"
	Key      string    // messages of one key go in order; "" for a message that waits for no other
	To       string    // destination, which has places of its own: a bank, a gateway; "" stands for the kind
	Payload  []byte    // for the handler; the store seals it before it is written
	Due      time.Time // not before this; zero is at once
	Attempts int       // deliveries that failed so far
	Broken   error     // why the store cannot read the payload: such a message fails without reaching its handler
}

// Lane is what a message shares its places with: all that goes to the same destination.
func (m Message) Lane() string {
	if m.To != "" {
		return m.To
	}
	return m.Kind
}

// Backoff is how long to wait after a message failed so often: half a second, doubling up to a minute.
func Backoff(attempts int) time.Duration {
	const first, most = 500 * time.Millisecond, time.Minute
	if attempts <= 1 {
		return first
	}
	if attempts > 8 {
		return most
	}
	return min(most, first<<(attempts-1))
}

// Later is what a handler returns where a message must simply wait; it is no failure and does not count as
// an attempt.
type Later struct{ At time.Time }

func (l *Later) Error() string {
	return fmt.Sprintf("outbox: not before %s", l.At.Format(time.RFC3339))
}

// Retry is what becomes of a message after a delivery failed: when it is due again and how often it failed.
type Retry struct {
	ID       string
	Due      time.Time
	Attempts int
}

// after judges the error of a handler.
func after(m Message, err error, now time.Time, backoff func(int) time.Duration) Retry {
	if l, ok := errors.AsType[*Later](err); ok {
		return Retry{ID: m.ID, Due: l.At, Attempts: m.Attempts}
	}
	return Retry{ID: m.ID, Due: now.Add(backoff(m.Attempts + 1)), Attempts: m.Attempts + 1}
}
