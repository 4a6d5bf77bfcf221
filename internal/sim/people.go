package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/identity"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/wire"
)

// person has one deposit account, and e-money accounts that are linked to it.
type person struct {
	name    string
	bank    *role
	place   bank.Place
	card    string
	phone   string
	opening money.Yen

	account         bank.AccountID
	closing, closed bool // she has asked for that; she was told so
	purses          []*purse
}

// purse is a person's e-money account at one service, with its link.
type purse struct {
	owner   *person
	service *role
	subject id.Subject
	device  device
	link    id.Link   // the one she has now
	links   []id.Link // all that she ever had
	began   time.Time // the earliest moment at which it may have begun to cool off, the last time
}

const (
	pin        = "5963"
	birthDate  = "1985-04-01"
	atmNetwork = "atm"
)

// cast says who has an account where, and at which services e-money.
var cast = []struct {
	bank     id.Bank
	opening  money.Yen
	services []id.Service
}{
	{"0149", 400_000, []id.Service{"maru", "sora"}},
	{"0149", 90_000, []id.Service{"maru"}},
	{"0150", 500_000, []id.Service{"maru", "sora"}},
	{"0150", 30_000, []id.Service{"sora"}},
	{"0152", 700_000, []id.Service{"maru", "sora"}},
}

// kana are names that differ, for a document belongs to one person.
var kana = []string{"サトウ ハナコ", "スズキ イチロウ", "タナカ キヨシ", "ヤマダ ミドリ", "コバヤシ ケン"}

// settle lets everybody open accounts and make links, over a line that loses nothing.
func (w *World) settle() error {
	for i, c := range cast {
		p := &person{name: number("p", i+1), bank: w.role(string(c.bank)), card: number("card-", i+1), opening: c.opening,
			phone: fmt.Sprintf("+8190%08d", 11110000+i),
			place: bank.Place{Bank: c.bank, Branch: "101", Kind: bank.Ordinary, Number: fmt.Sprintf("%07d", 1234560+i)}}
		w.people = append(w.people, p)
		if err := w.openDeposit(p, kana[i]); err != nil {
			return fmt.Errorf("%s opens an account: %w", p.name, err)
		}
		for _, s := range c.services {
			u := &purse{owner: p, service: w.role(string(s))}
			p.purses = append(p.purses, u)
			if err := w.join(u, i, kana[i]); err != nil {
				return fmt.Errorf("%s joins %s: %w", p.name, s, err)
			}
			if err := w.makeLink(u); err != nil {
				return fmt.Errorf("%s links to %s: %w", p.name, s, err)
			}
			if err := w.at(u.service, func(ctx context.Context, p *process) error { return w.linked(ctx, p.wallet, u) }); err != nil || u.link == "" {
				return fmt.Errorf("%s has no link to %s: %w", u.owner.name, s, err)
			}
		}
	}
	return nil
}

// role is a company by its name.
func (w *World) role(name string) *role {
	for _, r := range w.roles {
		if r.name == name {
			return r
		}
	}
	panic("sim: no role " + name)
}

func (w *World) openDeposit(p *person, holder string) error {
	return w.at(p.bank, func(ctx context.Context, at *process) (err error) {
		acc, err := at.bank.OpenAccount(ctx, bank.NewAccount{Place: p.place, HolderKana: holder, HolderName: "名義 " + p.name,
			BirthDate: birthDate, CardID: p.card, PIN: pin, Phone: p.phone, Opening: p.opening, Since: w.time().AddDate(-3, 0, 0)})
		p.account = acc.ID
		return err
	})
}

// join makes a holder of level 2 with a device. Codes by mail and SMS are other tests'.
func (w *World) join(u *purse, n int, holder string) error {
	s := u.service
	u.device = newDevice(u.owner.name+" at "+s.name, s.name+".localhost", s.service.origin)
	return w.at(s, func(ctx context.Context, p *process) error {
		rules := p.wallet
		u.subject = id.Subject(id.New(rands{p, w}, "sub"))
		h := wallet.Holder{Subject: u.subject, Level: identity.Contacts, Email: string(u.subject) + "@example.jp", Phone: u.owner.phone,
			Lang: "ja", CreatedAt: w.time(), Version: 1}
		if err := rules.Store.Commit(ctx, wallet.PutHolder{Holder: h, EmailMark: []byte(h.Email), PhoneMark: []byte(h.Phone)},
			wallet.PutDevice{Device: wallet.Device{Subject: u.subject, Keys: u.device.public, Credential: []byte("{}"), AddedAt: w.time()}}); err != nil {
			return err
		}
		if err := rules.OpenBooks(ctx, u.subject); err != nil {
			return err
		}
		_, err := rules.Prove(ctx, u.subject, evidence(n, holder, w.time()))
		return err
	})
}

// makeLink is the whole way of a link: asked for at the service, proved at the bank by a window at an ATM, consented to,
// redeemed, acknowledged, reported (docs/protocol.md). It may break off anywhere; what it left is ended by the roles.
func (w *World) makeLink(u *purse) error {
	var asking wallet.Asking
	if err := w.at(u.service, func(ctx context.Context, p *process) error {
		h, err := p.wallet.Store.Holder(ctx, u.subject)
		if err == nil {
			asking, err = p.wallet.RequestLink(ctx, h, u.owner.bank.bank.issuer())
		}
		return err
	}); err != nil {
		return err
	}
	back, err := w.consent(u.owner, asking.URL)
	if err != nil {
		return err
	}
	delete(w.model.stops, linkName(u)) // her new consent is the end of that
	u.began = w.time()
	if err := w.at(u.service, func(ctx context.Context, p *process) error {
		_, err := p.wallet.Returned(ctx, wallet.Back{State: back.Get("state"), Code: back.Get("code"), Issuer: back.Get("iss"), Subject: u.subject,
			Cookie: func(string) string { _, value := asking.Ask.Cookie(); return value }, Asked: func(id.Request) bool { return true }})
		return err
	}); err != nil {
		return err
	}
	w.turn(u.service)
	if err := w.acknowledge(u.owner); err != nil {
		return err
	}
	w.turn(u.owner.bank)
	return w.at(u.service, func(ctx context.Context, p *process) error { return p.wallet.FetchEvents(ctx, 0) })
}

// acknowledge is a depositor's word at a machine that she knows of her new links (L8).
func (w *World) acknowledge(p *person) error {
	return w.atATM(p, func(ctx context.Context, b *bank.Bank, s bank.ATMSession) error {
		waiting, err := b.ToAcknowledge(ctx, s)
		for _, a := range waiting {
			err = errors.Join(err, b.Acknowledge(ctx, s, a.Link))
		}
		return err
	})
}

// linked looks at a holder's page for the link that she has now.
func (w *World) linked(ctx context.Context, s *wallet.Wallet, u *purse) error {
	links, err := s.Store.LinksOf(ctx, u.subject)
	if err != nil {
		return err
	}
	for _, l := range links { // the newest first
		if !slices.Contains(u.links, l.ID) {
			u.links = append(u.links, l.ID)
			w.name(string(l.ID), fmt.Sprintf("%s-%s-%d", u.owner.name, u.service.name, len(u.links)))
		}
	}
	if len(links) > 0 {
		u.link = links[0].ID
	}
	return nil
}

// at does something in a role's process, if there is one.
func (w *World) at(r *role, do func(ctx context.Context, p *process) error) error {
	p := r.up
	if p == nil {
		return errEnded
	}
	return w.in(p, func(ctx context.Context) error { return do(ctx, p) })
}

// turnOf lets a role deliver what its outbox holds.
func (w *World) turnOf(r *role) error {
	return w.at(r, func(ctx context.Context, p *process) error { _, err := p.deliver(ctx); return err })
}

// atATM is a visit at a machine with card and PIN.
func (w *World) atATM(p *person, do func(ctx context.Context, b *bank.Bank, s bank.ATMSession) error) error {
	return w.at(p.bank, func(ctx context.Context, at *process) error {
		secret, _, err := at.bank.StartATM(ctx, atmNetwork, p.card, pin)
		if err != nil {
			return err
		}
		s, err := at.bank.ATM(ctx, atmNetwork, secret)
		if err != nil {
			return err
		}
		return do(ctx, at.bank, s)
	})
}

// consent is the person at her bank: the account, a window at an ATM, the PIN, yes.
func (w *World) consent(p *person, address string) (url.Values, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	client, uri, err := wire.ParseFrontChannel(u.RawQuery)
	if err != nil {
		return nil, err
	}
	cookie := wire.NewSecret()
	var r bank.Request
	if err := w.at(p.bank, func(ctx context.Context, at *process) (err error) {
		if r, err = at.bank.OpenRequest(ctx, client, uri, cookie); err != nil {
			return err
		}
		return at.bank.Enter(ctx, &r, p.place)
	}); err != nil {
		return nil, err
	}
	if err := w.atATM(p, func(ctx context.Context, b *bank.Bank, s bank.ATMSession) error {
		return openWindow(ctx, b, s, r.Reference)
	}); err != nil {
		return nil, err
	}
	var to string
	if err := w.at(p.bank, func(ctx context.Context, at *process) error {
		held, err := takeWindow(ctx, at.bank, r.Proof, cookie)
		if err != nil {
			return err
		}
		if err := at.bank.TakePossession(ctx, &r, held); err != nil {
			return err
		}
		if right, err := at.bank.EnterPIN(ctx, &r, cookie, pin); err != nil || !right {
			return cmp.Or(err, errPIN)
		}
		to, err = at.bank.Consent(ctx, &r, cookie)
		return err
	}); err != nil {
		return nil, err
	}
	back, err := url.Parse(to)
	if err != nil {
		return nil, err
	}
	return back.Query(), nil
}

// errPIN is a right PIN that was not taken.
var errPIN = errors.New("sim: the PIN was not taken")

func openWindow(ctx context.Context, b *bank.Bank, s bank.ATMSession, reference string) error {
	waits, err := b.PendingAt(ctx, s, reference)
	if err != nil {
		return err
	}
	_, err = b.OpenWindow(ctx, s, waits.Proof)
	return err
}

func takeWindow(ctx context.Context, b *bank.Bank, proof bank.ProofID, cookie string) (bank.Possession, error) {
	p, err := b.ProofFor(ctx, proof, cookie)
	if err != nil {
		return bank.Possession{}, err
	}
	return b.TakeWindow(ctx, p)
}

// evidence is what a counter has examined: one document for each person.
func evidence(n int, holder string, at time.Time) identity.Evidence {
	return identity.Evidence{NameKana: holder, BirthDate: birthDate, Document: identity.Document{Kind: identity.Passport, Number: fmt.Sprintf("TK%07d", n+1)},
		Method: identity.Counter, Examiner: "staff", At: at}
}
