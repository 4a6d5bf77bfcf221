package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// wideBody is the largest body whose one object has only keys of its own, n of them, as often as fit.
func wideBody(n int) []byte {
	var o strings.Builder
	for i := range n {
		fmt.Fprintf(&o, `,"k%05d":1`, i)
	}
	object := "{" + o.String()[1:] + "}"
	times := max(1, maxBody/(len(object)+1)-1)
	return []byte("[" + strings.Repeat(object+",", times-1) + object + "]")
}

func BenchmarkDistinctKeys(b *testing.B) {
	for _, n := range []int{1, 10, maxKeys} {
		body := wideBody(n)
		b.Run(fmt.Sprint(n, " keys"), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if err := distinctKeys(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A byte of a body costs the same however many keys its objects have: the check runs before anybody has said who asks.
func TestKeysCostTheSame(t *testing.T) {
	few, many := wideBody(10), wideBody(maxKeys)
	perByte := func(body []byte) float64 {
		began := time.Now()
		if err := distinctKeys(body); err != nil {
			t.Fatal(err)
		}
		return float64(time.Since(began)) / float64(len(body))
	}
	a, b := perByte(few), perByte(many)
	for range 10 { // the least of many: what else runs on the machine only adds
		a, b = min(a, perByte(few)), min(b, perByte(many))
	}
	if b > 2.5*a {
		t.Errorf("a byte costs %.0f ns among 10 keys and %.0f ns among %d", a, b, maxKeys)
	}
}

func TestBodiesAreBoundedInside(t *testing.T) {
	nested := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for what, c := range map[string]struct {
		body string
		good bool
	}{
		"as deep as may be":      {nested(maxDepth), true},
		"deeper":                 {nested(maxDepth + 1), false},
		"as wide as may be":      {string(wideBody(maxKeys)), true},
		"wider":                  {string(wideBody(maxKeys + 1)), false},
		"the same in two":        {`[{"a":1},{"a":1}]`, true},
		"twice, far apart":       {`{"a":1,"b":{"a":1},"a":2}`, false},
		"twice, spelt otherwise": {`{"a":1,"\u0061":2}`, false},
	} {
		if err := distinctKeys([]byte(c.body)); (err == nil) != c.good {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// keysByToken is distinctKeys in the words of encoding/json: it reads one JSON value and refuses a key that stands twice in one object, which parsers
// read in different ways, and anything after the value.
func keysByToken(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := valueByToken(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

func valueByToken(dec *json.Decoder, depth int) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	open, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return errors.New("nested too deep")
	}
	var keys map[string]bool // a list would cost the square of an object's keys, before anybody has said who asks
	for dec.More() {
		if open == '{' {
			tok, err := dec.Token()
			if err != nil {
				return err
			}
			key, _ := tok.(string)
			if keys[key] {
				return errors.New("duplicate key")
			}
			if keys == nil {
				keys = map[string]bool{}
			}
			if keys[key] = true; len(keys) > maxKeys {
				return errors.New("too many keys")
			}
		}
		if err := valueByToken(dec, depth+1); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}
