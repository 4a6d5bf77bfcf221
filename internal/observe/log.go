package observe

import (
	"io"
	"log/slog"
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
		return slog.String(a.Key, short(a.Value.String(), maxValue))
	}
	if err, ok := a.Value.Any().(error); ok {
		return slog.String(a.Key, short(err.Error(), maxValue))
	}
	return a
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
