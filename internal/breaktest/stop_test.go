package breaktest

import (
	"net/http"
	"testing"
	"time"
)

// The interleavings of "Stop all" in docs/protocol.md: what is answered in every state.

// The order is lost, then everything is stopped: the question what became of it is answered, and buries it.
func TestResolutionAfterStopAll(t *testing.T) {
	s := onStage(t)
	a := s.active(t, shizuoka)
	must(t, a.Ready(t.Context()))
	lost := s.line.plan(1000, between("maru", http.MethodPost, "/v1/debits"), loseRequest)
	d := charge(t, a, 1150)
	lost.happened(t, "the loss of the order")
	must(t, a.StopAll(t.Context()))
	s.ends(t, d, "never/never")
	s.left(t, a, shizuoka, 0)
	s.audited(t)
}

// What was booked before the stop can be given back after it.
func TestReversalAfterStopAll(t *testing.T) {
	s := onStage(t)
	a := s.active(t, shizuoka)
	must(t, a.Ready(t.Context()))
	d := charge(t, a, 1250)
	s.ends(t, d, "done/booked")
	must(t, a.StopAll(t.Context()))
	lost := s.line.plan(1, atBank("/v1/reversals"), loseAnswer)
	must(t, s.GiveBack(t.Context(), maru, d))
	lost.happened(t, "the loss of the answer")
	s.ends(t, d, "reversed/reversed")
	s.left(t, a, shizuoka, 0)
	s.audited(t)
}

// Whoever asked for a link while everything is stopped gets none, and a consent that was under way comes to nothing.
func TestActivationAfterStopAll(t *testing.T) {
	s := onStage(t)
	a := s.member(t, shizuoka)
	free := make(chan struct{})
	held := s.line.plan(1, atBank("/v1/activations"), func(l *line, r *http.Request, c *call) (*http.Response, error) {
		l.wait(free)
		return l.send(r, c)
	})
	asked := make(chan error, 1)
	go func() {
		_, err := a.Ask(t.Context(), maru)
		asked <- err
	}()
	held.happened(t, "the delay of the activation")
	must(t, a.Elsewhere().StopAll(t.Context()))
	close(free)
	if err := <-asked; err != nil {
		t.Log("the page of the request:", err)
	}
	eventually(t, time.Minute, "the end of the request at the bank", nil, func() bool { return s.linksOf(t, a) == "expired" || s.linksOf(t, a) == "revoked" })
	if n := number(t, database(t, s.dir, "maru", "money.db"), `SELECT count(*) FROM links WHERE link = ? AND reported IN ('cooling', 'limited', 'active', 'waiting')`, s.onlyLink(t, a)); n != 0 {
		t.Error("the service has a link that was stopped before it began")
	}
}

// The abort of a request that came back in another browser is lost, or its answer: it is repeated, the request
// dies, and the account is free for the right one.
func TestAbortIsLostAndRepeated(t *testing.T) {
	s := onStage(t)
	for what, bad := range map[string]struct {
		fits func(*call) bool
		do   func(*line, *http.Request, *call) (*http.Response, error)
	}{
		"abort lost":     {between("maru", http.MethodPost, "/abort"), loseRequest},
		"answer lost":    {atBank("/v1/aborts"), loseAnswer},
		"abort doubled":  {between("maru", http.MethodPost, "/abort"), twiceFirst},
		"lost at a bank": {atBank("/v1/aborts"), loseRequest},
	} {
		a := s.member(t, shizuoka)
		p := s.line.plan(1, bad.fits, bad.do)
		must(t, a.FinishElsewhere(t.Context(), maru))
		p.happened(t, what)
		eventually(t, time.Minute, "the end of the request", nil, func() bool { return s.linksOf(t, a) == "expired" })
		eventually(t, time.Minute, "the service's word that it is over", nil, func() bool {
			return number(t, database(t, s.dir, "maru", "money.db"), `SELECT count(*) FROM asks WHERE stage IN ('made', 'pushed', 'returned')`) == 0
		})
		must(t, a.Link(t.Context(), maru))
		s.wants(t, a, "expired live")
	}
}

// A change at the service is lost on the way: until the bank has answered it the link carries no charge, and in the
// end it cools off (L9).
func TestChangeIsLostAndRepeated(t *testing.T) {
	s := onStage(t)
	for _, bad := range []func(*line, *http.Request, *call) (*http.Response, error){loseRequest, loseAnswer, twiceFirst} {
		a := s.active(t, shizuoka)
		lost := s.line.plan(1, atBank("/v1/link-changes"), bad)
		must(t, a.ChangeEmail(t.Context(), maru))
		must(t, a.Refused(t.Context(), maru, 1000, "L9"))
		lost.happened(t, "what the line does")
		must(t, a.LinkBecomes(t.Context(), maru, "cooling-off"))
		must(t, a.Refused(t.Context(), maru, 1000, "L9"))
		s.left(t, a, shizuoka, 0)
	}
}
