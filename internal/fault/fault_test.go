package fault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kozamori/kozamori/internal/fault"
)

func TestEveryKindHasANameAStatusAndWords(t *testing.T) {
	seen := map[string]bool{}
	for k := fault.Internal; k <= fault.Gone; k++ {
		if k.String() == "" || seen[k.String()] || k.Status() < 400 || k.Status() > 599 {
			t.Errorf("kind %d: name %q, status %d", k, k, k.Status())
		}
		seen[k.String()] = true
		if fault.KindNamed(k.String()) != k {
			t.Errorf("%v is not found by its name", k)
		}
		words := fault.PublicOf(fault.New(k, "op", nil))
		if words.JA == "" || words.EN == "" {
			t.Errorf("%v has no words for a stranger", k)
		}
	}
	if fault.KindNamed("teapot") != fault.Internal {
		t.Error("an unknown kind must be internal")
	}
}

// TestAStrangerNeverReadsTheCause: what Public gives away is only what was meant for people.
func TestAStrangerNeverReadsTheCause(t *testing.T) {
	cause := errors.New("row 17 of table pins")
	err := fmt.Errorf("outer: %w", &fault.Error{Kind: fault.NotFound, Op: "bank.Find", Err: cause})
	if words := fault.PublicOf(err); strings.Contains(words.EN+words.JA, "pins") || words.In("en") != "Not found." || words.In("xx") != "見つかりません。" {
		t.Errorf("%+v", words)
	}
	if !errors.Is(err, cause) || fault.Of(err) != fault.NotFound || !strings.Contains(err.Error(), "row 17") {
		t.Errorf("the log loses the cause: %v", err)
	}
	refusal := fault.Refuse("M1", "bank.Debit", fault.Text{JA: "限度額です。", EN: "Over the limit."})
	if fault.RuleOf(refusal) != "M1" || fault.Of(refusal) != fault.Refused || fault.PublicOf(refusal).EN != "Over the limit." || !strings.Contains(refusal.Error(), "refused M1") {
		t.Errorf("%v", refusal)
	}
	if fault.Of(errors.New("x")) != fault.Internal || fault.RuleOf(nil) != "" {
		t.Error("an error of elsewhere must be internal and of no rule")
	}
}
