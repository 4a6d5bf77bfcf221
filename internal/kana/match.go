package kana

import (
	"slices"
	"strings"
	"unicode"
)

// Closeness is how far two names agree, in the sense of Confirmation of Payee. The zero value is None,
// so that a forgotten comparison refuses.
type Closeness uint8

// The three answers of a comparison of names.
const (
	None  Closeness = iota // another person's name, or not enough to say
	Close                  // swapped parts, a spelling variant, or one slip of the hand
	Exact                  // the same once widths, spaces, small kana and marks are folded
)

// String is the word in evidence and logs: "none", "close", "exact".
func (c Closeness) String() string { return [...]string{"none", "close", "exact"}[c] }

// minEdit is the least number of kana on both sides for one slip to count as close: in a shorter name
// one kana is too much of it.
const minEdit = 4

// FoldName reduces a name to what banks compare: full-width large katakana and Latin capitals, "-" for
// every long mark or hyphen, no spaces, dots or commas. ヂ and ジ, ヅ and ズ stay apart.
func FoldName(s string) string {
	return strings.Map(func(r rune) rune {
		if l, ok := toLarge[r]; ok {
			return l
		}
		switch {
		case isMark(r):
			return '-'
		case unicode.IsSpace(r), r == '・', r == '.', r == ',', r == '、', r == '，', r == '\'':
			return -1
		}
		return r
	}, strings.ToUpper(Katakana(s)))
}

// Match compares a name with the one on record. It is symmetric. Exact after folding; Close where the
// parts stand in another order, where only long vowels, ヂジヅズ or old kana are spelt differently, or
// where one slip (a kana more, less, other, or two exchanged) lies between names of at least four kana.
// A name that lacks a whole part of the other is None.
func Match(a, b string) Closeness {
	fa, fb := FoldName(a), FoldName(b)
	switch {
	case fa == "" || fb == "":
		return None
	case fa == fb:
		return Exact
	}
	pa, pb := foldParts(a), foldParts(b)
	if lacksPart(pa, fb) || lacksPart(pb, fa) {
		return None
	}
	if swapped(pa, pb) {
		return Close
	}
	la, lb := []rune(strings.Join(pa, "")), []rune(strings.Join(pb, ""))
	if slices.Equal(la, lb) || len(la) >= minEdit && len(lb) >= minEdit && oneSlip(la, lb) {
		return Close
	}
	return None
}

// foldParts folds each part of a name, spelling variants too.
func foldParts(s string) []string {
	var parts []string
	for _, p := range strings.Fields(Katakana(s)) {
		if f := foldSpelling(FoldName(p)); f != "" {
			parts = append(parts, f)
		}
	}
	return parts
}

// lacksPart says whether other is only one of the parts, or all but one: somebody left a part out.
func lacksPart(parts []string, other string) bool {
	if len(parts) < 2 {
		return false
	}
	other = foldSpelling(other)
	for i, p := range parts {
		rest := strings.Join(slices.Delete(slices.Clone(parts), i, i+1), "")
		if other == p || other == rest {
			return true
		}
	}
	return false
}

// swapped says whether both names have the same parts in another order; where one side has no space,
// whether it is the other side's parts turned round.
func swapped(a, b []string) bool {
	turned := func(parts, whole []string) bool {
		if len(parts) != 2 || len(whole) != 1 {
			return false
		}
		return parts[1]+parts[0] == whole[0]
	}
	if turned(a, b) || turned(b, a) {
		return true
	}
	sa, sb := slices.Clone(a), slices.Clone(b)
	slices.Sort(sa)
	slices.Sort(sb)
	return len(sa) > 1 && slices.Equal(sa, sb)
}

// variants are kana that sound alike today.
var variants = pairs("ヂヅヲヰヱ", "ジズオイエ")

// foldSpelling makes spelling variants equal: kana that sound alike, and long vowels, which are written
// with a mark, by repeating the vowel, or as オウ and エイ.
func foldSpelling(folded string) string {
	var out []rune
	for _, r := range folded {
		if v, ok := variants[r]; ok {
			r = v
		}
		if len(out) > 0 {
			vowel := vowelOf(out[len(out)-1])
			if r == '-' && vowel != 0 || r == 'ウ' && vowel == 'オ' || r == 'イ' && vowel == 'エ' {
				r = vowel
			}
		}
		out = append(out, r)
	}
	return string(out)
}

// vowelRows are the large kana by the vowel they end in.
var vowelRows = [...]struct {
	vowel rune
	kana  string
}{
	{'ア', "アカサタナハマヤラワガザダバパ"},
	{'イ', "イキシチニヒミリギジヂビピヰ"},
	{'ウ', "ウクスツヌフムユルグズヅブプヴ"},
	{'エ', "エケセテネヘメレゲゼデベペヱ"},
	{'オ', "オコソトノホモヨロヲゴゾドボポ"},
}

// vowelOf is the vowel kana a large kana ends in, or 0.
func vowelOf(r rune) rune {
	for _, row := range vowelRows {
		if strings.ContainsRune(row.kana, r) {
			return row.vowel
		}
	}
	return 0
}

// oneSlip says whether one insertion, deletion, substitution or exchange of neighbours makes a into b.
func oneSlip(a, b []rune) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	switch len(b) - len(a) {
	case 1:
		return slices.Equal(a[i:], b[i+1:])
	case 0:
		if i == len(a) || slices.Equal(a[i+1:], b[i+1:]) {
			return true
		}
		return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && slices.Equal(a[i+2:], b[i+2:])
	}
	return false
}
