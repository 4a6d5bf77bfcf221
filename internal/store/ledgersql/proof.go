package ledgersql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// Checkpoint signs what the log is now. The signer's name is its origin.
func (s *Store) Checkpoint(ctx context.Context, signer note.Signer) (signed string, err error) {
	err = s.db.View(ctx, func(tx *sqldb.Tx) error {
		c, err := checkpoint(ctx, tx, signer.Name())
		if err == nil {
			signed, err = c.Sign(signer)
		}
		return err
	})
	return signed, readError("ledgersql.Checkpoint", err)
}

func checkpoint(ctx context.Context, tx *sqldb.Tx, origin string) (ledger.Checkpoint, error) {
	c := ledger.Checkpoint{Origin: origin}
	err := tx.QueryRowContext(ctx, `SELECT logged FROM ledger_head WHERE one = 1`).Scan(&c.Size)
	if err == nil {
		c.Root, err = tlog.TreeHash(c.Size, logReader(ctx, tx))
	}
	return c, err
}

// logReader reads hashes of the log.
func logReader(ctx context.Context, tx *sqldb.Tx) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := map[int64]tlog.Hash{}
		var b sqldb.Batch
		b.Query("log", `SELECT n, hash FROM ledger_hashes WHERE n IN (SELECT c0 FROM {set})`, sqldb.Set{indexes}, func(r sqldb.Row) error {
			var n int64
			var hash []byte
			err := r.Scan(&n, &hash)
			if err == nil && len(hash) != tlog.HashSize {
				err = fmt.Errorf("ledgersql: hash %d of the log has %d bytes", n, len(hash))
			}
			if err == nil {
				found[n] = tlog.Hash(hash)
			}
			return err
		})
		if err := tx.Run(ctx, &b); err != nil {
			return nil, err
		}
		hashes := make([]tlog.Hash, len(indexes))
		for i, n := range indexes {
			h, there := found[n]
			if !there {
				return nil, fmt.Errorf("ledgersql: the log has lost hash %d", n)
			}
			hashes[i] = h
		}
		return hashes, nil
	})
}

// Proof shows that a transfer stands in the books as they are now, under a checkpoint that is signed.
func (s *Store) Proof(ctx context.Context, id ledger.TransferID, signer note.Signer) (p ledger.Proof, err error) {
	err = view(ctx, s, "Proof", id, func(tx *sqldb.Tx, num int64) error {
		c, err := checkpoint(ctx, tx, signer.Name())
		if err != nil {
			return err
		}
		signed, err := c.Sign(signer)
		if err != nil {
			return err
		}
		record, first, err := commitOf(ctx, tx, c.Size, num)
		if err != nil {
			return err
		}
		path, err := tlog.ProveRecord(c.Size, record.N, logReader(ctx, tx))
		if err != nil {
			return err
		}
		entries, err := entriesBetween(ctx, tx, first, record.Last)
		if err == nil {
			p, err = ledger.Prove(entries, num, record, path, signed)
		}
		if err == nil && p.Entries[0].ID != string(id) {
			err = fmt.Errorf("entry %d is not transfer %q", num, id)
		}
		return err
	})
	return p, err
}

func entriesBetween(ctx context.Context, tx *sqldb.Tx, first, last int64) ([]ledger.Entry, error) {
	rows, err := tx.QueryContext(ctx, selectEntries+`WHERE seq >= $1 AND seq <= $2 ORDER BY seq`, first, last)
	return sqldb.List("ledgersql.entries", rows, err, scanEntry)
}

// commitOf is the record of the commit that an entry is of, and its first entry. Commits end where the next begins, so
// halving finds it.
func commitOf(ctx context.Context, tx *sqldb.Tx, logged, entry int64) (record ledger.Logged, first int64, err error) {
	read := func(n int64) (l ledger.Logged, err error) {
		var closed int64
		var root []byte
		err = tx.QueryRowContext(ctx, `SELECT n, last, closed_us, root FROM ledger_commits WHERE n = $1`, n).Scan(&l.N, &l.Last, &closed, &root)
		if err == nil && len(root) != tlog.HashSize {
			err = fmt.Errorf("ledgersql: the root of commit %d has %d bytes", n, len(root))
		}
		if err == nil {
			l.Closed, l.Root = at(closed), tlog.Hash(root)
		}
		return l, err
	}
	first = 1
	for from, to := int64(0), logged; from < to; {
		middle := (from + to) / 2
		l, err := read(middle)
		switch {
		case err != nil:
			return record, 0, lost(err, middle)
		case l.Last < entry:
			from, first = middle+1, l.Last+1
		default:
			to, record = middle, l
		}
	}
	if record.Last < entry {
		return record, 0, fault.New(fault.Internal, "ledgersql.Proof", fmt.Errorf("entry %d is in no commit", entry))
	}
	return record, first, nil
}

// lost says which record is missing.
func lost(err error, n int64) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("ledgersql: the log has lost the record of commit %d", n)
	}
	return err
}
