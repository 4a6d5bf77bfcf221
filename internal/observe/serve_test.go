package observe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServerConfig(t *testing.T) {
	for _, c := range []struct {
		cfg  ServerConfig
		want string // part of the error, "" for none
	}{
		{ServerConfig{Listen: "127.0.0.1:8080"}, ""},
		{ServerConfig{Listen: "[::1]:8080"}, ""},
		{ServerConfig{Listen: "localhost:8080"}, ""},
		{ServerConfig{Listen: "0.0.0.0:8080"}, "without TLS"},
		{ServerConfig{Listen: ":8080"}, "without TLS"},
		{ServerConfig{Listen: "192.0.2.1:8080"}, "without TLS"},
		{ServerConfig{Listen: "bank.example:8080"}, "without TLS"},
		{ServerConfig{Listen: "0.0.0.0:8080", BehindProxy: true}, ""},
		{ServerConfig{Listen: "0.0.0.0:8443", TLSCert: "c", TLSKey: "k"}, ""},
		{ServerConfig{Listen: "0.0.0.0:8443", TLSCert: "c"}, "belong together"},
		{ServerConfig{Listen: "8443"}, "HOST:PORT"},
		{ServerConfig{Listen: "127.0.0.1:84430"}, "HOST:PORT"},
	} {
		err := c.cfg.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.want)
		}
	}
}

func TestBusyPortIsNamed(t *testing.T) {
	ln, err := Listen(ServerConfig{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, err = Listen(ServerConfig{Listen: ln.Addr().String()})
	if err == nil || !strings.Contains(err.Error(), ln.Addr().String()) || !strings.Contains(err.Error(), "in use") {
		t.Fatalf("%v", err)
	}
}

// start serves in the background and returns the address and what Serve will return.
func start(t *testing.T, ctx context.Context, cfg ServerConfig, h http.Handler) (string, chan error) {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	ln, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, ln, cfg, h, Discard()) }()
	return ln.Addr().String(), done
}

// A stop lets the running request finish and takes no new one.
func TestGracefulStop(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	entered, leave := make(chan bool), make(chan bool)
	addr, done := start(t, ctx, ServerConfig{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- true
		<-leave
		if r.Context().Err() != nil {
			t.Error("a running request was cancelled by the stop")
		}
		_, _ = io.WriteString(w, "whole")
	}))
	answer := make(chan string, 1)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	go func() {
		resp, err := client.Get("http://" + addr)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		answer <- string(b)
	}()
	<-entered
	stop()
	for range 100 { // the listener closes soon after the stop
		c, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		c.Close()
		time.Sleep(5 * time.Millisecond)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("a new connection was taken after the stop")
	}
	close(leave)
	if got := <-answer; got != "whole" {
		t.Errorf("the running request was answered %q", got)
	}
	if err := <-done; err != nil {
		t.Errorf("stop: %v", err)
	}
}

// A handler that waits hears of the stop and ends by itself.
func TestStoppingIsHeard(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	entered := make(chan bool, 1)
	addr, done := start(t, ctx, ServerConfig{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- true
		select {
		case <-Stopping(r.Context()):
			_, _ = io.WriteString(w, "nothing new")
		case <-time.After(20 * time.Second):
		}
	}))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer := make(chan string, 1)
	go func() {
		resp, err := client.Get("http://" + addr)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		answer <- string(b)
	}()
	<-entered
	stop()
	if got := <-answer; got != "nothing new" {
		t.Errorf("answered %q", got)
	}
	if err := <-done; err != nil {
		t.Errorf("stop: %v", err)
	}
	if Stopping(t.Context()) != nil {
		t.Error("outside of a server nothing stops")
	}
}

func TestStopThatTakesTooLong(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	entered, leave := make(chan bool, 1), make(chan bool)
	addr, done := start(t, ctx, ServerConfig{Grace: 50 * time.Millisecond}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- true
		<-leave
	}))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answered := make(chan bool)
	go func() {
		if resp, err := client.Get("http://" + addr); err == nil {
			resp.Body.Close()
		}
		close(answered)
	}()
	<-entered
	stop()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "still ran") {
		t.Errorf("%v", err)
	}
	close(leave)
	<-answered
}

// writeCertificate makes a key pair for 127.0.0.1 with a serial number to tell it by.
func writeCertificate(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestTLSAndHTTP2(t *testing.T) {
	cert, key := writeCertificate(t, t.TempDir(), 1)
	ctx, stop := context.WithCancel(t.Context())
	addr, done := start(t, ctx, ServerConfig{TLSCert: cert, TLSKey: key}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	resp, err := (&http.Client{Transport: transport}).Get("https://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(b) != "HTTP/2.0" {
		t.Errorf("spoken: %s", b)
	}
	old := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if c, err := tls.Dial("tcp", addr, old); err == nil {
		c.Close()
		t.Error("TLS 1.1 was spoken")
	}
	transport.CloseIdleConnections()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// New files are used within ten seconds; broken ones leave the old certificate in place.
func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, 1)
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	c := &certificate{cert: cert, key: key, now: func() time.Time { return now }}
	serial := func() int64 {
		got, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(got.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber.Int64()
	}
	if serial() != 1 {
		t.Fatal("the first certificate")
	}
	writeCertificate(t, dir, 2)
	if serial() != 1 {
		t.Error("read again at every handshake")
	}
	now = now.Add(11 * time.Second)
	if serial() != 2 {
		t.Error("the new certificate was not taken")
	}
	if err := os.WriteFile(cert, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(11 * time.Second)
	if serial() != 2 {
		t.Error("a broken file replaced a good certificate")
	}
	if _, err := Listen(ServerConfig{Listen: "127.0.0.1:0", TLSCert: cert, TLSKey: key}); err == nil {
		t.Error("a broken certificate must show at the start")
	}
}
