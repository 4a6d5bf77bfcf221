package journey

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// page is an answer as a person sees it.
type page struct {
	url    *url.URL
	status int
	header http.Header
	root   node
}

// node is an element of a page.
type node struct{ *html.Node }

func newPage(at *url.URL, resp *http.Response, body []byte) (*page, error) {
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return &page{url: at, status: resp.StatusCode, header: resp.Header, root: node{root}}, nil
}

// attr is an attribute's value, "" where it is missing.
func (n node) attr(name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// has says whether the attribute is there at all.
func (n node) has(name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func (n node) hasClass(class string) bool {
	return slices.Contains(strings.Fields(n.attr("class")), class)
}

// all lists the elements below that fit, in the page's order.
func (n node) all(fits func(node) bool) []node {
	var out []node
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && fits(node{d}) {
			out = append(out, node{d})
		}
	}
	return out
}

// find is the first element that fits, nil for none.
func (n node) find(fits func(node) bool) *node {
	if found := n.all(fits); len(found) > 0 {
		return &found[0]
	}
	return nil
}

func (p *page) find(fits func(node) bool) *node { return p.root.find(fits) }

// words is the text that a person can see, in one line.
func (n node) words() string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(x *html.Node) {
		switch {
		case x.Type == html.TextNode:
			b.WriteString(x.Data + " ")
			return
		case x.Type == html.ElementNode && (x.Data == "script" || x.Data == "noscript" || x.Data == "title" || node{x}.has("hidden")):
			return
		}
		for c := range x.ChildNodes() {
			walk(c)
		}
	}
	walk(n.Node)
	return strings.Join(strings.Fields(b.String()), " ")
}

// heading is the page's h1.
func (p *page) heading() string {
	if h := p.find(func(n node) bool { return n.Data == "h1" }); h != nil {
		return h.words()
	}
	return ""
}

// says reports whether a text can be seen on the page.
func (p *page) says(text string) bool { return strings.Contains(p.root.words(), text) }

// code is the first text in <code> that begins so: an id that the page shows.
func (p *page) code(prefix string) string {
	found := p.find(func(n node) bool { return n.Data == "code" && strings.HasPrefix(n.words(), prefix) })
	if found == nil {
		return ""
	}
	return found.words()
}

// link is the first link whose address begins so.
func (p *page) link(prefix string) string {
	found := p.find(func(n node) bool { return n.Data == "a" && strings.HasPrefix(n.attr("href"), prefix) })
	if found == nil {
		return ""
	}
	return found.attr("href")
}

// formAction is what the page's Content-Security-Policy lets its forms lead to.
func (p *page) formAction() (sources []string, limited bool) {
	for directive := range strings.SplitSeq(p.header.Get("Content-Security-Policy"), ";") {
		if words := strings.Fields(directive); len(words) > 0 && words[0] == "form-action" {
			return words[1:], true
		}
	}
	return nil, false
}

// complaint is what the page tells a person that is wrong, with the rule and the reference number it names.
func (p *page) complaint() string {
	var said []string
	for _, n := range p.root.all(func(n node) bool {
		return !n.has("hidden") && (n.hasClass("notice") && n.hasClass("bad") || n.hasClass("error-page"))
	}) {
		said = append(said, n.words())
	}
	if len(said) == 0 {
		return "no complaint"
	}
	return strings.Join(said, " | ")
}

// unexpected is a page that is not the one the story needs.
type unexpected struct {
	want string
	page *page
}

func wants(what string, got *page) error { return &unexpected{what, got} }

// Error says what was expected and what the page says instead.
func (u *unexpected) Error() string {
	p := u.page
	return fmt.Sprintf("expected %s; %s%s answered %d %q: %s", u.want, p.url.Host, p.url.Path, p.status, p.heading(), p.complaint())
}

// at fails unless the page is at a path that begins so, and well.
func (p *page) at(prefix, what string) error {
	if p.status != http.StatusOK || !strings.HasPrefix(p.url.Path, prefix) {
		return wants(what, p)
	}
	return nil
}
