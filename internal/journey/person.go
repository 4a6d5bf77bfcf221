package journey

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/id"
)

// person is somebody who has an account at a bank and uses a payment service with a browser of her own.
type person struct {
	depositor
	w    *world
	web  *browser
	sms  post // her phone, as she tells it to the service
	mail post
}

// newPerson gives a depositor a browser. Who has no phone on file at her bank has one for the service all the same.
func newPerson(w *world, d depositor, synced bool) *person {
	phone, email := d.Phone, d.Email
	if phone == "" {
		phone = "+8190777" + d.Number[len(d.Number)-5:]
	}
	if email == "" {
		email = d.Key + "@wallet.example.jp"
	}
	return &person{depositor: d, w: w, web: w.browser(synced), sms: post{w: w, to: phone}, mail: post{w: w, to: email}}
}

var (
	serviceCode = regexp.MustCompile(`\b(\d{6})\b`)
	bankCode    = regexp.MustCompile(`確認コード (\d{6})`)
	mailNumber  = regexp.MustCompile(`reference into the bank's page: ([0-9-]+)`)
)

// service is the address of a payment service.
func (p *person) service(s id.Service) string { return p.w.Wallets[s] }

// signUp makes an account at a service: a code by e-mail, a code by SMS, a passkey. The page is her home there.
func (p *person) signUp(ctx context.Context, s id.Service) (*page, error) {
	if err := errors.Join(p.sms.skip(ctx), p.mail.skip(ctx)); err != nil {
		return nil, err
	}
	at, err := p.web.open(ctx, p.service(s)+"/signup")
	if err != nil {
		return nil, err
	}
	if at, err = p.web.press(ctx, at.form("/signup").fill("email", p.mail.to)); err != nil {
		return nil, err
	}
	if at, err = p.typeCode(ctx, at, &p.mail); err != nil {
		return nil, err
	}
	if at, err = p.web.press(ctx, at.form("/steps/phone").fill("phone", p.sms.to)); err != nil {
		return nil, err
	}
	if at, err = p.typeCode(ctx, at, &p.sms); err != nil {
		return nil, err
	}
	if at, err = p.web.press(ctx, at.form("/steps/device")); err != nil {
		return nil, err
	}
	if at.link("/charge") == "" {
		return nil, wants("her home page at the service", at)
	}
	return at, nil
}

// typeCode types the service's code that a letter box receives.
func (p *person) typeCode(ctx context.Context, at *page, box *post) (*page, error) {
	if err := at.at("/steps", "the step that asks for a code"); err != nil {
		return nil, err
	}
	code, err := box.next(ctx, "the service's code", serviceCode)
	if err != nil {
		return nil, err
	}
	return p.web.press(ctx, at.form("/steps/code").fill("code", code))
}

// proved lets the service's staff see her passport and grant level 2, by their interface for programs.
func (p *person) proved(ctx context.Context, s id.Service) error {
	by := p.w.Staff[string(s)]
	basic := http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(by.Name+":"+by.Password))}}
	var found struct{ Subject string }
	find := p.service(s) + "/staff/v1/holders?" + url.Values{"email": {p.mail.to}}.Encode()
	if err := p.w.api(ctx, http.MethodGet, find, basic, nil, &found); err != nil {
		return err
	}
	var now struct{ Level int }
	err := p.w.api(ctx, http.MethodPost, p.service(s)+"/staff/v1/holders/"+url.PathEscape(found.Subject)+"/identity", basic, map[string]string{
		"name_kana": p.Kana, "birth_date": p.BirthDate, "document_kind": "passport", "document_number": "TK" + p.Number}, &now)
	if err == nil && now.Level != 2 {
		err = errors.New("the service's staff granted no level 2")
	}
	return err
}

// review is the service's page before it asks a bank for a link, found through its search.
func (p *person) review(ctx context.Context, s id.Service, bank id.Bank) (*page, error) {
	at, err := p.web.open(ctx, p.service(s)+"/links/new")
	if err != nil {
		return nil, err
	}
	if at, err = p.web.press(ctx, at.form("/links/new").fill("bank", string(bank))); err != nil {
		return nil, err
	}
	href := at.link("/links/new/" + string(bank))
	if href == "" {
		return nil, wants("bank "+string(bank)+" in the list", at)
	}
	return p.web.follow(ctx, at, href)
}

// ask asks a bank for a link: the page is the bank's, which asks for the account.
func (p *person) ask(ctx context.Context, s id.Service, bank id.Bank) (at *page, err error) {
	err = patiently(ctx, func() error {
		if at, err = p.review(ctx, s, bank); err != nil {
			return err
		}
		if at, err = p.web.press(ctx, at.form("/links/new/"+string(bank))); err != nil {
			return err
		}
		return at.at("/link/", "the bank's page that asks for the account")
	})
	return at, err
}

// enter names an account on a page of its bank and goes on to the ways to prove possession.
func enter(ctx context.Context, b *browser, at *page, action string, d depositor) (*page, error) {
	f := at.form(action).fill("branch", d.Branch).fill("number", d.Number)
	if f.control("birth") != nil { // the portal asks for it, a link request brings it
		f.fill("birth", d.BirthDate)
	}
	return b.press(ctx, f)
}

// prove shows the bank that she holds something of hers; the page is what comes after.
type prove func(ctx context.Context, p *person, b *browser, methods *page) (*page, error)

// byPasskey proves with the bank's own passkey.
func byPasskey(ctx context.Context, _ *person, b *browser, methods *page) (*page, error) {
	at, err := b.follow(ctx, methods, methods.url.Path+"/method/passkey")
	if err != nil {
		return nil, err
	}
	return b.press(ctx, at.form("/passkey"))
}

// byCode proves with a code to the phone that the bank has on file.
func byCode(ctx context.Context, p *person, b *browser, methods *page) (*page, error) {
	if err := p.sms.skip(ctx); err != nil {
		return nil, err
	}
	at, err := b.follow(ctx, methods, methods.url.Path+"/method/code")
	if err != nil {
		return nil, err
	}
	if at, err = b.press(ctx, at.form("/code")); err != nil {
		return nil, err
	}
	code, err := p.sms.next(ctx, "the bank's code", bankCode)
	if err != nil {
		return nil, err
	}
	return b.press(ctx, at.form("/code/check").fill("code", code))
}

// byATM proves with the cash card: a window for the request whose reference the bank's page shows.
func byATM(ctx context.Context, p *person, b *browser, methods *page) (*page, error) {
	at, err := b.follow(ctx, methods, methods.url.Path+"/method/atm")
	if err != nil {
		return nil, err
	}
	shown := at.find(func(n node) bool { return n.hasClass("big-code") })
	if shown == nil {
		return nil, wants("a reference to look for at the ATM", at)
	}
	atm, err := p.w.insert(ctx, p.depositor)
	if err != nil {
		return nil, err
	}
	if err := atm.open(ctx, shown.words()); err != nil {
		return nil, err
	}
	return b.press(ctx, at.form("/atm"))
}

// consent goes from the bank's account page to the consent page.
func (p *person) consent(ctx context.Context, b *browser, at *page, how prove) (*page, error) {
	methods, err := enter(ctx, b, at, "/account", p.depositor)
	if err != nil {
		return nil, err
	}
	if at, err = how(ctx, p, b, methods); err != nil {
		return nil, err
	}
	if at, err = b.press(ctx, at.form("/pin").fill("pin", p.PIN)); err != nil {
		return nil, err
	}
	if !at.says(p.Kana) {
		return nil, wants("a consent page that names "+p.Kana, at)
	}
	return at, nil
}

// agree consents, with the number from the bank's e-mail where she has one, and comes back to the service.
func (p *person) agree(ctx context.Context, b *browser, at *page, withMail bool) (*page, error) {
	f := at.form("/consent").fill("agree", "yes")
	if withMail {
		number, err := p.mail.next(ctx, "the bank's e-mail with a number", mailNumber)
		if err != nil {
			return nil, err
		}
		f.fill("reference", strings.ReplaceAll(number, "-", ""))
	}
	return b.press(ctx, f)
}

// link makes a link from asking to the service's page about it, which is settled.
func (p *person) link(ctx context.Context, s id.Service, how prove, withMail bool) (*page, error) {
	if err := p.mail.skip(ctx); err != nil {
		return nil, err
	}
	at, err := p.ask(ctx, s, p.Bank)
	if err != nil {
		return nil, err
	}
	if at, err = p.consent(ctx, p.web, at, how); err != nil {
		return nil, err
	}
	if at, err = p.agree(ctx, p.web, at, withMail); err != nil {
		return nil, err
	}
	if err := at.at("/links/requests/", "the service's page about the request"); err != nil {
		return nil, err
	}
	if at, err = p.web.settled(ctx, at); err != nil {
		return nil, err
	}
	if at.link("/links/lnk_") == "" {
		return nil, wants("a link", at)
	}
	return at, nil
}

// good says that the page tells of something done.
func good(p *page) bool {
	return p.status == http.StatusOK && p.find(func(n node) bool { return n.hasClass("notice") && n.hasClass("good") }) != nil
}

// until loads a page again and again until it fits.
func (b *browser) until(ctx context.Context, address, what string, fits func(*page) bool) (*page, error) {
	for end := time.Now().Add(letterTime); ; {
		at, err := b.open(ctx, address)
		if err != nil || fits(at) {
			return at, err
		}
		if time.Now().After(end) {
			return nil, wants(what, at)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
