package kana

import (
	"testing"

	"pgregory.net/rapid"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want Closeness
	}{
		{"ヤマダ タロウ", "ﾔﾏﾀﾞ ﾀﾛｳ", Exact},
		{"ヤマダ タロウ", "ﾔﾏﾀﾞﾀﾛｳ", Exact},
		{"キョウノ ジュン", "ｷﾖｳﾉ ｼﾞﾕﾝ", Exact}, // banks hold no small kana
		{"オーノ ケン", "ｵ-ﾉ ｹﾝ", Exact},
		{"おーの　けん", "オ−ノ ケン", Exact},
		{"ＳＭＩＴＨ　Ｊｏｈｎ", "SMITH JOHN", Exact},
		{"スミス・ジョン", "スミス ジョン", Exact},

		{"タロウ ヤマダ", "ヤマダ タロウ", Close},
		{"タロウ ヤマダ", "ﾔﾏﾀﾞﾀﾛｳ", Close},
		{"スミス ジョン マイケル", "ジョン マイケル スミス", Close},
		{"ミヅノ シズカ", "ミズノ シズカ", Close},
		{"フヂタ マリ", "フジタ マリ", Close},
		{"オオノ ケン", "オーノ ケン", Close},
		{"コウダ ユウ", "コーダ ユウ", Close},
		{"サトウ ケイコ", "サトウ ケーコ", Close},
		{"イノウヱ カヲル", "イノウエ カオル", Close},
		{"サトウ ハナコ", "サトウ ハナゴ", Close}, // a mark left out
		{"サトウ ハナコ", "サトウ ナハコ", Close},
		{"サトウ ハナコ", "サトウ ハコ", Close},

		{"ヤマダ タロウ", "ヤマダ", None}, // no given name
		{"ヤマダ タロウ", "タロウ", None},
		{"オノ ア", "オノ", None},
		{"スミス ジョン マイケル", "スミス ジョン", None},
		{"ヤマダ タロウ", "ヤマダ ハナコ", None},
		{"サトウ ハナコ", "サトワ ハナヨ", None},
		{"オノ", "オダ", None},
		{"アベ", "アベ リ", None},
		{"ドコモ タロウ", "ヤマダ タロウ", None},
		{"", "ヤマダ タロウ", None},
		{"", "", None},
		{"　・", " ", None},
	} {
		if got := Match(c.a, c.b); got != c.want {
			t.Errorf("Match(%q, %q) = %v, want %v", c.a, c.b, got, c.want)
		}
		if got := Match(c.b, c.a); got != c.want {
			t.Errorf("Match(%q, %q) = %v, want %v (the other way round)", c.b, c.a, got, c.want)
		}
	}
}

func TestFoldNameKeepsVoicedPairsApart(t *testing.T) {
	if FoldName("ヂ") == FoldName("ジ") || FoldName("ヅ") == FoldName("ズ") || FoldName("ハ") == FoldName("バ") {
		t.Error("folding made different kana equal")
	}
}

// part draws a name part of two to five large kana, as banks hold them.
var part = rapid.StringOfN(rapid.RuneFrom([]rune(wideKana+"ガギグゴザジズヂヅダドバブ-")), 2, 5, -1)

func TestMatchProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		family, given := part.Draw(t, "family"), part.Draw(t, "given")
		other := part.Draw(t, "other")
		full := family + " " + given
		if got := Match(full, family+given); got != Exact {
			t.Fatalf("a space made %v", got)
		}
		if got := Match(full, given+" "+family); got == None {
			t.Fatal("swapped parts are nobody")
		}
		for _, lone := range []string{family, given} {
			if got := Match(full, lone); got != None {
				t.Fatalf("Match(%q, %q) = %v: a part is missing", full, lone, got)
			}
		}
		narrow, err := Narrow(full)
		if err != nil || Match(full, narrow) != Exact {
			t.Fatalf("Match(%q, %q), %v", full, narrow, err)
		}
		if x, y := Match(full, family+" "+other), Match(family+" "+other, full); x != y {
			t.Fatalf("not symmetric: %v and %v", x, y)
		}
		if f := FoldName(full); FoldName(f) != f {
			t.Fatalf("FoldName(%q) is not stable", f)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("ヤマダ タロウ", "ﾔﾏﾀﾞ ﾀﾛｳ")
	f.Add("オオノ ケン", "オーノ ケン")
	f.Fuzz(func(t *testing.T, a, b string) {
		if Match(a, b) != Match(b, a) {
			t.Fatalf("Match(%q, %q) is not symmetric", a, b)
		}
		if FoldName(a) != "" && Match(a, a) != Exact {
			t.Fatalf("%q is not itself", a)
		}
	})
}
