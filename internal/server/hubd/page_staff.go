package hubd

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/hub"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/web"
)

// staffKey is the session's entry of who signed in.
const staffKey = "staff"

type signInPage struct{ Form *web.Form }

func (signInPage) Template() string { return "sign_in.html" }

type homePage struct{ Services, Banks int }

func (homePage) Template() string { return "home.html" }

func (s *Server) pageHome(w http.ResponseWriter, r *http.Request) error {
	s.site.Render(w, r, homePage{len(s.cfg.Services), len(s.cfg.Banks)})
	return nil
}

// staffName is who is signed in, "" for nobody: a session ends when its name leaves the configuration.
func (s *Server) staffName(r *http.Request) string {
	if name := s.sessions.GetString(r.Context(), staffKey); s.members.Known(name) {
		return name
	}
	return ""
}

func (s *Server) nav(r *http.Request) []web.Link {
	if s.staffName(r) == "" {
		return nil
	}
	links := []web.Link{
		{URL: "/staff", Text: fault.Text{JA: "接続状況", EN: "Matrix"}},
		{URL: "/staff/links", Text: fault.Text{JA: "口座連携", EN: "Links"}},
		{URL: "/staff/debits", Text: fault.Text{JA: "引落依頼", EN: "Debits"}},
		{URL: "/staff/acts", Text: fault.Text{JA: "操作記録", EN: "Acts"}},
	}
	for i := range links {
		links[i].Current = r.URL.Path == links[i].URL
	}
	return links
}

func (s *Server) signOut(r *http.Request) string {
	if s.staffName(r) == "" {
		return ""
	}
	return "/staff/sign-out"
}

// staff lets only signed-in staff through.
func (s *Server) staff(next func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		name := s.staffName(r)
		if name == "" {
			http.Redirect(w, r, "/staff/sign-in", http.StatusSeeOther)
			return nil
		}
		observe.Party(r.Context(), "staff/"+name)
		return next(w, r)
	}
}

// pageSignIn takes a name and a password.
func (s *Server) pageSignIn(w http.ResponseWriter, r *http.Request) error {
	form := web.NewForm(
		web.Field{Name: "name", Kind: web.TextField, Label: fault.Text{JA: "担当者名", EN: "Staff name"}, Autocomplete: "username", Max: 60},
		web.Field{Name: "password", Kind: web.PasswordField, Label: fault.Text{JA: "パスワード", EN: "Password"}, Autocomplete: "current-password", Max: 72})
	if r.Method == http.MethodPost && form.Read(w, r) {
		err := s.members.Check(form.Value("name"), form.Value("password"), web.Source(r, s.cfg.Server.BehindProxy))
		if err == nil {
			if err := s.sessions.RenewToken(r.Context()); err != nil {
				return fault.New(fault.Unavailable, "hubd.SignIn", err)
			}
			s.sessions.Put(r.Context(), staffKey, form.Value("name"))
			http.Redirect(w, r, "/staff", http.StatusSeeOther)
			return nil
		}
		if fault.Of(err) != fault.Unauthorised {
			return err
		}
		form.Problem = fault.Text{JA: "担当者名かパスワードが違います。", EN: "The name or the password is wrong."}
	}
	status := http.StatusOK
	if r.Method == http.MethodPost {
		status = http.StatusUnprocessableEntity
	}
	s.site.RenderStatus(w, r, status, signInPage{form})
	return nil
}

func (s *Server) doSignOut(w http.ResponseWriter, r *http.Request) error {
	if err := s.sessions.Destroy(r.Context()); err != nil {
		return fault.New(fault.Unavailable, "hubd.SignOut", err)
	}
	http.Redirect(w, r, "/staff/sign-in", http.StatusSeeOther)
	return nil
}

// matrixRow is one bank with its state at each service.
type matrixRow struct {
	Bank  hub.Bank
	Cells []matrixCell
}

type matrixCell struct {
	Service id.Service
	Issuer  id.Issuer
	State   string
	Entry   hub.Suspension
}

// entryRow is one suspension in force.
type entryRow struct {
	hub.Suspension
	Of parties
}

type matrixPage struct {
	Services []hub.Service
	Rows     []matrixRow
	Entries  []entryRow
}

func (matrixPage) Template() string { return "matrix.html" }

func (s *Server) pageMatrix(w http.ResponseWriter, r *http.Request) error {
	entries, err := s.store.Suspensions(r.Context())
	if err != nil {
		return err
	}
	page := matrixPage{Services: s.hub.Services}
	for _, e := range entries {
		page.Entries = append(page.Entries, entryRow{e, s.parties(e.Service, e.Issuer)})
	}
	for _, b := range s.hub.Banks {
		row := matrixRow{Bank: b}
		for _, service := range s.hub.Services {
			e := hub.Effective(entries, service.ID, b.Issuer)
			row.Cells = append(row.Cells, matrixCell{service.ID, b.Issuer, e.State.String(), e})
		}
		page.Rows = append(page.Rows, row)
	}
	s.site.Render(w, r, page)
	return nil
}

type suspendPage struct {
	Form  *web.Form
	Entry hub.Suspension
}

func (suspendPage) Template() string { return "suspend.html" }

// suspendForm asks whom, how far and why.
func (s *Server) suspendForm() *web.Form {
	services := []web.Option{{Value: hub.Every, Text: fault.Text{JA: "すべてのサービス", EN: "All services"}}}
	for _, v := range s.hub.Services {
		services = append(services, web.Option{Value: string(v.ID), Text: fault.Text{JA: v.NameJA, EN: v.NameEN}})
	}
	banks := []web.Option{{Value: hub.Every, Text: fault.Text{JA: "すべての銀行", EN: "All banks"}}}
	for _, b := range s.hub.Banks {
		banks = append(banks, web.Option{Value: string(b.Issuer), Text: fault.Text{JA: string(b.Code) + " " + b.NameJA, EN: string(b.Code) + " " + b.NameEN}})
	}
	return web.NewForm(
		web.Field{Name: "service", Kind: web.SelectField, Label: fault.Text{JA: "サービス", EN: "Service"}, Options: services},
		web.Field{Name: "issuer", Kind: web.SelectField, Label: fault.Text{JA: "銀行", EN: "Bank"}, Options: banks},
		web.Field{Name: "state", Kind: web.ChoiceField, Label: fault.Text{JA: "状態", EN: "State"}, Options: []web.Option{
			{Value: "open", Text: fault.Text{JA: "通常（停止を解除）", EN: "Open (lift this entry)"}},
			{Value: "no_new_links", Text: fault.Text{JA: "新規連携を停止", EN: "No new links"}, Hint: fault.Text{JA: "登録済みの連携は続きます。", EN: "Existing links go on."}},
			{Value: "stopped", Text: fault.Text{JA: "新規連携とチャージを停止", EN: "Stopped"}, Hint: fault.Text{JA: "照会と返金は届きます。", EN: "Inquiries and reversals still pass."}},
		}},
		web.Field{Name: "why", Kind: web.TextField, Label: fault.Text{JA: "理由", EN: "Reason"}, Max: 300})
}

func (s *Server) pageSuspend(w http.ResponseWriter, r *http.Request) error {
	form := s.suspendForm()
	if r.Method == http.MethodPost && form.Read(w, r) {
		state, _ := hub.ParseState(form.Value("state")) // the form takes only its own options
		e := hub.Suspension{Service: id.Service(form.Value("service")), Issuer: id.Issuer(form.Value("issuer")), State: state,
			By: s.staffName(r), Why: form.Value("why")}
		if err := s.auditAct(r.Context(), e); err != nil {
			return err
		}
		if err := s.hub.Suspend(r.Context(), e); err != nil {
			return err
		}
		http.Redirect(w, r, "/staff", http.StatusSeeOther)
		return nil
	}
	if r.Method == http.MethodGet {
		for _, name := range []string{"service", "issuer", "state"} {
			form.Set(name, strings.TrimSpace(r.URL.Query().Get(name)))
		}
		s.site.Render(w, r, suspendPage{Form: form})
		return nil
	}
	s.site.RenderStatus(w, r, http.StatusUnprocessableEntity, suspendPage{Form: form})
	return nil
}

// auditAct writes who is about to change the matrix; without that line it is not changed.
func (s *Server) auditAct(ctx context.Context, e hub.Suspension) error {
	if s.audit == nil {
		return nil
	}
	return s.audit.Write(ctx, observe.Entry{Actor: e.By, Action: "matrix." + e.State.String(),
		Subject: string(e.Service) + " × " + string(e.Issuer), Outcome: "done", Detail: map[string]string{"why": e.Why}})
}

// shown bounds the rows of a list page.
const shown = 200

// parties are the names of a service and a bank as staff know them.
type parties struct{ Service, Bank fault.Text }

// parties names whom a row is about; one that takes part no longer, or stands for all, keeps its id.
func (s *Server) parties(service id.Service, issuer id.Issuer) parties {
	every := fault.Text{JA: texts.In("ja", "matrix.every"), EN: texts.In("en", "matrix.every")}
	p := parties{fault.Text{JA: string(service), EN: string(service)}, fault.Text{JA: string(issuer), EN: string(issuer)}}
	if v, ok := s.hub.Service(service); ok {
		p.Service = fault.Text{JA: v.NameJA, EN: v.NameEN}
	} else if service == hub.Every {
		p.Service = every
	}
	if b, ok := s.hub.Bank(issuer); ok {
		p.Bank = fault.Text{JA: string(b.Code) + " " + b.NameJA, EN: string(b.Code) + " " + b.NameEN}
	} else if issuer == hub.Every {
		p.Bank = every
	}
	return p
}

type linkRow struct {
	hub.Link
	Of parties
}

type linksPage struct{ Links []linkRow }

func (linksPage) Template() string { return "links.html" }

func (s *Server) pageLinks(w http.ResponseWriter, r *http.Request) error {
	links, err := s.store.Links(r.Context(), shown)
	if err != nil {
		return err
	}
	page := linksPage{}
	for _, l := range links {
		page.Links = append(page.Links, linkRow{l, s.parties(l.Service, l.Issuer)})
	}
	s.site.Render(w, r, page)
	return nil
}

type debitRow struct {
	hub.Debit
	Of   parties
	Took time.Duration
}

type debitsPage struct{ Debits []debitRow }

func (debitsPage) Template() string { return "debits.html" }

func (s *Server) pageDebits(w http.ResponseWriter, r *http.Request) error {
	debits, err := s.store.Debits(r.Context(), shown)
	if err != nil {
		return err
	}
	page := debitsPage{}
	for _, d := range debits {
		row := debitRow{Debit: d, Of: s.parties(d.Service, d.Issuer)}
		if !d.Answered.IsZero() {
			row.Took = d.Answered.Sub(d.Sent).Round(time.Millisecond)
		}
		page.Debits = append(page.Debits, row)
	}
	s.site.Render(w, r, page)
	return nil
}

// actRow is an act of staff; one about the matrix says whom it was about in words.
type actRow struct {
	hub.Act
	State string // "" for an act of another kind, whose What is shown as it is
	Of    parties
}

func (s *Server) actRow(a hub.Act) actRow {
	row := actRow{Act: a}
	if words := strings.Fields(a.What); len(words) == 4 {
		if state, ok := hub.ParseState(words[0]); ok {
			row.State, row.Of = state.String(), s.parties(id.Service(words[1]), id.Issuer(words[3]))
		}
	}
	return row
}

type actsPage struct{ Acts []actRow }

func (actsPage) Template() string { return "acts.html" }

func (s *Server) pageActs(w http.ResponseWriter, r *http.Request) error {
	acts, err := s.store.Acts(r.Context(), shown)
	if err != nil {
		return err
	}
	page := actsPage{}
	for _, a := range acts {
		page.Acts = append(page.Acts, s.actRow(a))
	}
	s.site.Render(w, r, page)
	return nil
}
