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
	Until  time.Time // of a hold: from then on it cannot be posted; zero is never
	Result Result    // as first decided; Open and Voided are derived from End

	End      End       // what ended a hold
	Ended    time.Time // when
	Posted   money.Yen // of a hold that was posted: how much of it
	Refunded money.Yen // what refunds have given back of it, or hold to give back
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

// Moved is what the transfer has moved: nothing while it is held.
func (t Transfer) Moved() money.Yen {
	switch {
	case t.Result.Outcome != Done || t.Hold && t.End != Posted:
		return 0
	case t.Hold:
		return t.Posted
	}
	return t.Sum()
}

// Line is one line of an account's history: one side of one leg of a posted transfer.
type Line struct {
	Account  AccountID
	N        int64 // the number of its entry in the journal: grows from line to line, with gaps
	Transfer TransferID
	Kind     string // of the transfer
	Other    AccountID
	Amount   money.Yen // positive where credited
	Balance  money.Yen // after this line
	At       time.Time // when it was posted
	Memo     string    // of the transfer
}

// Names lists what a batch needs to know. Besides, the store loads the parents of the gates, the originals of
// refunds, and the accounts, gates and limits of open holds.
type Names struct {
	Accounts  []AccountID
	Transfers []TransferID
	Gates     []GateID
	Limits    []LimitID
}

// Head is the last commit of the books: its number, and the token of whoever made it.
type Head struct {
	Seq    int64
	Token  string
	Last   int64     // the number of the last entry
	Closed time.Time // the time of the books: the latest At of all entries, which never goes back
}

// State is the part of the books that a batch names, as of one commit. What does not exist is absent. Nobody
// writes into the rows: a change is a new row.
type State struct {
	Head      Head
	Accounts  map[AccountID]*AccountRow
	Transfers map[TransferID]*TransferRow
	Gates     map[GateID]*GateRow
	Limits    map[LimitID]*LimitRow
}

// AccountRow is an account as a store keeps it.
type AccountRow struct {
	Account
	Num  int64   // the entry that opened it
	Tail []int64 // the entries of its lines since the last full Page, oldest first; fewer than PageLines
}

// PageLines is how many lines of an account make a Page.
const PageLines = 32

// Page lists lines of an account by their entries, oldest first: PageLines of them. Pages never change.
type Page struct {
	Account int64
	Lines   []int64
}

// GateRow is a gate as a store keeps it, with what passed it.
type GateRow struct {
	Gate
	Num       int64
	ParentNum int64 // 0 for none
	Meter
}

// LimitRow is a limit as a store keeps it, with what was used of it.
type LimitRow struct {
	Limit
	Num int64
	Meter
}

// TransferRow is a transfer with the number of its first entry.
type TransferRow struct {
	Transfer
	Num int64
}

// Fate is what became of a transfer afterwards: every hold has one from the beginning, another transfer once
// something of it is refunded.
type Fate struct {
	Num      int64
	Until    time.Time
	End      End
	Ended    time.Time
	Posted   money.Yen
	Refunded money.Yen
}

// NewState is a State of empty books.
func NewState() *State {
	return &State{
		Accounts: map[AccountID]*AccountRow{}, Transfers: map[TransferID]*TransferRow{},
		Gates: map[GateID]*GateRow{}, Limits: map[LimitID]*LimitRow{},
	}
}

// Changes is what a batch does to the books. Rows are whole new values, once each and in the order of their
// numbers; those with a number above the head's Last are new. Of fates a store makes or replaces the row.
type Changes struct {
	Entries  []Entry // numbered from the head's Last + 1 on
	Names    []Name
	Accounts []*AccountRow
	Balances []*AccountRow // those of which only balance and lines have changed: most
	Gates    []*GateRow
	Passed   []*GateRow // those of which only the meter has changed: most
	Limits   []*LimitRow
	Used     []*LimitRow // likewise
	Fates    []Fate
	Pages    []Page
	Closed   time.Time // becomes the head's
}

// Name is where a new name is found.
type Name struct {
	Key Key
	Num int64
}

// Empty says whether there is nothing to store.
func (c *Changes) Empty() bool { return len(c.Entries) == 0 }

// Commit is one commit: the changes and the rows of the role, all or nothing.
type Commit struct {
	On      Head   // the head the changes were decided on; another one refuses with ErrMoved
	Token   string // becomes the head's
	Changes *Changes
	Writes  []Write // in the order of the requests
}

// Next is the head once the commit is made.
func (c Commit) Next() Head {
	return Head{Seq: c.On.Seq + 1, Token: c.Token, Last: c.On.Last + int64(len(c.Changes.Entries)), Closed: c.Changes.Closed}
}

// is says whether two heads are of the same commit.
func (h Head) is(o Head) bool { return h.Seq == o.Seq && h.Token == o.Token }

// Store is what the ledger needs of a database. It has one Load at a time and one Commit at a time, and a Load may run
// beside a Commit.
type Store interface {
	// Load reads what the names name, the last commit that Commit answered included. Where a Commit runs beside it, each
	// row is as before that or as after; the Head is that of the oldest. The maps are the caller's. Its errors are like
	// those of Commit.
	Load(ctx context.Context, names Names) (*State, error)

	// Commit makes all of c durable, or nothing. It fails with ErrMoved where the head is another than On;
	// with ErrUnknown where it cannot tell whether c was committed; with ErrFenced where another process has
	// taken over and nothing will be committed here any more; with an error of kind fault.Unavailable where the store is out of order; any other error means that c itself cannot be
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

	// BalanceAt is an account's balance after the last commit whose time of the books was not after a moment:
	// 0 before its first line.
	BalanceAt(ctx context.Context, id AccountID, at time.Time) (money.Yen, error)

	// Overdue lists up to n open holds whose Until is not after a moment, the oldest Until first.
	Overdue(ctx context.Context, at time.Time, n int) ([]TransferID, error)
}
