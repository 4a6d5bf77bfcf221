package hubd

import (
	"testing"

	"github.com/kozamori/kozamori/internal/hub"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
)

// TestTemplates holds every template against the struct of its page.
func TestTemplates(t *testing.T) {
	site, err := newSite(false, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	entry := hub.Suspension{Service: "maru", Issuer: "https://bank.example", State: hub.Stopped}
	err = site.Check(homePage{}, signInPage{web.NewForm()}, suspendPage{Form: web.NewForm()},
		matrixPage{Services: []hub.Service{{}}, Rows: []matrixRow{{Cells: []matrixCell{{State: "open", Entry: entry}}}}, Entries: []entryRow{{Suspension: entry}}},
		linksPage{[]linkRow{{Link: hub.Link{State: "cooling"}}}}, debitsPage{[]debitRow{{Debit: hub.Debit{Outcome: "sent"}}}},
		actsPage{[]actRow{{}, {State: "open"}}})
	if err != nil {
		t.Error(err)
	}
	computed := []string{"state.open", "state.no_new_links", "state.stopped", "debit.sent"}
	for _, state := range []wire.LinkState{wire.LinkWaiting, wire.LinkCooling, wire.LinkLimited, wire.LinkActive, wire.LinkSuspended, wire.LinkRevoked, wire.LinkExpired, wire.LinkDead} {
		computed = append(computed, "link."+string(state))
	}
	for _, outcome := range []wire.Outcome{wire.Booked, wire.Refused, wire.Never, wire.Pending} {
		computed = append(computed, "debit."+string(outcome))
	}
	for _, key := range computed {
		if words := texts[key]; words.JA == "" || words.EN == "" {
			t.Errorf("no words for %s", key)
		}
	}
}
