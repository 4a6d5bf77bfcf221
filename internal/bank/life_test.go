package bank_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// here says whether a read found its row.
func here(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && fault.Of(err) != fault.NotFound {
		t.Fatal(err)
	}
	return err == nil
}

// Each sort of row is there until its life is over, and gone after; see the table in life.go.
func TestWhatHasALifeIsForgottenAfterIt(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	ctx, began := t.Context(), w.time
	r := id.Request(id.Random("req"))
	must(t, w.store.Commit(ctx,
		bank.PutProof{Proof: bank.Proof{ID: "prf_1", Account: acc.ID, CreatedAt: began}},
		bank.CodeSent{Account: acc.ID, Proof: "prf_1", Budget: bank.CodesForPortal, At: began},
		bank.AddNotice{Notice: bank.Notice{ID: "ntc_1", Event: bank.EventDebit, Account: acc.ID, Channel: bank.SMS, At: began}},
		bank.PutRequest{Request: bank.Request{ID: r, Service: maru, State: bank.RequestDead, URIHash: "x", Reference: "x", PushedAt: began, EndedAt: began}},
		bank.PutReceipt{Receipt: bank.Receipt{Request: r, Channel: bank.SMS, At: began}},
		bank.PutDecision{At: began, Reference: "x", Sealed: []byte("sealed")},
		bank.PutToken{Token: bank.Token{Hash: "ended", Client: "hub", Until: began}},
		bank.PutToken{Token: bank.Token{Hash: "good", Client: "hub", Link: "lnk_1", Request: r, Until: began.AddDate(5, 0, 0)}},
		bank.PutATMSession{Session: bank.ATMSession{Hash: "atm", Account: acc.ID, Until: began}},
	))
	first, err := w.store.Use(ctx, "jti", "1", began)
	must(t, err)
	if !first {
		t.Fatal("used before")
	}
	kept := []struct {
		what string
		life time.Duration
		here func() bool
	}{
		{"a token that ended", bank.KeepTokens, func() bool { _, err := w.store.TokenByHash(ctx, "ended"); return here(t, err) }},
		{"a session at an ATM", bank.KeepTokens, func() bool { _, err := w.store.ATMSessionByHash(ctx, "atm"); return here(t, err) }},
		{"a proof", bank.KeepProofs, func() bool { _, err := w.store.ProofByID(ctx, "prf_1"); return here(t, err) }},
		{"a code's count", bank.KeepCodes, func() bool {
			n, err := w.store.CodesSince(ctx, acc.ID, bank.CodesForPortal, time.Time{})
			return here(t, err) && n == 1
		}},
		{"a notice", bank.KeepNotices, func() bool { _, err := w.store.Notice(ctx, "ntc_1"); return here(t, err) }},
		{"a dead request", bank.KeepDead, func() bool { _, err := w.store.Request(ctx, r); return here(t, err) }},
		{"its receipts", bank.KeepDead, func() bool { rows, err := w.store.ReceiptsOf(ctx, r); return here(t, err) && len(rows) == 1 }},
		{"a decision", bank.KeepDecisions, func() bool { rows, err := w.store.Decisions(ctx, "x"); return here(t, err) && len(rows) == 1 }},
	}
	lives := []time.Duration{bank.KeepTokens, bank.KeepProofs, bank.KeepCodes, bank.KeepNotices, bank.KeepDead, bank.KeepDecisions}
	slices.Sort(lives)
	for _, life := range slices.Compact(lives) {
		w.time = began.Add(life)
		must(t, w.Forget(ctx))
		for _, c := range kept {
			if c.life >= life && !c.here() {
				t.Errorf("%s is gone before its time", c.what)
			}
		}
		w.time = w.time.Add(time.Microsecond)
		must(t, w.Forget(ctx))
		for _, c := range kept {
			if c.life <= life && c.here() {
				t.Errorf("%s is still there", c.what)
			}
		}
	}
	if _, err := w.store.TokenByHash(ctx, "good"); err != nil {
		t.Errorf("a link's token that is good: %v", err)
	}
	if first, err := w.store.Use(ctx, "jti", "1", w.time.Add(bank.KeepTokens)); err != nil || !first {
		t.Errorf("a one-time value of long ago: %v", err)
	}
	must(t, w.Forget(ctx))
	if first, err := w.store.Use(ctx, "jti", "1", w.time); err != nil || first {
		t.Errorf("a one-time value that counts was forgotten: %v", err)
	}
}

// However long ago: money, receipts, tombstones, evidence, links, what somebody consented to, and when a contact,
// PIN or passkey changed (L14) stay.
func TestWhatProvesAnythingIsNeverForgotten(t *testing.T) {
	w := newTeller(t)
	s := newStory(w, 1)
	l := w.link(s.acc, sora, func(l *bank.Link, g *ledger.Gate) { l.Valid = l.Valid.AddDate(9, 0, 0); g.Until = l.Valid })
	order, o := w.order(l, 3_000, nil)
	receipt, err := w.Debit(t.Context(), l.ID, order)
	must(t, err)
	other, p := w.order(l, 1_000, nil)
	never, err := w.resolve(other, p)
	must(t, err)
	_, changed := w.change(l, bank.ChangePhone, "chg_1")
	must(t, s.consentTo(maru, bank.ProofPasskey))
	a := s.consented[0]
	must(t, s.redeemOf(a))
	must(t, w.ReceiptArrived(t.Context(), bank.Receipt{Request: a.request, Channel: bank.Email, At: w.time}))
	must(t, s.activateOf(a, "another browser's")) // it dies
	must(t, w.SetPIN(t.Context(), s.acc.ID, "7391"))
	contacts, err := w.store.Contacts(t.Context(), s.acc.ID)
	must(t, err)
	must(t, w.RemoveContact(t.Context(), s.acc.ID, contacts[0].ID))
	before := w.all(s.acc.ID)

	w.time = w.time.AddDate(5, 0, 0)
	must(t, w.Forget(t.Context()))
	if after := w.all(s.acc.ID); after != before {
		t.Errorf("of\n%s\nis left\n%s", before, after)
	}
	if again, err := w.Debit(t.Context(), l.ID, order); err != nil || again != receipt {
		t.Errorf("the debit's receipt: %v", err)
	}
	if again, err := w.Debit(t.Context(), l.ID, other); err != nil || again != never {
		t.Errorf("the tombstone: %v", err)
	}
	if _, again := w.change(l, bank.ChangePhone, "chg_1"); again != changed {
		t.Error("the change has another answer")
	}
	if r, err := w.store.Request(t.Context(), a.request); err != nil || r.State != bank.RequestDead {
		t.Errorf("the request that was consented to: %v", err)
	}
	if receipts, err := w.store.ReceiptsOf(t.Context(), a.request); err != nil || len(receipts) != 1 {
		t.Errorf("its receipts: %v %v", receipts, err)
	}
	if back, err := w.reverse(order, o, "rev_1"); err != nil || w.reversed(sora, back).Outcome != bank.Reversed {
		t.Errorf("the reversal: %v", err)
	}
	s.end(t) // the chain of evidence from its first row
}

// The stop link of a notice, with the service it names, works as long as it says, whatever was forgotten
// meanwhile; so does the digest, and the day's count of codes (L8, L15).
func TestNothingIsForgottenThatARuleCounts(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	r := id.Request(id.Random("req"))
	must(t, w.TellNow(t.Context(), bank.Event{Kind: bank.EventRequest, Account: acc.ID, Request: r, Service: maru, At: w.time},
		bank.PutRequest{Request: bank.Request{ID: r, Service: maru, State: bank.RequestDead, URIHash: "x", Reference: "x", PushedAt: w.time, EndedAt: w.time}}))
	_, rest, _ := strings.Cut(w.deliver().said[0].text, moneyIssuer+"/stop/")
	ntc, token, _ := strings.Cut(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]), "/")
	w.time = w.time.Add(bank.StopLife - time.Second)
	for i := range bank.CodesPerDay {
		must(t, w.store.Commit(t.Context(), bank.CodeSent{Account: acc.ID, Proof: bank.ProofID(fmt.Sprint(i)), Budget: bank.CodesForPortal, At: w.time.Add(-24*time.Hour + time.Second)}))
	}
	for range bank.DigestAfter {
		must(t, w.TellNow(t.Context(), bank.Event{Kind: bank.EventRequest, Account: acc.ID, Request: id.Request(id.Random("req")), Service: maru, At: w.time.Add(-24*time.Hour + time.Second)}))
	}
	w.deliver()
	must(t, w.Forget(t.Context()))
	n, err := w.StopNotice(t.Context(), ntc, token)
	must(t, err)
	if got, err := w.store.Request(t.Context(), n.Request); err != nil || got.Service != maru {
		t.Errorf("the request of the stop link: %v", err)
	}
	err = w.store.Commit(t.Context(), bank.CodeSent{Account: acc.ID, Proof: "one more", Budget: bank.CodesForPortal, At: w.time})
	if fault.RuleOf(err) != "L15" {
		t.Errorf("a sixth code in a day: %v", err)
	}
	must(t, w.TellNow(t.Context(), bank.Event{Kind: bank.EventRequest, Account: acc.ID, Request: id.Request(id.Random("req")), Service: maru, At: w.time}))
	if told := w.deliver().said; len(told) != 0 {
		t.Errorf("a fourth request of the day was told by itself: %d", len(told))
	}
}

// Much that is old goes slice by slice, and all of it.
func TestForgettingGoesSliceBySlice(t *testing.T) {
	w := newTeller(t)
	var rows []ledger.Write
	for i := range 1_234 {
		rows = append(rows, bank.PutProof{Proof: bank.Proof{ID: bank.ProofID(fmt.Sprint("old ", i)), CreatedAt: w.time}})
	}
	rows = append(rows, bank.PutProof{Proof: bank.Proof{ID: "young", CreatedAt: w.time.Add(time.Hour), Browser: wire.Hash("c")}})
	must(t, w.store.Commit(t.Context(), rows...))
	w.time = w.time.Add(bank.KeepProofs + time.Second)
	if n, err := w.store.Forget(t.Context(), w.time, 1_000); err != nil || n != 1_000 {
		t.Errorf("a slice is %d: %v", n, err)
	}
	must(t, w.Forget(t.Context()))
	if n, err := w.store.Forget(t.Context(), w.time, 1_000); err != nil || n != 0 {
		t.Errorf("%d were left: %v", n, err)
	}
	if _, err := w.store.ProofByID(t.Context(), "young"); err != nil {
		t.Errorf("a young one: %v", err)
	}
}
