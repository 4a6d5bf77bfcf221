package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/bench"
	"github.com/kozamori/kozamori/internal/store/pgtest"
)

// TestMain lets the test's own program be the child that `bench http` starts of itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "bench" {
		if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A bank of its own is started in another process, measured, and gone afterwards.
func TestBenchHTTP(t *testing.T) {
	for name, args := range map[string][]string{
		"closed loop": {"--connections", "8", "--per-request", "10"},
		"on schedule": {"--connections", "4", "--rate", "20"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			args := append([]string{"bench", "http", "--accounts", "10", "--seconds", "1", "--dir", dir, "--json"}, args...)
			if store := pgtest.Store(t); store != "" {
				args = append(args, "--store", store)
			}
			var out strings.Builder
			if err := run(t.Context(), args, &out); err != nil {
				t.Fatal(err)
			}
			var rep bench.HTTPReport
			if err := json.Unmarshal([]byte(out.String()), &rep); err != nil {
				t.Fatalf("%v: %s", err, out.String())
			}
			if rep.Transfers == 0 || rep.CeilingPerSecond <= 0 || rep.P999 == 0 || rep.MaxRSS == 0 || rep.Accounts != 10 {
				t.Errorf("%+v", rep)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v %v", left, err)
			}
		})
	}
}

func TestBenchHTTPRefusesWhatItCannotMeasure(t *testing.T) {
	for _, args := range []string{"--per-request 101", "--per-request 0", "--connections 0", "--accounts 1", "--url http://127.0.0.1:1", "--key x", "--rate -1"} {
		if err := run(t.Context(), append([]string{"bench", "http"}, strings.Fields(args)...), &strings.Builder{}); err == nil || !strings.Contains(err.Error(), "--") {
			t.Errorf("%s: %v", args, err)
		}
	}
}
