package breaktest

import (
	"bytes"
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/audit"
	"github.com/kozamori/kozamori/internal/journey"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// The drill of the operator's guide, with its commands, on both engines: the bank's books are copied while everything
// runs, everything goes on, the bank is put back. A copy after which nothing was booked goes on as if nothing had been;
// an older one is a step back in time, and the audit says what is missing.
func TestRestoreDrill(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { restoreDrill(t, "", backedUpFiles, restoredFiles) })
	t.Run("postgres", func(t *testing.T) {
		restoreDrill(t, pgtest.URL(t), backedUpSchema, restoredSchema)
	})
}

func restoreDrill(t *testing.T, postgres string, backUp, restore func(t *testing.T, bin string, s *stage, to string)) {
	t.Parallel()
	bin, dir, base := build(t), filepath.Join(t.TempDir(), "dev"), freePorts(t)
	s, err := openOn(postgres, dir, base, false)
	must(t, err)
	a := s.active(t, shizuoka)
	booked := func(s *stage, a *journey.Actor) {
		_, err := a.Charge(t.Context(), maru, 1_000)
		must(t, err)
		eventually(t, time.Minute, "books that agree", nil, func() bool { return s.report(t).Agrees })
	}
	booked(s, a)
	early, late := filepath.Join(t.TempDir(), "early"), filepath.Join(t.TempDir(), "late")
	backUp(t, bin, s, early)
	booked(s, a)
	booked(s, a)
	backUp(t, bin, s, late)
	for _, tt := range []struct {
		from   string
		agrees bool
	}{{late, true}, {early, false}} {
		ahead := s.clock.Forward(0)
		if err := s.stop(); err != nil { // a page that took too long was cut off: as well
			t.Log(err)
		}
		restore(t, bin, s, tt.from)
		s, err = openOn(postgres, dir, base, false)
		must(t, err)
		s.clock.Forward(ahead)
		report := s.report(t)
		var text bytes.Buffer
		must(t, report.Text(&text))
		if report.Agrees != tt.agrees || !tt.agrees && !strings.Contains(text.String(), string(shizuoka)) {
			t.Errorf("restored from %s: agrees %v\n%s", filepath.Base(tt.from), report.Agrees, text.String())
		}
	}
	if err := s.stop(); err != nil {
		t.Log(err)
	}
}

// report is what the audit says now.
func (s *stage) report(t *testing.T) audit.Report {
	t.Helper()
	r, err := audit.Run(t.Context(), s.dir, s.clock.Now)
	must(t, err)
	return r
}

// backedUpFiles is the command of the guide.
func backedUpFiles(t *testing.T, bin string, s *stage, to string) {
	t.Helper()
	command(t, filepath.Join(bin, "kozamori-bank"), "backup", "--config", filepath.Join(s.dir, "config", "bank.toml"), "--to", to)
}

func restoredFiles(t *testing.T, _ string, s *stage, from string) {
	t.Helper()
	there := filepath.Join(s.dir, "data", "bank", string(shizuoka), "money.db")
	copies, err := filepath.Glob(filepath.Join(from, "*", "money.db"))
	must(t, err)
	for _, c := range copies {
		if filepath.Base(filepath.Dir(c)) != string(shizuoka) {
			continue
		}
		content, err := os.ReadFile(c)
		must(t, err)
		for _, left := range []string{there, there + "-wal", there + "-shm"} {
			if err := os.Remove(left); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
		must(t, os.WriteFile(there, content, 0o600))
		return
	}
	t.Fatalf("no copy of bank %s in %v", shizuoka, copies)
}

// schemaOfBank is the URL of a database, and the bank's schema in it.
func schemaOfBank(t *testing.T, postgres string) (database, schema string) {
	t.Helper()
	main, _ := sqldb.Places(sqldb.Under(postgres, "bank"), "", "bank", string(shizuoka))
	u, err := url.Parse(main)
	must(t, err)
	q := u.Query()
	schema = q.Get("search_path")
	q.Del("search_path")
	u.RawQuery = q.Encode()
	return u.String(), schema
}

// backedUpSchema and restoredSchema are the commands of the guide for PostgreSQL.
func backedUpSchema(t *testing.T, _ string, s *stage, to string) {
	t.Helper()
	database, schema := schemaOfBank(t, s.postgres)
	command(t, tool(t, "pg_dump"), "--format=custom", "--schema="+schema, "--file="+to, database)
}

func restoredSchema(t *testing.T, _ string, s *stage, from string) {
	t.Helper()
	database, _ := schemaOfBank(t, s.postgres)
	command(t, tool(t, "pg_restore"), "--clean", "--if-exists", "--exit-on-error", "--dbname="+database, from)
}

// tool finds a program of PostgreSQL's.
func tool(t *testing.T, name string) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	must(t, err)
	if len(found) > 0 {
		return found[len(found)-1]
	}
	path, err := exec.LookPath(name)
	must(t, err)
	return path
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", filepath.Base(name), args, err, out)
	}
}
