package bankd

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// While a step is being answered, no other page of the request tells what came of it (L3).
func TestNoOtherPageTellsBeforeTheDeadline(t *testing.T) {
	w := newWorld(t)
	w.hanako("0149", nil)
	a, b := w.ask("0149", nil), w.browser()
	a.enter(b, a.push().AuthorizationURL)
	b.post(a.base(), "/code", nil)
	code := w.code("+819011112222")
	decided, deadline := make(chan struct{}), make(chan struct{})
	w.server.env.Wait = func(context.Context, time.Duration) { close(decided); <-deadline }
	posted, got := make(chan page, 1), make(chan page, 1)
	cookies := b.cookies
	other := w.browser()
	other.cookies = map[string]map[string]string{}
	for host, all := range cookies {
		other.cookies[host] = map[string]string{}
		for k, v := range all {
			other.cookies[host][k] = v
		}
	}
	go func() { posted <- b.send(http.MethodPost, a.base()+"/code/check", url.Values{"code": {code}}) }()
	<-decided
	go func() { got <- other.send(http.MethodGet, a.base(), nil) }()
	select {
	case p := <-got:
		t.Fatalf("a page came before the deadline: %d", p.status)
	case <-time.After(200 * time.Millisecond):
	}
	close(deadline)
	if p := <-got; !strings.Contains(p.body, "暗証番号を入力") {
		t.Errorf("after the deadline: %d", p.status)
	}
	<-posted
	all := &w.banks["0149"].turns
	all.mu.Lock()
	defer all.mu.Unlock()
	if n := len(all.keys); n != 0 {
		t.Errorf("%d keys are kept though nobody waits", n)
	}
}

// Who gives up waiting leaves nothing behind, and too many are told so.
func TestTurnsAreBounded(t *testing.T) {
	var all turns
	end, ok := all.take(t.Context(), "a")
	if !ok {
		t.Fatal("the first had to wait")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := all.take(gone, "a"); ok {
		t.Error("two have the same turn")
	}
	if _, ok := all.take(t.Context(), "b"); !ok {
		t.Error("another key had to wait")
	}
	ctx, stop := context.WithCancel(t.Context())
	left := make(chan struct{}, maxTurns)
	for range maxTurns {
		go func() { all.take(ctx, "a"); left <- struct{}{} }()
	}
	for {
		all.mu.Lock()
		n := all.keys["a"].calls
		all.mu.Unlock()
		if n > maxTurns {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if _, ok := all.take(t.Context(), "a"); ok {
		t.Error("more than maxTurns wait")
	}
	stop()
	for range maxTurns {
		<-left
	}
	end()
	if len(all.keys) != 1 { // "b" is still held
		t.Errorf("%d keys", len(all.keys))
	}
}
