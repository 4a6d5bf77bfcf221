package identity

import (
	"strings"

	"github.com/kozamori/kozamori/internal/kana"
)

// FoldName brings a typed name to the one form that crosses to banks: full-width katakana, one space between
// family and given name. Hiragana and half-width kana are taken; nothing else is changed.
func FoldName(s string) string { return strings.Join(strings.Fields(kana.Katakana(s)), " ") }

// validName wants at least two parts of katakana: a bank matches family and given name.
func validName(s string) bool {
	parts := strings.Split(s, " ")
	if len(parts) < 2 || len(s) > 200 {
		return false
	}
	for _, p := range parts {
		if p == "" {
			return false
		}
		for _, r := range p {
			if (r < 'ァ' || r > 'ヺ') && r != 'ー' && r != '・' {
				return false
			}
		}
	}
	return true
}

// Person is what a keyed hash of name and birth date is made of, to find namesakes: ジヨン is ジョン, with or
// without the space, as banks compare it.
func Person(nameKana, birthDate string) []string { return []string{kana.FoldName(nameKana), birthDate} }
