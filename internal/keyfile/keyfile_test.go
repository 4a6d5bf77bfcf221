package keyfile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/keyfile"
)

var now = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func TestRotationOverlaps(t *testing.T) {
	d := keyfile.Open(filepath.Join(t.TempDir(), "keys"))
	for range 2 { // the second time changes nothing
		if err := d.Create("signing", keyfile.Sign, false, now); err != nil {
			t.Fatal(err)
		}
	}
	first, err := d.Signing("signing")
	if err != nil || len(first) != 1 {
		t.Fatalf("%d keys, %v", len(first), err)
	}
	if err := d.Rotate("signing", now); err != nil {
		t.Fatal(err)
	}
	both, err := d.Signing("signing")
	if err != nil || len(both) != 2 || both[1].KID() != first[0].KID() {
		t.Fatalf("after rotation: %d keys, %v", len(both), err)
	}
	set, err := d.Public("signing", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range both {
		if _, ok := set.Find(k.KID()); !ok {
			t.Errorf("key %s is not in the public set", k.KID())
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	dir := t.TempDir()
	d := keyfile.Open(dir)
	if err := d.Create("rows", keyfile.Secret, true, now); err != nil {
		t.Fatal(err)
	}
	secret, err := d.Secrets("rows")
	if err != nil || len(secret[0]) != 32 {
		t.Fatal(err)
	}
	if err := d.Check(true); err != nil {
		t.Errorf("in dev: %v", err)
	}
	if err := d.Check(false); !errors.Is(err, keyfile.ErrDevKeys) {
		t.Errorf("outside dev: %v", err)
	}
	if err := keyfile.Open(filepath.Join(dir, "none")).Check(true); err == nil || !strings.Contains(err.Error(), "keys new") {
		t.Errorf("a missing directory: %v", err)
	}
	if _, err := d.Signing("rows"); err == nil {
		t.Error("a secret was read as a signing key")
	}
	if _, err := d.Signing("nothing"); err == nil {
		t.Error("a missing key is no error")
	}
	path := filepath.Join(dir, "rows.001.json")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Secrets("rows"); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("a key file that others can read: %v", err)
	}
	text := `{"use":"sign","jwk":{"kty":"EC","d":"topsecretvalue"}}`
	if err := os.WriteFile(filepath.Join(dir, "bad.001.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Signing("bad"); err == nil || strings.Contains(fmt.Sprint(err), "topsecret") {
		t.Errorf("a broken key: %v", err)
	}
}
