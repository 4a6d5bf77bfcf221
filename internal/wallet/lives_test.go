package wallet_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

func (p *people) forget() {
	p.Helper()
	if err := p.Forget(p.Context()); err != nil {
		p.Fatal(err)
	}
}

// kept says whether a request is still there.
func (p *people) kept(r id.Request) bool {
	p.Helper()
	_, err := p.Store.Ask(p.Context(), r)
	if err != nil && fault.Of(err) != fault.NotFound {
		p.Fatal(err)
	}
	return err == nil
}

// A request that came to nothing is forgotten after its time, unless its abort is still on the way; one that became
// a link stays as long as the bank names it in its reports.
func TestRequestsAreForgotten(t *testing.T) {
	p := newPeople(t)
	h := p.hanako()
	_, l := p.linked(h, bankA, lnk1)
	b := newBrowser(h.Subject)
	dies := func() wallet.Ask {
		a := p.ask(b, h, bankB)
		if _, err := p.Returned(t.Context(), newBrowser(h.Subject).back(a.State, "code", string(bankB))); fault.Of(err) != fault.Refused {
			t.Fatal(err)
		}
		return a
	}
	dead := dies()
	if _, err := p.deliver(); err != nil {
		t.Fatal(err)
	}
	p.hub.onAbort = func(id.Request) (string, error) { return "", fault.New(fault.Unavailable, "test", errors.New("away")) }
	waits := dies()
	if _, err := p.deliver(); fault.Of(err) != fault.Unavailable {
		t.Fatal(err)
	}
	left := p.ask(b, h, bankB) // the browser never comes back
	p.clock.Forward(wallet.KeepAsks - time.Hour)
	if p.forget(); !p.kept(dead.Request) || !p.kept(waits.Request) || !p.kept(left.Request) {
		t.Error("forgotten before its time")
	}
	p.clock.Forward(2 * time.Hour)
	if p.forget(); p.kept(dead.Request) || p.kept(left.Request) || !p.kept(waits.Request) || !p.kept(l.Request) {
		t.Errorf("kept: dead %v, left %v; with an abort on its way %v, linked %v", p.kept(dead.Request), p.kept(left.Request), p.kept(waits.Request), p.kept(l.Request))
	}
	p.hub.onAbort = nil
	if _, err := p.deliver(); err != nil {
		t.Errorf("the late abort: %v", err)
	}
	if p.forget(); p.kept(waits.Request) {
		t.Error("kept after its abort was answered")
	}
	a, err := p.Store.Ask(t.Context(), l.Request)
	must(t, a, err)
	if _, err := p.TakeReport(t.Context(), bankA, p.banks[bankA].report(t, a, lnk1, wire.LinkRevoked, nil)); err != nil {
		t.Errorf("a report on the link: %v", err)
	}
}

// However much there is, it goes in slices; what is young, and codes within the span they are counted over, stay.
func TestErrandsAndCodesAreForgotten(t *testing.T) {
	p := newPeople(t)
	var rows []ledger.Write
	for i := range 1_200 {
		e := wallet.Errand{ID: fmt.Sprintf("ern_%d", i), Kind: wallet.SignUp, Step: wallet.EmailCode, Lang: "ja", Until: p.Now(), Version: 1}
		c := wallet.Code{ID: fmt.Sprintf("cod_%d", i), Errand: e.ID, Contact: fmt.Append(nil, "mark ", i), Hash: []byte("hash"), SentAt: p.Now(), Until: p.Now()}
		rows = append(rows, wallet.PutErrand{Errand: e}, wallet.PutCode{Code: c, IfTries: -1})
	}
	if err := p.Store.Commit(t.Context(), rows...); err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		for i := range 1_200 {
			if _, err := p.Store.Code(t.Context(), fmt.Sprintf("cod_%d", i)); err == nil {
				n++
			} else if fault.Of(err) != fault.NotFound {
				t.Fatal(err)
			}
		}
		return n
	}
	p.clock.Forward(wallet.KeepCodes - time.Minute)
	if p.forget(); count() != 1_200 {
		t.Errorf("%d codes within their time", count())
	}
	young, err := p.StartSignUp(t.Context(), "hanako@example.jp", "ja")
	must(t, young, err)
	p.clock.Forward(2 * time.Minute)
	if p.forget(); count() != 0 {
		t.Errorf("%d codes are left", count())
	}
	if _, err := p.Store.Errand(t.Context(), "ern_7"); fault.Of(err) != fault.NotFound {
		t.Errorf("an old errand: %v", err)
	}
	if _, err := p.Store.Errand(t.Context(), young.ID); err != nil {
		t.Errorf("a young errand: %v", err)
	}
}
