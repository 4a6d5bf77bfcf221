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
	m := storetest.NewMemory()
	l := ledger.New(m, ledger.Options{})
	f.Cleanup(l.Close)
	f.Fuzz(rapid.MakeFuzz(storetest.Property(m, l)))
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
