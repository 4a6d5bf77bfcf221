package ledger_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// noteKey makes a key that signs as the books of a bank.
func noteKey(t interface{ Fatal(...any) }, origin string) (note.Signer, note.Verifier) {
	private, public, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	s, errS := note.NewSigner(private)
	v, errV := note.NewVerifier(public)
	if errS != nil || errV != nil {
		t.Fatal(errS, errV)
	}
	return s, v
}

// logged is a log of some commits with all its hashes.
type logged struct {
	commits [][]ledger.Entry
	records []ledger.Logged
	hashes  []ledger.Hash
	tree    ledger.Tree
}

func (l *logged) ReadHashes(indexes []int64) ([]ledger.Hash, error) {
	out := make([]ledger.Hash, len(indexes))
	for i, n := range indexes {
		out[i] = l.hashes[n]
	}
	return out, nil
}

// drawLog makes commits of transfers of one to three legs.
func drawLog(t *rapid.T) *logged {
	l := &logged{}
	seq := int64(0)
	for range rapid.IntRange(1, 20).Draw(t, "commits") {
		var entries []ledger.Entry
		for range rapid.IntRange(1, 9).Draw(t, "transfers") {
			first, legs := seq+1, rapid.IntRange(1, 3).Draw(t, "legs")
			for i := range legs {
				seq++
				e := ledger.Entry{Seq: seq, Act: ledger.ActLeg, Of: first, At: at.Add(time.Duration(seq) * time.Second), Debit: 1, Credit: 2, Amount: money.Yen(seq)}
				if i == 0 {
					e.Act, e.Of, e.Legs, e.ID, e.Memo = ledger.ActMove, 0, legs, fmt.Sprint("t", seq), rapid.String().Draw(t, "memo")
				}
				entries = append(entries, e)
			}
		}
		c := ledger.Changes{Entries: entries, Closed: entries[len(entries)-1].At}
		record, leaf := c.Log(l.tree.Size)
		l.hashes = l.tree.Add(leaf, l.hashes)
		l.commits, l.records = append(l.commits, entries), append(l.records, record)
	}
	return l
}

// Every transfer of a log can be proved to whoever has the key, and to no other words than those of the books.
func TestProofs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLog(t)
		signer, by := noteKey(t, ledger.Origin("bank", "0149"))
		c := ledger.Checkpoint{Origin: signer.Name(), Size: l.tree.Size, Root: l.tree.Root()}
		signed, err := c.Sign(signer)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ledger.OpenCheckpoint(signed, by); err != nil || got != c {
			t.Fatalf("%+v, %v", got, err)
		}
		n := rapid.IntRange(0, len(l.commits)-1).Draw(t, "commit")
		e := rapid.SampledFrom(l.commits[n]).Draw(t, "entry")
		num := e.Seq
		if e.Act == ledger.ActLeg {
			num = e.Of
		}
		path, err := tlog.ProveRecord(c.Size, int64(n), l)
		if err != nil {
			t.Fatal(err)
		}
		p, err := ledger.Prove(l.commits[n], num, l.records[n], path, signed)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ledger.ParseProof(text)
		if err != nil || back.Check(by) != nil {
			t.Fatal(err, back.Check(by))
		}
		_, other := noteKey(t, signer.Name())
		if p.Check(other) == nil {
			t.Error("anybody's key will do")
		}
		forge(t, p, by)
	})
}

// forge changes one thing of a proof that holds.
func forge(t *rapid.T, p ledger.Proof, by note.Verifier) {
	forgeries := map[string]func(){
		"amount":     func() { p.Entries[0].Amount++ },
		"id":         func() { p.Entries[0].ID += "x" },
		"after":      func() { p.Entries[0].DebitAfter++ },
		"detail":     func() { p.Entries[0].Detail = "{}" },
		"limits":     func() { p.Entries[0].Limits = "x" },
		"seq":        func() { p.Entries[0].Seq++ },
		"a leg less": func() { p.Entries = p.Entries[:len(p.Entries)-1] },
		"time":       func() { p.Commit.ClosedUs++ },
		"last":       func() { p.Commit.Last++ },
		"first":      func() { p.Commit.First-- },
		"number":     func() { p.Commit.N++ },
		"root":       func() { p.Commit.Root[0] ^= 1 },
		"size":       func() { p.Checkpoint = strings.Replace(p.Checkpoint, "books\n", "books\n1", 1) },
	}
	names := make([]string, 0, len(forgeries))
	for name := range forgeries {
		names = append(names, name)
	}
	name := rapid.SampledFrom(names).Draw(t, "forgery")
	forgeries[name]()
	if p.Check(by) == nil {
		t.Errorf("another %s is proved: %+v", name, p)
	}
}

func TestCheckpointsThatAreNone(t *testing.T) {
	good := ledger.Checkpoint{Origin: "kozamori/bank/0149/books", Size: 7, Root: ledger.Hash{1}}.Text()
	if c, err := ledger.ParseCheckpoint(good + "an extension\n"); err != nil || c.Size != 7 {
		t.Errorf("%+v, %v", c, err)
	}
	for _, bad := range []string{"", "\n", good[:len(good)-1], strings.Replace(good, "\n7\n", "\n07\n", 1), strings.Replace(good, "\n7\n", "\n-7\n", 1),
		strings.Replace(good, "=", "", 1), good[strings.Index(good, "\n"):]} {
		if c, err := ledger.ParseCheckpoint(bad); err == nil {
			t.Errorf("%q is %+v", bad, c)
		}
	}
	signer, _ := noteKey(t, "kozamori/bank/0005/books")
	if _, err := (ledger.Checkpoint{Origin: "kozamori/bank/0149/books"}).Sign(signer); err == nil {
		t.Error("one bank signs for another")
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add(ledger.Checkpoint{Origin: "o", Size: 1, Root: ledger.Hash{2}}.Text())
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ledger.ParseCheckpoint(text)
		if err == nil && !strings.HasPrefix(text, c.Text()) {
			t.Errorf("%q is read as %q", text, c.Text())
		}
	})
}

func FuzzParseProof(f *testing.F) {
	f.Add([]byte(`{"entries":[{"seq":1,"path":["AAAA"]}],"commit":{"n":0,"first":1,"last":1,"closed_us":0,"root":""},"path":null,"checkpoint":""}`))
	_, by := noteKey(f, "o")
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ledger.ParseProof(text)
		if err == nil && p.Check(by) == nil {
			t.Errorf("%s is proved under a key that has signed nothing", text)
		}
	})
}
