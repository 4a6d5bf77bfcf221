package config

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// duration is a time.Duration as a file writes it. TOML has no such type, so a struct with durations is
// decoded into its mirror with this type in their place (shape), and copied back.
// It is no integer, so that a bare number is refused.
type duration struct{ is time.Duration }

var errDuration = errors.New(`want a duration such as "12h" or "90s"`)

// UnmarshalText takes "12h" or "1m30s"; a bare number would leave the unit to guesswork.
func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v < 0 {
		return errDuration
	}
	d.is = v
	return nil
}

var (
	typeDuration    = reflect.TypeFor[time.Duration]()
	typeUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// shape is t with every time.Duration replaced; a type without any is itself.
func shape(t reflect.Type) reflect.Type {
	if t == typeDuration {
		return reflect.TypeFor[duration]()
	}
	if reflect.PointerTo(t).Implements(typeUnmarshaler) || !holdsDuration(t) {
		return t
	}
	switch t.Kind() {
	case reflect.Slice:
		return reflect.SliceOf(shape(t.Elem()))
	case reflect.Map:
		return reflect.MapOf(t.Key(), shape(t.Elem()))
	case reflect.Pointer:
		return reflect.PointerTo(shape(t.Elem()))
	case reflect.Struct:
		var fields []reflect.StructField
		for f := range t.Fields() {
			if f.IsExported() {
				fields = append(fields, reflect.StructField{Name: f.Name, Type: shape(f.Type), Tag: f.Tag})
			}
		}
		return reflect.StructOf(fields)
	}
	return t
}

func holdsDuration(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Slice, reflect.Pointer, reflect.Array, reflect.Map:
		return holdsDuration(t.Elem())
	case reflect.Struct:
		for f := range t.Fields() {
			if f.IsExported() && holdsDuration(f.Type) {
				return true
			}
		}
	}
	return t == typeDuration
}

// transfer copies between a value and its mirror, in either direction. Slices and maps are replaced whole.
func transfer(to, from reflect.Value) {
	if from.Type() == to.Type() {
		to.Set(from)
		return
	}
	switch v := from.Interface().(type) {
	case duration:
		to.SetInt(int64(v.is))
		return
	case time.Duration:
		to.Set(reflect.ValueOf(duration{v}))
		return
	}
	switch from.Kind() {
	case reflect.Slice:
		to.Set(reflect.MakeSlice(to.Type(), from.Len(), from.Len()))
		for i := range from.Len() {
			transfer(to.Index(i), from.Index(i))
		}
	case reflect.Map:
		to.Set(reflect.MakeMapWithSize(to.Type(), from.Len()))
		for it := from.MapRange(); it.Next(); {
			v := reflect.New(to.Type().Elem()).Elem()
			transfer(v, it.Value())
			to.SetMapIndex(it.Key(), v)
		}
	case reflect.Pointer:
		if !from.IsNil() {
			to.Set(reflect.New(to.Type().Elem()))
			transfer(to.Elem(), from.Elem())
		}
	case reflect.Struct:
		for f := range from.Type().Fields() {
			if dst := to.FieldByName(f.Name); f.IsExported() && dst.IsValid() {
				transfer(dst, from.FieldByName(f.Name))
			}
		}
	}
}

// lineOf finds the line of a wrong duration, which the TOML library does not always tell: the first line with
// which the file is refused for that reason.
func lineOf(b []byte, t reflect.Type) int {
	for n, at := 1, 0; ; n++ {
		end := bytes.IndexByte(b[at:], '\n')
		if end < 0 {
			return n
		}
		at += end + 1
		if errors.Is(toml.Unmarshal(b[:at], reflect.New(t).Interface()), errDuration) {
			return n
		}
	}
}

// missing lists the settings of a file that do not exist, if that is what an error says.
func missing(err error) (errs []error) {
	m, ok := errors.AsType[*toml.StrictMissingError](err)
	if !ok {
		return nil
	}
	for _, e := range m.Errors {
		row, _ := e.Position()
		errs = append(errs, fmt.Errorf("line %d: there is no setting %q", row, strings.Join(e.Key(), ".")))
	}
	return errs
}

// explain puts decoding errors into words with their place, and never quotes a value of the file.
func explain(err error) error {
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, column := e.Position()
		key := strings.Join(e.Key(), ".")
		if key != "" {
			key = " " + key + ":"
		}
		return fmt.Errorf("line %d, column %d:%s %s", row, column, key, strings.TrimPrefix(e.Error(), "toml: "))
	}
	return err
}
