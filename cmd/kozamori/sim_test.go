package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/sim"
)

func TestSim(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), []string{"sim", "--from", "3", "--seeds", "2", "--steps", "30", "--json"}, &out); err != nil {
		t.Fatal(err)
	}
	var many simReport
	if err := json.Unmarshal([]byte(out.String()), &many); err != nil || many.Seeds != 2 || many.From != 3 || many.Counts["charges"] == 0 || many.Failures == nil {
		t.Errorf("%v in %s", err, out.String())
	}
	dir := t.TempDir()
	out.Reset()
	if err := run(t.Context(), []string{"sim", "--seed", "3", "--steps", "30", "--json", "--keep", dir}, &out); err != nil {
		t.Fatal(err)
	}
	var one sim.Story
	if err := json.Unmarshal([]byte(out.String()), &one); err != nil || one.Seed != 3 || len(one.Trace) < 30 || !strings.HasPrefix(one.Dir, dir) {
		t.Fatalf("%v in %s", err, out.String())
	}
	out.Reset()
	if err := run(t.Context(), []string{"audit", "--dir", one.Dir}, &out); err != nil {
		t.Errorf("the books that were kept: %v\n%s", err, out.String())
	}
	for _, args := range []string{"--seeds 0", "--steps 0", "--keep " + dir} {
		if err := run(t.Context(), append([]string{"sim"}, strings.Fields(args)...), &out); err == nil {
			t.Errorf("%s is taken", args)
		}
	}
}
