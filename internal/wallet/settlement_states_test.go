package wallet_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/wallet"
)

// The drawing of a settlement's life in docs/states.md is the table that the code obeys.
func TestDrawnStatesOfASettlement(t *testing.T) {
	text, err := os.ReadFile("../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## A settlement of a day at the service\n")
	if !found {
		t.Fatal("docs/states.md has no section of a settlement")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	drawn := map[wallet.SettlementState][]wallet.SettlementState{}
	for _, arrow := range regexp.MustCompile(`(?m)^\s+(\w+) --> (\w+)$`).FindAllStringSubmatch(section, -1) {
		from := wallet.SettlementState(arrow[1])
		drawn[from] = append(drawn[from], wallet.SettlementState(arrow[2]))
	}
	now := time.Unix(1, 0)
	in := map[wallet.SettlementState]wallet.Settlement{
		wallet.SettlementOpen: {}, wallet.SettlementAnnounced: {AnnouncedAt: now}, wallet.SettlementArrived: {AnnouncedAt: now, ArrivedAt: now},
	}
	for from, next := range wallet.SettlementStates() {
		slices.Sort(next)
		slices.Sort(drawn[from])
		if !slices.Equal(next, drawn[from]) || in[from].State() != from {
			t.Errorf("from %s the code allows %v, the drawing shows %v", from, next, drawn[from])
		}
		for to := range in {
			if in[from].May(to) != slices.Contains(next, to) {
				t.Errorf("from %s to %s: %t", from, to, in[from].May(to))
			}
		}
		delete(drawn, from)
		if !strings.Contains(section, "`"+string(from)+"`") {
			t.Errorf("the table does not explain %s", from)
		}
	}
	if len(drawn) != 0 {
		t.Errorf("drawn but not in the code: %v", drawn)
	}
}
