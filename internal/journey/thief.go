package journey

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// post sends a form that a page does not have: what an honest browser never does.
func (b *browser) post(ctx context.Context, from *page, action string, values url.Values) (*page, error) {
	to, err := from.url.Parse(action)
	if err != nil {
		return nil, err
	}
	return b.visit(ctx, visit{method: http.MethodPost, to: to, form: values, from: from})
}

// thiefWithPIN knows a stranger's account and PIN, as in 2020, and tries the bank's portal with them.
func (s *story) thiefWithPIN(ctx context.Context) error {
	victim, b := s.hana, s.w.browser(false)
	at, err := b.open(ctx, s.w.Banks[victim.Bank]+"/")
	if err != nil {
		return err
	}
	if at, err = enter(ctx, b, at, "/signin", victim.depositor); err != nil {
		return err
	}
	if err := at.at("/prove/", "the ways to prove possession"); err != nil {
		return err
	}
	if _, err = b.post(ctx, at, at.url.Path+"/pin", url.Values{"pin": {victim.PIN}}); err != nil {
		return err
	}
	inside, err := b.open(ctx, s.w.Banks[victim.Bank]+"/portal")
	if err != nil {
		return err
	}
	if inside.url.Path == "/portal" || inside.says(victim.Number) {
		return wants("a portal that is shut to whoever knows a PIN (L16)", inside)
	}
	return nil
}

// thiefWithAccount has a proved wallet of her own and names somebody else's account. The bank asks her for a
// code like anybody, and sends none; the PIN is never asked for.
func (s *story) thiefWithAccount(ctx context.Context) error {
	thief, victim := s.kiyo, s.ichi
	if err := victim.sms.skip(ctx); err != nil {
		return err
	}
	at, err := thief.ask(ctx, maru, victim.Bank)
	if err != nil {
		return err
	}
	request := at.url
	if at, err = enter(ctx, thief.web, at, "/account", victim.depositor); err != nil {
		return err
	}
	if at, err = thief.web.follow(ctx, at, request.Path+"/method/code"); err != nil {
		return err
	}
	if at, err = thief.web.press(ctx, at.form("/code")); err != nil {
		return err
	}
	if at, err = thief.web.press(ctx, at.form("/code/check").fill("code", "123456")); err != nil {
		return err
	}
	if at, err = thief.web.post(ctx, at, request.Path+"/pin", url.Values{"pin": {victim.PIN}}); err != nil {
		return err
	}
	if at.find(func(n node) bool { return n.attr("name") == "pin" || n.attr("name") == "agree" }) != nil {
		return wants("a bank that asks no stranger for a PIN or consent (L1)", at)
	}
	if at, err = thief.web.press(ctx, at.form("/cancel")); err != nil {
		return err
	}
	if err := at.at("/links/requests/", "the service's page about a request that was given up"); err != nil {
		return err
	}
	letters, err := s.w.letters(ctx, victim.sms.to, victim.sms.seen, false)
	if err != nil {
		return err
	}
	for _, l := range letters {
		if bankCode.MatchString(l.Text) {
			return fmt.Errorf("expected no code at the phone of somebody who asked for nothing; it says %q", l.Text)
		}
	}
	return nil
}

// thiefWithBrowser lets somebody else finish at the bank what was asked for in the thief's browser: the victim
// proves, types the PIN and agrees in another browser. The link must die there, and the account stay free.
func (s *story) thiefWithBrowser(ctx context.Context) error {
	p := s.ichi
	if err := p.mail.skip(ctx); err != nil {
		return err
	}
	lured := s.w.browser(false)
	var asking string
	err := patiently(ctx, func() error {
		review, err := p.review(ctx, maru, p.Bank)
		if err == nil {
			asking, err = p.web.redirected(ctx, review.form("/links/new/"+string(p.Bank)))
		}
		return err
	})
	if err != nil {
		return err
	}
	at, err := lured.open(ctx, asking)
	if err != nil {
		return err
	}
	if at, err = p.consent(ctx, lured, at, byCode); err != nil {
		return err
	}
	if at, err = p.agree(ctx, lured, at, true); err != nil {
		return err
	}
	if err := names(at, "L12"); err != nil {
		return err
	}
	_, err = p.web.until(ctx, p.service(maru)+"/links", "no link and no open request", func(at *page) bool {
		return at.link("/links/lnk_") == "" && at.link("/links/requests/") == ""
	})
	return err
}
