package kana

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNarrow(t *testing.T) {
	for in, want := range map[string]string{
		"ドコモコウザ":         "ﾄﾞｺﾓｺｳｻﾞ",
		"ディーバライ":         "ﾃﾞｲ-ﾊﾞﾗｲ", // as it stood in the passbooks of 2020
		"ﾃﾞｨｰﾊﾞﾗｲ":       "ﾃﾞｲ-ﾊﾞﾗｲ",
		"どこもこうざ":         "ﾄﾞｺﾓｺｳｻﾞ",
		"パーティー ｺﾞﾛｳ":     "ﾊﾟ-ﾃｲ- ｺﾞﾛｳ",
		"カ\u3099ト\u3099": "ｶﾞﾄﾞ", // voiced marks that came apart
		"カ゛":             "ｶﾞ",
		"ヴァイオリン":         "ｳﾞｱｲｵﾘﾝ",
		"ＡＢＣ１２３abc":      "ABC123ABC",
		"エヌ・ティ・ティ":       "ｴﾇ.ﾃｲ.ﾃｲ",
		"カ）マルペイ":         "ｶ)ﾏﾙﾍﾟｲ",
		"「ヲ」":            "｢ｦ｣",
		"ソニ－ソニ−ソニ―ソニ‐":   "ｿﾆ-ｿﾆ-ｿﾆ-ｿﾆ-",
		"ヤマダ　タロウ":        "ﾔﾏﾀﾞ ﾀﾛｳ",
		"¥100-/1,000.5":  "¥100-/1,000.5",
	} {
		got, err := Narrow(in)
		if err != nil || got != want {
			t.Errorf("Narrow(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"ヰ", "ヱ", "山田", "ア゛", "ナ゜", "カ゜", "゛", "é", "😀", "ヷ", "=1+1", "@", "ン゛", "\x00", "\xff", "ア\n", "ヽ", "･･･％"} {
		if got, err := Narrow(in); !errors.Is(err, ErrUnfit) {
			t.Errorf("Narrow(%q) = %q, %v; want ErrUnfit", in, got, err)
		}
	}
}

func TestNarration(t *testing.T) {
	if got, err := Narration(" マルペイチャージ "); err != nil || got != "ﾏﾙﾍﾟｲﾁﾔ-ｼﾞ" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := Narration(strings.Repeat("ｱ", NarrationWidth)); err != nil {
		t.Error(err)
	}
	for _, in := range []string{"", "  ", strings.Repeat("ア", NarrationWidth+1), strings.Repeat("ガ", NarrationWidth/2) + "ア"} {
		if got, err := Narration(in); !errors.Is(err, ErrUnfit) {
			t.Errorf("Narration(%q) = %q, %v; want ErrUnfit", in, got, err)
		}
	}
}

func TestName(t *testing.T) {
	for in, want := range map[string]string{
		"やまだ　たろう":      "ヤマダ タロウ",
		" ﾔﾏﾀﾞ   ﾀﾛｳ ": "ヤマダ タロウ",
		"おーの じゅん":      "オーノ ジュン",
		"オ－ノ ジュン":      "オーノ ジュン",
		"すみす じょん まいける": "スミス ジョン マイケル",
		"smith John":   "SMITH JOHN",
	} {
		got, err := Name(in)
		if err != nil || got != want {
			t.Errorf("Name(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "ヤマダ", "山田 太郎", "ヤマダ タロウ1", "<b> ヤマダ", "ヤマダ タロウ\u202e", "ゐ 〆"} {
		if got, err := Name(in); !errors.Is(err, ErrUnfit) {
			t.Errorf("Name(%q) = %q, %v; want ErrUnfit", in, got, err)
		}
	}
}

// alphabet draws what people and files really hold, with a little of everything that must be refused.
var alphabet = rapid.StringOf(rapid.OneOf(
	rapid.RuneFrom([]rune(wideKana+narrowKana+smallKana+"ガギグゲゴザジヂヅドバパヴー－-｡｢｣・. ")),
	rapid.RuneFrom([]rune("ぁあいうがぱんゔヰヱヷ゛゜\u3099\u309AﾞﾟABZaz09()/,¥　")),
	rapid.Rune(),
))

func TestNarrowProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := alphabet.Draw(t, "s")
		checkNarrow(t, s)
	})
}

type reporter interface{ Fatalf(string, ...any) }

// checkNarrow states what holds for every text that Narrow accepts.
func checkNarrow(t reporter, s string) {
	n, err := Narrow(s)
	if slow, slowErr := narrow(s); slow != n || (slowErr == nil) != (err == nil) {
		t.Fatalf("Narrow(%q) = %q at a glance, %q on a close look", s, n, slow)
	}
	if err != nil {
		return
	}
	if !isNarrow(n) {
		t.Fatalf("Narrow(%q) = %q is not narrow at a glance", s, n)
	}
	for _, r := range n {
		if !strings.ContainsRune(narrowKana+"ﾞﾟ｢｣"+symbols, r) && !(r >= 'A' && r <= 'Z') && !(r >= '0' && r <= '9') {
			t.Fatalf("Narrow(%q) = %q holds %q", s, n, r)
		}
	}
	if again, err := Narrow(n); err != nil || again != n {
		t.Fatalf("Narrow(%q) = %q, %v: not stable", n, again, err)
	}
	if back, err := Narrow(n); err != nil || back != n {
		t.Fatalf("Narrow(%q) = %q, %v: not stable", n, back, err)
	}
	if f, g := FoldName(s), FoldName(n); f != g {
		t.Fatalf("FoldName(%q) = %q, of its narrow form %q", s, f, g)
	}
}

func FuzzNarrow(f *testing.F) {
	for _, s := range []string{"ディーバライ", "ﾃﾞｨｰ", "カ゛ー－-", "A b・c", "A\vA", "サトウ\u2003ハナコ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		checkNarrow(t, s)
		if name, err := Name(s); err == nil {
			if again, err := Name(name); err != nil || again != name {
				t.Fatalf("Name(%q) = %q, %v: not stable", name, again, err)
			}
			if Match(s, name) != Exact {
				t.Fatalf("%q and its normal form %q differ", s, name)
			}
		}
	})
}
