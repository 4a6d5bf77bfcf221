package wallet_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

func (w *world) code(p person) string {
	w.t.Helper()
	code, _, err := w.MakePayCode(w.t.Context(), p.sub)
	if err != nil {
		w.t.Fatal(err)
	}
	return code
}

func (w *world) shop(key string) wallet.Shop {
	w.t.Helper()
	s, ok := w.ShopWithKey(key)
	if !ok {
		w.t.Fatalf("no shop with the key %q", key)
	}
	return s
}

// pay shows a code and lets a shop present it.
func (w *world) pay(p person, shopKey, idem string, amount money.Yen) wallet.Payment {
	w.t.Helper()
	pay, _, err := w.Pay(w.t.Context(), w.shop(shopKey), idem, wallet.Presented{Code: w.code(p), Amount: amount, Terminal: "1", Order: "7"})
	if err != nil {
		w.t.Fatal(err)
	}
	return pay
}

func gone(t *testing.T, err error) {
	t.Helper()
	if fault.Of(err) != fault.Gone || fault.RuleOf(err) != "M11" {
		t.Errorf("got %v, want the code to be gone by M11", err)
	}
}

// What the books cannot keep, and what would turn the words of the payer's page round, is refused before the code is
// burnt, by the name of its field.
func TestPayRefusesWordsTheBooksCannotKeep(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	w.charge(p, 10_000)
	code := w.code(p)
	for _, words := range []string{"7\x00", "7\xff", "7\n8", "7\t8", "\u202e7", "7\u2066", "\u200e7", "\u200f7", "7\u061c", "7\u2028", "7\u200b", strings.Repeat("7", 101)} {
		for field, ask := range map[string]wallet.Presented{
			"order": {Code: code, Amount: 100, Order: words}, "terminal": {Code: code, Amount: 100, Terminal: words},
		} {
			_, _, err := w.Pay(t.Context(), w.shop("bakery key"), "a", ask)
			if text := fault.PublicOf(err); fault.Of(err) != fault.Invalid || !strings.HasPrefix(text.EN, field) || !strings.Contains(text.JA, field) {
				t.Errorf("%s %q: %v", field, words, err)
			}
		}
	}
	pay, _, err := w.Pay(t.Context(), w.shop("bakery key"), "a", wallet.Presented{Code: code, Amount: 100, Order: "伝票 No.7（店内）", Terminal: strings.Repeat("7", 100)})
	if err != nil || pay.State != wallet.PaymentDone {
		t.Errorf("the code afterwards: %+v, %v", pay, err)
	}
}

func TestPayTakesMaturingMoneyFirst(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	w.charge(p, 10_000)
	young := p
	young.link = w.link(p, bankA, 50_000)
	w.update(&young.link, func(l *wallet.Link) { l.Reported, l.LimitedUntil = wire.LinkLimited, w.clock.Now().Add(time.Hour) })
	w.charge(young, 3_000)

	if pay := w.pay(p, "cards key", "a", 10_001); pay.State != wallet.PaymentRefused || pay.Reason != "cash_like" || pay.Rule() != "M10" {
		t.Errorf("cash-like shop: %+v", pay)
	}
	if pay := w.pay(p, "bakery key", "b", 13_001); pay.State != wallet.PaymentRefused || pay.Reason != "funds" {
		t.Errorf("too much: %+v", pay)
	}
	if pay := w.pay(p, "bakery key", "c", 4_000); pay.State != wallet.PaymentDone || pay.FromMaturing != 3_000 {
		t.Errorf("ordinary shop: %+v", pay)
	}
	if pay := w.pay(p, "cards key", "d", 9_000); pay.State != wallet.PaymentDone || pay.FromMaturing != 0 {
		t.Errorf("cash-like shop: %+v", pay)
	}
	w.balance(wallet.Available(p.sub), 0)
	w.balance(wallet.Maturing(p.sub, young.link.ID), 0)
	w.balance(wallet.ShopAccount("shop_bakery"), 4_000)
	w.balance(wallet.ShopAccount("shop_cards"), 9_000)
}

// The money that has waited longest goes first.
func TestPayTakesTheOldestLinkFirst(t *testing.T) {
	w := newWorld(t)
	older := w.person(bankA, 50_000)
	w.clock.forward(time.Minute)
	newer := older
	newer.link = w.link(older, bankA, 50_000)
	for _, p := range []*person{&newer, &older} {
		w.update(&p.link, func(l *wallet.Link) { l.Reported, l.LimitedUntil = wire.LinkLimited, w.clock.Now().Add(time.Hour) })
		w.charge(*p, 3_000)
	}
	w.pay(older, "bakery key", "key", 2_000)
	w.balance(wallet.Maturing(older.sub, older.link.ID), 1_000)
	w.balance(wallet.Maturing(older.sub, newer.link.ID), 3_000)
}

// M11: fifty tills scan one code at once; one of them is paid.
func TestCodePresentedFiftyTimesAtOnce(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 90_000)
	w.charge(p, 90_000)
	code := w.code(p)
	var mu sync.Mutex
	var done []wallet.Payment
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			key := []string{"bakery key", "cards key"}[i%2]
			pay, _, err := w.Pay(t.Context(), w.shop(key), fmt.Sprint(i), wallet.Presented{Code: code, Amount: money.Yen(1_000 + i)})
			if err != nil {
				gone(t, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			done = append(done, pay)
		})
	}
	wg.Wait()
	if len(done) != 1 || done[0].State != wallet.PaymentDone {
		t.Fatalf("%d payments: %+v", len(done), done)
	}
	w.balance(wallet.Available(p.sub), 90_000-done[0].Amount)
	w.balance(wallet.ShopAccount(done[0].Shop), done[0].Amount)
}

// The first presentation burns a code whatever comes of it.
func TestCodeIsBurntByARefusal(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	w.charge(p, 1_000)
	for i, amount := range []money.Yen{1_001, 0, wallet.MaxHolderCap + 1} {
		code := w.code(p)
		pay, _, err := w.Pay(t.Context(), w.shop("bakery key"), fmt.Sprint("first", i), wallet.Presented{Code: code, Amount: amount})
		if err != nil || pay.State != wallet.PaymentRefused || pay.Text().EN == "" {
			t.Errorf("%d: %+v, %v", amount, pay, err)
		}
		_, _, err = w.Pay(t.Context(), w.shop("bakery key"), fmt.Sprint("second", i), wallet.Presented{Code: code, Amount: 500})
		gone(t, err)
	}
	w.balance(wallet.Available(p.sub), 1_000)
}

func TestCodeEnds(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	w.charge(p, 5_000)
	present := func(idem, code string) error {
		_, _, err := w.Pay(t.Context(), w.shop("bakery key"), idem, wallet.Presented{Code: code, Amount: 500})
		return err
	}
	old := w.code(p)
	newer := w.code(p)
	gone(t, present("replaced by a newer one", old))
	w.clock.forward(wallet.PayCodeLife)
	gone(t, present("after 60 s", newer))
	gone(t, present("never made", "0123456789ABCDEF"))
	if err := present("not a code", "hello"); fault.Of(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
	code := w.code(p)
	w.clock.forward(wallet.PayCodeLife - time.Second)
	if err := present("in the last second", code); err != nil {
		t.Error(err)
	}
	w.balance(wallet.Available(p.sub), 4_500)
}

func TestIdempotencyKey(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	w.charge(p, 5_000)
	bakery, cards := w.shop("bakery key"), w.shop("cards key")
	ask := wallet.Presented{Code: w.code(p), Amount: 500, Terminal: "1", Order: "42"}
	first, replayed, err := w.Pay(t.Context(), bakery, "key", ask)
	if err != nil || replayed {
		t.Fatal(replayed, err)
	}
	w.clock.forward(1000 * time.Hour) // keys never expire
	w.crash()
	again, replayed, err := w.Pay(t.Context(), bakery, "key", ask)
	if err != nil || !replayed || again != first {
		t.Errorf("the same again: %+v, %t, %v", again, replayed, err)
	}
	for name, change := range map[string]func(*wallet.Presented){
		"amount":   func(p *wallet.Presented) { p.Amount++ },
		"code":     func(q *wallet.Presented) { q.Code = w.code(p) },
		"terminal": func(p *wallet.Presented) { p.Terminal = "2" },
		"order":    func(p *wallet.Presented) { p.Order = "43" },
	} {
		other := ask
		change(&other)
		if _, _, err := w.Pay(t.Context(), bakery, "key", other); fault.Of(err) != fault.Invalid || fault.RuleOf(err) != wallet.RuleIdempotency {
			t.Errorf("another %s under the key: %v", name, err)
		}
	}
	other := wallet.Presented{Code: w.code(p), Amount: 100} // the key of another client is another key
	if pay, replayed, err := w.Pay(t.Context(), cards, "key", other); err != nil || replayed || pay.State != wallet.PaymentDone {
		t.Errorf("another shop's key: %+v, %t, %v", pay, replayed, err)
	}
	refused := wallet.Presented{Code: w.code(p), Amount: 99_999}
	no, _, err := w.Pay(t.Context(), bakery, "refused", refused)
	if err != nil || no.State != wallet.PaymentRefused {
		t.Fatal(no, err)
	}
	w.charge(p, 0+1_000)
	if again, replayed, err := w.Pay(t.Context(), bakery, "refused", refused); err != nil || !replayed || again != no {
		t.Errorf("a refusal is not repeated: %+v, %t, %v", again, replayed, err)
	}
	gone1 := wallet.Presented{Code: "0123456789ABCDEF", Amount: 100}
	_, _, err = w.Pay(t.Context(), bakery, "failed", gone1)
	gone(t, err)
	good := wallet.Presented{Code: w.code(p), Amount: 100}
	if pay, _, err := w.Pay(t.Context(), bakery, "failed", good); err != nil || pay.State != wallet.PaymentDone {
		t.Errorf("a failure that committed nothing was kept: %+v, %v", pay, err)
	}
}

// A key that is missing or malformed is told from other mistakes, and burns no code.
func TestIdempotencyKeyIsText(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	w.charge(p, 5_000)
	good := wallet.Presented{Code: w.code(p), Amount: 100}
	for name, bad := range map[string]string{
		"none": "", "too long": strings.Repeat("k", 256), "a line break": "a\nb", "a zero": "a\x00", "no ASCII": "鍵", "no text": "\xff",
	} {
		_, _, err := w.Pay(t.Context(), w.shop("bakery key"), bad, good)
		if fault.Of(err) != fault.Invalid || fault.RuleOf(err) != wallet.RuleIdempotency || !strings.Contains(fault.PublicOf(err).EN, "Idempotency-Key") {
			t.Errorf("key %s: %v", name, err)
		}
	}
	if pay, _, err := w.Pay(t.Context(), w.shop("bakery key"), strings.Repeat("k ~", 85), good); err != nil || pay.State != wallet.PaymentDone {
		t.Errorf("255 characters: %+v, %v", pay, err)
	}
}

// Different requests under one key at once: one is taken, the others are refused by the key and burn no code.
func TestIdempotencyKeyWithManyBodiesAtOnce(t *testing.T) {
	w := newWorld(t)
	const n = 10
	people := make([]person, n)
	asks := make([]wallet.Presented, n)
	for i := range people {
		people[i] = w.person(bankA, 50_000)
		w.charge(people[i], 1_000)
		asks[i] = wallet.Presented{Code: w.code(people[i]), Amount: money.Yen(100 + i)}
	}
	taken := make([]bool, n)
	var wg sync.WaitGroup
	for i, ask := range asks {
		wg.Go(func() {
			_, replayed, err := w.Pay(t.Context(), w.shop("bakery key"), "key", ask)
			taken[i] = err == nil && !replayed
			if err != nil && (fault.Of(err) != fault.Invalid || fault.RuleOf(err) != wallet.RuleIdempotency) {
				t.Errorf("request %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	done := 0
	for i, was := range taken {
		if was {
			done++
			continue
		}
		if pay, _, err := w.Pay(t.Context(), w.shop("bakery key"), fmt.Sprint("new key ", i), asks[i]); err != nil || pay.State != wallet.PaymentDone {
			t.Errorf("the refused request %d burnt its code: %+v, %v", i, pay, err)
		}
	}
	if done != 1 {
		t.Errorf("%d requests under one key were taken", done)
	}
}

// One request sent fifty times at once under one key is one payment, and all are told so.
func TestIdempotencyKeyAtTheSameMoment(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	w.charge(p, 5_000)
	ask := wallet.Presented{Code: w.code(p), Amount: 500}
	ids := make([]wallet.PaymentID, 50)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			pay, _, err := w.Pay(t.Context(), w.shop("bakery key"), "key", ask)
			if err != nil || pay.State != wallet.PaymentDone {
				t.Errorf("%+v, %v", pay, err)
			}
			ids[i] = pay.ID
		})
	}
	wg.Wait()
	for _, other := range ids {
		if other != ids[0] {
			t.Fatal("two payments")
		}
	}
	w.balance(wallet.Available(p.sub), 4_500)
}

// The wallet dies between the burning of the code and the payment: the till asks again and is paid, once.
func TestCrashBetweenCodeAndPayment(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	w.charge(p, 5_000)
	ask := wallet.Presented{Code: w.code(p), Amount: 500}
	broken := w.Wallet.Ledger
	w.Wallet.Ledger = deadLedger{}
	if _, _, err := w.Pay(t.Context(), w.shop("bakery key"), "key", ask); fault.Of(err) != fault.Unavailable {
		t.Fatal(err)
	}
	w.Wallet.Ledger = broken
	w.crash()
	_, _, err := w.Pay(t.Context(), w.shop("bakery key"), "another key", ask)
	gone(t, err)
	w.clock.forward(10 * time.Minute) // it was presented in time
	pay, _, err := w.Pay(t.Context(), w.shop("bakery key"), "key", ask)
	if err != nil || pay.State != wallet.PaymentDone {
		t.Errorf("%+v, %v", pay, err)
	}
	w.balance(wallet.Available(p.sub), 4_500)
}

func TestFrozenPayer(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	w.charge(p, 5_000)
	r, err := w.ledger.Submit(t.Context(), ledger.Request{At: w.clock.Now(), Do: ledger.Freeze{Account: wallet.Available(p.sub), Out: true}})
	if err != nil || !r.OK() {
		t.Fatal(r, err)
	}
	if pay := w.pay(p, "bakery key", "key", 500); pay.State != wallet.PaymentRefused || pay.Reason != "frozen" {
		t.Errorf("%+v", pay)
	}
}

// Many payments of one purse at once never take more than is there.
func TestPaymentsAtOnceNeverOverdraw(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	w.charge(p, 10_000)
	var wg sync.WaitGroup
	for i := range 30 {
		code := w.code(p)
		if i%3 != 0 {
			continue // a newer code burns it
		}
		wg.Go(func() {
			_, _, _ = w.Pay(t.Context(), w.shop("bakery key"), fmt.Sprint(i), wallet.Presented{Code: code, Amount: 3_000})
		})
	}
	wg.Wait()
	left, took := w.account(wallet.Available(p.sub)).Balance, w.account(wallet.ShopAccount("shop_bakery")).Balance
	if left < 0 || left+took != 10_000 || took%3_000 != 0 {
		t.Errorf("left %d, took %d", left, took)
	}
}

// Showing a code voids none that lives; presented, replaced or expired it is shown no more.
func TestShowPayCode(t *testing.T) {
	w := newWorld(t)
	p := w.person(bankA, 50_000)
	w.charge(p, 5_000)
	show := func() string {
		t.Helper()
		code, row, err := w.ShowPayCode(t.Context(), p.sub)
		if err != nil || len(code) != 16 || !row.ExpiresAt.After(w.clock.Now()) {
			t.Fatal(code, row, err)
		}
		return code
	}
	first := show()
	w.clock.forward(wallet.PayCodeLife - time.Second)
	if show() != first {
		t.Error("the living code is not shown")
	}
	w.clock.forward(time.Second)
	second := show()
	third := w.code(p)
	if second == first || third == second || show() != third {
		t.Errorf("%s, %s, %s, then %s", first, second, third, show())
	}
	for _, dead := range []string{first, second} {
		_, _, err := w.Pay(t.Context(), w.shop("bakery key"), "dead "+dead, wallet.Presented{Code: dead, Amount: 100})
		gone(t, err)
	}
	if _, _, err := w.Pay(t.Context(), w.shop("bakery key"), "a", wallet.Presented{Code: third, Amount: 100}); err != nil {
		t.Fatal(err)
	}
	if show() == third {
		t.Error("a presented code is shown again")
	}
}

func TestPaymentIsSeenByPayerAndItsShopOnly(t *testing.T) {
	w := newWorld(t)
	p, q := w.person(bankA, 50_000), w.person(bankA, 50_000)
	w.charge(p, 5_000)
	code, row, err := w.MakePayCode(t.Context(), p.sub)
	if err != nil {
		t.Fatal(err)
	}
	if pr, err := w.PresentationOf(t.Context(), p.sub, row.Payment); err != nil || pr.Decided || pr.Over(w.clock.Now()) {
		t.Errorf("before: %+v, %v", pr, err)
	}
	if _, _, err := w.Pay(t.Context(), w.shop("bakery key"), "key", wallet.Presented{Code: code, Amount: 500}); err != nil {
		t.Fatal(err)
	}
	if pr, err := w.PresentationOf(t.Context(), p.sub, row.Payment); err != nil || !pr.Decided || pr.Payment.Amount != 500 || !pr.Over(w.clock.Now()) {
		t.Errorf("after: %+v, %v", pr, err)
	}
	if _, err := w.PresentationOf(t.Context(), q.sub, row.Payment); fault.Of(err) != fault.NotFound {
		t.Errorf("another holder: %v", err)
	}
	if _, err := w.PaymentOf(t.Context(), w.shop("cards key"), row.Payment); fault.Of(err) != fault.NotFound {
		t.Errorf("another shop: %v", err)
	}
	if pay, err := w.PaymentOf(t.Context(), w.shop("bakery key"), row.Payment); err != nil || pay.Amount != 500 {
		t.Errorf("%+v, %v", pay, err)
	}
	if _, ok := w.ShopWithKey("no key"); ok {
		t.Error("a key nobody has")
	}
}
