package web

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// A page takes plain forms of a bounded size and nothing else: parsing a multipart one would spool it to files that
// outlive the process.
func TestPagesTakeOnlyPlainForms(t *testing.T) {
	spool := t.TempDir()
	t.Setenv("TMPDIR", spool)
	h, _ := app(t, &strings.Builder{})
	cookie := ask(h, httptest.NewRequest("GET", "https://wallet.example/form", nil)).Cookies()[0]

	var large bytes.Buffer
	m := multipart.NewWriter(&large)
	part, err := m.CreateFormFile("f", "big")
	if err != nil {
		t.Fatal(err)
	}
	for range 40 { // past what the standard library keeps in memory
		if _, err := part.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "https://wallet.example/form", &large)
	r.Header.Set("Content-Type", m.FormDataContentType())
	r.AddCookie(cookie)
	if got := ask(h, r); got.StatusCode != http.StatusBadRequest {
		t.Errorf("multipart: %d", got.StatusCode)
	}
	if left, err := os.ReadDir(spool); err != nil || len(left) > 0 {
		t.Errorf("files left behind: %v %v", left, err)
	}

	for name, kind := range map[string]string{"no kind": "", "JSON": "application/json", "nonsense": ";;"} {
		r := post("/form", "amount=1", cookie)
		r.Header.Set("Content-Type", kind)
		if got := ask(h, r); got.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
	}
	for name, c := range map[string]struct {
		form string
		want string
	}{
		"small": {"amount=1", "done"}, "as large as may be": {"amount=300001&x=" + strings.Repeat("y", MaxForm-16), "M1"},
		"too large": {"amount=300001&x=" + strings.Repeat("y", MaxForm), "読み取れませんでした"},
	} {
		if got := body(t, ask(h, post("/form", c.form, cookie))); !strings.Contains(got, c.want) {
			t.Errorf("%s: %.2000s", name, got)
		}
	}
	if got := body(t, ask(h, post("/form", "", cookie))); got != "done" {
		t.Errorf("nothing at all: %.200s", got)
	}
}
