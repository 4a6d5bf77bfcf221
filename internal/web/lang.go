package web

import (
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/text/language"
)

// langCookie keeps the language somebody chose.
const langCookie = "lang"

// matcher picks the language of a browser; Japanese is the default.
var matcher = language.NewMatcher([]language.Tag{language.Japanese, language.English})

// Lang is the language of a page for this request: "ja" or "en", by the person's choice, else by the
// browser's Accept-Language, else Japanese.
func Lang(r *http.Request) string {
	if c, err := r.Cookie(langCookie); err == nil && known(c.Value) {
		return c.Value
	}
	accept := r.Header.Get("Accept-Language")
	if accept == "" || len(accept) > 500 {
		return languages[0]
	}
	tags, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(tags) == 0 {
		return languages[0]
	}
	_, i, confidence := matcher.Match(tags...)
	if confidence == language.No {
		return "en" // neither language is theirs; English is the likelier second one
	}
	return languages[i]
}

func known(lang string) bool { return lang == languages[0] || lang == languages[1] }

func other(lang string) string {
	if lang == languages[0] {
		return languages[1]
	}
	return languages[0]
}

// switchURL is this page in another language.
func switchURL(r *http.Request, lang string) string {
	q := r.URL.Query()
	q.Set("lang", lang)
	return (&url.URL{Path: localPath(r.URL.Path), RawQuery: q.Encode()}).String()
}

// localPath keeps a path on this host: "//evil.example" would be read as another one.
func localPath(p string) string { return "/" + strings.TrimLeft(p, "/\\") }

// chooseLanguage answers ?lang=… with a cookie and the page without the parameter.
func chooseLanguage(next http.Handler, https bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if (r.Method != http.MethodGet && r.Method != http.MethodHead) || !strings.Contains(r.URL.RawQuery, "lang=") {
			next.ServeHTTP(w, r)
			return
		}
		q := r.URL.Query()
		lang := q.Get("lang")
		if !known(lang) {
			next.ServeHTTP(w, r)
			return
		}
		http.SetCookie(w, &http.Cookie{
			Name: langCookie, Value: lang, Path: "/", MaxAge: 365 * 24 * 60 * 60,
			HttpOnly: true, Secure: https, SameSite: http.SameSiteLaxMode,
		})
		q.Del("lang")
		http.Redirect(w, r, (&url.URL{Path: localPath(r.URL.Path), RawQuery: q.Encode()}).String(), http.StatusSeeOther)
	})
}
