package zengin

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/kana"
	"golang.org/x/text/unicode/norm"
)

// keys are what a name is found by, folded.
type keys struct {
	code, name, kana string
	title            string   // the name in full
	script           string   // the name folded like a reading, for names written in kana
	latin            []string // reading in romaji (as listed, with small kana, with doubled consonants), English
}

type bankKey struct {
	bank Bank
	keys keys
}

// match is how well a query fits; less is better.
type match uint8

const (
	whole match = iota
	prefix
	inside
	miss
)

// makeKeys folds all banks once.
func (d *Directory) makeKeys() []bankKey {
	list := make([]bankKey, len(d.banks))
	for i, b := range d.banks {
		k := keysOf(string(b.Code), b.Name, b.Kana)
		k.title = foldKanji(b.Title())
		k.latin = append(k.latin, foldLatin(b.English()))
		list[i] = bankKey{b.Bank, k}
	}
	return list
}

// keysOf folds one name.
func keysOf(code, name, reading string) keys {
	return keys{code: code, name: foldKanji(name), kana: kana.FoldName(reading), script: kana.FoldName(name), latin: latinKeys(reading)}
}

// keysNeeded folds a branch only in the ways that the query asks about: there may be hundreds.
func (q query) keysNeeded(b Branch) keys {
	k := keys{code: b.Code}
	if q.name != "" || q.title != "" {
		k.name = foldKanji(b.Name)
	}
	if q.kana != "" {
		k.kana, k.script = kana.FoldName(b.Kana), kana.FoldName(b.Name)
	}
	if q.latin != "" {
		k.latin = latinKeys(b.Kana)
	}
	return k
}

// latinKeys are the spellings in Latin letters that a reading in large kana may stand for: キヨウト is
// typed "kyoto" as well as, half way, "kiyo"; ニツポン is typed "nippon".
func latinKeys(reading string) []string {
	listed := kana.FoldRomaji(kana.Spell(reading))
	joined := joinSounds(listed)
	return []string{listed, joined, doubled.Replace(joined)}
}

// doubled drops a ツ that may be a small one, as a doubled consonant is folded to one.
var doubled = strings.NewReplacer("tuk", "k", "tus", "s", "tut", "t", "tup", "p")

// joinSounds turns "kiyo" into "kyo" wherever a consonant stands before "iy".
func joinSounds(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] == 'i' && i > 0 && i+1 < len(s) && s[i+1] == 'y' && !strings.ContainsRune("aeou", rune(s[i-1])) {
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// query is what somebody has typed so far, folded in the ways its script allows.
type query struct {
	code, name, title, kana, latin string
	ja                             bool // agricultural cooperatives only
}

// words that people add to names in full, and what the directory writes instead.
var (
	nameWords = strings.NewReplacer("信用金庫", "信金", "信用組合", "信組", "労働金庫", "労金", "農業協同組合", "農協", "銀行", "", "支店", "")
	kanaWords = strings.NewReplacer("シンヨウキンコ", "シンキン", "シンヨウクミアイ", "シンクミ", "ロウドウキンコ", "ロウキン", "ギンコウ", "", "シテン", "")
)

// parseQuery reads a query: digits are a code, kana a reading, Latin letters romaji, anything with kanji a name.
func parseQuery(typed string) query {
	text := strings.TrimSpace(norm.NFKC.String(typed))
	var q query
	if rest, ok := strings.CutPrefix(text, "JA"); ok && strings.IndexFunc(rest, func(r rune) bool { return isHan(r) || isKana(r) }) >= 0 {
		text, q.ja = rest, true
	}
	switch {
	case text == "" || len(text) > 200:
	case strings.IndexFunc(text, unicode.IsLetter) < 0:
		q.code, q.latin = text, text
	case strings.EqualFold(text, "JA"):
		q.name = "農協"
	case strings.IndexFunc(text, isHan) >= 0:
		q.name, q.title = foldKanji(trimWords(nameWords, text)), foldKanji(text)
	case strings.IndexFunc(text, isKana) >= 0:
		half := strings.TrimRightFunc(text, func(r rune) bool { return r <= unicode.MaxASCII }) // しずおk
		q.kana = trimWords(kanaWords, kana.FoldName(half))
	default:
		q.latin, q.name = foldLatin(text), foldKanji(text)
	}
	return q
}

// trimWords takes the added words away unless nothing would be left.
func trimWords(words *strings.Replacer, s string) string {
	if short := words.Replace(s); short != "" {
		return short
	}
	return s
}

// foldLatin folds romaji or English, without the words for bank and branch.
func foldLatin(s string) string {
	var kept []string
	for _, w := range strings.Fields(strings.ToLower(s)) {
		switch w {
		case "bank", "of", "the", "ginko", "ginkou", "branch", "shiten":
		default:
			kept = append(kept, w)
		}
	}
	if len(kept) == 0 {
		return kana.FoldRomaji(s)
	}
	return kana.FoldRomaji(strings.Join(kept, ""))
}

func isHan(r rune) bool { return unicode.Is(unicode.Han, r) }

func isKana(r rune) bool { return unicode.In(r, unicode.Hiragana, unicode.Katakana) }

// fit compares a query with the keys of a name.
func (q query) fit(k keys) match {
	best := miss
	if q.code != "" && strings.HasPrefix(k.code, q.code) {
		best = fitText(q.code, k.code)
	}
	best = min(best, fitText(q.name, k.name), fitText(q.title, k.title), fitText(q.kana, k.kana), fitText(q.kana, k.script))
	for _, l := range k.latin {
		best = min(best, fitText(q.latin, l))
	}
	return best
}

// fitText compares one folded text; an empty query fits nothing.
func fitText(q, key string) match {
	switch {
	case q == "":
		return miss
	case q == key:
		return whole
	case strings.HasPrefix(key, q):
		return prefix
	case len(q) > 1 && strings.Contains(key, q):
		return inside
	}
	return miss
}

// Search finds at most n banks for what somebody has typed so far: the beginning of a code, or any part of
// the name in kanji, kana of any width, romaji or English. Beginnings come before middles, well-known kinds
// of banks before small ones, large before small.
func (d *Directory) Search(typed string, n int) []Bank {
	q := parseQuery(typed)
	type hit struct {
		Bank
		match match
	}
	var hits []hit
	for _, k := range d.keys() {
		if q.ja && classOf(k.bank.Code) != agricultural {
			continue
		}
		if m := q.fit(k.keys); m != miss {
			hits = append(hits, hit{k.bank, m})
		}
	}
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.match, b.match), cmp.Compare(classOf(a.Code), classOf(b.Code)),
			cmp.Compare(b.branches, a.branches), cmp.Compare(a.Code, b.Code))
	})
	var list []Bank
	for _, h := range hits[:min(n, len(hits))] {
		list = append(list, h.Bank)
	}
	return list
}

// SearchBranch finds at most n branches of a bank, in the manner of Search.
func (d *Directory) SearchBranch(bank id.Bank, typed string, n int) []Branch {
	q := parseQuery(typed)
	type hit struct {
		Branch
		match match
	}
	var hits []hit
	d.eachBranch(bank, func(b Branch) bool {
		if m := q.fit(q.keysNeeded(b)); m != miss {
			hits = append(hits, hit{b, m})
		}
		return true
	})
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.match, b.match), cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Code, b.Code))
	})
	var list []Branch
	for _, h := range hits[:min(n, len(hits))] {
		list = append(list, h.Branch)
	}
	return list
}
