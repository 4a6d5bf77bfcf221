package observe

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
)

// However a Secret is printed, logged or marshalled, the value does not come out, nor its length.
func TestSecretCannotPrint(t *testing.T) {
	const value = "hunter2-hunter2"
	s := Secret(value)
	holder := struct {
		Key  Secret            `json:"key" toml:"key"`
		Keys []Secret          `json:"keys"`
		Map  map[string]Secret `json:"map" xml:"-"`
		Ptr  *Secret           `json:"ptr"`
	}{s, []Secret{s}, map[string]Secret{"a": s}, &s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.3s", "%T%v"} {
		fmt.Fprintf(&out, verb+"\n", s, &s)
		fmt.Fprintf(&out, verb+"\n", holder)
	}
	fmt.Fprintln(&out, s, &s, []Secret{s}, errors.New("x "+s.String()), fmt.Errorf("%w %v", io.EOF, s))
	log := NewLogger(&out, "bank", slog.LevelDebug)
	log.Info("a", "s", s, "p", &s, "h", holder, slog.Group("g", "s", s))
	slog.New(slog.NewTextHandler(&out, nil)).Info("b", "s", s, "h", holder)
	b, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)
	if b, err = xml.Marshal(inXML{s}); err != nil {
		t.Fatal(err)
	}
	out.Write(b)
	text := out.String()
	for _, leak := range []string{value, "hunter", fmt.Sprintf("%x", value), fmt.Sprintf("%X", value)} {
		if strings.Contains(text, leak) {
			t.Errorf("%q came out:\n%s", leak, text)
		}
	}
	if !strings.Contains(text, hidden) {
		t.Error("nothing stands in its place")
	}
	if err := gob.NewEncoder(io.Discard).Encode(struct{ S Secret }{s}); err == nil {
		t.Error("gob carried a secret")
	}
	if s.Reveal() != value || s.Empty() || !Secret("").Empty() {
		t.Error("Reveal must give the value")
	}
}

type inXML struct{ S Secret }

func TestSensitiveNamesAreHidden(t *testing.T) {
	var out strings.Builder
	log := NewLogger(&out, "bank", slog.LevelInfo)
	log.Info("x", "pin", "9137", "Code", "482915", "access_token", "tok-1", slog.Group("in", "password", "pw-1"), "long", strings.Repeat("あ", 2000))
	log.Info("y", "err", errors.New(strings.Repeat("e", 9000)))
	for _, leak := range []string{"9137", "482915", "tok-1", "pw-1"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%s came out: %s", leak, out.String())
		}
	}
	if out.Len() > 6000 {
		t.Errorf("one value may fill the log: %d bytes", out.Len())
	}
	for line := range strings.Lines(out.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

// An error of a client repeats the URL it failed on; the query does not reach the log, nor does a token.
func TestURLsAndTokensAreScrubbed(t *testing.T) {
	_, err := (&http.Client{Timeout: time.Second}).Get("http://127.0.0.1:1/cb?code=c0de-1&state=st-1")
	var out strings.Builder
	log := NewLogger(&out, "wallet", slog.LevelInfo)
	log.Info("x", "err", err, "text", "see https://a.example/x?rs=r-1 and https://b.example/y?z=z-1, or eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJtYXJ1In0.c2ln-1 here")
	log.Info("plain", "text", "is it so? yes")
	for _, leak := range []string{"c0de-1", "st-1", "r-1", "z-1", "c2ln-1", "eyJ"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%s came out: %s", leak, out.String())
		}
	}
	for _, kept := range []string{"http://127.0.0.1:1/cb?[secret]", "and https://b.example/y", " here", "is it so? yes"} {
		if !strings.Contains(out.String(), kept) {
			t.Errorf("%q is gone: %s", kept, out.String())
		}
	}
}

type line struct {
	Level, Msg, Role, Req, Method, Route, Party, Kind, Rule, Err, Panic, At, Extra string
	Status                                                                         int
	Us, Bytes                                                                      int64
}

// wide sends one request through Wide and reads its line.
func wide(t *testing.T, h http.Handler, r *http.Request) (line, *httptest.ResponseRecorder, *Metrics) {
	t.Helper()
	var out strings.Builder
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	m := NewMetrics("bank")
	o := Wiring{Role: "bank", Log: NewLogger(&out, "bank", slog.LevelInfo), Metrics: m, Now: func() time.Time { now = now.Add(3 * time.Millisecond); return now }}
	w := httptest.NewRecorder()
	Wide(h, o).ServeHTTP(w, r)
	if strings.Count(out.String(), "\n") != 1 {
		t.Fatalf("want one line: %q", out.String())
	}
	var l line
	if err := json.Unmarshal([]byte(out.String()), &l); err != nil {
		t.Fatal(err)
	}
	return l, w, m
}

func TestWideLine(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/debits/{c}/resolution", func(w http.ResponseWriter, r *http.Request) {
		Party(r.Context(), "maru")
		Add(r.Context(), slog.String("extra", "7"))
		Failed(r.Context(), fault.Refuse("M1", "bank.Debit", fault.Text{JA: "上限", EN: "limit"}))
		w.WriteHeader(422)
		_, _ = io.WriteString(w, RequestID(r.Context()))
	})
	copying := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Routed(mux).ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), recordKey{}, from(r.Context()))))
	})
	l, w, m := wide(t, copying, httptest.NewRequest("POST", "/v1/debits/deb_secret/resolution?token=x", nil))
	if l.Route != "POST /v1/debits/{c}/resolution" || l.Method != "POST" || l.Status != 422 || l.Us != 3000 || l.Bytes != 13 || l.Party != "maru" ||
		l.Kind != "refused" || l.Rule != "M1" || l.Extra != "7" || l.Role != "bank" || l.Req != w.Body.String() || l.Level != "INFO" {
		t.Errorf("%+v", l)
	}
	scrape := httptest.NewRecorder()
	m.Counter("codes_total", "Codes sent.", "bank").WithLabelValues("0149").Inc()
	m.Gauge("queue", "Messages waiting.", func() float64 { return 4 })
	Ops(m, nil).ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`kozamori_requests_total{method="POST",role="bank",route="POST /v1/debits/{c}/resolution",status="422"} 1`,
		`kozamori_request_seconds_bucket{role="bank",route="POST /v1/debits/{c}/resolution",le="0.005"} 1`,
		`kozamori_codes_total{bank="0149",role="bank"} 1`, `kozamori_queue{role="bank"} 4`, "go_goroutines",
	} {
		if !strings.Contains(scrape.Body.String(), want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestWideWithoutRoute(t *testing.T) {
	l, w, m := wide(t, Routed(http.NewServeMux()), httptest.NewRequest("PROPFIND", "/some/secret", nil))
	if l.Route != "" || l.Status != 404 || l.Method != "other" || w.Code != 404 {
		t.Errorf("%+v", l)
	}
	scrape := httptest.NewRecorder()
	m.Handler().ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(scrape.Body.String(), `method="other",role="bank",route="none",status="404"`) {
		t.Error("a path that nobody serves must not become a label")
	}
}

func TestPanicBecomesAnAnswer(t *testing.T) {
	l, w, _ := wide(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("sum is odd") }), httptest.NewRequest("GET", "/", nil))
	if w.Code != 500 || l.Status != 500 || l.Level != "ERROR" || l.Panic != "sum is odd" || l.Kind != "internal" || !strings.Contains(l.At, "observe.TestPanicBecomesAnAnswer") {
		t.Errorf("%d %+v", w.Code, l)
	}
	broken := Wiring{Log: Discard(), OnError: func(http.ResponseWriter, *http.Request, error) { panic("again") }}
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("a broken error page must cut the connection")
			}
		}()
		Wide(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("x") }), broken).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}()
	type held struct{ pin string }
	l, _, _ = wide(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(held{"9137"}) }), httptest.NewRequest("GET", "/", nil))
	if strings.Contains(l.Panic+l.Err, "9137") || l.Panic != "observe.held" {
		t.Errorf("%+v", l)
	}
	l, _, _ = wide(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { var m map[string]int; m["a"] = 1 }), httptest.NewRequest("GET", "/", nil))
	if !strings.Contains(l.Panic, "nil map") {
		t.Errorf("%+v", l)
	}
}

// Half an answer is cut off rather than taken for a whole one.
func TestPanicAfterTheFirstByte(t *testing.T) {
	srv := httptest.NewServer(Wide(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 10000))
		panic("late")
	}), Wiring{Log: Discard()}))
	defer srv.Close()
	resp, err := http.Get(srv.URL)
	if err == nil {
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
	}
	if err == nil {
		t.Fatal("the broken answer looks whole")
	}
}

func TestOutsideOfARequest(t *testing.T) {
	Add(t.Context(), slog.Int("x", 1))
	Party(t.Context(), "x")
	Failed(t.Context(), io.EOF)
	if RequestID(t.Context()) != "" {
		t.Error("there is no request")
	}
}

func TestHealth(t *testing.T) {
	var broken error
	h := Ops(NewMetrics("hub"), func(context.Context) error { return broken })
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	if code, text := get("/readyz"); code != 200 || text != "ready\n" {
		t.Errorf("%d %q", code, text)
	}
	broken = errors.New("disk at /dev/sda")
	if code, text := get("/readyz"); code != 503 || strings.Contains(text, "sda") {
		t.Errorf("%d %q", code, text)
	}
	if code, _ := get("/healthz"); code != 200 {
		t.Errorf("healthz %d", code)
	}
}

type synced struct {
	bytes.Buffer
	syncs int
	fail  bool
}

func (s *synced) Sync() error {
	s.syncs++
	if s.fail {
		return io.ErrShortWrite
	}
	return nil
}

func TestAudit(t *testing.T) {
	w := &synced{}
	at := time.Date(2026, 11, 23, 1, 2, 3, 4000, time.UTC)
	a := NewAudit(w, "wallet", func() time.Time { return at })
	e := Entry{Actor: "staff_1", Action: "level.grant", Subject: "sub_1", Outcome: "done", Detail: map[string]string{"level": "2", "pin": "9137"}}
	if err := a.Write(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	want := `{"at":"2026-11-23T01:02:03.000004Z","role":"wallet","actor":"staff_1","action":"level.grant","subject":"sub_1","outcome":"done","detail":{"level":"2","pin":"[secret]"}}` + "\n"
	if w.String() != want || w.syncs != 1 {
		t.Errorf("%s (synced %d times)", w, w.syncs)
	}
	w.fail = true
	if err := a.Write(t.Context(), e); err == nil {
		t.Error("a line that is not on the disk must be an error")
	}
}
