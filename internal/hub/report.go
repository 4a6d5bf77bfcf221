package hub

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
)

// MaxWait bounds a long poll for events.
const MaxWait = 25 * time.Second

// Report takes a bank's report on a link, keeps it once, and wakes the service it is for.
// A bank can speak of its own links only.
func (h *Hub) Report(ctx context.Context, caller id.Issuer, s id.Service, raw string) error {
	const op = "hub.Report"
	r, err := h.Bridge.ReadReport(raw)
	if err != nil {
		return fault.New(fault.Invalid, op, err)
	}
	if r.Issuer != caller || r.Service != s {
		return fault.New(fault.Forbidden, op, errors.New("report names another bank or service"))
	}
	if _, ok := h.services[s]; !ok {
		return fault.New(fault.NotFound, op, nil)
	}
	added := false
	err = h.Store.Change(ctx, func(tx Tx) error {
		if r.Link != "" {
			old, known, err := tx.Link(ctx, r.Link)
			if err != nil {
				return err
			}
			if known && (old.Issuer != caller || old.Service != s) {
				return fault.New(fault.Forbidden, op, errors.New("link of another pair"))
			}
			if err := tx.PutLink(ctx, linkFrom(r, old, h.Now())); err != nil {
				return err
			}
		}
		key := string(caller) + " " + string(r.Request) + " " + string(r.Link) + " " + strconv.FormatInt(r.Seq, 10)
		added, err = tx.AddEvent(ctx, Event{Service: s, Key: key, Report: raw, At: h.Now()})
		return err
	})
	if err == nil && added {
		h.wake(s)
	}
	return err
}

// Events returns a service's events after seq, waiting up to wait for the first. Those up to seq it has taken.
func (h *Hub) Events(ctx context.Context, s id.Service, after int64, wait time.Duration) ([]Event, error) {
	if err := h.taken(ctx, s, after); err != nil {
		return nil, err
	}
	timer := time.NewTimer(min(max(wait, 0), MaxWait))
	defer timer.Stop()
	for {
		bell := h.bell(s) // before the look, so that no event falls between
		events, err := h.Store.Events(ctx, s, after, 100)
		if err != nil && ctx.Err() != nil {
			return nil, nil // told to stop while it looked is as good as while it waited
		}
		if err != nil || len(events) > 0 || wait <= 0 {
			return events, err
		}
		select {
		case <-bell:
		case <-timer.C:
			return nil, nil
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// bell is closed at the service's next event.
func (h *Hub) bell(s id.Service) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok := h.waiting[s]
	if !ok {
		c = make(chan struct{})
		h.waiting[s] = c
	}
	return c
}

// Awaited says whether somebody waits for the service's next event.
func (h *Hub) Awaited(s id.Service) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.waiting[s]
	return ok
}

func (h *Hub) wake(s id.Service) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c, ok := h.waiting[s]; ok {
		close(c)
		delete(h.waiting, s)
	}
}

// Inquire lists what the hub has of one account's links at the asking bank (D1). The bank's own register is the truth;
// this shows whether the network says the same.
func (h *Hub) Inquire(ctx context.Context, issuer id.Issuer, p id.Pseudonym) ([]Link, error) {
	return h.Store.LinksOf(ctx, issuer, p)
}

// Suspend writes an entry of the matrix with who and why; State Open lifts it. It holds for everything the hub
// commits afterwards.
func (h *Hub) Suspend(ctx context.Context, e Suspension) error {
	const op = "hub.Suspend"
	if e.Service != Every {
		if _, ok := h.services[e.Service]; !ok {
			return fault.New(fault.NotFound, op, nil)
		}
	}
	if e.Issuer != Every {
		if _, ok := h.banks[e.Issuer]; !ok {
			return fault.New(fault.NotFound, op, nil)
		}
	}
	if e.Why == "" || e.By == "" {
		return &fault.Error{Kind: fault.Invalid, Op: op, Public: fault.Text{
			JA: "理由を入力してください。", EN: "Please give the reason."}}
	}
	e.At = h.Now()
	return h.Store.Change(ctx, func(tx Tx) error {
		if err := tx.PutSuspension(ctx, e); err != nil {
			return err
		}
		return tx.PutAct(ctx, Act{At: e.At, By: e.By, Why: e.Why,
			What: e.State.String() + " " + string(e.Service) + " × " + string(e.Issuer)})
	})
}
