// Package keyfile keeps a role's private keys in files of its own: never in a database, never in a log,
// readable by the role's user only, the newest first so that rotation overlaps.
package keyfile

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/wire"
)

// Use is what a key is for.
type Use string

// The uses of a key.
const (
	Sign   Use = "sign"   // wire.Key: messages, client assertions, DPoP proofs
	Seal   Use = "seal"   // wire.SealKey: opens what others sealed
	Secret Use = "secret" // 32 random bytes: sealing rows, keyed hashes
	Note   Use = "note"   // signs notes: checkpoints of the books
)

// file is a key file's content. Exactly one of JWK and Bytes is set.
type file struct {
	Use     Use             `json:"use"`
	Dev     bool            `json:"dev,omitempty"` // made by `kozamori dev`; refused outside it
	Created time.Time       `json:"created"`
	JWK     json.RawMessage `json:"jwk,omitempty"`
	Bytes   string          `json:"bytes,omitempty"` // base64url
}

// Dir is a directory of key files named NAME.NNN.json, the highest number the newest.
type Dir struct{ path string }

// Open names a directory; nothing is read yet.
func Open(path string) Dir { return Dir{path} }

// Create makes the first key of a name, or does nothing where there is one. dev marks it as refused outside dev.
func (d Dir) Create(name string, use Use, dev bool, now time.Time) error {
	names, err := d.files(name)
	if err != nil || len(names) > 0 {
		return err
	}
	return d.add(name, 1, use, dev, now)
}

// Rotate adds a newer key of the same use beside those of a name.
func (d Dir) Rotate(name string, now time.Time) error {
	names, err := d.files(name)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("keyfile: %s has no key %q to rotate", d.path, name)
	}
	f, err := d.read(names[0])
	if err != nil {
		return err
	}
	n := 0
	if _, err := fmt.Sscanf(strings.TrimPrefix(names[0], name+"."), "%d", &n); err != nil {
		return fmt.Errorf("keyfile: %s is not named like a key file", names[0])
	}
	return d.add(name, n+1, f.Use, f.Dev, now)
}

func (d Dir) add(name string, n int, use Use, dev bool, now time.Time) error {
	f := file{Use: use, Dev: dev, Created: now.UTC()}
	switch use {
	case Sign:
		f.JWK = wire.GenerateKey().PrivateJWK()
	case Seal:
		f.JWK = wire.GenerateSealKey().PrivateJWK()
	case Secret, Note:
		var b [32]byte
		if _, err := rand.Read(b[:]); err != nil {
			return fmt.Errorf("keyfile: no randomness: %w", err)
		}
		f.Bytes = base64.RawURLEncoding.EncodeToString(b[:])
	default:
		return fmt.Errorf("keyfile: unknown use %q", use)
	}
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	// O_EXCL: two who rotate at once must not overwrite each other's key.
	out, err := os.OpenFile(filepath.Join(d.path, fmt.Sprintf("%s.%03d.json", name, n)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	_, err = out.Write(append(text, '\n'))
	return errors.Join(err, out.Sync(), out.Close())
}

// files lists the files of a name, newest first.
func (d Dir) files(name string) ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("keyfile: %w", err)
	}
	var out []string
	for _, e := range entries {
		if ok, _ := filepath.Match(name+".[0-9][0-9][0-9].json", e.Name()); ok {
			out = append(out, e.Name())
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out, nil
}

func (d Dir) read(name string) (file, error) {
	path := filepath.Join(d.path, name)
	info, err := os.Stat(path)
	if err != nil {
		return file{}, fmt.Errorf("keyfile: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return file{}, fmt.Errorf("keyfile: %s can be read by others (mode %v); it must be 0600", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return file{}, fmt.Errorf("keyfile: %w", err)
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return file{}, fmt.Errorf("keyfile: %s is not a key file", path) // the cause could quote the key
	}
	return f, nil
}

// all reads the keys of a name, newest first, with one decoder.
func all[T any](d Dir, name string, use Use, decode func(file) (T, error)) ([]T, error) {
	names, err := d.files(name)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("keyfile: no key %q in %s", name, d.path)
	}
	var out []T
	for _, n := range names {
		f, err := d.read(n)
		if err != nil {
			return nil, err
		}
		if f.Use != use {
			return nil, fmt.Errorf("keyfile: %s is for %q, not %q", n, f.Use, use)
		}
		v, err := decode(f)
		if err != nil {
			return nil, fmt.Errorf("keyfile: %s holds no usable key", n)
		}
		out = append(out, v)
	}
	return out, nil
}

// Signing reads signing keys: the first signs, all stand in the public set.
func (d Dir) Signing(name string) ([]wire.Key, error) {
	return all(d, name, Sign, func(f file) (wire.Key, error) { return wire.ParseKey(f.JWK) })
}

// Sealing reads keys that open what others sealed.
func (d Dir) Sealing(name string) ([]wire.SealKey, error) {
	return all(d, name, Seal, func(f file) (wire.SealKey, error) { return wire.ParseSealKey(f.JWK) })
}

// Secrets reads 32-byte secrets.
func (d Dir) Secrets(name string) ([][]byte, error) { return all(d, name, Secret, file.secret) }

func (f file) secret() ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(f.Bytes)
	if err == nil && len(b) != 32 {
		err = errors.New("not 32 bytes")
	}
	return b, err
}

// ErrDevKeys says that a key here was made by `kozamori dev`.
var ErrDevKeys = errors.New("keys made by kozamori dev are refused outside dev")

// Check says what is wrong with the directory: missing, a file that others can read, or, outside dev, a key that
// dev made. It is the first thing only; CheckAll names everything.
func (d Dir) Check(dev bool) error {
	if errs := d.check(dev); len(errs) > 0 {
		return errs[0]
	}
	return nil
}

// CheckAll is Check for an operator: everything at once, with the keys that are not there.
func (d Dir) CheckAll(names map[string]Use, dev bool) error {
	errs := d.check(dev)
	if _, err := os.Stat(d.path); err != nil {
		return errors.Join(errs...)
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if files, err := d.files(name); err == nil && len(files) == 0 {
			errs = append(errs, fmt.Errorf("keyfile: no key %q in %s (`keys new` makes it)", name, d.path))
		}
	}
	return errors.Join(errs...)
}

func (d Dir) check(dev bool) (errs []error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return []error{fmt.Errorf("keyfile: %w (`keys new` makes what is missing)", err)}
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		f, err := d.read(e.Name())
		switch {
		case err != nil:
			errs = append(errs, err)
		case f.Dev && !dev:
			errs = append(errs, fmt.Errorf("%s: %w", filepath.Join(d.path, e.Name()), ErrDevKeys))
		}
	}
	return errs
}

// Public is the key set that others pin: all signing keys of a name and, where seal is not "", its sealing keys.
func (d Dir) Public(sign, seal string) (wire.KeySet, error) {
	keys, err := d.Signing(sign)
	if err != nil {
		return wire.KeySet{}, err
	}
	var pub []wire.PublicKey
	for _, k := range keys {
		pub = append(pub, k.Public())
	}
	set := wire.NewKeySet(pub...)
	if seal == "" {
		return set, nil
	}
	seals, err := d.Sealing(seal)
	if err != nil {
		return wire.KeySet{}, err
	}
	var pubSeal []wire.PublicSealKey
	for _, k := range seals {
		pubSeal = append(pubSeal, k.Public())
	}
	return set.WithSeal(pubSeal...), nil
}

// ReadSet reads a pinned public key set (a JWKS file) of another party.
func ReadSet(path string) (wire.KeySet, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return wire.KeySet{}, fmt.Errorf("keyfile: %w", err)
	}
	set, err := wire.ParseKeySet(text)
	if err != nil {
		return wire.KeySet{}, fmt.Errorf("keyfile: %s: %w", path, err)
	}
	return set, nil
}
