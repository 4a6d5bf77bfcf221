package ledger

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Origin names the log of a company's books: "kozamori/bank/0149/books". It is also the name of the key that signs.
func Origin(role, id string) string { return "kozamori/" + role + "/" + id + "/books" }

// Checkpoint says what a log was. Whoever keeps one can tell later whether the books still begin as they did then. Its
// text is that of c2sp.org/tlog-checkpoint.
type Checkpoint struct {
	Origin string
	Size   int64 // records of commits
	Root   Hash
}

// Text is what is signed.
func (c Checkpoint) Text() string { return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root) }

// ParseCheckpoint is Text backwards; lines after the third are taken and not understood.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[len(lines)-1] != "" || lines[0] == "" {
		return Checkpoint{}, errors.New("ledger: not a checkpoint")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return Checkpoint{}, errors.New("ledger: the size of a checkpoint is not a number")
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil || root.String() != lines[2] {
		return Checkpoint{}, errors.New("ledger: the root of a checkpoint is not a hash")
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: root}, nil
}

// Sign makes a checkpoint a signed note. The signer must have the name of its origin.
func (c Checkpoint) Sign(signer note.Signer) (string, error) {
	if signer.Name() != c.Origin {
		return "", fmt.Errorf("ledger: a checkpoint of %s is not signed by %s", c.Origin, signer.Name())
	}
	signed, err := note.Sign(&note.Note{Text: c.Text()}, signer)
	return string(signed), err
}

// OpenCheckpoint reads a signed checkpoint of the origin that the verifier is named after.
func OpenCheckpoint(signed string, by note.Verifier) (Checkpoint, error) {
	n, err := note.Open([]byte(signed), note.VerifierList(by))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("ledger: checkpoint: %w", err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err == nil && c.Origin != by.Name() {
		err = fmt.Errorf("ledger: a checkpoint of %s that %s has signed", c.Origin, by.Name())
	}
	return c, err
}
