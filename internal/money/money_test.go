package money_test

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kozamori/kozamori/internal/money"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]money.Yen{
		"3000": 3000, " 3,000 ": 3000, "¥3,000": 3000, "￥3，000": 3000, "3000円": 3000, "３０００": 3000, "0": 0, "10000000000000000": money.Max,
	} {
		if got, err := money.Parse(in); err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "-1", "+1", "1.5", "1e3", "yen", "円", "10000000000000001", "99999999999999999999", "１.０", "3 000", "٣"} {
		if got, err := money.Parse(in); err == nil {
			t.Errorf("Parse(%q) = %v", in, got)
		}
	}
}

func TestDigitsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		y := money.Yen(rapid.Int64Range(0, int64(money.Max)).Draw(t, "yen"))
		if got, err := money.Parse(y.String()); err != nil || got != y {
			t.Fatalf("%d shows as %s and reads as %d (%v)", y, y, got, err)
		}
		if plain := strings.ReplaceAll((-y).Digits(), ",", ""); plain != strconv.FormatInt(int64(-y), 10) {
			t.Fatalf("-%d shows as %s", y, (-y).Digits())
		}
	})
}

func TestAddNeverWraps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		sum, err := money.Add(money.Yen(a), money.Yen(b))
		exact := float64(a) + float64(b)
		if err == nil && (int64(sum)-a != b || math.Abs(exact) > 1.01*math.MaxInt64) {
			t.Fatalf("%d + %d = %d", a, b, sum)
		}
		if err != nil && math.Abs(exact) < 0.99*math.MaxInt64 {
			t.Fatalf("%d + %d is refused", a, b)
		}
	})
	defer func() {
		if recover() == nil {
			t.Error("MustAdd let an overflow pass")
		}
	}()
	money.MustAdd(math.MaxInt64, 1)
}

func TestJSONIsWholeYenOnly(t *testing.T) {
	for text, ok := range map[string]bool{
		`0`: true, `5000`: true, `-5`: true, `1.0`: false, `1e3`: false, `"5"`: false, `null`: false, `05`: false, `-0`: false,
		`10000000000000001`: false, `true`: false,
	} {
		var v struct{ A money.Yen }
		if err := json.Unmarshal([]byte(`{"A":`+text+`}`), &v); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
