package breaktest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/journey"
	"github.com/kozamori/kozamori/internal/money"
)

// TestHundredChargesOverABadLine: every third call between the roles is lost, answered into the void, doubled or
// late. Meanwhile charges are given back and one holder stops everything. No yen is lost or doubled.
func TestHundredChargesOverABadLine(t *testing.T) {
	s := ownStage(t)
	charges, seed := 100, uint64(20260831)
	if testing.Short() {
		charges = 24
	}
	const holders = 8
	people := s.actives(t, shizuoka, holders)
	stopper := people[holders-1]
	must(t, stopper.Ready(t.Context()))
	s.line.spoil(seed)
	var all sync.WaitGroup
	tried := make([]int, holders)
	for i, a := range people {
		all.Go(func() { tried[i] = s.spend(t, a, charges/holders, seed+uint64(i), i == holders-1) })
	}
	all.Wait()
	for range 3 { // the sweeper asks over the bad line too
		s.clock.Forward(70 * time.Second)
		time.Sleep(3 * time.Second)
	}
	s.line.mend()
	s.settle(t, maru)
	done := sameAtBothSides(t, s.dir, maru, shizuoka, suruga)
	if total := sum(tried); total < charges*8/10 || done < total/3 {
		t.Errorf("only %d of %d charges were sent and %d are done: the line was too bad to show anything", total, charges, done)
	}
	must(t, stopper.Refused(t.Context(), maru, 1000, "D2"))
	s.audited(t)
	t.Logf("seed %d: %v charges sent, %d of the stage are done", seed, tried, done)
}

func sum(numbers []int) (total int) {
	for _, n := range numbers {
		total += n
	}
	return total
}

// spend charges again and again; some are given back. stops says that she stops everything half-way: what is
// refused after that is no mistake. It returns how many charges were sent.
func (s *stage) spend(t *testing.T, a *journey.Actor, n int, seed uint64, stops bool) (sent int) {
	dice := rand.New(rand.NewPCG(seed, 1))
	for i := range n {
		if stops && i == n/2 {
			if err := a.StopAll(t.Context()); err != nil {
				t.Error(err)
				return sent
			}
		}
		amount := money.Yen(100 + dice.IntN(200))
		d, err := a.Charge(t.Context(), maru, amount)
		if stops && i >= n/2 {
			if err == nil {
				sent++ // the service had not heard of the stop yet: the bank refuses it
			}
			continue
		}
		if err != nil {
			t.Error(fmt.Errorf("charge %d: %w", i, err))
			return sent
		}
		sent++
		if dice.IntN(4) == 0 {
			_ = s.GiveBack(t.Context(), maru, d) // refused while the charge is open, and that is right
		}
		time.Sleep(time.Duration(dice.IntN(20)) * time.Millisecond)
	}
	return sent
}

// TestLinkOverABadLine: a person who tries again as people do has her one link in the end, whatever the line does.
func TestLinkOverABadLine(t *testing.T) {
	s := ownStage(t)
	for seed := range uint64(2) {
		a := s.member(t, shizuoka)
		s.line.spoil(seed + 7)
		for range 3 {
			if _, err := a.Ask(t.Context(), maru); err != nil {
				t.Log("the line won:", err)
			}
			if s.hasLink(t, a) {
				break
			}
			time.Sleep(2 * time.Second)
		}
		s.line.mend()
		s.oneLink(t, a)
		if n := number(t, database(t, s.dir, "bank", string(shizuoka), "money.db"), `SELECT count(*) FROM link l JOIN account a ON a.id = l.account
			WHERE a.number = ? AND l.state IN ('authenticated', 'live', 'suspended')`, a.Number()); n != 1 {
			t.Errorf("the account has %d links", n)
		}
	}
	s.audited(t)
}

// hasLink says that a link is live at the bank and known to the service.
func (s *stage) hasLink(t *testing.T, a *journey.Actor) bool {
	t.Helper()
	bank := database(t, s.dir, "bank", string(shizuoka), "money.db")
	if number(t, bank, `SELECT count(*) FROM link l JOIN account a ON a.id = l.account WHERE a.number = ? AND l.state = 'live'`, a.Number()) != 1 {
		return false
	}
	var link string
	must(t, bank.QueryRowContext(t.Context(), `SELECT l.id FROM link l JOIN account a ON a.id = l.account WHERE a.number = ? AND l.state = 'live'`, a.Number()).Scan(&link))
	return number(t, database(t, s.dir, "maru", "money.db"), `SELECT count(*) FROM links WHERE link = ? AND reported IN ('cooling', 'limited', 'active')`, link) == 1
}
