package kana

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// hepburn is one katakana at a time; what small kana do to it is in Spell.
var hepburn = func() map[rune]string {
	const kana = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヰヱヲン" +
		"ガギグゲゴザジズゼゾダヂヅデドバビブベボパピプペポヴ" + smallKana
	const latin = "a i u e o ka ki ku ke ko sa shi su se so ta chi tsu te to na ni nu ne no ha hi fu he ho " +
		"ma mi mu me mo ya yu yo ra ri ru re ro wa i e o n " +
		"ga gi gu ge go za ji zu ze zo da ji zu de do ba bi bu be bo pa pi pu pe po vu " +
		"a i u e o tsu ya yu yo wa ka ke"
	m := make(map[rune]string)
	words := strings.Fields(latin)
	for i, r := range []rune(kana) {
		m[r] = words[i]
	}
	return m
}()

// Spell writes kana letter by letter in Hepburn: トウキョウ is "toukyou". The long mark and what is not
// kana stay as they are, in lower case.
func Spell(s string) string {
	runes := []rune(strings.ToLower(Katakana(s)))
	var b strings.Builder
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		latin, ok := hepburn[r]
		switch {
		case !ok:
			b.WriteRune(r)
			continue
		case r == 'ッ' && i+1 < len(runes) && doubles(runes[i+1]) != "":
			b.WriteString(doubles(runes[i+1]))
			continue
		}
		if i+1 < len(runes) {
			if joined, ok := join(r, latin, runes[i+1]); ok {
				latin, i = joined, i+1
			}
		}
		b.WriteString(latin)
	}
	return b.String()
}

// doubles is the letter a small ツ stands for before a kana, "" before a vowel.
func doubles(next rune) string {
	latin := hepburn[next]
	switch {
	case latin == "" || strings.ContainsAny(latin[:1], "aiueon"):
		return ""
	case strings.HasPrefix(latin, "ch"):
		return "t"
	}
	return latin[:1]
}

// join writes a kana and the small kana after it as one sound: キ+ャ "kya", テ+ィ "ti".
func join(r rune, latin string, small rune) (string, bool) {
	after := hepburn[small]
	stem := latin[:len(latin)-1]
	switch {
	case r == 'ン' || stem == "" && r != 'ウ':
		return "", false
	case strings.ContainsRune("ャュョ", small):
		if stem == "sh" || stem == "ch" || stem == "j" {
			return stem + after[1:], true
		}
		return stem + after, true
	case strings.ContainsRune("ァィゥェォ", small):
		if r == 'ウ' {
			stem = "w"
		}
		return stem + after, true
	}
	return "", false
}

// Romaji writes kana for English pages: Hepburn as passports have it, without marks for long vowels
// (トウキョウ is "tokyo", ニイガタ stays "niigata").
func Romaji(s string) string {
	var out []byte
	var before byte // the letter before, unless it already was the second half of a long vowel
	for _, c := range []byte(Spell(strings.ReplaceAll(Katakana(s), "ー", ""))) {
		if before == 'o' && (c == 'u' || c == 'o') || before == 'u' && c == 'u' {
			before = 0
			continue
		}
		out = append(out, c)
		before = c
	}
	return string(out)
}

// kunrei are the spellings that FoldRomaji makes equal, longest first. The bare forms at the end are
// what stands at the end of a word half typed.
var kunrei = strings.NewReplacer(
	"shi", "si", "sh", "sy", "cchi", "ti", "cch", "ty", "chi", "ti", "ch", "ty", "tsu", "tu", "ts", "t",
	"ji", "zi", "jy", "zy", "j", "zy", "dzu", "zu", "du", "zu", "di", "zi", "dz", "z",
	"fu", "hu", "f", "h", "mb", "nb", "mp", "np", "mm", "nm",
	"l", "r", "v", "b", "q", "k", "ck", "k", "c", "k",
)

// FoldRomaji reduces what people type in Latin letters to one form for search, so that Hepburn, Kunrei
// and macrons find the same: "Tōkyō", "toukyou", "tokyo"; "chuo", "tyuuou". A last "c" says nothing yet
// and is dropped. It is no spelling to show.
func FoldRomaji(s string) string {
	var plain strings.Builder
	for _, r := range norm.NFD.String(norm.NFKC.String(s)) {
		if r = unicode.ToLower(r); r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			plain.WriteRune(r)
		}
	}
	folded := kunrei.Replace(strings.TrimSuffix(plain.String(), "c"))
	if !strings.HasSuffix(plain.String(), "y") {
		folded = strings.TrimSuffix(folded, "y") // "sh", "ch", "j" half typed
	}
	var out []rune
	for _, c := range folded {
		if n := len(out); n > 0 && c >= 'a' && (out[n-1] == c || out[n-1] == 'o' && c == 'u') {
			continue
		}
		out = append(out, c)
	}
	return string(out)
}
