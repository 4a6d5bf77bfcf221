package journey

import (
	"context"
	"errors"
	"strings"

	"github.com/kozamori/kozamori/internal/id"
)

// What a holder does about her account at a service, for tests of what her banks make of it (L9).

// confirmed opens a page of her account, after her device has confirmed her where the service asks for it.
func (a *Actor) confirmed(ctx context.Context, s id.Service, path string) (*page, error) {
	at, err := a.p.web.open(ctx, a.p.service(s)+path)
	if err != nil {
		return nil, err
	}
	if at.url.Path == "/signin" {
		if at, err = a.p.web.press(ctx, at.form("/signin")); err != nil {
			return nil, err
		}
	}
	return at, at.at(path, "the page of her account")
}

// ChangeEmail gives the service another address of hers, and types the code that comes there.
func (a *Actor) ChangeEmail(ctx context.Context, s id.Service) error {
	at, err := a.confirmed(ctx, s, "/account/email")
	if err != nil {
		return err
	}
	mail := post{w: a.p.w, to: "new-" + a.p.mail.to}
	if at, err = a.p.web.press(ctx, at.form("/account/email").fill("email", mail.to)); err != nil {
		return err
	}
	if at, err = a.p.typeCode(ctx, at, &mail); err != nil {
		return err
	}
	a.p.mail = mail
	return at.at("/account", "her account")
}

// ReplaceDevice makes a new passkey, which takes the old one's place.
func (a *Actor) ReplaceDevice(ctx context.Context, s id.Service) error {
	at, err := a.confirmed(ctx, s, "/account/device")
	if err != nil {
		return err
	}
	if at, err = a.p.web.press(ctx, at.form("/account/device")); err != nil {
		return err
	}
	return at.at("/account", "her account")
}

// Recover comes back on a new device, by codes to her e-mail and her phone. The lost one must be out by then.
func (a *Actor) Recover(ctx context.Context, s id.Service) error {
	lost := a.p.web
	a.p.web = newBrowser(true)
	if err := errors.Join(a.p.sms.skip(ctx), a.p.mail.skip(ctx)); err != nil {
		return err
	}
	at, err := a.p.web.open(ctx, a.p.service(s)+"/recover")
	if err != nil {
		return err
	}
	if at, err = a.p.web.press(ctx, at.form("/recover").fill("email", a.p.mail.to)); err != nil {
		return err
	}
	for _, box := range []*post{&a.p.mail, &a.p.sms} {
		if at, err = a.p.typeCode(ctx, at, box); err != nil {
			return err
		}
	}
	if at, err = a.p.web.press(ctx, at.form("/steps/device")); err != nil {
		return err
	}
	if at.link("/charge") == "" {
		return wants("her home page at the service", at)
	}
	if at, err = lost.open(ctx, a.p.service(s)+"/account"); err != nil {
		return err
	}
	return at.at("/signin", "the lost device signed out")
}

// EndLink ends the link at the service that her list shows first.
func (a *Actor) EndLink(ctx context.Context, s id.Service) error {
	at, err := a.firstLink(ctx, s)
	if err != nil {
		return err
	}
	_, err = a.p.web.press(ctx, at.form(at.url.Path))
	return err
}

// LinkBecomes waits until the first link of her list is in a state, as its page says it in a word.
func (a *Actor) LinkBecomes(ctx context.Context, s id.Service, word string) error {
	at, err := a.firstLink(ctx, s)
	if err != nil {
		return err
	}
	_, err = a.p.web.until(ctx, at.url.String(), "a link that is "+word, func(p *page) bool {
		return p.find(func(n node) bool { return n.hasClass("badge") && strings.EqualFold(strings.TrimSpace(n.words()), word) }) != nil
	})
	return err
}

func (a *Actor) firstLink(ctx context.Context, s id.Service) (*page, error) {
	list, err := a.p.web.open(ctx, a.p.service(s)+"/links")
	if err != nil {
		return nil, err
	}
	href := list.link("/links/lnk_")
	if href == "" {
		return nil, wants("a link in her list", list)
	}
	return a.p.web.follow(ctx, list, href)
}
