package hub_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/hub"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/outbox"
	hubstore "github.com/kozamori/kozamori/internal/store/hub"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

const (
	maru  = id.Service("maru")
	sora  = id.Service("sora")
	bankA = id.Issuer("https://0149.bank.example")
	bankB = id.Issuer("https://0150.bank.example")
)

var start = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

// bank is a scripted Bridge: it counts calls and answers as told.
type bank struct {
	pushes, exchanges, activations, debits, forwards atomic.Int64

	mu         sync.Mutex
	lose       map[string]int // calls by name whose answer is lost, so many times
	refuse     map[string]error
	spent      map[string]bool // codes exchanged
	reportFor  func(r id.Request) hub.Report
	beforePush func()
}

func newBank() *bank {
	return &bank{lose: map[string]int{}, refuse: map[string]error{}, spent: map[string]bool{}}
}

var errLost = fault.New(fault.Unavailable, "test", errors.New("the answer is lost"))

func (b *bank) end(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lose[name] > 0 {
		b.lose[name]--
		return errLost
	}
	return b.refuse[name]
}

func (b *bank) NewKey() ([]byte, error) { return []byte("a-private-dpop-key"), nil }
func (b *bank) NewVerifier() string     { return "a-secret-verifier" }

func (b *bank) Push(_ context.Context, issuer id.Issuer, in hub.Pushed) (string, time.Duration, error) {
	b.pushes.Add(1)
	if b.beforePush != nil {
		b.beforePush()
	}
	return string(issuer) + "/authorize", 5 * time.Minute, b.end("push")
}

func (b *bank) Exchange(_ context.Context, _ id.Issuer, in hub.Exchanged) (hub.LinkToken, error) {
	b.exchanges.Add(1)
	b.mu.Lock()
	spent := b.spent[in.Code]
	b.spent[in.Code] = true
	b.mu.Unlock()
	if spent || in.Verifier != "a-secret-verifier" {
		return hub.LinkToken{}, fault.New(fault.Gone, "test", errors.New("invalid_grant"))
	}
	return hub.LinkToken{Token: "token-of-" + in.Code, Key: in.Key}, b.end("exchange")
}

func (b *bank) Activate(_ context.Context, _ id.Issuer, token hub.LinkToken, activation string) (hub.Report, error) {
	b.activations.Add(1)
	if token.Token != "token-of-code" {
		return hub.Report{}, fault.New(fault.Unauthorised, "test", nil)
	}
	r := b.reportFor(id.Request(activation))
	return r, b.end("activate")
}

func (b *bank) Debit(_ context.Context, _ id.Issuer, token hub.LinkToken, order string) (hub.Receipt, error) {
	b.debits.Add(1)
	if token.Token == "" {
		return hub.Receipt{}, fault.New(fault.Unauthorised, "test", nil)
	}
	return hub.Receipt{Raw: "receipt of " + order, Outcome: "booked"}, b.end("debit")
}

func (b *bank) Forward(_ context.Context, _ id.Issuer, path, _, message, _ string) (string, error) {
	b.forwards.Add(1)
	return path + " " + message, b.end("forward")
}

func (b *bank) ReadReport(raw string) (hub.Report, error) {
	var r hub.Report
	_, err := fmt.Sscanf(raw, "%s %s %s %s %d", &r.Issuer, &r.Service, &r.Request, &r.Link, &r.Seq)
	r.Raw, r.State = raw, "cooling"
	return r, err
}

func (b *bank) ReadReceipt(raw string) (hub.Receipt, error) {
	return hub.Receipt{Raw: raw, Outcome: "never"}, nil
}

// world is a hub over a real database.
type world struct {
	*hub.Hub
	bank  *bank
	store *hubstore.Store
	now   *clock.Movable
	path  string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	path := pgtest.Place(t)
	db, err := sqldb.Open(path, hubstore.Source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	sealer, err := outbox.NewSealer(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{bank: newBank(), store: hubstore.New(db), now: &clock.Movable{}, path: path}
	w.bank.reportFor = func(r id.Request) hub.Report {
		return hub.Report{Raw: "report of " + string(r), Issuer: bankA, Service: maru, Request: r, Link: "lnk_" + id.Link(r), Pseudonym: "psn_1", State: "cooling", Seq: 1}
	}
	w.Hub = hub.New(hub.Deps{
		Services: []hub.Service{{ID: maru, NameJA: "まる", NameEN: "Maru"}, {ID: sora, NameJA: "そら", NameEN: "Sora"}},
		Banks:    []hub.Bank{{Code: "0149", Issuer: bankA, NameJA: "静岡銀行", NameEN: "Shizuoka"}, {Code: "0150", Issuer: bankB, NameJA: "スルガ銀行", NameEN: "Suruga"}},
		Store:    w.store, Bridge: w.bank, Sealer: sealer, Now: w.now.Now,
	})
	return w
}

func ask(r id.Request) hub.NewLink {
	return hub.NewLink{Request: r, Issuer: bankA, State: "state", RedirectURI: "https://wallet.example/back", Details: "[]", LinkRequest: "jws", Identity: "jwe"}
}

// linked makes a link over the hub.
func (w *world) linked(t testing.TB, r id.Request) id.Link {
	t.Helper()
	ctx := context.Background()
	if _, _, err := w.RequestLink(ctx, maru, ask(r), "digest"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Redeem(ctx, maru, r, "code", "hash", string(bankA), string(r)); err != nil {
		t.Fatal(err)
	}
	delete(w.bank.spent, "code")
	return "lnk_" + id.Link(r)
}

func wants(t *testing.T, err error, kind fault.Kind, rule string) {
	t.Helper()
	if fault.Of(err) != kind || fault.RuleOf(err) != rule || err == nil {
		t.Fatalf("want %v %s, got %v", kind, rule, err)
	}
}

func TestARequestIsPushedOnceAndAnswersAlike(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	first, _, err := w.RequestLink(ctx, maru, ask("req_1"), "digest")
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := w.RequestLink(ctx, maru, ask("req_1"), "digest")
	if err != nil || again != first || w.bank.pushes.Load() != 1 {
		t.Errorf("repeat: %q, %v, %d pushes", again, err, w.bank.pushes.Load())
	}
	_, _, err = w.RequestLink(ctx, maru, ask("req_1"), "another digest")
	wants(t, err, fault.Conflict, "")
	_, _, err = w.RequestLink(ctx, sora, ask("req_1"), "digest")
	wants(t, err, fault.Conflict, "")
	w.now.Forward(6 * time.Minute)
	_, _, err = w.RequestLink(ctx, maru, ask("req_1"), "digest")
	wants(t, err, fault.Gone, "")
}

func TestALostPushEndsTheRequest(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.bank.lose["push"] = 1
	_, _, err := w.RequestLink(ctx, maru, ask("req_1"), "digest")
	wants(t, err, fault.Unavailable, "")
	_, _, err = w.RequestLink(ctx, maru, ask("req_1"), "digest")
	wants(t, err, fault.Gone, "") // the bank takes a request once
	if _, _, err := w.RequestLink(ctx, maru, ask("req_2"), "digest"); err != nil {
		t.Error(err)
	}
}

// TestRedeemGoesOn: after a lost answer of the activation the same call continues; the code is exchanged once.
func TestRedeemGoesOn(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	if _, _, err := w.RequestLink(ctx, maru, ask("req_1"), "digest"); err != nil {
		t.Fatal(err)
	}
	w.bank.lose["activate"] = 2
	for range 2 {
		_, err := w.Redeem(ctx, maru, "req_1", "code", "hash", string(bankA), "req_1")
		wants(t, err, fault.Unavailable, "")
	}
	report, err := w.Redeem(ctx, maru, "req_1", "code", "hash", string(bankA), "req_1")
	if err != nil || report != "report of req_1" {
		t.Fatalf("%q, %v", report, err)
	}
	if n := w.bank.exchanges.Load(); n != 1 {
		t.Errorf("%d exchanges", n)
	}
	if again, err := w.Redeem(ctx, maru, "req_1", "code", "hash", string(bankA), "req_1"); err != nil || again != report {
		t.Errorf("after the end: %q, %v", again, err)
	}
	_, err = w.Redeem(ctx, maru, "req_1", "other", "other hash", string(bankA), "req_1")
	wants(t, err, fault.Conflict, "")
}

// TestRedeemedAgainAtOnce: the answer to a redemption that went well is lost on the way to the service, which asks
// again. A code used twice would cost the person her link.
func TestRedeemedAgainAtOnce(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	if _, _, err := w.RequestLink(ctx, maru, ask("req_1"), "digest"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if report, err := w.Redeem(ctx, maru, "req_1", "code", "hash", string(bankA), "req_1"); err != nil || report != "report of req_1" {
			t.Fatalf("%q, %v", report, err)
		}
	}
	if n := w.bank.exchanges.Load(); n != 1 {
		t.Errorf("%d exchanges", n)
	}
}

// TestRedeemedTwiceAtTheSameMoment: a service that asks again while its first call still runs is told to wait.
func TestRedeemedTwiceAtTheSameMoment(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	if _, _, err := w.RequestLink(ctx, maru, ask("req_1"), "digest"); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var done atomic.Int64
	for range 20 {
		all.Go(func() {
			_, err := w.Redeem(ctx, maru, "req_1", "code", "hash", string(bankA), "req_1")
			if err == nil {
				done.Add(1)
			} else if fault.Of(err) != fault.Busy {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := w.bank.exchanges.Load(); n != 1 || done.Load() == 0 {
		t.Errorf("%d exchanges, %d answers", n, done.Load())
	}
}

func TestALostTokenAnswerEndsTheRequest(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	if _, _, err := w.RequestLink(ctx, maru, ask("req_1"), "digest"); err != nil {
		t.Fatal(err)
	}
	w.bank.lose["exchange"] = 1
	_, err := w.Redeem(ctx, maru, "req_1", "code", "hash", string(bankA), "req_1")
	wants(t, err, fault.Unavailable, "")
	_, err = w.Redeem(ctx, maru, "req_1", "code", "hash", string(bankA), "req_1")
	wants(t, err, fault.Gone, "")
	if w.bank.activations.Load() != 0 {
		t.Error("an activation went out without a token")
	}
}

// TestRefusal18And20AtTheHub: a code of another bank, a request of another service, a report that names another
// bank, service or request.
func TestRefusal18And20AtTheHub(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	if _, _, err := w.RequestLink(ctx, maru, ask("req_1"), "digest"); err != nil {
		t.Fatal(err)
	}
	for _, iss := range []string{"", string(bankB), string(bankA) + "/"} {
		_, err := w.Redeem(ctx, maru, "req_1", "code", "hash", iss, "req_1")
		wants(t, err, fault.Invalid, "")
	}
	_, err := w.Redeem(ctx, sora, "req_1", "code", "hash", string(bankA), "req_1")
	wants(t, err, fault.NotFound, "")
	if w.bank.exchanges.Load() != 0 {
		t.Error("a code reached a bank")
	}
	honest := w.bank.reportFor
	for name, lie := range map[string]func(*hub.Report){
		"bank":    func(r *hub.Report) { r.Issuer = bankB },
		"service": func(r *hub.Report) { r.Service = sora },
		"request": func(r *hub.Report) { r.Request = "req_9" },
	} {
		w.bank.reportFor = func(r id.Request) hub.Report { x := honest(r); lie(&x); return x }
		if _, err := w.Redeem(ctx, maru, "req_1", "code", "hash", string(bankA), "req_1"); err == nil {
			t.Errorf("a report of another %s was taken", name)
		}
	}
}

// TestSuspensionHoldsForAllThatCommitsAfterIt races a suspension with a hundred requests: the bank sees requests
// recorded before it, and none is answered that was recorded after it.
func TestSuspensionHoldsForAllThatCommitsAfterIt(t *testing.T) {
	for name, entry := range map[string]hub.Suspension{
		"bank":    {Service: hub.Every, Issuer: bankA},
		"service": {Service: maru, Issuer: hub.Every},
		"pair":    {Service: maru, Issuer: bankA},
		"all":     {Service: hub.Every, Issuer: hub.Every},
	} {
		t.Run(name, func(t *testing.T) {
			w, ctx := newWorld(t), t.Context()
			entry.State, entry.By, entry.Why = hub.NoNewLinks, "hanako", "spray"
			var suspended atomic.Bool
			var after, refused atomic.Int64
			var all sync.WaitGroup
			for i := range 100 {
				all.Go(func() {
					late := suspended.Load()
					_, _, err := w.RequestLink(ctx, maru, ask(id.Request(fmt.Sprint("req_", i))), "digest")
					if err != nil && fault.Of(err) != fault.Busy {
						refused.Add(1)
					}
					if late && err == nil {
						after.Add(1)
					}
				})
				if i == 50 {
					all.Go(func() {
						if err := w.Suspend(ctx, entry); err != nil {
							t.Error(err)
						}
						suspended.Store(true)
					})
				}
			}
			all.Wait()
			if n := after.Load(); n > 0 {
				t.Errorf("%d requests passed after the suspension", n)
			}
			_, _, err := w.RequestLink(ctx, maru, ask("req_late"), "digest")
			wants(t, err, fault.Refused, "R10")
			if name == "service" || name == "pair" {
				if _, _, err := w.RequestLink(ctx, sora, ask("req_sora"), "digest"); err != nil {
					t.Errorf("another service: %v", err)
				}
			}
		})
	}
}

// TestSuspendedBetweenPushAndCommit: the bank answers while staff suspend; the browser is not sent on.
func TestSuspendedBetweenPushAndCommit(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.bank.beforePush = func() {
		if err := w.Suspend(ctx, hub.Suspension{Service: maru, Issuer: bankA, State: hub.NoNewLinks, By: "h", Why: "w"}); err != nil {
			t.Error(err)
		}
	}
	_, _, err := w.RequestLink(ctx, maru, ask("req_1"), "digest")
	wants(t, err, fault.Refused, "R10")
}

func TestSuspendedActivationIsRefused(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	if _, _, err := w.RequestLink(ctx, maru, ask("req_1"), "digest"); err != nil {
		t.Fatal(err)
	}
	if err := w.Suspend(ctx, hub.Suspension{Service: hub.Every, Issuer: bankA, State: hub.NoNewLinks, By: "h", Why: "w"}); err != nil {
		t.Fatal(err)
	}
	_, err := w.Redeem(ctx, maru, "req_1", "code", "hash", string(bankA), "req_1")
	wants(t, err, fault.Refused, "R10")
	if w.bank.exchanges.Load()+w.bank.activations.Load() != 0 {
		t.Error("the bank was asked")
	}
}

func TestDebitsAreRoutedAndRepeated(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	link := w.linked(t, "req_1")
	order := hub.Order{Issuer: bankA, Link: link, Debit: "deb_1", Raw: "order", Hash: "h1"}
	w.bank.lose["debit"] = 1
	_, err := w.Debit(ctx, maru, order)
	wants(t, err, fault.Unavailable, "")
	got, err := w.Debit(ctx, maru, order)
	if err != nil || got != "receipt of order" {
		t.Fatalf("%q, %v", got, err)
	}
	other := order
	other.Hash = "h2"
	_, err = w.Debit(ctx, maru, other)
	wants(t, err, fault.Conflict, "")
	_, err = w.Debit(ctx, sora, order)
	wants(t, err, fault.NotFound, "")
	elsewhere := order
	elsewhere.Issuer = bankB
	_, err = w.Debit(ctx, maru, elsewhere)
	wants(t, err, fault.NotFound, "")

	if err := w.Suspend(ctx, hub.Suspension{Service: maru, Issuer: bankA, State: hub.Stopped, By: "h", Why: "w"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Debit(ctx, maru, order); err != nil {
		t.Errorf("a repeat of a known debit must be routed for a stopped pair: %v", err)
	}
	fresh := order
	fresh.Debit, fresh.Hash = "deb_2", "h3"
	_, err = w.Debit(ctx, maru, fresh)
	wants(t, err, fault.Refused, "R10")
	if _, err := w.Resolve(ctx, maru, bankA, link, "deb_2", "resolve"); err != nil {
		t.Errorf("a resolution must be routed for a stopped pair: %v", err)
	}
	if _, err := w.Reverse(ctx, maru, bankA, link, "reversal"); err != nil {
		t.Errorf("a reversal must be routed for a stopped pair: %v", err)
	}
	_, err = w.Resolve(ctx, sora, bankA, link, "deb_1", "resolve")
	wants(t, err, fault.NotFound, "")
}

func TestReportsReachTheServiceOnceAndInOrder(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	report := func(link string, seq int) string { return fmt.Sprintf("%s %s req_1 %s %d", bankA, maru, link, seq) }
	if events, err := w.Events(ctx, maru, 0, 0); err != nil || len(events) != 0 {
		t.Fatalf("%v, %v", events, err)
	}
	woken := make(chan int, 1)
	go func() {
		events, _ := w.Events(ctx, maru, 0, hub.MaxWait)
		woken <- len(events)
	}()
	for _, r := range []string{report("lnk_1", 1), report("lnk_1", 2), report("lnk_1", 1), report("lnk_2", 1)} {
		if err := w.Report(ctx, bankA, maru, r); err != nil {
			t.Fatal(err)
		}
	}
	if n := <-woken; n == 0 {
		t.Error("the waiting service was not woken")
	}
	events, err := w.Events(ctx, maru, 0, 0)
	if err != nil || len(events) != 3 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	for i, e := range events {
		if e.Seq != int64(i+1) {
			t.Errorf("event %d has number %d", i, e.Seq)
		}
	}
	if rest, _ := w.Events(ctx, maru, 2, 0); len(rest) != 1 || rest[0].Report != report("lnk_2", 1) {
		t.Errorf("after 2: %v", rest)
	}
	wants(t, w.Report(ctx, bankB, maru, report("lnk_1", 3)), fault.Forbidden, "")
	wants(t, w.Report(ctx, bankA, sora, report("lnk_1", 3)), fault.Forbidden, "")
	foreign := fmt.Sprintf("%s %s req_1 lnk_1 9", bankB, maru) // bank B speaks of bank A's link
	wants(t, w.Report(ctx, bankB, maru, foreign), fault.Forbidden, "")
	l, ok, err := w.store.LinkByID(ctx, "lnk_1")
	if err != nil || !ok || l.Seq != 2 || l.Issuer != bankA {
		t.Errorf("an older report changed the link: %+v, %v", l, err)
	}
}

// TestEffectiveIsTheStrictestEntry: whatever else stands in the matrix, no entry can loosen another.
func TestEffectiveIsTheStrictestEntry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		services := rapid.SampledFrom([]id.Service{hub.Every, maru, sora})
		issuers := rapid.SampledFrom([]id.Issuer{hub.Every, bankA, bankB})
		entries := rapid.SliceOf(rapid.Custom(func(t *rapid.T) hub.Suspension {
			return hub.Suspension{Service: services.Draw(t, "service"), Issuer: issuers.Draw(t, "issuer"), State: hub.State(rapid.IntRange(1, 2).Draw(t, "state"))}
		})).Draw(t, "entries")
		want := hub.Open
		for _, e := range entries {
			if (e.Service == maru || e.Service == hub.Every) && (e.Issuer == bankA || e.Issuer == hub.Every) {
				want = max(want, e.State)
			}
		}
		if got := hub.Effective(entries, maru, bankA).State; got != want {
			t.Fatalf("%v, want %v of %v", got, want, entries)
		}
	})
}
