// Package fault gives every error a kind, the rule it enforces, and words a stranger may read;
// the cause stays inside.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure an error is; Status maps it to HTTP in one table.
type Kind uint8

// The kinds of failure.
const (
	Internal     Kind = iota // our bug or a broken disk: nothing was done, nobody outside learns why
	Invalid                  // the input is malformed or out of range
	Unauthorised             // who asks is not known
	Forbidden                // who asks is known and may not
	NotFound                 // there is no such thing, or not for who asks
	Conflict                 // the same id with other content, or a state that does not allow it
	Refused                  // a rule of the product says no; Rule names it
	Busy                     // try again: back-pressure
	Unavailable              // the other side cannot be reached; the outcome is not known
	Gone                     // it was here and has expired or been used
)

// kinds is the one table of names and HTTP statuses (RFC 9110).
var kinds = [...]struct {
	name   string
	status int
}{
	Internal:     {"internal", 500},
	Invalid:      {"invalid", 400},
	Unauthorised: {"unauthorised", 401},
	Forbidden:    {"forbidden", 403},
	NotFound:     {"not_found", 404},
	Conflict:     {"conflict", 409},
	Refused:      {"refused", 422},
	Busy:         {"busy", 429},
	Unavailable:  {"unavailable", 503},
	Gone:         {"gone", 410},
}

// String is the kind's name in logs and in problem+json ("refused").
func (k Kind) String() string { return kinds[k].name }

// Status is the HTTP status of the kind.
func (k Kind) Status() int { return kinds[k].status }

// KindNamed finds a kind by its name, as read from another role's problem+json; unknown names are Internal.
func KindNamed(name string) Kind {
	for k, row := range kinds {
		if row.name == name {
			return Kind(k)
		}
	}
	return Internal
}

// Text is a sentence for people, in both languages.
type Text struct{ JA, EN string }

// In returns the sentence in a language ("ja", "en"); Japanese is the default.
func (t Text) In(lang string) string {
	if lang == "en" && t.EN != "" {
		return t.EN
	}
	return t.JA
}

// Error is what every role returns. Public is all that a stranger sees; Err is the cause, for the log only.
type Error struct {
	Kind   Kind
	Op     string // what was tried: "wallet.Charge"
	Rule   string // the rule's id where one refuses: "M1"
	Public Text
	Err    error
}

// Error is for logs, never for pages.
func (e *Error) Error() string {
	s := e.Op + ": " + e.Kind.String()
	if e.Rule != "" {
		s += " " + e.Rule
	}
	if e.Public.EN != "" {
		s += ": " + e.Public.EN
	}
	if e.Err != nil {
		s += fmt.Sprintf(": %v", e.Err)
	}
	return s
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// Of returns the kind of an error: that of the first *Error in its chain, Internal for any other.
func Of(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// RuleOf returns the rule an error names, or "".
func RuleOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Rule
	}
	return ""
}

// PublicOf returns the words a stranger may read; an error without any gets a plain sentence of its kind.
func PublicOf(err error) Text {
	e, ok := errors.AsType[*Error](err)
	if ok && e.Public.JA != "" {
		return e.Public
	}
	switch Of(err) {
	case Invalid:
		return Text{"入力の内容を確認してください。", "Please check what you entered."}
	case Unauthorised:
		return Text{"サインインしてください。", "Please sign in."}
	case Forbidden:
		return Text{"この操作は許可されていません。", "You may not do this."}
	case NotFound:
		return Text{"見つかりません。", "Not found."}
	case Conflict:
		return Text{"いまの状態ではこの操作はできません。", "This cannot be done in the present state."}
	case Refused:
		return Text{"規則により受け付けられませんでした。", "A rule of the service refuses this."}
	case Busy:
		return Text{"混み合っています。少し待ってからやり直してください。", "Busy. Please wait a moment and try again."}
	case Unavailable:
		return Text{"相手先に接続できません。結果は確認後にお知らせします。", "The other side cannot be reached. We will tell you the outcome."}
	case Gone:
		return Text{"期限が切れたか、すでに使われています。", "It has expired or was used already."}
	default:
		return Text{"内部の問題が起きました。お金は動いていません。", "Something broke on our side. No money was moved."}
	}
}

// New makes an Error with a kind, an operation and a cause.
func New(kind Kind, op string, err error) error { return &Error{Kind: kind, Op: op, Err: err} }

// Refuse makes the refusal of a rule, in words the person it concerns may read.
func Refuse(rule, op string, public Text) error {
	return &Error{Kind: Refused, Op: op, Rule: rule, Public: public}
}
