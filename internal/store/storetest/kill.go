package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"
)

// The environment of a child that loads books until it is killed.
const killPlace, killRound = "STORETEST_KILL_PLACE", "STORETEST_KILL_ROUND"

// KillNine kills a process under load with SIGKILL, a hundred times (three times in a short test), each time at
// another moment, and checks the books it leaves behind, with which the next one goes on. open opens the books that
// lie at a place (a path, the address of a database), makes them where there are none, and closes them when its
// test ends. The processes are this test binary, running nothing but the test that calls KillNine.
func KillNine(t *testing.T, place string, open func(t testing.TB, place string) Books) {
	if mine := os.Getenv(killPlace); mine != "" {
		t.Fatal(CrashLoad(t.Context(), open(t, mine), os.Getenv(killRound), os.Stdout))
	}
	rounds := 100
	if testing.Short() {
		rounds = 3
	}
	rng := rand.New(rand.NewPCG(9, 9))
	var printed bytes.Buffer
	for round := range rounds {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		child.Env = append(os.Environ(), killPlace+"="+place, fmt.Sprint(killRound, "=", round))
		mine := killAfter(t, child, 1+rng.IntN(50), time.Duration(rng.IntN(5000))*time.Microsecond)
		printed.Write(mine)
		t.Run(fmt.Sprint(round), func(t *testing.T) { CrashCheck(t, open(t, place), bytes.NewReader(mine)) })
	}
	if n := CrashCheck(t, open(t, place), &printed); n < 10*rounds {
		t.Errorf("only %d transfers were acknowledged", n)
	}
}

// killAfter starts a process, kills it a moment after it has printed so many lines, and gives the whole lines that
// it printed.
func killAfter(t *testing.T, child *exec.Cmd, lines int, moment time.Duration) []byte {
	t.Helper()
	out := watched{after: lines, reached: make(chan struct{})}
	child.Stdout = &out
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-out.reached:
		time.Sleep(moment) // else each would die right after a commit
	case <-time.After(time.Minute):
		t.Error("the child acknowledges nothing")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil || child.ProcessState.Exited() {
		t.Fatalf("the child ended by itself: %v\n%s", err, out.printed.Bytes())
	}
	all := out.printed.Bytes()
	return all[:bytes.LastIndexByte(all, '\n')+1]
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
