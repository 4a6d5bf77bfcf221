package program

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/store/sqldb"
	"github.com/kozamori/kozamori/internal/wire"
)

// pair are two processes of a role: one that leads and one that stands by.
type pair struct {
	holder, standby *member
	leads, standsBy *httptest.Server
	served          chan *http.Request // what the role was asked
	behindProxy     bool
	waits, streamOn chan struct{} // the role waits; the role may go on
}

// newPair runs both. The role never answers /wait, and streams /events.
func newPair(t *testing.T, behindProxy bool) *pair {
	t.Helper()
	key := proofs{[][]byte{[]byte("the newest"), []byte("an older one")}}
	p := &pair{served: make(chan *http.Request, 10), behindProxy: behindProxy, waits: make(chan struct{}), streamOn: make(chan struct{})}
	setup := Setup{Public: observe.ServerConfig{BehindProxy: behindProxy}}
	p.holder = &member{setup: setup, log: observe.Discard(), proofs: key, me: sqldb.Holder{ID: "one"}}
	p.leads = httptest.NewServer(p.holder.received(http.HandlerFunc(p.role)))
	transport := wire.NewTransport()
	p.standby = &member{setup: setup, log: observe.Discard(), proofs: proofs{key.keys[1:]}, transport: transport} // not yet restarted after a rotation
	p.standsBy = httptest.NewServer(observe.Wide(p.standby.forwarder(transport), observe.Wiring{Role: "test", Log: observe.Discard()}))
	p.standby.follow(sqldb.Holder{ID: "one", Address: p.leads.URL})
	t.Cleanup(func() { p.standsBy.Close(); transport.CloseIdleConnections(); p.leads.Close() })
	return p
}

func (p *pair) role(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/wait":
		close(p.waits)
		<-r.Context().Done()
		return
	case "/events":
		fmt.Fprint(w, "data: one\n\n")
		_ = http.NewResponseController(w).Flush()
		<-p.streamOn
		fmt.Fprint(w, "data: two\n\n")
		return
	}
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Answer", "role")
	w.WriteHeader(http.StatusTeapot)
	fmt.Fprintf(w, "%s %s %s", r.Host, r.URL.RequestURI(), body)
	p.served <- r
}

// ask asks a process as a client does; header are names and values.
func ask(t *testing.T, at *httptest.Server, method, path, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, at.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "0149.bank.example.jp"
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

// A request through a process that stands by is answered as the one that leads answers it, and reads there as if it
// had come straight.
func TestWholeRequestsAreForwarded(t *testing.T) {
	p := newPair(t, false)
	const path = "/a%2Fb/c;d?x=1;y=2&z=%zz&q="
	code, text, header := ask(t, p.standsBy, "POST", path, "all of it", "Cookie", "__Host-a=b", "Connection", "X-Hop", "X-Hop", "1", "X-Forwarded-Host", "evil.example", "Authorization", "DPoP x")
	if want := "0149.bank.example.jp " + path + " all of it"; code != http.StatusTeapot || text != want || header.Get("Answer") != "role" {
		t.Errorf("%d, %q, %v, want %q", code, text, header, want)
	}
	r := <-p.served
	for name, want := range map[string]string{"Cookie": "__Host-a=b", "Authorization": "DPoP x", "X-Hop": "", "X-Forwarded-Host": "", forwarded: ""} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// What comes a piece at a time is passed on a piece at a time.
func TestEventsAreForwardedAsTheyCome(t *testing.T) {
	p := newPair(t, false)
	resp, err := http.Get(p.standsBy.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || lines.Text() != "data: one" {
		t.Errorf("%q", lines.Text())
	}
	close(p.streamOn) // only now the role says more
	var rest []string
	for lines.Scan() {
		rest = append(rest, lines.Text())
	}
	if lines.Err() != nil || len(rest) != 3 || rest[1] != "data: two" {
		t.Errorf("%q, %v", rest, lines.Err())
	}
}

// Who holds back floods sees where a request came from, whichever process it came to, and believes nobody else.
func TestAddressOfAForwardedRequest(t *testing.T) {
	for _, behind := range []bool{false, true} {
		p := newPair(t, behind)
		for name, c := range map[string]struct {
			at     *httptest.Server
			header []string
			want   map[bool]string
		}{
			"through the other":      {p.standsBy, []string{"X-Forwarded-For", "9.9.9.9, 192.0.2.7"}, map[bool]string{true: "192.0.2.7", false: "127.0.0.1"}},
			"straight":               {p.leads, []string{"X-Forwarded-For", "9.9.9.9, 192.0.2.7"}, map[bool]string{true: "192.0.2.7", false: "127.0.0.1"}},
			"no address of a proxy":  {p.standsBy, []string{"X-Forwarded-For", "9.9.9.9, un known"}, map[bool]string{true: "un known", false: "127.0.0.1"}},
			"an address of six":      {p.standsBy, []string{"X-Forwarded-For", "2001:db8::7"}, map[bool]string{true: "2001:db8::7", false: "127.0.0.1"}},
			"an address said by who": {p.standsBy, []string{"X-Real-IP", "9.9.9.9", "Forwarded", "for=9.9.9.9"}, map[bool]string{true: "127.0.0.1", false: "127.0.0.1"}},
		} {
			if code, text, _ := ask(t, c.at, "GET", "/", "", c.header...); code != http.StatusTeapot {
				t.Fatalf("%s: %d, %s", name, code, text)
			}
			if got := observe.ClientAddress(<-p.served, behind); got != c.want[behind] {
				t.Errorf("%s, behind a proxy %v: %q, want %q", name, behind, got, c.want[behind])
			}
		}
	}
}

// A mark that no process of the role made for this request and this holder opens nothing; a marked request is passed on
// no further.
func TestMarksOfStrangers(t *testing.T) {
	p := newPair(t, false)
	req := httptest.NewRequest("GET", "http://0149.bank.example.jp/", nil)
	mark := func(key, from, holder string) string {
		proofs{[][]byte{[]byte(key)}}.sign(req, from, holder)
		return req.Header.Get(forwarded)
	}
	good := mark("the newest", "192.0.2.7", "one")
	for name, c := range map[string]struct{ method, path, mark string }{
		"no proof":        {"GET", "/", "192.0.2.7"},
		"an empty one":    {"GET", "/", ""},
		"another key":     {"GET", "/", mark("guessed", "192.0.2.7", "one")},
		"another holder":  {"GET", "/", mark("the newest", "192.0.2.7", "two")},
		"another address": {"GET", "/", strings.Replace(good, "192.0.2.7", "192.0.2.8", 1)},
		"another method":  {"POST", "/", good},
		"another path":    {"GET", "/?", good},
	} {
		code, text, header := ask(t, p.leads, c.method, c.path, "", forwarded, c.mark)
		if code != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || len(p.served) > 0 {
			t.Errorf("%s: %d, %s", name, code, text)
		}
	}
	if code, _, _ := ask(t, p.leads, "GET", "/", "", forwarded, good); code != http.StatusTeapot {
		t.Errorf("a good mark: %d", code)
	}
	<-p.served
	if code, _, header := ask(t, p.standsBy, "GET", "/", "", forwarded, good); code != http.StatusServiceUnavailable || header.Get("Retry-After") == "" || len(p.served) > 0 {
		t.Errorf("passed on twice: %d", code)
	}
}

// While nobody leads, or the leader does not answer, a process that stands by asks to come again, and is not ready.
func TestNobodyLeads(t *testing.T) {
	p := newPair(t, false)
	ready := func(want int) {
		t.Helper()
		w := httptest.NewRecorder()
		p.standby.opsOfStandby(observe.NewMetrics("test")).ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		if w.Code != want || !strings.HasPrefix(w.Body.String(), "standby") {
			t.Errorf("ready: %d, %s, want %d", w.Code, w.Body, want)
		}
	}
	later := func() {
		t.Helper()
		if code, _, header := ask(t, p.standsBy, "GET", "/", ""); code != http.StatusServiceUnavailable || header.Get("Retry-After") != "1" {
			t.Errorf("%d, %v", code, header)
		}
	}
	ready(200)
	stuck := make(chan int)
	go func() {
		code, _, _ := ask(t, p.standsBy, "GET", "/wait", "")
		stuck <- code
	}()
	<-p.waits
	p.standby.follow(sqldb.Holder{ID: "two", Address: "http://127.0.0.1:1"}) // nobody listens there
	if code := <-stuck; code != http.StatusServiceUnavailable {
		t.Errorf("waited for a leader that is none: %d", code)
	}
	ready(503)
	later()
	p.standby.follow(sqldb.Holder{ID: "three", Address: p.leads.URL}) // somebody else's address
	ready(503)
	later()
	p.standby.follow(sqldb.Holder{})
	ready(503)
	later()
	p.standby.follow(sqldb.Holder{ID: "one", Address: p.leads.URL})
	ready(200)
	if code, _, _ := ask(t, p.standsBy, "GET", "/", ""); code != http.StatusTeapot {
		t.Errorf("%d", code)
	}
	<-p.served
}

// A lease is taken at once where it is free, and otherwise when nothing was heard for as long as it takes, by the clock
// of who looks.
func TestWatch(t *testing.T) {
	var w watch
	start := time.Now()
	beat := func(n int64) sqldb.Holder { return sqldb.Holder{ID: "one", Beat: n} }
	for _, step := range []struct {
		after time.Duration
		h     sqldb.Holder
		want  bool
	}{
		{0, beat(1), false},
		{patience - 1, beat(1), false},
		{patience - 1, beat(2), false},
		{2*patience - 2, beat(2), false},
		{2*patience - 1, beat(2), true},
		{2 * patience, sqldb.Holder{ID: "two", Beat: 2}, false},
		{2*patience + 1, sqldb.Holder{}, true},
		{100 * patience, beat(3), false}, // who looks has stood still itself
		{101 * patience, beat(3), true},
	} {
		if got := w.free(start.Add(step.after), step.h); got != step.want {
			t.Errorf("after %s, %+v: %v", step.after, step.h, got)
		}
	}
	w = watch{} // the database was out of reach
	if w.free(start.Add(1000*patience), beat(3)) {
		t.Error("a holder that could not reach the database gets no time")
	}
}
