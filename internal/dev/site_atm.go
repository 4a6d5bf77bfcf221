package dev

import (
	"context"
	"net/http"
	"strings"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/money"
	"github.com/kozamori/kozamori/internal/web"
)

type atmPage struct {
	Form          *web.Form
	Problem, Done fault.Text
	Open          bool
	Person        Person
	BankName      fault.Text
	Balance       money.Yen
	Stopped       bool
	Typed         string      // the reference
	Found         *atmPending // what has it
	Waiting       []atmWaiting
}

func (atmPage) Template() string { return "atm.html" }

// The session of the browser at the machine: whose card, and the machine's own session at the bank.
const (
	keyCard    = "card"
	keySession = "session"
)

func (p *pages) atmForm() *web.Form {
	options := []web.Option{}
	for _, one := range p.people.all() {
		options = append(options, web.Option{Value: one.Card, Text: one.Name})
	}
	return web.NewForm(
		web.Field{Name: "card", Kind: web.SelectField, Options: options, Label: fault.Text{JA: "カード", EN: "Card"}},
		web.Field{Name: "pin", Kind: web.PINField, Max: 4, Min: 4, Label: fault.Text{JA: "暗証番号", EN: "PIN"}})
}

// owner finds whose card it is.
func (w *world) owner(card string) (Person, bool) {
	for _, one := range w.people.all() {
		if one.Card == card {
			return one, true
		}
	}
	return Person{}, false
}

func (p *pages) showATM(w http.ResponseWriter, r *http.Request) error {
	page, err := p.screen(r.Context(), strings.TrimSpace(r.URL.Query().Get("reference")))
	if err != nil {
		page.Problem = fault.PublicOf(err)
	}
	if r.URL.Query().Has("done") {
		page.Done = fault.Text{JA: "受け付けました。画面に戻って続けてください。", EN: "Done. Go on where you came from."}
	}
	p.site.Render(w, r, page)
	return nil
}

// screen is what the machine shows of the card that is in it, and of the request whose reference was typed.
func (p *pages) screen(ctx context.Context, reference string) (atmPage, error) {
	page := atmPage{Form: p.atmForm()}
	person, ok := p.owner(p.sessions.GetString(ctx, keyCard))
	if !ok {
		return page, nil
	}
	m, err := p.machine(person.Bank)
	if err != nil {
		return page, err
	}
	shown, err := m.screen(ctx, p.sessions.GetString(ctx, keySession))
	if err != nil {
		p.sessions.Remove(ctx, keyCard)
		return page, err
	}
	page.Open, page.Person, page.BankName = true, person, p.shown(person).BankName
	page.Balance, page.Stopped, page.Waiting, page.Typed = shown.Balance, shown.Stopped, shown.Waiting, reference
	if reference == "" {
		return page, nil
	}
	found, err := m.find(ctx, p.sessions.GetString(ctx, keySession), reference)
	if err != nil {
		return page, err
	}
	page.Found = &found
	return page, nil
}

func (p *pages) insertCard(w http.ResponseWriter, r *http.Request) error {
	form := p.atmForm()
	if !form.Read(w, r) {
		p.site.RenderStatus(w, r, http.StatusUnprocessableEntity, atmPage{Form: form})
		return nil
	}
	person, _ := p.owner(form.Value("card")) // the form takes only its own options
	session, err := p.insert(r.Context(), person, form.Value("pin"))
	if err != nil {
		p.site.RenderStatus(w, r, http.StatusUnprocessableEntity, atmPage{Form: form, Problem: fault.PublicOf(err)})
		return nil
	}
	p.sessions.Put(r.Context(), keyCard, person.Card)
	p.sessions.Put(r.Context(), keySession, session)
	http.Redirect(w, r, "/atm", http.StatusSeeOther)
	return nil
}

func (w *world) insert(ctx context.Context, p Person, pin string) (string, error) {
	m, err := w.machine(p.Bank)
	if err != nil {
		return "", err
	}
	return m.insert(ctx, p.Card, pin)
}

// act does one thing at the machine and shows the screen again.
func (p *pages) act(w http.ResponseWriter, r *http.Request, what string, in any) error {
	person, ok := p.owner(p.sessions.GetString(r.Context(), keyCard))
	if !ok {
		http.Redirect(w, r, "/atm", http.StatusSeeOther)
		return nil
	}
	m, err := p.machine(person.Bank)
	if err != nil {
		return err
	}
	if err := m.post(r.Context(), p.sessions.GetString(r.Context(), keySession), what, in); err != nil {
		return err
	}
	http.Redirect(w, r, "/atm?done=1", http.StatusSeeOther)
	return nil
}

func (p *pages) openWindow(w http.ResponseWriter, r *http.Request) error {
	return p.act(w, r, "windows", map[string]string{"proof": r.PostFormValue("proof")})
}

func (p *pages) acknowledge(w http.ResponseWriter, r *http.Request) error {
	return p.act(w, r, "acknowledgements", map[string]id.Link{"link": id.Link(r.PostFormValue("link"))})
}

func (p *pages) stopEverything(w http.ResponseWriter, r *http.Request) error {
	return p.act(w, r, "stops", nil)
}

func (p *pages) eject(w http.ResponseWriter, r *http.Request) error {
	if err := p.sessions.Destroy(r.Context()); err != nil {
		return fault.New(fault.Unavailable, "dev.eject", err)
	}
	http.Redirect(w, r, "/atm", http.StatusSeeOther)
	return nil
}
