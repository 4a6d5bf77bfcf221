package bank_test

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wire"
)

// story is a bank in which anything may happen to links in any order.
type story struct {
	*teller
	rng       *rand.Rand
	acc       bank.Account
	seal      wire.PublicSealKey
	subjects  []id.Subject
	consented []*agreed
	links     []id.Link
	told      []string
}

// agreed is a request that somebody consented to.
type agreed struct {
	redeemed bool
	service  id.Service
	request  id.Request
	rs, code string
	cookie   string
	verifier string
	link     id.Link
}

func pick[T any](s *story, from []T) T { return from[s.rng.IntN(len(from))] }

// proof puts a proved proof of the account where a browser would have left it.
func (s *story) proof(purpose bank.Purpose, kind bank.ProofKind, r id.Request, svc id.Service) (bank.ProofID, string) {
	s.t.Helper()
	cookie := wire.NewSecret()
	p := bank.Proof{ID: bank.ProofID(id.Random("prf")), Purpose: purpose, Account: s.acc.ID, Browser: wire.Hash(cookie), Reference: cookie,
		Request: r, Service: svc, Kind: kind, ProvedAt: s.time, CreatedAt: s.time}
	must(s.t, s.store.Commit(s.t.Context(), bank.PutProof{Proof: p}))
	return p.ID, cookie
}

func newStory(w *teller, seed uint64) *story {
	return &story{teller: w, rng: rand.New(rand.NewPCG(seed, 0)), acc: w.hanako(), seal: w.Keys.Seal[0].Public(),
		subjects: []id.Subject{id.Subject(id.Random("sub")), id.Subject(id.Random("sub"))}}
}

// consent has somebody agree to a request who proved everything. It may be refused: L7, D2.
func (s *story) consent() error {
	return s.consentTo(pick(s, []id.Service{maru, sora}), pick(s, []bank.ProofKind{bank.ProofCode, bank.ProofPasskey}))
}

func (s *story) consentTo(svc id.Service, kind bank.ProofKind) error {
	a := s.prepared(svc, kind)
	if err := s.agree(a); err != nil {
		return err
	}
	s.consented, s.links = append(s.consented, a), append(s.links, a.link)
	return nil
}

// prepared is a request of somebody who proved everything and looks at the page of consent.
func (s *story) prepared(svc id.Service, kind bank.ProofKind) *agreed {
	s.t.Helper()
	a := &agreed{service: svc, request: id.Request(id.Random("req")), rs: wire.NewSecret(), verifier: wire.NewSecret()}
	subject := pick(s, s.subjects)
	details, err := wire.Details(wire.AccountLink{Type: wire.TypeAccountLink, Service: svc, Subject: subject, Level: 2,
		Limits: wire.Limits{PerDebit: 50_000, Per24h: 100_000, Per30Days: 300_000}, ValidUntil: clock.Day(s.time.AddDate(0, 0, 10)), Device: s.phone.Device()})
	must(s.t, err)
	proof, cookie := s.proof(bank.ForLink, kind, a.request, svc)
	a.cookie = cookie
	must(s.t, s.store.Commit(s.t.Context(), bank.PutRequest{Request: bank.Request{ID: a.request, Service: svc, Subject: subject, State: bank.RequestIdentified,
		Client: "hub", RedirectURI: "http://wallet.localhost/cb", Challenge: wire.PKCEChallenge(a.verifier), JKT: "jkt", Details: details,
		Browser: wire.Hash(a.rs), URIHash: wire.Hash(a.rs), Reference: a.rs, Session: wire.Hash(cookie), Account: s.acc.ID, Proof: proof, Proved: kind,
		PushedAt: s.time, OpenedAt: s.time, Version: 1}}))
	return a
}

// agree presses the button.
func (s *story) agree(a *agreed) error {
	r, err := s.store.Request(s.t.Context(), a.request)
	must(s.t, err)
	to, err := s.Consent(s.t.Context(), &r, a.cookie)
	if err != nil {
		return err
	}
	a.code, a.link = codeOf(s.t, to), r.Link
	return nil
}

// one is mostly the last consent: with older ones little happens any more.
func (s *story) one() *agreed {
	if s.rng.IntN(6) > 0 {
		return s.consented[len(s.consented)-1]
	}
	return pick(s, s.consented)
}

func (s *story) redeem() error {
	a := s.one()
	if a.redeemed && s.rng.IntN(10) > 0 {
		return nil // twice kills it
	}
	return s.redeemOf(a)
}

func (s *story) redeemOf(a *agreed) error {
	a.redeemed = true
	_, _, err := s.Redeem(s.t.Context(), bank.Redeem{Client: "hub", Code: a.code, RedirectURI: "http://wallet.localhost/cb", Verifier: a.verifier,
		JKT: "jkt", TokenHash: wire.Hash(wire.NewSecret())})
	return err
}

func (s *story) activate() error {
	a := s.one()
	rs := a.rs
	if s.rng.IntN(8) == 0 {
		rs = wire.NewSecret()
	}
	return s.activateOf(a, rs)
}

func (s *story) activateOf(a *agreed, rs string) error {
	sealed, err := wire.Seal(s.seal, []byte(rs), wire.CtyBrowser)
	must(s.t, err)
	_, err = s.Activate(s.t.Context(), a.link, s.signed(a.service, &wire.Activation{Header: s.head(a.service), Request: a.request, Browser: sealed}))
	return err
}

func (s *story) receipt() error {
	return s.ReceiptArrived(s.t.Context(), bank.Receipt{Request: s.one().request, Channel: pick(s, []bank.Channel{bank.SMS, bank.Email}), At: s.time})
}

// whole makes a link without anything in between.
func (s *story) whole() error {
	if err := s.consent(); err != nil {
		return err
	}
	a := s.consented[len(s.consented)-1]
	must(s.t, s.ReceiptArrived(s.t.Context(), bank.Receipt{Request: a.request, Channel: bank.Email, At: s.time}))
	must(s.t, s.redeemOf(a))
	return s.activateOf(a, a.rs)
}

func (s *story) abort() error {
	a := s.one()
	_, err := s.Abort(s.t.Context(), s.signed(a.service, &wire.Abort{Header: s.head(a.service), Request: a.request, Reason: "timeout"}))
	return err
}

func (s *story) change() error {
	a := s.one()
	kind := pick(s, []string{"device", "phone", "email", "recovery", "identity", "ended"})
	_, err := s.LinkChange(s.t.Context(), s.signed(a.service, &wire.LinkChange{Header: s.head(a.service), Change: id.Random("chg"), Link: a.link, Kind: kind}))
	return err
}

func (s *story) undo() error {
	proof, cookie := s.proof(bank.ForUndo, bank.ProofPasskey, "", "")
	held, err := s.PossessionOf(s.t.Context(), proof, cookie, bank.ForUndo)
	must(s.t, err)
	link := pick(s, append([]id.Link{"", "", "", ""}, s.links...))
	_, err = s.UndoStop(s.t.Context(), held, hanakoPIN, link)
	return err
}

func (s *story) confirm() error {
	proof, cookie := s.proof(bank.ForConfirm, bank.ProofPasskey, "", "")
	held, err := s.PossessionOf(s.t.Context(), proof, cookie, bank.ForConfirm)
	must(s.t, err)
	return s.ConfirmLink(s.t.Context(), held, pick(s, s.links))
}

// charge tries a debit and holds what came of it against what the link says it is.
func (s *story) charge() error {
	l, err := s.Store.Link(s.t.Context(), pick(s, s.links))
	must(s.t, err)
	state := s.stateOf(l)
	if got := s.debit(l, 1_000); got.Outcome == wire.Booked && state != wire.LinkLimited && state != wire.LinkActive {
		return fmt.Errorf("a %s link was debited", state)
	}
	return nil
}

func (s *story) stateOf(l bank.Link) wire.LinkState {
	gate, err := s.Books.Gate(s.t.Context(), bank.LinkGate(l.ID))
	must(s.t, err)
	account, err := s.Books.Gate(s.t.Context(), bank.AccountGate(s.acc.ID))
	must(s.t, err)
	state, _ := bank.StateAt(l, gate, account, s.time)
	return state
}

// holds is what must be true whatever happened.
func (s *story) holds() error {
	account, err := s.Books.Gate(s.t.Context(), bank.AccountGate(s.acc.ID))
	must(s.t, err)
	links, err := s.Store.LinksOf(s.t.Context(), s.acc.ID)
	must(s.t, err)
	taken := map[id.Service]int{}
	for _, l := range links {
		gate, err := s.Books.Gate(s.t.Context(), bank.LinkGate(l.ID))
		must(s.t, err)
		if l.Occupies() {
			taken[l.Service]++
		}
		open := gate.Shut == "" && account.Shut == ""
		switch {
		case taken[l.Service] > 1:
			return fmt.Errorf("two wallets of %s at one account (L7)", l.Service)
		case open && l.State != bank.LinkLive:
			return fmt.Errorf("a %s link's gate is open", l.State)
		case gate.Shut != "" && l.State == bank.LinkLive:
			return fmt.Errorf("a live link's gate is shut: %s", gate.Shut)
		case l.State == bank.LinkLive && !l.Confirmed && gate.LimitedUntil.Before(s.time.AddDate(50, 0, 0)):
			return fmt.Errorf("a link by typed code is limited only until %v (L13)", gate.LimitedUntil)
		case l.State == bank.LinkLive && gate.LimitedUntil.Sub(gate.NotBefore) < bank.MinLimited:
			return fmt.Errorf("limited from %v until %v (L9)", gate.NotBefore, gate.LimitedUntil)
		case l.State == bank.LinkLive && gate.NotBefore.Before(l.ActivatedAt.Add(bank.MinCooling)):
			return fmt.Errorf("activated at %v, cooling until %v (L9)", l.ActivatedAt, gate.NotBefore)
		}
	}
	return nil
}

// expected says whether an act may be refused like this: rules, and what is over or not there.
func expected(err error) bool {
	switch fault.Of(err) {
	case fault.Refused, fault.Gone, fault.Conflict, fault.NotFound, fault.Invalid:
		return true
	}
	return err == nil
}

// TestAnythingMayHappenToLinks runs random stories: consents, activations, receipts, stops, changes, debits and
// time, in any order, and holds rows, gates and debits against each other after each.
func TestAnythingMayHappenToLinks(t *testing.T) {
	stories := 12
	if testing.Short() {
		stories = 3
	}
	seed := uint64(time.Now().UnixNano())
	live := 0
	for n := range stories {
		w := newTeller(t)
		s := newStory(w, seed+uint64(n))
		acts := []struct {
			name   string
			weight int
			do     func() error
		}{
			{"consent", 4, s.consent}, {"whole", 4, s.whole}, {"redeem", 6, s.redeem}, {"activate", 8, s.activate}, {"receipt", 5, s.receipt}, {"abort", 1, s.abort},
			{"change", 2, s.change}, {"stop one", 1, func() error { return s.StopLink(t.Context(), s.acc.ID, pick(s, s.links)) }},
			{"stop all", 1, func() error { return s.StopAll(t.Context(), s.acc.ID) }}, {"undo", 4, s.undo}, {"confirm", 2, s.confirm},
			{"charge", 5, s.charge}, {"minutes", 2, func() error { s.time = s.time.Add(time.Duration(s.rng.IntN(15)) * time.Minute); return nil }},
			{"hours", 3, func() error { s.time = s.time.Add(time.Duration(s.rng.IntN(30)) * time.Hour); return nil }},
			{"sweep", 2, func() error { _, err := s.Sweep(t.Context()); return err }},
		}
		var bag []int
		for i, a := range acts {
			for range a.weight {
				bag = append(bag, i)
			}
		}
		for range 120 {
			act := acts[pick(s, bag)]
			if len(s.links) == 0 {
				act = acts[0]
			}
			s.told = append(s.told, act.name)
			if err := act.do(); !expected(err) {
				t.Fatalf("seed %d story %d: %s: %v\n%v", seed, n, act.name, err, s.told)
			}
			if err := s.holds(); err != nil {
				t.Fatalf("seed %d story %d: %v\n%v", seed, n, err, s.told)
			}
		}
		live += s.end(t)
	}
	if live == 0 {
		t.Errorf("seed %d: no link ever came to life in %d stories", seed, stories)
	}
}

// end checks the chain of evidence and counts the links that were live at some time.
func (s *story) end(t *testing.T) (live int) {
	t.Helper()
	rows, err := s.store.EvidenceChain(t.Context(), 0, 100_000)
	must(t, err)
	must(t, bank.CheckChain(bank.EvidenceRow{}, rows, s.own, moneyIssuer, s.time))
	links, err := s.Store.LinksOf(t.Context(), s.acc.ID)
	must(t, err)
	for _, l := range links {
		if !l.ActivatedAt.IsZero() {
			live++
		}
	}
	return live
}

// codeOf is the authorization code in the address of a service's page.
func codeOf(t testing.TB, to string) string {
	t.Helper()
	u, err := url.Parse(to)
	must(t, err)
	return u.Query().Get("code")
}
