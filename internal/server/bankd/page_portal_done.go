package bankd

import (
	"net/http"
	"strings"
)

// did leads to a page that says once what was just done. It is kept in the session: no link from elsewhere makes
// the bank say that something is done.
func (t *tenant) did(w http.ResponseWriter, r *http.Request, what, to string) error {
	t.sessions.Put(r.Context(), sessionDone, to+" "+what)
	return onward(w, r, to)
}

// done is what was just done, where this is the page to say it on.
func (t *tenant) done(r *http.Request) string {
	to, what, _ := strings.Cut(t.sessions.PopString(r.Context(), sessionDone), " ")
	if to != r.URL.Path {
		return ""
	}
	return what
}
