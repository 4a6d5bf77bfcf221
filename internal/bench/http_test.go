package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// desk is a bank that opens accounts, and answers transfers as Nothing does after whatever a test has it do first.
type desk struct {
	mu    sync.Mutex
	ids   map[string]bool
	posts atomic.Int64
	first func(n int64, w http.ResponseWriter) (answered bool)
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer key" {
		http.Error(w, "who?", http.StatusUnauthorized)
		return
	}
	if r.URL.Path == "/channel/v1/accounts" {
		var in struct{ Number string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"account":"acc_%026s"}`, in.Number)
		return
	}
	text, _ := io.ReadAll(r.Body)
	var in struct {
		Transfers []struct{ ID, From, To string }
	}
	_ = json.Unmarshal(text, &in)
	if n := d.posts.Add(1); d.first != nil && d.first(n, w) {
		return
	}
	d.mu.Lock()
	for _, t := range in.Transfers {
		if d.ids[t.ID] || t.From == t.To {
			w.WriteHeader(http.StatusConflict)
		}
		d.ids[t.ID] = true
	}
	d.mu.Unlock()
	r.Body = io.NopCloser(strings.NewReader(string(text)))
	Nothing().ServeHTTP(w, r)
}

// against measures against a desk, for a second.
func against(t *testing.T, d *desk, h HTTP) (HTTPReport, error) {
	t.Helper()
	d.ids = map[string]bool{}
	bank, idle := httptest.NewServer(d), httptest.NewServer(Nothing())
	t.Cleanup(bank.Close)
	t.Cleanup(idle.Close)
	h.Bank, h.Key, h.Idle, h.Accounts, h.For = bank.URL, "key", idle.URL, 10, time.Second
	return h.Run(t.Context())
}

// Every transfer that is counted was asked for under an id of its own, also in answers too long for one piece.
func TestHTTPCountsWhatWasDone(t *testing.T) {
	for _, h := range []HTTP{{Connections: 8, PerRequest: 1}, {Connections: 2, PerRequest: 100}, {Connections: 4, PerRequest: 3, Hot: true}} {
		d := &desk{}
		rep, err := against(t, d, h)
		if err != nil {
			t.Fatal(err)
		}
		if int(rep.Transfers) != len(d.ids) || rep.Transfers == 0 || rep.CeilingPerSecond <= 0 || rep.P50 > rep.P99 || rep.P99 > rep.P999 || rep.Busy+rep.Unsent != 0 {
			t.Errorf("%d ids, and the report says %+v", len(d.ids), rep)
		}
	}
}

// On schedule, a server that stands still for 300 ms is felt by every request that was due meanwhile, and not by the
// one alone that it was busy with.
func TestHTTPScheduleHidesNoStall(t *testing.T) {
	d := &desk{first: func(n int64, _ http.ResponseWriter) bool {
		if n == 5 {
			time.Sleep(300 * time.Millisecond)
		}
		return false
	}}
	rep, err := against(t, d, HTTP{Connections: 1, PerRequest: 1, Rate: 200})
	if err != nil {
		t.Fatal(err)
	}
	// 200 were to leave; of the 50 in the round that stalled, those after the fifth were all due within 225 ms.
	if missed := rep.Unsent; rep.Transfers+missed != 200 || missed < 40 {
		t.Errorf("%d sent and %d not, of 200 on schedule: %+v", rep.Transfers, missed, rep)
	}
	d = &desk{first: func(n int64, _ http.ResponseWriter) bool {
		if n == 5 {
			time.Sleep(150 * time.Millisecond)
		}
		return false
	}}
	if rep, err = against(t, d, HTTP{Connections: 1, PerRequest: 1, Rate: 200}); err != nil {
		t.Fatal(err)
	}
	if rep.P99 < 100_000 { // 10 of the 200 were due in the first 50 ms of the stall
		t.Errorf("a stall of 150 ms hides: %+v", rep)
	}
}

// Back-pressure is counted apart; any other refusal ends the measurement with the server's words.
func TestHTTPRefusals(t *testing.T) {
	d := &desk{first: func(n int64, w http.ResponseWriter) bool {
		if n == 3 {
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return n == 3
	}}
	rep, err := against(t, d, HTTP{Connections: 2, PerRequest: 1})
	if err != nil || rep.Busy != 1 || int(rep.Transfers) != len(d.ids) {
		t.Errorf("%+v %v", rep, err)
	}
	for said, status := range map[string]int{"out of order": http.StatusInternalServerError, `{"outcome":"refused"}`: http.StatusOK} {
		d := &desk{first: func(_ int64, w http.ResponseWriter) bool {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, said)
			return true
		}}
		if _, err := against(t, d, HTTP{Connections: 8, PerRequest: 1}); err == nil || strings.Count(err.Error(), said) != 1 {
			t.Errorf("%s: %v", said, err)
		}
	}
	if _, err := (HTTP{Bank: "http://127.0.0.1:1", Connections: 1, Accounts: 2}).Run(t.Context()); err == nil {
		t.Error("measured a server that is not there")
	}
}
