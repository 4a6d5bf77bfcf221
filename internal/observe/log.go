package observe

import (
	"io"
	"log/slog"
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxValue bounds one text in a log line, so that no input can flood the log.
const maxValue = 2000

// sensitive are attribute names whose value is hidden whatever it is: a second net under Secret.
var sensitive = map[string]bool{
	"pin": true, "code": true, "otp": true, "password": true, "passphrase": true, "secret": true,
	"token": true, "access_token": true, "cookie": true, "set-cookie": true, "session": true,
	"authorization": true, "dpop": true, "client_assertion": true, "code_verifier": true,
	"private_key": true, "query": true, "body": true, "rs": true, "browser": true,
}

// NewLogger writes JSON lines of one role to w, times in UTC. Attributes with a sensitive name are hidden.
func NewLogger(w io.Writer, role string, level slog.Leveler) *slog.Logger {
	h := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: clean})
	return slog.New(h).With("role", role)
}

// Discard is a logger for tests of things that are not about the log.
func Discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// clean hides sensitive names and bounds texts.
func clean(groups []string, a slog.Attr) slog.Attr {
	if sensitive[strings.ToLower(a.Key)] {
		return slog.String(a.Key, hidden)
	}
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		return slog.Time(slog.TimeKey, a.Value.Time().UTC())
	}
	if a.Value.Kind() == slog.KindString {
		return slog.String(a.Key, short(scrub(a.Value.String()), maxValue))
	}
	if err, ok := a.Value.Any().(error); ok {
		return slog.String(a.Key, short(scrub(err.Error()), maxValue))
	}
	return a
}

var (
	queries = regexp.MustCompile(`(://[^\s"?]*)\?[^\s"]*`)
	compact = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,4}`)
)

// scrub takes the query off every URL in a text and every JWS or JWE out of it: errors of package net/http
// repeat the URL they failed on, and that may hold a code.
func scrub(s string) string {
	if strings.Contains(s, "://") {
		s = queries.ReplaceAllString(s, "$1?"+hidden)
	}
	if strings.Contains(s, "eyJ") {
		s = compact.ReplaceAllString(s, hidden)
	}
	return s
}

// short cuts s to at most n bytes, at a rune.
func short(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
