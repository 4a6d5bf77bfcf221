package zengin

import (
	_ "embed"
	"strings"
	"sync"

	"github.com/kozamori/kozamori/internal/id"
	"golang.org/x/text/unicode/norm"
)

// class is the kind of institution, which the code's range gives away.
type class uint8

// The classes in the order in which search lists equal matches: the better known first.
const (
	city class = iota
	net
	regional
	secondRegional
	shinkin
	labour
	trust
	cooperative
	foreign
	agricultural
)

// ranges are the code ranges, each up to but not including its end.
var ranges = []struct {
	end   id.Bank
	class class
}{
	{"0030", city}, {"0100", net}, {"0200", regional}, {"0288", foreign}, {"0401", trust}, {"0501", foreign}, {"0600", secondRegional},
	{"1000", foreign}, {"2000", shinkin}, {"2950", cooperative}, {"3000", labour}, {"9900", agricultural}, {"9999", city},
}

// classOf is the class of a bank by its code.
func classOf(code id.Bank) class {
	for _, r := range ranges {
		if code < r.end {
			return r.class
		}
	}
	return foreign
}

// isBank says whether the code belongs to an institution whose name ends in 銀行 in law.
func isBank(code id.Bank) bool {
	switch classOf(code) {
	case city, net, regional, secondRegional, trust:
		return true
	}
	return false
}

// endings are the directory's abbreviations and what they stand for.
var endings = []struct{ short, long, english string }{
	{"信金中央金庫", "信金中央金庫", "Shinkin Central Bank"},
	{"信金", "信用金庫", " Shinkin Bank"},
	{"信組", "信用組合", " Credit Cooperative"},
	{"労金", "労働金庫", " Labour Bank"},
	{"農協", "農業協同組合", " Agricultural Cooperative"},
	{"信漁連", "信用漁業協同組合連合会", " Fishery Credit Federation"},
	{"漁協", "漁業協同組合", " Fishery Cooperative"},
	{"信連", "信用農業協同組合連合会", " Agricultural Credit Federation"},
	{"農林中金", "農林中央金庫", "Norinchukin Bank"},
	{"商工中金", "商工組合中央金庫", "Shoko Chukin Bank"},
}

// readings are how the endings are read.
var readings = []string{"シンキン", "シンクミ", "ロウキン", "ノウキヨウ", "シンギヨレン", "ギヨキヨウ", "シンレン"}

// Title is the name as people know it: "静岡銀行", "城南信用金庫".
func (b Bank) Title() string {
	for _, e := range endings {
		if stem, ok := strings.CutSuffix(b.Name, e.short); ok {
			return stem + e.long
		}
	}
	if !isBank(b.Code) {
		return b.Name
	}
	return b.Name + "銀行"
}

//go:embed data/english.tsv
var englishFile string

// englishNames are the names that banks give themselves in English, by the directory's name.
var englishNames = sync.OnceValue(func() map[string]string {
	names := make(map[string]string)
	for line := range strings.Lines(englishFile) {
		if name, english, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			names[name] = english
		}
	}
	return names
})

// English is the bank's own English name where the directory has it, else its reading: "Shizuoka Bank".
func (b Bank) English() string {
	if name, ok := englishNames()[b.Name]; ok {
		return name
	}
	for _, e := range endings {
		stem, ok := strings.CutSuffix(b.Name, e.short)
		switch {
		case ok && stem == "":
			return strings.TrimSpace(e.english)
		case ok:
			return romaji(stem, trimReading(b.Kana)) + e.english
		}
	}
	name := romaji(b.Name, b.Kana)
	if !isBank(b.Code) {
		return name
	}
	if stem, ok := strings.CutSuffix(name, "shintaku"); ok {
		return strings.TrimSpace(stem) + " Trust Bank"
	}
	return name + " Bank"
}

// trimReading takes the ending's reading away.
func trimReading(reading string) string {
	for _, r := range readings {
		if stem, ok := strings.CutSuffix(reading, r); ok && stem != "" {
			return stem
		}
	}
	return reading
}

// Title is the branch as people know it: "葵町支店", "本店営業部".
func (b Branch) Title() string {
	for _, end := range []string{"部", "所", "店", "センター", "課", "ローンプラザ"} {
		if strings.HasSuffix(b.Name, end) {
			return b.Name
		}
	}
	return b.Name + "支店"
}

// English is the branch's reading for English pages: "Aoicho Branch".
func (b Branch) English() string {
	switch {
	case strings.HasPrefix(b.Name, "本店"):
		return "Head Office"
	case strings.HasSuffix(b.Name, "出張所"):
		return romaji(b.Name, b.Kana) + " Sub-branch"
	}
	return romaji(b.Name, b.Kana) + " Branch"
}

// foldKanji makes old and variant characters and widths equal, for search and comparison of names.
func foldKanji(s string) string { return kanjiVariants.Replace(strings.ToUpper(norm.NFKC.String(s))) }

var kanjiVariants = strings.NewReplacer("ヶ", "ケ", "ヵ", "カ", "諌", "諫", "國", "国", "澤", "沢", "濱", "浜", "瀧", "滝", "縣", "県", " ", "")
