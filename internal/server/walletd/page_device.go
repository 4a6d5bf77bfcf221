package walletd

import (
	"net/http"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/identity"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/web"
)

// accountPage is what the service knows of a holder, and where she changes it.
type accountPage struct {
	Subject string
	Proved  bool
	Name    string // as proved
	Email   string
	Phone   string
	Device  time.Time // since when
	Synced  bool
}

// nationalPhone shows a Japanese number as people dial it.
func nationalPhone(e164 string) string {
	rest, ok := strings.CutPrefix(e164, "+81")
	switch {
	case !ok:
		return e164
	case len(rest) == 10: // a mobile phone: 090-1111-0002
		return "0" + rest[:2] + "-" + rest[2:6] + "-" + rest[6:]
	}
	return "0" + rest
}

func (accountPage) Template() string { return "account.html" }

func (s *Server) pageAccount(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	d, err := s.store.Device(r.Context(), h.Subject)
	if err != nil {
		return err
	}
	page := accountPage{Subject: string(h.Subject), Proved: h.Level >= identity.Proved, Email: h.Email, Phone: nationalPhone(h.Phone),
		Device: d.AddedAt, Synced: d.Keys.Synced}
	if page.Proved {
		p, err := s.store.Proof(r.Context(), h.Subject)
		if err != nil {
			return err
		}
		page.Name = p.NameKana
	}
	s.site.Render(w, r, page)
	return nil
}

// changePage asks for a new contact.
type changePage struct {
	Kind wallet.ContactKind
	Form *web.Form
}

func (changePage) Template() string { return "change.html" }

// Email says which contact it is.
func (p changePage) Email() bool { return p.Kind == wallet.Email }

// URL is where the form goes.
func (p changePage) URL() string { return "/account/" + string(p.Kind) }

func (s *Server) pageChange(kind wallet.ContactKind) holderHandler {
	field := emailField
	if kind == wallet.Phone {
		field = phoneField
	}
	return func(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
		page := changePage{kind, web.NewForm(field)}
		if r.Method == http.MethodGet {
			s.site.Render(w, r, page)
			return nil
		}
		if page.Form.Read(w, r) {
			e, err := s.wallet.StartChange(r.Context(), h, kind, page.Form.Value(field.Name))
			if err == nil {
				s.sessions.Put(r.Context(), keyErrand, e.ID)
				http.Redirect(w, r, "/steps", http.StatusSeeOther)
				return nil
			}
			if !mistake(err) {
				return err
			}
			page.Form.Problem = fault.PublicOf(err)
		}
		s.site.RenderStatus(w, r, http.StatusUnprocessableEntity, page)
		return nil
	}
}

// replacePage registers a new passkey in place of the holder's.
type replacePage struct {
	Ceremony web.Ceremony
	Problem  fault.Text
}

func (replacePage) Template() string { return "replace.html" }

func (s *Server) pageReplace(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	return s.showReplace(w, r, h, http.StatusOK, fault.Text{})
}

func (s *Server) showReplace(w http.ResponseWriter, r *http.Request, h wallet.Holder, status int, problem fault.Text) error {
	c, err := s.wallet.BeginReplace(h)
	if err != nil {
		return err
	}
	s.site.RenderStatus(w, r, status, replacePage{s.ask(r, "create", c, "make"), problem})
	return nil
}

func (s *Server) doReplace(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
	state, credential, browserKey, err := s.answer(r)
	if err != nil {
		return err
	}
	err = s.wallet.FinishReplace(r.Context(), h, state, credential, browserKey)
	if fault.Of(err) == fault.Unauthorised && err != nil {
		return s.showReplace(w, r, h, http.StatusUnprocessableEntity, fault.PublicOf(err))
	}
	if err != nil {
		return err
	}
	d, err := s.store.Device(r.Context(), h.Subject)
	if err != nil {
		return err
	}
	s.sessions.Put(r.Context(), keyNext, "/account")
	return s.enter(w, r, h, d.Keys.CredentialID)
}
