package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/kozamori/kozamori/internal/money"
)

// Proof shows that the entries of a transfer stand in the books of a checkpoint: whoever holds it and the public key
// needs nothing else. Each entry's path leads to the root in its commit's record, the record's path to the
// checkpoint's root.
type Proof struct {
	Entries    []ProvedEntry `json:"entries"`
	Commit     ProvedCommit  `json:"commit"`
	Path       []Hash        `json:"path"`
	Checkpoint string        `json:"checkpoint"` // a signed note
}

// ProvedEntry is an entry, column by column, and its path inside its commit.
type ProvedEntry struct {
	Seq         int64     `json:"seq"`
	Act         Act       `json:"act"`
	AtUs        int64     `json:"at_us"`
	ID          string    `json:"id"`
	Of          int64     `json:"about"`
	Legs        int       `json:"legs"`
	Kind        string    `json:"kind"`
	Debit       int64     `json:"debit"`
	Credit      int64     `json:"credit"`
	Amount      money.Yen `json:"amount"`
	DebitAfter  money.Yen `json:"debit_after"`
	CreditAfter money.Yen `json:"credit_after"`
	Gate        int64     `json:"gate"`
	Limits      string    `json:"limits"`
	Memo        string    `json:"memo"`
	Detail      string    `json:"detail"`
	Path        []Hash    `json:"path"`
}

// ProvedCommit is the record of a commit, with its first entry.
type ProvedCommit struct {
	N        int64 `json:"n"`
	First    int64 `json:"first"`
	Last     int64 `json:"last"`
	ClosedUs int64 `json:"closed_us"`
	Root     Hash  `json:"root"`
}

// Prove makes a proof of the transfer whose first entry is num. entries are all entries of its commit, path is that of
// the commit's record in the log of the checkpoint.
func Prove(entries []Entry, num int64, record Logged, path []Hash, checkpoint string) (Proof, error) {
	var t Tree
	var stored []Hash
	for _, e := range entries {
		stored = t.Add(tlog.RecordHash(e.Record(nil)), stored)
	}
	if len(entries) == 0 || t.Root() != record.Root || entries[len(entries)-1].Seq != record.Last {
		return Proof{}, fmt.Errorf("ledger: the entries of commit %d are not as they were logged", record.N)
	}
	read := tlog.HashReaderFunc(func(indexes []int64) ([]Hash, error) {
		hashes := make([]Hash, len(indexes))
		for i, n := range indexes {
			hashes[i] = stored[n]
		}
		return hashes, nil
	})
	first := entries[0].Seq
	p := Proof{Commit: ProvedCommit{record.N, first, record.Last, micros(record.Closed), record.Root}, Path: path, Checkpoint: checkpoint}
	for _, e := range entries {
		if e.Seq != num && (e.Act != ActLeg || e.Of != num) {
			continue
		}
		way, err := tlog.ProveRecord(t.Size, e.Seq-first, read)
		if err != nil {
			return Proof{}, err
		}
		p.Entries = append(p.Entries, ProvedEntry{
			e.Seq, e.Act, micros(e.At), e.ID, e.Of, e.Legs, e.Kind, e.Debit, e.Credit, e.Amount, e.DebitAfter, e.CreditAfter,
			e.Gate, Numbers(e.Limits), e.Memo, e.Detail, way,
		})
	}
	if len(p.Entries) == 0 {
		return Proof{}, fmt.Errorf("ledger: entry %d is not of commit %d", num, record.N)
	}
	return p, nil
}

// entry is the entry without its path.
func (p ProvedEntry) entry() (Entry, error) {
	limits, err := ParseNumbers(p.Limits)
	return Entry{
		Seq: p.Seq, Act: p.Act, At: fromMicros(p.AtUs), ID: p.ID, Of: p.Of, Legs: p.Legs, Kind: p.Kind, Debit: p.Debit, Credit: p.Credit,
		Amount: p.Amount, DebitAfter: p.DebitAfter, CreditAfter: p.CreditAfter, Gate: p.Gate, Limits: limits, Memo: p.Memo, Detail: p.Detail,
	}, err
}

var errProof = errors.New("ledger: a proof that cannot be read")

// ParseProof reads a proof as JSON of it; nothing in it is true before Check.
func ParseProof(text []byte) (Proof, error) {
	var p Proof
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return Proof{}, fmt.Errorf("%w: %w", errProof, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Proof{}, fmt.Errorf("%w: something follows it", errProof)
	}
	return p, nil
}

// Check says whether a proof holds: every entry is in the commit, the commit in the log, and the log is that of a
// checkpoint whose signature stands.
func (p Proof) Check(by note.Verifier) error {
	c, err := OpenCheckpoint(p.Checkpoint, by)
	if err != nil {
		return err
	}
	record := Logged{N: p.Commit.N, Last: p.Commit.Last, Closed: fromMicros(p.Commit.ClosedUs), Root: p.Commit.Root}
	if record.N < 0 || record.N >= c.Size {
		return fmt.Errorf("ledger: commit %d is not in a log of %d", record.N, c.Size)
	}
	if err := tlog.CheckRecord(p.Path, c.Size, c.Root, record.N, tlog.RecordHash(record.Record())); err != nil {
		return fmt.Errorf("ledger: the record of commit %d: %w", record.N, err)
	}
	if len(p.Entries) == 0 || p.Commit.First < 1 || p.Commit.Last < p.Commit.First {
		return errProof
	}
	for i, proved := range p.Entries {
		e, err := proved.entry()
		if err != nil {
			return err
		}
		if e.Seq != p.Entries[0].Seq+int64(i) || e.Seq < p.Commit.First || e.Seq > p.Commit.Last || i > 0 && (e.Act != ActLeg || e.Of != p.Entries[0].Seq) {
			return fmt.Errorf("ledger: entry %d is not of the transfer", e.Seq)
		}
		size := p.Commit.Last - p.Commit.First + 1
		if err := tlog.CheckRecord(proved.Path, size, record.Root, e.Seq-p.Commit.First, tlog.RecordHash(e.Record(nil))); err != nil {
			return fmt.Errorf("ledger: entry %d: %w", e.Seq, err)
		}
	}
	if len(p.Entries) != max(1, p.Entries[0].Legs) {
		return errProof
	}
	return nil
}
