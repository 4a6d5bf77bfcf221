package wallet

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/outbox"
	"github.com/kozamori/kozamori/internal/store/pgtest"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

func openStore(t *testing.T, place string) *Store {
	t.Helper()
	key := make([]byte, outbox.KeySize)
	_, _ = rand.Read(key)
	sealer, err := outbox.NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(place, sealer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

var at = time.Date(2026, 11, 23, 1, 2, 3, 4000, time.UTC)

func askedCharge() wallet.Charge {
	return wallet.Charge{Debit: id.Debit(id.Random("deb")), Subject: "sub_1", Link: id.Link(id.Random("lnk")), Issuer: "https://bank",
		BankName: fault.Text{JA: "銀行", EN: "Bank"}, Amount: 500, Account: "available/sub_1", State: wallet.ChargeAsked, AgreedAt: at,
		NextAsk: at.Add(time.Minute), Version: 1}
}

// A charge that changed since it was read is not written over, and nothing beside it is written either.
func TestStaleChargeIsNotWritten(t *testing.T) { pgtest.Both(t, testStaleChargeIsNotWritten) }

func testStaleChargeIsNotWritten(t *testing.T, place func() string) {
	s := openStore(t, place())
	c := askedCharge()
	if err := s.Commit(t.Context(), wallet.PutCharge{Charge: c}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Charge(t.Context(), c.Debit)
	if err != nil || got != c {
		t.Fatalf("read back: %+v, %v", got, err)
	}
	next := c
	next.Version, next.Amount = 2, 700
	for name, row := range map[string]wallet.PutCharge{
		"there already":   {Charge: c},
		"another version": {Charge: next, From: wallet.ChargeAsked, IfVersion: 7},
		"another state":   {Charge: next, From: wallet.ChargeSent, IfVersion: 1},
		"one not there":   {Charge: askedCharge(), From: wallet.ChargeAsked, IfVersion: 1},
		"a second page's": {Charge: wallet.Charge{Debit: "deb_2", Subject: c.Subject, Link: c.Link, Amount: 1, State: wallet.ChargeAsked, Version: 1}},
	} {
		beside := wallet.PutBreak{Break: wallet.Break{ID: id.Random("brk"), Day: name, OpenedAt: at, SeenAt: at}}
		if err := s.Commit(t.Context(), beside, row); fault.Of(err) != fault.Conflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	if breaks, err := s.Breaks(t.Context(), false, 10); err != nil || len(breaks) != 0 {
		t.Errorf("%+v, %v", breaks, err)
	}
	if err := s.Commit(t.Context(), wallet.PutCharge{Charge: next, From: wallet.ChargeAsked, IfVersion: 1}); err != nil {
		t.Error(err)
	}
}

// Once the bank is asked about a charge, who read it before may not change it, and the page makes a new one.
func TestAskingTheBankClosesAPage(t *testing.T) { pgtest.Both(t, testAskingTheBankClosesAPage) }

func testAskingTheBankClosesAPage(t *testing.T, place func() string) {
	s := openStore(t, place())
	c := askedCharge()
	if err := s.Commit(t.Context(), wallet.PutCharge{Charge: c}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.AskedCharge(t.Context(), c.Subject, c.Link); err != nil || got.Debit != c.Debit {
		t.Errorf("%+v, %v", got, err)
	}
	if due, err := s.ChargesToAsk(t.Context(), at, 10); err != nil || len(due) != 0 {
		t.Errorf("too early: %+v, %v", due, err)
	}
	if err := s.Commit(t.Context(), wallet.AskAgain{Debit: c.Debit, Asks: 1, At: at.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	next := c
	next.Version = 2
	if err := s.Commit(t.Context(), wallet.PutCharge{Charge: next, From: wallet.ChargeAsked, IfVersion: 1}); fault.Of(err) != fault.Conflict {
		t.Errorf("changed behind the sweeper's back: %v", err)
	}
	if _, err := s.AskedCharge(t.Context(), c.Subject, c.Link); fault.Of(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
	again := askedCharge()
	again.Link = c.Link
	if err := s.Commit(t.Context(), wallet.PutCharge{Charge: again}); err != nil {
		t.Errorf("a new page: %v", err)
	}
	if due, err := s.ChargesToAsk(t.Context(), at.Add(2*time.Hour), 10); err != nil || len(due) != 2 || due[0].Debit != again.Debit {
		t.Errorf("due: %+v, %v", due, err)
	}
}

// A code has one first presentation, and a newer code of the holder ends it.
func TestPayCodeBurnsOnce(t *testing.T) { pgtest.Both(t, testPayCodeBurnsOnce) }

func testPayCodeBurnsOnce(t *testing.T, place func() string) {
	s := openStore(t, place())
	code := func(hash string) wallet.PayCode {
		return wallet.PayCode{Hash: hash, Payment: wallet.PaymentID("pay_" + hash), Subject: "sub_1", MadeAt: at, ExpiresAt: at.Add(time.Minute)}
	}
	for _, hash := range []string{"a", "b"} {
		if err := s.Commit(t.Context(), wallet.PutPayCode{Code: code(hash)}); err != nil {
			t.Fatal(err)
		}
	}
	burn := func(hash, by string) wallet.PayCode {
		c, err := s.BurnPayCode(t.Context(), hash, by, at.Add(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := burn("a", "till"); c.BurntBy != "" {
		t.Errorf("a replaced code was presented: %+v", c)
	}
	if c := burn("b", "first"); c.BurntBy != "first" || !c.BurntAt.Equal(at.Add(time.Second)) {
		t.Errorf("%+v", c)
	}
	if c := burn("b", "second"); c.BurntBy != "first" {
		t.Errorf("%+v", c)
	}
	if _, err := s.BurnPayCode(t.Context(), "c", "till", at); fault.Of(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
	paid := wallet.PutPayment{Payment: wallet.Payment{ID: "pay_b", Shop: "shop", Subject: "sub_1", State: wallet.PaymentDone, At: at}}
	if err := s.Commit(t.Context(), paid); err != nil {
		t.Fatal(err)
	}
	for _, before := range []time.Time{at.Add(time.Minute), at.Add(time.Hour)} {
		if _, err := s.ForgetPayCodes(t.Context(), before, 10); err != nil {
			t.Fatal(err)
		}
		if _, err := s.PayCode(t.Context(), "pay_a"); (err == nil) != before.Equal(at.Add(time.Minute)) {
			t.Errorf("forgetting before %s: %v", before, err)
		}
		if _, err := s.PayCode(t.Context(), "pay_b"); err != nil {
			t.Errorf("the code of a payment was forgotten: %v", err)
		}
	}
	plan := pgtest.Plan(t, s.db, `SELECT hash FROM pay_codes WHERE burnt_by = '' AND expires_us < 1 ORDER BY expires_us LIMIT 2`)
	if strings.Contains(plan, "SCAN") || !strings.Contains(plan, "pay_codes_unpresented") {
		t.Errorf("forgetting reads more than it deletes: %q", plan)
	}
	idem := wallet.IdemKey{Client: "shop", Endpoint: "payments", Key: "k", BodyHash: "h"}
	if err := s.Commit(t.Context(), wallet.PutIdem{Key: idem, Payment: "pay_b", At: at}); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), wallet.PutIdem{Key: idem, Payment: "pay_c", At: at}); fault.Of(err) != fault.Conflict {
		t.Errorf("a key twice: %v", err)
	}
}

// A provisional exchange never takes the place of a final one; a page stands behind the one it follows, and what
// followed that before goes.
func TestFinalStatementStays(t *testing.T) { pgtest.Both(t, testFinalStatementStays) }

func testFinalStatementStays(t *testing.T, place func() string) {
	s := openStore(t, place())
	put := func(n int, after, upto id.Debit, provisional bool, ours string) error {
		t.Helper()
		return s.Commit(t.Context(), wallet.PutStatement{Page: wallet.StatementPage{Issuer: "https://bank", Day: "2026-11-23", N: n, After: after, Upto: upto,
			Provisional: provisional, Ours: ours, Theirs: "t", At: at, OurTotal: wire.StatementTotal{Lines: n, Debits: 7, Reversals: 3}}})
	}
	for _, step := range []struct {
		n           int
		after, upto id.Debit
		provisional bool
		ours, want  string
		refused     bool
	}{
		{1, "", "", true, "1", "1", false},
		{1, "", "deb_5", true, "2", "2", false},
		{2, "deb_5", "", false, "x", "2", true}, // a final page behind a provisional one
		{1, "", "deb_5", false, "3", "3", false},
		{1, "", "", true, "x", "3", false},
		{2, "deb_4", "", false, "x", "3", true},
		{3, "deb_5", "", false, "x", "3", true},
		{2, "", "", false, "x", "3", true},
		{1, "deb_5", "", false, "x", "3", true},
		{2, "deb_5", "deb_7", false, "4", "4", false},
		{2, "deb_5", "deb_6", false, "5", "5", false}, // again, after a lost answer
		{3, "deb_6", "", false, "6", "6", false},
	} {
		err := put(step.n, step.after, step.upto, step.provisional, step.ours)
		if (fault.Of(err) == fault.Conflict) != step.refused || err != nil && !step.refused {
			t.Errorf("%+v: %v", step, err)
		}
		if got, err := s.StatementPage(t.Context(), "https://bank", "2026-11-23", 0); err != nil || got.Ours != step.want {
			t.Errorf("after %+v: %+v, %v", step, got, err)
		}
	}
	if days, err := s.FinalDays(t.Context(), "https://bank"); err != nil || len(days) != 1 || days[0].Day != "2026-11-23" || days[0].Announced || days[0].Ours != (wire.StatementTotal{Lines: 3, Debits: 7, Reversals: 3}) {
		t.Errorf("%v, %v", days, err)
	}
	// What the bank has settled stays as it was agreed on.
	settled := wallet.Settlement{Issuer: "https://bank", Day: "2026-11-23", Text: "s", AnnouncedAt: at}
	if err := s.Commit(t.Context(), wallet.PutSettlement{Settlement: settled}); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), wallet.PutSettlement{Settlement: settled}); fault.Of(err) != fault.Conflict {
		t.Errorf("settled twice: %v", err)
	}
	if err := put(1, "", "", false, "x"); err != nil {
		t.Error(err)
	}
	if got, err := s.StatementPage(t.Context(), "https://bank", "2026-11-23", 0); err != nil || got.Ours != "6" {
		t.Errorf("%+v, %v", got, err)
	}
	if days, err := s.FinalDays(t.Context(), "https://bank"); err != nil || len(days) != 1 || !days[0].Announced {
		t.Errorf("%v, %v", days, err)
	}
}

// Rows that nobody knows are refused with all that came with them.
func TestUnknownRowRefusesTheCommit(t *testing.T) { pgtest.Both(t, testUnknownRowRefusesTheCommit) }

func testUnknownRowRefusesTheCommit(t *testing.T, place func() string) {
	s := openStore(t, place())
	l := ledger.New(s.Books(), ledger.Options{})
	defer l.Close()
	c := askedCharge()
	_, err := l.Submit(context.Background(), ledger.Request{At: at, Do: ledger.Note{}, Then: func(ledger.Result) []ledger.Write {
		return []ledger.Write{wallet.PutCharge{Charge: c}, struct{ Unknown bool }{}}
	}})
	if err == nil {
		t.Error("an unknown row was taken")
	}
	if _, err := s.Charge(t.Context(), c.Debit); fault.Of(err) != fault.NotFound {
		t.Errorf("half of a commit is there: %v", err)
	}
}
