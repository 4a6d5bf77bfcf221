package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
)

// Digest tells whether a request under a known id is the same request again.
type Digest [sha256.Size]byte

// digestOf covers all that makes a repeat the same. The device is left out: a repeat may be proved anew.
func digestOf(m Move, hold bool) Digest {
	h := sha256.New()
	word := "move"
	if hold {
		word = "hold"
	}
	put(h, "kozamori ledger 1", word, m.Kind, string(m.Gate), m.Memo)
	number(h, uint64(len(m.Legs)))
	for _, l := range m.Legs {
		put(h, string(l.Debit), string(l.Credit))
		number(h, uint64(l.Amount))
	}
	for _, l := range distinct(m.Limits) {
		put(h, string(l))
	}
	return Digest(h.Sum(nil))
}

// put writes strings so that no two lists of them write the same bytes.
func put(h hash.Hash, words ...string) {
	for _, w := range words {
		number(h, uint64(len(w)))
		h.Write([]byte(w))
	}
}

func number(h hash.Hash, n uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	h.Write(b[:])
}

// distinct is the sorted set of ids.
func distinct[T ~string](ids []T) []T {
	set := slices.Clone(ids)
	slices.Sort(set)
	return slices.Compact(set)
}
