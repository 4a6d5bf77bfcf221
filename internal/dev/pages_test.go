package dev

import (
	"testing"

	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/zengin"
)

// TestTemplates holds every template against the struct of its page.
func TestTemplates(t *testing.T) {
	site, err := newSite()
	if err != nil {
		t.Fatal(err)
	}
	person := shownPerson{Person: samplePeople[0]}
	err = site.Check(
		homePage{Wallets: []place{{}}, Banks: []place{{}}, References: []place{{}}, People: []shownPerson{person}, Staff: []shownStaff{{}}},
		inboxPage{Form: web.NewForm(), Letters: []shownLetter{{Lines: [][]piece{{{URL: "http://x"}}}}}},
		clockPage{Form: clockForm(), Steps: []clockStep{{}}}, auditPage{},
		atmPage{Form: web.NewForm(), Found: &atmPending{}, Waiting: []atmWaiting{{}}},
	)
	if err != nil {
		t.Error(err)
	}
}

func TestLettersShowAddressesToOpen(t *testing.T) {
	got := pieces("止めるには:\nhttp://0149.bank.localhost:8404/stop/abc を開く")
	if len(got) != 2 || len(got[1]) != 3 || got[1][1].URL != "http://0149.bank.localhost:8404/stop/abc" || got[1][2].Text != " を開く" {
		t.Errorf("%q", got)
	}
}

func TestTenantsAreTheBanksOf2020(t *testing.T) {
	banks, err := tenants()
	if err != nil || len(banks) != 35 {
		t.Fatalf("%d banks, %v", len(banks), err)
	}
}

// TestSamplePeopleHaveRealBranches: who types the branch of a sample person finds it.
func TestSamplePeopleHaveRealBranches(t *testing.T) {
	for _, p := range samplePeople {
		if _, ok := zengin.Today().Branch(p.Bank, p.Branch); !ok {
			t.Errorf("%s: no branch %s at %s", p.Name.EN, p.Branch, p.Bank)
		}
	}
}
