package web

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"
)

// How deep a body may nest, and how many keys one object of it may have.
const (
	maxDepth = 32
	maxKeys  = 1000
)

var errNotJSON = errors.New("not one JSON value")

// distinctKeys takes exactly what encoding/json takes, one JSON value, less what nests too deep and what has a key
// twice in one object, which parsers read in different ways. Every body passes here before anything else looks at it,
// so it reads each byte once; encoding/json's own tokens cost ten times as much.
func distinctKeys(b []byte) error {
	r := keyReader{rest: string(b)}
	if err := r.value(0); err != nil {
		return err
	}
	if r.space(); r.rest != "" {
		return errNotJSON
	}
	return nil
}

// keyReader reads JSON (RFC 8259) for its keys.
type keyReader struct {
	rest string // what has not been read
	sets [maxDepth]keySet
}

// space skips what may stand between any two tokens.
func (r *keyReader) space() {
	for r.rest != "" && (r.rest[0] == ' ' || r.rest[0] == '\n' || r.rest[0] == '\r' || r.rest[0] == '\t') {
		r.rest = r.rest[1:]
	}
}

// took reads one byte if it comes next, after any space.
func (r *keyReader) took(b byte) bool {
	if r.space(); r.rest == "" || r.rest[0] != b {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

func (r *keyReader) value(depth int) error {
	if r.space(); r.rest == "" {
		return errNotJSON
	}
	switch r.rest[0] {
	case '{', '[':
		if depth == maxDepth {
			return errors.New("nested too deep")
		}
		if r.rest[0] == '{' {
			return r.object(depth)
		}
		return r.array(depth)
	case '"':
		_, err := r.text()
		return err
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if rest, ok := strings.CutPrefix(r.rest, word); ok {
			r.rest = rest
			return nil
		}
	}
	return r.number()
}

func (r *keyReader) object(depth int) error {
	r.rest = r.rest[1:]
	keys := &r.sets[depth]
	keys.begin()
	if r.took('}') {
		return nil
	}
	for {
		if r.space(); r.rest == "" || r.rest[0] != '"' {
			return errNotJSON
		}
		key, err := r.text()
		if err == nil {
			err = keys.add(key)
		}
		if err == nil && !r.took(':') {
			err = errNotJSON
		}
		if err == nil {
			err = r.value(depth + 1)
		}
		if err != nil || r.took('}') {
			return err
		}
		if !r.took(',') {
			return errNotJSON
		}
	}
}

func (r *keyReader) array(depth int) error {
	r.rest = r.rest[1:]
	if r.took(']') {
		return nil
	}
	for {
		if err := r.value(depth + 1); err != nil || r.took(']') {
			return err
		}
		if !r.took(',') {
			return errNotJSON
		}
	}
}

// text reads a string, and returns it as it is spelt, in its quotes.
func (r *keyReader) text() (quoted string, err error) {
	for i := 1; i < len(r.rest); i++ {
		switch c := r.rest[i]; {
		case c == '"':
			quoted, r.rest = r.rest[:i+1], r.rest[i+1:]
			return quoted, nil
		case c < ' ':
			return "", errNotJSON
		case c == '\\':
			i++
			if i < len(r.rest) && r.rest[i] == 'u' {
				if i+4 >= len(r.rest) || strings.Trim(r.rest[i+1:i+5], "0123456789abcdefABCDEF") != "" {
					return "", errNotJSON
				}
				i += 4
			} else if i >= len(r.rest) || strings.IndexByte(`"\/bfnrt`, r.rest[i]) < 0 {
				return "", errNotJSON
			}
		}
	}
	return "", errNotJSON
}

func (r *keyReader) number() error {
	r.rest = strings.TrimPrefix(r.rest, "-")
	if rest, zero := strings.CutPrefix(r.rest, "0"); zero {
		r.rest = rest
	} else if !r.digits() {
		return errNotJSON
	}
	if rest, ok := strings.CutPrefix(r.rest, "."); ok {
		if r.rest = rest; !r.digits() {
			return errNotJSON
		}
	}
	if r.rest != "" && (r.rest[0] == 'e' || r.rest[0] == 'E') {
		if r.rest = r.rest[1:]; r.rest != "" && (r.rest[0] == '+' || r.rest[0] == '-') {
			r.rest = r.rest[1:]
		}
		if !r.digits() {
			return errNotJSON
		}
	}
	return nil
}

// digits reads as many as come, and says whether there is any.
func (r *keyReader) digits() bool {
	n := 0
	for n < len(r.rest) && r.rest[n] >= '0' && r.rest[n] <= '9' {
		n++
	}
	r.rest = r.rest[n:]
	return n > 0
}

// fewKeys is up to how many keys comparing with each is quicker than a map.
const fewKeys = 16

// keySet is the keys of one object. It is used again for the next object as deep.
type keySet struct {
	few  []string
	many map[string]bool // where there are more than fewKeys: a list would cost the square of them
}

// begin empties the set.
func (s *keySet) begin() {
	s.few = s.few[:0]
	if len(s.many) > 0 {
		clear(s.many)
	}
}

// add takes a key as it is spelt, in its quotes.
func (s *keySet) add(quoted string) error {
	key := quoted[1 : len(quoted)-1]
	if strings.IndexByte(key, '\\') >= 0 || !utf8.ValidString(key) { // parsers read it as something else
		if err := json.Unmarshal([]byte(quoted), &key); err != nil {
			return err
		}
	}
	if len(s.few) < fewKeys {
		if slices.Contains(s.few, key) {
			return errors.New("duplicate key")
		}
		s.few = append(s.few, key)
		return nil
	}
	if len(s.many) == 0 {
		if s.many == nil {
			s.many = map[string]bool{}
		}
		for _, k := range s.few {
			s.many[k] = true
		}
	}
	if s.many[key] {
		return errors.New("duplicate key")
	}
	if s.many[key] = true; len(s.many) > maxKeys {
		return errors.New("too many keys")
	}
	return nil
}
