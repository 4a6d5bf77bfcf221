package bankd

import (
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// TestRefusal17_NewDebitsOfAClosedLinkOnly: the token of a link that is cooling, stopped or revoked buys no new
// debit, and goes on to repeat what is known; resolution and reversal are answered in every state.
func TestRefusal17_NewDebitsOfAClosedLinkOnly(t *testing.T) {
	w := newWorld(t)
	acc := w.hanako("0149", nil)
	a := w.ask("0149", nil)
	g, link := a.linked()
	debit := func(order string) *wire.DebitReceipt {
		out, err := w.call("0149", "/v1/debits", &g.LinkToken, "order", order)
		must(t, err)
		return w.debitReceipt("0149", out["receipt"])
	}
	refused := func(reason string) {
		t.Helper()
		order, _ := w.order("0149", link, 1_000)
		if r := debit(order); r.Outcome != wire.Refused || r.Reason != reason {
			t.Errorf("new debit: %s %q, want refused %q", r.Outcome, r.Reason, reason)
		}
	}
	refused("cooling")
	w.forward(12 * time.Hour)
	order, o := w.order("0149", link, 3_000)
	booked := debit(order)
	if booked.Outcome != wire.Booked {
		t.Fatalf("booked: %+v", booked)
	}
	known := func(state string) {
		t.Helper()
		if r := debit(order); *r != *booked {
			t.Errorf("%s: a known debit is answered %+v", state, r)
		}
		out, err := w.call("0149", "/v1/debits/"+string(o.Debit)+"/resolution", nil, "resolve", w.sign(&wire.Resolve{Header: w.head("0149"), Link: o.Link,
			Debit: o.Debit, OrderHash: wire.Hash(order), Amount: o.Amount, WalletAccount: o.WalletAccount}))
		must(t, err)
		if r := w.debitReceipt("0149", out["receipt"]); *r != *booked {
			t.Errorf("%s: resolution of a known debit: %+v", state, r)
		}
	}
	must(t, w.banks["0149"].bank.StopLink(t.Context(), acc.ID, link.Link))
	refused("stopped")
	known("stopped")
	_, err := w.call("0149", "/v1/link-changes", nil, "change",
		w.sign(&wire.LinkChange{Header: w.head("0149"), Change: id.Random("chg"), Link: link.Link, Kind: "ended"}))
	must(t, err)
	refused("revoked")
	known("revoked")
	before := w.balance(acc)
	_, err = w.call("0149", "/v1/reversals", nil, "reversal", w.sign(&wire.Reversal{Header: w.head("0149"), Reversal: id.Random("rev"), Link: link.Link,
		Debit: o.Debit, OrderHash: wire.Hash(order), Amount: o.Amount}))
	must(t, err)
	if after := w.balance(acc); after != before+3_000 {
		t.Errorf("a reversal over a revoked link: %v, before %v", after, before)
	}
}

func (w *world) balance(acc bank.Account) money.Yen {
	w.t.Helper()
	y, err := w.banks["0149"].bank.Balance(w.t.Context(), acc.ID)
	must(w.t, err)
	return y
}
