package bank_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/descope/virtualwebauthn"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/wire"
	"github.com/kozamori/kozamori/internal/wire/wiretest"
)

var errCrashed = fault.New(fault.Unavailable, "test", errors.New("the process is gone"))

// life is how many commits a process makes before it dies between two of them.
type life struct{ left atomic.Int64 }

func (l *life) spend() error {
	if l.left.Add(-1) < 0 {
		return errCrashed
	}
	return nil
}

// mortalCore and mortalStore are the real ones, of a process that dies.
type mortalCore struct {
	bank.Core
	*life
}

func (m mortalCore) Submit(ctx context.Context, r ledger.Request) (ledger.Result, error) {
	if err := m.spend(); err != nil {
		return ledger.Result{}, err
	}
	return m.Core.Submit(ctx, r)
}

func (m mortalCore) SubmitAll(ctx context.Context, rs []ledger.Request) ([]ledger.Result, error) {
	if err := m.spend(); err != nil {
		return nil, err
	}
	return m.Core.SubmitAll(ctx, rs)
}

type mortalStore struct {
	bank.Store
	*life
}

func (m mortalStore) Commit(ctx context.Context, rows ...ledger.Write) error {
	if err := m.spend(); err != nil {
		return err
	}
	return m.Store.Commit(ctx, rows...)
}

// dies lets the bank make so many commits more.
func (w *teller) dies(after int64) {
	l := &life{}
	l.left.Store(after)
	w.Core, w.Store = mortalCore{w.Core, l}, mortalStore{w.Store, l}
}

// all is everything a change may leave a trace of, in words.
func (w *teller) all(acc bank.AccountID) string {
	w.t.Helper()
	ctx, out := w.t.Context(), &strings.Builder{}
	gate, err := w.store.Books().Gate(ctx, bank.AccountGate(acc))
	must(w.t, err)
	account, err := w.store.Account(ctx, acc)
	must(w.t, err)
	books, err := w.store.Books().Account(ctx, bank.Deposit(acc))
	must(w.t, err)
	fmt.Fprintln(out, "account", gate.Shut, gate.Version, account.Closed, books.Balance, books.FrozenIn, books.FrozenOut)
	links, err := w.store.LinksOf(ctx, acc)
	must(w.t, err)
	for _, l := range links {
		g, err := w.store.Books().Gate(ctx, bank.LinkGate(l.ID))
		must(w.t, err)
		limit, err := w.store.Books().Limit(ctx, bank.LinkLimit(l.ID))
		must(w.t, err)
		fmt.Fprintln(out, "link", l.ID, l.State, l.Reason, l.Version, l.Seq, g.Shut, g.Version, g.NotBefore, limit.Version)
		if l.Pending != "" {
			r, err := w.store.Request(ctx, l.Pending)
			must(w.t, err)
			fmt.Fprintln(out, "request", r.ID, r.State, r.Version)
		}
	}
	contacts, err := w.store.Contacts(ctx, acc)
	must(w.t, err)
	pin, err := w.store.PINOf(ctx, acc)
	must(w.t, err)
	waiting, err := w.store.Outbox().Waiting(ctx)
	must(w.t, err)
	chain, err := w.store.EvidenceChain(ctx, 0, 100_000)
	must(w.t, err)
	fmt.Fprintln(out, "rest", contacts, pin.ChangedAt, waiting, len(chain))
	return out.String()
}

// Every change is one commit: a process that dies before it leaves nothing of the change, and one that may make
// a single commit makes all of it, notices (L8), evidence (L11) and reports included.
func TestAChangeIsOneCommit(t *testing.T) {
	type scene struct {
		*story
		a, b bank.Link
		held bank.Possession
	}
	for name, c := range map[string]struct{ before, change func(*scene) error }{
		"stop all": {nil, func(s *scene) error { return s.StopAll(t.Context(), s.acc.ID) }},
		"stop one": {nil, func(s *scene) error { return s.StopLink(t.Context(), s.acc.ID, s.a.ID) }},
		"undo all": {
			func(s *scene) error {
				s.held = s.possession(s.acc, bank.ForUndo)
				return s.StopAll(t.Context(), s.acc.ID)
			},
			func(s *scene) error { _, err := s.UndoStop(t.Context(), s.held, hanakoPIN, ""); return err },
		},
		"undo one": {
			func(s *scene) error {
				s.held = s.possession(s.acc, bank.ForUndo)
				return s.StopLink(t.Context(), s.acc.ID, s.a.ID)
			},
			func(s *scene) error { _, err := s.UndoStop(t.Context(), s.held, hanakoPIN, s.a.ID); return err },
		},
		"change": {nil, func(s *scene) error {
			_, err := s.LinkChange(t.Context(), s.signed(maru, &wire.LinkChange{Header: s.head(maru), Change: "chg_1", Link: s.a.ID, Kind: bank.ChangeDevice}))
			return err
		}},
		"PIN": {nil, func(s *scene) error { return s.SetPIN(t.Context(), s.acc.ID, "7391") }},
		"new contact": {nil, func(s *scene) error {
			_, err := s.AddContact(t.Context(), s.acc.ID, bank.SMS, "+819099998888")
			return err
		}},
		"old contact": {nil, func(s *scene) error {
			contacts, err := s.store.Contacts(t.Context(), s.acc.ID)
			must(t, err)
			return s.RemoveContact(t.Context(), s.acc.ID, contacts[0].ID)
		}},
		"consent": {
			func(s *scene) error { return s.free(maru) },
			func(s *scene) error { return s.consentTo(maru, bank.ProofPasskey) },
		},
		"activation": {
			func(s *scene) error {
				must(t, s.free(maru))
				must(t, s.consentTo(maru, bank.ProofPasskey))
				a := s.consented[0]
				must(t, s.ReceiptArrived(t.Context(), bank.Receipt{Request: a.request, Channel: bank.Email, At: s.time}))
				return s.redeemOf(a)
			},
			func(s *scene) error { return s.activateOf(s.consented[0], s.consented[0].rs) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := pgtest.Place(t)
			w := newTellerAt(t, path, nil)
			s := &scene{story: newStory(w, 1)}
			s.a, s.b = w.link(s.acc, maru, nil), w.link(s.acc, sora, nil)
			if c.before != nil {
				must(t, c.before(s))
			}
			before, whole := w.all(s.acc.ID), *w.Bank
			w.dies(0)
			if err := c.change(s); !errors.Is(err, errCrashed) {
				t.Fatalf("in a dying process: %v", err)
			}
			if left := w.all(s.acc.ID); left != before {
				t.Errorf("a crash before the commit left\n%s\nof\n%s", left, before)
			}
			w.Core, w.Store = whole.Core, whole.Store
			w.dies(1)
			if err := c.change(s); err != nil {
				t.Fatalf("with one commit: %v", err)
			}
			if after := w.all(s.acc.ID); after == before {
				t.Error("nothing changed")
			}
			if n, err := w.store.Outbox().Waiting(t.Context()); err != nil || (n == 0 && name != "consent") {
				t.Errorf("nobody is told: %v", err)
			}
		})
	}
}

// A passkey stands with the notices and the evidence of it, or not at all; its challenge is burnt before (L8, L11).
func TestAPasskeyIsToldOfInItsCommit(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	whole := *w.Bank
	enrol := func(commits int64) error {
		proof, _ := w.proved(acc, bank.ForEnrol)
		p, err := w.ProofFor(t.Context(), proof, "cookie")
		must(t, err)
		options, err := w.BeginEnrol(t.Context(), p)
		must(t, err)
		asked, err := virtualwebauthn.ParseAttestationOptions(string(options))
		must(t, err)
		rp := virtualwebauthn.RelyingParty{ID: "0149.bank.localhost", Name: "bank", Origin: moneyIssuer}
		auth := virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte(asked.UserID)})
		answer := virtualwebauthn.CreateAttestationResponse(rp, auth, wiretest.NewPasskey("x", "x", false).Credential, *asked)
		p, err = w.ProofFor(t.Context(), proof, "cookie") // with its challenge
		must(t, err)
		w.dies(commits)
		defer func() { w.Core, w.Store = whole.Core, whole.Store }()
		_, err = w.FinishEnrol(t.Context(), p, []byte(answer))
		return err
	}
	if err := enrol(1); !errors.Is(err, errCrashed) {
		t.Fatalf("in a dying process: %v", err)
	}
	told := func() (keys, waiting int) {
		rows, err := w.store.PasskeysOf(t.Context(), acc.ID)
		must(t, err)
		waiting, err = w.store.Outbox().Waiting(t.Context())
		must(t, err)
		return len(rows), waiting
	}
	if keys, waiting := told(); keys != 0 || waiting != 0 {
		t.Errorf("a crash left %d passkeys and %d messages", keys, waiting)
	}
	must(t, enrol(2))
	if keys, waiting := told(); keys != 1 || waiting != 2 {
		t.Errorf("%d passkeys and %d messages", keys, waiting)
	}
}

// Closing is two commits: whatever a crash leaves, closing again finishes it, and nothing is paid out twice.
func TestClosingAgainFinishesWhatACrashLeft(t *testing.T) {
	for commits := range int64(3) {
		t.Run(fmt.Sprint(commits), func(t *testing.T) {
			path := pgtest.Place(t)
			first := newTellerAt(t, path, nil)
			acc := first.hanako()
			l := first.link(acc, maru, nil)
			first.dies(commits)
			if err := first.CloseAccount(t.Context(), acc.ID); (err == nil) != (commits == 2) {
				t.Fatalf("with %d commits: %v", commits, err)
			}
			first.close()
			w := newTellerAt(t, path, first)
			if commits == 1 { // no debit, no cash in, and what is on the account still there
				if r := w.debit(l, 1_000); r.Reason != "revoked" {
					t.Errorf("a debit: %+v", r)
				}
				if err := w.Cash(t.Context(), acc.ID, 1_000, "in"); err == nil {
					t.Error("cash was taken in")
				}
				if got := w.balance(acc); got != 1_000_000 {
					t.Errorf("balance %v", got)
				}
			}
			must(t, w.CloseAccount(t.Context(), acc.ID))
			must(t, w.CloseAccount(t.Context(), acc.ID))
			vault, err := w.Books.Account(t.Context(), bank.Vault)
			must(t, err)
			if a, err := w.store.Account(t.Context(), acc.ID); err != nil || !a.Closed || w.balance(acc) != 0 || vault.Balance != 0 {
				t.Errorf("closed %t, balance %v, vault %v, %v", a.Closed, w.balance(acc), vault.Balance, err)
			}
			if told := w.deliver().said; len(told) != 2 {
				t.Errorf("told %d times of one link's end", len(told))
			}
		})
	}
}

// What one request of several is refused for leaves nothing of the others, and nobody else's call is touched.
func TestRequestsStandOrFallTogether(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	l := w.link(acc, maru, nil)
	g, err := w.Books.Gate(t.Context(), bank.AccountGate(acc.ID))
	must(t, err)
	shut := g
	shut.Shut = bank.ShutStopped
	var others sync.WaitGroup
	for range 20 {
		others.Go(func() {
			if r := w.debit(l, 1_000); r.Outcome != wire.Booked {
				t.Errorf("somebody else's debit: %+v", r)
			}
		})
	}
	for range 20 {
		_, err := w.Core.SubmitAll(t.Context(), []ledger.Request{
			{At: w.time, Do: ledger.SetGate{Gate: shut, IfVersion: g.Version}},
			{At: w.time, Do: ledger.SetGate{Gate: shut, IfVersion: 77}, Then: func(res ledger.Result) []ledger.Write {
				return []ledger.Write{ledger.Abandon{Why: fault.New(fault.Conflict, "test", errCrashed)}}
			}},
		})
		if fault.Of(err) != fault.Conflict || !errors.Is(err, errCrashed) {
			t.Errorf("given up: %v", err)
		}
	}
	others.Wait()
	if now, err := w.Books.Gate(t.Context(), bank.AccountGate(acc.ID)); err != nil || now != g {
		t.Errorf("the first request's gate: %+v %v", now, err)
	}
}

// The stop, its undoing and what makes links go at the same time, again and again: no link is live under a
// shut gate, none is stopped under an open one, and none is live without having begun to cool after the last
// stop (D2, L9).
func TestStopsRaceActivationsAndUndoings(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for n := range rounds {
		w := newTeller(t)
		s := newStory(w, uint64(n))
		w.link(s.acc, sora, nil)
		must(t, s.consentTo(maru, bank.ProofPasskey))
		ready := s.consented[0]
		must(t, s.ReceiptArrived(t.Context(), bank.Receipt{Request: ready.request, Channel: bank.Email, At: s.time}))
		must(t, s.redeemOf(ready))
		var held []bank.Possession
		for range 4 {
			held = append(held, w.possession(s.acc, bank.ForUndo))
		}
		late := s.prepared(maru, bank.ProofPasskey)
		rng := rand.New(rand.NewPCG(uint64(n), 9))
		var acts []func() error
		for i := range 4 {
			acts = append(acts, func() error { return s.StopAll(t.Context(), s.acc.ID) },
				func() error { _, err := s.UndoStop(t.Context(), held[i], hanakoPIN, ""); return err },
				func() error { return s.activateOf(ready, ready.rs) },
				func() error { return s.agree(late) })
		}
		rng.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
		var all sync.WaitGroup
		for _, act := range acts {
			all.Go(func() {
				if err := act(); !expected(err) && fault.Of(err) != fault.Busy {
					t.Errorf("round %d: %v", n, err)
				}
			})
		}
		all.Wait()
		must(t, s.settled())
		s.end(t)
	}
}

// settled is what holds once nobody is at anything.
func (s *story) settled() error {
	account, err := s.Books.Gate(s.t.Context(), bank.AccountGate(s.acc.ID))
	must(s.t, err)
	links, err := s.Store.LinksOf(s.t.Context(), s.acc.ID)
	must(s.t, err)
	for _, l := range links {
		switch {
		case account.Shut != "" && l.State == bank.LinkLive:
			return fmt.Errorf("%s of %s is live under a shut gate", l.ID, l.Service)
		case account.Shut == "" && l.Reason == bank.AllByDepositor && l.Occupies():
			return fmt.Errorf("%s of %s is stopped under an open gate", l.ID, l.Service)
		}
	}
	return s.holds()
}

// free ends the link that takes the account's place for a service.
func (s *story) free(svc id.Service) error {
	l, err := s.Store.Occupant(s.t.Context(), s.acc.ID, svc)
	if err != nil {
		return err
	}
	_, err = s.LinkChange(s.t.Context(), s.signed(svc, &wire.LinkChange{Header: s.head(svc), Change: id.Random("chg"), Link: l.ID, Kind: bank.ChangeEnded}))
	s.deliver()
	return err
}

// meanwhile is a core at which something else is committed just before a request that fits.
type meanwhile struct {
	bank.Core
	fits func(ledger.Request) bool
	do   func()
}

func (m *meanwhile) SubmitAll(ctx context.Context, rs []ledger.Request) ([]ledger.Result, error) {
	for _, r := range rs {
		if do := m.do; do != nil && m.fits(r) {
			m.do = nil
			do()
		}
	}
	return m.Core.SubmitAll(ctx, rs)
}

// A stop that is committed between the look at the account's gate and the commit of a consent or an activation
// refuses it, even one that has not seen the link (D2).
func TestAStopIsNotOvertaken(t *testing.T) {
	for name, c := range map[string]struct {
		begin func(*story) *agreed
		do    func(*story, *agreed) error
	}{
		"consent": {
			func(s *story) *agreed { return s.prepared(maru, bank.ProofPasskey) },
			func(s *story, a *agreed) error {
				err := s.agree(a)
				if fault.RuleOf(err) != "D2" {
					return fmt.Errorf("consented: %w", err)
				}
				return nil
			},
		},
		"activation": {
			func(s *story) *agreed {
				must(t, s.consentTo(maru, bank.ProofPasskey))
				a := s.consented[0]
				must(t, s.ReceiptArrived(t.Context(), bank.Receipt{Request: a.request, Channel: bank.Email, At: s.time}))
				must(t, s.redeemOf(a))
				return a
			},
			func(s *story, a *agreed) error { return s.activateOf(a, a.rs) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTeller(t)
			s := newStory(w, 1)
			a := c.begin(s)
			core := w.Core
			stopped := false
			w.Core = &meanwhile{core, func(r ledger.Request) bool {
				set, ok := r.Do.(ledger.SetGate)
				return ok && strings.HasPrefix(string(set.Gate.ID), "link/")
			}, func() {
				g, err := w.Books.Gate(t.Context(), bank.AccountGate(s.acc.ID))
				must(t, err)
				g.Shut = bank.ShutStopped
				res, err := core.Submit(t.Context(), ledger.Request{At: w.time, Do: ledger.SetGate{Gate: g, IfVersion: g.Version}})
				must(t, err)
				stopped = res.OK()
			}}
			if err := c.do(s, a); err != nil || !stopped {
				t.Errorf("stopped %t: %v", stopped, err)
			}
			must(t, s.settled())
			if links, err := w.store.LinksOf(t.Context(), s.acc.ID); err != nil || len(links) > 0 && links[0].Occupies() {
				t.Errorf("after the stop: %+v %v", links, err)
			}
		})
	}
}
