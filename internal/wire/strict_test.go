package wire_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
	"pgregory.net/rapid"
)

type inner struct {
	Amount money.Yen `json:"amount"`
	Note   string    `json:"note,omitempty"`
}

type outer struct {
	inner
	Name  string           `json:"name"`
	Count int64            `json:"count"`
	List  []inner          `json:"list"`
	Named map[string]inner `json:"named"`
	Maybe *inner           `json:"maybe"`
}

func TestDecodeStrictTakes(t *testing.T) {
	for _, text := range []string{
		`{}`,
		` {"name":"カード","count":-1,"amount":0} ` + "\n",
		`{"list":[{"amount":1},{"amount":2}],"named":{"a":{"amount":3}},"maybe":null}`,
		`{"list":null,"maybe":{"amount":10000000000000000}}`,
	} {
		var got, want outer
		if err := wire.DecodeStrict([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(outer{})); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestDecodeStrictRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                    ``,
		"a list":                     `[]`,
		"duplicate":                  `{"amount":5,"amount":7}`,
		"duplicate, escaped":         `{"amount":5,"\u0061mount":7}`,
		"duplicate below":            `{"list":[{"amount":5,"amount":7}]}`,
		"duplicate in a map":         `{"named":{"a":{"amount":1},"a":{"amount":2}}}`,
		"differs in case":            `{"Amount":5}`,
		"differs in case, both":      `{"amount":5,"AMOUNT":7}`,
		"case by a Kelvin sign":      "{\"\u212Bmount\":5}",
		"unknown":                    `{"amonut":5}`,
		"unknown below":              `{"maybe":{"amount":5,"fee":1}}`,
		"negative":                   `{"amount":-5}`,
		"negative below":             `{"list":[{"amount":-5}]}`,
		"minus nothing":              `{"amount":-0}`,
		"fraction":                   `{"amount":5.5}`,
		"fraction of nothing":        `{"amount":5.0}`,
		"exponent":                   `{"amount":5e3}`,
		"text for yen":               `{"amount":"5"}`,
		"null for yen":               `{"amount":null}`,
		"null for text":              `{"name":null}`,
		"fraction for int":           `{"count":1.5}`,
		"too much":                   `{"amount":10000000000000001}`,
		"far too much":               `{"amount":99999999999999999999}`,
		"trailing text":              `{"amount":5}x`,
		"trailing value":             `{"amount":5}{"amount":7}`,
		"cut":                        `{"amount":5`,
		"not UTF-8":                  "{\"name\":\"\xff\"}",
		"deep":                       `{"maybe":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`,
		"comma at the end":           `{"amount":5,}`,
		"comment":                    `{"amount":5}//`,
		"byte order mark":            "\ufeff{}",
		"object where a list is due": `{"list":{"amount":5}}`,
	} {
		var v outer
		err := wire.DecodeStrict([]byte(text), &v)
		wantErr(t, name, err, fault.Of(err) == fault.Invalid)
	}
}

func TestDecodeStrictDepth(t *testing.T) {
	var v any
	for depth, ok := range map[int]bool{20: true, 30: false, 100_000: false} {
		err := wire.DecodeStrict([]byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)), &v)
		if (err == nil) != ok {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
}

// What we write we read back, and any single key repeated or added is refused wherever it stands.
func TestDecodeStrictProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawOrder(t)
		text := must(json.Marshal(want))
		got := &wire.DebitOrder{}
		if err := wire.DecodeStrict(text, got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		opens := strings.Count(string(text), "{")
		place := rapid.IntRange(1, opens).Draw(t, "place")
		key := rapid.SampledFrom([]string{`"amount":1`, `"credential_id":""`, `"x":[]`, `"Link":"l"`, `"":0`}).Draw(t, "key")
		bent := insertAfter(string(text), "{", place, key+",")
		if wire.DecodeStrict([]byte(bent), &wire.DebitOrder{}) == nil {
			t.Fatalf("taken: %s", bent)
		}
	})
}

func drawOrder(t *rapid.T) *wire.DebitOrder {
	text := rapid.StringMatching(`[ -~ア-ン]{0,12}`)
	return &wire.DebitOrder{
		Header: wire.Header{Issuer: text.Draw(t, "iss"), Audience: text.Draw(t, "aud"),
			IssuedAt: rapid.Int64().Draw(t, "iat"), Expires: rapid.Int64().Draw(t, "exp")},
		Amount:        money.Yen(rapid.Int64Range(0, int64(money.Max)).Draw(t, "amount")),
		WalletAccount: text.Draw(t, "account"),
		Device:        wire.DeviceProof{CredentialID: text.Draw(t, "credential"), BrowserSignature: text.Draw(t, "browser")},
	}
}

// insertAfter puts text behind the nth occurrence of sep.
func insertAfter(s, sep string, n int, text string) string {
	parts := strings.SplitAfterN(s, sep, n+1)
	return strings.Join(parts[:n], "") + text + parts[n]
}
