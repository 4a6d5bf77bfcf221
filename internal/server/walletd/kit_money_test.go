package walletd

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
)

// fakeMoney is what the banks behind the hub do with debits.
type fakeMoney struct {
	mu      sync.Mutex
	devices map[id.Link]wire.Device
	refuse  string // the reason of the next refusals
	silent  bool   // no answer comes
	answers map[id.Debit]string
	lines   []wire.StatementLine
}

func (m *fakeMoney) set(change func(*fakeMoney)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

// routeMoney answers debits, questions, reversals and statements as protocol.md says.
func (h *fakeHub) routeMoney(t *testing.T, mux *http.ServeMux, service wire.KeySet) {
	m := &h.money
	m.devices, m.answers = map[id.Link]wire.Device{}, map[id.Debit]string{}
	route := func(pattern, field string, handle func(b *fakeBank, issuer id.Issuer, text string) (answer string, message wire.Message)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			var in map[string]string
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
				t.Error(err)
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.silent {
				panic(http.ErrAbortHandler)
			}
			issuer := id.Issuer(in["issuer"])
			text, made := handle(h.banks[issuer], issuer, in[field])
			if made != nil {
				*made.Head() = wire.Header{Issuer: string(issuer), Audience: "maru", IssuedAt: h.now().Unix()}
				signed, err := wire.Sign(h.banks[issuer].key, made)
				if err != nil {
					t.Error(err)
				}
				text = signed
			}
			if d, ok := made.(*wire.DebitReceipt); ok {
				m.answers[d.Debit] = text
				if d.Outcome == wire.Booked {
					m.lines = append(m.lines, wire.StatementLine{Kind: "debit", Debit: d.Debit, Link: d.Link, Amount: d.Amount, BookedUs: d.BookedUs, Receipt: wire.Hash(text)})
				}
			}
			name := "receipt"
			if field == "statement" {
				name = "statement"
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]string{name: text})
		})
	}
	want := func(issuer id.Issuer) wire.Expect {
		return wire.Expect{Issuer: "maru", Audience: string(issuer), Now: h.now(), AnyAge: true}
	}
	route("POST /v1/debits", "order", func(b *fakeBank, issuer id.Issuer, text string) (string, wire.Message) {
		o, err := wire.Verify[wire.DebitOrder](text, service, want(issuer))
		if err != nil {
			t.Error(err)
			return "", nil
		}
		if known := m.answers[o.Debit]; known != "" {
			return known, nil
		}
		r := &wire.DebitReceipt{Link: o.Link, Debit: o.Debit, OrderHash: wire.Hash(text), Amount: o.Amount, WalletAccount: o.WalletAccount,
			Outcome: wire.Booked, BookedUs: clock.Micros(h.now())}
		if err := wire.VerifyDevice(m.devices[o.Link], o.Device, wire.DebitChallenge(issuer, o.Link, o.Debit, o.Amount, o.AgreedUs)); err != nil {
			t.Errorf("the bank refuses the device's signature: %v", err)
		}
		if m.refuse != "" {
			r.Outcome, r.Rule, r.Reason = wire.Refused, "D2", m.refuse
		}
		return "", r
	})
	route("POST /v1/debits/{c}/resolution", "resolve", func(b *fakeBank, issuer id.Issuer, text string) (string, wire.Message) {
		q, err := wire.Verify[wire.Resolve](text, service, want(issuer))
		if err != nil {
			t.Error(err)
			return "", nil
		}
		if known := m.answers[q.Debit]; known != "" {
			return known, nil
		}
		return "", &wire.DebitReceipt{Link: q.Link, Debit: q.Debit, OrderHash: q.OrderHash, Amount: q.Amount, WalletAccount: q.WalletAccount,
			Outcome: wire.Never, BookedUs: clock.Micros(h.now())}
	})
	route("POST /v1/reversals", "reversal", func(b *fakeBank, issuer id.Issuer, text string) (string, wire.Message) {
		q, err := wire.Verify[wire.Reversal](text, service, want(issuer))
		if err != nil {
			t.Error(err)
			return "", nil
		}
		return "", &wire.ReversalReceipt{Reversal: q.Reversal, Link: q.Link, Debit: q.Debit, Amount: q.Amount, Outcome: "reversed", BookedUs: clock.Micros(h.now())}
	})
	route("POST /v1/statements", "statement", func(b *fakeBank, issuer id.Issuer, text string) (string, wire.Message) {
		q, err := wire.Verify[wire.Statement](text, service, want(issuer))
		if err != nil {
			t.Error(err)
			return "", nil
		}
		total := wire.StatementTotal{}.Add(m.lines)
		ours := &wire.Statement{Day: q.Day, Provisional: q.Provisional, Lines: append([]wire.StatementLine{}, m.lines...), Open: []id.Debit{}, Total: &total}
		if !q.Provisional && *q.Total == total {
			ours.Settlement, err = wire.Sign(b.key, &wire.Settlement{
				Header: wire.Header{Issuer: string(issuer), Audience: "maru", IssuedAt: h.now().Unix()}, Day: q.Day, Total: total})
			if err != nil {
				t.Error(err)
			}
		}
		return "", ours
	})
}

// linked makes a signed-up person with an open link, as the bank would have reported it.
func (v *visitor) linked(sub id.Subject, change func(*wallet.Link)) wallet.Link {
	v.Helper()
	now := v.clock.Now()
	device, err := v.server.store.Device(v.Context(), sub)
	if err != nil {
		v.Fatal(err)
	}
	l := wallet.Link{
		ID: id.Link(id.Random("lnk")), Request: id.Request(id.Random("req")), Subject: sub, Issuer: bankOne, Bank: "0149",
		BankName: "静岡銀行", BankNameEN: "Shizuoka Bank", Pseudonym: id.Pseudonym(id.Random("psn")), Device: device.Keys.Thumbprint(),
		Seq: 1, Reported: wire.LinkActive, Limits: wire.Limits{PerDebit: 50_000, Per24h: 100_000, Per30Days: 300_000},
		CoolingUntil: now.Add(-time.Hour), LimitedUntil: now.Add(-time.Minute), ValidUntil: now.AddDate(5, 0, 0), CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	if change != nil {
		change(&l)
	}
	if err := v.server.store.Commit(v.Context(), wallet.PutLink{Link: l}); err != nil {
		v.Fatal(err)
	}
	v.hub.money.set(func(m *fakeMoney) { m.devices[l.ID] = device.Keys })
	return l
}

// charges goes the whole way of a charge and returns its page's address.
func (v *visitor) charges(key *wiretest.Passkey, link id.Link, amount string) string {
	v.Helper()
	p := v.post("/charge", "link", string(link), "amount", amount)
	if p.status != http.StatusSeeOther {
		v.Fatalf("charge: %d %s", p.status, plain(p.text))
	}
	v.goes(p.to, p.to+"/agree", "credential", v.assert(key, v.ceremony(p.to)))
	return p.to
}

func (h *house) balance(sub id.Subject) money.Yen {
	h.Helper()
	purse, err := h.server.wallet.PurseOf(h.Context(), sub)
	if err != nil {
		h.Fatal(err)
	}
	return purse.Available
}

// testShops are a shop of lunch and one of gift cards.
var testShops = []ShopConfig{
	{ID: "shop_lunch", Name: "まちの弁当屋", NameEN: "Lunch Corner", KeyHash: wallet.ShopKeyHash("lunch key")},
	{ID: "shop_gift", Name: "ギフト券の店", NameEN: "Gift Cards", CashLike: true, KeyHash: wallet.ShopKeyHash("gift key")},
}
