package breaktest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/kozamori/kozamori/internal/journey"
)

// secrets are what must stand in no log, no database and no other file, by kind.
type secrets struct {
	mu    sync.Mutex
	kinds map[string]string // of each secret
}

// saw takes a secret in. What anybody could guess is none: an empty field, the language.
func (s *secrets) saw(kind, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.kinds[secret]; len(secret) >= 4 && !known {
		s.kinds[secret] = kind
	}
}

// count says how many secrets of a kind there are, by the beginning of its name.
func (s *secrets) count(kind string) (n int) {
	for _, k := range s.kinds {
		if strings.HasPrefix(k, kind) {
			n++
		}
	}
	return n
}

// needle is one way in which a secret could stand in a file.
type needle struct {
	kind string
	text []byte
	word bool // short: only as a word of its own, or any long number would hold it
}

// needles are all ways: raw, base64 and base64url at any offset, hex.
func (s *secrets) needles() (out []needle) {
	for secret, kind := range s.kinds {
		raw := []byte(secret)
		word := len(raw) < 12
		add := func(text string) { out = append(out, needle{kind, []byte(text), word}) }
		add(secret)
		add(url.QueryEscape(secret))
		add(hex.EncodeToString(raw))
		add(strings.ToUpper(hex.EncodeToString(raw)))
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			add(e.EncodeToString(raw))
			for lead := 1; lead <= 2 && !word; lead++ { // inside a longer text the same bytes look otherwise
				shifted := e.EncodeToString(append(make([]byte, lead), raw...))
				out = append(out, needle{kind, []byte(shifted[4 : len(shifted)-1]), false})
			}
			if !word {
				text := e.EncodeToString(raw)
				out = append(out, needle{kind, []byte(text[:len(text)-1]), false})
			}
		}
	}
	return out
}

// in says whether the needle stands in a text.
func (n needle) in(text []byte) bool {
	for from := 0; ; {
		i := bytes.Index(text[from:], n.text)
		if i < 0 {
			return false
		}
		i += from
		if !n.word || !wordByte(text, i-1) && !wordByte(text, i+len(n.text)) {
			return true
		}
		from = i + 1
	}
}

func wordByte(text []byte, i int) bool {
	if i < 0 || i >= len(text) {
		return false
	}
	c := text[i]
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

var (
	// measures are the numbers of a log line: when, how long, how much. They hold any four digits sooner or later.
	measures = regexp.MustCompile(`"(time|at)":"[^"]*"|"(us|ms|bytes|status|attempts|asks|seq)":[0-9]+`)
	// encoded is what may be base64url: the parts of signed messages stand so in the databases.
	encoded = regexp.MustCompile(`[A-Za-z0-9_-]{24,}`)
)

// layers are a file's bytes, and what is encoded in them.
func layers(name string, content []byte) [][]byte {
	if strings.HasSuffix(name, ".jsonl") {
		content = measures.ReplaceAll(content, nil)
	}
	out := [][]byte{content}
	for _, run := range encoded.FindAll(content, -1) {
		if plain, err := base64.RawURLEncoding.DecodeString(string(run)); err == nil {
			out = append(out, plain)
		}
	}
	return out
}

// search looks through all files below a directory, some folders apart, and names what it finds.
func search(t *testing.T, dir string, needles []needle, apart ...string) (files int, found []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		for _, a := range apart {
			if rel == a {
				return filepath.SkipDir
			}
		}
		if d.IsDir() {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for _, layer := range layers(rel, content) {
			for _, n := range needles {
				if n.in(layer) {
					found = append(found, fmt.Sprintf("%s holds a %s", rel, n.kind))
				}
			}
		}
		return nil
	}))
	return files, found
}

// TestNoSecretInAnyFile walks the whole journey and then looks for every PIN, code, token and key that passed: in
// the logs, the databases with their write-ahead logs, the configurations. Keys and the people's letter boxes lie
// in folders of their own, which the search leaves out.
func TestNoSecretInAnyFile(t *testing.T) {
	s := ownStage(t)
	known := &secrets{kinds: map[string]string{}}
	s.line.hear(func(c *call, answer []byte) { known.overheard(c, answer) })
	if _, err := journey.Run(t.Context(), journey.Options{URL: s.info.URL, Out: io.Discard, Saw: known.saw}); err != nil && !strings.Contains(err.Error(), "step audit") {
		t.Fatal(err) // what the audit says is the other tests' affair: this dev runs without one
	}
	known.letters(t, s.dir)
	known.keys(t, s.dir)
	for kind, least := range map[string]int{"pin": 3, "code": 5, "authorization code": 3, "cookie": 10, "payment code": 3, "passkey": 4,
		"browser key": 1, "access token": 8, "key": 100, "PKCE verifier": 3, "staff password": 3, "letter's": 3, "reference": 1} {
		if n := known.count(kind); n < least {
			t.Errorf("the journey showed only %d of kind %q", n, kind)
		}
	}
	needles := known.needles()
	files, found := search(t, s.dir, needles, "keys", "inbox")
	for _, f := range found {
		t.Error(f)
	}
	must(t, s.stop())
	_, found = search(t, s.dir, needles, "keys", "inbox")
	for _, f := range found {
		t.Error("after the end: " + f)
	}
	if files < 100 {
		t.Errorf("only %d files were searched", files)
	}
	t.Logf("%d secrets in %d files", len(known.kinds), files)
}

// overheard are the secrets of calls between roles.
func (s *secrets) overheard(c *call, answer []byte) {
	if c.url.Hostname() == "127.0.0.1" { // a gateway, whose password stands in configurations
		return
	}
	_, token, _ := strings.Cut(c.header.Get("Authorization"), " ")
	s.saw("access token", token)
	if form, err := url.ParseQuery(string(c.body)); err == nil && c.url.Path == "/token" {
		s.saw("authorization code", form.Get("code"))
		s.saw("PKCE verifier", form.Get("code_verifier"))
	}
	var given struct {
		Token string `json:"access_token"`
	}
	if json.Unmarshal(answer, &given) == nil {
		s.saw("access token", given.Token)
	}
}

var (
	letterCode = regexp.MustCompile(`(?:^|[^0-9-])([0-9]{6})(?:[^0-9]|$)`)
	letterLink = regexp.MustCompile(`/stop/[^/\s]+/([A-Za-z0-9_-]{16,})`)
)

// letters takes in the codes and stop links that were sent.
func (s *secrets) letters(t *testing.T, dir string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "inbox", "letters.jsonl"))
	must(t, err)
	for _, line := range bytes.Split(bytes.TrimSpace(content), []byte("\n")) {
		var l struct{ Text string }
		must(t, json.Unmarshal(line, &l))
		for _, found := range letterCode.FindAllStringSubmatch(l.Text, -1) {
			s.saw("letter's code", found[1])
		}
		for _, found := range letterLink.FindAllStringSubmatch(l.Text, -1) {
			s.saw("letter's stop link", found[1])
		}
	}
}

// keys takes in all private keys and passwords of dev. Passwords of gateways stand in configurations: they are for
// the operator to write there, or into the environment.
func (s *secrets) keys(t *testing.T, dir string) {
	t.Helper()
	must(t, filepath.WalkDir(filepath.Join(dir, "keys"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var f struct {
			JWK struct {
				D string `json:"d"`
			} `json:"jwk"`
			Bytes     string            `json:"bytes"`
			Passwords map[string]string `json:"staff_password"`
			Shops     map[string]string `json:"shop_key"`
		}
		if err := json.Unmarshal(content, &f); err != nil {
			return err
		}
		for _, text := range []string{f.JWK.D, f.Bytes} {
			raw, err := base64.RawURLEncoding.DecodeString(text)
			if err != nil {
				return err
			}
			s.saw("key", string(raw))
		}
		for _, p := range f.Passwords {
			s.saw("staff password", p)
		}
		for _, k := range f.Shops {
			s.saw("shop key", k)
		}
		return nil
	}))
}

// TestSearchFindsWhatIsPlanted: a search that finds nothing is worth nothing unless it would have found it.
func TestSearchFindsWhatIsPlanted(t *testing.T) {
	known := &secrets{kinds: map[string]string{}}
	pin, token, key := "7002", "tok_Zq8vN3-long_enough", string([]byte{1, 2, 3, 250, 251, 252, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	known.saw("pin", pin)
	known.saw("token", token)
	known.saw("key", key)
	payload := func(text string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(`{"evidence":"` + text + `","more":"of the same"}`))
	}
	for name, content := range map[string]string{
		"pin.jsonl":      `{"time":"2026-11-23","msg":"wrong pin 7002"}`,
		"number.jsonl":   `{"pin":7002}`,
		"jws.db":         "\x00\x01eyJhbGciOiJFUzI1NiJ9." + payload(pin) + ".c2ln\x00",
		"token.db":       "\x00" + token + "\x01",
		"token64.db":     base64.StdEncoding.EncodeToString([]byte("x" + token + "yz")),
		"token64b.db":    base64.StdEncoding.EncodeToString([]byte("xy" + token)),
		"key.db":         "\x00\x01\x02" + key,
		"key.hex":        hex.EncodeToString([]byte(key)),
		"key.upper":      strings.ToUpper(hex.EncodeToString([]byte(key))),
		"key64.toml":     "key = " + base64.RawURLEncoding.EncodeToString([]byte(key)),
		"key64pad.toml":  "key = " + base64.StdEncoding.EncodeToString([]byte(key)),
		"keys/own.json":  key,
		"fine.jsonl":     `{"time":"2026-11-23T10:00:00.7002Z","us":7002,"bytes":7002,"req":"A7002B"}`,
		"also-fine.data": "17002 70021",
	} {
		dir := t.TempDir()
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		_, found := search(t, dir, known.needles(), "keys")
		if fine := strings.Contains(name, "fine") || strings.HasPrefix(name, "keys/"); fine != (len(found) == 0) {
			t.Errorf("%s: found %q", name, found)
		}
	}
}
