package bank

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/wire"
)

// The drawing of a debit's life in docs/states.md is the table that the code obeys.
func TestDrawnStatesOfADebit(t *testing.T) {
	text, err := os.ReadFile("../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## A debit at the bank\n")
	if !found {
		t.Fatal("docs/states.md has no section of a debit")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	drawn := map[DebitState][]DebitState{}
	for _, arrow := range regexp.MustCompile(`(?m)^\s+(\w+) --> (\w+)$`).FindAllStringSubmatch(section, -1) {
		drawn[DebitState(arrow[1])] = append(drawn[DebitState(arrow[1])], DebitState(arrow[2]))
	}
	for _, state := range []DebitState{DebitUnseen, DebitBooked, DebitRefused, DebitNever, DebitReversed} {
		if !slices.Equal(drawn[state], debitMoves[state]) {
			t.Errorf("from %s the code allows %v, the drawing shows %v", state, debitMoves[state], drawn[state])
		}
		delete(drawn, state)
		if !strings.Contains(section, "`"+string(state)+"`") {
			t.Errorf("the table does not explain %s", state)
		}
	}
	if len(drawn) != 0 {
		t.Errorf("drawn but not in the code: %v", drawn)
	}
	if !(Debit{Outcome: wire.Booked}).CanBecome(DebitReversed) || (Debit{Outcome: wire.Refused}).CanBecome(DebitReversed) || (Debit{}).CanBecome(DebitReversed) {
		t.Error("only a booked debit can be reversed")
	}
}
