package bankd

import (
	"bufio"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"os/exec"
	"testing"

	"github.com/kozamori/kozamori/internal/wire"
)

// peer is a program of others, spoken to in lines of JSON.
type peer struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Scanner
}

func (p *peer) ask(question, answer any) {
	p.t.Helper()
	text, err := json.Marshal(question)
	must(p.t, err)
	_, err = p.in.Write(append(text, '\n'))
	must(p.t, err)
	if !p.out.Scan() {
		p.t.Fatalf("the peer gave up at %.60s", text)
	}
	must(p.t, json.Unmarshal(p.out.Bytes(), answer))
}

// TestOpenIDClientCompletesAnAuthorization lets npm's openid-client, a certified FAPI 2.0 relying party, stand
// in the hub's place: what it takes and refuses of our answers was decided by somebody else.
func TestOpenIDClientCompletesAnAuthorization(t *testing.T) {
	const program = "../../../test/outside/openid-client.mjs"
	if _, err := os.Stat("../../../test/outside/node_modules/openid-client"); err != nil {
		t.Fatal("openid-client is not installed: scripts/needs.sh does that")
	}
	w := newWorld(t)
	w.hanako("0149", nil)
	cmd := exec.CommandContext(t.Context(), "node", program)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	p := &peer{t: t, in: in, out: bufio.NewScanner(out)}

	// The client's clock is the machine's, so the bank's must be too.
	w.locked(func() { w.now = systemNow() })
	a, b := w.ask("0149", nil), w.browser()
	var pushed struct{ URL string }
	p.ask(map[string]any{"issuer": w.issuer("0149"), "client": testHub, "key": json.RawMessage(w.hubKey.PrivateJWK()), "redirect_uri": testCallback,
		"details": a.details, "link_request": a.signed, "identity": a.sealed}, &pushed)
	a.enter(b, pushed.URL)
	a.proveByCode(b)
	b.post(a.base(), "/pin", url.Values{"pin": {hanakoPIN}})
	back := b.post(a.base(), "/consent", url.Values{"agree": {"yes"}, "reference": {w.typed()}})

	var granted struct {
		Scope   string
		Details []wire.AccountLink
	}
	p.ask(map[string]string{"callback": back.location}, &granted)
	if granted.Scope != "account_link" || len(granted.Details) != 1 || granted.Details[0].Subject != a.subject {
		t.Fatalf("granted %+v", granted)
	}
	var answer struct {
		Status int
		Body   struct{ Report string }
	}
	p.ask(map[string]any{"resource": w.issuer("0149") + "/v1/activations", "body": map[string]string{"activation": a.activation(a.rs)}}, &answer)
	if answer.Status != 200 {
		t.Fatalf("activation: %+v", answer)
	}
	if r := w.report(w.banks["0149"], answer.Body.Report); r.State != wire.LinkCooling {
		t.Fatalf("report %+v", r)
	}
	must(t, in.Close())
	must(t, cmd.Wait())
}
