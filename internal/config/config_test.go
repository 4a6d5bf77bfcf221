package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/observe"
)

type sample struct {
	Server observe.ServerConfig `toml:"server"`
	Limits struct {
		PerDebit money.Yen     `toml:"per_debit"`
		Cooling  time.Duration `toml:"cooling"`
	} `toml:"limits"`
	Peers  []peer           `toml:"peer"`
	ByName map[string]nap   `toml:"nap"`
	Secret observe.Secret   `toml:"secret"`
	Tags   []string         `toml:"tags"`
	Debug  bool             `toml:"debug"`
	Extra  *nap             `toml:"extra"`
	Keep   map[string]int64 `toml:"keep"`
}

type peer struct {
	Name string         `toml:"name"`
	Wait time.Duration  `toml:"wait"`
	Key  observe.Secret `toml:"key"`
}

type nap struct {
	For time.Duration `toml:"for"`
}

const sampleFile = `
secret = "file:secret.txt"
tags = ["a", "b"]

[server]
listen = "127.0.0.1:8080"
grace = "5s"

[limits]
per_debit = 30000
cooling = "12h"

[[peer]]
name = "one"
wait = "1m30s"
key = "plain"

[[peer]]
name = "two"
key = "file:secret.txt"

[nap.short]
for = "1s"

[extra]
for = "2h"
`

func write(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"role.toml": text, "secret.txt": "s3cr3t\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "role.toml")
}

func env(pairs ...string) (environ []string) {
	for i := 0; i < len(pairs); i += 2 {
		environ = append(environ, pairs[i]+"="+pairs[i+1])
	}
	return environ
}

func TestLoad(t *testing.T) {
	got := sample{Debug: true, Keep: map[string]int64{"a": 1}}
	got.Limits.Cooling = time.Hour
	got.Server.BehindProxy = true
	err := Load(write(t, sampleFile), env("KOZAMORI_SERVER_LISTEN", "127.0.0.1:9", "KOZAMORI_LIMITS_COOLING", "13h",
		"KOZAMORI_LIMITS_PER_DEBIT", "5000", "KOZAMORI_TAGS", "x, y", "KOZAMORI_DEBUG", "false"), &got)
	if err != nil {
		t.Fatal(err)
	}
	want := sample{
		Server: observe.ServerConfig{Listen: "127.0.0.1:9", Grace: 5 * time.Second, BehindProxy: true},
		Peers:  []peer{{"one", 90 * time.Second, "plain"}, {"two", 0, "s3cr3t"}},
		ByName: map[string]nap{"short": {time.Second}}, Secret: "s3cr3t", Tags: []string{"x", "y"},
		Extra: &nap{2 * time.Hour}, Keep: map[string]int64{"a": 1},
	}
	want.Limits.PerDebit, want.Limits.Cooling = 5000, 13*time.Hour
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b observe.Secret) bool { return a.Reveal() == b.Reveal() })); d != "" {
		t.Fatal(d)
	}
}

func TestWithoutFileTheDefaultsAndTheEnvironmentStand(t *testing.T) {
	got := sample{Tags: []string{"d"}}
	if err := Load("", env("KOZAMORI_SECRET", "from env"), &got); err != nil {
		t.Fatal(err)
	}
	if got.Secret.Reveal() != "from env" || got.Tags[0] != "d" {
		t.Fatalf("%+v", got)
	}
}

// Each mistake is named with its line, and no value of the file is repeated.
func TestMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		env  []string
		want string
	}{
		"unknown setting":      {"[server]\nlisten = \"x\"\nlistn = \"hunter2\"\n", nil, `line 3: there is no setting "server.listn"`},
		"unknown table":        {"[sever]\nlisten = \"hunter2\"\n", nil, `line 1: there is no setting "sever"`},
		"bad duration":         {"[limits]\ncooling = \"hunter2\"\n", nil, "line 2"},
		"number as duration":   {"[limits]\ncooling = 12\n", nil, "line 2"},
		"negative duration":    {"[limits]\ncooling = \"-1h\"\n", nil, "line 2"},
		"wrong type":           {"\n\ndebug = \"hunter2\"\n", nil, "line 3"},
		"syntax":               {"debug = \n", nil, "line 1"},
		"twice":                {"debug = true\ndebug = false\n", nil, "line 2"},
		"missing secret file":  {"secret = \"file:nowhere\"\n", nil, "secret: open"},
		"env of a wrong type":  {"", []string{"KOZAMORI_DEBUG", "hunter2"}, "KOZAMORI_DEBUG: want true or false"},
		"env bad number":       {"", []string{"KOZAMORI_LIMITS_PER_DEBIT", "hunter2"}, "KOZAMORI_LIMITS_PER_DEBIT: want a whole number"},
		"env bad duration":     {"", []string{"KOZAMORI_SERVER_GRACE", "hunter2"}, "KOZAMORI_SERVER_GRACE: want a duration"},
		"misspelt env":         {"", []string{"KOZAMORI_SEVER_LISTEN", "hunter2"}, "KOZAMORI_SEVER_LISTEN: there is no such setting"},
		"empty misspelt env":   {"", []string{"KOZAMORI_DEBUGG", ""}, "KOZAMORI_DEBUGG: there is no such setting"},
		"env of a list's key":  {"[[peer]]\nname = \"x\"\n", []string{"KOZAMORI_PEER_NAME", "hunter2"}, "KOZAMORI_PEER_NAME: there is no such setting"},
		"env of a table list":  {"", []string{"KOZAMORI_PEER", "hunter2"}, "KOZAMORI_PEER: cannot be set"},
		"secret of wrong type": {"secret = 5\n", nil, "line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Load(write(t, c.text), env(c.env...), &sample{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("the error repeats a value: %v", err)
			}
		})
	}
	if err := Load(filepath.Join(t.TempDir(), "none.toml"), env(), &sample{}); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
}

// A secret that others on the machine can read is none: it is refused as a key file is, before it is read.
func TestASecretIsForItsUserAlone(t *testing.T) {
	for mode, refused := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o644: true, 0o620: true, 0o604: true} {
		path := write(t, "[[peer]]\nkey = \"file:secret.txt\"\n")
		secret := filepath.Join(filepath.Dir(path), "secret.txt")
		if err := os.Chmod(secret, mode); err != nil {
			t.Fatal(err)
		}
		err := Load(path, nil, &sample{})
		if !refused {
			if err != nil {
				t.Errorf("mode %v: %v", mode, err)
			}
			continue
		}
		want := "[peer[0]] key: " + secret + " can be read by others (mode " + mode.String() + "); it must be 0600"
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("mode %v: got %v, want %q", mode, err, want)
		}
	}
}

type strict struct {
	N int `toml:"n"`
	M int `toml:"m"`
}

func (s *strict) Check() error {
	if s.N < 3 {
		return errors.New("n is below its floor of 3")
	}
	return nil
}

func TestCheckHasTheLastWord(t *testing.T) {
	if err := Load(write(t, "n = 5\n"), env("KOZAMORI_N", "2"), &strict{}); err == nil || !strings.Contains(err.Error(), "floor") {
		t.Fatalf("got %v", err)
	}
	if err := Load(write(t, "n = 5\n"), env(), &strict{}); err != nil {
		t.Fatal(err)
	}
}

// One start names everything that is wrong: in the file, in the environment, and what Check says of the rest.
func TestAllProblemsAtOnce(t *testing.T) {
	err := Load(write(t, "n = 1\nwrong = 1\nm = 4\nalso = 2\n"), env("KOZAMORI_M", "x", "KOZAMORI_O", "1", "PATH", "/bin"), &strict{})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"5 problems", `line 2: there is no setting "wrong"`, `line 4: there is no setting "also"`,
		"KOZAMORI_M: want a whole number", "KOZAMORI_O: there is no such setting", "n is below its floor"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	// What could not be read is not judged.
	if err := Load(write(t, "n = \"x\"\n"), nil, &strict{}); err == nil || strings.Contains(err.Error(), "floor") {
		t.Errorf("got %v", err)
	}
}

func TestOriginsAndListeners(t *testing.T) {
	for _, c := range []struct {
		text string
		dev  bool
		want string // part of the problem; "" for none
	}{
		{"https://wallet.example.jp", false, ""},
		{"https://wallet.example.jp:8443", false, ""},
		{"http://wallet.localhost:8400", true, ""},
		{"http://localhost:8400", true, ""},
		{"http://wallet.localhost:8400", false, "dev = true"},
		{"http://wallet.example.jp", true, "must begin with https://"},
		{"https://wallet.example.jp/", false, "no origin"},
		{"https://Wallet.example.jp", false, "no origin"},
		{"https://user@wallet.example.jp", false, "no origin"},
		{"https://wallet.example.jp?x", false, "no origin"},
		{"wallet.example.jp", false, "no origin"},
		{"", false, "no origin"},
	} {
		p := Problems{}
		p.Origin("origin", c.text, c.dev)
		if err := p.Err(); (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "origin: ")) {
			t.Errorf("%q, dev %v: %v, want %q", c.text, c.dev, err, c.want)
		}
	}
	here, outside := observe.ServerConfig{Listen: "127.0.0.1:8443"}, observe.ServerConfig{Listen: "0.0.0.0:8443", TLSCert: "c", TLSKey: "k"}
	for name, c := range map[string]struct {
		server, ops observe.ServerConfig
		dev         bool
		want        string
	}{
		"here":               {here, observe.ServerConfig{}, true, ""},
		"outside":            {outside, observe.ServerConfig{Listen: "127.0.0.1:9443"}, false, ""},
		"dev outside":        {outside, observe.ServerConfig{}, true, "dev: true is for this machine only"},
		"dev behind a proxy": {observe.ServerConfig{Listen: "127.0.0.1:1", BehindProxy: true}, observe.ServerConfig{}, true, "dev: true"},
		"operator's outside": {here, observe.ServerConfig{Listen: "0.0.0.0:9443"}, false, "[ops] listen"},
		"one address twice":  {here, here, false, "[ops] listen"},
		"nowhere":            {observe.ServerConfig{}, observe.ServerConfig{}, false, "[server] listen"},
	} {
		p := Problems{}
		p.Listeners(c.server, c.ops, c.dev)
		if err := p.Err(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// Whatever bytes stand in a file, Decode answers with a configuration or an error, and a configuration
// decodes the same way twice.
func FuzzDecode(f *testing.F) {
	f.Add(sampleFile)
	f.Add("[limits]\ncooling = 1979-05-27T07:32:00Z\n")
	f.Add("peer = [{wait = \"1h\"}]\nnap = {a = {for = \"1s\"}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		var a, b sample
		errA, errB := Decode([]byte(text), &a), Decode([]byte(text), &b)
		if (errA == nil) != (errB == nil) {
			t.Fatalf("%v, then %v", errA, errB)
		}
		if errA == nil && !cmp.Equal(a, b, cmp.Comparer(func(a, b observe.Secret) bool { return a.Reveal() == b.Reveal() })) {
			t.Fatal("two readings differ")
		}
		if a.Limits.Cooling < 0 {
			t.Fatal("a negative duration was accepted")
		}
	})
}
