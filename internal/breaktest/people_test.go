package breaktest

import (
	"net/http"
	"testing"
	"time"
)

// TestWhatChangesAtTheServiceReachesTheBank goes through everything that L9 names, over the roles as they run: a new
// contact cools a link, a new device and a recovery suspend it until it is proved again, with the same link taking
// the new key; an answer that is lost and a call that is doubled change nothing of that.
func TestWhatChangesAtTheServiceReachesTheBank(t *testing.T) {
	s := onStage(t)
	ctx := t.Context()
	a, err := s.Cast(ctx, shizuoka)
	must(t, err)
	must(t, a.Join(ctx, maru))
	must(t, a.Link(ctx, maru))
	s.clock.Forward(untilActive)
	must(t, a.LinkBecomes(ctx, maru, "active"))

	atHub := between("maru", http.MethodPost, "/v1/link-changes")
	lost := s.line.plan(1, atHub, loseAnswer)
	must(t, a.ChangeEmail(ctx, maru))
	lost.happened(t, "the answer to the change is lost")
	must(t, a.LinkBecomes(ctx, maru, "cooling-off"))
	must(t, a.Refused(ctx, maru, 1_000, "L9"))
	s.clock.Forward(untilActive)
	must(t, a.LinkBecomes(ctx, maru, "active"))

	for name, change := range map[string]func() error{
		"device":   func() error { return a.ReplaceDevice(ctx, maru) },
		"recovery": func() error { return a.Recover(ctx, maru) },
	} {
		doubled := s.line.plan(1, atHub, twiceFirst)
		must(t, change())
		doubled.happened(t, "the change doubled")
		must(t, a.LinkBecomes(ctx, maru, "suspended"))
		s.wants(t, a, "suspended")
		must(t, a.Link(ctx, maru))
		s.wants(t, a, "live")
		must(t, a.LinkBecomes(ctx, maru, "cooling-off"))
		s.clock.Forward(untilActive)
		must(t, a.LinkBecomes(ctx, maru, "active"))
		if _, err := a.Charge(ctx, maru, 1_000); err != nil {
			t.Errorf("after a new %s the new key moves nothing: %v", name, err)
		}
		s.clock.Forward(time.Hour)
	}

	must(t, a.EndLink(ctx, maru))
	must(t, a.LinkBecomes(ctx, maru, "ended"))
	s.wants(t, a, "revoked")
}
