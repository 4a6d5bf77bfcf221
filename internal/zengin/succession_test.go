package zengin

import (
	"errors"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
)

// The list of the incident, as published.
const published = "みずほ 三井住友 ゆうちょ イオン 伊予 池田泉州 愛媛 大分 大垣共立 紀陽 京都 滋賀 静岡 七十七 十六 スルガ 仙台 ソニー 但馬 第三 千葉 " +
	"千葉興業 中国 東邦 鳥取 南都 西日本シティ 八十二 肥後 百十四 広島 福岡 北洋 みちのく 琉球"

func TestTheThirtyFiveBanks(t *testing.T) {
	want := strings.Fields(published)
	banks := Incident2020()
	if len(banks) != 35 || len(want) != 35 {
		t.Fatalf("%d banks, %d names", len(banks), len(want))
	}
	same := 0
	merged := map[string]string{}
	for i, b := range banks {
		if b.Name != want[i] {
			t.Errorf("%d is %s, want %s", i, b.Name, want[i])
		}
		now, ok := SuccessorOf(b.Code)
		switch {
		case !ok:
			t.Errorf("%s has no bank today", b.Name)
		case now.Name == b.Name && now.Code == b.Code:
			same++
		default:
			merged[b.Name] = now.Name + " " + string(now.Code)
		}
		if branches := In2020().Branches(b.Code); len(branches) == 0 {
			t.Errorf("%s has no branches in 2020", b.Name)
		}
	}
	if same != 32 || len(merged) != 3 || merged["第三"] != "三十三 0154" || merged["八十二"] != "八十二長野 0143" || merged["みちのく"] != "青森みちのく 0117" {
		t.Errorf("%d under the same name, merged %v", same, merged)
	}
}

func TestResolve(t *testing.T) {
	for _, c := range []struct {
		bank, branch, day string
		want              string // bank-branch name
	}{
		{"0546", "240", "2020-09-01", "0546-240津"},
		{"0546", "240", "2021-04-30", "0546-240津"},
		{"0546", "240", "2021-05-01", "0154-240津"},
		{"0154", "240", "2026-11-23", "0154-240津"}, // already the new codes
		{"0118", "106", "2024-12-31", "0118-106堅田"},
		{"0118", "106", "2025-01-01", "0117-227堅田"},
		{"0118", "042", "2026-11-23", "0117-042青森古川"},   // the 古川 of today is another branch
		{"0118", "030", "2026-11-23", "0117-520五所川原中央"}, // likewise
		{"0117", "104", "2026-11-23", "0117-104古川"},
		{"0143", "210", "2025-12-31", "0143-210本店"},
		{"0143", "210", "2026-01-01", "0143-210本店営業部"},
		{"0180", "500", "2026-11-23", "0181-500諫早"},
		{"0544", "801", "2026-11-23", "0542-870大阪中央"},
		{"0537", "110", "2026-11-23", "0147-110春江中央"},
		{"0149", "388", "2020-09-01", "0149-388葵町"},
		{"0149", "522", "2020-09-01", "0149-522白楽"}, // moved and renamed since
		{"0149", "522", "2026-11-23", "0149-522新横浜"},
		{"0150", "702", "2021-01-01", "0150-702清水駅"}, // closed before the newer edition, nobody knows when
	} {
		b, err := Resolve(id.Bank(c.bank), c.branch, c.day)
		if got := string(b.Bank) + "-" + b.Code + b.Name; err != nil || got != c.want {
			t.Errorf("%s-%s on %s: %s, %v; want %s", c.bank, c.branch, c.day, got, err, c.want)
		}
	}
	for _, c := range []struct {
		bank, branch, day string
		want              error
	}{
		{"0118", "017", "2026-11-23", ErrUnknownMove}, // 亀甲町: nothing in the data says where
		{"0533", "121", "2026-11-23", ErrUnknownMove}, // 豊科: the successor's own 豊科 is older
		{"0544", "319", "2026-11-23", ErrUnknownMove},
		{"0118", "999", "2026-11-23", ErrNoBranch},
		{"0150", "702", "2026-11-23", ErrNoBranch},
		{"0149", "000", "2026-11-23", ErrNoBranch},
		{"", "", "", ErrNoBranch},
	} {
		b, err := Resolve(id.Bank(c.bank), c.branch, c.day)
		if !errors.Is(err, c.want) || fault.Of(err) != fault.NotFound || fault.PublicOf(err).EN == "" {
			t.Errorf("%s-%s on %s: %+v, %v; want %v", c.bank, c.branch, c.day, b, err, c.want)
		}
	}
}

// Every succession is what the two editions show, and nothing more is claimed.
func TestSuccessionsStandInTheData(t *testing.T) {
	known := map[string]int{"0118": 91, "0544": 86, "0537": 38}
	last := ""
	for _, s := range Successions() {
		old, ok := In2020().Bank(s.Old)
		now, still := Today().Bank(s.New)
		if !ok || !still || old.Name != s.OldName || now.Name != s.NewName || s.Day < last || s.Day <= In2020().Edition() || s.Day >= Today().Edition() {
			t.Errorf("%+v: %s to %s", s, old.Name, now.Name)
		}
		last = s.Day
		if _, there := Today().Bank(s.Old); there && s.Old != s.New {
			t.Errorf("%s still has its code", s.OldName)
		}
		taken := map[string]string{}
		for _, b := range In2020().Branches(s.Old) {
			to, err := s.follow(b.Code)
			if err != nil {
				continue
			}
			if taken[to.Code] != "" {
				t.Errorf("%s: branches %s and %s both became %s", s.OldName, taken[to.Code], b.Code, to.Code)
			}
			taken[to.Code] = b.Code
			if _, older := In2020().Branch(s.New, to.Code); older && s.Old != s.New {
				t.Errorf("%s %s: %s-%s was there before the merger", s.OldName, b.Name, s.New, to.Code)
			}
			if s.sameCodes && !(strings.Contains(foldKanji(to.Name), foldKanji(b.Name)) || b.Code == "418") {
				t.Errorf("%s %s became %s", s.OldName, b.Name, to.Name) // 418 is 佐世保市役所出張所, now 佐世保市役所中央出張所
			}
		}
		want, some := known[string(s.Old)]
		switch {
		case s.sameCodes && len(taken) != old.branches:
			t.Errorf("%s: %d of %d branches kept their code", s.OldName, len(taken), old.branches)
		case some && len(taken) != want, !some && !s.sameCodes && len(taken) != 0:
			t.Errorf("%s: %d branches are known", s.OldName, len(taken))
		}
	}
}

// The basis of each row of branches.tsv holds, so a slip of a person's hand is found.
func TestMovesStandInTheData(t *testing.T) {
	count := map[string]int{}
	for from, m := range moves() {
		old, ok := In2020().Branch(id.Bank(from[0]), from[1])
		now, still := Today().Branch(m.to.Bank, m.to.Code)
		if !ok || !still || now.Name != m.to.Name {
			t.Errorf("%v: %+v to %+v", from, old, now)
		}
		within := strings.Contains(foldKanji(now.Name), foldKanji(old.Name))
		switch {
		case m.basis == "code" && old.Code == now.Code && within:
		case m.basis == "name" && foldKanji(old.Name) == foldKanji(now.Name):
		case m.basis == "reviewed" && (within || old.Code == now.Code):
		default:
			t.Errorf("%v %s to %s: basis %q does not hold", from, old.Name, now.Name, m.basis)
		}
		count[m.basis]++
	}
	if count["code"] != 117 || count["name"] != 45 || count["reviewed"] != 53 {
		t.Errorf("rows by basis: %v", count)
	}
}

// A bank that vanished without a succession is unknown, not mapped to anything.
func TestVanishedBanksAreUnknown(t *testing.T) {
	unknown := 0
	for _, b := range In2020().Banks() {
		_, there := Today().Bank(b.Code)
		if _, followed := SuccessionOf(b.Code); there || followed {
			continue
		}
		unknown++
		if now, ok := SuccessorOf(b.Code); ok {
			t.Errorf("%s became %s", b.Name, now.Name)
		}
		if classOf(b.Code) <= secondRegional {
			t.Errorf("the bank %s has no succession", b.Name)
		}
	}
	if unknown != 107 {
		t.Errorf("%d institutions vanished without a known successor", unknown)
	}
}
