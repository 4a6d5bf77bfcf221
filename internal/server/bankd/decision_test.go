package bankd

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wire"
)

// TestReasonsAreSealedUnderTheReference: what the page does not say, staff can read under the number that the
// page shows, and nobody else (L3).
func TestReasonsAreSealedUnderTheReference(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a, b := w.ask("0149", func(who *wire.Identity, _ *wire.AccountLink) { who.BirthDate = "1985-04-02" }), w.browser()
	a.enter(b, a.push().AuthorizationURL)
	b.post(a.base(), "/code", nil)
	r := w.request(a)
	if p := b.get(a.base()); !strings.Contains(p.body, r.Reference) {
		t.Fatal("the page does not show the reference number")
	}
	rows, err := w.banks["0149"].store.Decisions(t.Context(), r.Reference)
	must(t, err)
	var said []string
	for _, row := range rows {
		text, err := row.Open(w.banks["0149"].bank.Sealer)
		must(t, err)
		said = append(said, text)
		if bytes.Contains(row.Sealed, []byte("no match")) {
			t.Error("a decision lies open")
		}
		row.Reference = "AAAA-AAAA"
		if _, err := row.Open(w.banks["0149"].bank.Sealer); err == nil {
			t.Error("a decision opens under another number")
		}
	}
	all := strings.Join(said, "\n")
	for _, want := range []string{`"result":"no match"`, `"birth_date":false`, `"name":"exact"`, `"result":"no account"`} {
		if !strings.Contains(all, want) {
			t.Errorf("the log does not say %s:\n%s", want, all)
		}
	}
}

// Staff read it by command, and it is noted that they did; the chain of evidence is followed by another.
func TestStaffReadDecisionsAndEvidenceByCommand(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a, b := w.ask("0149", func(who *wire.Identity, _ *wire.AccountLink) { who.BirthDate = "1985-04-02" }), w.browser()
	a.enter(b, a.push().AuthorizationURL)
	var out strings.Builder
	must(t, Decision(t.Context(), w.server.cfg, w.request(a).Reference, &out))
	if got := out.String(); !strings.HasPrefix(got, "0149 2026-11-23T12:00:00+09:00 {") || !strings.Contains(got, `"result":"no match"`) {
		t.Errorf("the decision: %s", got)
	}
	audit, err := os.ReadFile(filepath.Join(w.server.cfg.Data.Dir, "audit.jsonl"))
	must(t, err)
	if !strings.Contains(string(audit), `"action":"decision.read","subject":"`+w.request(a).Reference) {
		t.Errorf("nobody noted it: %s", audit)
	}
	if err := Decision(t.Context(), w.server.cfg, "AAAA-AAAA", &out); fault.Of(err) != fault.NotFound {
		t.Errorf("another number: %v", err)
	}
	if err := Decision(t.Context(), w.server.cfg, "", &out); err == nil {
		t.Error("no number")
	}
	out.Reset()
	must(t, Evidence(t.Context(), w.server.cfg, &out))
	rows, err := w.banks["0149"].store.EvidenceChain(t.Context(), 0, 1000)
	must(t, err)
	if got := out.String(); len(rows) == 0 || !strings.Contains(got, rows[len(rows)-1].Hash) || !strings.Contains(got, "0150: 0 rows") {
		t.Errorf("the chain: %s", got)
	}
	money, _ := w.server.cfg.places("0149")
	tables, err := sqldb.OpenAsIs(money)
	must(t, err)
	defer tables.Close()
	must(t, tables.Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(`UPDATE evidence SET jws = jws || 'x' WHERE seq = 1`)
		return err
	}))
	if err := Evidence(t.Context(), w.server.cfg, &out); err == nil || !strings.Contains(err.Error(), "row 1") {
		t.Errorf("an edited row: %v", err)
	}
}

// TestBankOffersWhatItsPolicySays: a way that is not on offer proves nothing, however it is asked for.
func TestBankOffersWhatItsPolicySays(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	w.banks["0149"].bank.Policy.Code = false
	a, b := w.ask("0149", nil), w.browser()
	a.enter(b, a.push().AuthorizationURL)
	if p := b.get(a.base()); strings.Contains(p.body, "/method/code") || !strings.Contains(p.body, "/method/atm") {
		t.Errorf("the page offers a code: %d", p.status)
	}
	if p := b.get(a.base() + "/method/code"); p.status != http.StatusNotFound {
		t.Errorf("its page: %d", p.status)
	}
	b.post(a.base(), "/code", nil)
	p, err := w.banks["0149"].store.ProofByID(t.Context(), w.request(a).Proof)
	must(t, err)
	if p.CodeHash != nil || p.CodesAsked != 0 {
		t.Errorf("a code was made: %+v", p)
	}
	if r := w.request(a); r.State != bank.RequestEntered {
		t.Errorf("the request is %s", r.State)
	}
}
