// Package web shows pages: one frame, four looks, two languages, and no page that could be framed, injected
// into, or posted to from another site. A page is a struct and a template; Site.Check holds them together.
package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/observe"
)

// Theme is the look of a site. A person must see at a glance on whose page a secret is asked for.
type Theme string

// The looks.
const (
	Bank   Theme = "bank"
	Wallet Theme = "wallet"
	Hub    Theme = "hub"
	Dev    Theme = "dev"
)

// Page is what a handler shows: a struct whose template, Template() of the site's Pages, defines "title"
// and "content". Its fields and methods are all that the template may use.
type Page interface{ Template() string }

// Link is an entry of the site's navigation.
type Link struct {
	URL     string
	Text    fault.Text
	Icon    string // a name of the icon function, "" for none
	Current bool
}

// Options make a site.
type Options struct {
	Theme  Theme
	Name   fault.Text // in the header and in every window's title
	Accent int        // 0 to 7: tells sites of one theme apart by their hue
	Pages  fs.FS      // the role's templates: *.html at the root; those named _*.html are shared parts
	Texts  Texts      // the words of the templates, asked for by {{t "key"}}
	Static fs.FS      // more files under /static, nil for none

	// Nav is the navigation of the header for this request; nil for none.
	Nav func(*http.Request) []Link

	// SignOut is where the sign-out button of the header posts to, "" for no button.
	SignOut func(*http.Request) string

	// API lists the path prefixes that programs call ("/v1/", "/token"): no session, no cookie, errors as
	// problem+json.
	API []string

	HTTPS bool // browsers come by https: HSTS is sent
}

// Site renders the pages of one role under one name. It is safe for concurrent use.
type Site struct {
	o      Options
	assets *assets
	texts  Texts
	sets   map[string]map[string]*template.Template // by language, then by page template
}

//go:embed templates/*.html
var frameFiles embed.FS

// languages are those of every site; the first is the default.
var languages = [...]string{"ja", "en"}

// NewSite parses all templates, in both languages. What cannot be parsed is an error here, not at a request.
func NewSite(o Options) (*Site, error) {
	assets, err := newAssets(o.Static)
	if err != nil {
		return nil, err
	}
	if _, err := assets.url("theme-" + string(o.Theme) + ".css"); err != nil {
		return nil, fmt.Errorf("web: theme %q: %w", o.Theme, err)
	}
	s := &Site{o: o, assets: assets, texts: merged(ownTexts, o.Texts), sets: map[string]map[string]*template.Template{}}
	for _, lang := range languages {
		set, err := s.parse(lang)
		if err != nil {
			return nil, err
		}
		s.sets[lang] = set
	}
	return s, nil
}

// Named is the same site under another name and accent: the many banks of one program share their templates.
func (s *Site) Named(name fault.Text, accent int) *Site {
	other := *s
	other.o.Name, other.o.Accent = name, accent
	return &other
}

// parse makes one set of templates per page, all with the frame and the shared parts.
func (s *Site) parse(lang string) (map[string]*template.Template, error) {
	base, err := template.New("frame").Funcs(s.funcs(lang)).Option("missingkey=error").ParseFS(frameFiles, "templates/frame.html", "templates/_parts.html")
	if err != nil {
		return nil, fmt.Errorf("web: frame: %w", err)
	}
	pages := map[string]*template.Template{}
	var names []string
	if s.o.Pages != nil {
		if names, err = fs.Glob(s.o.Pages, "*.html"); err != nil {
			return nil, fmt.Errorf("web: pages: %w", err)
		}
	}
	for _, name := range names {
		if strings.HasPrefix(name, "_") {
			if _, err := base.ParseFS(s.o.Pages, name); err != nil {
				return nil, fmt.Errorf("web: %s: %w", name, err)
			}
		}
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "_") {
			if pages[name], err = clone(base, s.o.Pages, name); err != nil {
				return nil, err
			}
		}
	}
	own, err := fs.Sub(frameFiles, "templates")
	if err != nil {
		return nil, fmt.Errorf("web: frame: %w", err)
	}
	pages[errorTemplate], err = clone(base, own, errorTemplate)
	return pages, err
}

func clone(base *template.Template, from fs.FS, name string) (*template.Template, error) {
	t, err := base.Clone()
	if err != nil {
		return nil, fmt.Errorf("web: %s: %w", name, err)
	}
	if _, err := t.ParseFS(from, name); err != nil {
		return nil, fmt.Errorf("web: %s: %w", name, err)
	}
	for _, want := range []string{"title", "content"} {
		if t.Lookup(want) == nil {
			return nil, fmt.Errorf("web: %s does not define %q", name, want)
		}
	}
	return t, nil
}

// Render shows a page with status 200.
func (s *Site) Render(w http.ResponseWriter, r *http.Request, p Page) {
	s.RenderStatus(w, r, http.StatusOK, p)
}

// RenderStatus shows a page with another status (422 for a form with mistakes). The page is complete before
// the first byte goes out; a template that fails becomes the error page.
func (s *Site) RenderStatus(w http.ResponseWriter, r *http.Request, status int, p Page) {
	var b bytes.Buffer
	if err := s.execute(&b, r, p); err != nil {
		if p.Template() == errorTemplate {
			http.Error(w, "500 "+observe.RequestID(r.Context()), http.StatusInternalServerError)
			return
		}
		s.Error(w, r, err)
		return
	}
	s.giveFormCookie(w, r)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", Lang(r))
	h.Add("Vary", "Accept-Language")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}

func (s *Site) execute(b *bytes.Buffer, r *http.Request, p Page) error {
	t := s.sets[Lang(r)][p.Template()]
	if t == nil {
		return fault.New(fault.Internal, "web.Render", fmt.Errorf("no template %q", p.Template()))
	}
	if err := t.ExecuteTemplate(b, "frame", s.frame(r, p)); err != nil {
		return fault.New(fault.Internal, "web.Render", err)
	}
	return nil
}

// frame is the data of the frame around a page.
type frame struct {
	Lang    string
	Theme   Theme
	Accent  int
	Site    string
	Home    string
	Nav     []navEntry
	SignOut string
	Switch  string // the same page in the other language
	Other   string // that language

	ThemeStyle, ThemeIcon string

	Page Page
}

type navEntry struct {
	URL, Text, Icon string
	Current         bool
}

func (s *Site) frame(r *http.Request, p Page) frame {
	lang := Lang(r)
	f := frame{
		Lang: lang, Theme: s.o.Theme, Accent: s.o.Accent, Site: s.o.Name.In(lang), Home: "/",
		Switch: switchURL(r, other(lang)), Other: other(lang), Page: p,
		ThemeStyle: s.assets.base + "theme-" + string(s.o.Theme) + ".css",
		ThemeIcon:  s.assets.base + "icon-" + string(s.o.Theme) + ".svg",
	}
	if r.Context().Value(whoKey{}) == nil {
		return f
	}
	if s.o.Nav != nil {
		for _, l := range s.o.Nav(r) {
			current := l.Current || path.Clean(l.URL) == path.Clean(r.URL.Path)
			f.Nav = append(f.Nav, navEntry{l.URL, l.Text.In(lang), l.Icon, current})
		}
	}
	if s.o.SignOut != nil {
		f.SignOut = s.o.SignOut(r)
	}
	return f
}
