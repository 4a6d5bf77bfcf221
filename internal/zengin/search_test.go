package zengin

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// names are the codes and names of a result, for messages.
func names(list []Bank) string {
	var s []string
	for _, b := range list {
		s = append(s, string(b.Code)+b.Name)
	}
	return strings.Join(s, " ")
}

func TestSearchFindsFirst(t *testing.T) {
	for typed, want := range map[string]string{
		"し": "", "しずお": "静岡", "しずおk": "静岡", "ｼｽﾞｵ": "静岡", "シズオカ": "静岡", "静岡": "静岡", "静岡銀行": "静岡", "しずおかぎんこう": "静岡",
		"shizuo": "静岡", "sizuoka": "静岡", "Shizuoka Bank": "静岡", "ＳＨＩＺＵＯＫＡ": "静岡", "0149": "静岡", "０１４９": "静岡",
		"みずほ": "みずほ", "mizuho": "みずほ", "まるｍ": "", "ゆうちょ": "ゆうちょ", "ゆうちよ": "ゆうちょ", "yucho": "ゆうちょ", "post": "ゆうちょ", "japan post": "ゆうちょ",
		"sony": "ソニー", "ソニ－": "ソニー", "そにー": "ソニー", "aeon": "イオン", "ufj": "三菱ＵＦＪ", "ＵＦＪ": "三菱ＵＦＪ", "みつびし": "三菱ＵＦＪ",
		"kyoto": "京都", "kiyou": "紀陽", "きよう": "紀陽", "tottori": "鳥取", "hyakujushi": "百十四", "ひゃくじゅうし": "百十四", "77": "七十七",
		"77 bank": "七十七", "san ju san": "三十三", "oita": "大分", "ōita": "大分", "大分": "大分", "ryukyu": "琉球", "riyuukiyuu": "琉球",
		"城南信用金庫": "城南信金", "じょうなんしんようきんこ": "城南信金", "横浜農業協同組合": "横浜農協", "JA横浜": "横浜農協", "JAよこ": "横浜農協", "ＪＡ": "山口県農協", "北国": "北國", "みちのく": "みちのく村山農協",
	} {
		got := Today().Search(typed, 5)
		if want == "" {
			continue
		}
		if len(got) == 0 || got[0].Name != want {
			t.Errorf("%q found %s; want %s first", typed, names(got), want)
		}
	}
	for _, typed := range []string{"", "   ", "zzqx", "あいうえおか", "'; drop table", strings.Repeat("あ", 1000), "\xff"} {
		if got := Today().Search(typed, 5); len(got) != 0 {
			t.Errorf("%q found %s", typed, names(got))
		}
	}
}

func TestSearchRanksKnownBanksFirst(t *testing.T) {
	if got := names(Today().Search("ちば", 3)); got != "0134千葉 0135千葉興業 1260千葉信金" {
		t.Errorf("ちば: %s", got)
	}
	if got := names(Today().Search("とう", 4)); !strings.HasPrefix(got, "0126東邦") && !strings.HasPrefix(got, "0124東北") {
		t.Errorf("とう: %s", got)
	}
	if got := Today().Search("014", 20); names(got[:3]) != "0140第四北越 0144北陸 0149静岡" {
		t.Errorf("014: %s", names(got))
	}
}

// Whoever types a bank's own name, reading, English name or code finds it, and finds it earlier with each letter.
func TestSearchFindsEveryBank(t *testing.T) {
	banks := Today().Banks()
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SampledFrom(banks).Draw(t, "bank")
		for _, typed := range []string{b.Name, b.Title(), b.Kana, b.English(), string(b.Code)} {
			found := false
			for _, got := range Today().Search(typed, 60) {
				found = found || got.Code == b.Code
			}
			if !found {
				t.Fatalf("%q does not find %s %s", typed, b.Code, b.Name)
			}
		}
	})
}

func TestSearchBranch(t *testing.T) {
	for _, c := range []struct{ typed, want string }{
		{"ほんてん", "本店営業部"}, {"本店", "本店営業部"}, {"honten", "本店営業部"}, {"111", "本店営業部"}, {"aoi", "葵町"}, {"あおい", "葵町"}, {"葵町支店", "葵町"},
		{"yokohama", "横浜"}, {"よこはま", "横浜"}, {"shinjuku", "新宿"}, {"sinzyuku", "新宿"}, {"しんじゅく", "新宿"}, {"しんじゅくしてん", "新宿"},
	} {
		got := Today().SearchBranch("0149", c.typed, 5)
		if len(got) == 0 || got[0].Name != c.want {
			t.Errorf("%q found %v; want %s first", c.typed, got, c.want)
		}
	}
	if got := Today().SearchBranch("9999", "ほんてん", 5); got != nil {
		t.Errorf("an unknown bank has %v", got)
	}
}

func TestSearchIsFastEnoughToType(t *testing.T) {
	Today().Search("x", 1) // decoding and folding are done once
	start := time.Now()
	const rounds = 20
	for range rounds {
		Today().Search("しず", 10)
		Today().SearchBranch("0005", "shin", 10) // the bank with most branches
	}
	if each := time.Since(start) / rounds; each > 100*time.Millisecond {
		t.Errorf("a keystroke takes %v", each)
	}
}

func FuzzSearch(f *testing.F) {
	for _, s := range []string{"しずおk", "0149", "kyoto", "静岡銀行", "ＪＡ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := Today().Search(s, 3); len(got) > 3 {
			t.Fatalf("%d results", len(got))
		}
		Today().SearchBranch("0149", s, 3)
	})
}

func BenchmarkSearch(b *testing.B) {
	Today().Search("x", 1)
	for b.Loop() {
		Today().Search("しず", 10)
	}
}

func BenchmarkSearchBranch(b *testing.B) {
	for b.Loop() {
		Today().SearchBranch("0005", "shin", 10)
	}
}
