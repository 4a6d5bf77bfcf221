package audit

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/money"
)

// Checkpoint is what a company once signed of the log of its books.
type Checkpoint struct {
	Origin string // "kozamori/bank/0149/books"
	Size   int64  // commits
	Root   string
	root   tlog.Hash
}

// OpenCheckpoint reads a signed checkpoint; key is the public key, as `keys public --key books` prints it.
func OpenCheckpoint(signed, key string) (Checkpoint, error) {
	by, err := note.NewVerifier(strings.TrimSpace(key))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("audit: the key: %w", err)
	}
	n, err := note.Open([]byte(signed), note.VerifierList(by))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("audit: the checkpoint: %w", err)
	}
	lines := strings.SplitN(n.Text, "\n", 4)
	if len(lines) < 4 || lines[0] != by.Name() {
		return Checkpoint{}, fmt.Errorf("audit: what %s has signed is no checkpoint of its books", by.Name())
	}
	c := Checkpoint{Origin: lines[0], Root: lines[2]}
	size, errSize := strconv.ParseInt(lines[1], 10, 64)
	root, errRoot := base64.StdEncoding.DecodeString(lines[2])
	if errSize != nil || errRoot != nil || size < 0 || len(root) != tlog.HashSize {
		return Checkpoint{}, fmt.Errorf("audit: what %s has signed is no checkpoint of its books", by.Name())
	}
	c.Size, c.root = size, tlog.Hash(root)
	return c, nil
}

// Place is where under a directory of kozamori dev the books of a checkpoint lie.
func (c Checkpoint) Place(dir string) (string, error) {
	d, err := openDirectory(dir)
	if err != nil {
		return "", err
	}
	words := strings.Split(c.Origin, "/")
	if len(words) != 4 || words[0] != "kozamori" || words[3] != "books" {
		return "", fmt.Errorf("audit: %s names no books", c.Origin)
	}
	known := map[string][]string{"wallet": d.services(), "bank": d.banks()}[words[1]]
	if !slices.Contains(known, words[2]) {
		return "", fmt.Errorf("audit: %s has no books of %s", dir, c.Origin)
	}
	if words[1] == "wallet" {
		return d.place("wallet_" + words[2]), nil
	}
	return d.place("bank", words[2]), nil
}

// Begins says whether books, in a file or at a postgres URL, still begin as they did at a checkpoint. What it finds, in
// order, is why not; the error says that something could not be read.
func (c Checkpoint) Begins(ctx context.Context, where string) ([]Difference, error) {
	f := finder{role: c.Origin}
	if c.Size == 0 {
		return nil, nil
	}
	err := readTables(ctx, where, func(r *reader) {
		log := newLog(r, &f)
		log.whole = func(t *tree) bool { return t.size < c.Size }
		log.follow(func(*entry) {})
		if log.worked.size < c.Size {
			f.add("ledger_commits", "all", "what was signed has been cut off", fmt.Sprint(c.Size, " commits"), log.worked.size)
		} else if root := log.worked.root(); root != c.root {
			f.add("ledger_commits", fmt.Sprintf("0–%d", c.Size-1), "the books were rewritten: the root of their log was another", c.root, root)
		}
	})
	return f.all(), err
}

// Proven is what a proof shows to have been in the books.
type Proven struct {
	Checkpoint
	ID, Kind, Memo string
	Act            string // "move", "hold", …
	At             time.Time
	Amount         money.Yen
	Entries        []int64
	Commit         int64
}

// proof is a proof as it is written.
type proof struct {
	Entries []provenEntry `json:"entries"`
	Commit  struct {
		N        int64  `json:"n"`
		First    int64  `json:"first"`
		Last     int64  `json:"last"`
		ClosedUs int64  `json:"closed_us"`
		Root     []byte `json:"root"`
	} `json:"commit"`
	Path       [][]byte `json:"path"`
	Checkpoint string   `json:"checkpoint"`
}

type provenEntry struct {
	Seq         int64     `json:"seq"`
	Act         int64     `json:"act"`
	AtUs        int64     `json:"at_us"`
	ID          string    `json:"id"`
	About       int64     `json:"about"`
	Legs        int64     `json:"legs"`
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
	Path        [][]byte  `json:"path"`
}

var errNoProof = errors.New("audit: this is no proof")

// CheckProof says what a proof shows, without any books: the entries of one transfer stood in a commit, the commit in
// the log, and the log was signed. key is as for OpenCheckpoint.
func CheckProof(text []byte, key string) (Proven, error) {
	var p proof
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return Proven{}, fmt.Errorf("%w: %w", errNoProof, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) || len(p.Entries) == 0 || len(p.Commit.Root) != tlog.HashSize {
		return Proven{}, errNoProof
	}
	c, err := OpenCheckpoint(p.Checkpoint, key)
	if err != nil {
		return Proven{}, err
	}
	record := commitRecord{n: p.Commit.N, last: p.Commit.Last, closedUs: p.Commit.ClosedUs}
	root := tlog.Hash(p.Commit.Root)
	if err := stands(p.Path, c.Size, c.root, record.n, record.hash(root)); err != nil {
		return Proven{}, fmt.Errorf("audit: commit %d is not in the log that was signed: %w", record.n, err)
	}
	out := Proven{Checkpoint: c, Commit: record.n, ID: p.Entries[0].ID, Kind: p.Entries[0].Kind, Memo: p.Entries[0].Memo,
		Act: actNames[p.Entries[0].Act], At: clock.FromMicros(p.Entries[0].AtUs)}
	for i, proven := range p.Entries {
		e := proven.entry()
		if i > 0 && (e.act != actLeg || e.about != p.Entries[0].Seq || e.seq != p.Entries[0].Seq+int64(i)) || e.seq < p.Commit.First || e.seq > p.Commit.Last {
			return Proven{}, fmt.Errorf("audit: entry %d is not of the transfer", e.seq)
		}
		if err := stands(proven.Path, p.Commit.Last-p.Commit.First+1, root, e.seq-p.Commit.First, e.hash()); err != nil {
			return Proven{}, fmt.Errorf("audit: entry %d is not in commit %d: %w", e.seq, record.n, err)
		}
		out.Entries, out.Amount = append(out.Entries, e.seq), out.Amount+e.amount
	}
	if int64(len(p.Entries)) != max(1, p.Entries[0].Legs) || out.Act == "" {
		return Proven{}, errNoProof
	}
	return out, nil
}

// actNames are the acts that begin a transfer.
var actNames = map[int64]string{actMove: "move", actHold: "hold", actBury: "tombstone", actRefusal: "refused move", actNoHold: "refused hold"}

func (p provenEntry) entry() entry {
	return entry{p.Seq, p.Act, p.AtUs, p.ID, p.About, p.Legs, p.Kind, p.Debit, p.Credit, p.Amount, p.DebitAfter, p.CreditAfter, p.Gate, p.Limits, p.Memo, p.Detail}
}

// stands says whether a leaf is in a tree, by its path.
func stands(path [][]byte, size int64, root tlog.Hash, n int64, leaf tlog.Hash) error {
	hashes := make(tlog.RecordProof, len(path))
	for i, h := range path {
		if len(h) != tlog.HashSize {
			return errors.New("a path of something else than hashes")
		}
		hashes[i] = tlog.Hash(h)
	}
	if size < 1 || n < 0 || n >= size {
		return fmt.Errorf("number %d of %d", n, size)
	}
	return tlog.CheckRecord(hashes, size, root, n, leaf)
}
