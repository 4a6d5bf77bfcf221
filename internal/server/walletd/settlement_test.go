package walletd

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/clock"
)

// A member of staff sees what a bank owes and records what has arrived; nobody else does, and nothing else is taken.
func TestSettlementForStaff(t *testing.T) {
	h := newHouse(t)
	v := h.visit()
	key, sub := v.signUp("hanako@example.jp", "090-1111-2222")
	v.soon(v.charges(key, v.linked(sub, nil).ID, "5000"), "チャージしました")
	staff := h.visit()
	if p := staff.post("/staff/money/arrival", "bank", string(bankOne)); p.status != http.StatusForbidden {
		t.Errorf("a stranger: %d %s", p.status, p.to)
	}
	staff.get("/staff/sign-in")
	staff.goes("/staff/money", "/staff/sign-in", "name", "suzuki", "password", staffPassword)
	day := clock.Day(h.clock.Now())
	record := func(day, amount string) page {
		return staff.post("/staff/money/arrival", "bank", string(bankOne), "settled", day, "amount", amount)
	}
	if p := record(day, "5000"); p.status != http.StatusUnprocessableEntity || !strings.Contains(p.text, "まだ通知されていません") {
		t.Errorf("not announced: %d %s", p.status, plain(p.text))
	}
	h.clock.Forward(25 * time.Hour)
	if p := staff.post("/staff/money/exchange", "issuer", string(bankOne), "day", day); p.status != http.StatusOK || !strings.Contains(p.text, "入金待ち") {
		t.Fatalf("exchange: %d %s", p.status, plain(p.text))
	}
	if p := record(day, "4999"); p.status != http.StatusUnprocessableEntity || !strings.Contains(p.text, "5,000円") {
		t.Errorf("another amount: %d %s", p.status, plain(p.text))
	}
	basic := func(name string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+staffPassword))
	}
	body := `{"issuer":"` + string(bankOne) + `","day":"` + day + `","amount":5000}`
	for who, want := range map[string]int{"tanaka": http.StatusForbidden, "": http.StatusUnauthorized} {
		header := ""
		if who != "" {
			header = basic(who)
		}
		if status, _, _ := h.call("POST", "/staff/v1/arrivals", header, "", body); status != want {
			t.Errorf("%q records an arrival: %d", who, status)
		}
		if status, _, _ := h.call("GET", "/staff/v1/settlements", header, "", ""); status != want {
			t.Errorf("%q reads settlements: %d", who, status)
		}
	}
	if status, out, _ := h.call("GET", "/staff/v1/settlements", basic("suzuki"), "", ""); status != http.StatusOK || !strings.Contains(toJSON(out), `"state":"announced"`) {
		t.Errorf("settlements: %d %v", status, out)
	}
	if status, out, _ := h.call("POST", "/staff/v1/arrivals", basic("suzuki"), "", strings.Replace(body, "5000", "5001", 1)); status != http.StatusUnprocessableEntity || out["rule"] != "M8" {
		t.Errorf("another amount: %d %v", status, out)
	}
	if p := record(day, "5,000"); p.status != http.StatusOK || !strings.Contains(p.text, "suzuki さんが") || !strings.Contains(p.text, "入金済み") {
		t.Errorf("recorded: %d %s", p.status, plain(p.text))
	}
	if p := record(day, "5000"); p.status != http.StatusUnprocessableEntity || !strings.Contains(p.text, "suzuki さんが記録済み") {
		t.Errorf("twice: %d %s", p.status, plain(p.text))
	}
	if status, out, _ := h.call("POST", "/staff/v1/arrivals", basic("suzuki"), "", body); status != http.StatusConflict || out["rule"] != "M8" {
		t.Errorf("twice by program: %d %v", status, out)
	}
	if status, out, _ := h.call("GET", "/staff/v1/settlements", basic("suzuki"), "", ""); status != http.StatusOK || !strings.Contains(toJSON(out), `"recorded_by":"suzuki"`) || !strings.Contains(toJSON(out), `"owed":0`) {
		t.Errorf("settlements: %d %v", status, out)
	}
	if audit := h.audit.String(); !strings.Contains(audit, "settlement.arrived") || !strings.Contains(audit, "5,000") {
		t.Errorf("audit: %s", audit)
	}
}
