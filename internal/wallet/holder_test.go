package wallet_test

import (
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wallet"
)

func TestFoldContacts(t *testing.T) {
	for typed, want := range map[string]string{
		"090-1234-5678": "+819012345678", "０９０ 1234 5678": "+819012345678", "+81 90 1234 5678": "+819012345678",
		"03(1234)5678": "+81312345678", "+1 202 555 0100": "+12025550100", "+44 20 7946 0100": "", "+882 13 555 0100": "", "+8213 5550 100": "", "": "", "0": "", "abc": "", "090-1234-567a": "", "+0123456789": "",
	} {
		if got, err := wallet.FoldPhone(typed, []string{"+81", "+1202"}); got != want || (err == nil) != (want != "") {
			t.Errorf("FoldPhone(%q) = %q, %v; want %q", typed, got, err, want)
		}
	}
	for typed, want := range map[string]string{
		" Hanako@Example.JP ": "hanako@example.jp", "ｈａｎａｋｏ@example.jp": "hanako@example.jp", "hanako": "", "": "", "a@b@c": "",
		"Hanako <hanako@example.jp>": "", "a@example.jp\r\nBcc: x@example.jp": "",
	} {
		if got, err := wallet.FoldEmail(typed); got != want || (err == nil) != (want != "") {
			t.Errorf("FoldEmail(%q) = %q, %v; want %q", typed, got, err, want)
		}
	}
	if got := wallet.MaskPhone("+819012345678"); strings.Contains(got, "3456") || !strings.HasSuffix(got, "78") {
		t.Errorf("masked as %q", got)
	}
}

// FuzzFoldContacts: what is folded once stays, and can head no mail.
func FuzzFoldContacts(f *testing.F) {
	f.Add("090-1234-5678", "hanako@example.jp")
	f.Add("＋８１ー９０", "\"a b\"@example.jp")
	japan := []string{"+81"}
	f.Fuzz(func(t *testing.T, phone, email string) {
		if p, err := wallet.FoldPhone(phone, japan); err == nil {
			if again, err := wallet.FoldPhone(p, japan); err != nil || again != p {
				t.Errorf("%q folds to %q and then to %q, %v", phone, p, again, err)
			}
		}
		if e, err := wallet.FoldEmail(email); err == nil {
			if again, err := wallet.FoldEmail(e); err != nil || again != e || strings.ContainsAny(e, "\r\n <>") {
				t.Errorf("%q folds to %q and then to %q, %v", email, e, again, err)
			}
		}
	})
}

// A text message to just any number of the world is what its carrier earns by: none is sent but to the countries served.
func TestNoCodeGoesToAnotherCountry(t *testing.T) {
	p := newPeople(t)
	h, _ := p.signUp("hanako@example.jp", "09011112222", false)
	e, err := p.StartSignUp(t.Context(), "a@example.jp", "ja")
	e = p.typeCode(must(t, e, err), "a@example.jp")
	for _, phone := range []string{"+882 13 5550100", "+1 202 555 0100", "+44 7700 900100"} {
		_, atSignUp := p.TakePhone(t.Context(), e.ID, phone)
		_, atChange := p.StartChange(t.Context(), h, wallet.Phone, phone)
		for what, err := range map[string]error{"sign-up": atSignUp, "change": atChange} {
			text := fault.PublicOf(err)
			if fault.Of(err) != fault.Invalid || !strings.Contains(text.JA, "+81") || !strings.Contains(text.EN, "+81") {
				t.Errorf("%s with %s: %v", what, phone, err)
			}
		}
	}
	if letters, err := p.deliver(); err != nil || len(letters) != 0 {
		t.Errorf("%d letters, %v", len(letters), err)
	}
	if _, err := p.TakePhone(t.Context(), e.ID, "+81 90 3333 4444"); err != nil {
		t.Error(err)
	}
}
