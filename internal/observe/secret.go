// Package observe says what a program does without saying what it knows: one log line per request,
// an audit log, metrics, health, and a server that stops gracefully. What is secret cannot be printed.
package observe

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Secret is a value that must never be seen: a password, a key, a bearer secret. However it is printed,
// logged or marshalled, it reads "[secret]"; only Reveal gives it away, and is easy to search for. It must
// not be the key of a map: encoding/json writes keys of a string type as they are.
type Secret string

// hidden is all that a Secret says of itself, whatever its length.
const hidden = "[secret]"

// errSealed stops codecs that would otherwise write the plain string (encoding/gob).
var errSealed = errors.New("observe: a secret is not stored in this way")

// Reveal returns the value, at the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// Empty says whether there is no value at all.
func (s Secret) Empty() bool { return s == "" }

// String hides the value.
func (s Secret) String() string { return hidden }

// GoString hides the value from %#v.
func (s Secret) GoString() string { return hidden }

// Format hides the value from every verb of package fmt, %x and %q among them.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the value from JSON, TOML and XML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalBinary refuses, so that gob (and with it a session) cannot carry a Secret.
func (s Secret) MarshalBinary() ([]byte, error) { return nil, errSealed }

// UnmarshalBinary refuses likewise.
func (s *Secret) UnmarshalBinary([]byte) error { return errSealed }
