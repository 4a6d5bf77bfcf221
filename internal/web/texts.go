package web

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/money"
)

// Texts are the words of templates, by key ("link.title"). A sentence with values has indexed verbs
// ("%[1]s から %[2]s"), because the languages differ in order; yen, times and fault.Text are put in the
// language of the page.
type Texts map[string]fault.Text

// In looks a key up in a language ("ja", "en") and fills in the values. A key that is missing shows as
// ⟦key⟧; Site.Check finds those in templates.
func (t Texts) In(lang, key string, values ...any) string {
	text, ok := t[key]
	if !ok {
		return "⟦" + key + "⟧"
	}
	if len(values) == 0 {
		return text.In(lang)
	}
	said := make([]any, len(values))
	for i, v := range values {
		said[i] = say(lang, v)
	}
	return fmt.Sprintf(text.In(lang), said...)
}

// T is In with the language of a request, for handlers.
func (s *Site) T(lang, key string, values ...any) string { return s.texts.In(lang, key, values...) }

func say(lang string, v any) any {
	switch v := v.(type) {
	case money.Yen:
		return yen(lang, v)
	case time.Time:
		return moment(lang, v)
	case time.Duration:
		return span(lang, v)
	case fault.Text:
		return v.In(lang)
	}
	return v
}

func merged(sets ...Texts) Texts {
	all := Texts{}
	for _, set := range sets {
		maps.Copy(all, set)
	}
	return all
}

// yen is an amount as people of the language write it: 1,234円, ¥1,234.
func yen(lang string, y money.Yen) string {
	if lang != "en" {
		return y.String()
	}
	if y < 0 {
		return "-¥" + (-y).Digits()
	}
	return "¥" + y.Digits()
}

// day is a Japanese calendar date.
func day(lang string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if lang == "en" {
		return t.In(clock.Tokyo).Format("2 Jan 2006")
	}
	return t.In(clock.Tokyo).Format("2006年1月2日")
}

// moment is a time of day in Japan, to the minute.
func moment(lang string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if lang == "en" {
		return t.In(clock.Tokyo).Format("2 Jan 2006, 15:04 JST")
	}
	return t.In(clock.Tokyo).Format("2006年1月2日 15:04")
}

// span is a duration in its largest unit and the next one: "11時間58分", "11 h 58 min".
func span(lang string, d time.Duration) string {
	units := [...]struct {
		size   time.Duration
		ja, en string
	}{{24 * time.Hour, "日", " d"}, {time.Hour, "時間", " h"}, {time.Minute, "分", " min"}, {time.Second, "秒", " s"}}
	d = max(d, 0).Round(time.Second)
	first := len(units) - 1
	for i, u := range units {
		if d >= u.size {
			first = i
			break
		}
	}
	var parts []string
	for i := first; i < len(units) && i <= first+1; i++ {
		n := d / units[i].size
		d -= n * units[i].size
		if i > first && n == 0 {
			continue
		}
		unit := units[i].ja
		if lang == "en" {
			unit = units[i].en
		}
		parts = append(parts, fmt.Sprint(int64(n))+unit)
	}
	if lang == "en" {
		return strings.Join(parts, " ")
	}
	return strings.Join(parts, "")
}
