package walletd

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/store/sessionsql"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wallet"
)

// sessions counts the rows of sessions.
func (h *house) sessions() (n int) {
	h.Helper()
	_, place := places(h.server.cfg)
	db, err := sqldb.OpenAsIs(place, sessionsql.Source)
	if err != nil {
		h.Fatal(err)
	}
	defer db.Close()
	if err := db.Read().QueryRowContext(h.Context(), `SELECT COUNT(*) FROM sessions`).Scan(&n); err != nil {
		h.Fatal(err)
	}
	return n
}

// Looking at pages without a cookie leaves few rows, and nobody else is held back by it.
func TestLookingAtPagesFillsNoDisk(t *testing.T) {
	h := newHouse(t)
	h.server.limits = newLimiters(false)
	get := func(source, path string) int {
		return h.from(source, httptest.NewRequest(http.MethodGet, h.origin+path, nil)).StatusCode
	}
	held := 0
	for range 100 {
		if got := get("192.0.2.7", "/pay"); got != http.StatusSeeOther {
			t.Fatalf("GET /pay: %d", got)
		}
		if get("192.0.2.7", "/signin") == http.StatusTooManyRequests {
			held++
		}
	}
	if n := h.sessions(); n > 80 || held == 0 {
		t.Errorf("200 looks at pages left %d rows, %d were held back", n, held)
	}
	if got := get("192.0.2.8", "/signin"); got != http.StatusOK {
		t.Errorf("somebody else: %d", got)
	}
}

// A stranger who wears out a holder's recovery codes keeps her from nothing in the browser she was signed in with,
// and one source begins few recoveries.
func TestRecoveryIsNotKeptFromHer(t *testing.T) {
	h := newHouse(t)
	v := h.visit()
	v.signUp("hanako@example.jp", "090-1111-2222")
	v.goes("/", "/signout")
	stranger := func() page {
		h.Helper()
		s := h.visit()
		s.get("/recover")
		return s.post("/recover", "email", "hanako@example.jp")
	}
	for range wallet.CodesPerDay {
		if got := stranger(); got.to != "/steps" {
			t.Fatalf("a recovery: %d %s", got.status, plain(got.text))
		}
		h.codeFor("hanako@example.jp") // she is told of each
		h.clock.Forward(wallet.CodeInterval)
	}
	if got := stranger(); got.status != http.StatusUnprocessableEntity {
		t.Errorf("code %d: %d", wallet.CodesPerDay+1, got.status)
	}
	v.get("/recover")
	v.goes("/steps", "/recover", "email", "hanako@example.jp")
	v.goes("/steps", "/steps/code", "code", h.codeFor("hanako@example.jp"))

	h.server.limits = newLimiters(false)
	from := func(source, path string) int {
		r := httptest.NewRequest(http.MethodPost, h.origin+path, strings.NewReader("email=nobody%40example.jp"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		h.clock.Forward(wallet.CodeBudgetSpan)
		return h.from(source, r).StatusCode
	}
	for i := range 5 {
		if got := from("192.0.2.7", "/recover"); got != http.StatusSeeOther {
			t.Errorf("recovery %d of a source: %d", i+1, got)
		}
	}
	if got := from("192.0.2.7", "/recover"); got != http.StatusTooManyRequests {
		t.Errorf("recovery 6 of a source: %d", got)
	}
	if a, b := from("192.0.2.8", "/recover"), from("192.0.2.7", "/signup"); a != http.StatusSeeOther || b != http.StatusSeeOther {
		t.Errorf("another source %d, another errand %d", a, b)
	}
}
