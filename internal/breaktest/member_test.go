package breaktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/config"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/observe"
	mains "github.com/kozamori/kozamori/internal/program"
	"github.com/kozamori/kozamori/internal/server"
	"github.com/kozamori/kozamori/internal/store/ledgersql"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

// The smallest role: a ledger over HTTP, run by the program that runs the real ones, in processes of its own. They are
// this test binary, started with the environment variable below.
const memberEnv = "BREAKTEST_MEMBER"

// memberConfig is what such a process is told.
type memberConfig struct{ Listen, Ops, Store, Dir string }

// runMember is the process.
func runMember(text string) error {
	var c memberConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	role := mains.Role{Name: "books", Short: "books", Load: func(string, []string) (mains.Setup, error) {
		return mains.Setup{
			Dev: true, Sites: []string{"http://books.localhost"}, DataDir: c.Dir, Tables: []string{c.Store},
			Public: observe.ServerConfig{Listen: c.Listen}, Ops: observe.ServerConfig{Listen: c.Ops},
			Cluster: config.Cluster{Address: "http://" + c.Listen},
			KeyDirs: map[string]mains.Keys{filepath.Join(c.Dir, "keys"): {"rows": keyfile.Secret}},
			Open: func(ctx context.Context, env server.Env) (mains.Server, error) {
				return openRole(ctx, c.Store, env.Log)
			},
		}, nil
	}}
	return mains.Main(context.Background(), role, mains.Process{Args: []string{"serve"}, Out: os.Stdout, Err: os.Stderr})
}

// bookRole moves a yen for each id it is asked to.
type bookRole struct {
	db     *sqldb.DB
	ledger *ledger.Ledger
	mux    *http.ServeMux
}

func openRole(ctx context.Context, place string, log *slog.Logger) (*bookRole, error) {
	db, err := sqldb.OpenAsIs(place, ledgersql.Migrations())
	if err != nil {
		return nil, err
	}
	if err := server.TakeOver(ctx, sqldb.Name(place), db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := &bookRole{db: db, ledger: ledger.New(ledgersql.New(db, nil), ledger.Options{}), mux: http.NewServeMux()}
	for _, a := range []ledger.AccountID{"payer", "shop"} {
		open := ledger.Open{Account: ledger.Account{ID: a, Floor: -money.Max, Ceiling: money.Max}}
		if _, err := s.ledger.Submit(ctx, ledger.Request{At: clock.System(), Do: open}); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	s.mux.HandleFunc("POST /pay/{id...}", func(w http.ResponseWriter, r *http.Request) {
		do := ledger.Move{ID: ledger.TransferID(r.PathValue("id")), Legs: []ledger.Leg{{Debit: "payer", Credit: "shop", Amount: 1}}}
		result, err := s.ledger.Submit(r.Context(), ledger.Request{At: clock.System(), Do: do})
		switch {
		case err != nil:
			log.Warn("pay", "error", err.Error())
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		case !result.OK():
			http.Error(w, fmt.Sprint(result), http.StatusInternalServerError)
		}
	})
	return s, nil
}

func (s *bookRole) Handler() http.Handler { return s.mux }
func (s *bookRole) Ops() http.Handler     { return observe.Ops(observe.NewMetrics("books"), s.db.Ready) }

// Run implements mains.Server.
func (s *bookRole) Run(ctx context.Context) error { return s.db.Lost(ctx) }

// Close implements mains.Server.
func (s *bookRole) Close() error { s.ledger.Close(); return s.db.Close() }

// process is one of a role.
type process struct {
	t      *testing.T
	config memberConfig
	cmd    *exec.Cmd
	said   bytes.Buffer // on standard error
	log    string
	ended  chan error
}

// processes starts two of one role on one schema; the first leads.
func processes(t *testing.T, place string) (leader, standby *process) {
	t.Helper()
	db, err := sqldb.Open(place, ledgersql.Migrations())
	must(t, err)
	must(t, db.Close())
	dir := t.TempDir()
	must(t, keyfile.Open(filepath.Join(dir, "keys")).Create("rows", keyfile.Secret, true, clock.System()))
	base := freePorts(t)
	both := make([]*process, 2)
	for i := range both {
		both[i] = &process{t: t, log: filepath.Join(dir, fmt.Sprint("log", i)), config: memberConfig{
			Listen: fmt.Sprintf("127.0.0.1:%d", base+2*i), Ops: fmt.Sprintf("127.0.0.1:%d", base+2*i+1), Store: place, Dir: dir,
		}}
		both[i].start()
		both[i].await([]string{"ready", "standby"}[i])
		t.Cleanup(func() { _ = both[i].cmd.Process.Kill(); <-both[i].ended })
	}
	return both[0], both[1]
}

// start runs the process.
func (p *process) start() {
	p.t.Helper()
	text, err := json.Marshal(p.config)
	must(p.t, err)
	log, err := os.OpenFile(p.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	must(p.t, err)
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), memberEnv+"="+string(text))
	p.said.Reset()
	p.cmd.Stdout, p.cmd.Stderr = log, &p.said
	must(p.t, p.cmd.Start())
	cmd, ended := p.cmd, make(chan error, 1)
	p.ended = ended
	go func() { err := cmd.Wait(); ended <- errors.Join(err, log.Close()); close(ended) }()
}

// await waits until the process says so of itself.
func (p *process) await(state string) {
	p.t.Helper()
	said := ""
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get("http://" + p.config.Ops + "/readyz")
		if err != nil {
			continue
		}
		text, err := io.ReadAll(resp.Body)
		must(p.t, errors.Join(err, resp.Body.Close()))
		if said = strings.TrimSpace(string(text)); said == state {
			return
		}
	}
	log, _ := os.ReadFile(p.log)
	p.t.Fatalf("not %q but %q\n%s%s", state, said, &p.said, log)
}

func (p *process) signal(s syscall.Signal) { p.t.Helper(); must(p.t, p.cmd.Process.Signal(s)) }

// end waits for the process to end by itself.
func (p *process) end() error {
	p.t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(time.Minute):
		p.t.Fatal("does not end")
		return nil
	}
}
