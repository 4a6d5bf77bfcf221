package bank_test

import (
	"testing"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
)

// A posting with a flaw, or without the right to it, stops the whole list before anything is done.
func TestPostTakesNoFlaws(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	in := func(change func(*bank.Posting)) bank.Posting {
		p := bank.Posting{ID: "1", From: bank.VaultName, To: string(acc.ID), Amount: 100, Narration: "ﾆﾕｳｷﾝ"}
		change(&p)
		return p
	}
	all := bank.ChannelSystem{ID: "counter", May: bank.ChannelRights}
	good := in(func(*bank.Posting) {})
	for what, p := range map[string]bank.Posting{
		"nothing":              in(func(p *bank.Posting) { p.Amount = 0 }),
		"less than nothing":    in(func(p *bank.Posting) { p.Amount = -100 }),
		"more than is counted": in(func(p *bank.Posting) { p.Amount = ledger.MaxAmount + 1 }),
		"to itself":            in(func(p *bank.Posting) { p.From = p.To }),
		"kanji":                in(func(p *bank.Posting) { p.Narration = "入金" }),
		"too long":             in(func(p *bank.Posting) { p.Narration = "ﾌﾘｺﾐ ﾌﾘｺﾐ ﾌﾘｺﾐ ﾌﾘｺﾐ ﾌ" }),
		"nothing to print":     in(func(p *bank.Posting) { p.Narration = " " }),
	} {
		if posted, err := w.Post(t.Context(), all, []bank.Posting{good, p}); err == nil || fault.Of(err) != fault.Invalid {
			t.Errorf("%s: %+v %v", what, posted, err)
		}
	}
	payroll := bank.ChannelSystem{ID: "payroll", May: []bank.ChannelRight{bank.MayTransfer}}
	if _, err := w.Post(t.Context(), payroll, []bank.Posting{good}); fault.Of(err) != fault.Forbidden {
		t.Errorf("cash without the right: %v", err)
	}
	if yen, err := w.Balance(t.Context(), acc.ID); err != nil || yen != 1_000_000 {
		t.Errorf("%d on the account, %v", yen, err)
	}
}

// What an account can hold at most is asked in the commit, and what was refused stays refused when there is room again.
func TestPostFillsNoAccountBeyondItsCeiling(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	bound := func(ceiling money.Yen) {
		res, err := w.Core.Submit(t.Context(), ledger.Request{At: w.time, Do: ledger.Bound{Account: bank.Deposit(acc.ID), Ceiling: ceiling}})
		must(t, err)
		if !res.OK() {
			t.Fatalf("%+v", res)
		}
	}
	all := bank.ChannelSystem{ID: "counter", May: bank.ChannelRights}
	pay := func(id string) bank.Posted {
		posted, err := w.Post(t.Context(), all, []bank.Posting{{ID: id, From: bank.VaultName, To: string(acc.ID), Amount: 1, Narration: "ﾆﾕｳｷﾝ"}})
		must(t, err)
		return posted[0]
	}
	bound(1_000_000)
	if p := pay("1"); p.Reason != bank.PostingFull || fault.Of(p.Err) != fault.Refused || p.Repeated {
		t.Errorf("%+v", p)
	}
	bound(money.Max)
	if p := pay("1"); p.Reason != bank.PostingFull || !p.Repeated || !p.At.Equal(w.time) {
		t.Errorf("with room again: %+v", p)
	}
	if p := pay("2"); p.Err != nil || p.Repeated {
		t.Errorf("another id: %+v", p)
	}
}

// No key opens nothing, also where a channel without a key slipped into the register.
func TestChannelWithoutAKey(t *testing.T) {
	w := newTeller(t)
	w.Channels = []bank.ChannelSystem{{ID: "none", KeyHash: ""}, {ID: "empty", KeyHash: bank.ChannelKeyHash("")}, {ID: "counter", KeyHash: bank.ChannelKeyHash("k")}}
	for key, want := range map[string]string{"": "", "k": "counter", "K": "", bank.ChannelKeyHash("k"): ""} {
		if c, ok := w.ChannelWithKey(key); ok != (want != "") || ok && c.ID != want {
			t.Errorf("key %q opens %q", key, c.ID)
		}
	}
}
