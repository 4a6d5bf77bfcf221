package bank_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wire"
)

// Two changes of one link that want the very same of its gate come at the same moment: the second does not take the
// first's work as its own, but is decided again, with its own answer, evidence and notices.
func TestSameGateChangeOfSomebodyElseIsNotOurs(t *testing.T) {
	type race struct {
		*teller
		acc  bank.Account
		link bank.Link
	}
	change := func(kind, chg string) func(*race) error {
		return func(r *race) error {
			_, err := r.LinkChange(t.Context(), r.signed(maru, &wire.LinkChange{Header: r.head(maru), Change: chg, Link: r.link.ID, Kind: kind}))
			if err != nil {
				return err
			}
			_, err = r.store.Change(t.Context(), maru, chg)
			return err
		}
	}
	stop := func(r *race) error { return r.StopLink(t.Context(), r.acc.ID, r.link.ID) }
	for name, c := range map[string]struct {
		first, second func(*race) error
		waiting       bool // the link was never activated
		state         bank.RowState
		reason        string
		evidence      map[string]int
	}{
		"identity after device": {first: change(bank.ChangeDevice, "chg_a"), second: change(bank.ChangeIdentity, "chg_b"),
			state: bank.LinkSuspended, reason: bank.IdentityChange, evidence: map[string]int{"suspended": 2}},
		"device after identity": {first: change(bank.ChangeIdentity, "chg_a"), second: change(bank.ChangeDevice, "chg_b"),
			state: bank.LinkSuspended, reason: bank.DeviceChanged, evidence: map[string]int{"suspended": 2}},
		"end after a stop": {first: stop, second: change(bank.ChangeEnded, "chg_b"), waiting: true,
			state: bank.LinkRevoked, reason: bank.ByDepositor, evidence: map[string]int{"revoked": 1}},
		"stop after an end": {first: change(bank.ChangeEnded, "chg_a"), second: stop, waiting: true,
			state: bank.LinkRevoked, reason: bank.EndedByService, evidence: map[string]int{"revoked": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTeller(t)
			r := &race{teller: w}
			if c.waiting {
				s := newStory(w, 1)
				must(t, s.consentTo(maru, bank.ProofPasskey))
				l, err := w.store.Occupant(t.Context(), s.acc.ID, maru)
				must(t, err)
				r.acc, r.link = s.acc, l
			} else {
				r.acc = w.hanako()
				r.link = w.link(r.acc, maru, nil)
			}
			before, err := w.store.EvidenceChain(t.Context(), 0, 1_000)
			must(t, err)
			real := w.Core
			w.Core = &meanwhile{real, func(r ledger.Request) bool { _, ok := r.Do.(ledger.SetGate); return ok }, func() { must(t, c.first(r)) }}
			must(t, c.second(r))
			w.Core = real
			now, err := w.store.Link(t.Context(), r.link.ID)
			if must(t, err); now.State != c.state || now.Reason != c.reason {
				t.Errorf("%s, %s", now.State, now.Reason)
			}
			chain, err := w.store.EvidenceChain(t.Context(), 0, 1_000)
			must(t, err)
			kinds := map[string]int{}
			for _, e := range chain[len(before):] {
				kinds[kindOf(t, e)]++
			}
			for kind, n := range c.evidence {
				if kinds[kind] != n {
					t.Errorf("evidence %v, want %d of %s", kinds, n, kind)
				}
			}
			if told := w.deliver().said; len(told) == 0 {
				t.Error("nobody was told")
			}
		})
	}
}

// kindOf is the kind of a row of evidence.
func kindOf(t *testing.T, row bank.EvidenceRow) string {
	t.Helper()
	body, err := base64.RawURLEncoding.DecodeString(strings.Split(row.JWS, ".")[1])
	must(t, err)
	var m struct{ Kind string }
	must(t, json.Unmarshal(body, &m))
	return m.Kind
}
