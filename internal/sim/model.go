package sim

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wallet"
)

// model is what the people of the story know: what they asked for, and what they were told. The books must bear it
// out, and hold nothing that nobody asked for.
type model struct {
	names    map[string]string
	receipts map[id.Debit]string // as heard on the line
	charges  []*charge
	byDebit  map[id.Debit]*charge
	payments []*payment
	cash     []*cash
	stops    map[string]bool // of accounts and links, by name: told that it holds, and not undone
	closed   map[string]int  // pairs that the hub's staff have stopped: which time
	closings int
	ended    map[id.Link]bool // at the service, by the holder who was told so
}

func newModel() model {
	return model{names: map[string]string{}, receipts: map[id.Debit]string{}, byDebit: map[id.Debit]*charge{}, stops: map[string]bool{}, closed: map[string]int{}, ended: map[id.Link]bool{}}
}

// charge is a charge as its holder knows it.
type charge struct {
	name   string
	purse  *purse
	link   id.Link
	debit  id.Debit
	amount money.Yen
	slip   wallet.Asked
	signed bool // her device has signed it, so it may be booked
	told   bool // she was told that it is on its way: it must come to an end
	closed int  // which stop of the hub's staff stood when she agreed; 0: none

	state    wallet.ChargeState // as last seen at the service
	booked   bool               // as last seen at the bank
	reversed bool               // staff have begun to give it back, or may have
	back     bool               // staff were told that it is given back
}

// payment is a payment in a shop, as the shop knows it.
type payment struct {
	key     string
	what    wallet.Presented
	purse   *purse
	answer  *wallet.Payment // nil while the shop was told nothing
	refused bool            // told for good that there will be none
}

// cash is money paid in or out at an ATM.
type cash struct {
	person *person
	ref    string
	amount money.Yen
	done   bool // the machine was told so
	failed bool // the machine was told that it will not be
}

// open says that nobody knows yet whether it is booked.
func (c *cash) open() bool { return !c.done && !c.failed }

// name gives an id a name for the story.
func (w *World) name(what, as string) { w.model.names[what] = as }

// named writes an address or id with names in the place of ids.
func (w *World) named(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if n, ok := w.model.names[part]; ok {
			parts[i] = n
		} else if kind, _, ok := strings.Cut(part, "_"); ok && len(part) > 20 {
			parts[i] = kind
		}
	}
	return strings.Join(parts, "/")
}

// pair names a service at a bank.
func pair(u *purse) string { return u.service.name + " at " + u.owner.bank.name }

// linkName names a link.
func linkName(u *purse) string { return u.owner.name + "'s link to " + u.service.name }

// accountName names a deposit account.
func accountName(p *person) string { return p.name + "'s account" }

// purses lists everybody's.
func (w *World) purses() []*purse {
	var all []*purse
	for _, p := range w.people {
		all = append(all, p.purses...)
	}
	return all
}

// readPayload reads what a compact JWS says, whoever signed it.
func readPayload(raw string, into any) error {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return errors.New("not a compact JWS")
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}
