package web

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/money"
)

func readForm(t testing.TB, f *Form, values url.Values) bool {
	t.Helper()
	r := httptest.NewRequest("POST", "/", strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return f.Read(httptest.NewRecorder(), r)
}

func TestFields(t *testing.T) {
	label := fault.Text{JA: "項目", EN: "Field"}
	for _, c := range []struct {
		kind     Kind
		max, min int
		in, out  string // out "" is a mistake
	}{
		{TextField, 0, 0, "  花子 ", "花子"},
		{TextField, 3, 0, "よんもじ", ""},
		{TextField, 0, 0, "a\x00b", ""},
		{TextField, 0, 0, "a\xffb", ""},
		{TextField, 0, 0, "   ", ""},
		{EmailField, 0, 0, "hana@example.jp", "hana@example.jp"},
		{EmailField, 0, 0, "ｈａｎａ＠example.jp", "hana@example.jp"},
		{EmailField, 0, 0, "hana@example", ""},
		{EmailField, 0, 0, "a@b@example.jp", ""},
		{EmailField, 0, 0, "hana@example.jp\r\nBcc: x@example.jp", ""},
		{PhoneField, 0, 0, "090-1234-5678", "+819012345678"},
		{PhoneField, 0, 0, "０９０ー１２３４ー５６７８", "+819012345678"},
		{PhoneField, 0, 0, "+81 90 1234 5678", "+819012345678"},
		{PhoneField, 0, 0, "110", ""},
		{PhoneField, 0, 0, "+0090", ""},
		{DateField, 0, 0, "1985-04-01", "1985-04-01"},
		{DateField, 0, 0, "1985-02-30", ""},
		{DateField, 0, 0, "01/04/1985", ""},
		{AmountField, 0, 0, "3,000", "3000"},
		{AmountField, 0, 0, "３，０００円", "3000"},
		{AmountField, 0, 0, "0", ""},
		{AmountField, 0, 0, "-5", ""},
		{AmountField, 0, 0, "10.5", ""},
		{AmountField, 0, 0, "99999999999999999999", ""},
		{DigitsField, 7, 7, "１２３４５６７", "1234567"},
		{DigitsField, 7, 7, "123456", ""},
		{DigitsField, 7, 7, "12a4567", ""},
		{CodeField, 6, 6, " 123 456", "123456"},
		{CodeField, 6, 6, "1234567", ""},
		{PINField, 4, 4, "1234", "1234"},
		{PINField, 4, 4, "12345", ""},
		{PasswordField, 0, 0, " as it is ", " as it is "},
		{SelectField, 0, 0, "b", "b"},
		{SelectField, 0, 0, "z", ""},
		{ChoiceField, 0, 0, "", ""},
		{CheckField, 0, 0, "yes", "yes"},
		{CheckField, 0, 0, "", ""},
		{CheckField, 0, 0, "on", ""},
	} {
		f := NewForm(Field{Name: "x", Kind: c.kind, Label: label, Max: c.max, Min: c.min, Options: []Option{{Value: "a"}, {Value: "b"}}})
		ok := readForm(t, f, url.Values{"x": {c.in}})
		got := f.Value("x")
		switch c.kind {
		case PhoneField:
			got = f.Phone("x")
		case AmountField:
			got = strings.ReplaceAll(f.Yen("x").Digits(), ",", "")
		case DateField:
			if d := f.Date("x"); !d.IsZero() {
				got = d.Format(time.DateOnly)
			}
		}
		if ok != (c.out != "") || ok && got != c.out {
			t.Errorf("%s %q: ok %v, %q, want %q (%s)", c.kind, c.in, ok, got, c.out, f.Field("x").Error.EN)
		}
		if !ok && (f.Field("x").Error.JA == "" || f.Field("x").Error.EN == "" || len(f.Wrong()) != 1) {
			t.Errorf("%s %q: the mistake has no words", c.kind, c.in)
		}
	}
}

func TestFormReadsAsAWhole(t *testing.T) {
	f := NewForm(Field{Name: "a", Kind: TextField, Optional: true}, Field{Name: "b", Kind: TextField})
	if !readForm(t, f, url.Values{"b": {"x"}, "more": {"y"}}) || f.Value("a") != "" {
		t.Error("an optional field may stay empty")
	}
	if readForm(t, f, url.Values{"b": {"x", "y"}}) {
		t.Error("a field that comes twice is a mistake")
	}
	f.Fail("a", fault.Text{JA: "だめ", EN: "no"})
	if readForm(t, f, url.Values{"b": {"x"}}); !f.OK() {
		t.Error("a new reading forgets the old mistakes")
	}
	if readForm(t, f, url.Values{"b": {strings.Repeat("x", MaxForm)}}) || f.Problem.JA == "" {
		t.Error("a form larger than the bound was read")
	}
	s := NewForm(Field{Name: "bank", Kind: SuggestField})
	if !readForm(t, s, url.Values{"bank": {"みちのく"}, "bank_choice": {"0117"}}) || s.Choice("bank") != "0117" {
		t.Errorf("choice %q", s.Choice("bank"))
	}
}

// A PIN or code that was typed wrong does not come back in the page; other answers do.
func TestSecretsAreNotShownAgain(t *testing.T) {
	s := sampleSite(t, sampleTemplate)
	p := samplePageValue()
	p.Form = NewForm(Field{Name: "name", Kind: TextField, Label: fault.Text{JA: "名", EN: "Name"}, Max: 5},
		Field{Name: "pin", Kind: PINField, Max: 4}, Field{Name: "code", Kind: CodeField, Max: 6}, Field{Name: "pw", Kind: PasswordField, Max: 5})
	readForm(t, p.Form, url.Values{"name": {"<b>花子</b>"}, "pin": {"98765"}, "code": {"4455667"}, "pw": {"hunter22"}})
	w := httptest.NewRecorder()
	s.RenderStatus(w, httptest.NewRequest("GET", "/", nil), 422, p)
	page := w.Body.String()
	if !strings.Contains(page, `value="&lt;b&gt;花子&lt;/b&gt;"`) {
		t.Error("the name was not kept, or not escaped")
	}
	for _, secret := range []string{"98765", "4455667", "hunter22"} {
		if strings.Contains(page, secret) {
			t.Errorf("the page shows %s again", secret)
		}
	}
	for _, want := range []string{`aria-describedby="f-name-error"`, `id="f-name-error"`, `aria-invalid="true"`, `autocomplete="one-time-code"`, `inputmode="numeric"`, `<label for="f-name">`, `role="alert"`, `href="#f-name"`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
	}
}

// Whatever is posted, reading a form answers, and what it calls right fits the kinds.
func FuzzForm(f *testing.F) {
	f.Add("a=3000&b=090-1234-5678&c=1985-04-01&d=x%40example.jp&e=1234")
	f.Add("a=%ff&a=1&b=%00")
	f.Fuzz(func(t *testing.T, raw string) {
		form := NewForm(Field{Name: "a", Kind: AmountField}, Field{Name: "b", Kind: PhoneField}, Field{Name: "c", Kind: DateField},
			Field{Name: "d", Kind: EmailField}, Field{Name: "e", Kind: PINField, Min: 4, Max: 4}, Field{Name: "f", Kind: TextField, Optional: true})
		r := httptest.NewRequest("POST", "/", strings.NewReader(raw))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if !form.Read(httptest.NewRecorder(), r) {
			return
		}
		if y := form.Yen("a"); y < 1 || y > money.Max {
			t.Errorf("amount %d", y)
		}
		if form.Phone("b") == "" || form.Date("c").IsZero() || len(form.Value("e")) != 4 || !utf8.ValidString(form.Value("f")) {
			t.Errorf("accepted %q", raw)
		}
		if strings.ContainsAny(form.Value("d"), "\r\n ,<>") {
			t.Errorf("address %q", form.Value("d"))
		}
	})
}

func TestWordsOfBothLanguages(t *testing.T) {
	at := time.Date(2026, 11, 23, 18, 30, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{yen("ja", 12345), "12,345円"}, {yen("en", 12345), "¥12,345"}, {yen("en", -680), "-¥680"},
		{day("ja", at), "2026年11月24日"}, {day("en", at), "24 Nov 2026"}, {day("ja", time.Time{}), ""},
		{moment("ja", at), "2026年11月24日 03:30"}, {moment("en", at), "24 Nov 2026, 03:30 JST"},
		{span("ja", 11*time.Hour+58*time.Minute), "11時間58分"}, {span("en", 11*time.Hour+58*time.Minute), "11 h 58 min"},
		{span("ja", 12*time.Hour), "12時間"}, {span("ja", 59*time.Second), "59秒"}, {span("ja", 0), "0秒"}, {span("ja", -time.Hour), "0秒"},
		{span("ja", 49*time.Hour), "2日1時間"}, {span("en", 24*time.Hour+5*time.Minute), "1 d"}, {span("ja", 90*time.Second), "1分30秒"},
		{Texts{"k": {JA: "%[2]s に %[1]s", EN: "%[1]s at %[2]s"}}.In("ja", "k", money.Yen(5), at), "2026年11月24日 03:30 に 5円"},
		{Texts{"k": {JA: "%[2]s に %[1]s", EN: "%[1]s at %[2]s"}}.In("en", "k", money.Yen(5), at), "¥5 at 24 Nov 2026, 03:30 JST"},
		{Texts{}.In("ja", "none"), "⟦none⟧"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
