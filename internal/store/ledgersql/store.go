// Package ledgersql keeps the books of a ledger beside the tables of the role whose books they are: one commit
// carries both. What a commit needs to know it remembers from the commits before, as far as the head says that
// nobody else has written meanwhile.
package ledgersql

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the ledger's tables; they go before those of the role.
func Migrations() sqldb.Source { return sqldb.Source{Name: "ledger", FS: files} }

// Apply writes the rows of the role that requests asked for, in the transaction that commits them, and uses
// nothing of the database but that transaction. An error or a panic makes the ledger look for the request whose
// rows are the cause and refuse that one alone.
type Apply func(ctx context.Context, tx *sqldb.Tx, writes []ledger.Write) error

// Store is the books in one set of tables.
type Store struct {
	db    *sqldb.DB
	apply Apply
	noLog bool

	mu       sync.Mutex  // never held while the database works
	head     ledger.Head // as of which what follows is known
	storing  string      // the token of the commit that is being made; "" for none
	tree     ledger.Tree // of the log
	accounts shelf[ledger.AccountID, *ledger.AccountRow]
	gates    shelf[ledger.GateID, *ledger.GateRow]
	limits   shelf[ledger.LimitID, *ledger.LimitRow]
}

var (
	_ ledger.Store  = (*Store)(nil)
	_ ledger.Reader = (*Store)(nil)
)

// New makes a Store of a database that has the tables of Migrations. apply may be nil where no request has
// rows.
func New(db *sqldb.DB, apply Apply) *Store {
	if apply == nil {
		apply = func(_ context.Context, _ *sqldb.Tx, writes []ledger.Write) error {
			if len(writes) > 0 {
				return fmt.Errorf("ledgersql: nobody writes rows like %T", writes[0])
			}
			return nil
		}
	}
	return &Store{db: db, apply: apply}
}

// WithoutLog leaves the log out, for a benchmark that shows what it costs. It must be called before anything else.
func (s *Store) WithoutLog() { s.noLog = true }

// Commit implements ledger.Store.
func (s *Store) Commit(ctx context.Context, c ledger.Commit) error {
	tree, err := s.begin(c)
	if err != nil {
		return err
	}
	next := c.Next()
	err = s.db.Write(ctx, func(tx *sqldb.Tx) error {
		var b sqldb.Batch
		moveHead(&b, c.On, next, &tree, c.Changes, s.noLog)
		write(&b, c.On.Last, c.Changes)
		if err := tx.Run(ctx, &b); err != nil {
			return err
		}
		if len(c.Writes) == 0 {
			return nil
		}
		return s.safely(ctx, tx, c.Writes)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.storing = ""
	if err == nil {
		s.head, s.tree = next, tree
		s.remember(slices.Concat(c.Changes.Accounts, c.Changes.Balances), slices.Concat(c.Changes.Gates, c.Changes.Passed),
			slices.Concat(c.Changes.Limits, c.Changes.Used))
		return nil
	}
	var failed *sqldb.CommitError
	switch {
	case errors.Is(err, errHead):
		return ledger.ErrMoved
	case errors.Is(err, sqldb.ErrFenced):
		return ledger.ErrFenced
	case errors.As(err, &failed) && sqldb.OutOfOrder(err): // a deferred constraint, in contrast, was rolled back
		return fmt.Errorf("%w: %w", ledger.ErrUnknown, err)
	case sqldb.OutOfOrder(err):
		return fault.New(fault.Unavailable, "ledgersql.Commit", err)
	case fault.Of(err) == fault.Unavailable: // whatever the role says, the database is well: it is these rows
		return fault.New(fault.Internal, "ledgersql.Commit", err)
	}
	return err
}

// begin says that a commit is being made, and gives the log it extends.
func (s *Store) begin(c ledger.Commit) (ledger.Tree, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.On.Seq != s.head.Seq || c.On.Token != s.head.Token {
		return ledger.Tree{}, ledger.ErrMoved // decided on something older than what was loaded last
	}
	s.storing = c.Token
	return s.tree, nil
}

// safely is apply, with a panic made an error: one request must not end the process that commits for all.
func (s *Store) safely(ctx context.Context, tx *sqldb.Tx, writes []ledger.Write) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, "ledgersql.Apply", fmt.Errorf("panicked: %v", p))
		}
	}()
	return s.apply(ctx, tx, writes)
}

// errHead is the failure of the statement that moves the head.
var errHead = errors.New("move head")

// moveHead is the guard against a second writer: it changes the head only from the one that was decided on. It
// extends the log.
func moveHead(b *sqldb.Batch, on, next ledger.Head, tree *ledger.Tree, c *ledger.Changes, noLog bool) {
	logged := tree.Size
	if !c.Empty() && !noLog {
		record, leaf := c.Log(tree.Size)
		first := tlog.StoredHashIndex(0, tree.Size)
		var index []int64
		var hashes [][]byte
		for i, h := range tree.Add(leaf, nil) {
			index, hashes = append(index, first+int64(i)), append(hashes, h[:])
		}
		b.Exec("insert hashes", `INSERT INTO ledger_hashes (n, hash) SELECT c0, c1 FROM {set}`, sqldb.Set{index, hashes})
		b.Exec("insert commit", `INSERT INTO ledger_commits (n, last, closed_us, root) SELECT c0, c1, c2, c3 FROM {set}`,
			sqldb.Set{[]int64{record.N}, []int64{record.Last}, []int64{us(record.Closed)}, [][]byte{record.Root[:]}})
	}
	b.First(errHead, `
		UPDATE ledger_head AS h SET seq = h.seq + 1, token = c0, last = c1, closed_us = c2, logged = c3
		FROM {set} WHERE h.seq = c4 AND h.token = c5 AND h.logged = c6`,
		sqldb.Set{
			[]string{next.Token}, []int64{next.Last}, []int64{us(next.Closed)}, []int64{tree.Size},
			[]int64{on.Seq}, []string{on.Token}, []int64{logged},
		})
}

// The package's short names of how a time is stored, and read.
var us, at = sqldb.Micros, sqldb.Moment
