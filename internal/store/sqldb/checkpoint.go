package sqldb

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
)

// SQLite's log is brought into the file beside the writer and not by it: a commit that had to do so would keep everybody
// waiting for as long as the disk takes to write what thousands of commits have changed. When the log has grown long, a
// connection of its own writes most of it; the rest, what was committed meanwhile, is done while nobody writes, so that
// the log begins anew. It does so only when nobody reads as of an older commit: a view that stays open lets it grow.

const (
	longLog    = 4000    // pages of 4 KiB in the log
	checkEvery = 16      // commits after which its length is looked at
	longestLog = "64000" // pages after which a commit does it after all
)

// checkpointer does that for one file.
type checkpointer struct {
	writes atomic.Int64
	begin  sync.Once
	closed atomic.Bool
	wake   chan struct{}
	stop   chan struct{} // closed by close
	ended  sync.WaitGroup
	pool   *sql.DB
}

func newCheckpointer(pool *sql.DB) *checkpointer {
	pool.SetMaxOpenConns(1)
	return &checkpointer{wake: make(chan struct{}, 1), stop: make(chan struct{}), pool: pool}
}

// wrote counts a commit.
func (db *DB) wrote() {
	c := db.checkpoints
	if c == nil || c.writes.Add(1)%checkEvery != 0 {
		return
	}
	c.begin.Do(func() { c.ended.Go(db.checkpoint) })
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// checkpoint works until the file is closed. A failure is that of the disk: whoever writes or reads meets it too, and
// the log stays as it is until the next time.
func (db *DB) checkpoint() {
	c := db.checkpoints
	for {
		select {
		case <-c.stop:
			return
		case <-c.wake:
		}
		var busy, pages, done int
		if err := c.pool.QueryRow(`PRAGMA wal_checkpoint(NOOP)`).Scan(&busy, &pages, &done); err != nil || pages < longLog {
			continue
		}
		for _, pool := range []*sql.DB{c.pool, db.writer} {
			if _, err := pool.ExecContext(context.Background(), `PRAGMA wal_checkpoint(PASSIVE)`); err != nil {
				break
			}
		}
	}
}

// close ends it.
func (c *checkpointer) close() error {
	if c == nil || c.closed.Swap(true) {
		return nil
	}
	c.begin.Do(func() {}) // it begins no more
	close(c.stop)
	c.ended.Wait()
	return c.pool.Close()
}
