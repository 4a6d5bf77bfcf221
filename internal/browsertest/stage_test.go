package browsertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/kozamori/kozamori/internal/audit"
	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/dev"
	"github.com/kozamori/kozamori/internal/id"
)

const (
	maru     id.Service = "maru"
	shizuoka id.Bank    = "0149"
)

// open runs all roles in this process until the test ends.
func open(t *testing.T) dev.Info {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	movable := &clock.Movable{}
	ready, ended := make(chan dev.Info, 1), make(chan error, 1)
	o := dev.Options{Dir: t.TempDir(), PortBase: freePorts(t), Clock: movable, Started: time.Now(), Ready: func(i dev.Info) { ready <- i },
		Audit: func(ctx context.Context, dir string) (dev.Report, error) { return audited(ctx, dir, movable.Now) }}
	go func() { ended <- dev.Run(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	select {
	case i := <-ready:
		return i
	case err := <-ended:
		ended <- nil
		t.Fatalf("dev did not start: %v", err)
	}
	return dev.Info{}
}

// audited is the audit as dev shows it.
func audited(ctx context.Context, dir string, now clock.Now) (dev.Report, error) {
	r, err := audit.Run(ctx, dir, now)
	if err != nil {
		return dev.Report{}, err
	}
	var text strings.Builder
	err = r.Text(&text)
	return dev.Report{Agrees: r.Agrees, Text: text.String(), Data: r, Debits: r.Debits}, err
}

// freePorts finds seven free ports in a row, away from those that other packages' tests try first.
func freePorts(t *testing.T) int {
	t.Helper()
	const ports = 7
	for base := 41_000 + os.Getpid()%500*20; base < 60_000; base += ports {
		if portsAreFree(base, ports) {
			return base
		}
	}
	t.Fatal("no seven free ports in a row")
	return 0
}

func portsAreFree(base, n int) bool {
	for p := base; p < base+n; p++ {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
		if err != nil || ln.Close() != nil {
			return false
		}
	}
	return true
}

// chromium starts a browser with an empty profile; its context is a first tab.
func chromium(t *testing.T) context.Context {
	t.Helper()
	o := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("accept-lang", "ja"), chromedp.Env("LANGUAGE=ja"))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), o...)
	t.Cleanup(stop)
	ctx, cancel := context.WithTimeout(ctx, 8*time.Minute)
	t.Cleanup(cancel)
	ctx, closed := chromedp.NewContext(ctx)
	t.Cleanup(closed)
	must(t, chromedp.Do(ctx))
	return ctx
}

// passkeys gives a tab a platform authenticator whose owner is always there.
func passkeys(t *testing.T, tab context.Context, synced bool) {
	t.Helper()
	_, err := chromedp.Call(tab, webauthn.Enable, webauthn.EnableParams{})
	must(t, err)
	_, err = chromedp.Call(tab, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		DefaultBackupEligibility: synced, DefaultBackupState: synced,
	}})
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
