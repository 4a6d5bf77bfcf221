package web

import (
	"net/http"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
)

// NewSessions keeps sessions in a role's store under a cookie "__Host-"+name: Secure, HttpOnly, SameSite=Lax
// (a return from the bank must find its session), gone when the browser closes. The store sees only the
// SHA-256 of a token, so that a copy of the database opens no session. A session ends after idle without
// use and at the latest after life. Call RenewToken at every sign-in and rise of rights, Destroy at sign-out.
// Values are stored as they are: never put a secret into a session.
func NewSessions(store scs.Store, name string, idle, life time.Duration) *scs.SessionManager {
	first, ok := managers.Load(name)
	if !ok {
		first, _ = managers.LoadOrStore(name, scs.New())
	}
	m := new(scs.SessionManager)
	*m = *first.(*scs.SessionManager)
	m.Store = store
	m.HashTokenInStore = true
	m.IdleTimeout, m.Lifetime = idle, life
	m.Cookie.Name = "__Host-" + name
	m.Cookie.Path = "/"
	m.Cookie.Secure = true
	m.Cookie.HttpOnly = true
	m.Cookie.SameSite = http.SameSiteLaxMode
	m.Cookie.Persist = false
	return m
}

// managers are the first ones made, by name, each to be copied: with every one it makes scs begins a store in memory
// that we do not use, and a goroutine that cleans it for ever. A server that is opened again must not add to them.
var managers sync.Map
