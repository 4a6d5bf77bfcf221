package audit_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/kozamori/kozamori/internal/audit"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// booksKey is the key that signs checkpoints of the bank's books.
func (w *world) booksKey(t *testing.T) keyfile.NoteKey {
	t.Helper()
	dir := keyfile.Open(filepath.Join(w.dir, "keys", "bank", "0149"))
	must(t, dir.Create("books", keyfile.Note, true, w.time))
	keys, err := dir.Notes("books", ledger.Origin("bank", "0149"))
	must(t, err)
	return keys[0]
}

// A checkpoint that somebody has kept tells later that the books still begin so, whatever was done since; and that they do
// not, however well the one who rewrote them has made all tables agree again.
func TestBooksAreHeldAgainstACheckpoint(t *testing.T) {
	w := newWorld(t)
	h := w.live()
	key := w.booksKey(t)
	signed, err := w.banks.Books().Checkpoint(t.Context(), key)
	must(t, err)
	c, err := audit.OpenCheckpoint(signed, key.Public)
	must(t, err)
	place, err := c.Place(w.dir)
	must(t, err)
	if place != filepath.Join(w.dir, atBank) {
		t.Errorf("%s lies at %s", c.Origin, place)
	}
	must(t, w.bank.Cash(t.Context(), h.rich.account, 1_000, "atm_later"))
	if found, err := c.Begins(t.Context(), place); err != nil || len(found) > 0 {
		t.Fatalf("%+v, %v", found, err)
	}
	t.Run("rewritten", func(t *testing.T) {
		dir := copied(t, w.dir)
		path := filepath.Join(dir, atBank)
		rewrite(t, path, "atm/atm_1", 5_000)
		r, err := audit.Look(t.Context(), dir, w.now)
		must(t, err)
		if !r.Agrees {
			t.Errorf("the rewritten books are not in order by themselves: %+v", r.Differences)
		}
		found, err := c.Begins(t.Context(), path)
		must(t, err)
		if len(found) != 1 || !strings.Contains(found[0].What, "the books were rewritten") || found[0].Role != c.Origin {
			t.Errorf("%+v", found)
		}
	})
	t.Run("one row changed", func(t *testing.T) {
		path := filepath.Join(copied(t, w.dir), atBank)
		alter(t, path, `UPDATE ledger_entries SET memo = 'other' WHERE id = 'atm/atm_1'`)
		found, err := c.Begins(t.Context(), path)
		must(t, err)
		if len(found) != 2 || found[0].Table != "ledger_entries" {
			t.Errorf("%+v", found)
		}
	})
	t.Run("cut off", func(t *testing.T) {
		path := filepath.Join(copied(t, w.dir), atBank)
		alter(t, path, fmt.Sprintf(`DELETE FROM ledger_commits WHERE n >= %d`, c.Size-1))
		found, err := c.Begins(t.Context(), path)
		must(t, err)
		if len(found) == 0 || !strings.Contains(found[len(found)-1].What, "cut off") {
			t.Errorf("%+v", found)
		}
	})
	if _, err := audit.OpenCheckpoint(strings.Replace(signed, "\n", "\n1", 1), key.Public); err == nil {
		t.Error("a checkpoint that nobody signed is taken")
	}
}

// rewrite gives a cash payment another amount, and makes every table and the log what they would be then.
func rewrite(t *testing.T, path, transfer string, by money.Yen) {
	t.Helper()
	q := func(sql string) string {
		return strings.NewReplacer("$t", transfer, "$by", fmt.Sprint(int64(by))).Replace(sql)
	}
	var changes []string
	for _, side := range []struct{ of, sign string }{{"debit", "-"}, {"credit", "+"}} {
		num := `(SELECT x.` + side.of + ` FROM ledger_entries AS x WHERE x.id = '$t')`
		changes = append(changes, q(`UPDATE ledger_accounts SET balance = balance `+side.sign+` $by WHERE num = `+num))
		for _, column := range []string{"debit", "credit"} {
			changes = append(changes, q(`UPDATE ledger_entries SET `+column+`_after = `+column+`_after `+side.sign+` $by
				WHERE act < 4 AND `+column+` = `+num+` AND seq >= (SELECT x.seq FROM ledger_entries AS x WHERE x.id = '$t')`))
		}
	}
	db := opened(t, path)
	for _, s := range append(changes, q(`UPDATE ledger_entries SET amount = amount + $by WHERE id = '$t'`)) {
		_, err := db.Exec(s)
		must(t, err)
	}
	relog(t, db)
	must(t, db.Close())
}

// relog makes the log anew from the entries.
func relog(t *testing.T, db *sql.DB) {
	t.Helper()
	var lasts []int64
	rows, err := db.Query(`SELECT last FROM ledger_commits ORDER BY n`)
	must(t, err)
	for rows.Next() {
		var last int64
		must(t, rows.Scan(&last))
		lasts = append(lasts, last)
	}
	must(t, rows.Err())
	var tree ledger.Tree
	var closed int64
	next := int64(1)
	for _, last := range lasts {
		c := ledger.Changes{}
		for ; next <= last; next++ {
			var e ledger.Entry
			var at int64
			var limits string
			must(t, db.QueryRow(`SELECT seq, act, at_us, id, about, legs, kind, debit, credit, amount, debit_after, credit_after, gate, limits, memo, detail
				FROM ledger_entries WHERE seq = ?`, next).Scan(&e.Seq, &e.Act, &at, &e.ID, &e.Of, &e.Legs, &e.Kind, &e.Debit, &e.Credit, &e.Amount,
				&e.DebitAfter, &e.CreditAfter, &e.Gate, &limits, &e.Memo, &e.Detail))
			e.Limits, err = ledger.ParseNumbers(limits)
			must(t, err)
			e.At, closed = sqldb.Moment(at), max(closed, at)
			c.Entries = append(c.Entries, e)
		}
		c.Closed = sqldb.Moment(closed)
		record, leaf := c.Log(tree.Size)
		_, err := db.Exec(`UPDATE ledger_commits SET root = ? WHERE n = ?`, record.Root[:], record.N)
		must(t, err)
		first := tlog.StoredHashIndex(0, tree.Size)
		for i, h := range tree.Add(leaf, nil) {
			_, err := db.Exec(`UPDATE ledger_hashes SET hash = ? WHERE n = ?`, h[:], first+int64(i))
			must(t, err)
		}
	}
}

// Who holds a proof and the key needs no books; who changes a word of it has none.
func TestProofOfATransfer(t *testing.T) {
	w := newWorld(t)
	h := w.live()
	key := w.booksKey(t)
	p, err := w.banks.Books().Proof(t.Context(), ledger.TransferID("maru/"+string(h.done)), key)
	must(t, err)
	text, err := json.Marshal(p)
	must(t, err)
	shown, err := audit.CheckProof(text, key.Public)
	must(t, err)
	if shown.ID != "maru/"+string(h.done) || shown.Kind != "debit" || shown.Act != "move" || shown.Amount != 20_000 || shown.Origin != "kozamori/bank/0149/books" {
		t.Errorf("%+v", shown)
	}
	var whole map[string]any
	must(t, json.Unmarshal(text, &whole))
	e := whole["entries"].([]any)[0].(map[string]any)
	commit := whole["commit"].(map[string]any)
	for _, part := range []map[string]any{e, commit} {
		for name, was := range part {
			switch v := was.(type) {
			case string:
				part[name] = "A" + v
			case float64:
				part[name] = v + 1
			default:
				part[name] = []string{strings.Repeat("A", 43) + "="}
			}
			forged, err := json.Marshal(whole)
			must(t, err)
			if _, err := audit.CheckProof(forged, key.Public); err == nil {
				t.Errorf("%s is not part of what is proved", name)
			}
			part[name] = was
		}
	}
	if _, err := audit.CheckProof(append(text, '1'), key.Public); err == nil {
		t.Error("something follows the proof")
	}
}

var newYear = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func FuzzCheckProof(f *testing.F) {
	f.Add([]byte(`{"entries":[{"seq":1,"path":["AAAA"]}],"commit":{"n":0,"first":1,"last":1,"closed_us":0,"root":""},"path":null,"checkpoint":""}`))
	dir := keyfile.Open(f.TempDir())
	must(f, dir.Create("books", keyfile.Note, true, newYear))
	keys, err := dir.Notes("books", "o")
	must(f, err)
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := audit.CheckProof(text, keys[0].Public); err == nil {
			t.Errorf("%+v is proved under a key that has signed nothing", p)
		}
	})
}
