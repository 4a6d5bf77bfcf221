package walletd

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kozamori/kozamori/internal/fault"
	"github.com/kozamori/kozamori/internal/id"
	"github.com/kozamori/kozamori/internal/observe"
	"github.com/kozamori/kozamori/internal/wallet"
	"github.com/kozamori/kozamori/internal/web"
)

// The entries of a holder's session. None is a secret: a copy of the session opens nothing.
const (
	keySubject  = "subject"  // who is signed in
	keyDevice   = "device"   // credential id of the passkey she signed in with
	keySince    = "since"    // when her device last signed, unix seconds
	keyErrand   = "errand"   // sign up, recovery or a change under way
	keyCeremony = "ceremony" // the open question to a passkey
	keyNext     = "next"     // where to go once signed in
	keyAsks     = "asks"     // requests for links made in this session (L12), space-separated
)

// freshFor is how long a signature of the device counts for changing what protects the account.
const freshFor = 10 * time.Minute

// knownCookie marks a browser in which a holder signed in, for recovery codes that no stranger can use up; it stays
// when she signs out. knownFor is as long as browsers keep any cookie.
const (
	knownCookie = "__Host-known"
	knownFor    = 400 * 24 * time.Hour
)

// knownMark is the browser's mark, "" where it has none.
func knownMark(r *http.Request) string {
	c, err := r.Cookie(knownCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// holderHandler is a handler of a page for a signed-in holder.
type holderHandler func(w http.ResponseWriter, r *http.Request, h wallet.Holder) error

// signedIn lets only a holder through, whose session was opened by the device that is hers now: a session of a
// lost device ends with the device.
func (s *Server) signedIn(next holderHandler) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		h, err := s.holder(r)
		if fault.Of(err) == fault.Unauthorised && err != nil {
			return s.askSignIn(w, r)
		}
		if err != nil {
			return err
		}
		return next(w, r, h)
	}
}

// holder is who is signed in; fault.Unauthorised for nobody.
func (s *Server) holder(r *http.Request) (wallet.Holder, error) {
	ctx := r.Context()
	sub := id.Subject(s.sessions.GetString(ctx, keySubject))
	if sub == "" {
		return wallet.Holder{}, fault.New(fault.Unauthorised, "walletd.holder", errors.New("nobody is signed in"))
	}
	d, err := s.store.Device(ctx, sub)
	if err == nil && d.Keys.CredentialID != s.sessions.GetString(ctx, keyDevice) {
		err = fault.New(fault.NotFound, "walletd.holder", errors.New("the session's device is hers no more"))
	}
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			s.sessions.Remove(ctx, keySubject)
			return wallet.Holder{}, fault.New(fault.Unauthorised, "walletd.holder", err)
		}
		return wallet.Holder{}, err
	}
	observe.Party(ctx, string(sub))
	return s.store.Holder(ctx, sub)
}

// fresh lets through whose device signed just now, and asks it to otherwise.
func (s *Server) fresh(next holderHandler) func(http.ResponseWriter, *http.Request) error {
	return s.signedIn(func(w http.ResponseWriter, r *http.Request, h wallet.Holder) error {
		since := time.Unix(s.sessions.GetInt64(r.Context(), keySince), 0)
		if s.env.Now().Sub(since) > freshFor {
			return s.askSignIn(w, r)
		}
		return next(w, r, h)
	})
}

// mayOpen says whether this request may write into its session. One without a session yet takes from what its
// source may open, so that looking at pages fills no disk.
func (s *Server) mayOpen(r *http.Request) bool {
	return s.sessions.Token(r.Context()) != "" || s.limits.opens.Allow(web.Source(r, s.cfg.Server.BehindProxy))
}

func (s *Server) askSignIn(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodGet && s.mayOpen(r) {
		s.sessions.Put(r.Context(), keyNext, r.URL.Path)
	}
	http.Redirect(w, r, "/signin", http.StatusSeeOther)
	return nil
}

// enter opens a session for a holder whose device has just signed.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, h wallet.Holder, credential string) error {
	ctx := r.Context()
	next, again := s.sessions.PopString(ctx, keyNext), s.sessions.GetString(ctx, keySubject) == string(h.Subject)
	if !again { // nothing of whoever used this browser before stays
		for _, key := range []string{keyAsks, keyErrand, keyCeremony} {
			s.sessions.Remove(ctx, key)
		}
	}
	if err := s.sessions.RenewToken(ctx); err != nil {
		return fault.New(fault.Unavailable, "walletd.enter", err)
	}
	s.sessions.Put(ctx, keySubject, string(h.Subject))
	s.sessions.Put(ctx, keyDevice, credential)
	s.sessions.Put(ctx, keySince, s.env.Now().Unix())
	http.SetCookie(w, &http.Cookie{Name: knownCookie, Value: s.wallet.KnownMark(h.Subject), Path: "/", MaxAge: int(knownFor.Seconds()),
		HttpOnly: true, Secure: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, localPath(next), http.StatusSeeOther)
	return nil
}

// localPath is where to go next: a page of ours, whatever was kept.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.Contains(next, "\\") {
		return "/"
	}
	return u.EscapedPath()
}

// ask keeps the open question in the session and is what the page asks the passkey.
func (s *Server) ask(r *http.Request, do string, c wallet.Ceremony, browserKey string) web.Ceremony {
	s.sessions.Put(r.Context(), keyCeremony, c.State)
	return web.Ceremony{Do: do, Options: string(c.Options), BrowserKey: browserKey}
}

// answer takes a passkey's answer; the question is closed with it.
func (s *Server) answer(r *http.Request) (state, credential []byte, browserKey string, err error) {
	if !s.limits.keys.Allow(web.Source(r, s.cfg.Server.BehindProxy)) {
		return nil, nil, "", fault.New(fault.Busy, "walletd.answer", nil)
	}
	if err := r.ParseForm(); err != nil {
		return nil, nil, "", fault.New(fault.Invalid, "walletd.answer", err)
	}
	state = s.sessions.PopBytes(r.Context(), keyCeremony)
	return state, []byte(r.PostForm.Get("credential")), r.PostForm.Get("browser_key"), nil
}
