package walletd

import (
	"testing"

	"github.com/kozamori/kozamori/internal/config"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/web"
	"github.com/kozamori/kozamori/internal/wire"
)

// moneyPages are the pages of the money half, with something in every part.
func moneyPages() []web.Page {
	bank := fault.Text{JA: "静岡銀行", EN: "Shizuoka Bank"}
	charge := wallet.Charge{Debit: "deb_1", Amount: 5_000, BankName: bank, State: wallet.ChargeSent, AgreedAt: testNow, Rule: "M1", Until: testNow, BookedAt: testNow}
	paid := wallet.Payment{ID: "pay_1", Amount: 500, State: wallet.PaymentDone, FromMaturing: 100, Order: "42", At: testNow}
	form := web.NewForm(web.Field{Name: "amount", Kind: web.AmountField, Label: bank})
	return []web.Page{
		chargePage{Form: form, Shut: []shutLink{{bank, bank, "L9", testNow}}},
		confirmPage{Charge: charge, Matures: true, MaturesAt: testNow},
		chargeStatePage{Charge: charge},
		payPage{Shown: true, Groups: "0123 4567", Payment: "pay_1", Spendable: 500, Available: 400},
		paymentPage{Presentation: wallet.Presentation{Payment: paid, Decided: true}, Shop: bank},
		historyPage{Lines: []historyLine{{Entry: wallet.Entry{Kind: wallet.EntryCharge, Amount: 1}, Words: bank, Party: bank, Tone: "good"}}, Next: "x"},
		tillSignInPage{tillSignInForm()},
		tillPage{Shop: wallet.Shop{Name: bank}, Form: tillForm(), Last: &tillResult{true, 500, bank, "M10"}},
		booksPage{Breaks: breakRows([]wallet.Break{{Kind: wallet.BreakDiffers}}, nil), Closed: breakRows([]wallet.Break{{Kind: wallet.BreakDiffers}}, nil), Open: []openCharge{{charge, bank, "warn"}}, Exchange: form, Reverse: form, Said: bank, Arrival: form,
			Owing: []owingRow{{Owing: wallet.Owing{Owed: 1}, Bank: bank, Tight: true, NotAgreed: []notAgreedRow{{Day: "2026-11-23"}},
				Settlements: []settlementRow{settlementRowOf(wallet.Settlement{AnnouncedAt: testNow}), settlementRowOf(wallet.Settlement{AnnouncedAt: testNow, ArrivedAt: testNow, RecordedBy: "x"})}}}},
	}
}

// Every state of a charge is said in both languages, and its page asks again only while the bank's word is to come.
func TestEveryChargeStateHasWords(t *testing.T) {
	for state := range wallet.ChargeStates() {
		c := wallet.Charge{State: state}
		words, _ := chargeWords(state)
		for _, text := range []fault.Text{words, c.EndText()} {
			if text.JA == "" || text.EN == "" {
				t.Errorf("%s is not said in both languages", state)
			}
		}
		if page := (chargeStatePage{Charge: c}); page.Open() != state.Open() || page.Open() && (page.Done() || page.Refused()) {
			t.Errorf("%s: open %t, done %t, refused %t", state, page.Open(), page.Done(), page.Refused())
		}
	}
	for _, reason := range []string{"cooling", "limited", "stopped", "suspended", "revoked", "expired", "waiting", "limit_each", "limit_day", "limit_month",
		"link_limit_each", "link_limit_day", "link_limit_month", "funds", "device", "stale", "order", "a word of tomorrow"} {
		text := wallet.Charge{State: wallet.ChargeRefused, Reason: reason}.EndText()
		if text.JA == "" || text.EN == "" {
			t.Errorf("%s is not said in both languages", reason)
		}
	}
	for _, reason := range []string{"funds", "frozen", "amount", "cash_like"} {
		if text := (wallet.Payment{State: wallet.PaymentRefused, Reason: reason}).Text(); text.JA == "" || text.EN == "" {
			t.Errorf("%s is not said in both languages", reason)
		}
	}
}

func TestShopConfiguration(t *testing.T) {
	good := ShopConfig{ID: "shop_1", Name: "店", NameEN: "Shop", KeyHash: wire.Hash("key")}
	check := func(m MoneyConfig, shops ...ShopConfig) error {
		m.BreakOwner = "books"
		p := config.Problems{}
		(&Config{Money: m, Shops: shops}).checkMoney(&p)
		return p.Err()
	}
	if err := check(MoneyConfig{}, good); err != nil {
		t.Error(err)
	}
	other := good
	other.ID = "shop_2"
	for name, err := range map[string]error{
		"the same key twice": check(MoneyConfig{}, good, other),
		"the same id twice":  check(MoneyConfig{}, good, ShopConfig{ID: "shop_1", Name: "店", NameEN: "Shop", KeyHash: wire.Hash("other")}),
		"the key itself":     check(MoneyConfig{}, ShopConfig{ID: "shop_1", Name: "店", NameEN: "Shop", KeyHash: "key"}),
		"too much":           check(MoneyConfig{ChargeDay: wallet.MaxCharge + 1}),
	} {
		if err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func TestGroups(t *testing.T) {
	if got := groups("0123456789ABCDEF"); got != "0123\u00a04567 89AB\u00a0CDEF" {
		t.Errorf("%q", got)
	}
}
