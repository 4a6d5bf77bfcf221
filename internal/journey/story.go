package journey

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
)

// The two services and two of the banks that dev always has.
const (
	maru id.Service = "maru"
	sora id.Service = "sora"

	shizuoka id.Bank = "0149"
	suruga   id.Bank = "0150"
)

// The shops of dev, and how far its clock is moved.
const (
	lunch = "shop_lunch"
	gifts = "shop_gift"

	contactAge = 7 * 24 // hours until a new passkey makes links (L14)
	cooling    = 12     // hours after a link is made (L9)
	limited    = 24     // hours after that
)

// story is the people of one journey. Each run has fresh ones, so that one after another works on the same data.
type story struct {
	w     *world
	ahead time.Duration // of everybody's clock, as this journey has moved it

	hana *person // enrols a passkey at her bank
	ichi *person // has codes by SMS, and e-mail; his passkeys are synced
	kiyo *person // has neither phone nor e-mail at her bank
}

// everyone is all three.
func (s *story) everyone() []*person { return []*person{s.hana, s.ichi, s.kiyo} }

// each does the same for all three.
func (s *story) each(do func(*person) error) error {
	for _, p := range s.everyone() {
		if err := do(p); err != nil {
			return fmt.Errorf("%s: %w", p.Key, err)
		}
	}
	return nil
}

// steps is the whole journey. Long: it is read as one list.
func (s *story) steps() []step {
	return []step{
		{"accounts", fault.Text{JA: "3人が銀行に口座を開く", EN: "three people open bank accounts"}, s.open},
		{"sign_up", fault.Text{JA: "決済サービスに登録（メールとSMSのコード、パスキー）", EN: "they sign up: codes by e-mail and SMS, a passkey"}, s.signUp},
		{"level", fault.Text{JA: "本人確認前の連携は断られ（L4）、確認後にレベル2になる", EN: "no link before proof of identity (L4); then level 2"}, s.level},
		{"enrol", fault.Text{JA: "銀行のサイトでパスキーを登録", EN: "one enrols a passkey at her bank's portal"}, s.enrol},
		{"clock_7d", fault.Text{JA: "7日進める（L14）", EN: "seven days pass (L14)"}, s.later(contactAge)},
		{"thief_pin", fault.Text{JA: "口座番号と暗証番号だけでは何も開かない（L16）", EN: "a thief: account number and PIN open nothing (L16)"}, s.thiefWithPIN},
		{"thief_account", fault.Text{JA: "他人の口座にはコードも送られない（L6、L15）", EN: "a thief: somebody else's account; no code is even sent (L6, L15)"}, s.thiefWithAccount},
		{"thief_browser", fault.Text{JA: "別のブラウザーで終えた連携は成立しない（L12）", EN: "a thief: a link finished in another browser dies (L12)"}, s.thiefWithBrowser},
		{"link_passkey", fault.Text{JA: "銀行のパスキーで連携", EN: "a link by the bank's passkey"}, s.linkPasskey},
		{"link_code", fault.Text{JA: "SMSのコードとメールの番号で連携", EN: "a link by a typed code and the number of an e-mail"}, s.linkCode},
		{"link_atm", fault.Text{JA: "ATMで連携し、ATMでお知らせを確認", EN: "a link by an ATM window, acknowledged at the ATM"}, s.linkATM},
		{"charge_cooling", fault.Text{JA: "待機中のチャージは断られる（L9）", EN: "charges while cooling off are refused (L9)"}, s.chargeCooling},
		{"clock_12h", fault.Text{JA: "12時間進める", EN: "twelve hours pass"}, s.later(cooling)},
		{"charge_limited", fault.Text{JA: "8,000円は断られ（L9）、3,000円は準備中の残高になる（M10）", EN: "8,000 is refused (L9), 3,000 lands as maturing money (M10)"}, s.chargeLimited},
		{"pay_maturing", fault.Text{JA: "準備中のお金で弁当を買える。ギフト券は買えない（M10）", EN: "maturing money buys lunch, but no gift card (M10)"}, s.payMaturing},
		{"clock_24h", fault.Text{JA: "24時間進める", EN: "twenty-four hours pass"}, s.later(limited)},
		{"charge_active", fault.Text{JA: "20,000円がすぐ使える残高になる", EN: "20,000 lands as available money"}, s.chargeActive},
		{"limited_code", fault.Text{JA: "コードで連携した口座は少額のまま、ATMの確認で解除（L13）", EN: "the link by code stays limited until an ATM confirms it (L13)"}, s.limitedCode},
		{"passbook", fault.Text{JA: "通帳に半角カナで載る", EN: "the passbook shows it in half-width kana"}, s.passbook},
		{"second_service", fault.Text{JA: "2社目とも連携し、銀行のサイトに両方が並ぶ", EN: "a link to the second service; the portal lists both"}, s.second},
		{"stop_all", fault.Text{JA: "すべて停止。待っていたチャージも断られる（D2）", EN: "stop all: a charge already on its way is refused too (D2)"}, s.stopAll},
		{"audit", fault.Text{JA: "監査: 全社の帳簿が一致し、この旅のチャージもすべて載っている", EN: "audit: every book agrees, and holds each charge of this journey"}, s.audit},
	}
}

func (s *story) open(ctx context.Context) error {
	for _, p := range []struct {
		who    **person
		bank   id.Bank
		phone  bool
		synced bool
	}{{&s.hana, shizuoka, true, false}, {&s.ichi, shizuoka, true, true}, {&s.kiyo, suruga, false, false}} {
		d, err := s.w.newDepositor(ctx, p.bank, p.phone)
		if err != nil {
			return err
		}
		*p.who = newPerson(s.w, d, p.synced)
	}
	return nil
}

func (s *story) signUp(ctx context.Context) error {
	return s.each(func(p *person) error {
		_, err := p.signUp(ctx, maru)
		return err
	})
}

func (s *story) level(ctx context.Context) error {
	return s.each(func(p *person) error {
		at, err := p.review(ctx, maru, p.Bank)
		if err != nil {
			return err
		}
		if err := names(at, "L4"); err != nil {
			return err
		}
		return p.proved(ctx, maru)
	})
}

func (s *story) enrol(ctx context.Context) error { return s.hana.enrol(ctx) }

func (s *story) later(hours int) func(context.Context) error {
	return func(ctx context.Context) error {
		s.ahead += time.Duration(hours) * time.Hour
		return s.w.forward(ctx, hours)
	}
}

// errDisturbed says that a step proves nothing, whether it passed or failed.
var errDisturbed = errors.New("somebody else moved the clock of this dev while the journey ran: another journey, or a person at the clock page. " +
	"Everybody there has one clock: let one journey run at a time, or start a dev of its own for each (--dir, --port-base)")

// undisturbed fails when the clock is not where this journey has moved it.
func (s *story) undisturbed(ctx context.Context) error {
	ahead, err := s.w.ahead(ctx)
	if err == nil && ahead != s.ahead {
		err = fmt.Errorf("%w (it is %s ahead, not %s)", errDisturbed, ahead, s.ahead)
	}
	return err
}

func (s *story) linkPasskey(ctx context.Context) error {
	at, err := s.hana.link(ctx, maru, byPasskey, false)
	if err != nil {
		return err
	}
	_, err = s.hana.web.until(ctx, at.url.String(), "a link that cools off", good)
	return err
}

func (s *story) linkCode(ctx context.Context) error {
	at, err := s.ichi.link(ctx, maru, byCode, true)
	if err == nil && !good(at) {
		err = wants("a link that cools off at once, for the e-mail's number was typed", at)
	}
	return err
}

func (s *story) linkATM(ctx context.Context) error {
	at, err := s.kiyo.link(ctx, maru, byATM, false)
	if err != nil {
		return err
	}
	if good(at) {
		return wants("a link that waits for its depositor's word at the ATM (L8)", at)
	}
	atm, err := s.w.insert(ctx, s.kiyo.depositor)
	if err != nil {
		return err
	}
	if err := atm.acknowledge(ctx); err != nil {
		return err
	}
	_, err = s.kiyo.web.until(ctx, at.url.String(), "a link that cools off", good)
	return err
}

func (s *story) chargeCooling(ctx context.Context) error {
	return s.each(func(p *person) error { return p.refused(ctx, maru, 1000, "L9") })
}

// debited is how a bank tells of a debit of 3,000 yen.
var debited = regexp.MustCompile(`(3,000)円を引き落としました`)

func (s *story) chargeLimited(ctx context.Context) error {
	return s.each(func(p *person) error {
		rule := "L9"
		if p == s.ichi {
			rule = "L13"
		}
		if err := p.refused(ctx, maru, 8000, rule); err != nil {
			return err
		}
		if err := p.charge(ctx, maru, 3000); err != nil {
			return err
		}
		if err := p.holds(ctx, maru, purse{spendable: 3000, maturing: 3000}); err != nil || p.Phone == "" {
			return err
		}
		for _, box := range []*post{&p.sms, &p.mail} {
			if _, err := box.next(ctx, "the bank's notice of the debit (L8)", debited); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *story) payMaturing(ctx context.Context) error {
	return s.each(func(p *person) error {
		paid, at, err := p.pay(ctx, maru, lunch, 600)
		if err != nil {
			return err
		}
		if paid.State != "done" || !good(at) {
			return wants("a lunch that is paid", at)
		}
		paid, at, err = p.pay(ctx, maru, gifts, 500)
		if err != nil {
			return err
		}
		if paid.State != "refused" || paid.Rule != "M10" {
			return fmt.Errorf("expected a gift card to be refused under M10; the shop was told %+v", paid)
		}
		if err := names(at, "M10"); err != nil {
			return err
		}
		return p.holds(ctx, maru, purse{spendable: 2400, maturing: 2400})
	})
}

func (s *story) chargeActive(ctx context.Context) error {
	for _, p := range []*person{s.hana, s.kiyo} {
		if err := p.charge(ctx, maru, 20_000); err != nil {
			return err
		}
		if err := p.holds(ctx, maru, purse{spendable: 22_400, available: 22_400}); err != nil {
			return err
		}
	}
	paid, at, err := s.hana.pay(ctx, maru, gifts, 10_000)
	if err == nil && paid.State != "done" {
		err = wants("a gift card bought with available money", at)
	}
	return err
}

// limitedCode goes on where the other links are active. In a fresh session at the bank the card confirms the link.
func (s *story) limitedCode(ctx context.Context) error {
	p := s.ichi
	if err := p.refused(ctx, maru, 20_000, "L13"); err != nil {
		return err
	}
	at, err := p.portal(ctx, byATM)
	if err != nil {
		return err
	}
	if at, err = p.web.follow(ctx, at, at.link("/portal/links/lnk_")); err != nil {
		return err
	}
	if at, err = p.web.press(ctx, at.form("/confirm")); err != nil {
		return err
	}
	if at, err = byATM(ctx, p, p.web, at); err != nil {
		return err
	}
	if !good(at) {
		return wants("a confirmed link", at)
	}
	_, err = p.web.until(ctx, p.service(maru)+"/charge", "the service to hear that the cap is lifted", func(p *page) bool { return !p.says("5,000") })
	if err != nil {
		return err
	}
	if err := p.charge(ctx, maru, 20_000); err != nil {
		return err
	}
	return p.holds(ctx, maru, purse{spendable: 22_400, available: 22_400})
}

func (s *story) passbook(ctx context.Context) error {
	lines, at, err := s.hana.passbook(ctx, byPasskey)
	if err != nil {
		return err
	}
	if err := errors.Join(printed(lines, 3000, at), printed(lines, 20_000, at)); err != nil {
		return err
	}
	if want := s.hana.Opening - 23_000; lines[0].balance != want {
		return wants("a balance of "+want.Digits(), at)
	}
	return nil
}

// second links the same account to the other service. Each is a company of its own: she signs up anew.
func (s *story) second(ctx context.Context) error {
	p := s.hana
	if _, err := p.signUp(ctx, sora); err != nil {
		return err
	}
	if err := p.proved(ctx, sora); err != nil {
		return err
	}
	if _, err := p.link(ctx, sora, byPasskey, false); err != nil {
		return err
	}
	at, err := p.portal(ctx, byPasskey)
	if err != nil {
		return err
	}
	if at, err = p.web.follow(ctx, at, "/portal/links"); err != nil {
		return err
	}
	if n := len(at.root.all(func(n node) bool { return strings.HasPrefix(n.attr("href"), "/portal/links/lnk_") })); n != 2 {
		return wants(fmt.Sprintf("two links at the portal, not %d", n), at)
	}
	return nil
}

// stopAll presses the button while a charge waits for her finger, and then lets her sign it.
func (s *story) stopAll(ctx context.Context) error {
	p := s.ichi
	at, err := p.shown(ctx, maru, 1000)
	if err != nil {
		return err
	}
	home, err := p.portal(ctx, byATM)
	if err != nil {
		return err
	}
	if home, err = p.web.press(ctx, home.form("/portal/stop")); err != nil {
		return err
	}
	if !good(home) {
		return wants("everything stopped", home)
	}
	if at, err = p.sign(ctx, maru, 1000, at); err != nil {
		return err
	}
	if err := names(at, "D2"); err != nil {
		return err
	}
	if err := p.refused(ctx, maru, 1000, "D2"); err != nil {
		return err
	}
	return p.holds(ctx, maru, purse{spendable: 22_400, available: 22_400})
}

// signed is how many charges a journey signs: three while limited, three after, one that a stop refuses.
const signed = 7

func (s *story) audit(ctx context.Context) error {
	if n := len(s.w.orders); n != signed {
		return fmt.Errorf("expected %d charges that were signed in this journey, not %d", signed, n)
	}
	return s.w.audit(ctx)
}
