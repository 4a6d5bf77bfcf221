package bank

import (
	"context"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
)

// SetPIN puts a PIN that is not weak (D8), and tells the depositor. For 7 days the account makes no link
// by phone or passkey (L14).
func (b *Bank) SetPIN(ctx context.Context, acc AccountID, pin PIN) error {
	const op = "bank.SetPIN"
	a, err := b.Store.Account(ctx, acc)
	if err != nil {
		return err
	}
	contacts, err := b.Store.Contacts(ctx, acc)
	if err != nil {
		return err
	}
	if err := WeakPIN(pin, a, contacts); err != nil {
		return err
	}
	protected, err := b.PIN.Protect(acc, pin)
	if err != nil {
		return fault.New(fault.Internal, op, err)
	}
	at := b.Now()
	return b.TellNow(ctx, Event{Kind: EventPIN, Account: acc, At: at}, PutPIN{PINRow{Account: acc, Protected: protected, ChangedAt: at}})
}

// AddContact puts a contact on file that the bank has proved itself, and tells all of them.
func (b *Bank) AddContact(ctx context.Context, acc AccountID, ch Channel, address string) (Contact, error) {
	if err := CheckContact(ch, address); err != nil {
		return Contact{}, err
	}
	at := b.Now()
	c := Contact{ID: b.newID("con"), Account: acc, Channel: ch, Address: address, ProvedAt: at, AddedAt: at}
	told, err := b.Tell(ctx, Event{Kind: EventContact, Account: acc, At: at}, c)
	if err != nil {
		return Contact{}, err
	}
	return c, b.commit(ctx, append([]ledger.Write{AddContact{c}}, told...)...)
}

// RemoveContact takes a contact off file; it is told of that, and of everything for 30 days more (L8).
func (b *Bank) RemoveContact(ctx context.Context, acc AccountID, contact string) error {
	at := b.Now()
	return b.TellNow(ctx, Event{Kind: EventContact, Account: acc, At: at}, RemoveContact{Account: acc, Contact: contact, At: at})
}

// TellNow commits the rows of a change that is no matter of the ledger, with the notices of it: neither
// stands without the other (L8).
func (b *Bank) TellNow(ctx context.Context, ev Event, change ...ledger.Write) error {
	told, err := b.Tell(ctx, ev)
	if err != nil {
		return err
	}
	return b.commit(ctx, append(change, told...)...)
}

// commit writes rows in one transaction and wakes who delivers what is in them.
func (b *Bank) commit(ctx context.Context, rows ...ledger.Write) error {
	defer b.Wake()
	return b.Store.Commit(ctx, rows...)
}
