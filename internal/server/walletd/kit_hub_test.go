package walletd

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wire"
)

// fakeHub is a hub with two banks whose answers the test writes.
type fakeHub struct {
	url   string
	now   clock.Now
	banks map[id.Issuer]*fakeBank

	mu       sync.Mutex
	requests map[id.Request]wire.LinkRequest
	subjects map[id.Request]id.Subject
	states   map[id.Request]string
	aborts   []string
	redeemed []id.Request
	events   []string
	lost     int // redemptions whose answer is still to be lost
	woken    chan struct{}
	money    fakeMoney
}

type fakeBank struct {
	code id.Bank
	key  wire.Key
	seal wire.SealKey
	seq  int64
}

func (b *fakeBank) public() wire.KeySet {
	return wire.NewKeySet(b.key.Public()).WithSeal(b.seal.Public())
}

const bankOne, bankTwo = id.Issuer("http://0149.bank.localhost:9"), id.Issuer("http://0150.bank.localhost:9")

func newFakeHub(t *testing.T, service wire.KeySet, now clock.Now) *fakeHub {
	t.Helper()
	h := &fakeHub{now: now, requests: map[id.Request]wire.LinkRequest{}, subjects: map[id.Request]id.Subject{}, states: map[id.Request]string{},
		banks: map[id.Issuer]*fakeBank{}, woken: make(chan struct{}, 1)}
	for issuer, code := range map[id.Issuer]id.Bank{bankOne: "0149", bankTwo: "0150"} {
		h.banks[issuer] = &fakeBank{code: code, key: wire.GenerateKey(), seal: wire.GenerateSealKey()}
	}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"access_token": "t", "token_type": "DPoP", "expires_in": 600})
	})
	mux.HandleFunc("GET /v1/banks", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"banks": []any{
			map[string]any{"bank": "0149", "name_ja": "静岡銀行", "name_en": "Shizuoka Bank", "kana": "シズオカ", "issuer": bankOne, "state": "open"},
			map[string]any{"bank": "0150", "name_ja": "スルガ銀行", "name_en": "Suruga Bank", "kana": "スルガ", "issuer": bankTwo, "state": "no_new_links"},
			map[string]any{"bank": "0001", "name_ja": "みずほ銀行", "name_en": "Mizuho Bank", "kana": "ミズホ", "issuer": "http://0001.bank.localhost:9", "state": "open"},
		}})
	})
	mux.HandleFunc("POST /v1/link-requests", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Request     id.Request `json:"request"`
			Issuer      id.Issuer  `json:"issuer"`
			State       string     `json:"state"`
			LinkRequest string     `json:"link_request"`
			Details     string     `json:"authorization_details"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		m, err := wire.Verify[wire.LinkRequest](in.LinkRequest, service, wire.Expect{Issuer: "maru", Audience: string(in.Issuer), Now: now()})
		if err != nil {
			t.Error(err)
			return
		}
		details, err := wire.ParseDetails(in.Details)
		if err != nil {
			t.Error(err)
		}
		h.mu.Lock()
		h.requests[in.Request], h.states[in.Request], h.subjects[in.Request] = *m, in.State, details.Subject
		h.mu.Unlock()
		w.WriteHeader(http.StatusCreated)
		answer(w, map[string]any{"authorization_url": string(in.Issuer) + "/authorize?client_id=hub&request_uri=urn:x", "expires_in": 300})
	})
	mux.HandleFunc("POST /v1/link-requests/{r}/redemption", func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		request := id.Request(r.PathValue("r"))
		if h.redeemed = append(h.redeemed, request); h.lost > 0 {
			h.lost--
			panic(http.ErrAbortHandler)
		}
		answer(w, map[string]any{"report": h.report(t, request, "lnk_00000000000000000000000001", wire.LinkCooling)})
	})
	mux.HandleFunc("POST /v1/link-requests/{r}/abort", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Issuer id.Issuer `json:"issuer"`
			Abort  string    `json:"abort"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		m, err := wire.Verify[wire.Abort](in.Abort, service, wire.Expect{Issuer: "maru", Audience: string(in.Issuer), Now: now()})
		if err != nil {
			t.Error(err)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.aborts = append(h.aborts, m.Reason)
		answer(w, map[string]any{"report": h.report(t, id.Request(r.PathValue("r")), "", wire.LinkDead)})
	})
	mux.HandleFunc("POST /v1/link-changes", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Issuer id.Issuer `json:"issuer"`
			Change string    `json:"change"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		m, err := wire.Verify[wire.LinkChange](in.Change, service, wire.Expect{Issuer: "maru", Audience: string(in.Issuer), Now: now()})
		if err != nil {
			t.Error(err)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		answer(w, map[string]any{"report": h.report(t, h.redeemed[len(h.redeemed)-1], m.Link, wire.LinkRevoked, m.Change)})
	})
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-h.woken:
		case <-time.After(300 * time.Millisecond):
		case <-r.Context().Done():
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		list := []any{}
		for i, e := range h.events {
			list = append(list, map[string]any{"seq": i + 1, "report": e})
		}
		answer(w, map[string]any{"events": list, "next": len(h.events)})
	})
	h.routeMoney(t, mux, service)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	h.url = "http://hub.localhost:" + port
	return h
}

// report is the bank's word on a request; the caller holds the lock.
func (h *fakeHub) report(t *testing.T, request id.Request, link id.Link, state wire.LinkState, answers ...string) string {
	t.Helper()
	m := h.requests[request]
	b := h.banks[id.Issuer(m.Audience)]
	b.seq++
	now := h.now()
	r := &wire.LinkReport{Header: wire.Header{Issuer: m.Audience, Audience: "maru", IssuedAt: now.Unix()}, Request: request,
		Link: link, Seq: b.seq, State: state, Subject: h.subjects[request], Limits: wire.Limits{PerDebit: 50_000, Per24h: 100_000, Per30Days: 300_000},
		CoolingUntilUs: clock.Micros(now.Add(12 * time.Hour)), LimitedUntilUs: clock.Micros(now.Add(36 * time.Hour))}
	r.Change = strings.Join(answers, "")
	if link != "" {
		r.Pseudonym = "psn_00000000000000000000000001"
	}
	signed, err := wire.Sign(b.key, r)
	if err != nil {
		t.Error(err)
	}
	return signed
}

// tell puts a report into the events.
func (h *fakeHub) tell(report string) {
	h.mu.Lock()
	h.events = append(h.events, report)
	h.mu.Unlock()
	select {
	case h.woken <- struct{}{}:
	default:
	}
}
