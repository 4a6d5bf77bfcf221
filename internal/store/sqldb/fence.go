package sqldb

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"sync"

	"github.com/kozamori/kozamori/internal/fault"
)

// Several processes can reach the same tables on a server. Whoever serves them leads: it writes its epoch, a random
// text, into a row that every writing transaction locks and reads first. So one that stood still while another took
// over writes nothing any more when it wakes up, however late, and however sure it was of itself.

//go:embed migrations/*.sql
var fenceFiles embed.FS

// fenceSource is the tables of sqldb itself, on a server. They come before all others.
var fenceSource = Source{Name: "fence", FS: fenceFiles}

// ErrFenced is the cause of a write's failure after another process has taken the tables over: nothing was done.
var ErrFenced = errors.New("another process has taken over")

// lead is what a DB knows of its own epoch.
type lead struct {
	mu    sync.Mutex
	epoch string        // "" where it does not lead: a tool, which writes whoever leads
	lost  chan struct{} // closed once a write has met another epoch
}

// Lead makes this DB the one that writes: every other that led before fails with ErrFenced from now on. It waits for a
// transaction that has begun; one in whose middle its process stands still is ended by the server after five seconds.
// Lead before anything is read that a later write depends on. A SQLite file belongs to one process: there it does nothing.
func (db *DB) Lead(ctx context.Context) error {
	if db.engine != PostgreSQL {
		return nil
	}
	epoch := rand.Text()
	tx, err := db.begin(ctx, db.writer, nil)
	if err != nil {
		return fault.New(fault.Unavailable, "sqldb.Lead", err)
	}
	defer tx.end()
	res, err := tx.ExecContext(ctx, `UPDATE fence SET epoch = $1 WHERE one = 1`, epoch)
	if err = OneRow("sqldb.Lead", res, err); err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return fault.New(fault.Unavailable, "sqldb.Lead", err)
	}
	db.lead.mu.Lock()
	defer db.lead.mu.Unlock()
	db.lead.epoch = epoch
	return nil
}

// Lost waits until a write has met the epoch of another process, and returns ErrFenced; nil when ctx ends first.
func (db *DB) Lost(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-db.lead.lost:
		return fault.New(fault.Unavailable, "sqldb.Lost", ErrFenced)
	}
}

// check compares the epoch that a transaction has locked with our own.
func (l *lead) check(epoch string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch == "" || l.epoch == epoch {
		return nil
	}
	select {
	case <-l.lost:
	default:
		close(l.lost)
	}
	return ErrFenced
}
