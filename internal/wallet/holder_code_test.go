package wallet_test

import (
	"testing"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wallet"
)

// usedUp has codes sent until no more are, and says how many.
func (p *people) usedUp(send func() error) (sent int) {
	p.Helper()
	for range 2 * wallet.CodesPerDay {
		switch err := send(); {
		case err == nil:
			sent++
		case fault.Of(err) != fault.Busy:
			p.Fatal(err)
		}
		p.clock.Forward(wallet.CodeInterval)
	}
	return sent
}

// recovers goes through both codes of a recovery.
func (p *people) recovers(h wallet.Holder, mark string) {
	p.Helper()
	e, err := p.StartRecovery(p.Context(), h.Email, "ja", mark)
	e = p.typeCode(must(p.T, e, err), h.Email)
	if e = p.typeCode(e, h.Phone); e.Step != wallet.AddDevice {
		p.Errorf("recovery is at %s", e.Step)
	}
}

// Who types a holder's contacts at sign-up, or as a new contact of her own, keeps the holder from nothing.
func TestStrangersLeaveAHolderHerCodes(t *testing.T) {
	p := newPeople(t)
	h, _ := p.signUp("hanako@example.jp", "09011112222", false)
	thief, _ := p.signUp("thief@example.jp", "09033334444", false)
	p.clock.Forward(wallet.CodeBudgetSpan)

	mine, err := p.StartSignUp(t.Context(), "another@example.jp", "ja")
	mine = p.typeCode(must(t, mine, err), "another@example.jp")
	if _, err := p.TakePhone(t.Context(), mine.ID, h.Phone); err != nil {
		t.Fatal(err)
	}
	p.clock.Forward(wallet.CodeInterval)
	if n := p.usedUp(func() error { _, err := p.SendAgain(t.Context(), mine.ID); return err }); n != wallet.CodesPerDay-1 {
		t.Errorf("her phone at sign-up was sent %d more", n)
	}
	for what, send := range map[string]func() error{
		"her e-mail at sign-up": func() error { _, err := p.StartSignUp(t.Context(), h.Email, "ja"); return err },
		"her e-mail as another's": func() error {
			_, err := p.StartChange(t.Context(), thief, wallet.Email, h.Email)
			return err
		},
		"her phone as another's": func() error {
			_, err := p.StartChange(t.Context(), thief, wallet.Phone, h.Phone)
			return err
		},
	} {
		if n := p.usedUp(send); n != wallet.CodesPerDay {
			t.Errorf("%s was sent %d", what, n)
		}
	}
	p.recovers(h, "")
	p.recovers(h, p.KnownMark(h.Subject))

	// And a contact that strangers wore out at sign-up may still become hers.
	p.usedUp(func() error { _, err := p.StartSignUp(t.Context(), "new@example.jp", "ja"); return err })
	if _, err := p.StartChange(t.Context(), h, wallet.Email, "new@example.jp"); err != nil {
		t.Errorf("her new address: %v", err)
	}
}

// A stranger who has the day's recovery codes sent keeps her from none in a browser where she was signed in.
func TestAKnownBrowserHasRecoveryCodesOfItsOwn(t *testing.T) {
	p := newPeople(t)
	h, _ := p.signUp("hanako@example.jp", "09011112222", false)
	other, _ := p.signUp("other@example.jp", "09033334444", false)
	mark := p.KnownMark(h.Subject)
	p.clock.Forward(wallet.CodeBudgetSpan)
	recovery := func(email, mark string) func() error {
		return func() error { _, err := p.StartRecovery(t.Context(), email, "ja", mark); return err }
	}
	if _, err := p.deliver(); err != nil {
		t.Fatal(err)
	}
	if n := p.usedUp(recovery(h.Email, "")); n != wallet.CodesPerDay {
		t.Fatalf("a stranger had %d codes sent", n)
	}
	if letters, err := p.deliver(); err != nil || len(letters) != wallet.CodesPerDay {
		t.Errorf("she was told of %d codes, %v", len(letters), err)
	}
	for what, wrong := range map[string]string{
		"none": "", "made up": mark[:len(mark)-4] + "AAAA", "another's": p.KnownMark(other.Subject), "nobody's": p.KnownMark(""), "no mark": "x",
	} {
		if n := p.usedUp(recovery(h.Email, wrong)); n != 0 {
			t.Errorf("%s: %d more codes", what, n)
		}
	}
	p.recovers(h, mark)

	// A mark tells nothing of an address: nobody's has the same codes with it as without.
	for who, m := range map[string]string{"nobody@example.jp": mark, "nobody2@example.jp": p.KnownMark("")} {
		if n := p.usedUp(recovery(who, m)); n != wallet.CodesPerDay {
			t.Errorf("nobody was sent %d codes", n)
		}
		if n := p.usedUp(recovery(who, "")); n != 0 {
			t.Errorf("nobody was sent %d more without the mark", n)
		}
	}
}
