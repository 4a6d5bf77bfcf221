package journey_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/audit"
	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/dev"
	"github.com/kozamori/kozamori/internal/journey"
)

// freeBase finds seven free ports in a row.
func freeBase(t *testing.T) int {
	t.Helper()
	for range 50 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		base := ln.Addr().(*net.TCPAddr).Port
		taken := []net.Listener{ln}
		for n := 1; n < 7 && err == nil; n++ {
			if ln, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(base+n)); err == nil {
				taken = append(taken, ln)
			}
		}
		for _, ln := range taken {
			_ = ln.Close()
		}
		if err == nil {
			return base
		}
	}
	t.Fatal("no seven ports in a row are free")
	return 0
}

// start runs dev and answers its start page and how to stop it.
func start(t *testing.T, o dev.Options) (url string, stop func()) {
	t.Helper()
	ready, ended := make(chan dev.Info, 1), make(chan error, 1)
	o.Ready, o.Started = func(i dev.Info) { ready <- i }, time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	go func() { ended <- dev.Run(ctx, o) }()
	select {
	case i := <-ready:
		return i.URL, func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("dev stopped with %v", err)
			}
		}
	case err := <-ended:
		cancel()
		t.Fatalf("dev did not start: %v", err)
		return "", nil
	}
}

// moved is the clock of a dev that has been moved.
func moved(t *testing.T, dir string) clock.Now {
	text, err := os.ReadFile(filepath.Join(dir, "clock"))
	if err != nil {
		t.Error(err)
	}
	seconds, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Error(err)
	}
	return func() time.Time { return clock.System().Add(time.Duration(seconds) * time.Second) }
}

// walk is one journey, with what it told.
func walk(t *testing.T, url string) (steps []journey.Step, told, sum journey.Summary, err error) {
	t.Helper()
	var out bytes.Buffer
	sum, err = journey.Run(t.Context(), journey.Options{URL: url, Out: &out, JSON: true})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for _, line := range lines[:len(lines)-1] {
		var s journey.Step
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		steps = append(steps, s)
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &told); err != nil {
		t.Fatal(err)
	}
	return steps, told, sum, err
}

// logged tells what the roles warned of, where the test has failed.
func logged(t *testing.T, dir string) {
	if !t.Failed() {
		return
	}
	files, err := filepath.Glob(filepath.Join(dir, "log", "*.jsonl"))
	if err != nil {
		t.Error(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			if strings.Contains(line, `"level":"WARN"`) || strings.Contains(line, `"level":"ERROR"`) {
				t.Logf("%s: %s", filepath.Base(file), line)
			}
		}
	}
}

// TestJourneyTwice walks the whole way, with the real audit at its end, and once more over the same data after a
// restart, when somebody finds a difference in the books: that must fail, and say so.
func TestJourneyTwice(t *testing.T) {
	o := dev.Options{Dir: t.TempDir(), PortBase: freeBase(t), Audit: func(ctx context.Context, dir string) (dev.Report, error) {
		found, err := audit.Run(ctx, dir, moved(t, dir))
		var text strings.Builder
		if err == nil {
			err = found.Text(&text)
		}
		return dev.Report{Agrees: found.Agrees, Text: text.String(), Debits: found.Debits}, err
	}}
	defer logged(t, o.Dir)
	url, stop := start(t, o)
	steps, told, sum, err := walk(t, url)
	stop()
	if err != nil {
		t.Fatal(err)
	}
	if told != sum || !sum.OK || sum.Steps != sum.Of || len(steps) != sum.Of {
		t.Errorf("walked %d steps and told %+v of %+v", len(steps), told, sum)
	}

	o.Audit = func(context.Context, string) (dev.Report, error) {
		return dev.Report{Text: "one yen is missing"}, nil
	}
	url, stop = start(t, o)
	steps, _, sum, err = walk(t, url)
	stop()
	if err == nil || !strings.Contains(err.Error(), "step audit") || !strings.Contains(err.Error(), "one yen is missing") {
		t.Errorf("books that differ end the journey with %v", err)
	}
	if last := steps[len(steps)-1]; last.OK || last.Name != "audit" || sum.OK || sum.Steps != sum.Of-1 {
		t.Errorf("the last step is told as %+v, the whole as %+v", last, sum)
	}
}

func TestJourneyWithoutDev(t *testing.T) {
	_, err := journey.Run(t.Context(), journey.Options{URL: "http://localhost:1/", Out: &bytes.Buffer{}})
	if err == nil || !strings.Contains(err.Error(), "kozamori dev") {
		t.Errorf("got %v", err)
	}
}
