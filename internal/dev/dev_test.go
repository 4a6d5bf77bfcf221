package dev

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/wire"
)

// free finds as many free ports in a row as dev needs.
func free(t *testing.T) int {
	t.Helper()
	for base := 21000 + os.Getpid()%200*100; base < 60000; base += portCount {
		listeners, err := listen(Ports{base}, false)
		if err == nil {
			if err := closeAll(listeners); err != nil {
				t.Fatal(err)
			}
			return base
		}
	}
	t.Fatal("no free ports")
	return 0
}

// running starts dev and returns what it says when ready, and how to stop it.
func running(t *testing.T, o Options) (Info, func()) {
	t.Helper()
	ready := make(chan Info, 1)
	o.Ready = func(i Info) { ready <- i }
	o.Started = time.Now()
	o.Audit = func(context.Context, string) (Report, error) { return Report{Agrees: true, Text: "looked"}, nil }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, o) }()
	select {
	case i := <-ready:
		return i, func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("stopped with %v", err)
			}
		}
	case err := <-done:
		cancel()
		t.Fatalf("did not start: %v", err)
	}
	return Info{}, nil
}

func call(t *testing.T, method, url, body string, into any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%s: %v in %s", url, err, text)
		}
	}
	return resp.StatusCode
}

// TestDataAndClockSurviveARestart: people, letters, books and the moved clock are there again; --reset begins anew.
func TestDataAndClockSurviveARestart(t *testing.T) {
	o := Options{Dir: t.TempDir(), PortBase: free(t), Postgres: pgtest.Store(t)}
	info, stop := running(t, o)
	var person Person
	if status := call(t, "POST", info.URL+"api/people", `{"bank":"0149","branch":"","with_phone":true}`, &person); status != http.StatusCreated {
		t.Fatalf("status %d", status)
	}
	if status := call(t, "POST", info.URL+"api/clock", `{"hours":12}`, nil); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	balance := func(i Info) int64 {
		var session struct{ Session string }
		if status := call(t, "POST", i.URL+"api/atm/sessions", fmt.Sprintf(`{"card":%q,"pin":%q}`, person.Card, person.PIN), &session); status != http.StatusCreated {
			t.Fatalf("ATM: status %d", status)
		}
		var screen struct{ Balance int64 }
		call(t, "GET", i.URL+"api/atm/"+session.Session, "", &screen)
		return screen.Balance
	}
	before := balance(info)
	channelFinds(t, info, person)
	stop()

	info, stop = running(t, o)
	if after := balance(info); after != before || before != int64(person.Opening) {
		t.Errorf("balance %d before, %d after, opened with %d", before, after, person.Opening)
	}
	var clock struct {
		Ahead int64 `json:"ahead_seconds"`
	}
	if call(t, "GET", info.URL+"api/clock", "", &clock); clock.Ahead != 12*3600 {
		t.Errorf("the clock is %d s ahead", clock.Ahead)
	}
	if len(info.People) != len(samplePeople)+1 {
		t.Errorf("%d people", len(info.People))
	}
	stop()

	o.Reset = true
	info, stop = running(t, o)
	defer stop()
	if call(t, "GET", info.URL+"api/clock", "", &clock); clock.Ahead != 0 || len(info.People) != len(samplePeople) {
		t.Errorf("after --reset the clock is %d s ahead, and there are %d people", clock.Ahead, len(info.People))
	}
}

// channelFinds asks a bank for a person's account as one of the bank's own systems.
func channelFinds(t *testing.T, i Info, p Person) {
	t.Helper()
	url := fmt.Sprintf("%s/channel/v1/accounts?branch=%s&kind=ordinary&number=%s", i.Banks[p.Bank], p.Branch, p.Number)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+i.Channels[p.Bank])
	resp, err := (&http.Client{Transport: wire.LocalhostTransport()}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var found struct{ Balance int64 }
	if err := json.NewDecoder(resp.Body).Decode(&found); err != nil || resp.StatusCode != http.StatusOK || found.Balance != int64(p.Opening) {
		t.Errorf("the counter of %s: %d %+v %v", p.Bank, resp.StatusCode, found, err)
	}
}

func TestABusyPortIsNamed(t *testing.T) {
	base := free(t)
	ln, err := net.Listen("tcp", Ports{base}.address(portBanks))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dir := t.TempDir()
	err = Run(t.Context(), Options{Dir: dir, PortBase: base, Ready: func(Info) { t.Error("ready") }})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("port %d is busy", base+portBanks)) {
		t.Errorf("%v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("the directory now belongs to ports that are not ours: %v, %v", entries, err)
	}
}

func TestWhatDevCannotRunWith(t *testing.T) {
	alien := t.TempDir()
	if err := os.WriteFile(filepath.Join(alien, "thesis.txt"), []byte("years of work"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]Options{
		"--port-base 65530: want 1 to 65529": {Dir: t.TempDir(), PortBase: 65530},
		"--port-base -5: want 1 to 65529":    {Dir: t.TempDir(), PortBase: -5},
		"--dir is empty":                     {PortBase: free(t)},
		"was not made by kozamori dev":       {Dir: alien, PortBase: free(t), Reset: true},
	} {
		o.Ready = func(Info) { t.Error("ready") }
		if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", want, err)
		}
	}
	if entries, err := os.ReadDir(alien); err != nil || len(entries) != 1 {
		t.Errorf("in a directory that is not dev's now lie %v, %v", entries, err)
	}
	if err := (Options{Dir: alien, PortBase: 65529}).check(); err != nil {
		t.Errorf("the last base: %v", err)
	}
}

// TestARunningDevKeepsItsData: a second one, on the same ports or others, resets nothing under the first.
func TestARunningDevKeepsItsData(t *testing.T) {
	o := Options{Dir: t.TempDir(), PortBase: free(t)}
	info, stop := running(t, o)
	defer stop()
	for _, base := range []int{o.PortBase, free(t)} {
		err := Run(t.Context(), Options{Dir: o.Dir, PortBase: base, Reset: true, Ready: func(Info) { t.Error("ready") }})
		if err == nil || !strings.Contains(err.Error(), "already running in "+o.Dir) || strings.Contains(err.Error(), "unavailable") {
			t.Errorf("ports from %d: %v", base, err)
		}
	}
	if status := call(t, "POST", info.URL+"api/people", `{"bank":"0149","branch":"","with_phone":false}`, nil); status != http.StatusCreated {
		t.Errorf("the running one answers %d", status)
	}
}

// TestTheDirectoryRemembersItsPorts: without --port-base a directory is run where it was made for.
func TestTheDirectoryRemembersItsPorts(t *testing.T) {
	dir := t.TempDir()
	if _, err := loadSecrets(layout{dir}, Ports{9123}, "postgres://db/dev"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    Options
		want int
		db   string
	}{
		{Options{Dir: dir}, 9123, "postgres://db/dev"}, {Options{Dir: dir, PortBase: 9999, Postgres: "postgres://db/other"}, 9999, "postgres://db/other"},
		{Options{Dir: dir, Reset: true}, DefaultPorts, ""}, {Options{Dir: t.TempDir()}, DefaultPorts, ""},
	} {
		if err := c.o.asBefore(); err != nil || c.o.PortBase != c.want || c.o.Postgres != c.db {
			t.Errorf("%+v, %v", c.o, err)
		}
	}
}

func TestADirectoryKeepsItsPortsAndOthersAreNotRemoved(t *testing.T) {
	l := layout{t.TempDir()}
	if _, err := loadSecrets(l, Ports{8400}, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := loadSecrets(l, Ports{8400}, "postgres://db/dev"); err == nil || !strings.Contains(err.Error(), "--postgres") {
		t.Errorf("another database: %v", err)
	}
	if _, err := loadSecrets(l, Ports{9400}, ""); err == nil || !strings.Contains(err.Error(), "8400") {
		t.Errorf("other ports: %v", err)
	}
	alien := t.TempDir()
	file := filepath.Join(alien, "data", "thesis.txt")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("years of work"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := reset(t.Context(), layout{alien}); err == nil {
		t.Error("a directory that dev did not make was reset")
	}
	if _, err := os.Stat(file); err != nil {
		t.Error("the thesis is gone")
	}
}

// TestOnlyThisMachineReadsTheInbox: another name for this address (DNS rebinding) and another sender are refused.
func TestOnlyThisMachineReadsTheInbox(t *testing.T) {
	h := loopbackOnly(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for _, c := range []struct {
		host, from string
		want       int
	}{
		{"localhost:8400", "127.0.0.1:5000", 204}, {"127.0.0.1:8400", "127.0.0.1:5000", 204}, {"localhost", "[::1]:5000", 204},
		{"evil.example:8400", "127.0.0.1:5000", 403}, {"localhost:8400", "192.0.2.1:5000", 403}, {"localhost.evil.example", "127.0.0.1:5000", 403},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+c.host+"/api/inbox", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.RemoteAddr = c.from
		w := &statusOnly{header: http.Header{}}
		h.ServeHTTP(w, r)
		if w.status != c.want {
			t.Errorf("%s from %s: %d", c.host, c.from, w.status)
		}
	}
}

type statusOnly struct {
	header http.Header
	status int
}

func (w *statusOnly) Header() http.Header         { return w.header }
func (w *statusOnly) WriteHeader(s int)           { w.status = s }
func (w *statusOnly) Write(b []byte) (int, error) { return len(b), nil }

// TestLettersOfAKilledProcess: a torn last line is dropped, the rest is there.
func TestLettersOfAKilledProcess(t *testing.T) {
	dir := t.TempDir()
	b, err := OpenInbox(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two"} {
		if err := b.Add(Letter{Kind: "sms", To: "+8190", Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "letters.jsonl")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(whole, `{"n":3,"te`...), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err = OpenInbox(dir); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	letters, _ := b.To("+8190", 0)
	if len(letters) != 2 || letters[1].Text != "two" || letters[1].N != 2 {
		t.Errorf("%+v", letters)
	}
}

func TestMailIsReadInItsLanguage(t *testing.T) {
	l, err := readMail(strings.NewReader("From: =?UTF-8?B?6Z2Z5bKh6YqA6KGM?= <notice@bank.example>\r\nSubject: =?UTF-8?B?44GK55+l44KJ44Gb?=\r\n" +
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n=E7=85=A7=E4=BC=9A 1234\r\n"))
	if err != nil || l.From != "静岡銀行" || l.Subject != "お知らせ" || strings.TrimSpace(l.Text) != "照会 1234" {
		t.Errorf("%+v, %v", l, err)
	}
}
