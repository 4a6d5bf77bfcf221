package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kozamori/kozamori/internal/wire"
)

// HTTP is a measurement of a bank's program over HTTP: transfers between deposit accounts, posted by one of the bank's
// own systems (POST /channel/v1/transfers) with their ids, authentication, validation and log line.
//
// Closed loop, each connection asks for the next when it has its answer. Open loop (Rate), requests leave on schedule,
// and each one's time counts from the moment it was to leave: a server that stalls is seen by all who had to wait.
type HTTP struct {
	Bank, Key   string        // the bank's URL, and the key of a channel that may open accounts and move cash
	Idle        string        // the URL of a server of Nothing, for the ceiling
	Connections int           // each with one request under way
	PerRequest  int           // transfers in a request
	Rate        float64       // requests a second that leave on schedule; 0: closed loop
	Accounts    int           // among which transfers go
	Hot         bool          // every transfer goes to one account
	For         time.Duration // of measuring, and of the ceiling
	Store       string        // for the report

	// Usage tells what the server has used so far; nil where it is not ours.
	Usage func() (cpu time.Duration, maxRSS int64, err error)
	// Begin is called when the accounts are open and measuring begins; nil for nothing.
	Begin func() error
}

// HTTPReport is what was measured, with the ceiling of the same run: a handler that decodes and encodes the same JSON and
// does nothing, in a process of its own, under the same load.
type HTTPReport struct {
	Store              string  `json:"store"`
	Connections        int     `json:"connections"`
	PerRequest         int     `json:"per_request"`
	Rate               float64 `json:"rate,omitempty"`
	Accounts           int     `json:"accounts"`
	Hot                bool    `json:"hot"`
	Seconds            float64 `json:"seconds"`
	Transfers          int64   `json:"transfers"`
	Unsent             int64   `json:"unsent"` // requests of the schedule that had not left when time was up
	Busy               int64   `json:"busy"`   // requests that were answered with 429: nothing was done, and they count nowhere else
	TransfersPerSecond float64 `json:"transfers_per_second"`
	CeilingPerSecond   float64 `json:"ceiling_per_second"`
	Ratio              float64 `json:"ratio"`
	P50                int64   `json:"p50_us"`
	P99                int64   `json:"p99_us"`
	P999               int64   `json:"p999_us"`
	CPUPerTransfer     float64 `json:"cpu_us_per_transfer"` // of the server
	MaxRSS             int64   `json:"max_rss_bytes"`       // of the server
}

// rounds is how often the role and the ceiling take turns, so that what else the machine does meets both.
const rounds = 4

// httpRun is a measurement under way.
type httpRun struct {
	HTTP
	run    string   // before every id
	ids    []string // of accounts
	serial atomic.Int64
}

// Run measures.
func (h HTTP) Run(ctx context.Context) (HTTPReport, error) {
	r := &httpRun{HTTP: h, run: fmt.Sprintf("bench-%08x", rand.Uint32())}
	if err := r.open(ctx); err != nil {
		return HTTPReport{}, err
	}
	if h.Begin != nil {
		if err := h.Begin(); err != nil {
			return HTTPReport{}, err
		}
	}
	rep := HTTPReport{Store: h.Store, Connections: h.Connections, PerRequest: h.PerRequest, Rate: h.Rate, Accounts: h.Accounts, Hot: h.Hot}
	var latencies []uint32
	var took, used, idleTook time.Duration
	var idle int
	for range rounds {
		before, _, err := r.usage()
		if err != nil {
			return rep, err
		}
		part, err := r.load(ctx, r.Bank, r.Rate)
		if err != nil {
			return rep, err
		}
		after, rss, err := r.usage()
		if err != nil {
			return rep, err
		}
		latencies, took, used = append(latencies, part.latencies...), took+part.took, used+after-before
		rep.Unsent, rep.Busy, rep.MaxRSS = rep.Unsent+part.unsent, rep.Busy+part.busy, rss
		if part, err = r.load(ctx, r.Idle, 0); err != nil {
			return rep, fmt.Errorf("the ceiling: %w", err)
		}
		idle, idleTook = idle+len(part.latencies), idleTook+part.took
	}
	n := float64(len(latencies) * r.PerRequest)
	rep.Seconds, rep.Transfers, rep.TransfersPerSecond = took.Seconds(), int64(n), n/took.Seconds()
	rep.CeilingPerSecond = float64(idle*r.PerRequest) / idleTook.Seconds()
	rep.Ratio, rep.CPUPerTransfer = rep.TransfersPerSecond/rep.CeilingPerSecond, float64(used.Microseconds())/n
	slices.Sort(latencies)
	rep.P50, rep.P99, rep.P999 = at(latencies, 0.5), at(latencies, 0.99), at(latencies, 0.999)
	return rep, nil
}

func (r *httpRun) usage() (time.Duration, int64, error) {
	if r.Usage == nil {
		return 0, 0, nil
	}
	return r.Usage()
}

// opening is what each account begins with.
const opening = 1_000_000_000

// open opens the accounts of the run, or finds them where an earlier one has opened them.
func (r *httpRun) open(ctx context.Context) error {
	r.ids = make([]string, r.Accounts)
	client := &http.Client{Transport: wire.LocalhostTransport()}
	failed := make(chan error, r.Connections)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range r.Connections {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= r.Accounts || ctx.Err() != nil {
					return
				}
				id, err := r.openOne(ctx, client, i)
				if err != nil {
					failed <- err
					return
				}
				r.ids[i] = id
			}
		})
	}
	wg.Wait()
	client.CloseIdleConnections()
	select {
	case err := <-failed:
		return err
	default:
		return ctx.Err()
	}
}

func (r *httpRun) openOne(ctx context.Context, client *http.Client, i int) (string, error) {
	body, err := json.Marshal(map[string]any{"branch": "999", "kind": "ordinary", "number": fmt.Sprintf("%07d", i),
		"holder_kana": "ベンチ タロウ", "holder_name": "弁池 太郎", "birth_date": "1985-04-01", "opening": opening})
	if err != nil {
		return "", err
	}
	answer, err := request(ctx, client, http.MethodPost, r.Bank+"/channel/v1/accounts", r.Key, body)
	if err != nil {
		return "", err
	}
	var opened struct{ Account string }
	err = json.Unmarshal(answer, &opened)
	return opened.Account, err
}

// request makes one call outside of the load.
func request(ctx context.Context, client *http.Client, method, url, key string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		return nil, fmt.Errorf("bench: %s %s: %d %s", method, url, resp.StatusCode, answer)
	}
	return answer, nil
}

// transfers appends the body of the next request.
func (r *httpRun) transfers(b []byte, rng *rand.Rand) []byte {
	b = append(b, `{"transfers":[`...)
	for i := range r.PerRequest {
		from := rng.IntN(r.Accounts)
		to := (from + 1 + rng.IntN(r.Accounts-1)) % r.Accounts
		if r.Hot {
			from, to = 1+rng.IntN(r.Accounts-1), 0
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"id":"%s-%d","from":"%s","to":"%s","amount":%d,"narration":"ﾌﾘｺﾐ"}`,
			r.run, r.serial.Add(1), r.ids[from], r.ids[to], 1+rng.IntN(100))
	}
	return append(b, `]}`...)
}

// Nothing is the handler of the ceiling: it reads a list of transfers, writes an outcome for each, and does nothing.
func Nothing() http.Handler {
	type transfer struct {
		ID        string `json:"id"`
		From      string `json:"from"`
		To        string `json:"to"`
		Amount    int64  `json:"amount"`
		Narration string `json:"narration"`
	}
	type outcome struct {
		ID      string    `json:"id"`
		Outcome string    `json:"outcome"`
		At      time.Time `json:"at"`
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var in struct {
			Transfers []transfer `json:"transfers"`
		}
		if err := json.NewDecoder(req.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		now := time.Now()
		var out struct {
			Transfers []outcome `json:"transfers"`
		}
		for _, t := range in.Transfers {
			out.Transfers = append(out.Transfers, outcome{t.ID, "done", now})
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out)
	})
}
