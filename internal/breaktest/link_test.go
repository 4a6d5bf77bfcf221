package breaktest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/journey"
	"github.com/kozamori/kozamori/internal/wire"
)

// The interleavings of "A link" in docs/protocol.md, over the roles as they run.

// codeExchange fits the hub's token request for an authorization code.
func codeExchange(c *call) bool {
	return c.from == "hub" && c.url.Path == "/token" && strings.Contains(string(c.body), "grant_type=authorization_code")
}

// linksOf are the states of a person's links at her bank, oldest first.
func (s *stage) linksOf(t *testing.T, a *journey.Actor) string {
	t.Helper()
	var states string
	must(t, database(t, s.dir, "bank", string(shizuoka), "money.db").QueryRowContext(t.Context(),
		`SELECT coalesce(group_concat(state, ' '), '') FROM (SELECT l.state FROM link l JOIN account a ON a.id = l.account
		 WHERE a.number = ? ORDER BY l.consented_us)`, a.Number()).Scan(&states))
	return states
}

// wants fails unless the person's links at the bank are these.
func (s *stage) wants(t *testing.T, a *journey.Actor, states string) {
	t.Helper()
	if got := s.linksOf(t, a); got != states {
		t.Errorf("the links of the account are %q, want %q", got, states)
	}
}

// TestLinkOverALineThatLosesOrDoublesOneCall spoils one call of the making of a link, which is made all the same, once.
func TestLinkOverALineThatLosesOrDoublesOneCall(t *testing.T) {
	s := onStage(t)
	redemption := between("maru", http.MethodPost, "/redemption")
	for _, bad := range []struct {
		what string
		fits func(*call) bool
		do   func(*line, *http.Request, *call) (*http.Response, error)
	}{
		{"redemption lost", redemption, loseRequest},
		{"answer to the redemption lost", redemption, loseAnswer},
		{"redemption doubled", redemption, twiceFirst},
		{"token request doubled", codeExchange, twiceFirst},
		{"token request lost", codeExchange, loseRequest},
		{"activation lost", atBank("/v1/activations"), loseRequest},
		{"activation answered twice, the first answer lost", atBank("/v1/activations"), loseAnswer},
		{"activation doubled", atBank("/v1/activations"), twiceFirst},
	} {
		t.Run(bad.what, func(t *testing.T) {
			a := s.member(t, shizuoka)
			p := s.line.plan(1, bad.fits, bad.do)
			must(t, a.Link(t.Context(), maru))
			p.happened(t, bad.what)
			s.wants(t, a, "live")
		})
	}
	s.audited(t)
}

// TestTokenAnswerLost: the bank takes a code once. Where its answer is lost nobody has the token: the request dies,
// the account stays free, and the person starts again.
func TestTokenAnswerLost(t *testing.T) {
	s := onStage(t)
	a := s.member(t, shizuoka)
	lost := s.line.plan(1, codeExchange, loseAnswer)
	_, err := a.Ask(t.Context(), maru)
	must(t, err)
	lost.happened(t, "the loss of the token")
	eventually(t, time.Minute, "the end of the request at the bank", s.minutely(),
		func() bool { return s.linksOf(t, a) == "expired" })
	if n := number(t, database(t, s.dir, "maru", "money.db"), `SELECT count(*) FROM links WHERE link = ?`, s.onlyLink(t, a)); n != 0 {
		t.Error("the service has a link of a request that died")
	}
	must(t, a.Link(t.Context(), maru))
	s.wants(t, a, "expired live")
	s.audited(t)
}

// TestReportsOutOfOrder: reports that the hub hands out late, again or under other numbers never take a link back.
func TestReportsOutOfOrder(t *testing.T) {
	s := onStage(t)
	a := s.active(t, shizuoka)
	must(t, a.Ready(t.Context()))
	link := s.onlyLink(t, a)
	wallet := database(t, s.dir, "maru", "money.db")
	reported := func() (state string) {
		must(t, wallet.QueryRowContext(t.Context(), `SELECT reported FROM links WHERE link = ?`, link).Scan(&state))
		return state
	}
	var old string // the hub has it as well: it carried it
	must(t, wallet.QueryRowContext(t.Context(), `SELECT report_jws FROM links WHERE link = ?`, link).Scan(&old))
	must(t, a.StopAll(t.Context()))
	eventually(t, time.Minute, "the stop at the service", nil, func() bool { return reported() == "suspended" })
	if r := payload[wire.LinkReport](t, old); r.State == wire.LinkSuspended {
		t.Fatalf("the older report says %s", r.State)
	}
	replayed := make(chan struct{})
	s.line.plan(1, between("maru", http.MethodGet, "/v1/events"), func(l *line, r *http.Request, c *call) (*http.Response, error) {
		resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r}
		seen := number(t, wallet, `SELECT seen FROM hub_events`)
		close(replayed)
		return withBody(resp, map[string]any{"events": []map[string]any{{"seq": seen, "report": old}}, "next": seen})
	})
	s.nudge(t)
	<-replayed
	time.Sleep(time.Second)
	if got := reported(); got != "suspended" {
		t.Errorf("after an old report the link is %s at the service", got)
	}
	must(t, a.Refused(t.Context(), maru, 1000, "D2"))
}

// TestReportIsLostOnTheLine: the service hears of a stop in the end, once.
func TestReportIsLostOnTheLine(t *testing.T) {
	s := onStage(t)
	for what, do := range map[string]func(*line, *http.Request, *call) (*http.Response, error){
		"request lost": loseRequest, "answer lost": loseAnswer, "doubled": twiceFirst,
	} {
		a := s.active(t, shizuoka)
		must(t, a.Ready(t.Context()))
		p := s.line.plan(1, between("bank", http.MethodPost, "/v1/reports"), do)
		must(t, a.StopAll(t.Context()))
		p.happened(t, what)
		link := s.onlyLink(t, a)
		eventually(t, time.Minute, "the stop at the service", nil, func() bool {
			return number(t, database(t, s.dir, "maru", "money.db"), `SELECT count(*) FROM links WHERE link = ? AND reported = 'suspended'`, link) == 1
		})
		if n := number(t, database(t, s.dir, "hub", "hub.db"), `SELECT count(*) FROM events WHERE once LIKE '% ' || ? || ' %'`, link); n != 1 {
			t.Errorf("%s: the hub has %d events of one stop", what, n)
		}
	}
}

// nudge ends the service's long poll: somebody else's stop brings an event.
func (s *stage) nudge(t *testing.T) {
	t.Helper()
	other := s.holder(t, shizuoka)
	must(t, other.Ready(t.Context()))
	must(t, other.StopAll(t.Context()))
}

// onlyLink is a person's one link at her bank.
func (s *stage) onlyLink(t *testing.T, a *journey.Actor) (link id.Link) {
	t.Helper()
	must(t, database(t, s.dir, "bank", string(shizuoka), "money.db").QueryRowContext(t.Context(),
		`SELECT l.id FROM link l JOIN account a ON a.id = l.account WHERE a.number = ?`, a.Number()).Scan(&link))
	return link
}
