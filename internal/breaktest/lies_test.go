package breaktest

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/wire"
)

// TestServiceBelievesNothingTheHubSays: whatever a hub with its keys answers a service, no e-money comes of it, and
// no link.
func TestServiceBelievesNothingTheHubSays(t *testing.T) {
	s := onStage(t)
	a := s.active(t, shizuoka)
	thief := s.stealHub(t)
	key := thief.client
	issuer := s.info.Banks[shizuoka]
	before := s.world(t)

	// Receipts: "booked" for an order that never went on, signed by the hub in the bank's name.
	lies := make(chan struct{}, 100)
	s.line.plan(1000, func(c *call) bool {
		return c.from == "maru" && c.method == http.MethodPost && (c.url.Path == "/v1/debits")
	}, func(_ *line, r *http.Request, c *call) (*http.Response, error) {
		var sent struct {
			Order string `json:"order"`
		}
		if err := json.Unmarshal(c.body, &sent); err != nil {
			return nil, err
		}
		o := payload[wire.DebitOrder](t, sent.Order)
		receipt, err := wire.Sign(key, &wire.DebitReceipt{Header: wire.Header{Issuer: issuer, Audience: string(maru), IssuedAt: s.clock.Now().Unix()},
			Link: o.Link, Debit: o.Debit, OrderHash: wire.Hash(sent.Order), Amount: o.Amount, WalletAccount: o.WalletAccount,
			Outcome: wire.Booked, BookedUs: s.clock.Now().UnixMicro()})
		if err != nil {
			return nil, err
		}
		lies <- struct{}{}
		return said(r, map[string]string{"receipt": receipt})
	})
	d := charge(t, a, 1350)
	<-lies
	time.Sleep(500 * time.Millisecond)
	if got := walletBooks(t, s.dir, maru).entries[d].state; got != "sent" {
		t.Errorf("after a lie the charge is %s", got)
	}
	s.ends(t, d, "never/never") // the bank itself says so
	if after := s.world(t); after != before {
		t.Errorf("%+v became %+v", before, after)
	}
	s.line.mend()

	// Reports: a link of somebody who asked for none, and her stopped link alive again.
	must(t, a.Ready(t.Context()))
	must(t, a.StopAll(t.Context()))
	link := s.onlyLink(t, a)
	wallet := database(t, s.dir, "maru", "money.db")
	stopped := func() bool {
		return number(t, wallet, `SELECT count(*) FROM links WHERE link = ? AND reported = 'suspended'`, link) == 1
	}
	eventually(t, time.Minute, "the stop at the service", nil, stopped)
	var was string
	must(t, wallet.QueryRowContext(t.Context(), `SELECT report_jws FROM links WHERE link = ?`, link).Scan(&was))
	alive := payload[wire.LinkReport](t, was)
	alive.State, alive.Seq, alive.CoolingUntilUs, alive.LimitedUntilUs = wire.LinkActive, alive.Seq+10, 1, 1
	invented := alive
	invented.Link, invented.Request = id.Link(id.Random("lnk")), id.Request(id.Random("req"))
	told := make(chan struct{})
	events := []map[string]any{}
	for i, m := range []wire.LinkReport{alive, invented} {
		text, err := wire.Sign(key, &m)
		must(t, err)
		events = append(events, map[string]any{"seq": number(t, wallet, `SELECT seen FROM hub_events`) + int64(i), "report": text})
	}
	before = s.world(t)
	s.line.plan(1, between("maru", http.MethodGet, "/v1/events"), func(_ *line, r *http.Request, _ *call) (*http.Response, error) {
		close(told)
		return said(r, map[string]any{"events": events, "next": events[0]["seq"]})
	})
	s.nudge(t)
	<-told
	time.Sleep(500 * time.Millisecond)
	if !stopped() {
		t.Error("the service believes that a stopped link is alive")
	}
	if n := number(t, wallet, `SELECT count(*) FROM links WHERE link = ?`, invented.Link); n != 0 {
		t.Error("the service believes in an invented link")
	}
	after := s.world(t)
	after.bankLinks, after.walletLinks, after.deposits = before.bankLinks, before.walletLinks, before.deposits // nudge brings a person
	if after != before {
		t.Errorf("%+v became %+v", before, after)
	}
}

// said is an answer that the line makes up.
func said(r *http.Request, body any) (*http.Response, error) {
	return withBody(&http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r, Body: io.NopCloser(http.NoBody)}, body)
}
