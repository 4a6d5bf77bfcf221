package identity

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
)

var now = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

func good() Evidence {
	return Evidence{
		NameKana: "サトウ ハナコ", BirthDate: "1985-04-01", Method: Counter, Examiner: "tanaka", At: now,
		Document: Document{DriverLicence, "309012345620"},
	}
}

func TestProve(t *testing.T) {
	const me, you = id.Subject("sub_me"), id.Subject("sub_you")
	cases := []struct {
		name   string
		change func(*Evidence)
		others Others
		kind   fault.Kind
		rule   string
		ok     bool
	}{
		{name: "good", change: func(*Evidence) {}, ok: true},
		{name: "typed in half width", change: func(e *Evidence) { e.NameKana = "ｻﾄｳ　ﾊﾅｺ" }, ok: true},
		{name: "typed in hiragana", change: func(e *Evidence) { e.NameKana = " さとう はなこ " }, ok: true},
		{name: "number with marks", change: func(e *Evidence) { e.Document.Number = "３０９０-1234 5620" }, ok: true},
		{name: "her own again", change: func(*Evidence) {}, others: Others{Document: []id.Subject{me}, Person: []id.Subject{me}}, ok: true},
		{name: "a bank account", change: func(e *Evidence) { e.Document = Document{BankAccount, "0149-001-1234567"} }, kind: fault.Refused, rule: "L5"},
		{name: "another's document", change: func(*Evidence) {}, others: Others{Document: []id.Subject{you}}, kind: fault.Refused, rule: "L5"},
		{name: "a namesake", change: func(*Evidence) {}, others: Others{Person: []id.Subject{you}}, kind: fault.Refused, rule: "L5"},
		{name: "a namesake told apart", change: func(e *Evidence) { e.Namesake = "photo, address" }, others: Others{Person: []id.Subject{you}}, ok: true},
		{name: "wrong check digit", change: func(e *Evidence) { e.Document.Number = "309012345630" }, kind: fault.Invalid},
		{name: "passport", change: func(e *Evidence) { e.Document = Document{Passport, "tk1234567"} }, ok: true},
		{name: "short passport", change: func(e *Evidence) { e.Document = Document{Passport, "TK123456"} }, kind: fault.Invalid},
		{name: "residence card", change: func(e *Evidence) { e.Document = Document{ResidenceCard, "AB12345678CD"} }, ok: true},
		{name: "library card", change: func(e *Evidence) { e.Document = Document{"library", "1"} }, kind: fault.Invalid},
		{name: "no given name", change: func(e *Evidence) { e.NameKana = "サトウ" }, kind: fault.Invalid},
		{name: "kanji", change: func(e *Evidence) { e.NameKana = "佐藤 花子" }, kind: fault.Invalid},
		{name: "31 February", change: func(e *Evidence) { e.BirthDate = "1985-02-31" }, kind: fault.Invalid},
		{name: "born tomorrow", change: func(e *Evidence) { e.BirthDate = "2026-11-24" }, kind: fault.Invalid},
		{name: "nobody examined it", change: func(e *Evidence) { e.Examiner = " " }, kind: fault.Invalid},
		{name: "examined tomorrow", change: func(e *Evidence) { e.At = now.Add(time.Hour) }, kind: fault.Invalid},
		{name: "a picture", change: func(e *Evidence) { e.Method = "picture" }, kind: fault.Invalid},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ev := good()
			c.change(&ev)
			proof, err := Prove(me, ev, c.others, now)
			if c.ok {
				if err != nil || proof.Level != Proved {
					t.Fatalf("refused: %v", err)
				}
				if proof.NameKana != "サトウ ハナコ" {
					t.Errorf("name kept as %q", proof.NameKana)
				}
				return
			}
			if fault.Of(err) != c.kind || fault.RuleOf(err) != c.rule || proof.Level == Proved {
				t.Errorf("got %v, level %d; want kind %v rule %q", err, proof.Level, c.kind, c.rule)
			}
		})
	}
}

func TestMayLink(t *testing.T) {
	for level, ok := range map[Level]bool{Contacts: false, 1: false, Proved: true, 3: true} {
		err := MayLink(level)
		if (err == nil) != ok {
			t.Errorf("level %d: %v", level, err)
		}
		if !ok && fault.RuleOf(err) != "L4" {
			t.Errorf("level %d refused under %q", level, fault.RuleOf(err))
		}
	}
}

func TestFingerprintIgnoresReissue(t *testing.T) {
	a := Document{DriverLicence, "309012345620"}.Fingerprint()
	b := Document{DriverLicence, "3090 1234 5625"}.Fingerprint()
	c := Document{Passport, "TK1234567"}.Fingerprint()
	if !slices.Equal(a, b) {
		t.Errorf("a re-issued licence became another: %v, %v", a, b)
	}
	if slices.Equal(a, c) {
		t.Error("two documents are one")
	}
}

func TestLicenceDigit(t *testing.T) {
	if got := licenceDigit("3090123456"); got != '2' {
		t.Errorf("the published example gives %c, want 2", got)
	}
}

// One mistyped digit changes the check digit, but for the two remainders the rule folds together (0 and 10).
func TestLicenceDigitFindsTypos(t *testing.T) {
	misses := 0
	rapid.Check(t, func(t *rapid.T) {
		number := []byte(rapid.StringMatching(`[0-9]{10}`).Draw(t, "number"))
		typo := slices.Clone(number)
		i := rapid.IntRange(0, 9).Draw(t, "where")
		typo[i] = '0' + (typo[i]-'0'+byte(rapid.IntRange(1, 9).Draw(t, "by")))%10
		if d := licenceDigit(string(number)); d == licenceDigit(string(typo)) {
			if d != '1' {
				t.Fatalf("%s and %s share check digit %c", number, typo, d)
			}
			misses++
		}
	})
	if misses > 20 {
		t.Errorf("%d of 100 typing mistakes pass", misses)
	}
}

func TestPersonFindsNamesakesHoweverTyped(t *testing.T) {
	if a, b := Person("サトウ ハナコ", "1985-04-01"), Person(" ｻﾄｳ  ﾊﾅｺ ", "1985-04-01"); !slices.Equal(a, b) {
		t.Errorf("%v and %v", a, b)
	}
}

func TestRefusalsSayWhyInBothLanguages(t *testing.T) {
	ev := good()
	ev.NameKana = "x"
	_, err := Prove("sub_me", ev, Others{}, now)
	var f *fault.Error
	if !errors.As(err, &f) || f.Public.JA == "" || f.Public.EN == "" {
		t.Errorf("no words for the person: %v", err)
	}
}

// One person spelt in two ways is still one person (L5).
func TestPersonIsOneHoweverSpelt(t *testing.T) {
	want := Person("スミス ジョン", "1985-04-01")
	for _, name := range []string{"スミス ジヨン", "ｽﾐｽ ｼﾞﾖﾝ", "すみす　じょん", "スミスジョン", "スミス・ジョン"} {
		if got := Person(name, "1985-04-01"); !slices.Equal(got, want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if slices.Equal(Person("スミス ジョン", "1985-04-02"), want) || slices.Equal(Person("スミス ジュン", "1985-04-01"), want) {
		t.Error("another person is the same")
	}
}
