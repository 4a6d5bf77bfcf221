package walletd

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/kozamori/kozamori/internal/store/sqlite/sessionsql"
	"github.com/kozamori/kozamori/internal/store/sqlite/sqlitedb"
)

// sessions counts the rows of sessions.
func (h *house) sessions() (n int) {
	h.Helper()
	db, err := sqlitedb.OpenAsIs(filepath.Join(h.server.cfg.Data.Dir, "web.db"), sessionsql.Source)
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
