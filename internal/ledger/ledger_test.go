package ledger_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/store/storetest"
)

func TestLedger(t *testing.T) { storetest.RunLedger(t, storetest.OpenMemory) }

// FuzzModel is the suite's property with the fuzzer instead of chance.
func FuzzModel(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		m := storetest.NewMemory()
		l := ledger.New(m, ledger.Options{})
		defer l.Close()
		storetest.Property(m, l)(t)
	}))
}

func FuzzOutcomeNamed(f *testing.F) {
	for o := ledger.Done; o <= ledger.Overflow; o++ {
		f.Add(o.String())
	}
	f.Fuzz(func(t *testing.T, name string) {
		if o, err := ledger.OutcomeNamed(name); err == nil && o.String() != name {
			t.Errorf("%q is read as %v", name, o)
		}
	})
}
