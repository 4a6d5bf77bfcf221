package journey

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
)

// shown fills in the charge form: the page shows what the device is to sign, or why there is nothing to sign.
func (p *person) shown(ctx context.Context, s id.Service, amount money.Yen) (*page, error) {
	at, err := p.web.open(ctx, p.service(s)+"/charge")
	if err != nil {
		return nil, err
	}
	if at.find(func(n node) bool { return n.Data == "form" && n.attr("action") == "/charge" }) == nil {
		return at, nil
	}
	return p.web.press(ctx, at.form("/charge").fill("amount", amount.Digits()))
}

// order is a charge that was signed and has ended: what the audit must have seen of it.
//
// One that a rule refused may have been refused by the bank, or by the service, which had heard of a stop already: then
// it is buried, or will be. Either way it moved nothing.
type order struct {
	debit   string
	Service id.Service `json:"service"`
	Bank    id.Bank    `json:"bank"`
	Amount  money.Yen  `json:"amount"`
	State   string     `json:"at_service"`
	Outcome string     `json:"at_bank"`
}

// fits says whether what an audit has seen is what the person saw.
func (o order) fits(seen order) bool {
	refused := o.State == "refused" && seen.Outcome != "booked" && slices.Contains([]string{"refused", "never", "asked"}, seen.State)
	if refused {
		seen.State, seen.Outcome = o.State, o.Outcome
	}
	return seen == o
}

// sign lets the device sign what the page shows, and waits for the end.
func (p *person) sign(ctx context.Context, s id.Service, amount money.Yen, at *page) (*page, error) {
	o := order{debit: strings.TrimPrefix(at.url.Path, "/charge/"), Service: s, Bank: p.Bank, Amount: amount, State: "refused", Outcome: "refused"}
	at, err := p.web.press(ctx, at.form("/agree"))
	if err != nil {
		return nil, err
	}
	if at, err = p.web.settled(ctx, at); err != nil {
		return nil, err
	}
	if good(at) {
		o.State, o.Outcome = "done", "booked"
	}
	p.w.orders = append(p.w.orders, o)
	return at, nil
}

// charge charges an amount to its end.
func (p *person) charge(ctx context.Context, s id.Service, amount money.Yen) error {
	at, err := p.shown(ctx, s, amount)
	if err != nil {
		return err
	}
	if at, err = p.sign(ctx, s, amount, at); err != nil {
		return err
	}
	if !good(at) {
		return wants(fmt.Sprintf("a charge of %s yen that is done", amount.Digits()), at)
	}
	return nil
}

// refused tries to charge an amount, and fails unless that is refused in the name of a rule.
func (p *person) refused(ctx context.Context, s id.Service, amount money.Yen, rule string) error {
	at, err := p.shown(ctx, s, amount)
	if err != nil {
		return err
	}
	if len(at.root.all(func(n node) bool { return n.has("data-ceremony") })) > 0 {
		if at, err = p.sign(ctx, s, amount, at); err != nil {
			return err
		}
	}
	return names(at, rule)
}

// names fails unless the page refuses, naming the rule.
func names(at *page, rule string) error {
	if good(at) || !at.says(rule) {
		return wants("a refusal that names "+rule, at)
	}
	return nil
}

// purse is the e-money of a holder as her home page shows it.
type purse struct{ spendable, available, maturing money.Yen }

func (p *person) purse(ctx context.Context, s id.Service) (purse, error) {
	at, err := p.web.open(ctx, p.service(s)+"/")
	if err != nil {
		return purse{}, err
	}
	figure := at.find(func(n node) bool { return n.hasClass("figure") })
	if figure == nil {
		return purse{}, wants("her balance", at)
	}
	out := purse{spendable: yen(figure.words())}
	out.available = out.spendable
	for i, fact := range at.root.all(func(n node) bool {
		return n.Data == "dd" && n.Parent.Parent != nil && node{n.Parent.Parent}.hasClass("card")
	}) {
		if i == 0 {
			out.available = yen(fact.words())
		} else {
			out.maturing += yen(fact.words())
		}
	}
	return out, nil
}

// holds fails unless the purse holds this.
func (p *person) holds(ctx context.Context, s id.Service, want purse) error {
	got, err := p.purse(ctx, s)
	if err == nil && got != want {
		err = fmt.Errorf("expected %+v in the purse, it shows %+v", want, got)
	}
	return err
}

// payment is a shop's answer to a code.
type payment struct {
	ID    string `json:"id"`
	State string `json:"state"`
	Rule  string `json:"rule"`
}

// pay shows a one-time code, which a shop scans: the shop's answer, and what the payer's page says at the end.
func (p *person) pay(ctx context.Context, s id.Service, shop string, amount money.Yen) (payment, *page, error) {
	at, err := p.web.open(ctx, p.service(s)+"/")
	if err != nil {
		return payment{}, nil, err
	}
	if at, err = p.web.press(ctx, at.form("/pay")); err != nil {
		return payment{}, nil, err
	}
	code := at.find(func(n node) bool { return n.has("data-code") })
	if code == nil {
		return payment{}, nil, wants("a code to pay with", at)
	}
	key := rand.Text()
	sale := map[string]any{"code": strings.ReplaceAll(code.words(), " ", ""), "amount": amount, "terminal": "till 1", "order": key[:8]}
	p.w.saw("payment code", sale["code"].(string))
	paid, err := p.w.scan(ctx, p.service(s), shop, key, sale)
	if err != nil {
		return paid, nil, err
	}
	again, err := p.w.scan(ctx, p.service(s), shop, key, sale)
	if err != nil || again != paid {
		return paid, nil, errors.Join(err, fmt.Errorf("expected the same answer to a doubled call of the shop; got %+v after %+v", again, paid))
	}
	at, err = p.web.settled(ctx, at)
	return paid, at, err
}

// scan is a shop's call with a code; a payment that is refused is an answer too.
func (w *world) scan(ctx context.Context, service, shop, key string, sale map[string]any) (payment, error) {
	header := http.Header{"Authorization": {"Bearer " + w.Shops[shop]}, "Idempotency-Key": {key}}
	var out payment
	err := w.api(ctx, http.MethodPost, service+"/v1/payments", header, sale, &out)
	var no *refusal
	if errors.As(err, &no) && no.status == http.StatusPaymentRequired {
		err = nil
	}
	return out, err
}
