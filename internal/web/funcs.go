package web

import (
	"fmt"
	"html/template"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/money"
)

// funcs are what every template may call; they know the language of the page.
func (s *Site) funcs(lang string) template.FuncMap {
	return template.FuncMap{
		"t":      func(key string, values ...any) string { return s.texts.In(lang, key, values...) },
		"text":   func(t fault.Text) string { return t.In(lang) },
		"lang":   func() string { return lang },
		"yen":    func(y money.Yen) string { return yen(lang, y) },
		"digits": func(y money.Yen) string { return y.Digits() },
		"day":    func(t time.Time) string { return day(lang, t) },
		"moment": func(t time.Time) string { return moment(lang, t) },
		"span":   func(d time.Duration) string { return span(lang, d) },
		"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"asset":  s.assets.url,
		"icon":   icon,
	}
}

// icons are the outlines of the icon function, on a grid of 24; our own drawings.
var icons = map[string]string{
	"home":     "M4 11l8-7 8 7v9h-5v-6H9v6H4z",
	"back":     "M15 5l-7 7 7 7",
	"next":     "M9 5l7 7-7 7",
	"check":    "M5 12.5l4.5 4.5L19 7.5",
	"cross":    "M6 6l12 12M18 6L6 18",
	"info":     "M12 11v6M12 7.2v.3M12 3a9 9 0 100 18 9 9 0 000-18z",
	"warn":     "M12 4L2.8 20h18.4zM12 10v5M12 17.4v.3",
	"stop":     "M8 3h8l5 5v8l-5 5H8l-5-5V8zM8 12h8",
	"lock":     "M6 11h12v9H6zM8.5 11V7.5a3.5 3.5 0 017 0V11",
	"key":      "M8 11.5a4.5 4.5 0 100 9 4.5 4.5 0 000-9zM11.2 12.8L20 4M16.6 7.4l3 3M13.8 10.2l2 2",
	"phone":    "M8 2.5h8v19H8zM11 18.5h2",
	"mail":     "M3 6h18v12H3zM3.5 7l8.5 6.5L20.5 7",
	"bank":     "M4 9l8-5 8 5zM6 10v7M10 10v7M14 10v7M18 10v7M4 20h16",
	"wallet":   "M4 7h15v12H4zM4 7l11-3v3M15 12h4v3h-4z",
	"link":     "M10 14a4 4 0 005.7 0l3-3A4 4 0 0013 5.3l-1 1M14 10a4 4 0 00-5.7 0l-3 3a4 4 0 005.7 5.7l1-1",
	"clock":    "M12 3a9 9 0 100 18 9 9 0 000-18zM12 7v5.5l3.5 2",
	"qr":       "M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h2v2h-2zM18 18h2v2h-2zM18 14h2M14 18v2",
	"shop":     "M4 9l1.5-5h13L20 9M4 9v11h16V9M4 9h16M9 20v-6h6v6",
	"list":     "M8 6h12M8 12h12M8 18h12M4 6h.3M4 12h.3M4 18h.3",
	"person":   "M12 12a4 4 0 100-8 4 4 0 000 8zM4.5 20.5a7.5 7.5 0 0115 0",
	"plus":     "M12 5v14M5 12h14",
	"atm":      "M3 5h18v7H3zM7 12v8h10v-8M10 16h4",
	"passbook": "M4 4h16v16H4zM4 12h16M8 7.5h8M8 16h8",
	"language": "M12 3a9 9 0 100 18 9 9 0 000-18zM3 12h18M12 3c3 3 3.5 6 3.5 9s-.5 6-3.5 9c-3-3-3.5-6-3.5-9S9 6 12 3z",
}

// icon draws an icon beside words; it says nothing to a screen reader.
func icon(name string) (template.HTML, error) {
	d, ok := icons[name]
	if !ok {
		return "", fmt.Errorf("no icon %q", name)
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="` + d + `"/></svg>`), nil
}
