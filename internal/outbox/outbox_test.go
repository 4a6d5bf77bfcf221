package outbox_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/outbox"
)

func TestBackoff(t *testing.T) {
	for attempts, want := range map[int]time.Duration{
		-1: time.Second / 2, 0: time.Second / 2, 1: time.Second / 2, 2: time.Second, 3: 2 * time.Second, 7: 32 * time.Second,
		8: time.Minute, 9: time.Minute, 1 << 40: time.Minute,
	} {
		if got := outbox.Backoff(attempts); got != want {
			t.Errorf("after %d failures: %v, want %v", attempts, got, want)
		}
	}
}

func key(fill byte) []byte { return bytes.Repeat([]byte{fill}, outbox.KeySize) }

func sealer(t testing.TB, keys ...[]byte) outbox.Sealer {
	t.Helper()
	s, err := outbox.NewSealer(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func seal(t testing.TB, s outbox.Sealer, plain, label string) []byte {
	t.Helper()
	sealed, err := s.Seal([]byte(plain), label)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSeal(t *testing.T) {
	s := sealer(t, key(1))
	sealed := seal(t, s, "a secret", "row 1")
	if bytes.Contains(sealed, []byte("secret")) {
		t.Error("it can be read")
	}
	if bytes.Equal(sealed, seal(t, s, "a secret", "row 1")) {
		t.Error("twice the same")
	}
	if plain, err := s.Open(sealed, "row 1"); err != nil || string(plain) != "a secret" {
		t.Errorf("%q, %v", plain, err)
	}
	if _, err := s.Open(sealed, "row 2"); err == nil {
		t.Error("it opens in another row")
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := s.Open(changed, "row 1"); err == nil {
			t.Errorf("it opens with byte %d changed", i)
		}
		if _, err := s.Open(sealed[:i], "row 1"); err == nil {
			t.Errorf("it opens cut to %d bytes", i)
		}
	}
}

func TestSealRotation(t *testing.T) {
	old, both := sealer(t, key(1)), sealer(t, key(2), key(1))
	if plain, err := both.Open(seal(t, old, "old", "r"), "r"); err != nil || string(plain) != "old" {
		t.Errorf("%q, %v", plain, err)
	}
	fresh := seal(t, both, "new", "r")
	if _, err := old.Open(fresh, "r"); err == nil {
		t.Error("sealed under the old key")
	}
	if _, err := sealer(t, key(2)).Open(fresh, "r"); err != nil {
		t.Error(err)
	}
	for _, keys := range [][][]byte{{}, {nil}, {key(1)[:31]}, {key(1), append(key(1), 1)}} {
		if _, err := outbox.NewSealer(keys...); err == nil {
			t.Errorf("%d keys of wrong size are taken", len(keys))
		}
	}
}

func FuzzOpen(f *testing.F) {
	s := sealer(f, key(1))
	sealed := seal(f, s, "x", "label")
	f.Add(sealed, "label")
	f.Add(sealed, "other")
	f.Add([]byte{1}, "")
	f.Fuzz(func(t *testing.T, b []byte, label string) {
		if plain, err := s.Open(b, label); err == nil && (string(plain) != "x" || label != "label") { // nothing else was ever sealed
			t.Errorf("%x under %q opens to %q", b, label, plain)
		}
	})
}
