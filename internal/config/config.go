// Package config reads a role's settings: a TOML file, then the environment over it. A setting that does
// not exist is an error that names its line or variable, never silently ignored, and all errors come at once.
package config

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/kozamori/kozamori/internal/observe"
)

// envPrefix begins the names of environment variables: KOZAMORI_<SECTION>_<KEY>.
const envPrefix = "KOZAMORI_"

// maxSecretFile bounds a file named by a secret.
const maxSecretFile = 64 << 10

// Load fills into, a pointer to a struct with toml tags that holds the defaults, from the file at path ("" for
// none) and then from the environment ("NAME=value" each): [server] listen is overridden by
// KOZAMORI_SERVER_LISTEN. Durations are written "12h". A Secret may be "file:PATH", relative to the configuration
// file, whose content without the last line break is then the secret; one that others can read is refused, as a key is. If into has a method Check() error, it has
// the last word. The error names everything that is wrong, not the first thing only.
func Load(path string, environ []string, into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		panic("config: Load wants a pointer to a struct")
	}
	p, readable := &Problems{}, true
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("configuration: %w", err)
		}
		unknown, err := decode(b, into)
		p.errs = append(p.errs, unknown...)
		p.Join("", err)
		readable = err == nil
	}
	l := loader{env: variables(environ), known: map[string]bool{}, dir: filepath.Dir(path), problems: p}
	l.fill(v.Elem(), strings.TrimSuffix(envPrefix, "_"), "")
	l.unknown()
	// Of settings that could not be read, nothing can be said.
	if c, ok := into.(interface{ Check() error }); ok && readable {
		p.Join("", c.Check())
	}
	if err := p.Err(); err != nil {
		return fmt.Errorf("configuration %s: %w", path, err)
	}
	return nil
}

// Decode reads TOML strictly: an unknown setting or a wrong type is an error with its line. No value is ever
// quoted in the error, for it may be a secret. Durations are texts.
func Decode(b []byte, into any) error {
	unknown, err := decode(b, into)
	return errors.Join(append(unknown, err)...)
}

// decode reads a file. Where nothing but unknown settings is wrong with it, the rest is filled in all the same.
func decode(b []byte, into any) (unknown []error, err error) {
	shadow := reflect.New(shape(reflect.TypeOf(into).Elem()))
	transfer(shadow.Elem(), reflect.ValueOf(into).Elem()) // the defaults
	dec := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields()
	if err := dec.Decode(shadow.Interface()); err != nil {
		if unknown = missing(err); len(unknown) == 0 {
			if _, placed := errors.AsType[*toml.DecodeError](err); !placed && errors.Is(err, errDuration) {
				return nil, fmt.Errorf("line %d: %w", lineOf(b, shadow.Elem().Type()), err)
			}
			return nil, explain(err)
		}
	}
	transfer(reflect.ValueOf(into).Elem(), shadow.Elem())
	return unknown, nil
}

// loader lays the environment over a configuration and reads the files that secrets name.
type loader struct {
	env      map[string]string // the variables that begin with our prefix
	known    map[string]bool   // those that a setting has, whether they are set or not
	dir      string
	problems *Problems
}

// variables are those of the environment that are meant for us.
func variables(environ []string) map[string]string {
	ours := map[string]string{}
	for _, e := range environ {
		if name, value, ok := strings.Cut(e, "="); ok && strings.HasPrefix(name, envPrefix) {
			ours[name] = value
		}
	}
	return ours
}

// unknown names the variables that no setting has: a misspelt one would otherwise be passed over in silence.
func (l *loader) unknown() {
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		if !l.known[name] {
			l.problems.Add(name, "there is no such setting (those of [[…]] stand in the file only)")
		}
	}
}

// fill walks the settings below v. env is the name of v's environment variable so far ("" where there can be
// none, as in lists of tables), key its dotted name in the file.
func (l *loader) fill(v reflect.Value, env, key string) {
	if v.Kind() == reflect.Struct && !reflect.PointerTo(v.Type()).Implements(typeUnmarshaler) {
		for f := range v.Type().Fields() {
			if name := tomlName(f); f.IsExported() && name != "-" {
				below := ""
				if env != "" {
					below = env + "_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
				}
				l.fill(v.FieldByIndex(f.Index), below, strings.TrimPrefix(key+"."+name, "."))
			}
		}
		return
	}
	if env != "" {
		l.known[env] = true
		if text := l.env[env]; text != "" {
			if err := set(v, text); err != nil {
				l.problems.Add(env, "%w", err) // err never quotes the text
			}
		}
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			l.fill(v.Index(i), "", fmt.Sprintf("%s[%d]", key, i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			elem := reflect.New(v.Type().Elem()).Elem()
			elem.Set(v.MapIndex(k))
			l.fill(elem, "", fmt.Sprintf("%s.%v", key, k))
			v.SetMapIndex(k, elem)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			l.fill(v.Elem(), env, key)
		}
	}
	if v.Type() == reflect.TypeFor[observe.Secret]() {
		l.secret(v, key)
	}
}

// secret replaces "file:PATH" by what the file holds.
func (l *loader) secret(v reflect.Value, key string) {
	path, ok := strings.CutPrefix(v.String(), "file:")
	if !ok {
		return
	}
	if at := strings.LastIndexByte(key, '.'); at > 0 { // as the file writes it
		key = "[" + key[:at] + "] " + key[at+1:]
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(l.dir, path)
	}
	b, err := readPrivate(path)
	if err != nil {
		l.problems.Add(key, "%w", err)
		return
	}
	text := strings.TrimRight(string(b), "\r\n")
	if text == "" || len(b) > maxSecretFile {
		l.problems.Add(key, "the file %s is empty or too large", path)
		return
	}
	v.SetString(text)
}

// readPrivate reads a file that others cannot read.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %v); it must be 0600", path, info.Mode().Perm())
	}
	return io.ReadAll(io.LimitReader(f, maxSecretFile+1))
}

func tomlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
	if name == "" {
		name = strings.ToLower(f.Name)
	}
	return name
}

// set parses a text from the environment.
func set(v reflect.Value, text string) error {
	if v.Type() == typeDuration {
		var d duration
		if err := d.UnmarshalText([]byte(text)); err != nil {
			return err
		}
		v.SetInt(int64(d.is))
		return nil
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if u.UnmarshalText([]byte(text)) != nil {
			return fmt.Errorf("not a %s", v.Type())
		}
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("want true or false")
		}
		v.SetBool(b)
		return nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return errors.New("want a whole number in range")
		}
		v.SetInt(n)
		return nil
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.String {
			list := reflect.MakeSlice(v.Type(), 0, 0)
			for part := range strings.SplitSeq(text, ",") {
				list = reflect.Append(list, reflect.ValueOf(strings.TrimSpace(part)).Convert(v.Type().Elem()))
			}
			v.Set(list)
			return nil
		}
	}
	return errors.New("cannot be set by the environment; use the file")
}
