package journey

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/wire"
)

const (
	mostRedirects = 10
	mostBytes     = 4 << 20
	pageTime      = 40 * time.Second
	settleTime    = 2 * time.Minute // a message that was lost is sent again within it
)

// browser does what a person's browser does with the pages of the roles: keeps cookies, says where it comes
// from, obeys the pages' form-action, and asks its passkeys. It knows nothing that the pages do not say.
type browser struct {
	transport http.RoundTripper
	jar       jar
	keys      *keyring
	saw       func(kind, secret string)
}

// newBrowser is a browser on a device of its own. synced says whether its passkeys may leave the device.
func newBrowser(synced bool) *browser {
	nobody := func(string, string) {}
	return &browser{transport: wire.LocalhostTransport(), keys: &keyring{synced: synced, saw: nobody}, saw: nobody}
}

// browser is a new one of somebody of this journey.
func (w *world) browser(synced bool) *browser {
	b := newBrowser(synced)
	b.saw, b.keys.saw = w.saw, w.saw
	return b
}

// tell names the secrets of a visit: what was typed, what the address and the answer's cookies bring.
func (b *browser) tell(v visit, cookies []*http.Cookie) {
	for _, name := range []string{"pin", "new_pin", "code", "reference", "password"} {
		b.saw(name, v.form.Get(name))
	}
	b.saw("authorization code", v.to.Query().Get("code"))
	for _, c := range cookies {
		b.saw("cookie "+c.Name, c.Value)
	}
}

// visit is one way to a page: an address that was typed, a link that was followed, a form that was sent.
type visit struct {
	method string
	to     *url.URL
	form   url.Values
	from   *page // nil: typed
	script bool  // asked for by the page's own script
}

// open goes to an address that was typed or opened from outside a browser.
func (b *browser) open(ctx context.Context, address string) (*page, error) {
	to, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	return b.visit(ctx, visit{method: http.MethodGet, to: to})
}

// follow goes where a link of a page leads.
func (b *browser) follow(ctx context.Context, from *page, href string) (*page, error) {
	to, err := from.url.Parse(href)
	if err != nil {
		return nil, err
	}
	return b.visit(ctx, visit{method: http.MethodGet, to: to, from: from})
}

// visit goes to a page, through redirects.
func (b *browser) visit(ctx context.Context, v visit) (*page, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTime)
	defer cancel()
	if err := v.obeys(v.to); err != nil {
		return nil, err
	}
	way := []*url.URL{v.to}
	for range mostRedirects {
		resp, err := b.send(ctx, v, way)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, mostBytes))
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			return nil, err
		}
		b.jar.take(v.to, resp.Cookies(), time.Now())
		b.tell(v, resp.Cookies())
		if !redirects(resp) {
			return newPage(v.to, resp, body)
		}
		next, err := v.to.Parse(resp.Header.Get("Location"))
		if err != nil {
			return nil, err
		}
		if err := v.obeys(next); err != nil {
			return nil, err
		}
		v.method, v.to = http.MethodGet, next
		way = append(way, next)
	}
	return nil, fmt.Errorf("%s: redirects without an end", v.to.Redacted())
}

// redirects says whether an answer leads on. All of our pages redirect with 303 or, for a GET, 302.
func redirects(resp *http.Response) bool {
	return resp.StatusCode == http.StatusSeeOther || resp.StatusCode == http.StatusFound
}

// obeys refuses to send a form where its page's Content-Security-Policy does not allow it, redirects included.
func (v visit) obeys(to *url.URL) error {
	if v.form == nil || v.from == nil {
		return nil
	}
	allowed, limited := v.from.formAction()
	if !limited {
		return nil
	}
	if slices.Contains(allowed, "'self'") && origin(to) == origin(v.from.url) || slices.Contains(allowed, origin(to)) {
		return nil
	}
	return fmt.Errorf("a browser would not send the form of %s to %s: its form-action is %q", v.from.url.Path, origin(to), allowed)
}

// send makes one request with the headers of a browser (Fetch Metadata).
func (b *browser) send(ctx context.Context, v visit, way []*url.URL) (*http.Response, error) {
	var body io.Reader
	if v.method == http.MethodPost {
		body = strings.NewReader(v.form.Encode())
	}
	r, err := http.NewRequestWithContext(ctx, v.method, v.to.String(), body)
	if err != nil {
		return nil, err
	}
	h := r.Header
	h.Set("User-Agent", "Mozilla/5.0 (Kozamori journey)")
	h.Set("Accept", "text/html")
	h.Set("Accept-Language", "en")
	if v.method == http.MethodPost {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
		h.Set("Origin", origin(v.from.url))
	}
	site := relation(v.from, way)
	h.Set("Sec-Fetch-Site", site)
	h.Set("Sec-Fetch-Mode", "navigate")
	h.Set("Sec-Fetch-Dest", "document")
	if v.script {
		h.Set("Sec-Fetch-Mode", "cors")
		h.Set("Sec-Fetch-Dest", "empty")
	}
	b.jar.put(r, site == "cross-site", time.Now())
	return b.transport.RoundTrip(r)
}

// relation is the Sec-Fetch-Site of a request that came this way from a page.
func relation(from *page, way []*url.URL) string {
	if from == nil {
		return "none"
	}
	worst := "same-origin"
	for _, u := range way {
		switch {
		case origin(u) == origin(from.url):
		case site(u) == site(from.url):
			worst = "same-site"
		default:
			return "cross-site"
		}
	}
	return worst
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// site is the scheme and the registrable domain: of wallet.localhost that is all, of 0149.bank.localhost it is
// bank.localhost.
func site(u *url.URL) string {
	labels := strings.Split(u.Hostname(), ".")
	return u.Scheme + "://" + strings.Join(labels[max(0, len(labels)-2):], ".")
}

// settled waits with a page until it no longer asks its server for news of itself, as its script does.
func (b *browser) settled(ctx context.Context, p *page) (*page, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		region := p.find(func(n node) bool { return n.has("data-poll") })
		if region == nil {
			return p, nil
		}
		every, err := time.ParseDuration(region.attr("data-every") + "s")
		if err != nil {
			return nil, fmt.Errorf("%s: data-every %q", p.url.Path, region.attr("data-every"))
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s does not settle: %w", p.url.Path, ctx.Err())
		case <-time.After(every):
		}
		to, err := p.url.Parse(region.attr("data-poll"))
		if err != nil {
			return nil, err
		}
		fresh, err := b.visit(ctx, visit{method: http.MethodGet, to: to, from: p, script: true})
		if err != nil {
			return nil, err
		}
		now := fresh.find(func(n node) bool { return n.attr("id") == region.attr("id") })
		if fresh.status != http.StatusOK || now == nil {
			return nil, wants("news of the region "+region.attr("id"), fresh)
		}
		if on := now.attr("data-go"); on != "" {
			return b.follow(ctx, p, on)
		}
		p = fresh
	}
}
