package hubd

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/web"
)

// from sends a request as if it came from an address; cookies are those of an answer before.
func (x *stand) from(t *testing.T, source, method, path string, form url.Values, cookies []*http.Cookie) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, x.url+path, strings.NewReader(form.Encode()))
	r.RemoteAddr = source + ":1234"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(&http.Cookie{Name: "__Host-form", Value: "x"})
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	x.Handler().ServeHTTP(w, r)
	return w.Result()
}

// The emergency stop stays within reach, whoever types wrong passwords elsewhere.
func TestStaffCannotBeLockedOut(t *testing.T) {
	x := newStand(t)
	for i := range 100 {
		wrong := url.Values{"name": {"hanako"}, "password": {"wrong"}}
		if got := x.from(t, fmt.Sprintf("10.0.%d.1", i%10), http.MethodPost, "/staff/sign-in", wrong, nil); got.StatusCode != http.StatusUnprocessableEntity {
			t.Fatalf("guess %d: %d", i, got.StatusCode)
		}
	}
	right := url.Values{"name": {"hanako"}, "password": {"open sesame"}}
	in := x.from(t, "192.0.2.7", http.MethodPost, "/staff/sign-in", right, nil)
	if in.StatusCode != http.StatusSeeOther {
		t.Fatalf("the right password from its own source: %d", in.StatusCode)
	}
	held := 0
	for i := range 100 {
		form := url.Values{"name": {fmt.Sprint("name", i)}, "password": {"wrong"}}
		if x.from(t, "198.51.100.1", http.MethodPost, "/staff/sign-in", form, nil).StatusCode == http.StatusTooManyRequests {
			held++
		}
	}
	if held < 60 {
		t.Errorf("of 100 guesses under changing names %d were held back", held)
	}

	// A session ends when its name leaves the configuration.
	if got := x.from(t, "192.0.2.7", http.MethodGet, "/staff", nil, in.Cookies()); got.StatusCode != http.StatusOK {
		t.Fatalf("signed in: %d", got.StatusCode)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("other"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if x.members, err = web.NewStaff([]web.StaffMember{{Name: "taro", PasswordHash: string(hash)}}, clock.System); err != nil {
		t.Fatal(err)
	}
	if got := x.from(t, "192.0.2.7", http.MethodGet, "/staff", nil, in.Cookies()); got.StatusCode != http.StatusSeeOther {
		t.Errorf("after the name left: %d", got.StatusCode)
	}
}
