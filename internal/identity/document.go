package identity

import (
	"regexp"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/kozamori/kozamori/internal/fault"
)

// Kind is a kind of document.
type Kind string

// The documents that are examined. The number of a My Number card is not among them: the law lets a service
// neither copy nor keep it; its chip has a place of its own later.
const (
	DriverLicence Kind = "driver_licence"
	Passport      Kind = "passport"
	ResidenceCard Kind = "residence_card"
	BankAccount   Kind = "bank_account" // named only to be refused (L5)
)

// Kinds lists the documents a page offers, with their names.
func Kinds() []struct {
	Kind Kind
	Name fault.Text
} {
	return []struct {
		Kind Kind
		Name fault.Text
	}{
		{DriverLicence, fault.Text{JA: "運転免許証", EN: "Driver's licence"}},
		{Passport, fault.Text{JA: "旅券（パスポート）", EN: "Passport"}},
		{ResidenceCard, fault.Text{JA: "在留カード", EN: "Residence card"}},
	}
}

// Document is an official document. Its number is never kept, only its Fingerprint under a key.
type Document struct {
	Kind   Kind
	Number string
}

var (
	licenceForm   = regexp.MustCompile(`^[0-9]{12}$`)
	passportForm  = regexp.MustCompile(`^[A-Z]{2}[0-9]{7}$`)
	residenceForm = regexp.MustCompile(`^[A-Z]{2}[0-9]{8}[A-Z]{2}$`)
)

// Fingerprint is what a keyed hash of the document is made of. The last digit of a licence counts its
// re-issues, so it is left out: a lost and replaced licence is still the same person's.
func (d Document) Fingerprint() []string {
	n := foldNumber(d.Number)
	if d.Kind == DriverLicence && len(n) == 12 {
		n = n[:11]
	}
	return []string{string(d.Kind), n}
}

// check looks for typing mistakes; it proves nothing.
func (d Document) check() error {
	ok := false
	switch d.Kind {
	case DriverLicence:
		ok = licenceForm.MatchString(d.Number) && d.Number[10] == licenceDigit(d.Number)
	case Passport:
		ok = passportForm.MatchString(d.Number)
	case ResidenceCard:
		ok = residenceForm.MatchString(d.Number)
	default:
		return invalid("この書類は使えません。", "This kind of document is not taken.")
	}
	if !ok {
		return invalid("書類の番号を確認してください。", "Check the number of the document.")
	}
	return nil
}

// licenceDigit is the eleventh digit of a Japanese driver's licence as the first ten ask for.
func licenceDigit(number string) byte {
	sum := 0
	for i, weight := range [...]int{5, 4, 3, 2, 7, 6, 5, 4, 3, 2} {
		sum += weight * int(number[i]-'0')
	}
	switch digit := 11 - sum%11; digit {
	case 11:
		return '1'
	case 10:
		return '0'
	default:
		return byte('0' + digit)
	}
}

// foldNumber takes full-width and spaced typing to plain capitals and digits.
func foldNumber(s string) string {
	s = strings.ToUpper(norm.NFKC.String(s))
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1
		}
		return r
	}, s)
}
