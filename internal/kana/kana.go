// Package kana writes and compares Japanese names and narration: what fits a passbook line, what two
// spellings of a name have in common, and how a reading looks in Latin letters. It never drops a
// character silently: what cannot be written is an error.
package kana

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// ErrUnfit says that a text holds a character which its target alphabet lacks; the wrapping error names it.
var ErrUnfit = errors.New("kana: character does not fit")

// NarrationWidth is how many half-width cells a passbook narration has: field "tekiyo" of the Zengin
// statement record, C(20). A voiced mark takes a cell of its own.
const NarrationWidth = 20

const (
	voiced     = '\u3099' // combining dakuten
	semivoiced = '\u309A' // combining handakuten
)

// The alphabet of Zengin files and passbooks, full width above half width: no small kana, no long mark.
const (
	wideKana   = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン"
	narrowKana = "ｱｲｳｴｵｶｷｸｹｺｻｼｽｾｿﾀﾁﾂﾃﾄﾅﾆﾇﾈﾉﾊﾋﾌﾍﾎﾏﾐﾑﾒﾓﾔﾕﾖﾗﾘﾙﾚﾛﾜｦﾝ"
	takeVoiced = "ウカキクケコサシスセソタチツテトハヒフヘホ"
	takeSemi   = "ハヒフヘホ"
	smallKana  = "ァィゥェォッャュョヮヵヶ"
	largeKana  = "アイウエオツヤユヨワカケ"
	symbols    = " ()-/.,¥"
)

// pairs reads two texts of equal length as a mapping.
func pairs(from, to string) map[rune]rune {
	f, t := []rune(from), []rune(to)
	m := make(map[rune]rune, len(f))
	for i, r := range f {
		m[r] = t[i]
	}
	return m
}

var (
	toNarrow = pairs(wideKana+"「」", narrowKana+"｢｣")
	toWide   = pairs(narrowKana+"｢｣", wideKana+"「」")
	toLarge  = pairs(smallKana, largeKana)
)

// isMark says whether r is one of the strokes people type for the long vowel mark or a hyphen.
func isMark(r rune) bool {
	switch r {
	case 'ー', '-', '‐', '‑', '‒', '–', '—', '―', '−', '─', '━', '－', 'ｰ':
		return true
	}
	return false
}

// Katakana folds widths and scripts: half-width and hiragana become full-width katakana, full-width
// Latin letters and digits ASCII, every space one ordinary space. Small kana and marks stay.
func Katakana(s string) string {
	s = strings.Map(func(r rune) rune {
		switch r {
		case '゛':
			return voiced // NFKC would put a space before it
		case '゜':
			return semivoiced
		}
		return r
	}, s)
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'ぁ' && r <= 'ゖ':
			return r + ('ァ' - 'ぁ')
		case r == '\t' || r == '\u3000':
			return ' '
		}
		return r
	}, norm.NFKC.String(s))
	return norm.NFC.String(s)
}

// Narrow writes a text in the half-width alphabet of Zengin files and passbooks: capitals, large kana,
// voiced marks apart, "-" for the long mark. It returns ErrUnfit for any character that the alphabet
// lacks (kanji, ヰ, ヱ, a voiced mark on a kana that takes none).
func Narrow(s string) (string, error) {
	if isNarrow(s) {
		return s, nil
	}
	return narrow(s)
}

// narrow is Narrow for any text.
func narrow(s string) (string, error) {
	var b strings.Builder
	var base rune // the kana a voiced mark would belong to
	for _, r := range norm.NFD.String(Katakana(s)) {
		if l, ok := toLarge[r]; ok {
			r = l
		}
		out := r
		switch {
		case toNarrow[r] != 0:
			out = toNarrow[r]
		case isMark(r):
			out = '-'
		case r == '・':
			out = '.' // as the Zengin directory writes it
		case r >= 'a' && r <= 'z':
			out = r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(symbols, r):
		case r == voiced && strings.ContainsRune(takeVoiced, base):
			out = 'ﾞ'
		case r == semivoiced && strings.ContainsRune(takeSemi, base):
			out = 'ﾟ'
		default:
			return "", fmt.Errorf("%w: %q", ErrUnfit, r) // the character only: the text may be somebody's name
		}
		base = r
		b.WriteRune(out)
	}
	return b.String(), nil
}

// isNarrow says that a text is what Narrow would write, at a glance: programs send what they have from passbooks and
// files, and normalizing costs a hundred times as much.
func isNarrow(s string) bool {
	var before rune
	for _, r := range s {
		switch {
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(symbols, r), toWide[r] != 0:
		case r == 'ﾞ' && strings.ContainsRune(takeVoiced, toWide[before]):
		case r == 'ﾟ' && strings.ContainsRune(takeSemi, toWide[before]):
		default:
			return false
		}
		before = r
	}
	return true
}

// Narration is Narrow for a passbook line: at most NarrationWidth cells and not blank.
func Narration(s string) (string, error) {
	n, err := Narrow(strings.TrimSpace(s))
	if err != nil {
		return "", err
	}
	if cells := len([]rune(n)); cells == 0 || cells > NarrationWidth {
		return "", fmt.Errorf("%w: %d cells, a narration has 1 to %d", ErrUnfit, cells, NarrationWidth)
	}
	return n, nil
}

// Name reads a person's kana name as typed (hiragana, half-width, odd spaces) into the form messages
// carry: full-width katakana, one space between its parts. It returns ErrUnfit for anything but kana,
// the long mark, the middle dot and Latin capitals, and where there is only one part.
func Name(s string) (string, error) {
	parts := strings.Fields(Katakana(s))
	if len(parts) < 2 {
		return "", fmt.Errorf("%w: a name has a family and a given part with a space between", ErrUnfit)
	}
	name := strings.ToUpper(strings.Join(parts, " "))
	var b strings.Builder
	var before rune
	for _, r := range name {
		if isMark(r) && before >= 'ァ' && before <= 'ー' {
			r = 'ー'
		}
		if !(r >= 'ァ' && r <= 'ヴ' || r == 'ヵ' || r == 'ヶ' || r == 'ー' || r == '・' || r == ' ' || r == '-' || r >= 'A' && r <= 'Z') {
			return "", fmt.Errorf("%w: %q in a kana name", ErrUnfit, r)
		}
		b.WriteRune(r)
		before = r
	}
	return b.String(), nil
}
