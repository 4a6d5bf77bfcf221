package bank

import (
	"context"
	"database/sql"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// writeMoney writes a row of the money half; known is false for a row of another kind. What exists already
// is fault.Conflict.
func writeMoney(ctx context.Context, tx *sqldb.Tx, row ledger.Write) (known bool, err error) {
	switch w := row.(type) {
	case bank.AddAccount:
		err = addAccount(ctx, tx, w)
	case bank.CloseAccount:
		var res sql.Result
		res, err = tx.ExecContext(ctx, `UPDATE account SET closed_us = $2 WHERE id = $1 AND closed_us = 0`, w.Account, us(w.At))
		err = conditional("closeAccount", res, err)
	case bank.AddContact:
		err = addContact(ctx, tx, w.Contact)
	case bank.RemoveContact:
		err = removeContact(ctx, tx, w)
	case bank.PutPIN:
		err = putPIN(ctx, tx, w.Row)
	case bank.AddDebit:
		err = addDebit(ctx, tx, w.Debit)
	case bank.AddReversal:
		err = addReversal(ctx, tx, w.Reversal)
	case bank.AddNotice:
		err = addNotice(ctx, tx, w.Notice)
	case bank.Delivered:
		err = putDelivered(ctx, tx, w)
	case bank.AddChange:
		err = addChange(ctx, tx, w.Change)
	case bank.PutPage:
		err = putPage(ctx, tx, w)
	case bank.AddPaidDay:
		err = addPaidDay(ctx, tx, w.Day)
	default:
		return false, nil
	}
	return true, exists("writeMoney", err)
}

// exists turns a refused key into a fault.Conflict.
func exists(op string, err error) error {
	if sqldb.IsDuplicate(err) {
		return fault.New(fault.Conflict, "store.bank."+op, err)
	}
	return err
}

func addAccount(ctx context.Context, tx *sqldb.Tx, w bank.AddAccount) error {
	a := w.Account
	_, err := tx.ExecContext(ctx, `
		INSERT INTO account (id, bank, branch, kind, number, holder_kana, holder_name, birth_date, card, opened_us, closed_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)`,
		a.ID, a.Bank, a.Branch, a.Kind, a.Number, a.HolderKana, a.HolderName, a.BirthDate, a.CardID, us(a.OpenedAt))
	if err != nil {
		return err
	}
	for _, c := range w.Contacts {
		if err := addContact(ctx, tx, c); err != nil {
			return err
		}
	}
	if w.PIN == nil {
		return nil
	}
	return putPIN(ctx, tx, *w.PIN)
}

const accountColumns = `id, bank, branch, kind, number, holder_kana, holder_name, birth_date, card, opened_us, closed_us`

func scanAccount(row scanner) (bank.Account, error) {
	var a bank.Account
	var opened, closed int64
	err := row.Scan(&a.ID, &a.Bank, &a.Branch, &a.Kind, &a.Number, &a.HolderKana, &a.HolderName, &a.BirthDate, &a.CardID, &opened, &closed)
	a.OpenedAt, a.ClosedAt, a.Closed = moment(opened), moment(closed), closed != 0
	return a, err
}

// Account implements bank.AccountStore.
func (s *Store) Account(ctx context.Context, acc bank.AccountID) (bank.Account, error) {
	a, err := scanAccount(s.db.Read().QueryRowContext(ctx, `SELECT `+accountColumns+` FROM account WHERE id = $1`, acc))
	return a, readErr("Account", err)
}

// AccountAt implements bank.AccountStore.
func (s *Store) AccountAt(ctx context.Context, at bank.Place) (bank.Account, error) {
	a, err := scanAccount(s.db.Read().QueryRowContext(ctx, `SELECT `+accountColumns+` FROM account
		WHERE bank = $1 AND branch = $2 AND kind = $3 AND number = $4`, at.Bank, at.Branch, at.Kind, at.Number))
	return a, readErr("AccountAt", err)
}

// AccountByCard implements bank.AccountStore.
func (s *Store) AccountByCard(ctx context.Context, card string) (bank.Account, error) {
	a, err := scanAccount(s.db.Read().QueryRowContext(ctx, `SELECT `+accountColumns+` FROM account
		WHERE card = $1 AND card <> ''`, card))
	return a, readErr("AccountByCard", err)
}

// AccountsAtBank implements bank.AccountStore.
func (s *Store) AccountsAtBank(ctx context.Context, b id.Bank) ([]bank.Account, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT `+accountColumns+` FROM account
		WHERE bank = $1 ORDER BY branch, kind, number`, b)
	return list("AccountsAtBank", rows, err, scanAccount)
}

// Renumber implements bank.AccountStore. The index of places holds at every step: who moves to a place that
// another account of the same merger still has is moved after it, through a place that no account can have.
func (s *Store) Renumber(ctx context.Context, moves []bank.Renumbering, at time.Time) error {
	err := s.db.Write(ctx, func(tx *sqldb.Tx) error {
		for _, m := range moves {
			if _, err := tx.ExecContext(ctx, `
				INSERT INTO account_place_before (account, bank, branch, kind, number, until_us)
				SELECT id, bank, branch, kind, number, $2 FROM account WHERE id = $1`, m.Account, us(at)); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `UPDATE account SET number = 'moving ' || id WHERE id = $1`, m.Account); err != nil {
				return err
			}
		}
		for _, m := range moves {
			res, err := tx.ExecContext(ctx, `UPDATE account SET bank = $2, branch = $3, kind = $4, number = $5 WHERE id = $1`,
				m.Account, m.To.Bank, m.To.Branch, m.To.Kind, m.To.Number)
			if err := conditional("Renumber", res, err); err != nil {
				return err
			}
		}
		return nil
	})
	return writeErr("Renumber", err)
}

func addContact(ctx context.Context, tx *sqldb.Tx, c bank.Contact) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO contact (id, account, channel, address, proved_us, added_us, removed_us)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		c.ID, c.Account, c.Channel, c.Address, us(c.ProvedAt), us(c.AddedAt), us(c.RemovedAt))
	return err
}

func removeContact(ctx context.Context, tx *sqldb.Tx, w bank.RemoveContact) error {
	res, err := tx.ExecContext(ctx, `UPDATE contact SET removed_us = $3 WHERE id = $1 AND account = $2 AND removed_us = 0`,
		w.Contact, w.Account, us(w.At))
	return conditional("removeContact", res, err)
}

// Contacts implements bank.ContactStore.
func (s *Store) Contacts(ctx context.Context, acc bank.AccountID) ([]bank.Contact, error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT id, account, channel, address, proved_us, added_us, removed_us FROM contact
		WHERE account = $1 ORDER BY added_us, channel DESC, id`, acc)
	return list("Contacts", rows, err, func(row scanner) (bank.Contact, error) {
		var c bank.Contact
		var proved, added, removed int64
		err := row.Scan(&c.ID, &c.Account, &c.Channel, &c.Address, &proved, &added, &removed)
		c.ProvedAt, c.AddedAt, c.RemovedAt = moment(proved), moment(added), moment(removed)
		return c, err
	})
}

func putPIN(ctx context.Context, tx *sqldb.Tx, p bank.PINRow) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO pin (account, protected, changed_us, tries, locked_us, card_tries, card_locked_us) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (account) DO UPDATE SET protected = $2, changed_us = $3, tries = $4, locked_us = $5, card_tries = $6, card_locked_us = $7`,
		p.Account, p.Protected, us(p.ChangedAt), p.Pages.Tries, us(p.Pages.LockedUntil), p.Card.Tries, us(p.Card.LockedUntil))
	return err
}

func scanPIN(row scanner) (bank.PINRow, error) {
	var p bank.PINRow
	var changed, locked, card int64
	err := row.Scan(&p.Account, &p.Protected, &changed, &p.Pages.Tries, &locked, &p.Card.Tries, &card)
	p.ChangedAt, p.Pages.LockedUntil, p.Card.LockedUntil = moment(changed), moment(locked), moment(card)
	return p, err
}

const pinQuery = `SELECT account, protected, changed_us, tries, locked_us, card_tries, card_locked_us FROM pin WHERE account = $1`

// PINOf implements bank.PINStore.
func (s *Store) PINOf(ctx context.Context, acc bank.AccountID) (bank.PINRow, error) {
	p, err := scanPIN(s.db.Read().QueryRowContext(ctx, pinQuery, acc))
	return p, readErr("PINOf", err)
}

// TakePINTry implements bank.PINStore.
func (s *Store) TakePINTry(ctx context.Context, acc bank.AccountID, at bank.PINPlace, now time.Time) (row bank.PINRow, allowed bool, err error) {
	err = s.db.Write(ctx, func(tx *sqldb.Tx) error {
		row, err = scanPIN(tx.QueryRowContext(ctx, pinQuery, acc))
		if err != nil {
			return err
		}
		row, allowed = row.Take(at, now)
		return putPIN(ctx, tx, row)
	})
	err = readErr("TakePINTry", err)
	if err != nil && fault.Of(err) == fault.NotFound {
		return bank.PINRow{Account: acc}, false, nil
	}
	return row, allowed, err
}

// ClearPINTries implements bank.PINStore.
func (s *Store) ClearPINTries(ctx context.Context, acc bank.AccountID, at bank.PINPlace) error {
	return writeErr("ClearPINTries", s.db.Write(ctx, func(tx *sqldb.Tx) error {
		row, err := scanPIN(tx.QueryRowContext(ctx, pinQuery, acc))
		if err != nil {
			return err
		}
		return putPIN(ctx, tx, row.Cleared(at))
	}))
}
