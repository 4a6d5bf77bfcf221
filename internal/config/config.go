// Package config reads a role's settings: a TOML file, then the environment over it. A setting that does
// not exist is an error that names its line, never silently ignored.
package config

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
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
// none) and then from the environment: [server] listen is overridden by KOZAMORI_SERVER_LISTEN. Durations
// are written "12h". A Secret may be "file:PATH", relative to the configuration file, whose content without
// the last line break is then the secret. If into has a method Check() error, it has the last word.
func Load(path string, getenv func(string) string, into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		panic("config: Load wants a pointer to a struct")
	}
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("configuration: %w", err)
		}
		if err := Decode(b, into); err != nil {
			return fmt.Errorf("configuration %s: %w", path, err)
		}
	}
	l := loader{getenv: getenv, dir: filepath.Dir(path)}
	l.fill(v.Elem(), strings.TrimSuffix(envPrefix, "_"), "")
	if err := errors.Join(l.errs...); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if c, ok := into.(interface{ Check() error }); ok {
		if err := c.Check(); err != nil {
			return fmt.Errorf("configuration: %w", err)
		}
	}
	return nil
}

// Decode reads TOML strictly: an unknown setting or a wrong type is an error with its line. No value is ever
// quoted in the error, for it may be a secret. Durations are texts.
func Decode(b []byte, into any) error {
	shadow := reflect.New(shape(reflect.TypeOf(into).Elem()))
	transfer(shadow.Elem(), reflect.ValueOf(into).Elem()) // the defaults
	dec := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields()
	if err := dec.Decode(shadow.Interface()); err != nil {
		if _, placed := errors.AsType[*toml.DecodeError](err); !placed && errors.Is(err, errDuration) {
			return fmt.Errorf("line %d: %w", lineOf(b, shadow.Elem().Type()), err)
		}
		return explain(err)
	}
	transfer(reflect.ValueOf(into).Elem(), shadow.Elem())
	return nil
}

// loader lays the environment over a configuration and reads the files that secrets name.
type loader struct {
	getenv func(string) string
	dir    string
	errs   []error
}

func (l *loader) fail(where string, format string, args ...any) {
	l.errs = append(l.errs, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
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
		if text := l.getenv(env); text != "" {
			if err := set(v, text); err != nil {
				l.fail(env, "%v", err) // err never quotes the text
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
	if !filepath.IsAbs(path) {
		path = filepath.Join(l.dir, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		l.fail(key, "%v", err)
		return
	}
	text := strings.TrimRight(string(b), "\r\n")
	if text == "" || len(b) > maxSecretFile {
		l.fail(key, "the file %s is empty or too large", path)
		return
	}
	v.SetString(text)
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
