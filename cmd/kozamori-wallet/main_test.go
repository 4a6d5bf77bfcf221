package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/program"
	"github.com/kozamori/kozamori/internal/server"
	"github.com/kozamori/kozamori/internal/wire"
)

// hash is a member of staff's, of the lowest cost.
const hash = "$2a$04$zVHmKQtGGQob.b/Nc7l9NO8UlrYcW05FiuCj/SxsFO/ZtiN9.mNzy"

// example writes the printed example with the paths of this machine in place of its own.
func example(t *testing.T) (path, dir string) {
	t.Helper()
	var text bytes.Buffer
	if err := run(t.Context(), program.Process{Args: []string{"config", "example"}, Out: &text}); err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	bank := wire.NewKeySet(wire.GenerateKey().Public()).WithSeal(wire.GenerateSealKey().Public())
	keys, err := json.Marshal(bank)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"register/0149.json": string(keys), "smtp-password": "p", "sms-secret": "s", "sms-report-secret": "r"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path = filepath.Join(dir, "wallet.toml")
	filled := strings.NewReplacer("/etc/kozamori/", dir+"/", "/var/lib/kozamori-wallet", dir, "$2y$12$…", hash).Replace(text.String())
	if err := os.WriteFile(path, []byte(filled), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, dir
}

// The example that the program prints is one that it takes: keys are made, tables migrated, the wallet opens.
func TestExampleConfigurationRuns(t *testing.T) {
	path, dir := example(t)
	var out bytes.Buffer
	command := func(args ...string) error {
		out.Reset()
		return run(t.Context(), program.Process{Args: append(args, "--config", path), Out: &out})
	}
	open := func() error {
		setup, err := load(path, nil)
		if err != nil {
			return err
		}
		s, err := setup.Open(t.Context(), server.Env{})
		if err != nil {
			return err
		}
		return s.Close()
	}
	if err := open(); err == nil {
		t.Fatal("it opens without keys")
	}
	for _, args := range [][]string{{"keys", "new"}, {"migrate"}, {"migrate"}, {"keys", "new"}} {
		if err := command(args...); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		if args[0] == "keys" {
			continue
		}
		if err := open(); err != nil {
			t.Fatal(err)
		}
	}
	if err := command("checkpoint"); err != nil || !strings.HasPrefix(out.String(), "kozamori/wallet/maru/books\n0\n") {
		t.Errorf("a checkpoint of empty books: %q, %v", out.String(), err)
	}
	if err := command("proof", "--transfer", "none"); fault.Of(err) != fault.NotFound {
		t.Errorf("a proof of nothing: %v", err)
	}
	if err := command("proof"); err == nil || !strings.Contains(err.Error(), "--transfer") {
		t.Errorf("a proof of what? %v", err)
	}
	if err := command("keys", "public", "--key", "books"); err != nil || !strings.HasPrefix(out.String(), "kozamori/wallet/maru/books+") {
		t.Errorf("the public key of the books: %q, %v", out.String(), err)
	}
	for _, key := range []string{"sign", "rows"} {
		if err := command("keys", "rotate", "--key", key); err != nil {
			t.Fatal(err)
		}
	}
	if err := open(); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "wallet-keys", "*.json"))
	if err != nil || len(files) != 8 {
		t.Errorf("key files %v, %v", files, err)
	}
}

// A setting in the environment stands before the file's; one that nobody knows is refused by name.
func TestEnvironmentAndMistakes(t *testing.T) {
	path, _ := example(t)
	setup, err := load(path, []string{"KOZAMORI_SERVER_LISTEN=127.0.0.1:1"})
	if err != nil || setup.Public.Listen != "127.0.0.1:1" {
		t.Errorf("%q, %v", setup.Public.Listen, err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, []byte("\ncolour = \"red\"\n")...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(path, nil); err == nil || !strings.Contains(err.Error(), "colour") {
		t.Errorf("an unknown setting: %v", err)
	}
}
