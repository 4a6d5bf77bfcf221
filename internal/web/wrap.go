package web

import (
	"context"
	"mime"
	"net/http"
	"strings"

	"github.com/alexedwards/scs/v2"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/observe"
)

// Wrap puts everything around a role's routes that pages and APIs need: headers, language, protection
// against forged posts, the session (nil for none), our own 404 and 405, and the static files. What lies
// under Options.API gets no session and answers problem+json. Put observe.Wide around the result.
func (s *Site) Wrap(mux *http.ServeMux, sessions *scs.SessionManager) http.Handler {
	routes := observe.Routed(s.fallback(mux))
	pages := pastSession(routes)
	if sessions != nil {
		sessions.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
			s.Error(w, r, fault.New(fault.Unavailable, "web.session", err))
		}
		pages = sessions.LoadAndSave(pages)
	}
	pages = headers(chooseLanguage(s.guard(s.bounded(pages)), s.o.HTTPS), s.o.HTTPS)
	assets, reference, api := headers(s.assets, s.o.HTTPS), headers(routes, s.o.HTTPS), plainHeaders(routes, s.o.HTTPS)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, staticPrefix):
			assets.ServeHTTP(w, r)
		case s.isAPI(r) && strings.HasPrefix(r.URL.Path, referencePrefix):
			reference.ServeHTTP(w, r)
		case s.isAPI(r):
			api.ServeHTTP(w, r)
		default:
			pages.ServeHTTP(w, r)
		}
	})
}

// bounded lets pages be sent plain forms of at most MaxForm. A multipart one is refused before anybody parses it: the
// standard library spools it to files which, since requests are copied on their way, nobody removes.
func (s *Site) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if r.ContentLength > MaxForm || r.ContentLength != 0 && (err != nil || kind != "application/x-www-form-urlencoded") {
			s.Error(w, r, &fault.Error{Kind: fault.Invalid, Op: "web.bounded", Err: err, Public: fault.Text{
				JA: "送信された内容を読み取れませんでした。もう一度お試しください。", EN: "The form could not be read. Please try again."}})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, MaxForm)
		next.ServeHTTP(w, r)
	})
}

// whoKey marks a request whose session, if the site has sessions, is loaded.
type whoKey struct{}

// pastSession marks requests that have come past the session: only for them may a page ask who is there. An error page
// for a forged post, a broken session store or a panic is shown without navigation.
func pastSession(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), whoKey{}, true)))
	})
}

func (s *Site) isAPI(r *http.Request) bool {
	for _, p := range s.o.API {
		if strings.HasPrefix(r.URL.Path, p) {
			return true
		}
	}
	return false
}

// fallback answers what no route takes in our own words; the mux itself would answer bare text.
func (s *Site) fallback(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		probe := &statusProbe{header: http.Header{}}
		h.ServeHTTP(probe, r)
		err := error(&fault.Error{Kind: fault.NotFound, Op: "web.route", Public: fault.Text{
			JA: "アドレスが正しいかご確認ください。ページは移動したか、終わったのかもしれません。", EN: "Please check the address. The page may have moved, or be over."}})
		status := http.StatusNotFound
		if probe.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", probe.header.Get("Allow"))
			status = probe.status
			err = &fault.Error{Kind: fault.Invalid, Op: "web.route", Public: fault.Text{
				JA: "このアドレスではその操作はできません。", EN: "This address does not take that method."}}
		}
		observe.Failed(r.Context(), err)
		if s.isAPI(r) {
			p := ProblemOf(r.Context(), err)
			p.Status, p.Title = status, heading(status).EN
			writeProblem(w, p)
			return
		}
		s.errorStatus(w, r, status, err)
	})
}

// statusProbe takes an answer and keeps only its status and headers.
type statusProbe struct {
	header http.Header
	status int
}

func (p *statusProbe) Header() http.Header         { return p.header }
func (p *statusProbe) Write(b []byte) (int, error) { return len(b), nil }
func (p *statusProbe) WriteHeader(status int)      { p.status = status }
