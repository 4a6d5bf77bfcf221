package bank

import (
	"context"

	"github.com/kozamori/kozamori/internal/fault"
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
	if err := b.Store.SetPIN(ctx, PINRow{Account: acc, Protected: protected, ChangedAt: at}); err != nil {
		return err
	}
	return b.TellNow(ctx, Event{Kind: EventPIN, Account: acc, At: at})
}

// AddContact puts a contact on file that the bank has proved itself, and tells all of them.
func (b *Bank) AddContact(ctx context.Context, acc AccountID, ch Channel, address string) (Contact, error) {
	if err := CheckContact(ch, address); err != nil {
		return Contact{}, err
	}
	at := b.Now()
	c := Contact{ID: b.newID("con"), Account: acc, Channel: ch, Address: address, ProvedAt: at, AddedAt: at}
	if err := b.Store.AddContact(ctx, c); err != nil {
		return Contact{}, err
	}
	return c, b.TellNow(ctx, Event{Kind: EventContact, Account: acc, At: at})
}

// RemoveContact takes a contact off file; it is told of that, and of everything for 30 days more (L8).
func (b *Bank) RemoveContact(ctx context.Context, acc AccountID, contact string) error {
	at := b.Now()
	if err := b.Store.RemoveContact(ctx, acc, contact, at); err != nil {
		return err
	}
	return b.TellNow(ctx, Event{Kind: EventContact, Account: acc, At: at})
}

// TellNow tells of something that no ledger commit carries.
func (b *Bank) TellNow(ctx context.Context, ev Event) error {
	rows, err := b.Tell(ctx, ev)
	if err != nil {
		return err
	}
	defer b.Wake()
	return b.Store.Commit(ctx, rows...)
}
