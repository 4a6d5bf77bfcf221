package web

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/money"
)

// Kind is the kind of a field: which keyboard a phone shows, what is accepted, and whether the value is
// shown again after a mistake.
type Kind string

// The kinds of field.
const (
	TextField     Kind = "text"
	EmailField    Kind = "email"
	PhoneField    Kind = "tel"      // a Japanese number or +…; Phone gives E.164
	DateField     Kind = "date"     // a calendar date; Date gives it
	AmountField   Kind = "amount"   // whole yen; Yen gives it
	DigitsField   Kind = "digits"   // an account number
	CodeField     Kind = "code"     // a one-time code: digits, never shown again
	PINField      Kind = "pin"      // digits, hidden while typed, never shown again
	PasswordField Kind = "password" // hidden, never shown again
	SelectField   Kind = "select"
	ChoiceField   Kind = "choice" // radio buttons
	CheckField    Kind = "check"  // Value is "yes" where ticked
	HiddenField   Kind = "hidden"
	SuggestField  Kind = "suggest" // text with a list to choose from while typing; see Suggest
)

// Option is one choice of a select or choice field.
type Option struct {
	Value string
	Text  fault.Text
	Hint  fault.Text // below the text, for choices
}

// Field is one question of a form.
type Field struct {
	Name         string
	Kind         Kind
	Label        fault.Text
	Hint         fault.Text
	Optional     bool
	Max          int // characters at most; 0 is 200
	Min          int // characters at least
	Autocomplete string
	Options      []Option
	Suggest      string     // SuggestField: address that answers ?q=… with [{"value","label","note"}]
	Unit         fault.Text // after the input: "円"

	Value  string
	Choice string // SuggestField: the value of the entry that was chosen, "" where only text was typed
	Error  fault.Text
}

// ID is the field's id in the page.
func (f Field) ID() string { return "f-" + f.Name }

// Described is the ids of the texts that describe the field, for aria-describedby.
func (f Field) Described() string {
	var ids []string
	if f.Error.JA != "" {
		ids = append(ids, f.ID()+"-error")
	}
	if f.Hint.JA != "" {
		ids = append(ids, f.ID()+"-hint")
	}
	return strings.Join(ids, " ")
}

// Wrong says whether the field has a mistake.
func (f Field) Wrong() bool { return f.Error.JA != "" }

// Limit is the number of characters an answer may have.
func (f Field) Limit() int {
	if f.Max == 0 {
		return 200
	}
	return f.Max
}

// Room is the number of characters that can be typed: pasted numbers come with spaces and hyphens.
func (f Field) Room() int {
	if f.Kind == CodeField || f.Kind == DigitsField {
		return 2 * f.Limit()
	}
	return f.Limit()
}

// Filled is the value to show again; secrets are not.
func (f Field) Filled() string {
	if f.Kind == CodeField || f.Kind == PINField || f.Kind == PasswordField {
		return ""
	}
	return f.Value
}

// InputMode is the keyboard a phone shows.
func (f Field) InputMode() string {
	switch f.Kind {
	case AmountField, DigitsField, CodeField, PINField:
		return "numeric"
	case PhoneField:
		return "tel"
	case EmailField:
		return "email"
	}
	return ""
}

// InputType is the type attribute.
func (f Field) InputType() string {
	switch f.Kind {
	case EmailField, PhoneField, DateField, HiddenField:
		return string(f.Kind)
	case PINField, PasswordField:
		return "password"
	}
	return "text"
}

// Completion is the autocomplete attribute.
func (f Field) Completion() string {
	switch {
	case f.Autocomplete != "":
		return f.Autocomplete
	case f.Kind == CodeField:
		return "one-time-code"
	}
	return "off"
}

// MaxForm bounds a posted form, in bytes.
const MaxForm = 256 << 10

// Form is the questions of a page with the answers given so far.
type Form struct {
	// Problem is what is wrong with the whole rather than with one field.
	Problem fault.Text

	fields []*Field
}

// NewForm makes a form of these fields.
func NewForm(fields ...Field) *Form {
	f := &Form{}
	for _, field := range fields {
		f.fields = append(f.fields, &field)
	}
	return f
}

// Field is a field by name; a name that the form does not have is our mistake and panics.
func (f *Form) Field(name string) *Field {
	for _, field := range f.fields {
		if field.Name == name {
			return field
		}
	}
	panic("web: form has no field " + name)
}

// Fields are all fields in order.
func (f *Form) Fields() []*Field { return f.fields }

// Value is the answer to a question, as read or set.
func (f *Form) Value(name string) string { return f.Field(name).Value }

// Choice is the entry chosen from the list of a SuggestField; it came from the browser and must be looked up.
func (f *Form) Choice(name string) string { return f.Field(name).Choice }

// Set puts an answer before the form is shown.
func (f *Form) Set(name, value string) { f.Field(name).Value = value }

// Fail marks a field as wrong.
func (f *Form) Fail(name string, why fault.Text) { f.Field(name).Error = why }

// Wrong lists the fields with mistakes, for the summary above the form.
func (f *Form) Wrong() []*Field {
	return slices.Collect(func(yield func(*Field) bool) {
		for _, field := range f.fields {
			if field.Wrong() && !yield(field) {
				return
			}
		}
	})
}

// OK says that nothing is wrong.
func (f *Form) OK() bool { return f.Problem.JA == "" && len(f.Wrong()) == 0 }

// Read takes the answers from a posted form and checks what each kind asks for; mistakes are marked. It
// says whether all is well. Texts are trimmed; full-width digits and Latin become plain in numbers.
func (f *Form) Read(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, MaxForm)
	if err := r.ParseForm(); err != nil {
		f.Problem = fault.Text{JA: "送信された内容を読み取れませんでした。もう一度お試しください。", EN: "The form could not be read. Please try again."}
		return false
	}
	for _, field := range f.fields {
		values := r.PostForm[field.Name]
		field.Error = fault.Text{}
		field.Value = ""
		if len(values) > 0 {
			field.Value = values[0]
		}
		if len(values) > 1 {
			field.Error = textWrong
			continue
		}
		field.read()
		if field.Kind == SuggestField {
			field.Choice = r.PostForm.Get(field.Name + "_choice")
		}
	}
	return f.OK()
}

var (
	textMissing = fault.Text{JA: "入力してください。", EN: "Please fill this in."}
	textChoose  = fault.Text{JA: "選んでください。", EN: "Please choose one."}
	textTick    = fault.Text{JA: "確認のうえチェックしてください。", EN: "Please read and tick this."}
	textWrong   = fault.Text{JA: "形式を確認してください。", EN: "Please check the form of this."}
	textDigits  = fault.Text{JA: "数字で入力してください。", EN: "Please use digits only."}
	textAmount  = fault.Text{JA: "1円以上の金額を数字で入力してください。", EN: "Please enter an amount in whole yen, 1 or more."}
	textDate    = fault.Text{JA: "日付を入力してください。", EN: "Please enter a date."}
	textPhone   = fault.Text{JA: "電話番号を入力してください。例: 090-1234-5678", EN: "Please enter a phone number, for example 090-1234-5678."}
	textEmail   = fault.Text{JA: "メールアドレスを入力してください。例: hana@example.jp", EN: "Please enter an e-mail address, for example hana@example.jp."}
)

// read folds and checks one answer.
func (f *Field) read() {
	if !utf8.ValidString(f.Value) {
		f.Value, f.Error = "", textWrong
		return
	}
	switch f.Kind {
	case PasswordField, HiddenField:
	case TextField, SuggestField:
		f.Value = strings.TrimSpace(f.Value)
	case DigitsField, CodeField, PINField:
		f.Value = undashed(strings.TrimSpace(norm.NFKC.String(f.Value)))
	default:
		f.Value = strings.TrimSpace(norm.NFKC.String(f.Value))
	}
	if f.Value == "" {
		if !f.Optional {
			f.Error = f.missing()
		}
		return
	}
	n := utf8.RuneCountInString(f.Value)
	switch {
	case f.Kind != HiddenField && n > f.Limit():
		f.Error = fault.Text{JA: fmt.Sprintf("%d文字以内で入力してください。", f.Limit()), EN: fmt.Sprintf("At most %d characters, please.", f.Limit())}
	case n < f.Min:
		f.Error = fault.Text{JA: fmt.Sprintf("%d文字以上で入力してください。", f.Min), EN: fmt.Sprintf("At least %d characters, please.", f.Min)}
	case f.Kind != HiddenField && strings.ContainsFunc(f.Value, unicode.IsControl):
		f.Error = textWrong
	default:
		f.Error = f.check()
	}
}

func (f *Field) missing() fault.Text {
	switch f.Kind {
	case SelectField, ChoiceField:
		return textChoose
	case CheckField:
		return textTick
	}
	return textMissing
}

var (
	emailShape = regexp.MustCompile(`^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+$`)
	phoneShape = regexp.MustCompile(`^(0[0-9]{9,10}|\+[1-9][0-9]{7,14})$`)
)

// check is what a kind asks for; the zero text says that all is well.
func (f *Field) check() fault.Text {
	switch f.Kind {
	case EmailField:
		if !emailShape.MatchString(f.Value) {
			return textEmail
		}
	case PhoneField:
		if !phoneShape.MatchString(undashed(f.Value)) {
			return textPhone
		}
	case DateField:
		if _, err := time.Parse(time.DateOnly, f.Value); err != nil {
			return textDate
		}
	case AmountField:
		if y, err := money.Parse(f.Value); err != nil || y < 1 {
			return textAmount
		}
	case DigitsField, CodeField, PINField:
		if strings.Trim(f.Value, "0123456789") != "" {
			return textDigits
		}
	case SelectField, ChoiceField:
		if !slices.ContainsFunc(f.Options, func(o Option) bool { return o.Value == f.Value }) {
			return textChoose
		}
	case CheckField:
		if f.Value != "yes" {
			return textTick
		}
	}
	return fault.Text{}
}

// undashed drops what people put between digits.
func undashed(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' || r == '(' || r == ')' || r == '‐' || r == '−' || r == 'ー' || r == '–' {
			return -1
		}
		return r
	}, s)
}

// Yen is the answer of an amount field that was read without a mistake; otherwise 0.
func (f *Form) Yen(name string) money.Yen {
	y, err := money.Parse(f.Value(name))
	if err != nil {
		return 0
	}
	return y
}

// Date is the answer of a date field at midnight in Japan; the zero time where there is none.
func (f *Form) Date(name string) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, f.Value(name), clock.Tokyo)
	if err != nil {
		return time.Time{}
	}
	return t
}

// Phone is the answer of a phone field in E.164: "+819012345678"; "" where there is none.
func (f *Form) Phone(name string) string {
	s := undashed(f.Value(name))
	if !phoneShape.MatchString(s) {
		return ""
	}
	if rest, ok := strings.CutPrefix(s, "0"); ok {
		return "+81" + rest
	}
	return s
}

// Ticked says whether a check field was ticked.
func (f *Form) Ticked(name string) bool { return f.Value(name) == "yes" }

// Ceremony is what a browser does with a key when its form is sent: {{template "ceremony" .}} inside the
// form, whose button is served disabled: the module enables it once it listens. The answers arrive as the form values "credential" (JSON of the PublicKeyCredential),
// "browser_key" (base64url SPKI) and "browser_signature" (base64url r||s).
type Ceremony struct {
	Do         string // "create" or "get"
	Options    string // JSON as go-webauthn gives it, with or without the outer "publicKey"
	BrowserKey string // "" none, "make" a key that cannot leave this browser, "sign" with it
	Challenge  string // base64url of the bytes the browser key signs
}
