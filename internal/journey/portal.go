package journey

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kozamori/kozamori/internal/money"
)

// portal signs in at her bank's portal, by possession first and then the PIN.
func (p *person) portal(ctx context.Context, how prove) (*page, error) {
	at, err := p.web.open(ctx, p.w.Banks[p.Bank]+"/portal")
	if err != nil || at.url.Path == "/portal" {
		return at, err
	}
	if at, err = enter(ctx, p.web, at, "/signin", p.depositor); err != nil {
		return nil, err
	}
	if err := at.at("/prove/", "the ways to prove possession"); err != nil {
		return nil, err
	}
	if at, err = how(ctx, p, p.web, at); err != nil {
		return nil, err
	}
	if at, err = p.web.press(ctx, at.form("/pin").fill("pin", p.PIN)); err != nil {
		return nil, err
	}
	return at, at.at("/portal", "the bank's portal")
}

// enrol registers a passkey at the bank. It asks for possession once more.
func (p *person) enrol(ctx context.Context) error {
	at, err := p.portal(ctx, byCode)
	if err != nil {
		return err
	}
	if at, err = p.web.press(ctx, at.form("/portal/passkey")); err != nil {
		return err
	}
	if at, err = byCode(ctx, p, p.web, at); err != nil {
		return err
	}
	if at, err = p.web.press(ctx, at.form("/enrol")); err != nil {
		return err
	}
	if !good(at) {
		return wants("a registered passkey", at)
	}
	return nil
}

// line is a line of the passbook.
type line struct {
	narration string
	out       money.Yen
	balance   money.Yen
}

// passbook reads the newest lines of the passbook.
func (p *person) passbook(ctx context.Context, how prove) ([]line, *page, error) {
	at, err := p.portal(ctx, how)
	if err != nil {
		return nil, nil, err
	}
	if at, err = p.web.follow(ctx, at, "/portal/passbook"); err != nil {
		return nil, nil, err
	}
	table := at.find(func(n node) bool { return n.hasClass("passbook") })
	if table == nil {
		return nil, nil, wants("a passbook", at)
	}
	var lines []line
	for _, row := range table.all(func(n node) bool { return n.Data == "tr" }) {
		cells := row.all(func(n node) bool { return n.Data == "td" })
		if len(cells) == 5 {
			lines = append(lines, line{cells[1].words(), yen(cells[2].words()), yen(cells[4].words())})
		}
	}
	return lines, at, nil
}

// printed finds the debit of an amount in the passbook, in half-width kana as printers write it.
func printed(lines []line, amount money.Yen, at *page) error {
	i := slices.IndexFunc(lines, func(l line) bool { return l.out == amount })
	if i < 0 {
		return wants(fmt.Sprintf("a line of %s yen in the passbook", amount.Digits()), at)
	}
	if what := lines[i].narration; what == "" || strings.ContainsFunc(what, wide) {
		return wants(fmt.Sprintf("half-width kana in the passbook, not %q", what), at)
	}
	return nil
}

// wide says that a rune is neither half-width kana nor printable ASCII.
func wide(r rune) bool { return (r < '｡' || r > 'ﾟ') && (r < ' ' || r > '~') }

// yen reads the first amount of a text: "¥3,000", "3,000円", "" is 0.
func yen(text string) money.Yen {
	start := strings.IndexAny(text, "0123456789")
	if start < 0 {
		return 0
	}
	text = text[start:]
	if end := strings.IndexFunc(text, func(r rune) bool { return r != ',' && (r < '0' || r > '9') }); end >= 0 {
		text = text[:end]
	}
	amount, err := money.Parse(strings.Trim(text, ","))
	if err != nil {
		return -1
	}
	return amount
}
