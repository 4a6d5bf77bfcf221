package wallet

import (
	"net/mail"
	"regexp"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/kozamori/kozamori/internal/fault"
)

var phoneForm = regexp.MustCompile(`^\+[1-9][0-9]{7,14}$`)

// FoldEmail brings a typed e-mail address to the form it is kept and found in.
func FoldEmail(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(norm.NFKC.String(s)))
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s || len(s) > 254 || strings.ContainsAny(s, "\r\n<>\" ") {
		return "", &fault.Error{Kind: fault.Invalid, Op: "wallet.FoldEmail", Public: fault.Text{
			JA: "メールアドレスを確認してください。", EN: "Check the e-mail address."}}
	}
	return s, nil
}

// FoldPhone brings a typed phone number to E.164. A number with a leading 0 is Japanese.
func FoldPhone(s string) (string, error) {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -()ー‐–.", r) {
			return -1
		}
		return r
	}, strings.TrimSpace(norm.NFKC.String(s)))
	if rest, ok := strings.CutPrefix(s, "0"); ok {
		s = "+81" + rest
	}
	if !phoneForm.MatchString(s) {
		return "", &fault.Error{Kind: fault.Invalid, Op: "wallet.FoldPhone", Public: fault.Text{
			JA: "電話番号を確認してください。", EN: "Check the phone number."}}
	}
	return s, nil
}

// MaskPhone shows a number to somebody who should recognise it, not learn it: its last two digits.
func MaskPhone(s string) string {
	if len(s) < 4 {
		return "•••"
	}
	return "•••" + s[len(s)-2:]
}
