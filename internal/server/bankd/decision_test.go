package bankd

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/bank"
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
		text, err := w.banks["0149"].bank.OpenDecision(row)
		must(t, err)
		said = append(said, text)
		if bytes.Contains(row.Sealed, []byte("no match")) {
			t.Error("a decision lies open")
		}
		row.Reference = "AAAA-AAAA"
		if _, err := w.banks["0149"].bank.OpenDecision(row); err == nil {
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
	if p.CodeHash != nil || p.CodesAsked != 0 || len(w.banks["0149"].bank.Offers()) != 2 {
		t.Errorf("a code was made: %+v", p)
	}
	if r := w.request(a); r.State != bank.RequestEntered {
		t.Errorf("the request is %s", r.State)
	}
}
