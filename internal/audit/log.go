package audit

import (
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// tree is a Merkle tree that grows (RFC 9162, section 2.1): its whole subtrees, the largest first.
type tree struct {
	size int64
	edge []tlog.Hash
}

// add adds a leaf and hands the hashes of all subtrees that are whole with it to stored, from the leaf up.
func (t *tree) add(leaf tlog.Hash, stored func(tlog.Hash)) {
	t.edge = append(t.edge, leaf)
	t.size++
	for joins := bits.TrailingZeros64(uint64(t.size)); ; joins-- {
		top := len(t.edge) - 1
		if stored != nil {
			stored(t.edge[top])
		}
		if joins == 0 {
			return
		}
		t.edge = append(t.edge[:top-1], tlog.NodeHash(t.edge[top-1], t.edge[top]))
	}
}

// root is the hash of the whole tree; that of an empty one is zero.
func (t *tree) root() (root tlog.Hash) {
	for i := len(t.edge) - 1; i >= 0; i-- {
		if i == len(t.edge)-1 {
			root = t.edge[i]
		} else {
			root = tlog.NodeHash(t.edge[i], root)
		}
	}
	return root
}

// hash is the entry as a leaf.
func (e *entry) hash() tlog.Hash { return tlog.RecordHash(e.record(nil)) }

// commitRecord is a row of ledger_commits.
type commitRecord struct {
	n, last, closedUs int64
	root              []byte
}

// hash is the record as a leaf of the log, with a root.
func (c *commitRecord) hash(root tlog.Hash) tlog.Hash {
	return tlog.RecordHash(fmt.Appendf(nil, "kozamori commit 1\n%d\n%d\n%d\n%s\n", c.n, c.last, c.closedUs, root))
}

// logCheck goes through the journal and works the log out anew.
type logCheck struct {
	r              *reader
	f              *finder
	entries        cursor[entry]
	commits        cursor[commitRecord]
	hashes         cursor[storedHash]
	last, closedUs int64
	tree           tree                 // over the records as they are stored
	worked         tree                 // over the records as they follow from the entries
	whole          func(log *tree) bool // is asked after each record whether to go on; nil goes on
	n              int64                // hashes compared
}

type storedHash struct {
	n    int64
	hash []byte
}

func newLog(r *reader, f *finder) *logCheck {
	return &logCheck{r: r, f: f,
		entries: cursor[entry]{r: r, query: selectEntries + `WHERE seq > $1 ORDER BY seq LIMIT $2`, after: -1 << 62,
			into: intoEntry, key: func(e *entry) int64 { return e.seq }},
		commits: cursor[commitRecord]{r: r, query: `SELECT n, last, closed_us, root FROM ledger_commits WHERE n > $1 ORDER BY n LIMIT $2`, after: -1 << 62,
			into: func(c *commitRecord) []any { return []any{&c.n, &c.last, &c.closedUs, &c.root} }, key: func(c *commitRecord) int64 { return c.n }},
		hashes: cursor[storedHash]{r: r, query: `SELECT n, hash FROM ledger_hashes WHERE n > $1 ORDER BY n LIMIT $2`, after: -1 << 62,
			into: func(h *storedHash) []any { return []any{&h.n, &h.hash} }, key: func(h *storedHash) int64 { return h.n }},
	}
}

// follow hands over every entry in order, commit by commit, and compares the log with them.
func (l *logCheck) follow(take func(*entry)) {
	for c, ok := l.commits.next(); ok; c, ok = l.commits.next() {
		var leaves tree
		first := l.last + 1
		for e, ok := l.entries.peek(); ok && e.seq <= c.last; e, ok = l.entries.peek() {
			l.entries.next()
			l.entry(e)
			take(e)
			leaves.add(e.hash(), nil)
		}
		l.commit(c, first, leaves)
		if l.whole != nil && !l.whole(&l.worked) {
			return
		}
	}
	if e, ok := l.entries.peek(); ok {
		l.unlogged(e)
	}
	for e, ok := l.entries.next(); ok; e, ok = l.entries.next() {
		l.entry(e)
		take(e)
	}
}

// entry notes the next entry.
func (l *logCheck) entry(e *entry) {
	if e.seq != l.last+1 {
		l.f.add(journalTable, e.key(), "numbers without a gap", l.last+1, e.seq)
	}
	l.last, l.closedUs = e.seq, max(l.closedUs, e.atUs)
}

// commit holds the record of a commit against its entries, from first on, and both against the log, which tells
// whose row was changed. It goes on with what the log has, so that a row is named once.
func (l *logCheck) commit(c *commitRecord, first int64, leaves tree) {
	id, root, last := fmt.Sprint(c.n), leaves.root(), l.last
	made := commitRecord{n: l.tree.size, last: last, closedUs: l.closedUs}
	worked, says := made.hash(root), c.hash(storedRoot(c.root))
	logged := says
	if h, ok := l.hashes.peek(); ok && h.n == l.n {
		logged = storedRoot(h.hash)
	} else if worked != says {
		l.f.add("ledger_commits", id, "the record of a commit is in the log", made.text(root[:]), c.text(c.root))
		return
	}
	leaf := says
	switch {
	case says != worked && says != logged || len(c.root) != tlog.HashSize:
		leaf = logged
		l.f.add("ledger_commits", id, "the record of a commit is as it was logged", made.text(root[:]), c.text(c.root))
		if worked != logged {
			l.f.add(journalTable, fmt.Sprintf("%d–%d", first, last), "the entries are as they were logged in commit "+id, logged, worked)
		}
	case root != storedRoot(c.root) || last != c.last:
		l.f.add(journalTable, fmt.Sprintf("%d–%d", first, c.last), "the entries are as they were logged in commit "+id, asHash(c.root), root)
	case worked != says:
		l.f.add("ledger_commits", id, "the record of a commit is of its entries", made.text(root[:]), c.text(c.root))
	}
	l.tree.add(leaf, l.compare)
	l.worked.add(worked, nil)
	l.closedUs = c.closedUs
}

func (c *commitRecord) text(root []byte) string {
	return fmt.Sprintf("commit %d up to entry %d, %s, %s", c.n, c.last, moment(c.closedUs), asHash(root))
}

// unlogged notes entries from e on that no record is of. Where the log has gone on, it is the record that is missing.
func (l *logCheck) unlogged(e *entry) {
	if h, ok := l.hashes.peek(); ok && h.n == l.n {
		l.f.add("ledger_commits", fmt.Sprint(l.tree.size), "a commit has its record", "a record", "none")
	} else {
		l.f.add(journalTable, e.key(), "an entry is in the log", "a record of its commit", "none")
	}
}

func storedRoot(b []byte) (h tlog.Hash) {
	copy(h[:], b)
	return h
}

func asHash(b []byte) string {
	if len(b) != tlog.HashSize {
		return fmt.Sprintf("%d bytes", len(b))
	}
	return tlog.Hash(b).String()
}

// compare holds a hash of the log against the stored one.
func (l *logCheck) compare(want tlog.Hash) {
	id := fmt.Sprint(l.n)
	got, ok := l.hashes.peek()
	switch {
	case !ok || got.n > l.n:
		l.f.add("ledger_hashes", id, "a hash of the log", want, "none")
	case got.n < l.n:
		l.f.add("ledger_hashes", fmt.Sprint(got.n), "numbers without a gap", l.n, got.n)
		l.hashes.next()
		l.compare(want)
		return
	default:
		l.hashes.next()
		if string(got.hash) != string(want[:]) {
			l.f.add("ledger_hashes", id, "a hash of the log", want, asHash(got.hash))
		}
	}
	l.n++
}

// end compares the head with what was found.
func (l *logCheck) end() {
	for h, ok := l.hashes.next(); ok; h, ok = l.hashes.next() {
		l.f.add("ledger_hashes", fmt.Sprint(h.n), "a hash of the log", "none", asHash(h.hash))
	}
	type head struct{ seq, last, closedUs, logged int64 }
	heads := list(l.r, `SELECT seq, last, closed_us, logged FROM ledger_head WHERE one = 1`, func(h *head) []any {
		return []any{&h.seq, &h.last, &h.closedUs, &h.logged}
	})
	if len(heads) != 1 {
		l.f.add("ledger_head", "1", "one row", 1, len(heads))
		return
	}
	h := heads[0]
	equal(l.f, "ledger_head", "1", "the last entry", l.last, h.last)
	equal(l.f, "ledger_head", "1", "the time of the books", moment(l.closedUs), moment(h.closedUs))
	equal(l.f, "ledger_head", "1", "the records in the log", l.tree.size, h.logged)
	if h.seq < h.logged {
		l.f.add("ledger_head", "1", "commits so far", fmt.Sprint("at least ", h.logged), h.seq)
	}
}
