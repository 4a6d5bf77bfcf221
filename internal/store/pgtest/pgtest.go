// Package pgtest runs PostgreSQL for tests: a private server per test process on a socket of its own, which no other
// test and no network sees, and which ends with the process however that ends. Without PostgreSQL tests fail; they
// never pass for want of it.
package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// onPostgres is taken out of the environment: programs that a test starts refuse variables that are no setting of theirs.
var onPostgres = func() bool {
	value := os.Getenv("KOZAMORI_TEST_POSTGRES")
	_ = os.Unsetenv("KOZAMORI_TEST_POSTGRES") // fails for no name like this
	return value == "1"
}()

// OnPostgres says whether the tests of roles and servers, which need one engine, run on PostgreSQL this time.
func OnPostgres() bool { return onPostgres }

// Both runs a test on both engines. A place is where tables can be made, as sqldb.Open takes it; each call gives
// another, which nobody has used.
func Both(t *testing.T, f func(t *testing.T, place func() string)) {
	t.Run("sqlite", func(t *testing.T) { f(t, func() string { return file(t) }) })
	t.Run("postgres", func(t *testing.T) { f(t, func() string { return URL(t) }) })
}

// Place is where a test of a role makes its tables: a file, or with KOZAMORI_TEST_POSTGRES=1 a schema.
func Place(t testing.TB) string {
	t.Helper()
	if OnPostgres() {
		return URL(t)
	}
	return file(t)
}

// Store is what the configuration of a role names in a test: nothing, for files, or with KOZAMORI_TEST_POSTGRES=1 a
// database.
func Store(t testing.TB) string {
	t.Helper()
	if OnPostgres() {
		return URL(t)
	}
	return ""
}

// file is a path that holds what would mean something in a URL.
func file(t testing.TB) string { return filepath.Join(t.TempDir(), "a b?c#d%20&é銀.db") }

var (
	shared  = sync.OnceValues(func() (*Server, error) { return start(fast) })
	schemas atomic.Int64
)

// URL is the address of a schema that no other test has and that does not exist yet, on a server that keeps nothing
// beyond its process.
func URL(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s.URL(fmt.Sprintf("test_%d", schemas.Add(1)))
}

// Settings of a server. Those of fast are for tests of what statements mean, not of what survives.
var (
	durable = []string{"-c", "listen_addresses=", "-c", "max_connections=300", "-c", "shared_buffers=64MB"}
	fast    = append(slices.Clone(durable), "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_wal_size=2GB")
)

// Server is a PostgreSQL server that a test may stop, kill and start again.
type Server struct {
	dir      string // data, socket and log
	bin      string
	settings []string
	owner    *syscall.Credential // nil is who runs the test
	lifeline io.Closer           // of the process that watches over the server; nil while it is stopped
	watcher  *exec.Cmd
}

// Start runs a server of the test's own, whose commits are on the disk. It ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := start(durable)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Stop(t)
		if err := os.RemoveAll(s.dir); err != nil {
			t.Error(err)
		}
	})
	return s
}

// URL is the address of a schema of the server.
func (s *Server) URL(schema string) string {
	q := url.Values{"host": {s.dir}, "search_path": {schema}}
	return "postgres://postgres@/postgres?" + q.Encode()
}

// Stop lets what runs be rolled back and waits until the server has ended.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if s.lifeline == nil {
		return
	}
	err := s.lifeline.Close()
	if ended := s.watcher.Wait(); err != nil || ended != nil {
		t.Errorf("pgtest: stop: %v, %v", err, ended)
	}
	s.lifeline = nil
}

// Kill ends every process of the server at once, as if the machine had.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	pids, err := s.killChildren()
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(pids[0], syscall.SIGKILL)
	s.Stop(t)
	for _, pid := range pids { // a server does not start while processes have the memory of the one before
		for alive(pid) {
			time.Sleep(time.Millisecond)
		}
	}
}

// Restart starts a server that was stopped or killed.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

// Standby stops the server and starts it as one that only follows another: it takes no writes from then on.
func (s *Server) Standby(t testing.TB) {
	t.Helper()
	s.Stop(t)
	if err := os.WriteFile(filepath.Join(s.data(), "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
}

// Either is the address of a schema at whichever of two servers takes writes.
func Either(one, other *Server, schema string) string {
	q := url.Values{"host": {one.dir + "," + other.dir}, "search_path": {schema}}
	return "postgres://postgres@/postgres?" + q.Encode()
}

// start makes a cluster and runs its server.
func start(settings []string) (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "kozamori-pg-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin, settings: settings}
	if os.Geteuid() == 0 { // PostgreSQL refuses to run as root
		if s.owner, err = s.giveAway(); err != nil {
			return nil, err
		}
	}
	initdb := s.command(filepath.Join(bin, "initdb"), "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pgtest: initdb: %w: %s", err, out)
	}
	return s, s.run()
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// giveAway makes the directory that of Debian's user of the server.
func (s *Server) giveAway() (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("pgtest: as root, PostgreSQL needs its own user: %w (scripts/needs.sh installs it)", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(s.dir, int(uid), int(gid))
}

// binaries finds the newest server of Debian's, or the one on the path.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	slices.SortFunc(found, func(a, b string) int { return version(a) - version(b) })
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", fmt.Errorf("pgtest: there is no PostgreSQL on this machine; scripts/needs.sh installs it (Debian: postgresql)")
}

func version(path string) int {
	n, _ := strconv.Atoi(strings.Split(path, "/")[4])
	return n
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner, Setpgid: true} // an interrupted test stops it in order
	return cmd
}

// watch runs the server until the pipe that is its input closes: when it is told to stop, or when the process of the
// test has ended in whatever way. Nobody else is left to remove the directory then.
const watch = `
"$@" </dev/null >>log 2>&1 &
server=$!
read -r told
kill -INT $server 2>/dev/null
wait $server
test "$told" = keep || rm -rf -- "$PWD"
`

// run starts the server and waits until it answers. A server that was killed leaves memory behind, which the next one
// may find still in use for a moment: it is tried again.
func (s *Server) run() error {
	args := append([]string{"-c", watch, "watch", filepath.Join(s.bin, "postgres"), "-D", s.data(), "-k", s.dir}, s.settings...)
	for range 100 {
		before := s.tooEarly()
		s.watcher = s.command("/bin/sh", args...)
		pipe, err := s.watcher.StdinPipe()
		if err != nil {
			return err
		}
		if err := s.watcher.Start(); err != nil {
			return err
		}
		s.lifeline = lifeline{pipe}
		if again, err := s.answers(before); !again {
			return err
		}
		if err := errors.Join(s.lifeline.Close(), s.watcher.Wait()); err != nil {
			return err
		}
	}
	return errors.New("pgtest: the memory of the killed server stays in use")
}

// tooEarly counts the starts that found the memory of a killed server.
func (s *Server) tooEarly() int {
	log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return bytes.Count(log, []byte("pre-existing shared memory block"))
}

// answers waits until a server answers, or was started too early.
func (s *Server) answers(before int) (again bool, err error) {
	for range 600 {
		ready := s.command(filepath.Join(s.bin, "pg_isready"), "-q", "-h", s.dir)
		if ready.Run() == nil {
			return false, nil
		}
		if s.tooEarly() > before {
			return true, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return false, fmt.Errorf("pgtest: the server does not answer: %s", log)
}

// lifeline stops a server whose directory is kept.
type lifeline struct{ io.WriteCloser }

func (l lifeline) Close() error {
	if _, err := l.Write([]byte("keep\n")); err != nil {
		return err
	}
	return l.WriteCloser.Close()
}

// alive says whether a process has not ended: one that has, and that nobody has taken note of, is a zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// killChildren stops the server where it stands, kills the processes it has made, and lists all, its postmaster first.
func (s *Server) killChildren() ([]int, error) {
	text, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	postmaster, err := strconv.Atoi(first)
	if err != nil {
		return nil, err
	}
	if err := syscall.Kill(postmaster, syscall.SIGSTOP); err != nil { // it must not make another meanwhile
		return nil, err
	}
	for stat := ""; !strings.Contains(stat, ") T "); { // a stop is not at once
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", postmaster))
		if err != nil {
			return nil, err
		}
		stat = string(text)
	}
	pids := []int{postmaster}
	for range 3 { // while children come and go the list is not reliable (proc(5)); dead ones stay in it until their parent looks
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", postmaster, postmaster))
		if err != nil {
			return nil, err
		}
		for _, c := range strings.Fields(string(children)) {
			pid, err := strconv.Atoi(c)
			if err != nil {
				return nil, err
			}
			if !slices.Contains(pids, pid) {
				_ = syscall.Kill(pid, syscall.SIGKILL) // one that has just ended is no matter
				pids = append(pids, pid)
			}
		}
	}
	return pids, nil
}
