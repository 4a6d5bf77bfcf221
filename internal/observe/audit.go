package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
)

// Entry is one line of the audit log: who did what to whom.
type Entry struct {
	Actor   string            // a staff member, a subject, "system"
	Action  string            // what was done: "level.grant", "service.stop"
	Subject string            // to what: an identifier, never a name
	Outcome string            // "done", "refused"
	Rule    string            // where one refused
	Detail  map[string]string // more, free of personal data and secrets
}

// Audit is an append-only log of acts, as JSON lines on a writer of its own. A line that could not be
// written is an error: the act must then not be done.
type Audit struct {
	role string
	now  clock.Now

	mu sync.Mutex
	w  io.Writer
}

// NewAudit writes a role's audit log to w, which was opened for appending only. Where w has a
// Sync() error method, each line is on the disk before Write returns.
func NewAudit(w io.Writer, role string, now clock.Now) *Audit {
	return &Audit{role: role, now: now, w: w}
}

// Write appends an entry, with the time and the reference number of the request of ctx.
func (a *Audit) Write(ctx context.Context, e Entry) error {
	line, err := json.Marshal(struct {
		At      string            `json:"at"`
		Role    string            `json:"role"`
		Request string            `json:"req,omitempty"`
		Actor   string            `json:"actor"`
		Action  string            `json:"action"`
		Subject string            `json:"subject,omitempty"`
		Outcome string            `json:"outcome,omitempty"`
		Rule    string            `json:"rule,omitempty"`
		Detail  map[string]string `json:"detail,omitempty"`
	}{a.now().UTC().Format(time.RFC3339Nano), a.role, RequestID(ctx), e.Actor, e.Action, e.Subject, e.Outcome, e.Rule, veil(e.Detail)})
	if err != nil {
		return fmt.Errorf("observe: audit entry: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, err := a.w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("observe: audit log: %w", err)
	}
	if s, ok := a.w.(interface{ Sync() error }); ok {
		if err := s.Sync(); err != nil {
			return fmt.Errorf("observe: audit log: %w", err)
		}
	}
	return nil
}

// veil hides sensitive names here too.
func veil(detail map[string]string) map[string]string {
	out := make(map[string]string, len(detail))
	for k, v := range detail {
		if sensitive[k] {
			v = hidden
		}
		out[k] = v
	}
	return out
}
