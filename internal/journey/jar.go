package journey

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// jar keeps the cookies of one browser, each for the host that set it. Browsers hold *.localhost for a safe
// place and send Secure cookies there over plain http; net/http/cookiejar does not, and knows no SameSite.
type jar struct {
	hosts map[string]map[string]kept
}

type kept struct {
	value string
	same  http.SameSite
	until time.Time // zero: until the browser closes
}

// take keeps what an answer sets; what a browser would refuse is dropped.
func (j *jar) take(from *url.URL, cookies []*http.Cookie, now time.Time) {
	host := from.Hostname()
	for _, c := range cookies {
		if !acceptable(from, c) {
			continue
		}
		if j.hosts == nil {
			j.hosts = map[string]map[string]kept{}
		}
		if j.hosts[host] == nil {
			j.hosts[host] = map[string]kept{}
		}
		until := c.Expires
		if c.MaxAge > 0 {
			until = now.Add(time.Duration(c.MaxAge) * time.Second)
		}
		if c.MaxAge < 0 || !until.IsZero() && !now.Before(until) {
			delete(j.hosts[host], c.Name)
			continue
		}
		j.hosts[host][c.Name] = kept{c.Value, c.SameSite, until}
	}
}

// acceptable says whether a browser keeps a cookie: the rules of Secure and of the __Host- prefix (RFC 6265bis).
// Cookies for a whole domain or one folder are kept by nobody here: the roles set none.
func acceptable(from *url.URL, c *http.Cookie) bool {
	safe := from.Scheme == "https" || from.Hostname() == "localhost" || strings.HasSuffix(from.Hostname(), ".localhost")
	switch {
	case c.Domain != "" || c.Path != "/":
		return false
	case c.Secure && !safe, strings.HasPrefix(c.Name, "__Host-") && !c.Secure:
		return false
	}
	return true
}

// put adds the cookies of the host to a request. crossed says that another site led here: SameSite=Strict stays
// at home then, and anything but None with a post.
func (j *jar) put(r *http.Request, crossed bool, now time.Time) {
	for name, c := range j.hosts[r.URL.Hostname()] {
		lax := c.same == http.SameSiteStrictMode || c.same != http.SameSiteNoneMode && r.Method != http.MethodGet
		if crossed && lax || !c.until.IsZero() && !now.Before(c.until) {
			continue
		}
		r.AddCookie(&http.Cookie{Name: name, Value: c.value})
	}
}
