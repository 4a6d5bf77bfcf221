package wallet_test

import (
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/wallet"
)

func TestFoldContacts(t *testing.T) {
	for typed, want := range map[string]string{
		"090-1234-5678": "+819012345678", "０９０ 1234 5678": "+819012345678", "+81 90 1234 5678": "+819012345678",
		"03(1234)5678": "+81312345678", "+1 202 555 0100": "+12025550100", "": "", "0": "", "abc": "", "090-1234-567a": "", "+0123456789": "",
	} {
		if got, err := wallet.FoldPhone(typed); got != want || (err == nil) != (want != "") {
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
	f.Fuzz(func(t *testing.T, phone, email string) {
		if p, err := wallet.FoldPhone(phone); err == nil {
			if again, err := wallet.FoldPhone(p); err != nil || again != p {
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
