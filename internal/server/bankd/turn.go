package bankd

import (
	"context"
	"net/http"
	"sync"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wire"
)

// maxTurns is how many calls of one browser about one request or proof may wait; more are told to come back.
const maxTurns = 16

// turns lets the calls of one key go one after the other. A key is kept only while a call holds or awaits it.
type turns struct {
	mu   sync.Mutex
	keys map[string]*turn
}

type turn struct {
	free  chan struct{} // holds one value while nobody has the turn
	calls int           // that hold or await it
}

// take waits for a key's turn, and returns what ends it; false if ctx ends first, or too many wait.
func (t *turns) take(ctx context.Context, key string) (end func(), ok bool) {
	t.mu.Lock()
	if t.keys == nil {
		t.keys = map[string]*turn{}
	}
	k := t.keys[key]
	if k == nil {
		k = &turn{free: make(chan struct{}, 1)}
		k.free <- struct{}{}
		t.keys[key] = k
	}
	if k.calls > maxTurns {
		t.mu.Unlock()
		return nil, false
	}
	k.calls++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if k.calls--; k.calls == 0 {
			delete(t.keys, key)
		}
	}
	select {
	case <-k.free:
		return func() { k.free <- struct{}{}; leave() }, true
	case <-ctx.Done():
		leave()
		return nil, false
	}
}

// inTurn lets a page of a request or proof wait for the one that is being answered to the same browser, so
// that no other page shows before its deadline what came of it (L3).
func (t *tenant) inTurn(h func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		key := "link " + r.PathValue("r") + " " + wire.Hash(browserSecret(r))
		if proof := r.PathValue("proof"); proof != "" {
			key = "prove " + proof + " " + wire.Hash(proofSecret(r))
		}
		end, ok := t.turns.take(r.Context(), key)
		if !ok {
			return &fault.Error{Kind: fault.Busy, Op: "bankd.inTurn"}
		}
		defer end()
		return h(w, r)
	}
}
