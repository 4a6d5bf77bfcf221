package breaktest

import (
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/journey"
	"github.com/kozamori/kozamori/internal/keyfile"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

// The interleavings of "A charge" in docs/protocol.md, over the roles as they run.

// charge charges and fails where the wallet did not even take it.
func charge(t *testing.T, a *journey.Actor, amount money.Yen) id.Debit {
	t.Helper()
	d, err := a.Charge(t.Context(), maru, amount)
	must(t, err)
	return d
}

// left fails unless so much has left a person's account since it was opened.
func (s *stage) left(t *testing.T, a *journey.Actor, bank id.Bank, want money.Yen) {
	t.Helper()
	if got := a.Opening() - deposit(t, s.dir, bank, a.Number()); got != want {
		t.Errorf("%d yen have left the account, want %d", got, want)
	}
}

// ends waits for the end of one charge, and checks how it ended on both sides.
func (s *stage) ends(t *testing.T, d id.Debit, want string) {
	t.Helper()
	s.settle(t, maru)
	if got := state(t, s.dir, shizuoka, maru, d); got != want {
		t.Errorf("the charge is %s, want %s", got, want)
	}
}

// at is a call of the hub at a bank.
func atBank(path string) func(*call) bool { return between("hub", http.MethodPost, path) }

func TestOrderIsLostOnEitherLine(t *testing.T) {
	s := onStage(t)
	a := s.active(t, shizuoka)
	for _, fits := range []func(*call) bool{between("maru", http.MethodPost, "/v1/debits"), atBank("/v1/debits")} {
		lost := s.line.plan(1, fits, loseRequest)
		d := charge(t, a, 1100)
		lost.happened(t, "the loss of the order")
		s.ends(t, d, "done/booked")
	}
	s.left(t, a, shizuoka, 2200)
}

func TestAnswerToAnOrderIsLostOnEitherLine(t *testing.T) {
	s := onStage(t)
	a := s.active(t, shizuoka)
	for _, fits := range []func(*call) bool{between("maru", http.MethodPost, "/v1/debits"), atBank("/v1/debits")} {
		lost := s.line.plan(1, fits, loseAnswer)
		d := charge(t, a, 1200)
		lost.happened(t, "the loss of the receipt")
		s.ends(t, d, "done/booked")
	}
	s.left(t, a, shizuoka, 2400)
}

func TestOrderIsDoubledOnEitherLine(t *testing.T) {
	s := onStage(t)
	a := s.active(t, shizuoka)
	for _, fits := range []func(*call) bool{between("maru", http.MethodPost, "/v1/debits"), atBank("/v1/debits")} {
		doubled := s.line.plan(1, fits, twiceFirst)
		d := charge(t, a, 1300)
		doubled.happened(t, "the doubling")
		s.ends(t, d, "done/booked")
	}
	s.left(t, a, shizuoka, 2600)
}

// An order that comes after its question finds a tombstone: it is answered "never", and no yen moves.
func TestLateOrderAfterItsResolution(t *testing.T) {
	s := onStage(t)
	a := s.active(t, shizuoka)
	free, arrived := make(chan struct{}), make(chan struct{})
	held := s.line.plan(1, atBank("/v1/debits"), heldUntil(free, arrived))
	s.line.plan(100, between("maru", http.MethodPost, "/v1/debits"), func(l *line, r *http.Request, c *call) (*http.Response, error) {
		select {
		case <-held.seen: // once it is held, the service cannot send it again
			return nil, errLost
		default:
			return l.send(r, c)
		}
	})
	listening := s.tap()
	d := charge(t, a, 1400)
	held.happened(t, "the delay of the order")
	s.ends(t, d, "never/never")
	close(free)
	<-arrived // too old a call by now; the hub may make a new one of the same order whenever it likes
	answer, err := s.stealHub(t).post(t.Context(), shizuoka, "/v1/debits", walletBooks(t, s.dir, maru).entries[d].link, "order", listening.last(t, "/v1/debits", "order"))
	must(t, err)
	if got := payload[wire.DebitReceipt](t, answer["receipt"]); got.Debit != d || got.Outcome != wire.Never {
		t.Errorf("the late order was answered %s for %s", got.Outcome, got.Debit)
	}
	s.left(t, a, shizuoka, 0)
	if got := state(t, s.dir, shizuoka, maru, d); got != "never/never" {
		t.Errorf("after the late order the charge is %s", got)
	}
	s.audited(t)
}

// A receipt that comes when the sweeper has its own answer already changes nothing.
func TestAnswerArrivesAfterTheSweepers(t *testing.T) {
	s := onStage(t)
	a := s.active(t, shizuoka)
	free := make(chan struct{})
	slow := s.line.plan(1, between("maru", http.MethodPost, "/v1/debits"), func(l *line, r *http.Request, c *call) (*http.Response, error) {
		r = r.Clone(t.Context())
		resp, err := l.send(r, c)
		l.wait(free)
		return resp, err
	})
	d := charge(t, a, 1500)
	slow.happened(t, "the slow answer")
	s.ends(t, d, "done/booked")
	close(free)
	s.line.mend()
	s.ends(t, d, "done/booked")
	s.left(t, a, shizuoka, 1500)
	s.audited(t)
}

// A bank that takes seven seconds to answer is slow, not dead: that charge and the next ones come to their ends, on
// the same connections.
func TestSlowBankIsNotCutOff(t *testing.T) {
	s := onStage(t)
	a := s.active(t, shizuoka)
	slow := s.line.plan(1, atBank("/v1/debits"), func(l *line, r *http.Request, c *call) (*http.Response, error) {
		time.Sleep(7 * time.Second)
		return l.send(r, c)
	})
	d := charge(t, a, 1450)
	slow.happened(t, "the slow answer")
	eventually(t, time.Minute, "the end of the slow charge", nil, func() bool { return state(t, s.dir, shizuoka, maru, d) == "done/booked" })
	for range 3 {
		d := charge(t, a, 1450)
		eventually(t, 5*time.Second, "the end of a charge after it", nil, func() bool { return state(t, s.dir, shizuoka, maru, d) == "done/booked" })
	}
	s.left(t, a, shizuoka, 4*1450)
}

// The link is stopped while the receipt of a booked debit is lost: the repeat is answered with it all the same.
func TestRepeatOfAKnownDebitOfAStoppedLink(t *testing.T) {
	s := onStage(t)
	a := s.active(t, shizuoka)
	must(t, a.Ready(t.Context()))
	lost := s.line.plan(1, atBank("/v1/debits"), loseAnswer)
	away := s.line.plan(1000, func(c *call) bool { return c.from == "maru" && c.method == http.MethodPost }, func(l *line, r *http.Request, c *call) (*http.Response, error) {
		select {
		case <-lost.seen:
			return nil, errLost
		default:
			return l.send(r, c)
		}
	})
	d := charge(t, a, 1600)
	lost.happened(t, "the loss of the receipt")
	must(t, a.StopAll(t.Context()))
	if got := state(t, s.dir, shizuoka, maru, d); got != "sent/booked" {
		t.Errorf("while the receipt is lost the charge is %s", got)
	}
	away.times.Store(0)
	s.ends(t, d, "done/booked")
	s.left(t, a, shizuoka, 1600)
	must(t, a.Refused(t.Context(), maru, 1000, "D2"))
	s.audited(t)
}

// Orders and the stop come at the same moment: each is booked before the stop or refused by it.
func TestOrdersRaceStopAll(t *testing.T) {
	s := onStage(t)
	people := s.actives(t, shizuoka, 3)
	var slips []*journey.Slip
	for _, a := range people {
		must(t, a.Ready(t.Context()))
	}
	for _, a := range people {
		slip, err := a.Show(t.Context(), maru, 1700)
		must(t, err)
		slips = append(slips, slip)
	}
	free := make(chan struct{})
	var waiting atomic.Int64
	s.line.plan(len(people), atBank("/v1/debits"), func(l *line, r *http.Request, c *call) (*http.Response, error) {
		waiting.Add(1)
		l.wait(free)
		return l.send(r, c)
	})
	var all sync.WaitGroup
	for i, a := range people {
		all.Go(func() {
			if err := a.Sign(t.Context(), slips[i]); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait() // the pages have given up waiting for it
	eventually(t, time.Minute, "every order before the bank", nil, func() bool { return waiting.Load() == int64(len(people)) })
	all.Go(func() { close(free) })
	for _, a := range people {
		all.Go(func() {
			if err := a.StopAll(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s.settle(t, maru)
	for i, a := range people {
		got := state(t, s.dir, shizuoka, maru, slips[i].Debit)
		switch got {
		case "done/booked":
			s.left(t, a, shizuoka, 1700)
		case "refused/refused":
			s.left(t, a, shizuoka, 0)
		default:
			t.Errorf("the charge is %s", got)
		}
		must(t, a.Refused(t.Context(), maru, 1000, "D2"))
	}
	s.audited(t)
}

// Signed by the holder and queued before the stop, run after it: refused, though neither hub nor service has heard.
func TestDebitQueuedBeforeStopAllRunsAfterIt(t *testing.T) {
	s := onStage(t)
	a := s.active(t, shizuoka)
	must(t, a.Ready(t.Context()))
	s.line.plan(1000, between("bank", http.MethodPost, "/v1/reports"), loseRequest) // nobody hears of the stop
	free := make(chan struct{})
	queued := s.line.plan(1, atBank("/v1/debits"), func(l *line, r *http.Request, c *call) (*http.Response, error) {
		l.wait(free)
		return l.send(r, c)
	})
	d := charge(t, a, 1800)
	queued.happened(t, "the queueing")
	must(t, a.StopAll(t.Context()))
	close(free)
	eventually(t, time.Minute, "an answer to the order", nil, func() bool { return len(walletBooks(t, s.dir, maru).open()) == 0 })
	s.ends(t, d, "refused/refused")
	if e := walletBooks(t, s.dir, maru).entries[d]; e.rule != "D2" {
		t.Errorf("refused under %q, want D2", e.rule)
	}
	s.left(t, a, shizuoka, 0)
}

func TestReversalIsLostAndRepeated(t *testing.T) {
	s := onStage(t)
	a := s.active(t, shizuoka)
	for _, bad := range []struct {
		what string
		fits func(*call) bool
		do   func(*line, *http.Request, *call) (*http.Response, error)
	}{
		{"request lost", atBank("/v1/reversals"), loseRequest},
		{"answer lost at the bank", atBank("/v1/reversals"), loseAnswer},
		{"answer lost at the hub", between("maru", http.MethodPost, "/v1/reversals"), loseAnswer},
		{"doubled", between("maru", http.MethodPost, "/v1/reversals"), twiceFirst},
	} {
		d := charge(t, a, 1900)
		s.ends(t, d, "done/booked")
		s.left(t, a, shizuoka, 1900)
		p := s.line.plan(1, bad.fits, bad.do)
		must(t, s.GiveBack(t.Context(), maru, d))
		p.happened(t, bad.what)
		s.ends(t, d, "reversed/reversed")
		s.left(t, a, shizuoka, 0)
	}
	s.audited(t)
}

// The hub hands the service a receipt that another bank signed, or that a bank signed for another charge: the
// charge waits for the truth.
func TestReceiptOfAnotherBankEndsNothing(t *testing.T) {
	s := onStage(t)
	a := s.active(t, shizuoka)
	other, err := keyfile.Open(s.dir + "/keys/bank/" + string(suruga)).Signing("sign")
	must(t, err)
	forged := make(chan struct{})
	p := s.line.plan(1, atBank("/v1/debits"), loseRequest) // the bank must not know it yet
	s.line.plan(1, between("maru", http.MethodPost, "/v1/debits"), func(l *line, r *http.Request, c *call) (*http.Response, error) {
		resp, err := l.send(r, c)
		if err != nil {
			return nil, err
		}
		var order struct{ Order string }
		if err := json.Unmarshal(c.body, &order); err != nil {
			return nil, err
		}
		o := payload[wire.DebitOrder](t, order.Order)
		text, err := wire.Sign(other[0], &wire.DebitReceipt{
			Header: wire.Header{Issuer: o.Audience, Audience: string(maru), IssuedAt: s.clock.Now().Unix()},
			Link:   o.Link, Debit: o.Debit, OrderHash: wire.Hash(order.Order), Amount: o.Amount, WalletAccount: o.WalletAccount,
			Outcome: wire.Booked, BookedUs: s.clock.Now().UnixMicro()})
		if err != nil {
			return nil, err
		}
		defer close(forged)
		resp.StatusCode = http.StatusOK
		resp.Header.Set("Content-Type", "application/json")
		return withBody(resp, map[string]string{"receipt": text})
	})
	before := walletBooks(t, s.dir, maru).balance
	free := make(chan struct{})
	s.line.plan(1000, between("maru", http.MethodPost, "/v1/debits"), func(l *line, r *http.Request, c *call) (*http.Response, error) {
		select {
		case <-free:
			return l.send(r, c)
		default:
			return nil, errLost
		}
	})
	d := charge(t, a, 2000)
	<-forged
	p.happened(t, "the loss of the order")
	time.Sleep(time.Second)
	if got := walletBooks(t, s.dir, maru); got.entries[d].state != "sent" || got.balance != before {
		t.Errorf("after a forged receipt the charge is %s, the receivable moved by %d", got.entries[d].state, got.balance-before)
	}
	close(free)
	s.settle(t, maru)
	if got := state(t, s.dir, shizuoka, maru, d); got != "done/booked" && got != "never/never" {
		t.Errorf("the charge is %s", got)
	}
	s.audited(t)
}
