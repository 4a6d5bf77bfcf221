package wallet

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/ledger"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wire"
)

var allOutcomes = []wire.Outcome{wire.Booked, wire.Refused, wire.Never, wire.Pending}

// Whatever a receipt says in whatever state, the move it leads to is one of the table of states.
func TestReceiptFateFollowsTheTableOfStates(t *testing.T) {
	leads := map[fate]map[wire.Outcome]ChargeState{
		fatePost:  {wire.Booked: ChargeDone},
		fateVoid:  {wire.Refused: ChargeRefused, wire.Never: ChargeNever},
		fateClose: {wire.Never: ChargeNever},
		fateWait:  {wire.Pending: ChargePending},
	}
	for state := range chargeNext {
		for _, outcome := range allOutcomes {
			f := decideReceipt(state, outcome)
			if f == fateNothing || f == fateConflict {
				continue
			}
			next, ok := leads[f][outcome]
			if !ok || !state.May(next) {
				t.Errorf("%s, told %s: fate %d leads to %q, which the table does not allow", state, outcome, f, next)
			}
		}
	}
}

func TestReceiptFate(t *testing.T) {
	want := map[ChargeState][4]fate{ // booked, refused, never, pending
		ChargeAsked:     {fateConflict, fateConflict, fateClose, fateConflict},
		ChargeSent:      {fatePost, fateVoid, fateVoid, fateWait},
		ChargePending:   {fatePost, fateVoid, fateConflict, fateWait},
		ChargeDone:      {fateNothing, fateConflict, fateConflict, fateNothing},
		ChargeRefused:   {fateConflict, fateNothing, fateConflict, fateNothing},
		ChargeNever:     {fateConflict, fateConflict, fateNothing, fateNothing},
		ChargeReversing: {fateNothing, fateConflict, fateConflict, fateNothing},
		ChargeReversed:  {fateNothing, fateConflict, fateConflict, fateNothing},
	}
	for state, fates := range want {
		for i, outcome := range allOutcomes {
			if got := decideReceipt(state, outcome); got != fates[i] {
				t.Errorf("%s, told %s: fate %d, want %d", state, outcome, got, fates[i])
			}
		}
	}
	if len(want) != len(chargeNext) {
		t.Errorf("%d states are tested, there are %d", len(want), len(chargeNext))
	}
}

func TestChargeCannotLeaveItsTable(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a refused charge was posted")
		}
	}()
	Charge{State: ChargeRefused}.to(ChargeDone, func(*Charge) {})
}

// A receipt counts for one charge only: whatever it names besides is wrong.
func TestReceiptMustNameThisVeryCharge(t *testing.T) {
	c := Charge{Debit: "deb_1", Link: "lnk_1", Amount: 5000, Account: "available/sub_1", OrderHash: wire.Hash("order")}
	good := wire.DebitReceipt{Debit: "deb_1", Link: "lnk_1", Amount: 5000, WalletAccount: "available/sub_1",
		OrderHash: wire.Hash("order"), Outcome: wire.Booked, BookedUs: 1}
	if err := matches(c, &good); err != nil {
		t.Fatalf("the right receipt: %v", err)
	}
	for name, spoil := range map[string]func(*wire.DebitReceipt){
		"debit":   func(r *wire.DebitReceipt) { r.Debit = "deb_2" },
		"link":    func(r *wire.DebitReceipt) { r.Link = "lnk_2" },
		"more":    func(r *wire.DebitReceipt) { r.Amount++ },
		"less":    func(r *wire.DebitReceipt) { r.Amount-- },
		"account": func(r *wire.DebitReceipt) { r.WalletAccount = "available/sub_2" },
		"order":   func(r *wire.DebitReceipt) { r.OrderHash = wire.Hash("another") },
		"time":    func(r *wire.DebitReceipt) { r.BookedUs = 0 },
	} {
		bad := good
		spoil(&bad)
		if matches(c, &bad) == nil {
			t.Errorf("a receipt with another %s was taken", name)
		}
	}
}

func TestTakeFromTakesInOrderAndNoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sources []source
		var have money.Yen
		for i, free := range rapid.SliceOfN(rapid.Int64Range(0, 1000), 0, 6).Draw(t, "free") {
			sources = append(sources, source{ledger.AccountID(rune('a' + i)), money.Yen(free)})
			have += money.Yen(free)
		}
		amount := money.Yen(rapid.Int64Range(1, 5000).Draw(t, "amount"))
		legs, short := takeFrom(sources, "to", amount)
		var took money.Yen
		for i, leg := range legs {
			took += leg.Amount
			if leg.Amount <= 0 || leg.Credit != "to" {
				t.Fatalf("leg %d: %+v", i, leg)
			}
			for _, s := range sources {
				if s.account == leg.Debit && leg.Amount > s.free {
					t.Fatalf("took %d of %d", leg.Amount, s.free)
				}
				if s.account < leg.Debit && s.free > 0 && i == 0 {
					t.Fatalf("%s was passed over", s.account)
				}
			}
		}
		if took+short != amount || short != max(0, amount-have) {
			t.Fatalf("took %d, short %d of %d with %d there", took, short, amount, have)
		}
	})
}

func TestMoneyPolicyBounds(t *testing.T) {
	if err := DefaultMoney().Check(); err != nil {
		t.Fatal(err)
	}
	if got := (MoneyPolicy{Each: 1}).Or(DefaultMoney()); got.Each != 1 || got.Day != DefaultMoney().Day {
		t.Errorf("Or: %+v", got)
	}
	for name, p := range map[string]func(*MoneyPolicy){
		"each":    func(p *MoneyPolicy) { p.Each = MaxCharge + 1 },
		"day":     func(p *MoneyPolicy) { p.Day = MaxCharge + 1 },
		"month":   func(p *MoneyPolicy) { p.Month = MaxCharge + 1 },
		"holder":  func(p *MoneyPolicy) { p.HolderCap = MaxHolderCap + 1 },
		"bank":    func(p *MoneyPolicy) { p.BankCap = MaxBankCap + 1 },
		"nothing": func(p *MoneyPolicy) { p.Each = 0 },
		"below":   func(p *MoneyPolicy) { p.BankCap = -1 },
	} {
		policy := DefaultMoney()
		p(&policy)
		if policy.Check() == nil {
			t.Errorf("%s: %+v passes", name, policy)
		}
	}
}

func TestReceivableIsTheBanksHost(t *testing.T) {
	for issuer, want := range map[id.Issuer]ledger.AccountID{
		"https://0149.bank.example.jp":      "receivable/0149.bank.example.jp",
		"http://0149.bank.localhost:8404":   "receivable/0149.bank.localhost:8404",
		"https://bank.example.jp/0149/path": "receivable/bank.example.jp",
	} {
		if got := Receivable(issuer); got != want {
			t.Errorf("%s: %s", issuer, got)
		}
	}
}

func TestCompareStatements(t *testing.T) {
	line := func(debit id.Debit, kind string, amount money.Yen) wire.StatementLine {
		return wire.StatementLine{Kind: kind, Debit: debit, Link: "lnk_1", Amount: amount, BookedUs: 7, Receipt: wire.Hash("r")}
	}
	same := []wire.StatementLine{line("deb_1", "debit", 100), line("deb_1", "reversal", 100), line("deb_2", "debit", 200)}
	if got := CompareStatements(&wire.Statement{Lines: same}, &wire.Statement{Lines: same}); len(got) != 0 {
		t.Errorf("equal statements differ: %v", got)
	}
	ours := &wire.Statement{Day: "2026-11-22", Open: []id.Debit{"deb_5"}, Lines: []wire.StatementLine{
		line("deb_1", "debit", 100), line("deb_2", "debit", 200), line("deb_3", "debit", 300)}}
	theirs := &wire.Statement{Day: "2026-11-22", Header: wire.Header{Issuer: "https://bank"}, Lines: []wire.StatementLine{
		line("deb_1", "debit", 100), line("deb_1", "reversal", 100), line("deb_2", "debit", 201), line("deb_4", "debit", 400), line("deb_5", "debit", 500)}}
	type found struct {
		Debit id.Debit
		Line  string
		Kind  BreakKind
	}
	var got []found
	for _, b := range CompareStatements(ours, theirs) {
		if b.Issuer != "https://bank" || b.Day != "2026-11-22" {
			t.Errorf("break without its place: %+v", b)
		}
		got = append(got, found{b.Debit, b.Line, b.Kind})
	}
	want := []found{
		{"deb_1", "reversal", BreakOnlyTheirs}, {"deb_2", "debit", BreakDiffers},
		{"deb_4", "debit", BreakOnlyTheirs}, {"deb_3", "debit", BreakOnlyOurs},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestAskAfterDoublesAndStops(t *testing.T) {
	last := time.Duration(0)
	for n := range 100 {
		d := askAfter(n)
		if d < last || d > askAtLongest || d < askFirst {
			t.Fatalf("after %d: %s", n, d)
		}
		last = d
	}
	if last != askAtLongest {
		t.Errorf("ends at %s", last)
	}
}

func TestPayCodeIsReadAsPeopleTypeIt(t *testing.T) {
	code := "0123456789ABCDEF"
	for _, typed := range []string{code, strings.ToLower(code), "0123-4567-89AB-CDEF", "0123\u00a04567 89AB\u00a0CDEF", " 0123 4567 89ab cdef ", "oi23 4567 89AB CDEF", "Ol23456789ABCDEF"} {
		if got, ok := readPayCode(typed); !ok || got != code {
			t.Errorf("%q is read as %q, %t", typed, got, ok)
		}
	}
	for _, typed := range []string{"", "0123456789ABCDE", code + "0", "0123456789ABCDEU", "あいう"} {
		if _, ok := readPayCode(typed); ok {
			t.Errorf("%q passes", typed)
		}
	}
}

func FuzzReadPayCode(f *testing.F) {
	f.Add("0123-4567-89ab-cdef")
	f.Add("oOiIlL")
	f.Fuzz(func(t *testing.T, s string) {
		code, ok := readPayCode(s)
		if !ok {
			return
		}
		if again, ok := readPayCode(code); !ok || again != code || len(code) != 16 {
			t.Errorf("%q → %q → %q", s, code, again)
		}
	})
}

func FuzzParseCursor(f *testing.F) {
	f.Add(Cursor{At: time.UnixMicro(1), ID: id.Random("deb")}.String())
	f.Add("")
	f.Add("zz.pay_")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCursor(s)
		if err != nil {
			return
		}
		again, err := ParseCursor(c.String())
		if err != nil || again != c {
			t.Errorf("%q → %+v → %+v, %v", s, c, again, err)
		}
	})
}

func TestDaysTo(t *testing.T) {
	if d := cmp.Diff([]string{"2026-11-29", "2026-11-30", "2026-12-01"}, daysTo("2026-11-29", "2026-12-01")); d != "" {
		t.Error(d)
	}
	if got := daysTo("2026-12-02", "2026-12-01"); got != nil {
		t.Errorf("%v", got)
	}
}

// A bank that goes on for ever is not followed.
func TestDayIsBoundedAtTheService(t *testing.T) {
	at := StatementPage{N: wire.MaxStatementPages, Upto: "deb_1"}
	if _, err := new(Wallet).exchangeFrom(t.Context(), statementDay{day: "2026-11-23"}, at); fault.Of(err) != fault.Invalid {
		t.Errorf("%v", err)
	}
}
