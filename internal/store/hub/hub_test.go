package hub_test

import (
	"context"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/hub"
	"github.com/kozamori/kozamori/internal/id"
	store "github.com/kozamori/kozamori/internal/store/hub"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/store/sqldb"
)

const maru, sora = id.Service("maru"), id.Service("sora")

var at = time.Date(2026, 11, 23, 1, 2, 3, 4000, time.UTC)

func open(t *testing.T, place string) *store.Store {
	t.Helper()
	db, err := sqldb.Open(place, store.Source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return store.New(db)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Events are numbered by service without a gap, each is kept once, and numbers go on after what was forgotten.
func TestEvents(t *testing.T) { pgtest.Both(t, testEvents) }

func testEvents(t *testing.T, place func() string) {
	s, ctx := open(t, place()), t.Context()
	add := func(service id.Service, key string) (fresh bool) {
		t.Helper()
		must(t, s.Change(ctx, func(tx hub.Tx) (err error) {
			fresh, err = tx.AddEvent(ctx, hub.Event{Service: service, Key: key, Report: "report " + key, At: at})
			return err
		}))
		return fresh
	}
	seqs := func(service id.Service, after int64) (all []int64) {
		t.Helper()
		events, err := s.Events(ctx, service, after, 10)
		must(t, err)
		for _, e := range events {
			all = append(all, e.Seq)
		}
		return all
	}
	for _, key := range []string{"a", "b", "c"} {
		if !add(maru, key) || add(maru, key) {
			t.Errorf("%s is kept other than once", key)
		}
	}
	add(sora, "a")
	if got := seqs(maru, 1); len(got) != 2 || got[0] != 2 || got[1] != 3 {
		t.Errorf("after the first: %v", got)
	}
	for _, step := range []struct {
		mark, read int64 // what the service says it has taken, and what counts
		gone       int   // of what is old and read
	}{{2, 2, 2}, {1, 2, 0}, {99, 3, 1}} {
		if read, err := s.MarkRead(ctx, maru, step.mark); err != nil || read != step.read {
			t.Errorf("marked %d: read %d, want %d: %v", step.mark, read, step.read, err)
		}
		if gone, err := s.ForgetEvents(ctx, at.Add(time.Hour), 10); err != nil || gone != step.gone {
			t.Errorf("marked %d: %d forgotten, want %d: %v", step.mark, gone, step.gone, err)
		}
	}
	add(maru, "d")
	if got := seqs(maru, 0); len(got) != 1 || got[0] != 4 {
		t.Errorf("after all were forgotten: %v", got)
	}
	if got := seqs(sora, 0); len(got) != 1 || got[0] != 1 {
		t.Errorf("of another service: %v", got)
	}
}

// What was forgotten of a request is what opens something; the request itself stays.
func TestForgottenRequests(t *testing.T) { pgtest.Both(t, testForgottenRequests) }

func testForgottenRequests(t *testing.T, place func() string) {
	s, ctx := open(t, place()), t.Context()
	old := hub.Request{ID: "req_old", Service: maru, Issuer: "https://bank", Stage: hub.PushedTo, Digest: "d", RedirectURI: "https://wallet",
		AuthorizationURL: "https://bank/authorize", Expires: at, Sealed: []byte("secrets"), Created: at}
	linked, young := old, old
	linked.ID, linked.Stage = "req_linked", hub.Linked
	young.ID, young.Created = "req_young", at.Add(time.Hour)
	must(t, s.Change(ctx, func(tx hub.Tx) error {
		for _, r := range []hub.Request{old, linked, young} {
			if err := tx.PutRequest(ctx, r); err != nil {
				return err
			}
		}
		return nil
	}))
	if n, err := s.ForgetRequests(ctx, at.Add(time.Minute), 10); err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	for r, want := range map[id.Request]hub.Stage{"req_old": hub.Ended, "req_linked": hub.Linked, "req_young": hub.PushedTo} {
		must(t, s.Change(ctx, func(tx hub.Tx) error {
			got, found, err := tx.Request(ctx, r)
			if kept := len(got.Sealed) > 0; err != nil || !found || got.Stage != want || kept != (r == "req_young") {
				t.Errorf("%s: %+v, %v, %v", r, got, found, err)
			}
			return err
		}))
	}
}

// A commit decides on the matrix as it is: of two who change it at once, the second sees what the first did.
func TestMatrixUnderChange(t *testing.T) { pgtest.Both(t, testMatrixUnderChange) }

func testMatrixUnderChange(t *testing.T, place func() string) {
	s, ctx := open(t, place()), t.Context()
	e := hub.Suspension{Service: maru, Issuer: "https://bank", State: hub.Stopped, By: "hanako", Why: "why", At: at}
	must(t, s.Change(ctx, func(tx hub.Tx) error {
		if err := tx.PutSuspension(ctx, e); err != nil {
			return err
		}
		return tx.PutAct(ctx, hub.Act{At: at, By: "hanako", What: "stopped", Why: "why"})
	}))
	failed := context.Canceled
	if err := s.Change(ctx, func(tx hub.Tx) error {
		all, err := tx.Suspensions(ctx)
		if err != nil || len(all) != 1 || all[0] != e {
			t.Errorf("%+v, %v", all, err)
		}
		e.State = hub.Open
		must(t, tx.PutSuspension(ctx, e))
		return failed
	}); err != failed {
		t.Error(err)
	}
	if all, err := s.Suspensions(ctx); err != nil || len(all) != 1 || all[0].State != hub.Stopped {
		t.Errorf("after a change that failed: %+v, %v", all, err)
	}
	for want, before := range []time.Time{at.Add(time.Hour), at.Add(2 * time.Hour)} {
		if want == 1 {
			must(t, s.Change(ctx, func(tx hub.Tx) error { return tx.PutSuspension(ctx, e) }))
		}
		if n, err := s.ForgetActs(ctx, before, 10); err != nil || n != want {
			t.Errorf("%d acts forgotten, want %d: %v", n, want, err)
		}
	}
}
