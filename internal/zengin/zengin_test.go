package zengin

import (
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/kana"
)

func TestEditions(t *testing.T) {
	for _, c := range []struct {
		dir             *Directory
		edition         string
		banks, branches int
	}{
		{Today(), "2026-08-24", 1146, 28944},
		{In2020(), "2020-04-20", 1258, 30495},
	} {
		banks := c.dir.Banks()
		n := 0
		for i, b := range banks {
			if i > 0 && banks[i-1].Code >= b.Code {
				t.Errorf("%s: %s is out of order", c.edition, b.Code)
			}
			if again, ok := c.dir.Bank(b.Code); !ok || again != b {
				t.Errorf("%s: %s is not found again", c.edition, b.Code)
			}
			branches := c.dir.Branches(b.Code)
			if len(branches) != b.branches {
				t.Errorf("%s: %s has %d branches, counted %d", c.edition, b.Code, len(branches), b.branches)
			}
			n += len(branches)
		}
		if len(banks) != c.banks || n != c.branches || c.dir.Edition() != c.edition {
			t.Errorf("%d banks, %d branches of %s; want %d, %d of %s", len(banks), n, c.dir.Edition(), c.banks, c.branches, c.edition)
		}
	}
}

// Everything in the directory can be written in a passbook, so a reading never breaks a narration.
func TestReadingsAreZenginText(t *testing.T) {
	for _, dir := range []*Directory{Today(), In2020()} {
		for _, b := range dir.Banks() {
			if _, err := kana.Narrow(b.Kana); err != nil {
				t.Errorf("%s %s: %v", b.Code, b.Name, err)
			}
			if b.Title() == "" || strings.TrimSpace(b.English()) == "" {
				t.Errorf("%s %s has no title", b.Code, b.Name)
			}
			for _, r := range dir.Branches(b.Code) {
				if _, err := kana.Narrow(r.Kana); err != nil {
					t.Errorf("%s-%s %s: %v", b.Code, r.Code, r.Name, err)
				}
				if back := large.Replace(modern(r.Name, r.Kana)); back != r.Kana {
					t.Errorf("%s-%s %s: %q was restored to other kana than %q", b.Code, r.Code, r.Name, back, r.Kana)
				}
			}
		}
	}
}

func TestLookUp(t *testing.T) {
	if b, ok := Today().Branch("0149", "388"); !ok || b.Name != "葵町" || b.Title() != "葵町支店" || b.English() != "Aoicho Branch" {
		t.Errorf("got %+v, %q, %q", b, b.Title(), b.English())
	}
	if b, ok := Today().Branch("0149", "111"); !ok || b.Title() != "本店営業部" || b.English() != "Head Office" {
		t.Errorf("got %+v, %q, %q", b, b.Title(), b.English())
	}
	for _, c := range [][2]string{{"0149", "999"}, {"0149", ""}, {"0149", "1"}, {"9999", "001"}, {"", ""}, {"0149", "388\t"}} {
		if b, ok := Today().Branch(id.Bank(c[0]), c[1]); ok {
			t.Errorf("%q found %+v", c, b)
		}
	}
	if _, ok := Today().Bank("0118"); ok {
		t.Error("みちのく is no bank of today")
	}
}

func TestTitles(t *testing.T) {
	for code, want := range map[string][2]string{
		"0149": {"静岡銀行", "Shizuoka Bank"},
		"0183": {"大分銀行", "Oita Bank"},
		"0116": {"北海道銀行", "Hokkaido Bank"},
		"0173": {"百十四銀行", "Hyakujushi Bank"},
		"0163": {"紀陽銀行", "Kiyo Bank"},
		"9900": {"ゆうちょ銀行", "Japan Post Bank"},
		"1344": {"城南信用金庫", "Jonan Shinkin Bank"},
		"1104": {"東奥信用金庫", "Too Shinkin Bank"},
		"1552": {"岡崎信用金庫", "Okazaki Shinkin Bank"},
		"2254": {"第一勧業信用組合", "Daiichikangyo Credit Cooperative"},
		"2950": {"労金連", "Rokinren"},
		"3000": {"農林中央金庫", "Norinchukin Bank"},
		"5114": {"横浜農業協同組合", "Yokohama Agricultural Cooperative"},
		"0430": {"ドイツ", "Deutsche Bank"},
		"0200": {"ワイズ・ペイメンツ・ジャパン", "Wise Payments Japan"},
		"0320": {"新生信託銀行", "Shinsei Trust Bank"},
	} {
		b, ok := Today().Bank(id.Bank(code))
		if !ok || b.Title() != want[0] || b.English() != want[1] {
			t.Errorf("%s: %q, %q; want %q", code, b.Title(), b.English(), want)
		}
	}
}

// Readings in the directory have large kana only; what the name or custom says is put back.
func TestModern(t *testing.T) {
	for _, c := range [][3]string{
		{"京都", "キヨウト", "キョウト"}, {"宮崎", "ミヤザキ", "ミヤザキ"}, {"札幌", "サツポロ", "サッポロ"}, {"松島", "マツシマ", "マツシマ"},
		{"千代田", "チヨダ", "チヨダ"}, {"町田", "マチダ", "マチダ"}, {"清瀬", "キヨセ", "キヨセ"}, {"東京清瀬", "トウキヨウキヨセ", "トウキョウキヨセ"},
		{"紀陽", "キヨウ", "キヨウ"}, {"東山", "ヒガシヤマ", "ヒガシヤマ"}, {"新横浜", "シンヨコハマ", "シンヨコハマ"}, {"西横浜", "ニシヨコハマ", "ニシヨコハマ"},
		{"ネット", "ネツト", "ネット"}, {"千葉ニュータウン", "チバニユータウン", "チバニュータウン"}, {"四日市", "ヨツカイチ", "ヨッカイチ"},
		{"四街道", "ヨツカイドウ", "ヨツカイドウ"}, {"戸塚", "トツカ", "トツカ"}, {"高槻", "タカツキ", "タカツキ"}, {"茶屋町", "チヤヤマチ", "チャヤマチ"},
		{"町屋", "マチヤ", "マチヤ"}, {"大津町", "オオツチヨウ", "オオツチョウ"}, {"富津", "フツツ", "フッツ"}, {"市役所", "シヤクシヨ", "シヤクショ"},
		{"八代", "ヤツシロ", "ヤツシロ"}, {"日吉", "ヒヨシ", "ヒヨシ"}, {"百五", "ヒヤクゴ", "ヒャクゴ"}, {"鳥取", "トツトリ", "トットリ"},
	} {
		if got := modern(c[0], c[1]); got != c[2] {
			t.Errorf("modern(%s, %s) = %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

func TestReadRefusesOddFiles(t *testing.T) {
	for _, packed := range [][]byte{nil, []byte("x"), todayFile[:1000], append([]byte{0x1f, 0x8b}, "broken"...)} {
		if _, err := read(packed); err == nil {
			t.Errorf("a broken file of %d bytes was read", len(packed))
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for b.Loop() {
		mustRead(todayFile)
	}
}
