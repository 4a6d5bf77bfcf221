package hubd

import (
	"testing"

	"github.com/kozamori/kozamori/internal/hub"
	"github.com/kozamori/kozamori/internal/web"
)

// TestTemplates holds every template against the struct of its page.
func TestTemplates(t *testing.T) {
	site, err := newSite(false, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	entry := hub.Suspension{Service: "maru", Issuer: "https://bank.example", State: hub.Stopped}
	err = site.Check(homePage{}, signInPage{web.NewForm()}, suspendPage{Form: web.NewForm()},
		matrixPage{Services: []hub.Service{{}}, Rows: []matrixRow{{Cells: []matrixCell{{State: "open", Entry: entry}}}}, Entries: []hub.Suspension{entry}},
		linksPage{[]hub.Link{{}}}, debitsPage{[]debitRow{{}}}, actsPage{[]hub.Act{{}}})
	if err != nil {
		t.Error(err)
	}
	for _, key := range []string{"state.open", "state.no_new_links", "state.stopped"} { // asked for by a computed key
		if words := texts[key]; words.JA == "" || words.EN == "" {
			t.Errorf("no words for %s", key)
		}
	}
}
