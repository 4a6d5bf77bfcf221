package walletd

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// from sends a request as if it came from an address.
func (h *house) from(source string, r *http.Request) *http.Response {
	h.Helper()
	r.RemoteAddr = source + ":1234"
	r.AddCookie(&http.Cookie{Name: "__Host-form", Value: "x"})
	w := httptest.NewRecorder()
	h.server.Handler().ServeHTTP(w, r.WithContext(h.Context()))
	return w.Result()
}

// The pages and the interface of staff: strangers lock nobody out, and changing names buys no guesses.
func TestStaffCannotBeLockedOut(t *testing.T) {
	h := newHouse(t)
	page := func(source, name, password string) int {
		form := url.Values{"name": {name}, "password": {password}}
		r := httptest.NewRequest(http.MethodPost, h.origin+"/staff/sign-in", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return h.from(source, r).StatusCode
	}
	api := func(source, name, password string) int {
		r := httptest.NewRequest(http.MethodGet, h.origin+"/staff/v1/holders?email=nobody@example.jp", nil)
		r.SetBasicAuth(name, password)
		return h.from(source, r).StatusCode
	}
	for what, c := range map[string]struct {
		try          func(source, name, password string) int
		wrong, right int
	}{
		"page": {page, http.StatusUnprocessableEntity, http.StatusSeeOther},
		"api":  {api, http.StatusUnauthorized, http.StatusNotFound},
	} {
		source := func(i int) string { return fmt.Sprintf("10.%d.%d.1", len(what), i%20) }
		for i := range 100 {
			if got := c.try(source(i), "tanaka", "wrong"); got != c.wrong {
				t.Fatalf("%s: guess %d: %d", what, i, got)
			}
		}
		for range 40 {
			if got := c.try("192.0.2.7", "tanaka", staffPassword); got != c.right {
				t.Fatalf("%s: the right password from its own source: %d", what, got)
			}
		}
		held := 0
		for i := range 100 {
			if c.try("198.51.100."+fmt.Sprint(len(what)), fmt.Sprint("name", i), "wrong") == http.StatusTooManyRequests {
				held++
			}
		}
		if held < 60 {
			t.Errorf("%s: of 100 guesses under changing names %d were held back", what, held)
		}
	}
}
