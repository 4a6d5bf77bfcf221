package walletd

import (
	"context"
	"net/http"
	"slices"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/identity"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/web"
)

const keyStaff = "staff" // who of the staff is signed in

// has says whether a member of staff has a role.
func (c StaffConfig) has(role string) bool { return slices.Contains(c.Roles, role) }

// staffMember finds a member of staff by name.
func (s *Server) staffMember(name string) (StaffConfig, bool) {
	i := slices.IndexFunc(s.cfg.Staff, func(c StaffConfig) bool { return c.Name == name })
	if i < 0 {
		return StaffConfig{}, false
	}
	return s.cfg.Staff[i], true
}

// staffSession marks a request whose staff session was loaded.
type staffSession struct{}

// inStaffSession loads the staff's own session around a handler.
func (s *Server) inStaffSession(next http.Handler) http.Handler {
	return s.staffers.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), staffSession{}, true)))
	}))
}

// staffName is who is signed in, "" for nobody, and on pages outside the staff's session.
func (s *Server) staffName(r *http.Request) string {
	if r.Context().Value(staffSession{}) == nil {
		return ""
	}
	return s.staffers.GetString(r.Context(), keyStaff)
}

// staff lets only members of staff with a role through.
func (s *Server) staff(role string, next func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		c, known := s.staffMember(s.staffName(r))
		if !known {
			http.Redirect(w, r, "/staff/sign-in", http.StatusSeeOther)
			return nil
		}
		observe.Party(r.Context(), "staff/"+c.Name)
		if !c.has(role) {
			return fault.New(fault.Forbidden, "walletd.staff", nil)
		}
		return next(w, r)
	}
}

func (s *Server) staffNav(r *http.Request) []web.Link {
	c, known := s.staffMember(s.staffName(r))
	if !known {
		return nil
	}
	var links []web.Link
	if c.has(RoleIdentity) {
		links = append(links, web.Link{URL: "/staff", Text: fault.Text{JA: "本人確認", EN: "Identity"}, Icon: "person"})
	}
	if c.has(RoleMoney) {
		links = append(links, web.Link{URL: "/staff/money", Text: fault.Text{JA: "照合と返金", EN: "Books"}, Icon: "list"})
	}
	return links
}

type staffSignInPage struct{ Form *web.Form }

func (staffSignInPage) Template() string { return "staff_signin.html" }

func (s *Server) pageStaffSignIn(w http.ResponseWriter, r *http.Request) error {
	form := web.NewForm(
		web.Field{Name: "name", Kind: web.TextField, Label: fault.Text{JA: "担当者名", EN: "Staff name"}, Autocomplete: "username", Max: 60},
		web.Field{Name: "password", Kind: web.PasswordField, Label: fault.Text{JA: "パスワード", EN: "Password"}, Autocomplete: "current-password", Max: 72})
	if r.Method == http.MethodGet {
		s.site.Render(w, r, staffSignInPage{form})
		return nil
	}
	if form.Read(w, r) {
		err := s.members.Check(form.Value("name"), form.Value("password"), web.Source(r, s.cfg.Server.BehindProxy))
		if err == nil {
			if err := s.staffers.RenewToken(r.Context()); err != nil {
				return fault.New(fault.Unavailable, "walletd.StaffSignIn", err)
			}
			s.staffers.Put(r.Context(), keyStaff, form.Value("name"))
			http.Redirect(w, r, s.staffHome(form.Value("name")), http.StatusSeeOther)
			return nil
		}
		if fault.Of(err) != fault.Unauthorised {
			return err
		}
		form.Problem = fault.Text{JA: "担当者名かパスワードが違います。", EN: "The name or the password is wrong."}
	}
	s.site.RenderStatus(w, r, http.StatusUnprocessableEntity, staffSignInPage{form})
	return nil
}

// staffHome is the first page of a member of staff, by role.
func (s *Server) staffHome(name string) string {
	if c, _ := s.staffMember(name); !c.has(RoleIdentity) && c.has(RoleMoney) {
		return "/staff/money"
	}
	return "/staff"
}

func (s *Server) doStaffSignOut(w http.ResponseWriter, r *http.Request) error {
	if err := s.staffers.Destroy(r.Context()); err != nil {
		return fault.New(fault.Unavailable, "walletd.StaffSignOut", err)
	}
	http.Redirect(w, r, "/staff/sign-in", http.StatusSeeOther)
	return nil
}

// staffPage finds a holder.
type staffPage struct {
	Form  *web.Form
	Asked bool
	Found *wallet.Holder
}

func (staffPage) Template() string { return "staff.html" }

func (s *Server) pageStaff(w http.ResponseWriter, r *http.Request) error {
	page := staffPage{Form: web.NewForm(web.Field{Name: "holder", Kind: web.TextField, Max: 254,
		Label: fault.Text{JA: "メールアドレスまたは会員番号", EN: "E-mail address or member number"}})}
	typed := r.URL.Query().Get("holder")
	if typed == "" {
		s.site.Render(w, r, page)
		return nil
	}
	page.Form.Set("holder", typed)
	page.Asked = true
	h, err := s.wallet.FindHolder(r.Context(), typed)
	switch {
	case err == nil:
		page.Found = &h
	case fault.Of(err) != fault.NotFound && fault.Of(err) != fault.Invalid:
		return err
	}
	s.site.Render(w, r, page)
	return nil
}

// provePage takes the evidence that grants level 2.
type provePage struct {
	Holder wallet.Holder
	Proved bool
	Proof  identity.Proof
	Form   *web.Form
	Rule   string
	Done   bool
}

func (provePage) Template() string { return "staff_prove.html" }

// URL is where the form goes.
func (p provePage) URL() string { return "/staff/holders/" + string(p.Holder.Subject) }

func proveForm() *web.Form {
	var kinds []web.Option
	for _, k := range identity.Kinds() {
		kinds = append(kinds, web.Option{Value: string(k.Kind), Text: k.Name})
	}
	return web.NewForm(
		web.Field{Name: "name_kana", Kind: web.TextField, Max: 100, Label: fault.Text{JA: "氏名（カナ）", EN: "Name in kana"},
			Hint: fault.Text{JA: "例：サトウ ハナコ", EN: "For example サトウ ハナコ"}},
		web.Field{Name: "birth_date", Kind: web.DateField, Label: fault.Text{JA: "生年月日", EN: "Date of birth"}},
		web.Field{Name: "document_kind", Kind: web.ChoiceField, Label: fault.Text{JA: "確認した書類（原本）", EN: "Document, the original"}, Options: kinds},
		web.Field{Name: "document_number", Kind: web.TextField, Max: 40, Label: fault.Text{JA: "書類の番号", EN: "Its number"},
			Hint: fault.Text{JA: "番号そのものは保存されません。", EN: "The number itself is not kept."}},
		web.Field{Name: "namesake", Kind: web.TextField, Max: 200, Optional: true,
			Label: fault.Text{JA: "同姓同名・同じ生年月日の方と区別した方法", EN: "How told apart from a namesake of the same birth date"}},
		web.Field{Name: "seen", Kind: web.CheckField, Label: fault.Text{
			JA: "書類の原本と本人の顔を、対面で確認しました。", EN: "I have seen the original and the person herself."}})
}

func (s *Server) pageProve(w http.ResponseWriter, r *http.Request) error {
	h, err := s.store.Holder(r.Context(), id.Subject(r.PathValue("subject")))
	if err != nil {
		return err
	}
	page := provePage{Holder: h, Form: proveForm()}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		status = http.StatusUnprocessableEntity
		if page.Form.Read(w, r) {
			f := page.Form
			h, err = s.prove(r.Context(), s.staffName(r), h.Subject, identity.Evidence{
				NameKana: f.Value("name_kana"), BirthDate: f.Value("birth_date"), Namesake: f.Value("namesake"),
				Document: identity.Document{Kind: identity.Kind(f.Value("document_kind")), Number: f.Value("document_number")},
			})
			switch {
			case err == nil:
				page, status = provePage{Holder: h, Form: proveForm(), Done: true}, http.StatusOK
			case fault.Of(err) == fault.Invalid || fault.Of(err) == fault.Refused:
				observe.Failed(r.Context(), err)
				page.Form.Problem, page.Rule = fault.PublicOf(err), fault.RuleOf(err)
			default:
				return err
			}
		}
	}
	if page.Proved = page.Holder.Level >= identity.Proved; page.Proved {
		if page.Proof, err = s.store.Proof(r.Context(), h.Subject); err != nil {
			return err
		}
	}
	s.site.RenderStatus(w, r, status, page)
	return nil
}

// prove grants level 2 in the name of a member of staff. Who asked for it is on record before it is done.
func (s *Server) prove(ctx context.Context, by string, sub id.Subject, ev identity.Evidence) (wallet.Holder, error) {
	ev.Method, ev.Examiner, ev.At = identity.Counter, by, s.env.Now()
	if err := s.record(ctx, observe.Entry{Actor: "staff/" + by, Action: "identity.prove", Subject: string(sub), Outcome: "asked"}); err != nil {
		return wallet.Holder{}, err
	}
	h, err := s.wallet.Prove(ctx, sub, ev)
	outcome := "done"
	if err != nil {
		outcome = "refused"
	}
	return h, firstOf(err, s.record(ctx, observe.Entry{Actor: "staff/" + by, Action: "identity.prove", Subject: string(sub),
		Outcome: outcome, Rule: fault.RuleOf(err)}))
}

// record writes a line of the audit log.
func (s *Server) record(ctx context.Context, e observe.Entry) error {
	if s.audit == nil {
		return nil
	}
	return s.audit.Write(ctx, e)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
