package web

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/observe"
)

const errorTemplate = "error.html"

// errorPage tells a person what went wrong, by which rule, and the number to name when asking.
type errorPage struct {
	Status    int
	Heading   fault.Text
	Text      fault.Text
	Rule      string
	Reference string
}

// Template names the page's template.
func (errorPage) Template() string { return errorTemplate }

// Error shows an error as a page, with the status of its kind and its public words only, and notes it on
// the log line.
func (s *Site) Error(w http.ResponseWriter, r *http.Request, err error) {
	observe.Failed(r.Context(), err)
	s.errorStatus(w, r, fault.Of(err).Status(), err)
}

func (s *Site) errorStatus(w http.ResponseWriter, r *http.Request, status int, err error) {
	s.RenderStatus(w, r, status, errorPage{
		Status: status, Heading: heading(status), Text: fault.PublicOf(err),
		Rule: fault.RuleOf(err), Reference: observe.RequestID(r.Context()),
	})
}

// Handle turns a handler that may fail into one that shows the error page.
func (s *Site) Handle(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.Error(w, r, err)
		}
	}
}

func heading(status int) fault.Text {
	switch status {
	case http.StatusNotFound:
		return fault.Text{JA: "ページが見つかりません", EN: "Page not found"}
	case http.StatusMethodNotAllowed:
		return fault.Text{JA: "この操作はできません", EN: "This cannot be done here"}
	case http.StatusUnauthorized:
		return fault.Text{JA: "サインインが必要です", EN: "Please sign in"}
	case http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusConflict:
		return fault.Text{JA: "受け付けられませんでした", EN: "This was not accepted"}
	case http.StatusGone:
		return fault.Text{JA: "期限が切れました", EN: "This has expired"}
	case http.StatusTooManyRequests:
		return fault.Text{JA: "少しお待ちください", EN: "Please wait a moment"}
	case http.StatusServiceUnavailable:
		return fault.Text{JA: "ただいまつながりません", EN: "Cannot connect right now"}
	case http.StatusBadRequest:
		return fault.Text{JA: "内容を確認してください", EN: "Please check what was sent"}
	}
	return fault.Text{JA: "問題が起きました", EN: "Something went wrong"}
}

// ProblemBody is an error as programs read it (RFC 9457), everywhere outside OAuth endpoints.
type ProblemBody struct {
	Type     string         `json:"type" doc:"Always about:blank; kind and rule say more."`
	Title    string         `json:"title" doc:"The kind in words."`
	Status   int            `json:"status" doc:"The HTTP status."`
	Detail   string         `json:"detail" doc:"What went wrong, for people."`
	DetailJA string         `json:"detail_ja,omitempty" doc:"The same in Japanese."`
	Kind     string         `json:"kind" enum:"internal,invalid,unauthorised,forbidden,not_found,conflict,refused,busy,unavailable,gone" doc:"What sort of failure it is."`
	Rule     string         `json:"rule,omitempty" doc:"The rule that refuses, as in the requirements." example:"M1"`
	Request  string         `json:"request,omitempty" doc:"The reference number of this request."`
	Errors   []ProblemField `json:"errors,omitempty" doc:"Where the input is wrong."`
}

// ProblemField is one mistake of an input.
type ProblemField struct {
	Where string `json:"where" doc:"The place of the mistake." example:"body.amount"`
	What  string `json:"what" doc:"What is wrong with it."`
}

// Error makes a ProblemBody an error for huma.
func (p *ProblemBody) Error() string { return p.Kind + ": " + p.Detail }

// GetStatus is the HTTP status, for huma.
func (p *ProblemBody) GetStatus() int { return p.Status }

// ContentType is that of RFC 9457.
func (p *ProblemBody) ContentType(string) string { return "application/problem+json" }

// ProblemOf is an error as programs read it: its kind, rule and public words, and the number of the request of ctx.
func ProblemOf(ctx context.Context, err error) *ProblemBody {
	text := fault.PublicOf(err)
	kind := fault.Of(err)
	return &ProblemBody{
		Type: "about:blank", Title: heading(kind.Status()).EN, Status: kind.Status(), Detail: text.In("en"), DetailJA: text.JA,
		Kind: kind.String(), Rule: fault.RuleOf(err), Request: observe.RequestID(ctx),
	}
}

// Problem answers a program with an error as application/problem+json, and notes it on the log line.
func Problem(w http.ResponseWriter, r *http.Request, err error) {
	observe.Failed(r.Context(), err)
	writeProblem(w, ProblemOf(r.Context(), err))
}

func writeProblem(w http.ResponseWriter, p *ProblemBody) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	if p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// HandleAPI turns a handler that may fail into one that answers problem+json.
func HandleAPI(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			Problem(w, r, err)
		}
	}
}

// WriteJSON answers a program.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
