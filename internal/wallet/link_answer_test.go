package wallet_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

// answerTo is the bank's answer to a change.
func (p *people) answerTo(issuer id.Issuer, a wallet.Ask, link id.Link, change string) string {
	return p.banks[issuer].report(p.T, a, link, wire.LinkCooling, func(r *wire.LinkReport) { r.Change = change })
}

// changed has the holder's name change, so that the bank of her link must hear of it.
func (p *people) changed(h wallet.Holder, n int) {
	p.Helper()
	name := []string{"スズキ ハナコ", "サトウ ハナコ"}[n%2]
	if _, err := p.Prove(p.Context(), h.Subject, evidence(p.Now(), name, "1985-04-01", "309012345620")); err != nil {
		p.Fatal(err)
	}
}

// openChanges are the ids of a link's open changes.
func (p *people) openChanges(link id.Link) []string {
	p.Helper()
	l, err := p.Store.Link(p.Context(), link)
	if err != nil {
		p.Fatal(err)
	}
	if l.Chargeable(p.Now().Add(40*time.Hour)) != (len(l.Changes) == 0) {
		p.Fatalf("chargeable with %d changes open", len(l.Changes))
	}
	return l.Changes
}

// dueChange is the link's change that the outbox would deliver now.
func (p *people) dueChange() outbox.Message {
	p.Helper()
	due, err := p.store.Outbox().Due(p.Context(), p.Now(), 100)
	if err != nil {
		p.Fatal(err)
	}
	for _, m := range due {
		if m.Kind == wallet.KindChange {
			return m
		}
	}
	p.Fatal("no change is due")
	return outbox.Message{}
}

// Answered twice, a change takes no other with it: no charge until the bank has answered each (L9). Neither does
// a crash after the answer was kept and before the message was.
func TestAnswerComesTwice(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	_, l := p.linked(h, bankA, lnk1)
	a, err := p.Store.Ask(t.Context(), l.Request)
	must(t, a, err)
	p.clock.Forward(40 * time.Hour)
	p.changed(h, 0)
	p.changed(h, 1)
	both := p.openChanges(lnk1)
	p.hub.onChange = func(link id.Link, c wire.LinkChange) (string, error) {
		return p.answerTo(bankA, a, link, c.Change), nil
	}
	first := p.dueChange()
	for range 2 {
		if err := p.DeliverChange(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		p.restart() // the outbox has not heard that it was delivered
	}
	if open := p.openChanges(lnk1); len(both) != 2 || len(open) != 1 || open[0] == first.ID {
		t.Fatalf("of %v are open %v after two answers to %s", both, open, first.ID)
	}
	if _, err := p.deliver(); err != nil {
		t.Fatal(err)
	}
	if open := p.openChanges(lnk1); len(open) != 0 {
		t.Errorf("open for ever: %v", open)
	}
}

// A hub that keeps a change to itself cannot pass off the bank's answer to another one, or any other report.
func TestAnswerToAnotherChangeIsNone(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	_, l := p.linked(h, bankA, lnk1)
	a, err := p.Store.Ask(t.Context(), l.Request)
	must(t, a, err)
	p.changed(h, 0)
	p.changed(h, 1)
	m := p.dueChange()
	other := p.openChanges(lnk1)[0]
	if other == m.ID {
		other = p.openChanges(lnk1)[1]
	}
	for _, answers := range []string{other, ""} {
		p.hub.onChange = func(link id.Link, _ wire.LinkChange) (string, error) { return p.answerTo(bankA, a, link, answers), nil }
		if err := p.DeliverChange(t.Context(), m); fault.Of(err) != fault.Invalid || len(p.openChanges(lnk1)) != 2 {
			t.Errorf("an answer to %q: %v, open %v", answers, err, p.openChanges(lnk1))
		}
	}
}

// A change of a link that died before it lived is answered too, by a report that names no link.
func TestChangeOfADeadLinkIsAnswered(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	p.linked(h, bankA, lnk1)
	p.changed(h, 0)
	p.bankHears(bankA, wire.LinkDead)
	if _, err := p.deliver(); err != nil {
		t.Fatal(err)
	}
	if l, err := p.Store.Link(t.Context(), lnk1); err != nil || len(l.Changes) != 0 || !l.Over(p.Now()) {
		t.Errorf("%+v, %v", l, err)
	}
}

// Whatever comes in whatever order: a change is open until the bank's answer to it has come, and no longer.
func TestChangesInWhateverOrder(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { newChangeWorld(t, seed).run(40) })
	}
}

// changeWorld knows what should be open.
type changeWorld struct {
	*people
	rand    *rand.Rand
	holder  wallet.Holder
	ask     wallet.Ask
	open    []string
	answers []string         // all that the bank ever answered, and reports of its own
	done    []outbox.Message // delivered once, perhaps to come again
	made    int
}

func newChangeWorld(t *testing.T, seed uint64) *changeWorld {
	p := newPeople(t)
	w := &changeWorld{people: p, rand: rand.New(rand.NewPCG(seed, 0)), holder: p.hanako()}
	_, l := p.linked(w.holder, bankA, lnk1)
	a, err := p.Store.Ask(t.Context(), l.Request)
	w.ask = must(t, a, err)
	w.answers = []string{l.Report}
	return w
}

func (w *changeWorld) run(steps int) {
	for range steps {
		w.clock.Forward(time.Duration(w.rand.IntN(15)) * time.Second)
		switch do := w.rand.IntN(7); {
		case do <= 1 || len(w.open) == 0:
			w.change()
		case do == 2:
			w.lie()
		case do == 3 && len(w.done) > 0:
			w.deliver(w.done[w.rand.IntN(len(w.done))], false)
		case do == 4:
			w.event()
		default:
			w.deliver(w.dueChange(), w.rand.IntN(2) == 0)
		}
		if got := w.openChanges(lnk1); !slices.Equal(got, w.open) {
			w.Fatalf("open are %v, want %v", got, w.open)
		}
	}
}

func (w *changeWorld) change() {
	w.changed(w.holder, w.made)
	w.made++
	for _, c := range w.openChanges(lnk1) {
		if !slices.Contains(w.open, c) {
			w.open = append(w.open, c)
		}
	}
	slices.Sort(w.open)
}

// deliver has the bank answer a change; settled says whether the outbox hears of it before a crash.
func (w *changeWorld) deliver(m outbox.Message, settled bool) {
	w.hub.onChange = func(link id.Link, c wire.LinkChange) (string, error) {
		w.answers = append(w.answers, w.answerTo(bankA, w.ask, link, c.Change))
		return w.answers[len(w.answers)-1], nil
	}
	if err := w.DeliverChange(w.Context(), m); err != nil {
		w.Fatal(err)
	}
	w.open = slices.DeleteFunc(w.open, func(c string) bool { return c == m.ID })
	w.done = append(w.done, m)
	if !settled {
		w.restart()
		return
	}
	if err := w.store.Outbox().Settle(w.Context(), []string{m.ID}, nil); err != nil {
		w.Fatal(err)
	}
}

// lie answers the change that is due with whatever the bank said before.
func (w *changeWorld) lie() {
	m := w.dueChange()
	if !slices.Contains(w.open, m.ID) {
		return // answered before the crash: an old answer may well be its own
	}
	w.hub.onChange = func(id.Link, wire.LinkChange) (string, error) { return w.answers[w.rand.IntN(len(w.answers))], nil }
	if err := w.DeliverChange(w.Context(), m); fault.Of(err) != fault.Invalid {
		w.Fatalf("an old answer passed: %v", err)
	}
}

// event is a report that the bank makes on its own account, or an old one again.
func (w *changeWorld) event() {
	w.answers = append(w.answers, w.answerTo(bankA, w.ask, lnk1, ""))
	for _, report := range []string{w.answers[len(w.answers)-1], w.answers[w.rand.IntN(len(w.answers))]} {
		if _, err := w.TakeReport(w.Context(), bankA, report); err != nil {
			w.Fatal(err)
		}
	}
}

// A change that waits from before answers named what they answer is answered by a report of then.
func TestChangeOfBeforeIsAnswered(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	_, l := p.linked(h, bankA, lnk1)
	a, err := p.Store.Ask(t.Context(), l.Request)
	must(t, a, err)
	signed, err := p.Messages.Sign(&wire.LinkChange{Change: "chg_1", Link: lnk1, Kind: "phone",
		Header: wire.Header{Issuer: "maru", Audience: string(bankA), IssuedAt: p.Now().Unix()}})
	must(t, signed, err)
	l.Changes, l.Version = []string{"msg_1", "msg_2"}, l.Version+1
	m := outbox.Message{ID: "msg_1", Kind: wallet.KindChange, Key: string(lnk1),
		Payload: fmt.Appendf(nil, `{"link":%q,"kind":"phone","signed":%q,"at":%d}`, lnk1, signed, p.Now().Unix())}
	if err := p.Store.Commit(t.Context(), m, wallet.PutLink{Link: l, IfVersion: l.Version - 1}); err != nil {
		t.Fatal(err)
	}
	p.hub.onChange = func(link id.Link, _ wire.LinkChange) (string, error) { return p.answerTo(bankA, a, link, ""), nil }
	for range 2 {
		if err := p.DeliverChange(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if open := p.openChanges(lnk1); !slices.Equal(open, []string{"msg_2"}) {
		t.Errorf("open: %v", open)
	}
}
