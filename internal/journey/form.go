package journey

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// form is a form of a page while a person fills it in. The first mistake is kept and told at sending.
type form struct {
	page     *page
	node     node
	controls []*control
	mistake  error
}

// control is a question of a form.
type control struct {
	node
	name     string
	value    string
	offered  []string // of radio buttons and selects
	sent     bool     // unticked boxes and unchosen buttons are not
	checkbox bool
}

// form finds the page's one form whose address ends so.
func (p *page) form(action string) *form {
	f := &form{page: p}
	found := p.root.all(func(n node) bool {
		return n.Data == "form" && (n.attr("action") == action || strings.HasSuffix(n.attr("action"), action) && len(action) > 1)
	})
	if len(found) != 1 {
		f.mistake = wants(fmt.Sprintf("one form %q, found %d", action, len(found)), p)
		return f
	}
	f.node = found[0]
	for _, n := range f.node.all(func(n node) bool { return slices.Contains([]string{"input", "select", "textarea"}, n.Data) }) {
		if n.attr("name") != "" && !n.has("disabled") {
			f.add(n)
		}
	}
	return f
}

func (f *form) add(n node) {
	c := &control{node: n, name: n.attr("name"), value: n.attr("value"), sent: true}
	switch kind := n.attr("type"); {
	case n.Data == "select":
		c.value = ""
		for _, o := range n.all(func(o node) bool { return o.Data == "option" }) {
			c.offered = append(c.offered, o.attr("value"))
			if o.has("selected") {
				c.value = o.attr("value")
			}
		}
	case kind == "radio":
		if group := f.control(c.name); group != nil {
			group.offered = append(group.offered, c.value)
			if n.has("checked") {
				group.value, group.sent = c.value, true
			}
			return
		}
		c.offered, c.sent = []string{c.value}, n.has("checked")
	case kind == "checkbox":
		c.checkbox, c.sent = true, n.has("checked")
	}
	f.controls = append(f.controls, c)
}

func (f *form) control(name string) *control {
	i := slices.IndexFunc(f.controls, func(c *control) bool { return c.name == name })
	if i < 0 {
		return nil
	}
	return f.controls[i]
}

// fill types or chooses an answer; for a box any value ticks it.
func (f *form) fill(name, value string) *form {
	if f.mistake != nil {
		return f
	}
	c := f.control(name)
	switch {
	case c == nil:
		f.mistake = wants("a form with "+name, f.page)
	case c.offered != nil && !slices.Contains(c.offered, value):
		f.mistake = wants(fmt.Sprintf("%q among the choices %q of %s", value, c.offered, name), f.page)
	case c.checkbox:
		c.sent = true
	default:
		c.value, c.sent = value, true
	}
	return f
}

// values are what the browser sends; what it would hold a person back for is an error.
func (f *form) values() (url.Values, error) {
	v := url.Values{}
	for _, c := range f.controls {
		if c.attr("type") != "hidden" && c.has("required") && (!c.sent || c.value == "") {
			return nil, wants("an answer to the required "+c.name, f.page)
		}
		if most, err := strconv.Atoi(c.attr("maxlength")); err == nil && utf8.RuneCountInString(c.value) > most {
			return nil, wants(fmt.Sprintf("an answer to %s of at most %d characters", c.name, most), f.page)
		}
		if c.sent {
			v.Add(c.name, c.value)
		}
	}
	return v, nil
}

// press sends a form with its button. Where the form has a ceremony, the passkeys are asked first.
func (b *browser) press(ctx context.Context, f *form) (*page, error) {
	v, err := b.compose(f)
	if err != nil {
		return nil, err
	}
	return b.visit(ctx, v)
}

// redirected sends a form and answers where the answer leads, without going there.
func (b *browser) redirected(ctx context.Context, f *form) (string, error) {
	v, err := b.compose(f)
	if err != nil {
		return "", err
	}
	resp, err := b.send(ctx, v, []*url.URL{v.to})
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostBytes))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return "", err
	}
	b.jar.take(v.to, resp.Cookies(), time.Now())
	b.tell(v, resp.Cookies())
	if !redirects(resp) {
		at, err := newPage(v.to, resp, body)
		if err == nil {
			err = wants("a page that leads on", at)
		}
		return "", err
	}
	return resp.Header.Get("Location"), nil
}

// patience is how often somebody comes back who is told that the service is busy or cannot reach her bank.
const patience = 5

// patiently does something again as long as the page says to try later.
func patiently(ctx context.Context, do func() error) error {
	for n := 1; ; n++ {
		err := do()
		u, ok := errors.AsType[*unexpected](err)
		if !ok || u.page.status != http.StatusServiceUnavailable && u.page.status != http.StatusTooManyRequests || n == patience {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(n) * time.Second):
		}
	}
}

// compose is what pressing a form's button makes the browser do.
func (b *browser) compose(f *form) (v visit, err error) {
	if f.mistake != nil {
		return v, f.mistake
	}
	button := f.node.find(func(n node) bool { return n.Data == "button" && n.attr("type") != "button" })
	if button == nil {
		return v, wants("a button in the form "+f.node.attr("action"), f.page)
	}
	if box := f.node.find(func(n node) bool { return n.has("data-ceremony") }); box != nil {
		answers, err := b.keys.perform(f.page.url, *box)
		if err != nil {
			return v, fmt.Errorf("%s: passkey: %w", f.page.url.Path, err)
		}
		for name, value := range answers {
			f.fill(name, value)
		}
	}
	values, err := f.values()
	if err != nil || f.mistake != nil {
		return v, errors.Join(err, f.mistake)
	}
	if name := button.attr("name"); name != "" {
		values.Add(name, button.attr("value"))
	}
	to, err := f.page.url.Parse(f.node.attr("action"))
	if err != nil {
		return v, err
	}
	if strings.EqualFold(f.node.attr("method"), http.MethodPost) {
		return visit{method: http.MethodPost, to: to, form: values, from: f.page}, nil
	}
	to.RawQuery = values.Encode()
	return visit{method: http.MethodGet, to: to, from: f.page}, nil
}
