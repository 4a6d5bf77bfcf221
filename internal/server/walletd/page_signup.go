package walletd

import (
	"net/http"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/web"
)

var (
	emailField = web.Field{Name: "email", Kind: web.EmailField, Autocomplete: "email", Max: 254,
		Label: fault.Text{JA: "メールアドレス", EN: "E-mail address"}}
	phoneField = web.Field{Name: "phone", Kind: web.PhoneField, Autocomplete: "tel", Max: 30,
		Label: fault.Text{JA: "携帯電話番号", EN: "Mobile phone number"},
		Hint:  fault.Text{JA: "銀行に届けている番号と同じものにしてください。", EN: "Use the number your bank knows you by."}}
	codeField = web.Field{Name: "code", Kind: web.CodeField, Min: 6, Max: 6,
		Label: fault.Text{JA: "6桁の確認コード", EN: "Six-digit code"}}
)

// startPage asks for the e-mail address with which a sign-up or a recovery begins.
type startPage struct {
	Kind wallet.ErrandKind
	Form *web.Form
}

func (startPage) Template() string { return "start.html" }

// SignUp says which of the two it is.
func (p startPage) SignUp() bool { return p.Kind == wallet.SignUp }

func (s *Server) pageStart(kind wallet.ErrandKind) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		page := startPage{kind, web.NewForm(emailField)}
		if r.Method == http.MethodGet {
			s.site.Render(w, r, page)
			return nil
		}
		limit := s.limits.starts
		if kind == wallet.Recover {
			limit = s.limits.recoveries
		}
		if !limit.Allow(web.Source(r, s.cfg.Server.BehindProxy)) {
			return fault.New(fault.Busy, "walletd.start", nil)
		}
		if page.Form.Read(w, r) {
			e, err := s.start(r, kind, page.Form.Value("email"))
			if err == nil {
				return s.begin(w, r, e)
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

func (s *Server) start(r *http.Request, kind wallet.ErrandKind, email string) (wallet.Errand, error) {
	if kind == wallet.Recover {
		return s.wallet.StartRecovery(r.Context(), email, web.Lang(r), knownMark(r))
	}
	return s.wallet.StartSignUp(r.Context(), email, web.Lang(r))
}

// begin keeps an errand in the browser's session; a fresh token, for it will carry rights.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, e wallet.Errand) error {
	if err := s.sessions.RenewToken(r.Context()); err != nil {
		return fault.New(fault.Unavailable, "walletd.begin", err)
	}
	s.sessions.Put(r.Context(), keyErrand, e.ID)
	http.Redirect(w, r, "/steps", http.StatusSeeOther)
	return nil
}

// mistake says whether an error is the person's to mend on the same page.
func mistake(err error) bool { return fault.Of(err) == fault.Invalid || fault.Of(err) == fault.Busy }

// stepsPage shows an errand at the step it waits for.
type stepsPage struct {
	Errand   wallet.Errand
	Form     *web.Form
	Ceremony web.Ceremony
}

func (stepsPage) Template() string { return "steps.html" }

// At is the number of the step on the way of a sign-up: 1 e-mail, 2 phone, 3 device.
func (p stepsPage) At() int {
	switch p.Errand.Step {
	case wallet.EmailCode:
		return 1
	case wallet.GivePhone, wallet.PhoneCode:
		return 2
	default:
		return 3
	}
}

// SignUp and Recover say which way it is; a change has one step only.
func (p stepsPage) SignUp() bool { return p.Errand.Kind == wallet.SignUp }

// Recover says that the device is lost.
func (p stepsPage) Recover() bool { return p.Errand.Kind == wallet.Recover }

// Code says that a code is waited for, and To where it went, as far as the person knows it anyway.
func (p stepsPage) Code() bool {
	return p.Errand.Step == wallet.EmailCode || p.Errand.Step == wallet.PhoneCode
}

// To is the contact the code went to. The phone on file is shown masked: whoever recovers should know it.
func (p stepsPage) To() string {
	switch {
	case p.Errand.Step == wallet.EmailCode:
		return p.Errand.Email
	case p.Errand.Kind == wallet.Recover:
		return wallet.MaskPhone(p.Errand.Phone)
	default:
		return nationalPhone(p.Errand.Phone)
	}
}

// Phone says that the phone number is waited for.
func (p stepsPage) Phone() bool { return p.Errand.Step == wallet.GivePhone }

// Device says that the passkey is waited for.
func (p stepsPage) Device() bool { return p.Errand.Step == wallet.AddDevice }

func (s *Server) errand(r *http.Request, at ...wallet.Step) (wallet.Errand, error) {
	e, err := s.wallet.Errand(r.Context(), s.sessions.GetString(r.Context(), keyErrand), at...)
	if err != nil || e.Kind == wallet.SignUp || e.Kind == wallet.Recover {
		return e, err
	}
	// A change is for whoever is signed in, and only as long as she is.
	if h, err := s.holder(r); err != nil || h.Subject != e.Subject {
		return wallet.Errand{}, fault.New(fault.Gone, "walletd.errand", err)
	}
	return e, nil
}

func (s *Server) pageSteps(w http.ResponseWriter, r *http.Request) error {
	e, err := s.errand(r, wallet.EmailCode, wallet.GivePhone, wallet.PhoneCode, wallet.AddDevice)
	if err != nil {
		return err
	}
	return s.showStep(w, r, http.StatusOK, e, fault.Text{})
}

func (s *Server) showStep(w http.ResponseWriter, r *http.Request, status int, e wallet.Errand, problem fault.Text) error {
	page := stepsPage{Errand: e, Form: web.NewForm(codeField)}
	switch e.Step {
	case wallet.GivePhone:
		page.Form = web.NewForm(phoneField)
	case wallet.AddDevice:
		c, err := s.wallet.BeginDevice(r.Context(), e.ID)
		if err != nil {
			return err
		}
		page.Form, page.Ceremony = web.NewForm(), s.ask(r, "create", c, "make")
	}
	page.Form.Problem = problem
	s.site.RenderStatus(w, r, status, page)
	return nil
}

// step runs what a step's form asks for and goes on, or shows the step again with what is wrong.
func (s *Server) step(w http.ResponseWriter, r *http.Request, f *web.Form, do func(errand string) (wallet.Errand, error), at ...wallet.Step) error {
	if !s.limits.codes.Allow(web.Source(r, s.cfg.Server.BehindProxy)) {
		return fault.New(fault.Busy, "walletd.step", nil)
	}
	e, err := s.errand(r, at...)
	if err != nil {
		return err
	}
	if !f.Read(w, r) {
		return s.showStepForm(w, r, e, f)
	}
	next, err := do(e.ID)
	if err != nil {
		if mistake(err) {
			return s.showStep(w, r, http.StatusUnprocessableEntity, e, fault.PublicOf(err))
		}
		return err
	}
	if next.Step == wallet.ErrandEnd {
		s.sessions.Remove(r.Context(), keyErrand)
		http.Redirect(w, r, "/account", http.StatusSeeOther)
		return nil
	}
	http.Redirect(w, r, "/steps", http.StatusSeeOther)
	return nil
}

func (s *Server) showStepForm(w http.ResponseWriter, r *http.Request, e wallet.Errand, f *web.Form) error {
	s.site.RenderStatus(w, r, http.StatusUnprocessableEntity, stepsPage{Errand: e, Form: f})
	return nil
}

func (s *Server) doCode(w http.ResponseWriter, r *http.Request) error {
	f := web.NewForm(codeField)
	return s.step(w, r, f, func(errand string) (wallet.Errand, error) {
		return s.wallet.TypeCode(r.Context(), errand, f.Value("code"))
	}, wallet.EmailCode, wallet.PhoneCode)
}

func (s *Server) doAgain(w http.ResponseWriter, r *http.Request) error {
	return s.step(w, r, web.NewForm(), func(errand string) (wallet.Errand, error) {
		return s.wallet.SendAgain(r.Context(), errand)
	}, wallet.EmailCode, wallet.PhoneCode)
}

func (s *Server) doPhone(w http.ResponseWriter, r *http.Request) error {
	f := web.NewForm(phoneField)
	return s.step(w, r, f, func(errand string) (wallet.Errand, error) {
		return s.wallet.TakePhone(r.Context(), errand, f.Value("phone"))
	}, wallet.GivePhone)
}

// doDevice takes the new passkey and signs its holder in.
func (s *Server) doDevice(w http.ResponseWriter, r *http.Request) error {
	e, err := s.errand(r, wallet.AddDevice)
	if err != nil {
		return err
	}
	state, credential, browserKey, err := s.answer(r)
	if err != nil {
		return err
	}
	h, err := s.wallet.FinishDevice(r.Context(), e.ID, state, credential, browserKey)
	if fault.Of(err) == fault.Unauthorised && err != nil {
		s.env.Log.InfoContext(r.Context(), "registration refused", "error", err.Error())
		return s.showStep(w, r, http.StatusUnprocessableEntity, e, fault.PublicOf(err))
	}
	if err != nil {
		return err
	}
	d, err := s.store.Device(r.Context(), h.Subject)
	if err != nil {
		return err
	}
	return s.enter(w, r, h, d.Keys.CredentialID)
}
