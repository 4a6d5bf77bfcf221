package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/money"
)

// maxDepth bounds the nesting of what we read: the deepest message of ours has four levels.
const maxDepth = 24

// DecodeStrict reads exactly one JSON value into the pointer given, and refuses with fault.Invalid what two
// readers could understand differently: a duplicate key, a key that differs from the field's name in case only,
// an unknown field, a null where a value belongs, text that is not UTF-8, anything after the value. A money.Yen
// must be a whole number that is not negative.
func DecodeStrict(b []byte, into any) error { return decode(b, into, true) }

// decode is DecodeStrict, or, where others may add members of their own (RFC 7519 section 4), the same but
// for unknown fields.
func decode(b []byte, into any, strict bool) error {
	if !utf8.Valid(b) {
		return invalidJSON(errors.New("not UTF-8"))
	}
	w := walker{dec: json.NewDecoder(bytes.NewReader(b)), strict: strict, fields: map[reflect.Type]map[string]reflect.Type{}}
	w.dec.UseNumber()
	target := reflect.TypeOf(into)
	if target == nil || target.Kind() != reflect.Pointer {
		panic("wire: DecodeStrict needs a pointer")
	}
	if err := w.value(target.Elem(), 0); err != nil {
		return invalidJSON(err)
	}
	if _, err := w.dec.Token(); !errors.Is(err, io.EOF) {
		return invalidJSON(errors.New("something follows the value"))
	}
	if err := json.Unmarshal(b, into); err != nil {
		return invalidJSON(err)
	}
	return nil
}

func invalidJSON(err error) error {
	return &fault.Error{Kind: fault.Invalid, Op: "wire.DecodeStrict", Err: err}
}

// walker reads tokens beside the type they are for; a nil type means anything goes but duplicates.
type walker struct {
	dec    *json.Decoder
	strict bool
	fields map[reflect.Type]map[string]reflect.Type // per struct, found once per decoding
}

func (w *walker) value(t reflect.Type, depth int) error {
	if depth > maxDepth {
		return errors.New("nested too deep")
	}
	tok, err := w.dec.Token()
	if err != nil {
		return err
	}
	switch tok := tok.(type) {
	case json.Delim:
		if tok == '{' {
			return w.object(t, depth)
		}
		return w.array(t, depth)
	case nil:
		return nullFits(t)
	case json.Number:
		if t == reflect.TypeFor[money.Yen]() && strings.HasPrefix(tok.String(), "-") {
			return errors.New("a negative amount")
		}
	}
	return nil
}

// nullFits refuses null where it would silently leave a zero behind.
func nullFits(t reflect.Type) error {
	if t == nil {
		return nil
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return nil
	default:
		return errors.New("null where a value belongs")
	}
}

func (w *walker) object(t reflect.Type, depth int) error {
	fields, elem := w.shape(t)
	seen := map[string]bool{}
	for w.dec.More() {
		tok, err := w.dec.Token()
		if err != nil {
			return err
		}
		key, ok := tok.(string)
		if !ok {
			return errors.New("a key is not a string")
		}
		if seen[key] {
			return fmt.Errorf("duplicate key %.40q", key)
		}
		seen[key] = true
		next := elem
		if fields != nil {
			if next, err = w.field(fields, key); err != nil {
				return err
			}
		}
		if err := w.value(next, depth+1); err != nil {
			return err
		}
	}
	_, err := w.dec.Token() // the closing brace
	return err
}

// field finds the type a key is for. encoding/json would also fill a field from a key that differs in case,
// behind the back of the duplicate check; that is refused in both modes.
func (w *walker) field(fields map[string]reflect.Type, key string) (reflect.Type, error) {
	if t, ok := fields[key]; ok {
		return t, nil
	}
	for name := range fields {
		if strings.EqualFold(name, key) {
			return nil, fmt.Errorf("key %.40q differs in case", key)
		}
	}
	if w.strict {
		return nil, fmt.Errorf("unknown field %.40q", key)
	}
	return nil, nil
}

func (w *walker) array(t reflect.Type, depth int) error {
	var elem reflect.Type
	if t = bare(t); t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
		elem = t.Elem()
	}
	for w.dec.More() {
		if err := w.value(elem, depth+1); err != nil {
			return err
		}
	}
	_, err := w.dec.Token() // the closing bracket
	return err
}

// shape is what an object may hold for a type: named fields of a struct, or elements of a map.
func (w *walker) shape(t reflect.Type) (map[string]reflect.Type, reflect.Type) {
	t = bare(t)
	switch {
	case t == nil:
		return nil, nil
	case t.Kind() == reflect.Map:
		return nil, t.Elem()
	case t.Kind() != reflect.Struct:
		return nil, nil
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		return nil, nil
	}
	fields, ok := w.fields[t]
	if !ok {
		fields = map[string]reflect.Type{}
		addFields(t, fields)
		w.fields[t] = fields
	}
	return fields, nil
}

func addFields(t reflect.Type, into map[string]reflect.Type) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		embedded := bare(f.Type)
		switch {
		case name == "-":
		case f.Anonymous && name == "" && embedded.Kind() == reflect.Struct:
			addFields(embedded, into)
		case !f.IsExported():
		case name == "":
			into[f.Name] = f.Type
		default:
			into[name] = f.Type
		}
	}
}

func bare(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}
