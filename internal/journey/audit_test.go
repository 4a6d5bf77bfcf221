package journey

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/wire"
)

// startPage is a dev of which there is only the start page's interface.
func startPage(t *testing.T, path string, answer func(r *http.Request) any) *world {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		if err := json.NewEncoder(w).Encode(answer(r)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(srv.Close)
	return &world{transport: wire.LocalhostTransport(), base: srv.URL, saw: func(string, string) {}}
}

// A wrong address is told in one short line.
func TestAWrongAddressIsToldShortly(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("<!doctype html>\n<title>ここではない</title>\n" + strings.Repeat("<p>別のサーバー</p>\n", 500)))
	}))
	t.Cleanup(srv.Close)
	_, err := find(t.Context(), srv.URL)
	wantError(t, err, "is `kozamori dev` running there?", "answered 404", "ここではない")
	if strings.Contains(err.Error(), "\n") || len([]rune(err.Error())) > mostQuoted+200 {
		t.Errorf("a whole page: %v", err)
	}
	for _, address := range []string{"localhost:9500", "localhost", ""} {
		_, err := find(t.Context(), address)
		wantError(t, err, "http:// is missing")
	}
}

// A dev that is still starting is waited for.
func TestADevThatStartsIsWaitedFor(t *testing.T) {
	looks := 0
	w := startPage(t, "/api/info", func(*http.Request) any {
		looks++
		return map[string]int{"ready_ms": map[bool]int{true: 900}[looks > 2]}
	})
	if _, err := find(t.Context(), w.base+"/"); err != nil || looks != 3 {
		t.Errorf("%v after %d looks", err, looks)
	}
}

// An audit proves the journey's charges only if it saw each of them, as it ended.
func TestAuditMustHaveSeenTheCharges(t *testing.T) {
	booked := order{"deb_1", maru, shizuoka, 3000, "done", "booked"}
	stopped := order{"deb_2", maru, shizuoka, 1000, "refused", "refused"}
	less, there, late, unsent, buried := booked, stopped, stopped, stopped, stopped
	unsent.State, unsent.Outcome, buried.State, buried.Outcome = "asked", "", "never", "never"
	less.Amount, there.Bank, late.State, late.Outcome = 2999, suruga, "done", "booked"
	for name, c := range map[string]struct {
		agrees bool
		saw    map[string]order
		want   string // part of the error; "" for none
	}{
		"all":                    {true, map[string]order{"deb_1": booked, "deb_2": stopped}, ""},
		"books that differ":      {false, map[string]order{"deb_1": booked, "deb_2": stopped}, "one yen is missing"},
		"other books":            {true, nil, "deb_1 of 3,000 yen stands in none of the books"},
		"not the stopped link's": {true, map[string]order{"deb_1": booked}, "deb_2 of 1,000 yen stands in none of the books"},
		"never sent":             {true, map[string]order{"deb_1": booked, "deb_2": unsent}, ""},
		"buried":                 {true, map[string]order{"deb_1": booked, "deb_2": buried}, ""},
		"a charge not done":      {true, map[string]order{"deb_1": unsent, "deb_2": stopped}, "it saw {debit:deb_1"},
		"another amount":         {true, map[string]order{"deb_1": less, "deb_2": stopped}, "it saw {debit:deb_1"},
		"another bank":           {true, map[string]order{"deb_1": booked, "deb_2": there}, "it saw {debit:deb_2"},
		"booked after a stop":    {true, map[string]order{"deb_1": booked, "deb_2": late}, "it saw {debit:deb_2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := startPage(t, "/api/audit", func(r *http.Request) any {
				if got := strings.Join(r.URL.Query()["debit"], " "); got != "deb_1 deb_2" {
					t.Errorf("asked for %q", got)
				}
				return map[string]any{"agrees": c.agrees, "text": "one yen is missing", "debits": c.saw}
			})
			w.orders = []order{booked, stopped}
			if err := w.audit(t.Context()); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if err := (&story{w: &world{}}).audit(t.Context()); err == nil || !strings.Contains(err.Error(), "expected 7 charges") {
		t.Errorf("a journey without charges: %v", err)
	}
}

// Two journeys at one dev move each other's clock: the one that notices says so.
func TestAMovedClockIsSaid(t *testing.T) {
	ahead := int64(3600)
	s := &story{ahead: time.Hour, w: startPage(t, "/api/clock", func(r *http.Request) any {
		if r.Method == http.MethodPost {
			ahead += 7200
		}
		return map[string]any{"ahead_seconds": ahead}
	})}
	if err := s.undisturbed(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.later(2)(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.undisturbed(t.Context()); err != nil {
		t.Errorf("after its own move: %v", err)
	}
	ahead += 43_200
	if err := s.undisturbed(t.Context()); !errors.Is(err, errDisturbed) || !strings.Contains(err.Error(), "it is 15h0m0s ahead, not 3h0m0s") {
		t.Errorf("after another's: %v", err)
	}
}
