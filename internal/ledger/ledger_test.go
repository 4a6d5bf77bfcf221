package ledger_test

import (
	"testing"

	"github.com/kozamori/kozamori/internal/store/storetest"
)

func TestLedger(t *testing.T) { storetest.RunLedger(t, storetest.OpenMemory) }
