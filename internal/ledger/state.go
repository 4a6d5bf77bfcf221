package ledger

import (
	"context"
	"time"

	"github.com/kozamori/kozamori/internal/money"
)

// Transfer is what stands under a transfer's id for ever: a Move or Hold that was done, a Final refusal,
// or a tombstone (then Move holds nothing but the id).
type Transfer struct {
	Move
	Hold   bool
	Digest Digest
	Result Result // as first decided; Open and Voided are derived from End

	End   End       // what ended a hold
	Ended time.Time // when
}

// End is what ended a hold.
type End string

// The ends of a hold; "" is open.
const (
	Posted End = "posted"
	Voided End = "voided"
)

// Sum is what all legs move together.
func (m Move) Sum() money.Yen {
	var sum money.Yen
	for _, l := range m.Legs {
		sum = money.MustAdd(sum, l.Amount)
	}
	return sum
}

// Open says whether t is a hold that waits for its Post or Void.
func (t Transfer) Open() bool { return t.Hold && t.Result.Outcome == Done && t.End == "" }

// Line is one line of an account's history: one side of one leg of a posted transfer.
type Line struct {
	Account  AccountID
	N        int64 // the account's version that this line made: grows, with gaps
	Transfer TransferID
	Kind     string // of the transfer
	Other    AccountID
	Amount   money.Yen // positive where credited
	Balance  money.Yen // after this line
	At       time.Time // when it was posted
	Memo     string    // of the transfer; only History fills it
}

// Use is an amount that counts against a limit or gate from At on.
type Use struct {
	At     time.Time
	Amount money.Yen
}

// Spent is a Use as it is stored: of either a limit or a gate.
type Spent struct {
	Use
	Limit    LimitID
	Gate     GateID
	Transfer TransferID
}

// Names lists what a batch needs to know. Besides, the store loads the parents of the gates and the accounts
// of the legs of open holds among the transfers. Uses are those of the limits with At > From-30 days and of
// the gates with At > From-24 hours.
type Names struct {
	Accounts  []AccountID
	Transfers []TransferID
	Gates     []GateID // and their uses
	Limits    []LimitID
	From, To  time.Time // the earliest and latest At of the batch
}

// Head is the last commit of the books: its number, and the token of whoever made it.
type Head struct {
	Seq   int64
	Token string
}

// State is the part of the books that a batch names, as of one commit. What does not exist is absent. The
// store may merge uses that no moment between Names.From and Names.To tells apart.
type State struct {
	Head      Head
	Accounts  map[AccountID]Account
	Transfers map[TransferID]Transfer
	Gates     map[GateID]Gate
	Limits    map[LimitID]Limit
	LimitUses map[LimitID][]Use
	GateUses  map[GateID][]Use
}

// NewState is a State of empty books.
func NewState() *State {
	return &State{
		Accounts: map[AccountID]Account{}, Transfers: map[TransferID]Transfer{},
		Gates: map[GateID]Gate{}, Limits: map[LimitID]Limit{},
		LimitUses: map[LimitID][]Use{}, GateUses: map[GateID][]Use{},
	}
}

// Changes is what a batch does to the books. Accounts, Gates and Limits are whole new values, once each and
// in the order of their ids; a store replaces exactly the version Was (0: there was none).
type Changes struct {
	Accounts  []Changed[Account]
	Gates     []Changed[Gate]
	Limits    []Changed[Limit]
	Transfers []Transfer // new under their ids
	Lines     []Line
	Spent     []Spent    // written before Ended is applied
	Ended     []Transfer // holds with their End; a voided one's Spent are removed
}

// Changed is a new value and the version it replaces.
type Changed[T any] struct {
	Now T
	Was int64
}

// Empty says whether there is nothing to store.
func (c *Changes) Empty() bool {
	return len(c.Accounts)+len(c.Gates)+len(c.Limits)+len(c.Transfers)+len(c.Lines)+len(c.Spent)+len(c.Ended) == 0
}

// Commit is one commit: the changes and the rows of the role, all or nothing.
type Commit struct {
	On      Head   // the head the changes were decided on; another one refuses with ErrMoved
	Token   string // becomes the head's
	Changes *Changes
	Writes  []Write // in the order of the requests
}

// Store is what the ledger needs of a database.
type Store interface {
	// Load reads what the names name as of one commit, the last one that Commit answered included. Its errors
	// are like those of Commit.
	Load(ctx context.Context, names Names) (*State, error)

	// Commit makes all of c durable, or nothing. It fails with ErrMoved where the head is another than On;
	// with ErrUnknown where it cannot tell whether c was committed; with an error of kind
	// fault.Unavailable where the store is out of order; any other error means that c itself cannot be
	// stored, and the ledger finds the request that is the cause.
	Commit(ctx context.Context, c Commit) error
}

// Usage is what counts against a limit at a moment.
type Usage struct{ Day, Month money.Yen }

// Reader answers questions about the books without changing them. What does not exist is a fault.NotFound.
type Reader interface {
	Account(ctx context.Context, id AccountID) (Account, error)
	Gate(ctx context.Context, id GateID) (Gate, error)
	Limit(ctx context.Context, id LimitID) (Limit, error)
	Transfer(ctx context.Context, id TransferID) (Transfer, error)

	// Usage is what counts against a limit at a moment; Limit.Left says what that leaves.
	Usage(ctx context.Context, id LimitID, at time.Time) (Usage, error)

	// Passed is the sum that passed a gate in the 24 hours up to a moment.
	Passed(ctx context.Context, id GateID, at time.Time) (money.Yen, error)

	// History returns up to n lines of an account, newest first: those with N below before, or the newest
	// if before is 0.
	History(ctx context.Context, id AccountID, before int64, n int) ([]Line, error)
}
