package bank

import (
	"context"
	"errors"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/kana"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// Narrations of the bank's own transfers, as a passbook prints them.
const (
	narrationOpening  = "ｼﾝｷ"
	narrationClosing  = "ｶｲﾔｸ"
	narrationCash     = "ATM"
	narrationReversal = "ﾍﾝｷﾝ "
)

// Prepare opens the bank's own accounts in the core, and those of every service in the register. It may
// be called at every start.
func (b *Bank) Prepare(ctx context.Context) error {
	const op = "bank.Prepare"
	var services []id.Service
	for s, svc := range b.Services {
		if n, err := kana.Narration(svc.Narration); err != nil || n != svc.Narration {
			return fault.New(fault.Invalid, op, errors.New("the narration of "+string(s)+" is not what a passbook can print"))
		}
		services = append(services, s)
	}
	return b.submit(ctx, op, openings(services, b.Now())...)
}

// OpenAccount opens a deposit account with its contacts, its PIN and its first money, in one commit. A
// place or card that is taken is fault.Conflict.
func (b *Bank) OpenAccount(ctx context.Context, n NewAccount) (Account, error) {
	const op = "bank.OpenAccount"
	now := b.Now()
	since := n.Since
	if since.IsZero() || since.After(now) {
		since = now
	}
	if n.Bank == "" {
		n.Bank = b.Profile.Code
	}
	holder, err := checkHolder(n)
	if err != nil {
		return Account{}, err
	}
	acc := Account{
		ID: AccountID(b.newID("acc")), Place: n.Place, HolderKana: holder, HolderName: n.HolderName,
		BirthDate: n.BirthDate, CardID: n.CardID, OpenedAt: since,
	}
	add := AddAccount{Account: acc}
	for ch, address := range map[Channel]string{SMS: n.Phone, Email: n.Email} {
		if address == "" {
			continue
		}
		if err := CheckContact(ch, address); err != nil {
			return Account{}, err
		}
		add.Contacts = append(add.Contacts, Contact{
			ID: b.newID("con"), Account: acc.ID, Channel: ch, Address: address, ProvedAt: since, AddedAt: since,
		})
	}
	if n.PIN != "" {
		if err := WeakPIN(n.PIN, acc, add.Contacts); err != nil {
			return Account{}, err
		}
		protected, err := b.PIN.Protect(acc.ID, n.PIN)
		if err != nil {
			return Account{}, fault.New(fault.Internal, op, err)
		}
		add.PIN = &PINRow{Account: acc.ID, Protected: protected, ChangedAt: since}
	}
	return acc, b.submit(ctx, op, b.opening(add, n.Opening, now)...)
}

// checkHolder says what is malformed about a new account, and gives the holder's name as it is kept.
func checkHolder(n NewAccount) (string, error) {
	if err := n.Check(); err != nil {
		return "", err
	}
	holder, err := kana.Name(n.HolderKana)
	if err != nil {
		return "", &fault.Error{Kind: fault.Invalid, Op: "bank.OpenAccount", Err: err, Public: fault.Text{
			JA: "名義はカタカナで、姓と名の間に空白を入れてください。", EN: "The holder's name is katakana with a space between family and given name."}}
	}
	if _, err := time.Parse(time.DateOnly, n.BirthDate); err != nil || n.Opening < 0 || n.HolderName == "" {
		return "", fault.New(fault.Invalid, "bank.OpenAccount", errors.New("birth date, name or opening balance is malformed"))
	}
	return holder, nil
}

// opening is the batch that makes an account: its line in the books, its master gate, its limit over all
// links (M1), and its first money from the vault.
func (b *Bank) opening(add AddAccount, first money.Yen, now time.Time) []ledger.Request {
	acc := add.Account.ID
	reqs := []ledger.Request{
		{
			At: now, Do: ledger.Open{Account: ledger.Account{ID: Deposit(acc), Kind: KindDeposit, Floor: 0, Ceiling: money.Max}},
			Then: func(ledger.Result) []ledger.Write { return []ledger.Write{add} },
		},
		{At: now, Do: ledger.SetGate{Gate: ledger.Gate{ID: AccountGate(acc)}}},
		{At: now, Do: ledger.SetLimit{Limit: b.Policy.accountLimit(acc)}},
	}
	if first > 0 {
		reqs = append(reqs, ledger.Request{At: now, Do: ledger.Move{
			ID: ledger.TransferID("opening/" + string(acc)), Kind: MoveOpening, Memo: narrationOpening,
			Legs: []ledger.Leg{{Debit: Vault, Credit: Deposit(acc), Amount: first}},
		}})
	}
	return reqs
}

// Cash pays cash in (positive) or out (negative) at an ATM, under an id of the ATM's that is done once.
// Too little on the account is fault.Refused.
func (b *Bank) Cash(ctx context.Context, acc AccountID, amount money.Yen, ref string) error {
	const op = "bank.Cash"
	move := ledger.Move{
		ID: ledger.TransferID("atm/" + ref), Kind: MoveCashIn, Memo: narrationCash,
		Legs: []ledger.Leg{{Debit: Vault, Credit: Deposit(acc), Amount: amount}},
	}
	if amount < 0 {
		move.Kind = MoveCashOut
		move.Legs = []ledger.Leg{{Debit: Deposit(acc), Credit: Vault, Amount: -amount}}
	}
	res, err := b.Core.Submit(ctx, ledger.Request{At: b.Now(), Do: move})
	switch {
	case err != nil:
		return err
	case res.OK():
		return nil
	case res.Outcome == ledger.Insufficient:
		return fault.Refuse("", op, fault.Text{JA: "残高が足りません。", EN: "The balance is too small."})
	case res.Outcome == ledger.Mismatch:
		return fault.New(fault.Conflict, op, errors.New("the id was used for something else"))
	}
	return fault.New(fault.Refused, op, errors.New("the ledger refused: "+res.Reason))
}

// CloseAccount pays out what is left, ends every link, and lets nothing in or out any more: a reversal
// that comes later waits on the service's suspense account. Closing what is closed changes nothing.
//
// It is two commits, for only an account that takes nothing any more has a balance that can be paid out to
// the last yen. After the first no link is left, the gate is shut for good and nothing comes in; what a crash
// leaves there is finished by closing again.
func (b *Bank) CloseAccount(ctx context.Context, acc AccountID) error {
	const op = "bank.CloseAccount"
	return again(ctx, op, func() error {
		if a, err := b.Store.Account(ctx, acc); err != nil || a.Closed {
			return err
		}
		if err := b.endAll(ctx, op, acc); err != nil {
			return err
		}
		return b.payOutAndClose(ctx, op, acc)
	})
}

// endAll ends every link of an account, shuts its gate for good and lets no more money in, in one commit.
func (b *Bank) endAll(ctx context.Context, op string, acc AccountID) error {
	g, err := b.Books.Gate(ctx, AccountGate(acc))
	if err != nil {
		return err
	}
	links, err := b.Store.LinksOf(ctx, acc)
	if err != nil {
		return err
	}
	at, shut := b.Now(), g
	shut.Shut = ShutRevoked
	reqs := []ledger.Request{
		{At: at, Do: ledger.SetGate{Gate: shut, IfVersion: g.Version}},
		{At: at, Do: ledger.Freeze{Account: Deposit(acc), In: true, Out: false}},
	}
	for _, l := range links {
		if !l.Occupies() {
			continue
		}
		n, err := b.now(ctx, l)
		if err != nil {
			return err
		}
		_, move, err := b.plan(ctx, n, Move{To: LinkRevoked, Reason: AccountClosed, Kind: "revoked", Event: EventEnded}, at)
		if err != nil {
			return err
		}
		reqs = append(reqs, move...)
	}
	return b.submit(ctx, op, reqs...)
}

// payOutAndClose moves the balance as it was read; where an ATM paid some of it out meanwhile, nothing is
// closed and the error is errMoved.
func (b *Bank) payOutAndClose(ctx context.Context, op string, acc AccountID) error {
	now := b.Now()
	left, err := b.Books.Account(ctx, Deposit(acc))
	if err != nil {
		return err
	}
	last := ledger.Request{At: now, Do: ledger.Note{}, Then: func(ledger.Result) []ledger.Write {
		return []ledger.Write{CloseAccount{acc, now}}
	}}
	if left.Balance > 0 {
		last.Do = ledger.Move{
			ID: ledger.TransferID("closing/" + string(acc)), Kind: MoveClosing, Memo: narrationClosing,
			Legs: []ledger.Leg{{Debit: Deposit(acc), Credit: Vault, Amount: left.Balance}},
		}
	}
	return b.submit(ctx, op, last, ledger.Request{At: now, Do: ledger.Freeze{Account: Deposit(acc), In: true, Out: true}})
}

// Merge moves every account that stands under an old bank code to where its branch and number stand after
// a merger, all or none. Nothing else moves: the account's permanent id keeps its balance, pseudonyms,
// limits, gates and links. to says where a place went; an error stops the merger.
func (b *Bank) Merge(ctx context.Context, old id.Bank, to func(Place) (Place, error)) (moved int, err error) {
	accounts, err := b.Store.AccountsAtBank(ctx, old)
	if err != nil {
		return 0, err
	}
	moves := make([]Renumbering, 0, len(accounts))
	for _, a := range accounts {
		place, err := to(a.Place)
		if err != nil {
			return 0, err
		}
		if err := place.Check(); err != nil {
			return 0, err
		}
		moves = append(moves, Renumbering{Account: a.ID, To: place})
	}
	return len(moves), b.Store.Renumber(ctx, moves, b.Now())
}
