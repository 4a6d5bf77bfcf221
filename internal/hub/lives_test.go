package hub_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/hub"
	"github.com/kozamori/kozamori/internal/id"
)

func (w *world) forget(t *testing.T) {
	t.Helper()
	if err := w.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (w *world) request(t *testing.T, r id.Request) (row hub.Request) {
	t.Helper()
	err := w.store.Change(t.Context(), func(tx hub.Tx) (err error) {
		row, _, err = tx.Request(t.Context(), r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return row
}

// A request is over within the hour; a day later its secrets are gone and its id is not: it is never taken for new.
func TestRequestsKeepTheirIdsOnly(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	link := w.linked(t, "req_linked")
	if _, _, err := w.RequestLink(ctx, maru, ask("req_left"), "digest"); err != nil {
		t.Fatal(err)
	}
	w.now.Forward(hub.KeepRequests - time.Minute)
	w.forget(t)
	if _, err := w.Redeem(ctx, maru, "req_linked", "code", "hash", string(bankA), "req_linked"); err != nil {
		t.Errorf("a repeat within a day: %v", err)
	}
	w.now.Forward(2 * time.Minute)
	w.forget(t)
	for r, stage := range map[id.Request]hub.Stage{"req_linked": hub.Linked, "req_left": hub.Ended} {
		if q := w.request(t, r); len(q.Sealed) != 0 || q.RedirectURI != "" || q.AuthorizationURL != "" || q.Stage != stage || q.Digest != "digest" {
			t.Errorf("kept: %+v", q)
		}
		_, err := w.Redeem(ctx, maru, r, "code", "hash", string(bankA), string(r))
		wants(t, err, fault.Gone, "")
		_, _, err = w.RequestLink(ctx, maru, ask(r), "digest")
		wants(t, err, fault.Gone, "")
		_, _, err = w.RequestLink(ctx, maru, ask(r), "another digest")
		wants(t, err, fault.Conflict, "")
		if _, err := w.Abort(ctx, maru, r, "abort"); err != nil {
			t.Errorf("a late abort is not routed: %v", err)
		}
	}
	if _, err := w.Debit(ctx, maru, hub.Order{Issuer: bankA, Link: link, Debit: "deb_1", Raw: "order", Hash: "h"}); err != nil {
		t.Errorf("a debit over the link: %v", err)
	}
}

// Events go a month after they came, once their service has taken them; the others stay, and numbers go on.
func TestEventsAreForgottenOnceTaken(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	add := func(s id.Service, from, to int) {
		t.Helper()
		err := w.store.Change(ctx, func(tx hub.Tx) error {
			for i := from; i <= to; i++ {
				if _, err := tx.AddEvent(ctx, hub.Event{Service: s, Key: fmt.Sprint(i), Report: "x", At: w.now.Now()}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	first := func(s id.Service, want int64) {
		t.Helper()
		w.forget(t)
		events, err := w.store.Events(ctx, s, 0, 1)
		if err != nil || len(events) != 1 || events[0].Seq != want {
			t.Errorf("%s: the first event is %+v, %v; want %d", s, events, err, want)
		}
	}
	add(maru, 1, 1_200)
	add(sora, 1, 3)
	if _, err := w.Events(ctx, maru, 1_200, 0); err != nil {
		t.Fatal(err)
	}
	w.now.Forward(hub.KeepEvents - time.Hour)
	first(maru, 1)
	add(maru, 1_201, 1_203)
	w.now.Forward(2 * time.Hour)
	first(maru, 1_201)
	first(sora, 1) // nobody has taken them
	w.now.Forward(2 * hub.KeepEvents)
	first(maru, 1_201)
	if _, err := w.Events(ctx, maru, 9_999, 0); err != nil { // beyond the last: it has taken what there is
		t.Fatal(err)
	}
	w.forget(t)
	add(maru, 1_204, 1_206)
	first(maru, 1_204)
	if _, err := w.Events(ctx, maru, 1_205, 0); err != nil { // what it said too early counts for no later events
		t.Fatal(err)
	}
	w.now.Forward(2 * hub.KeepEvents)
	first(maru, 1_206)
}

// What staff did is kept for ten years, and for as long as it stands.
func TestActsAreEvidence(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	for _, e := range []hub.Suspension{
		{Service: maru, Issuer: bankA, State: hub.Stopped, By: "tanaka", Why: "stands"},
		{Service: maru, Issuer: bankB, State: hub.Stopped, By: "tanaka", Why: "is lifted"},
		{Service: maru, Issuer: bankB, State: hub.Open, By: "suzuki", Why: "lifts it"},
	} {
		w.now.Forward(time.Hour)
		if err := w.Suspend(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	whys := func(want ...string) {
		t.Helper()
		w.forget(t)
		acts, err := w.store.Acts(ctx, 10)
		var got []string
		for _, a := range acts {
			got = append(got, a.Why)
		}
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("acts: %q, %v, want %q", got, err, want)
		}
	}
	w.now.Forward(hub.KeepActs - 3*time.Hour)
	whys("lifts it", "is lifted", "stands")
	w.now.Forward(4 * time.Hour)
	whys("stands")
}
