package walletd

import (
	"net/http"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/web"
)

type signInPage struct {
	Ceremony web.Ceremony
	Again    bool // signed in already: the device is asked to confirm
	Problem  fault.Text
}

func (signInPage) Template() string { return "signin.html" }

func (s *Server) pageSignIn(w http.ResponseWriter, r *http.Request) error {
	return s.showSignIn(w, r, http.StatusOK, fault.Text{})
}

func (s *Server) showSignIn(w http.ResponseWriter, r *http.Request, status int, problem fault.Text) error {
	if !s.mayOpen(r) {
		return fault.New(fault.Busy, "walletd.showSignIn", nil)
	}
	c, err := s.wallet.BeginSignIn()
	if err != nil {
		return err
	}
	s.site.RenderStatus(w, r, status, signInPage{s.ask(r, "get", c, ""), s.sessions.GetString(r.Context(), keySubject) != "", problem})
	return nil
}

func (s *Server) doSignIn(w http.ResponseWriter, r *http.Request) error {
	state, credential, _, err := s.answer(r)
	if err != nil {
		return err
	}
	h, d, err := s.wallet.FinishSignIn(r.Context(), state, credential)
	if fault.Of(err) == fault.Unauthorised && err != nil {
		s.env.Log.InfoContext(r.Context(), "sign-in refused", "error", err.Error())
		return s.showSignIn(w, r, http.StatusUnauthorized, fault.PublicOf(err))
	}
	if err != nil {
		return err
	}
	return s.enter(w, r, h, d.Keys.CredentialID)
}

func (s *Server) doSignOut(w http.ResponseWriter, r *http.Request) error {
	if err := s.sessions.Destroy(r.Context()); err != nil {
		return fault.New(fault.Unavailable, "walletd.SignOut", err)
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}
