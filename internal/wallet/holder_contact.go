package wallet

import (
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/kozamori/kozamori/internal/fault"
)

var (
	phoneForm   = regexp.MustCompile(`^\+[1-9][0-9]{7,14}$`)
	phonePrefix = regexp.MustCompile(`^\+[1-9][0-9]{0,6}$`)
)

// CheckPhonePrefixes says what is wrong with the beginnings of the phone numbers that a service sends codes to. There
// must be one: a message to a number of just anywhere is what somebody else may earn by.
func CheckPhonePrefixes(prefixes []string) error {
	if len(prefixes) == 0 {
		return errors.New("want at least one, such as +81")
	}
	var errs []error
	for _, p := range prefixes {
		if !phonePrefix.MatchString(p) {
			errs = append(errs, fmt.Errorf("%q: want + and 1 to 7 digits, such as +81", p))
		}
	}
	return errors.Join(errs...)
}

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

// FoldPhone brings a typed phone number to E.164 and refuses one that begins with none of the prefixes. A number with a
// leading 0 is Japanese.
func FoldPhone(s string, prefixes []string) (string, error) {
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
	if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) }) {
		all := strings.Join(prefixes, ", ")
		return "", &fault.Error{Kind: fault.Invalid, Op: "wallet.FoldPhone", Public: fault.Text{
			JA: "この国や地域の電話番号は登録できません。登録できるのは " + all + " で始まる番号です（日本の番号は0から入力できます）。",
			EN: "Numbers of this country cannot be registered here, only those that begin with " + all + "."}}
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
