// Package identity says who a person is to a service, and on what evidence. A level is granted by Prove alone,
// whoever examined the evidence, and evidence never counts for what it hangs on.
package identity

import (
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/kana"
)

// Level is how well a service knows a person.
type Level int

// The levels. 1 is not given: a self-declared name that nobody examined is worth nothing here.
const (
	Contacts Level = 0 // an e-mail address and a phone that answered
	Proved   Level = 2 // a document was examined and belongs to this person
)

// Method is how the evidence was examined.
type Method string

// Counter is the original document, with the person, before a member of staff.
const Counter Method = "counter"

// Evidence is what was examined.
type Evidence struct {
	NameKana  string // full-width katakana, one space between family and given name
	BirthDate string // "1985-04-01"
	Document  Document
	Method    Method
	Examiner  string // who answers for the examination
	At        time.Time
	// Namesake says how the examiner told the person from another one of the same name and birth date,
	// where there is one; "" elsewhere.
	Namesake string
}

// Others are the people the service knows already whom the evidence fits.
type Others struct {
	Document []id.Subject // the same document was examined for them
	Person   []id.Subject // the same name and birth date
}

// Proof is an identity at a level, as granted.
type Proof struct {
	Level Level
	Evidence
}

// Prove grants level 2 to subject on good evidence, or says why not: fault.Invalid for evidence that is
// incomplete or cannot be read, fault.Refused under L5 for evidence that hangs on a bank link, or is
// another wallet's.
func Prove(subject id.Subject, ev Evidence, others Others, now time.Time) (Proof, error) {
	const op = "identity.Prove"
	if ev.Document.Kind == BankAccount {
		return Proof{}, fault.Refuse("L5", op, fault.Text{
			JA: "銀行口座は本人確認の証拠になりません。",
			EN: "A bank account is no evidence of identity.",
		})
	}
	name, err := kana.Name(ev.NameKana)
	if err != nil {
		return Proof{}, invalid("氏名はカタカナで、姓と名の間を空けて入力してください。",
			"Enter the name in katakana with a space between family and given name.")
	}
	ev.NameKana = name
	ev.Document.Number = foldNumber(ev.Document.Number)
	if err := ev.check(now); err != nil {
		return Proof{}, err
	}
	if other(subject, others.Document) {
		return Proof{}, fault.Refuse("L5", op, fault.Text{
			JA: "この書類の方は、すでにこのサービスの口座をお持ちです。",
			EN: "The holder of this document already has an account at this service.",
		})
	}
	if other(subject, others.Person) && strings.TrimSpace(ev.Namesake) == "" {
		return Proof{}, fault.Refuse("L5", op, fault.Text{
			JA: "氏名と生年月日が同じ方が登録済みです。別人と確かめた方法を記入してください。",
			EN: "Somebody of the same name and birth date is registered. Say how they were told apart.",
		})
	}
	return Proof{Level: Proved, Evidence: ev}, nil
}

// Same says whether two proofs are of the same person as a bank matches one: name and birth date.
func (p Proof) Same(q Proof) bool { return p.NameKana == q.NameKana && p.BirthDate == q.BirthDate }

// Person is what a keyed hash of name and birth date is made of, to find namesakes.
func Person(nameKana, birthDate string) []string { return []string{kana.FoldName(nameKana), birthDate} }

// MayLink refuses a link below level 2 (L4).
func MayLink(l Level) error {
	if l >= Proved {
		return nil
	}
	return fault.Refuse("L4", "identity.MayLink", fault.Text{
		JA: "銀行口座の連携には、先に本人確認が必要です。",
		EN: "Please have your identity checked first: only then can a bank account be linked.",
	})
}

func other(subject id.Subject, found []id.Subject) bool {
	for _, s := range found {
		if s != subject {
			return true
		}
	}
	return false
}

func (ev Evidence) check(now time.Time) error {
	born, err := time.Parse(time.DateOnly, ev.BirthDate)
	if err != nil || ev.BirthDate > clock.Day(now) || born.Year() < 1900 {
		return invalid("生年月日を確認してください。", "Check the date of birth.")
	}
	if err := ev.Document.check(); err != nil {
		return err
	}
	if ev.Method != Counter {
		return invalid("確認の方法が正しくありません。", "There is no such way of examining a document.")
	}
	if strings.TrimSpace(ev.Examiner) == "" || ev.At.IsZero() || ev.At.After(now) {
		return invalid("確認した人と日時が必要です。", "Who examined the document, and when, is missing.")
	}
	return nil
}

func invalid(ja, en string) error {
	return &fault.Error{Kind: fault.Invalid, Op: "identity.Prove", Public: fault.Text{JA: ja, EN: en}}
}
