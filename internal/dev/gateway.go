package dev

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/notify"
	"github.com/kozamori/kozamori/internal/observe"
)

// Sender is a role that sends SMS through the carrier of dev.
type Sender struct {
	Name         string
	Secret       observe.Secret // bearer secret of its calls
	ReportSecret observe.Secret // signs reports to it
	ReportURL    string         // where it takes delivery reports; "" for nowhere
}

// carrier is the SMS carrier of dev: every phone is reachable, every message is reported delivered.
type carrier struct {
	inbox     *Inbox
	now       clock.Now
	transport http.RoundTripper
	log       *slog.Logger
	ctx       context.Context // of the carrier's own life: reports go on after the sender's call has ended
	reports   sync.WaitGroup

	mu      sync.Mutex
	senders map[string]Sender // by name, the last part of the address
	seen    map[string]string // answers by sender and ref: a repeat is dropped
}

// newCarrier knows the two services and each bank as a customer of its own.
func newCarrier(ctx context.Context, w *world, log *slog.Logger) *carrier {
	c := &carrier{inbox: w.inbox, now: w.clock.Now, transport: w.transport(), log: log, ctx: ctx,
		senders: map[string]Sender{}, seen: map[string]string{}}
	add := func(name, shown, secret, reportURL string) {
		c.senders[name] = Sender{Name: shown, Secret: observe.Secret(w.secrets.SMS[secret]),
			ReportSecret: observe.Secret(w.secrets.SMSReport), ReportURL: reportURL}
	}
	for _, s := range services {
		add(string(s.ID), s.Name.JA, string(s.ID), "")
	}
	for _, b := range w.banks {
		add("bank-"+string(b.Code), b.Name.JA, "banks", w.ports.url(b.host(), portBanks)+"/gateway/reports")
	}
	return c
}

// ServeHTTP takes POST /messages/SENDER.
func (c *carrier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/messages/")
	c.mu.Lock()
	sender, ok := c.senders[name]
	c.mu.Unlock()
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || r.Method != http.MethodPost || subtle.ConstantTimeCompare([]byte(bearer), []byte(sender.Secret.Reveal())) != 1 {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var in struct{ To, Text, Ref string }
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<10))
	if err != nil || json.Unmarshal(body, &in) != nil || in.To == "" || in.Ref == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	key := name + " " + in.Ref
	c.mu.Lock()
	messageID, again := c.seen[key]
	if !again {
		messageID = id.Random("sms")
		c.seen[key] = messageID
	}
	c.mu.Unlock()
	if !again {
		if err := c.inbox.Add(Letter{Kind: "sms", From: sender.Name, To: in.To, Text: in.Text, At: c.now()}); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"id": messageID})
	if sender.ReportURL != "" {
		c.reports.Go(func() {
			c.report(sender, notify.Report{ID: messageID, Ref: in.Ref, Status: "delivered", AtUs: c.now().UnixMicro()})
		})
	}
}

// report tells the sender that a message was delivered, a few times if it does not answer.
func (c *carrier) report(to Sender, r notify.Report) {
	body, err := json.Marshal(r)
	if err != nil {
		return
	}
	client := &http.Client{Transport: c.transport, Timeout: 5 * time.Second}
	for wait := 100 * time.Millisecond; wait < 10*time.Second; wait *= 3 {
		select {
		case <-c.ctx.Done():
			return
		case <-time.After(wait):
		}
		req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, to.ReportURL, bytes.NewReader(body))
		if err != nil {
			return
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(notify.SignatureHeader, notify.SignReport(to.ReportSecret, body, c.now()))
		resp, err := client.Do(req)
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode < 300 {
			return
		}
		c.log.Warn("delivery report refused", "sender", to.Name, "status", resp.StatusCode)
	}
}
