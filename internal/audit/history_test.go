package audit_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/audit"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wallet"
)

// Somebody at the bank opens a gate in the database and lets a debit through: receipt, ledger and limits are in
// order then, but the signed evidence says that the link was not open.
func TestDebitsAreHeldAgainstTheEvidence(t *testing.T) {
	for _, c := range []struct {
		name   string
		after  time.Duration // the link was made
		do     func(*world, person)
		gate   string // what is changed of the link's gate, or the account's
		amount money.Yen
		rule   string
	}{
		{"cooling off", 2 * time.Hour, nil, `UPDATE ledger_gates SET not_before_us = 0, limited_until_us = 0 WHERE id = 'link/$link'`, 1_000, "L9"},
		{"limited", 13 * time.Hour, nil, `UPDATE ledger_gates SET limited_until_us = 0 WHERE id = 'link/$link'`, 5_001, "L9"},
		{"everything stopped", 40 * time.Hour, func(w *world, p person) { must(w.t, w.bank.StopAll(w.t.Context(), p.account)) },
			`UPDATE ledger_gates SET shut = '' WHERE id = 'account/$acc'`, 1_000, "D2"},
		{"one link stopped", 40 * time.Hour, func(w *world, p person) { must(w.t, w.bank.StopLink(w.t.Context(), p.account, p.link)) },
			`UPDATE ledger_gates SET shut = '' WHERE id = 'link/$link'`, 1_000, "L9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			p := w.person("1111111", 1_000_000)
			w.forward(c.after)
			if c.do != nil {
				c.do(w, p)
				w.forward(6 * time.Second)
			}
			w.agrees(t, true)
			q := strings.NewReplacer("$link", string(p.link), "$acc", string(p.account))
			alter(t, filepath.Join(w.dir, atBank), q.Replace(c.gate), `UPDATE ledger_head SET token = 'another process'`)
			alter(t, filepath.Join(w.dir, atWallet), `UPDATE links SET cooling_us = 1, limited_us = 1`)
			debit := w.charge(p, c.amount, wallet.ChargeDone)
			r, err := audit.Look(t.Context(), w.dir, w.now)
			must(t, err)
			if !slices.ContainsFunc(r.Differences, func(d audit.Difference) bool {
				return d.Rule == c.rule && d.Role == "bank 0149" && (strings.Contains(d.ID, string(debit)) || strings.Contains(d.What, string(debit)))
			}) {
				t.Errorf("not found: %+v", r.Differences)
			}
		})
	}
}

// What the rules allow is no difference: the last microsecond of the cooling-off, the cap to the yen, the whole
// limit once the link is active, and a refusal after a stop.
func TestWhatTheEvidenceAllows(t *testing.T) {
	w := newWorld(t)
	p := w.person("1111111", 1_000_000)
	w.forward(12 * time.Hour)
	w.charge(p, 5_000, wallet.ChargeDone)
	w.agrees(t, true)
	w.forward(24 * time.Hour)
	w.charge(p, 90_000, wallet.ChargeDone)
	w.agrees(t, true)
	must(t, w.bank.StopAll(t.Context(), p.account))
	w.charge(p, 1_000, wallet.ChargeRefused)
	w.agrees(t, true)
}

// agrees looks once and wants the books to agree, or not.
func (w *world) agrees(t *testing.T, want bool) {
	t.Helper()
	r, err := audit.Look(t.Context(), w.dir, w.now)
	must(t, err)
	if r.Agrees != want {
		t.Fatalf("agrees: %t, want %t: %+v", r.Agrees, want, r.Differences)
	}
}
