package bank_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
)

// Whoever found a card locks it in machines, for a day, and nothing else (R5).
func TestThreeWrongPINsInAMachineLockTheCardThereOnly(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	held := w.possession(acc, bank.ForPortal)
	insert := func(pin bank.PIN) error {
		_, _, err := w.StartATM(t.Context(), "atm", acc.CardID, pin)
		return err
	}
	for range bank.PINTries {
		if err := insert("0000"); !bank.NotProved(err) {
			t.Errorf("a wrong PIN: %v", err)
		}
	}
	if err := insert(hanakoPIN); !bank.NotProved(err) {
		t.Errorf("locked, the right PIN in a machine: %v", err)
	}
	if ok, err := w.VerifyPIN(t.Context(), held, hanakoPIN); !ok || err != nil {
		t.Errorf("the right PIN at the pages: %v %v", ok, err)
	}
	if err := insert(hanakoPIN); !bank.NotProved(err) {
		t.Errorf("the pages have opened the card: %v", err)
	}
	w.time = w.time.Add(bank.PINLock)
	must(t, insert(hanakoPIN))
}

// A proof opens once what it was made for (L16).
func TestAProofIsSpentOnce(t *testing.T) {
	w := newTeller(t)
	acc := w.hanako()
	spent := func(what string, proof bank.ProofID, err error) {
		t.Helper()
		if fault.Of(err) != fault.Gone || err == nil {
			t.Errorf("%s again: %v", what, err)
		}
		if _, err := w.ProofFor(t.Context(), proof, "cookie"); fault.Of(err) != fault.Gone || err == nil {
			t.Errorf("%s: the proof is still there: %v", what, err)
		}
	}
	proof, held := w.proved(acc, bank.ForPortal)
	if ok, err := w.SignIn(t.Context(), held, hanakoPIN); !ok || err != nil {
		t.Fatalf("signing in: %v %v", ok, err)
	}
	_, err := w.SignIn(t.Context(), held, hanakoPIN)
	spent("signing in", proof, err)

	must(t, w.StopAll(t.Context(), acc.ID))
	proof, held = w.proved(acc, bank.ForUndo)
	if ok, err := w.UndoStop(t.Context(), held, hanakoPIN, ""); !ok || err != nil {
		t.Fatalf("undoing: %v %v", ok, err)
	}
	must(t, w.StopAll(t.Context(), acc.ID))
	_, err = w.UndoStop(t.Context(), held, hanakoPIN, "")
	spent("undoing", proof, err)
	if stopped, err := w.Stopped(t.Context(), acc.ID); err != nil || !stopped {
		t.Errorf("the second stop: %v %v", stopped, err)
	}

	// A hundred sign-ins with one proof at once are one.
	_, held = w.proved(acc, bank.ForPortal)
	var in atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if ok, _ := w.SignIn(t.Context(), held, hanakoPIN); ok {
				in.Add(1)
			}
		})
	}
	wg.Wait()
	if in.Load() > 1 {
		t.Errorf("one proof signed in %d times", in.Load())
	}
}
