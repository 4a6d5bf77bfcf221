package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// policy is the Content-Security-Policy of every page: nothing but our own files, nothing inline.
func policy(formAction []string) string {
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
		"manifest-src 'self'; form-action " + strings.Join(append([]string{"'self'"}, formAction...), " ") +
		"; frame-ancestors 'none'; base-uri 'none'"
}

// AllowFormAction lets a form of this one response lead, through redirects, to the given origins
// ("https://wallet.example"): Chrome applies form-action to the redirects of a submitted form, and the
// bank's consent leads to the service. Call it before the page is rendered. An origin that is no plain
// http(s) origin is an error.
func AllowFormAction(w http.ResponseWriter, origins ...string) error {
	for _, o := range origins {
		u, err := url.Parse(o)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.Scheme+"://"+u.Host != o || strings.ContainsAny(o, " ;,'\"*") {
			return fmt.Errorf("web: %q is not an origin", o)
		}
	}
	w.Header().Set("Content-Security-Policy", policy(origins))
	return nil
}

const permissions = "publickey-credentials-get=(self), publickey-credentials-create=(self), microphone=(), geolocation=(), payment=(), usb=()"

// AllowCamera lets this one response ask for the camera (a till that reads codes). Call it before the page
// is rendered.
func AllowCamera(w http.ResponseWriter) {
	w.Header().Set("Permissions-Policy", permissions+", camera=(self)")
}

// headers puts the headers of a page on every answer; a handler may change them before it writes.
func headers(next http.Handler, https bool) http.Handler {
	csp := policy(nil)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", csp)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin") // "no-referrer" would make the Origin of our own forms null
		h.Set("Permissions-Policy", permissions+", camera=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if https {
			h.Set("Strict-Transport-Security", strictTransport)
		}
		next.ServeHTTP(w, r)
	})
}

const strictTransport = "max-age=63072000; includeSubDomains"

// plainHeaders puts on an answer to a program what keeps a browser from showing it as anything, framed or not. The
// other headers of pages would say nothing more there and be three quarters of a short answer.
func plainHeaders(next http.Handler, https bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if https {
			h.Set("Strict-Transport-Security", strictTransport)
		}
		next.ServeHTTP(w, r)
	})
}
