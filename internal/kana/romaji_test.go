package kana

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRomaji(t *testing.T) {
	for in, want := range map[string]string{
		"トウキョウ": "tokyo", "おおさか": "osaka", "ニイガタ": "niigata", "キュウシュウ": "kyushu",
		"サッポロ": "sapporo", "マッチャ": "matcha", "シンバシ": "shinbashi", "ジュウロク": "juroku",
		"ｼｽﾞｵｶ": "shizuoka", "フィリピン": "firipin", "ウェルズ": "weruzu", "チェンジ": "chenji",
		"ディズニー": "dizuni", "ヴァイオリン": "vaiorin", "トゥ": "tu", "アッ": "atsu", "ンァ": "na",
	} {
		if got := Romaji(in); got != want {
			t.Errorf("Romaji(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Spell("トウキョウ"); got != "toukyou" {
		t.Errorf("Spell = %q", got)
	}
}

func TestFoldRomaji(t *testing.T) {
	for _, same := range [][]string{
		{"tokyo", "toukyou", "Tōkyō", "TOKYO", "ｔｏｋｙｏ", "to-kyo"},
		{"shizuoka", "sizuoka", "Shizuoka"},
		{"chuo", "chuuou", "tyuuou", "chūō"},
		{"fukuoka", "hukuoka"},
		{"juroku", "jyuuroku", "zyuuroku"},
		{"tsu", "tu"},
		{"shimbashi", "sinbasi", "shinbashi"},
		{"matcha", "maccha", "mattya"},
		{"niigata", "nīgata"},
	} {
		for _, s := range same[1:] {
			if FoldRomaji(s) != FoldRomaji(same[0]) {
				t.Errorf("%q folds to %q, %q to %q", s, FoldRomaji(s), same[0], FoldRomaji(same[0]))
			}
		}
	}
	for whole, typed := range map[string]string{"shizuoka": "s sh shi siz", "chiba": "c ch chi t ti", "juroku": "j ju z zy", "tsu": "ts", "kyoto": "k ky kyo", "fukui": "f fu h"} {
		for _, part := range strings.Fields(typed) {
			if !strings.HasPrefix(FoldRomaji(whole), FoldRomaji(part)) {
				t.Errorf("%q (%q) does not begin with half-typed %q (%q)", whole, FoldRomaji(whole), part, FoldRomaji(part))
			}
		}
	}
}

func TestSpellIsLatin(t *testing.T) {
	kanaText := rapid.StringOf(rapid.RuneFrom([]rune(wideKana + smallKana + "ガヂヅパヴヰヱ")))
	rapid.Check(t, func(t *rapid.T) {
		s := kanaText.Draw(t, "s")
		latin := Spell(s)
		if strings.Trim(latin, "abcdefghijklmnopqrstuvwxyz") != "" || s != "" && latin == "" {
			t.Fatalf("Spell(%q) = %q", s, latin)
		}
		if k := FoldRomaji(latin); FoldRomaji(Romaji(s)) != k {
			t.Fatalf("%q: the page says %q, search says %q", s, Romaji(s), k)
		}
	})
}

func FuzzFoldRomaji(f *testing.F) {
	f.Add("Tōkyō")
	f.Add("shi")
	f.Fuzz(func(t *testing.T, s string) {
		FoldRomaji(s)
		Spell(s)
		Romaji(s)
	})
}
