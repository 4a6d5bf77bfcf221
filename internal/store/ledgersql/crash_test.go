package ledgersql_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/store/storetest"
)

// crashFile names, in the environment of a child, the file it loads until it is killed.
const crashFile, crashRound = "LEDGERSQL_CRASH_FILE", "LEDGERSQL_CRASH_ROUND"

// TestCrash kills a process in the middle of its commits, three times, and opens what it leaves behind.
func TestCrash(t *testing.T) {
	if path := os.Getenv(crashFile); path != "" {
		b := openAt(t, path)
		t.Fatal(storetest.CrashLoad(t.Context(), b, os.Getenv(crashRound), os.Stdout))
	}
	path := filepath.Join(t.TempDir(), "books.db")
	var printed bytes.Buffer
	for round := range 3 {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrash$")
		child.Env = append(os.Environ(), crashFile+"="+path, crashRound+"="+strconv.Itoa(round))
		var out watched
		out.after = 200
		out.reached = make(chan struct{})
		child.Stdout = &out
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-out.reached:
		case <-time.After(30 * time.Second):
			t.Error("the child acknowledges nothing")
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := child.Wait(); err == nil {
			t.Fatal("the child was not killed")
		}
		printed.Write(out.printed.Bytes())
		n := storetest.CrashCheck(t, openAt(t, path), bytes.NewReader(printed.Bytes()))
		if n < 200*(round+1) {
			t.Errorf("round %d: %d acknowledged", round, n)
		}
	}
}

// watched collects what a child prints and tells when it has printed so many lines.
type watched struct {
	printed      bytes.Buffer
	after, lines int
	reached      chan struct{}
}

func (w *watched) Write(p []byte) (int, error) {
	was := w.lines
	w.lines += bytes.Count(p, []byte{'\n'})
	if was < w.after && w.lines >= w.after {
		close(w.reached)
	}
	return w.printed.Write(p)
}
