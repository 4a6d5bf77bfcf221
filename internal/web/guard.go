package web

import (
	"crypto/rand"
	"errors"
	"net/http"

	"github.com/kozamori/kozamori/internal/fault"
)

// formCookie stands in every browser that was shown a page. Being SameSite=Strict it never comes with a
// request that another site made, so it also stops forgeries from browsers that send neither Origin nor
// Sec-Fetch-Site, which http.CrossOriginProtection lets pass.
const formCookie = "__Host-form"

// giveFormCookie sets the cookie where it is missing.
func (s *Site) giveFormCookie(w http.ResponseWriter, r *http.Request) {
	if _, err := r.Cookie(formCookie); err == nil {
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: formCookie, Value: rand.Text(), Path: "/",
		HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode,
	})
}

// guard refuses what another site posts.
func (s *Site) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := cross.Check(r)
		if err == nil && !safe(r.Method) {
			if _, missing := r.Cookie(formCookie); missing != nil {
				err = errors.New("no cookie of a page")
			}
		}
		if err != nil {
			s.Error(w, r, &fault.Error{Kind: fault.Forbidden, Op: "web.guard", Err: err, Public: fault.Text{
				JA: "このページの操作は、このサイトの画面から行ってください。画面を開き直してからやり直してください。",
				EN: "Please do this from a page of this site: open the page again and retry. Cookies must be allowed.",
			}})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}
