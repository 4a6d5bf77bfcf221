package program_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/store/pgtest"
)

// another is a second machine of the company: the same keys, registers, certificate and database, everything else its
// own.
func (c *company) another() *company {
	c.t.Helper()
	d := *c
	d.server, d.ops = free(c.t), free(c.t)
	d.conf = filepath.Join(c.dir, "another.toml")
	text, err := os.ReadFile(c.conf)
	must(c.t, err)
	data := filepath.Join(c.dir, "data")
	must(c.t, os.MkdirAll(data+"-2", 0o700))
	d.write(strings.NewReplacer(c.server, d.server, c.ops, d.ops, data, data+"-2").Replace(string(text)))
	return &d
}

// serving is a program that runs.
type serving struct {
	cmd   *exec.Cmd
	log   bytes.Buffer
	ended chan error
}

func (c *company) serve() *serving {
	c.t.Helper()
	s := &serving{cmd: exec.Command(c.bin, "serve", "--config", c.conf), ended: make(chan error, 1)}
	s.cmd.Env = append(os.Environ(), c.env...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	must(c.t, s.cmd.Start())
	go func() { s.ended <- s.cmd.Wait(); close(s.ended) }()
	c.t.Cleanup(func() { _ = s.cmd.Process.Kill(); <-s.ended })
	return s
}

// stop ends it in good order.
func (s *serving) stop(t *testing.T) {
	t.Helper()
	must(t, s.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-s.ended:
		if err != nil {
			t.Errorf("after SIGTERM: %v\n%s", err, &s.log)
		}
	case <-time.After(25 * time.Second):
		t.Error("does not stop")
	}
}

// state waits until the program says so of itself.
func (c *company) state(want string) {
	c.t.Helper()
	said := ""
	for range 400 {
		if resp, err := http.Get("http://" + c.ops + "/readyz"); err == nil {
			text, err := io.ReadAll(resp.Body)
			must(c.t, err)
			must(c.t, resp.Body.Close())
			if said = resp.Status + " " + string(text); strings.Contains(said, want) {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.t.Fatalf("is %q, want %q", said, want)
}

// A role runs as two processes with TLS, by the guide: what comes to either is answered, one stands by, and takes over
// when the other is stopped. Who cannot reach the other for want of its certificate's signer is not ready.
func TestARoleRunsAsTwoProcesses(t *testing.T) {
	for role, host := range map[string]string{"hub": "hub.example.jp", "wallet": "wallet.example.jp", "bank": "0149.bank.example.jp"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			c := found(t, role, host)
			c.done("keys new")
			c.asTwo(role)
		})
	}
}

func (c *company) asTwo(role string) {
	t := c.t
	c.env = []string{"KOZAMORI_CLUSTER_ADDRESS=https://" + c.server}
	c.refused("serve", "[cluster]: several processes of a role share a PostgreSQL database: [data] store is needed")
	store := filepath.Join(c.dir, "etc", "store")
	must(t, os.WriteFile(store, []byte(pgtest.URL(t)+"\n"), 0o600))
	certificate := "KOZAMORI_CLUSTER_CA=" + filepath.Join(c.dir, "etc", role+".crt")
	env := func(more ...string) []string { return append([]string{"KOZAMORI_DATA_STORE=file:" + store}, more...) }
	for address, want := range map[string]string{
		"http://" + c.server: "must begin with https://", "https://0.0.0.0:1": "leads nowhere", "10.0.0.2:8443": "is no address", "https://10.0.0.2/x": "is no address",
	} {
		c.env = env("KOZAMORI_CLUSTER_ADDRESS=" + address)
		c.refused("serve", want)
	}
	c.env = env("KOZAMORI_CLUSTER_ADDRESS=https://"+c.server, "KOZAMORI_CLUSTER_CA="+store)
	c.done("migrate")
	c.refused("serve", "[cluster] ca: "+store+" holds no certificate")

	c.env = env("KOZAMORI_CLUSTER_ADDRESS=https://"+c.server, certificate)
	d := c.another()
	d.env = env("KOZAMORI_CLUSTER_ADDRESS=https://"+d.server, certificate)
	first := c.serve()
	c.state("200 OK ready")

	d.env = d.env[:2] // without the certificate
	blind := d.serve()
	d.state("503 Service Unavailable standby, not ready: tls: failed to verify certificate")
	blind.stop(t)
	d.env = append(d.env, certificate)
	second := d.serve()
	d.state("200 OK standby")
	answers := func(what string, c *company) {
		t.Helper()
		for _, path := range []string{"/", "/reference/"} {
			if code, err := c.get("https://"+c.server+path, c.host); err != nil || code != 200 {
				t.Errorf("%s: %s: %d, %v", what, path, code, err)
			}
		}
	}
	answers("who leads", c)
	answers("who stands by", d)
	if code, err := d.get("http://"+d.ops+"/healthz", ""); err != nil || code != 200 {
		t.Errorf("health: %d, %v", code, err)
	}
	if code, err := d.get("http://"+d.ops+"/metrics", ""); err != nil || code != 200 {
		t.Errorf("metrics: %d, %v", code, err)
	}

	first.stop(t)
	d.state("200 OK ready")
	answers("who took over", d)
	third := c.serve()
	c.state("200 OK standby")
	answers("who was started again", c)
	third.stop(t) // one that only stood by
	d.state("200 OK ready")
	second.stop(t)
	for who, s := range map[string]*serving{"first": first, "second": second, "third": third} {
		if text := s.log.String(); strings.Contains(text, "panic") || !strings.Contains(text, "ready: https://"+c.host) {
			t.Errorf("%s: %s", who, text)
		}
	}
	if !strings.Contains(second.log.String(), `"route":"(forwarded)"`) || !strings.Contains(first.log.String(), "leading: this process serves") {
		t.Errorf("the logs do not say who did what:\n%s%s", &first.log, &second.log)
	}
}
