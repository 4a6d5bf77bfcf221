package ledger

import (
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// The log makes it evident when somebody rewrites the books. A commit's entries are the leaves of a Merkle tree
// (RFC 9162, section 2.1), and its record, with the root of that tree, is a leaf of the tree over all commits:
// whoever kept an old root can tell whether the books still begin as they did then. A record of the log is a
// commit and not an entry so that the log costs a few hashes a commit, whatever is in it.

// Hash is a hash of a tree.
type Hash = tlog.Hash

// Tree is the right edge of a Merkle tree that grows: of each height the last whole subtree that has no brother.
// The zero Tree is empty. It is a value: nothing that is added to a copy shows here.
type Tree struct {
	Size int64    // leaves
	Edge [63]Hash // Edge[h] stands where bit h of Size is set
}

// Add adds a leaf and appends the hashes of all subtrees that are whole with it, from the leaf up: what tlog
// stores from number tlog.StoredHashIndex(0, Size) on.
func (t *Tree) Add(leaf Hash, stored []Hash) []Hash {
	h := leaf
	stored = append(stored, h)
	height := 0
	for ; t.Size>>height&1 == 1; height++ {
		h = tlog.NodeHash(t.Edge[height], h)
		stored = append(stored, h)
	}
	t.Edge[height] = h
	t.Size++
	return stored
}

// Root is the hash of the whole tree; the tree must not be empty.
func (t *Tree) Root() Hash {
	var root Hash
	below := false
	for height := 0; t.Size>>height > 0; height++ {
		switch {
		case t.Size>>height&1 == 0:
		case below:
			root = tlog.NodeHash(t.Edge[height], root)
		default:
			root, below = t.Edge[height], true
		}
	}
	return root
}

// EdgeIndexes lists, by height, the numbers under which the hashes of the edge of a tree of a size are stored;
// -1 where there is none.
func EdgeIndexes(size int64) (indexes [63]int64) {
	for height := range indexes {
		indexes[height] = -1
		if size>>height&1 == 1 {
			indexes[height] = tlog.StoredHashIndex(height, size>>height-1)
		}
	}
	return indexes
}

// Logged is the record of a commit.
type Logged struct {
	N      int64     // from 0 on
	Last   int64     // its last entry
	Closed time.Time // the time of the books after it
	Root   Hash      // of the tree over its entries
}

// Record is the record as the log hashes it.
func (l Logged) Record() []byte {
	return fmt.Appendf(nil, "kozamori commit 1\n%d\n%d\n%d\n%s\n", l.N, l.Last, micros(l.Closed), l.Root)
}

// Log makes the record of a commit and its leaf; n is how many came before. The changes must not be empty.
func (c *Changes) Log(n int64) (Logged, Hash) {
	var t Tree
	var buf []byte
	var few [64]Hash
	for _, e := range c.Entries {
		buf = e.Record(buf[:0])
		t.Add(tlog.RecordHash(buf), few[:0])
	}
	l := Logged{N: n, Last: c.Entries[len(c.Entries)-1].Seq, Closed: c.Closed, Root: t.Root()}
	return l, tlog.RecordHash(l.Record())
}
