package wallet_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/wallet"
)

// The drawing of a charge's life in docs/states.md is the table that the code obeys.
func TestDrawnStatesOfACharge(t *testing.T) {
	text, err := os.ReadFile("../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## A charge at the service\n")
	if !found {
		t.Fatal("docs/states.md has no section of a charge")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	drawn := map[wallet.ChargeState][]wallet.ChargeState{}
	for _, arrow := range regexp.MustCompile(`(?m)^\s+(\w+) --> (\w+)$`).FindAllStringSubmatch(section, -1) {
		from := wallet.ChargeState(arrow[1])
		drawn[from] = append(drawn[from], wallet.ChargeState(arrow[2]))
	}
	for from, next := range wallet.ChargeStates() {
		slices.Sort(next)
		slices.Sort(drawn[from])
		if !slices.Equal(next, drawn[from]) {
			t.Errorf("from %s the code allows %v, the drawing shows %v", from, next, drawn[from])
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
