package program_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/kozamori/kozamori/internal/audit"
	"github.com/kozamori/kozamori/internal/program"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/wire"
)

// company is one company that runs one role: its directory, its program, its configuration.
type company struct {
	t              *testing.T
	dir, bin, conf string
	host           string   // as its certificate names it
	server, ops    string   // addresses
	env            []string // beside the test's own
	pool           *x509.CertPool
	keyDir         string
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// found makes a company from the annotated example, with paths and ports of its own and nothing else changed.
func found(t *testing.T, role, host string) *company {
	t.Helper()
	c := &company{t: t, dir: t.TempDir(), host: host, server: free(t), ops: free(t)}
	c.bin = filepath.Join(c.dir, "kozamori-"+role)
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", c.bin, "../../cmd/kozamori-"+role).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c.certificate(role)
	must(t, os.MkdirAll(filepath.Join(c.dir, "etc", "register"), 0o700))
	for _, name := range []string{"maru", "0149", "hub", "atm-net"} {
		set, err := json.Marshal(wire.NewKeySet(wire.GenerateKey().Public()).WithSeal(wire.GenerateSealKey().Public()))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(c.dir, "etc", "register", name+".json"), set, 0o600))
	}
	for _, name := range []string{"smtp-password", "sms-secret", "sms-report-secret"} {
		must(t, os.WriteFile(filepath.Join(c.dir, "etc", name), []byte("secret-of-"+name+"\n"), 0o600))
	}
	example, errText, code := c.run("config", "example")
	if code != 0 {
		t.Fatal(errText)
	}
	c.conf = filepath.Join(c.dir, "role.toml")
	c.write(strings.NewReplacer("/etc/kozamori/", c.dir+"/etc/", "/var/lib/kozamori-"+role, c.dir+"/data",
		"127.0.0.1:8443", c.server, "127.0.0.1:9443", c.ops, "$2y$12$…", "$2a$04$zVHmKQtGGQob.b/Nc7l9NO8UlrYcW05FiuCj/SxsFO/ZtiN9.mNzy").Replace(example))
	c.keyDir = filepath.Join(c.dir, "etc", role+"-keys")
	if role == "bank" {
		c.keyDir = filepath.Join(c.keyDir, "0149")
	}
	return c
}

func (c *company) write(text string) { must(c.t, os.WriteFile(c.conf, []byte(text), 0o600)) }

// free is an address nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

// certificate makes the role's TLS certificate.
func (c *company) certificate(role string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(c.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: c.host}, DNSNames: []string{c.host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(c.t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(c.t, err)
	must(c.t, os.MkdirAll(filepath.Join(c.dir, "etc"), 0o700))
	for ext, block := range map[string]*pem.Block{"crt": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: private}} {
		must(c.t, os.WriteFile(filepath.Join(c.dir, "etc", role+"."+ext), pem.EncodeToMemory(block), 0o600))
	}
	cert, err := x509.ParseCertificate(der)
	must(c.t, err)
	c.pool = x509.NewCertPool()
	c.pool.AddCert(cert)
}

// run runs the program to its end.
func (c *company) run(args ...string) (stdout, stderr string, code int) {
	c.t.Helper()
	ctx, stop := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer stop()
	cmd := exec.CommandContext(ctx, c.bin, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errs, append(os.Environ(), c.env...)
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else {
		must(c.t, err)
	}
	return out.String(), errs.String(), code
}

// with runs a command upon the configuration.
func (c *company) with(command string, more ...string) (stdout, stderr string, code int) {
	c.t.Helper()
	return c.run(append(append(strings.Fields(command), "--config", c.conf), more...)...)
}

// refused runs what must fail with words that say why.
func (c *company) refused(command, why string, more ...string) {
	c.t.Helper()
	_, stderr, code := c.with(command, more...)
	if code != 1 || !strings.Contains(stderr, why) || strings.Contains(stderr, "goroutine") {
		c.t.Errorf("%s: exit %d, want 1 and words with %q:\n%s", command, code, why, stderr)
	}
}

func (c *company) done(command string, more ...string) string {
	c.t.Helper()
	stdout, stderr, code := c.with(command, more...)
	if code != 0 {
		c.t.Fatalf("%s: exit %d\n%s", command, code, stderr)
	}
	return stdout
}

// keysIn counts the keys for signatures and for sealing in a printed public set.
func (c *company) keysIn(text string) (sig, enc int) {
	c.t.Helper()
	if _, err := wire.ParseKeySet([]byte(text)); err != nil {
		c.t.Fatalf("%v in %s", err, text)
	}
	if strings.Contains(text, `"d"`) {
		c.t.Error("a private key was printed")
	}
	return strings.Count(text, `"sig"`), strings.Count(text, `"enc"`)
}

// get asks the role as a browser would, or its operator.
func (c *company) get(url, host string) (int, error) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: c.pool, ServerName: c.host}}}
	req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, url, nil)
	must(c.t, err)
	if host != "" {
		req.Host = host
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// A company makes its keys, its databases, and runs its role with TLS, by the commands of docs/guides and the
// annotated example. What is missing or unsafe is refused in words, before anything listens.
func TestARoleRunsAloneInEarnest(t *testing.T) {
	for role, host := range map[string]string{"hub": "hub.example.jp", "wallet": "wallet.example.jp", "bank": "0149.bank.example.jp"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			c := found(t, role, host)
			c.refused("serve", "migrate")
			if out := c.done("keys new"); !strings.Contains(out, c.keyDir) {
				t.Errorf("keys new says %q", out)
			}
			if out := c.done("migrate"); !strings.Contains(out, "web.db: applied sessions 1") || !strings.Contains(out, "data: now up to date") {
				t.Errorf("migrate says %q", out)
			}
			if out := c.done("migrate"); out != filepath.Join(c.dir, "data")+": up to date\n" { // again changes nothing
				t.Errorf("a second migrate says %q", out)
			}
			c.rotated(role)
			if role != "hub" {
				c.checkpointed()
			}
			c.unsafe(role)
			c.served(role)
			c.shared(role)
			c.elsewhere(role)
		})
	}
}

// checkpointed signs what the books are, and reads it with the public key; the newest key signs.
func (c *company) checkpointed() {
	c.done("keys rotate", "--key", "books")
	keys := strings.Split(c.done("keys public", "--key", "books"), "\n")
	at, err := audit.OpenCheckpoint(c.done("checkpoint"), keys[0])
	if err != nil || !strings.HasSuffix(at.Origin, "/books") || len(keys) != 3 {
		c.t.Errorf("%+v, %v, under %q", at, err, keys)
	}
	if _, err := audit.OpenCheckpoint(c.done("checkpoint"), keys[1]); err == nil {
		c.t.Error("the old key signs")
	}
	c.refused("proof", "--transfer")
	c.refused("proof", "no \"nothing\"", "--transfer", "nothing")
}

// rotated adds a key and prints both public halves.
func (c *company) rotated(role string) {
	name := "sign"
	if role == "hub" {
		name = "client"
	}
	sig, enc := c.keysIn(c.done("keys public", "--key", name))
	if sig != 1 || (enc == 1) != (role == "bank") {
		c.t.Errorf("%d keys to sign, %d to seal", sig, enc)
	}
	c.done("keys rotate", "--key", name)
	if sig, _ = c.keysIn(c.done("keys public", "--key", name)); sig != 2 {
		c.t.Errorf("%d keys after a rotation", sig)
	}
	c.refused("keys public", "no public half", "--key", "rows")
	c.refused("keys public", map[bool]string{false: "one of books, client, dpop, sign", true: "one of client, dpop"}[role == "hub"])
	c.refused("keys rotate", "no key", "--key", "nonsense")
	for _, permanent := range map[string][]string{"bank": {"pseudonym", "code", "pin"}, "wallet": {"marks"}}[role] {
		c.refused("keys rotate", "permanent", "--key", permanent)
	}
}

// unsafe tries what must not start.
func (c *company) unsafe(role string) {
	t := c.t
	rows := filepath.Join(c.keyDir, "rows.001.json")
	must(t, os.Chmod(rows, 0o644))
	c.refused("serve", "can be read by others")
	must(t, os.Chmod(rows, 0o600))

	good, err := os.ReadFile(c.conf)
	must(t, err)
	c.env = []string{"KOZAMORI_SEVER_LISTEN=127.0.0.1:1"}
	c.refused("serve", "KOZAMORI_SEVER_LISTEN: there is no such setting")
	c.env = nil
	c.write(strings.ReplaceAll(string(good), "/etc/register/", "/etc/nowhere/"))
	c.refused("serve", map[string]string{"hub": "2 problems", "wallet": "[[bank]] 1, https://0149.bank.example.jp: keys", "bank": "3 problems"}[role])
	must(t, os.Rename(rows, rows+".away"))
	c.refused("serve", map[string]string{"hub": "3 problems", "wallet": "2 problems", "bank": "4 problems"}[role])
	must(t, os.Rename(rows+".away", rows))
	c.write(string(good))
	if _, stderr, code := c.run("--config", c.conf, "serve"); code != 1 || !strings.Contains(stderr, "stands before its flags") {
		t.Errorf("a command behind its flags: %d, %s", code, stderr)
	}
	c.write(strings.Replace(string(good), "[server]\n", "[server]\nlissten = \"x\"\n", 1))
	c.refused("serve", `no setting "server.lissten"`)
	c.write(strings.Replace(strings.Replace(string(good), "tls_cert =", "# =", 1), "tls_key =", "# =", 1))
	c.env = []string{"KOZAMORI_SERVER_LISTEN=0.0.0.0:1"}
	c.refused("serve", "without TLS")
	c.env = nil
	if role == "bank" {
		c.write(strings.Replace(string(good), `cooling = "12h"`, `cooling = "11h"`, 1))
		c.refused("serve", "floor")
	}
	c.write(strings.Replace(string(good), "register/0149.json", "register/none.json", 1))
	if role != "bank" {
		c.refused("serve", "none.json")
	}
	c.write(string(good))
	data := filepath.Join(c.dir, "data")
	must(t, os.Rename(data, data+".away"))
	must(t, os.Mkdir(data, 0o700))
	c.refused("serve", "run migrate first")
	must(t, os.RemoveAll(data))
	must(t, os.Rename(data+".away", data))
}

// shared reads what the example says, in its comments, of a database that several processes share.
func (c *company) shared(role string) {
	t := c.t
	good, err := os.ReadFile(c.conf)
	must(t, err)
	text := strings.ReplaceAll(string(good), "\n#   ", "\n")
	if strings.Count(text, "[cluster]") != 1 || !strings.Contains(text, "\nstore = ") {
		t.Errorf("the example says nothing of [cluster] or store:\n%s", text)
	}
	must(t, os.WriteFile(filepath.Join(c.dir, "etc", role+"-database"), []byte("postgres://maru:hunter2@127.0.0.1:1/emoney\n"), 0o600))
	c.write(text)
	c.done("keys new")
	c.refused("serve", "[cluster] ca: open "+c.dir+"/etc/ca.crt: no such file or directory")
	c.write(string(good))
}

// elsewhere runs the role with its tables on a PostgreSQL server, whose URL is a secret.
func (c *company) elsewhere(role string) {
	t := c.t
	c.env = []string{"KOZAMORI_DATA_STORE=mysql://maru:hunter2@db/emoney"}
	c.refused("migrate", "[data] store: want postgres://")
	file := filepath.Join(c.dir, "etc", "store")
	c.env = []string{"KOZAMORI_DATA_STORE=file:" + file}
	must(t, os.WriteFile(file, []byte("postgres://maru:hunter2@127.0.0.1:1/emoney\n"), 0o600))
	_, stderr, code := c.with("migrate")
	if code != 1 || !strings.Contains(stderr, "postgres://maru@127.0.0.1:1/emoney") || strings.Contains(stderr, "hunter2") {
		t.Errorf("a server that is not there: %d, %s", code, stderr)
	}
	must(t, os.WriteFile(file, []byte(strings.Replace(pgtest.URL(t), "postgres@", "postgres:hunter2@", 1)+"\n"), 0o600))
	c.refused("serve", "run migrate first")
	out := c.done("migrate")
	if !strings.Contains(out, "_web: applied fence 1, sessions 1") || !strings.Contains(out, "data: now up to date") || strings.Contains(out, "hunter2") {
		t.Errorf("migrate says %q", out)
	}
	if out := c.done("migrate"); out != filepath.Join(c.dir, "data")+": up to date\n" {
		t.Errorf("a second migrate says %q", out)
	}
	c.served(role)
}

// private says that nobody else reads what a role has written.
func (c *company) private(dir string) {
	c.t.Helper()
	must(c.t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			c.t.Errorf("%s can be read by others: %v", path, info.Mode())
		}
		return err
	}))
}

// A member of staff's password goes in by standard input and comes out as a hash, and nowhere else; what bcrypt would
// cut off is refused.
func TestPasswordHash(t *testing.T) {
	hash := func(role program.Role, typed string) (out, errs string, err error) {
		r, w, err := os.Pipe()
		must(t, err)
		_, err = w.WriteString(typed)
		must(t, errors.Join(err, w.Close()))
		defer r.Close()
		var stdout, stderr bytes.Buffer
		err = program.Main(t.Context(), role, program.Process{Args: []string{"password", "hash"}, In: r, Out: &stdout, Err: &stderr})
		return stdout.String(), stderr.String(), err
	}
	staff := program.Role{Name: "kozamori-hub", Staff: true}
	const password = "正しい馬の電池ホチキス"
	out, errs, err := hash(staff, password+"銀\n")
	must(t, err)
	if err := bcrypt.CompareHashAndPassword([]byte(strings.TrimSpace(out)), []byte(password+"銀")); err != nil || errs != "" {
		t.Errorf("%q, %q: %v", out, errs, err)
	}
	if cost, err := bcrypt.Cost([]byte(strings.TrimSpace(out))); err != nil || cost < 12 {
		t.Errorf("cost %d, %v", cost, err)
	}
	for name, typed := range map[string]string{"nothing": "", "eleven": password, "too long": strings.Repeat("x", 73)} {
		if out, errs, err := hash(staff, typed+"\n"); err == nil || out != "" || typed != "" && strings.Contains(err.Error()+errs, typed) {
			t.Errorf("%s: %q, %q, %v", name, out, errs, err)
		}
	}
	if _, _, err := hash(program.Role{Name: "kozamori-bank"}, password); err == nil {
		t.Error("a bank has no staff with passwords")
	}
}

// served runs the role, looks at it from both sides, and stops it gracefully.
func (c *company) served(role string) {
	t := c.t
	cmd := exec.Command(c.bin, "serve", "--config", c.conf)
	cmd.Env = append(os.Environ(), c.env...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	must(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	ready := false
	for range 200 {
		if code, err := c.get("http://"+c.ops+"/readyz", ""); err == nil && code == http.StatusOK {
			ready = true
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if !ready {
		t.Fatal("never ready")
	}
	c.private(filepath.Join(c.dir, "data"))
	for _, want := range []struct {
		url, host string
		code      int
	}{
		{"http://" + c.ops + "/healthz", "", 200}, {"http://" + c.ops + "/metrics", "", 200},
		{"https://" + c.server + "/", c.host, 200}, {"https://" + c.server + "/reference/", c.host, 200},
		{"https://" + c.server + "/metrics", c.host, 404},
	} {
		if code, err := c.get(want.url, want.host); err != nil || code != want.code {
			t.Errorf("%s: %d, %v, want %d", want.url, code, err, want.code)
		}
	}
	if role == "bank" {
		if code, err := c.get("https://"+c.server+"/", "other.example.jp"); err != nil || code != 404 {
			t.Errorf("an unknown host: %d, %v", code, err)
		}
	}
	if _, err := c.get("http://"+c.server+"/", c.host); err == nil {
		if code, _ := c.get("http://"+c.server+"/", c.host); code == 200 {
			t.Error("pages without TLS")
		}
	}
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("after SIGTERM: %v\n%s", err, log.String())
		}
	case <-time.After(25 * time.Second):
		t.Error("does not stop")
	}
	said := "ready: https://" + c.host + " at " + c.server + " (TLS); /healthz, /readyz, /metrics at " + c.ops
	if !strings.Contains(strings.SplitN(log.String(), "\n", 2)[0], said) {
		t.Errorf("the first line does not say %q: %s", said, log.String())
	}
	if strings.Contains(log.String(), "secret-of-") || strings.Contains(fmt.Sprint(log.String()), "panic") {
		t.Errorf("the log: %s", log.String())
	}
}
