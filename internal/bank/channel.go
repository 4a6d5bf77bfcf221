package bank

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/kana"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// ChannelSystem is one of the bank's own other systems (branch counters, the network of ATMs, payroll files) that
// posts to its deposit accounts.
type ChannelSystem struct {
	ID      string
	KeyHash string // ChannelKeyHash of its API key
	May     []ChannelRight
}

// ChannelRight is a thing that a channel may do.
type ChannelRight string

// The rights of channels.
const (
	MayTransfer ChannelRight = "transfers" // from deposit to deposit
	MayCash     ChannelRight = "cash"      // from and to the vault
	MayOpen     ChannelRight = "accounts"  // open accounts, and read where one stands
)

// ChannelRights are all rights.
var ChannelRights = []ChannelRight{MayTransfer, MayCash, MayOpen}

// ChannelKeyHash is how an API key is kept: base64url SHA-256. The key is random, not chosen by a person.
func ChannelKeyHash(key string) string { return wire.Hash(key) }

// ChannelWithKey is the channel an API key belongs to. How long it takes says nothing of any key.
func (b *Bank) ChannelWithKey(key string) (found ChannelSystem, ok bool) {
	hash := []byte(ChannelKeyHash(key))
	for _, c := range b.Channels {
		if subtle.ConstantTimeCompare(hash, []byte(c.KeyHash)) == 1 {
			found, ok = c, true
		}
	}
	return found, ok && key != ""
}

// Needs refuses a channel that lacks a right.
func (c ChannelSystem) Needs(right ChannelRight) error {
	if slices.Contains(c.May, right) {
		return nil
	}
	return &fault.Error{Kind: fault.Forbidden, Op: "bank.Channel", Err: fmt.Errorf("channel %s may not: %s", c.ID, right), Public: fault.Text{
		JA: "このチャネルにはこの操作の権限がありません。", EN: "This channel may not do this."}}
}

// VaultName is how a posting names the vault: the other side of cash in and out.
const VaultName = "vault"

// Posting moves an amount from one deposit account to another, or between one and the vault. It is done at most once
// for ever under its id, which belongs to the channel.
type Posting struct {
	ID        string
	From, To  string // an AccountID, or VaultName
	Amount    money.Yen
	Narration string // as a passbook prints it once it is narrow
}

// Flaw is a mistake in a field of a posting.
type Flaw struct{ Field, What string }

// Flaws lists what is wrong with a posting by itself, beyond the form of its fields.
func (p Posting) Flaws() (flaws []Flaw) {
	if p.From == p.To {
		flaws = append(flaws, Flaw{"to", "is the same account as from"})
	}
	if _, err := kana.Narration(p.Narration); err != nil {
		flaws = append(flaws, Flaw{"narration", fmt.Sprintf("does not fit a passbook: 1 to %d cells of half-width kana, Latin capitals and digits", kana.NarrationWidth)})
	}
	return flaws
}

// right is what a channel needs for a posting.
func (p Posting) right() ChannelRight {
	if p.From == VaultName || p.To == VaultName {
		return MayCash
	}
	return MayTransfer
}

// move is the posting in the ledger. A refusal is final: what was answered to an id is its answer for ever, and no
// copy of the request that comes late does what its sender was told is not done.
func (p Posting) move(channel string) (ledger.Move, error) {
	memo, err := kana.Narration(p.Narration)
	if err != nil || p.From == p.To || p.Amount <= 0 || p.Amount > ledger.MaxAmount {
		return ledger.Move{}, fault.New(fault.Invalid, "bank.Post", errors.New("a posting with flaws"))
	}
	kind, from, to := MoveTransfer, Vault, Vault
	if p.From == VaultName {
		kind = MoveCashIn
	} else {
		from = Deposit(AccountID(p.From))
	}
	if p.To == VaultName {
		kind = MoveCashOut
	} else {
		to = Deposit(AccountID(p.To))
	}
	return ledger.Move{
		ID: ledger.TransferID("channel/" + channel + "/" + p.ID), Kind: kind, Memo: memo, Final: true,
		Legs: []ledger.Leg{{Debit: from, Credit: to, Amount: p.Amount}},
	}, nil
}

// Why a posting is refused, as a program reads it.
const (
	PostingFunds   = "funds"   // too little on the account
	PostingFull    = "full"    // it would pass what an account can hold
	PostingFrozen  = "frozen"  // frozen in this direction, or closed
	PostingAccount = "account" // there is no such account; nothing is kept under the id
	PostingID      = "id"      // the id stands for another posting
)

// Posted is what became of a posting.
type Posted struct {
	At       time.Time // when it was decided, by the first request of its id
	Repeated bool      // the answer is that of an earlier request
	Reason   string    // why it is refused; "" where it is done
	Err      error     // the refusal, as people read it; nil where it is done
}

// Post has the core do postings in one commit and in their order. Each stands by itself: one that is refused stops
// none of the others. An error is that of all (fault.Busy, fault.Unavailable: ask again with the same ids), and so is
// fault.Forbidden where the channel lacks the right to one of them: nothing was done then.
//
// The limits of an account are limits on links (M1) and do not count what the bank's own systems post.
func (b *Bank) Post(ctx context.Context, c ChannelSystem, list []Posting) ([]Posted, error) {
	now := b.Now()
	reqs := make([]ledger.Request, len(list))
	for i, p := range list {
		if err := c.Needs(p.right()); err != nil {
			return nil, err
		}
		move, err := p.move(c.ID)
		if err != nil {
			return nil, err
		}
		reqs[i] = ledger.Request{At: now, Do: move}
	}
	results, err := b.Core.SubmitAll(ctx, reqs)
	if err != nil {
		return nil, err
	}
	posted := make([]Posted, len(results))
	for i, res := range results {
		posted[i] = postedOf(res)
	}
	return posted, nil
}

// postedOf is the ledger's decision in the words of channels.
func postedOf(res ledger.Result) Posted {
	const op = "bank.Post"
	p := Posted{At: res.At, Repeated: res.Repeated}
	refuse := func(kind fault.Kind, reason, ja, en string) Posted {
		p.Reason, p.Err = reason, &fault.Error{Kind: kind, Op: op, Public: fault.Text{JA: ja, EN: en}}
		return p
	}
	switch res.Outcome {
	case ledger.Done:
		return p
	case ledger.Insufficient:
		return refuse(fault.Refused, PostingFunds, "残高が足りません。", "The balance is too small.")
	case ledger.Full:
		return refuse(fault.Refused, PostingFull, "口座の上限を超えます。", "The account would pass its ceiling.")
	case ledger.Frozen, ledger.Closed:
		return refuse(fault.Refused, PostingFrozen, "口座が凍結または解約されています。", "The account is frozen or closed.")
	case ledger.Unknown:
		return refuse(fault.NotFound, PostingAccount, "口座が見つかりません。", "There is no such account.")
	case ledger.Mismatch, ledger.Buried:
		return refuse(fault.Conflict, PostingID, "同じ番号で内容の異なる取引があります。", "The id was used for another posting.")
	}
	p.Reason = res.Outcome.String()
	p.Err = fault.New(fault.Internal, op, fmt.Errorf("the core refused: %s %s", res.Outcome, res.Reason))
	return p
}

// OpenOnce is OpenAccount for who may have to ask twice: the account that stands at the place, where it has the same
// holder, is the answer to a repeat. Another holder there, or a card that is taken, is fault.Conflict.
func (b *Bank) OpenOnce(ctx context.Context, n NewAccount) (acc Account, repeated bool, err error) {
	acc, err = b.OpenAccount(ctx, n)
	if fault.Of(err) != fault.Conflict || err == nil {
		return acc, false, err
	}
	n.Bank = b.Profile.Code
	there, lookErr := b.Store.AccountAt(ctx, n.Place)
	if holder, _ := kana.Name(n.HolderKana); lookErr != nil || there.HolderKana != holder || there.HolderName != n.HolderName ||
		there.BirthDate != n.BirthDate || there.CardID != n.CardID {
		return Account{}, false, &fault.Error{Kind: fault.Conflict, Op: "bank.OpenOnce", Err: errors.Join(err, lookErr), Public: fault.Text{
			JA: "その口座番号またはカードはすでに使われています。", EN: "The place or the card is taken."}}
	}
	return there, true, nil
}
