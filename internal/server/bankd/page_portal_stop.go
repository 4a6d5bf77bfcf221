package bankd

import (
	"net/http"

	"github.com/kozamori/kozamori/internal/bank"
	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
)

// stopAll is the one button (D2). It asks nobody's consent and nothing first.
func (t *tenant) stopAll(w http.ResponseWriter, r *http.Request, d depositor) error {
	if err := t.bank.StopAll(r.Context(), d.Account.ID); err != nil {
		return err
	}
	return t.did(w, r, "stopped", "/portal")
}

func (t *tenant) stopOne(w http.ResponseWriter, r *http.Request, d depositor) error {
	link := id.Link(r.PathValue("link"))
	if err := t.bank.StopLink(r.Context(), d.Account.ID, link); err != nil {
		return err
	}
	return t.did(w, r, "stopped", "/portal/links/"+string(link))
}

// stopPage is where the stop link of a notice leads: it shows little, signs nobody in, and asks for no
// secret. Opening it does nothing, for mail programs open links too.
type stopPage struct {
	Service  fault.Text
	Account  string // masked
	One      bool   // a link of one service can be stopped by itself
	Request  bool   // a request can be turned down by itself
	Here     string
	HelpLine string
}

func (stopPage) Template() string { return "portal_stop.html" }

type stoppedPage struct {
	Service  fault.Text
	What     string // "link", "request", "all"
	HelpLine string
}

func (stoppedPage) Template() string { return "portal_stopped.html" }

// noticed reads the notice of the address, with the service it was about.
func (t *tenant) noticed(r *http.Request) (n bank.Notice, service fault.Text, err error) {
	n, err = t.bank.StopNotice(r.Context(), r.PathValue("notice"), r.PathValue("token"))
	if err != nil {
		return n, service, err
	}
	switch {
	case n.Link != "":
		l, err := t.bank.Store.Link(r.Context(), n.Link)
		return n, t.serviceName(l.Service), err
	case n.Request != "":
		req, err := t.bank.Store.Request(r.Context(), n.Request)
		return n, t.serviceName(req.Service), err
	}
	return n, service, nil
}

func (t *tenant) stopPage(w http.ResponseWriter, r *http.Request) error {
	n, service, err := t.noticed(r)
	if err != nil {
		return err
	}
	acc, err := t.bank.Store.Account(r.Context(), n.Account)
	if err != nil {
		return err
	}
	t.site.Render(w, r, stopPage{
		Service: service, Account: acc.Masked(), One: n.Link != "", Request: n.Link == "" && n.Request != "",
		Here: r.URL.Path, HelpLine: t.bank.Profile.HelpLine,
	})
	return nil
}

func (t *tenant) stopByNotice(w http.ResponseWriter, r *http.Request) error {
	n, service, err := t.noticed(r)
	if err != nil {
		return err
	}
	ctx, what := r.Context(), r.PostFormValue("what")
	switch {
	case what == "all":
		err = t.bank.StopAll(ctx, n.Account)
	case what == "link" && n.Link != "":
		err = t.bank.StopLink(ctx, n.Account, n.Link)
	case what == "request" && n.Link == "" && n.Request != "":
		err = t.turnDown(r, n.Request)
	default:
		return &fault.Error{Kind: fault.Invalid, Op: "bankd.stopByNotice"}
	}
	if err != nil {
		return err
	}
	t.site.Render(w, r, stoppedPage{service, what, t.bank.Profile.HelpLine})
	return nil
}

// turnDown lets a request die that the depositor did not make. One that came to a link is that link's stop.
func (t *tenant) turnDown(r *http.Request, req id.Request) error {
	row, err := t.bank.Store.Request(r.Context(), req)
	if err != nil {
		return err
	}
	if row.Link != "" {
		return t.bank.StopLink(r.Context(), row.Account, row.Link)
	}
	return t.bank.Die(r.Context(), row, bank.ByDepositor)
}
