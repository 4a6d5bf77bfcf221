package bank

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/outbox"
)

// EventKind is what a depositor is told about (L8).
type EventKind string

// The events. Requests become a digest after DigestAfter a day; the others never do.
const (
	EventRequest   EventKind = "request"   // a service asks for a link, and the account entered is this one
	EventActivated EventKind = "activated" // consent was given: the link is made, and begins to cool
	EventDead      EventKind = "dead"      // a request somebody had consented to came to nothing
	EventConfirmed EventKind = "confirmed" // a strong proof lifted the cap (L13)
	EventSuspended EventKind = "suspended" // a link: the service reported a change
	EventEnded     EventKind = "ended"     // a link
	EventCooling   EventKind = "cooling"   // a link, again
	EventDebit     EventKind = "debit"
	EventReversal  EventKind = "reversal"
	EventStopOne   EventKind = "stop_one"
	EventStopAll   EventKind = "stop_all"
	EventUndone    EventKind = "undone" // a stop
	EventPasskey   EventKind = "passkey"
	EventPIN       EventKind = "pin"
	EventContact   EventKind = "contact"
	EventCodes     EventKind = "codes"  // of the day are used up
	EventDigest    EventKind = "digest" // of requests
)

// DigestAfter is how many request notices an account gets in 24 hours one by one.
const DigestAfter = 3

// StopLife is how long the stop link of a notice works.
const StopLife = 30 * 24 * time.Hour

// Event is something a depositor is told through every contact on file.
type Event struct {
	Kind    EventKind
	Account AccountID
	Link    id.Link    // "" where no link is made yet, or all are meant
	Request id.Request // of link events that are not over: what a receipt of delivery belongs to
	Service id.Service // "" where none is concerned
	Amount  money.Yen
	Count   int // of a digest, or of codes
	At      time.Time
}

// Notice is one message to one contact. Its text is made when it is sent, and kept nowhere.
type Notice struct {
	ID          string // "ntc_…"; what a carrier reports about
	Event       EventKind
	Account     AccountID
	Link        id.Link
	Request     id.Request
	Channel     Channel
	Contact     string // the contact's id
	At          time.Time
	Digested    bool      // not sent by itself
	DeliveredAt time.Time // a carrier's report, or the reference typed; SMTP acceptance is none
}

// AddNotice is a Write of a notice.
type AddNotice struct{ Notice Notice }

// Delivered is a Write of the first proof that a notice arrived; a second one changes nothing.
type Delivered struct {
	Notice string
	At     time.Time
}

// NoticeStore keeps what was told and what arrived. What is not there is a fault.NotFound.
type NoticeStore interface {
	// Notice finds one by its id.
	Notice(ctx context.Context, ntc string) (Notice, error)
	// NoticesOf lists the notices of an account's event since a moment, oldest first.
	NoticesOf(ctx context.Context, acc AccountID, kind EventKind, since time.Time) ([]Notice, error)
	// NoticesOfRequest lists the notices of a link request, oldest first.
	NoticesOfRequest(ctx context.Context, r id.Request) ([]Notice, error)
	// TakeTyped counts a try to type the number of a request's e-mails, before it is judged; false once there
	// were most.
	TakeTyped(ctx context.Context, r id.Request, most int) (allowed bool, err error)
}

// The outbox's kinds of message of the money half.
const (
	MessageNotice = "bank.notice"
	MessageDigest = "bank.digest"
	MessageReport = "bank.report"
)

// letter is the outbox payload of a notice: all that its text is made of.
type letter struct {
	Notice  string     `json:"notice"`
	Event   EventKind  `json:"event"`
	Channel Channel    `json:"channel"`
	To      string     `json:"to"`
	Service id.Service `json:"service,omitempty"`
	Account string     `json:"account"` // masked number
	Amount  money.Yen  `json:"amount,omitempty"`
	Count   int        `json:"count,omitempty"`
	AtUs    int64      `json:"at_us"`
	Typed   bool       `json:"typed,omitempty"` // carries the reference to type at the bank
}

// Tell makes the rows that tell a depositor of an event, through every contact on file and those removed
// less than 30 days ago (L8), and those that the event itself adds. They belong into the commit of the event.
func (b *Bank) Tell(ctx context.Context, ev Event, added ...Contact) ([]ledger.Write, error) {
	acc, err := b.Store.Account(ctx, ev.Account)
	if err != nil {
		return nil, err
	}
	contacts, err := b.Store.Contacts(ctx, ev.Account)
	if err != nil {
		return nil, err
	}
	digest := false
	var rows []ledger.Write
	if ev.Kind == EventRequest {
		told, err := b.Store.NoticesOf(ctx, ev.Account, EventRequest, ev.At.Add(-24*time.Hour))
		if err != nil {
			return nil, err
		}
		n, waiting := requestsTold(told, ev.At)
		if digest = n >= DigestAfter; digest && !waiting {
			rows = append(rows, b.digestLater(ev))
		}
	}
	for _, c := range append(contacts, added...) {
		if !c.Told(ev.At) {
			continue
		}
		n := Notice{
			ID: b.newID("ntc"), Event: ev.Kind, Account: ev.Account, Link: ev.Link, Request: ev.Request,
			Channel: c.Channel, Contact: c.ID, At: ev.At, Digested: digest,
		}
		rows = append(rows, AddNotice{n})
		if !digest {
			m := b.message(MessageNotice, "notice/"+c.ID, n.letter(ev, acc, c), ev.At)
			m.To = MessageNotice + "." + string(c.Channel) // a gateway that hangs must not keep the mail
			rows = append(rows, m)
		}
	}
	return rows, nil
}

// requestsTold counts the requests that were told one by one, and says whether a digest that will name one
// more is under way. told is oldest first.
func requestsTold(told []Notice, now time.Time) (n int, digest bool) {
	seen := map[id.Request]bool{}
	var began time.Time // of the last digest
	for _, t := range told {
		switch {
		case t.Digested && !t.At.Before(began.Add(digestDue)):
			began = t.At
		case !t.Digested && !seen[t.Request]:
			seen[t.Request] = true
			n++
		}
	}
	return n, now.Before(began.Add(digestDue))
}

func (n Notice) letter(ev Event, acc Account, c Contact) letter {
	return letter{
		Notice: n.ID, Event: ev.Kind, Channel: c.Channel, To: c.Address, Service: ev.Service, Account: acc.Masked(),
		Amount: ev.Amount, Count: ev.Count, AtUs: clock.Micros(ev.At),
		Typed: c.Channel == Email && ev.Kind == EventRequest,
	}
}

// message is a row of the outbox; the store seals its payload. Messages of one key stay in order: letters
// to one contact, reports of one link.
func (b *Bank) message(kind, key string, payload any, due time.Time) outbox.Message {
	plain, err := json.Marshal(payload)
	if err != nil {
		panic(fmt.Sprintf("bank: a %s cannot be written: %v", kind, err))
	}
	return outbox.Message{ID: b.newID("msg"), Kind: kind, Key: key, Payload: plain, Due: due}
}

// open reads a message's payload.
func (b *Bank) open(m outbox.Message, into any) error {
	if err := json.Unmarshal(m.Payload, into); err != nil {
		return fault.New(fault.Internal, "bank.open "+m.Kind, err)
	}
	return nil
}

// digestDue is how long after the first request of a digest it is sent.
const digestDue = 6 * time.Hour

type digestOf struct {
	Account AccountID `json:"account"`
	SinceUs int64     `json:"since_us"`
}

func (b *Bank) digestLater(ev Event) ledger.Write {
	return b.message(MessageDigest, "digest/"+string(ev.Account), digestOf{ev.Account, clock.Micros(ev.At)}, ev.At.Add(digestDue))
}

// SendDigest is the outbox's handler of MessageDigest: it tells how many requests came since the first one
// that was not told by itself.
func (b *Bank) SendDigest(ctx context.Context, m outbox.Message) error {
	var d digestOf
	if err := b.open(m, &d); err != nil {
		return err
	}
	told, err := b.Store.NoticesOf(ctx, d.Account, EventRequest, clock.FromMicros(d.SinceUs))
	if err != nil {
		return err
	}
	requests := map[id.Request]bool{}
	for _, n := range told {
		if n.Digested {
			requests[n.Request] = true
		}
	}
	return b.TellNow(ctx, Event{Kind: EventDigest, Account: d.Account, Count: len(requests), At: b.Now()})
}

// Carrier sends messages: the bank's mail server and its SMS gateway.
type Carrier interface {
	// SendSMS hands a text to the gateway; ref comes back in the delivery report.
	SendSMS(ctx context.Context, to, text, ref string) error
	// SendMail hands a mail to the mail server.
	SendMail(ctx context.Context, to, subject, text string) error
}

// SendNotice is the outbox's handler of MessageNotice. What a carrier will never take is given up, so that
// it does not hold up what comes after it.
func (b *Bank) SendNotice(ctx context.Context, carrier Carrier, m outbox.Message) error {
	var l letter
	if err := b.open(m, &l); err != nil {
		return err
	}
	subject, text := b.words(l)
	var err error
	if l.Channel == SMS {
		err = carrier.SendSMS(ctx, l.To, text, l.Notice)
	} else {
		err = carrier.SendMail(ctx, l.To, subject, text)
	}
	if err != nil && fault.Of(err) == fault.Invalid {
		b.Log.WarnContext(ctx, "a notice cannot be sent", "notice", l.Notice, "channel", string(l.Channel), "err", err)
		return nil
	}
	return err
}

// Arrived takes a carrier's report that a notice was delivered, and lets a link that waited for it begin
// (L8). A report about something else than a notice (a one-time code) changes nothing.
func (b *Bank) Arrived(ctx context.Context, ntc string) error {
	if !id.Valid(ntc, "ntc") {
		return nil
	}
	n, err := b.Store.Notice(ctx, ntc)
	if err != nil {
		return err
	}
	return b.arrived(ctx, n)
}

func (b *Bank) arrived(ctx context.Context, n Notice) error {
	delivered := Delivered{Notice: n.ID, At: b.Now()}
	if n.Request == "" {
		return b.Store.Commit(ctx, delivered)
	}
	return b.ReceiptArrived(ctx, Receipt{Request: n.Request, Channel: n.Channel, Ref: n.ID, At: delivered.At}, delivered)
}

// typedTries is how often a number may be typed for one request: it has eight digits.
const typedTries = 5

// Typed takes the reference that somebody read in the e-mail of a link request and typed into the
// consenting session: who can read the depositor's mail saw the notice. It says whether it is right; after
// typedTries nothing is.
func (b *Bank) Typed(ctx context.Context, r id.Request, reference string) (bool, error) {
	if allowed, err := b.Store.TakeTyped(ctx, r, typedTries); err != nil || !allowed {
		return false, err
	}
	notices, err := b.Store.NoticesOfRequest(ctx, r)
	if err != nil {
		return false, err
	}
	reference = strings.NewReplacer("-", "", " ", "").Replace(strings.TrimSpace(reference))
	for _, n := range notices {
		want := strings.ReplaceAll(b.reference(n.ID), "-", "")
		if n.Channel == Email && !n.Digested && subtle.ConstantTimeCompare([]byte(want), []byte(reference)) == 1 {
			return true, b.arrived(ctx, n)
		}
	}
	return false, nil
}

// reference is what an e-mail asks to be typed: made from the notice's id, so that it is stored nowhere.
func (b *Bank) reference(ntc string) string {
	n := binary.BigEndian.Uint64(b.mac(b.Keys.Code, "e-mail reference", ntc)) % 100_000_000
	return fmt.Sprintf("%04d-%04d", n/10_000, n%10_000)
}

// stopToken is the secret half of a notice's stop link: it opens nothing but the stop.
func (b *Bank) stopToken(ntc string) string {
	return base32lower.EncodeToString(b.mac(b.Keys.Code, "stop link", ntc)[:16])
}

// StopURL is the link in a notice that stops without credentials.
func (b *Bank) StopURL(ntc string) string {
	return string(b.Profile.Issuer) + "/stop/" + ntc + "/" + b.stopToken(ntc)
}

// StopNotice finds the notice a stop link belongs to. Everything wrong with it looks the same.
func (b *Bank) StopNotice(ctx context.Context, ntc, token string) (Notice, error) {
	gone := func(cause error) error { return fault.New(fault.Gone, "bank.StopNotice", cause) }
	if subtle.ConstantTimeCompare([]byte(token), []byte(b.stopToken(ntc))) != 1 {
		return Notice{}, gone(errors.New("the token is wrong"))
	}
	n, err := b.Store.Notice(ctx, ntc)
	if err != nil {
		return Notice{}, gone(err)
	}
	if !b.Now().Before(n.At.Add(StopLife)) {
		return Notice{}, gone(errors.New("too old"))
	}
	return n, nil
}
