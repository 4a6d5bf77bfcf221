package zengin

import (
	"strings"

	"github.com/kozamori/kozamori/internal/kana"
)

// The directory writes readings in large kana only: キヨウト for キョウト, サツポロ for サッポロ. For English
// pages the small ones are put back: first from the name itself where it is written in kana, then by what
// is usual, except where a character of the name says otherwise. It is a reading aid, no official name.

// largeAfter lists where a kana stays large: the text before it, itself and after it (in the reading),
// and the characters of the name that make it so. No characters: always.
var largeAfter = []struct{ before, self, after, because string }{
	{"ミ", "ヤ", "", ""}, {"", "ヤ", "マ", "山"}, {"シ", "ヤ", "ク", "役"}, {"チ", "ヤ", "", "屋谷知"}, {"ヂ", "ヤ", "", "谷"},
	{"ヒ", "ヤ", "", "檜桧日冷火"}, {"キ", "ヤ", "", "木谷屋"}, {"シ", "ヤ", "", "谷屋八矢"}, {"リ", "ヤ", "", "谷屋守"}, {"ニ", "ヤ", "", "谷屋"},
	{"キ", "ヨ", "", "清潔聖浄"}, {"キ", "ヨ", "ウ", "紀"}, {"チ", "ヨ", "", "代"}, {"ヒ", "ヨ", "シ", "日"}, {"ミ", "ヨ", "", "御三"}, {"ニ", "ヨ", "ン", "四"},
	{"", "ヨ", "コ", "横"}, {"", "ヨ", "ネ", "米"}, {"", "ヨ", "ド", "淀"}, {"", "ヨ", "シ", "吉好義芳良葭善"}, {"", "ヨ", "ツ", "四"},
	{"", "ユ", "", "湯由弓雪柚"},
	{"マ", "ツ", "", ""}, {"ム", "ツ", "", ""}, {"ミ", "ツ", "", ""}, {"カ", "ツ", "", "勝葛桂克"}, {"タ", "ツ", "", "竜龍立辰達巽"},
	{"ア", "ツ", "", "厚熱渥温"}, {"ナ", "ツ", "", "夏"}, {"イ", "ツ", "", "五"}, {"ヨ", "ツ", "", "四"}, {"ウ", "ツ", "", ""}, {"オ", "ツ", "", "乙"},
	{"ク", "ツ", "", "沓"}, {"ヤ", "ツ", "", "八"}, {"フ", "ツ", "カ", "二"}, {"エ", "ツ", "シ", "市"}, {"ベ", "ツ", "カ", "別"}, {"ベ", "ツ", "チ", "別"}, {"ハ", "ツ", "", "初廿"},
	{"", "ツ", "カ", "塚"}, {"", "ツ", "キ", "月槻築付着突"}, {"", "ツ", "ケ", "付附漬"}, {"", "ツ", "チ", "土"}, {"", "ツ", "ク", "筑築佃作造"},
	{"", "ツ", "ツ", "筒堤続都"}, {"", "ツ", "", "津"},
}

// smallDespite are names that break the rules above.
var smallDespite = []struct {
	name string
	kana rune
}{
	{"富津", 'ツ'}, {"摂津", 'ツ'}, {"四日市", 'ツ'}, {"三日", 'ツ'}, {"三ヶ日", 'ツ'}, {"三ケ日", 'ツ'}, {"松任", 'ツ'}, {"茶", 'ヤ'},
}

// modern puts small kana back into a reading of the directory.
func modern(name, reading string) string {
	out := []rune(reading)
	fixed := alignKana(out, name)
	for i := 1; i < len(out); i++ {
		if fixed[i] {
			continue
		}
		small, candidate := shrink(out, i)
		if candidate && !staysLarge(out, i, name) {
			out[i] = small
		}
	}
	return string(out)
}

// large writes kana as the directory does.
var large = strings.NewReplacer("ァ", "ア", "ィ", "イ", "ゥ", "ウ", "ェ", "エ", "ォ", "オ", "ッ", "ツ", "ャ", "ヤ", "ュ", "ユ", "ョ", "ヨ", "ヮ", "ワ", "ヵ", "カ", "ヶ", "ケ")

// alignKana copies the kana of the name over the same kana of the reading, and says which places it knows.
func alignKana(out []rune, name string) []bool {
	fixed := make([]bool, len(out))
	runs := strings.FieldsFunc(kana.Katakana(name), func(r rune) bool { return !(r >= 'ァ' && r <= 'ヶ' || r == 'ー') })
	for _, run := range runs {
		want := []rune(run)
		if len(want) < 2 {
			continue
		}
		reading := large.Replace(string(out))
		at := strings.Index(reading, large.Replace(run))
		if at < 0 {
			continue
		}
		from := len([]rune(reading[:at]))
		for i, r := range want {
			out[from+i], fixed[from+i] = r, true
		}
	}
	return fixed
}

// shrink says which small kana may stand at a place by the sounds around it.
func shrink(out []rune, i int) (rune, bool) {
	switch out[i] {
	case 'ヤ', 'ユ', 'ヨ':
		if strings.ContainsRune("キシチニヒミリギジヂビピ", out[i-1]) {
			return out[i] - 1, true
		}
	case 'ツ':
		if i+1 < len(out) && strings.ContainsRune("カキクケコサシスセソタチツテトパピプペポ", out[i+1]) && out[i-1] != 'ー' && out[i-1] != 'ン' && out[i-1] != ' ' {
			return 'ッ', true
		}
	}
	return 0, false
}

// staysLarge says whether the name asks for the large kana at a place.
func staysLarge(out []rune, i int, name string) bool {
	for _, s := range smallDespite {
		if out[i] == s.kana && strings.Contains(name, s.name) {
			return false
		}
	}
	after := ""
	if i+1 < len(out) {
		after = string(out[i+1])
	}
	for _, rule := range largeAfter {
		if string(out[i]) != rule.self || rule.before != "" && rule.before != string(out[i-1]) || rule.after != "" && rule.after != after {
			continue
		}
		if rule.because == "" {
			return true
		}
		if strings.ContainsAny(name, rule.because) && (rule.after != "" || after != "ウ" || out[i] == 'ツ') {
			return true
		}
	}
	return false
}

// romaji is a reading in Latin letters with capitals, for English pages.
func romaji(name, reading string) string {
	words := strings.FieldsFunc(kana.Romaji(modern(name, reading)), func(r rune) bool { return r == ' ' || r == '・' })
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, " ")
}
