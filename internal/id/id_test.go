package id_test

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kozamori/kozamori/internal/id"
)

func TestNewIsValidAndOfItsPrefixOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "seed")
		v := id.New(bytes.NewReader(seed), "deb")
		if !id.Valid(v, "deb") || id.Valid(v, "lnk") || len(v) != 30 || v != strings.ToLower(v) {
			t.Fatalf("%q", v)
		}
		if again := id.New(bytes.NewReader(seed), "deb"); again != v {
			t.Fatalf("%q and %q of the same randomness", v, again)
		}
	})
	if id.Random("req") == id.Random("req") {
		t.Error("twice the same")
	}
	for _, wrong := range []string{"", "deb", "deb_", "deb_0", "deb_" + strings.Repeat("i", 26), "deb_" + strings.Repeat("0", 27)} {
		if id.Valid(wrong, "deb") {
			t.Errorf("%q is valid", wrong)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("an id without randomness was made")
		}
	}()
	id.New(bytes.NewReader(nil), "deb")
}
